"""How a tokenizer cuts text, as tables for a few lines of JavaScript: a browser knows another Unicode than the library."""

import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from ..errors import ConfigError
from ..text.tokenizer import token_words
from ..text.vocabulary import around, unknown_id

Normalise = Callable[[str], str]

# Marks that stay in the text, of the combining classes 224 and 216: canonical order puts the second one first.
_LATE, _EARLY = "\u302e", "\U0001d165"
_LETTERS = 0x30000  # where the planes end whose letters BERT's rules tell apart
_HANGUL = range(0xAC00, 0xD7A4)  # syllables, whose parts every browser knows: Unicode has promised never to change them


def token_rules(tokenizer: Tokenizer) -> dict[str, Any]:
    """Return what a page needs to cut text as ``tokenizer`` does, JSON-ready; see ``live/encoder.js`` for its reader.

    Every character of the planes of letters is shown to the tokenizer, for it knows some that Python's Unicode does not, and
    beyond these planes every one that Python knows. Marks are those that Python knows.

    Raises:
        ConfigError: If the tokenizer is none in BERT's manner, or has added tokens.
    """
    model, normalizer = tokenizer.model, tokenizer.normalizer
    if (
        not isinstance(model, models.WordPiece)
        or not isinstance(normalizer, normalizers.BertNormalizer)
        or not isinstance(tokenizer.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
        or tokenizer.get_added_tokens_decoder()
    ):
        raise ConfigError(
            f"a page cuts text by WordPiece in BERT's manner, without added tokens; this tokenizer is of another kind "
            f"({type(model).__name__}). Train the encoder with a vocab.txt, or export it as ONNX."
        )
    first, last = around(tokenizer)
    return {
        "words": token_words(tokenizer),
        "unknown": unknown_id(tokenizer),
        "first": list(first),
        "last": list(last),
        "prefix": model.continuing_subword_prefix,
        "longest": model.max_input_chars_per_word,
        **_character_rules(
            normalizer.clean_text, normalizer.handle_chinese_chars, normalizer.strip_accents, normalizer.lowercase
        ),
    }


@lru_cache(maxsize=8)
def _character_rules(clean: bool, chinese: bool, strip_accents: bool | None, lowercase: bool) -> dict[str, Any]:
    """Return what becomes of characters under the settings of a ``BertNormalizer``.

    Returns:
        dict: ``drop`` and ``pad`` are ranges of characters that vanish and that stand alone; ``map`` is what others become;
        ``hangul`` says whether syllables fall into their parts; ``punctuation`` and ``blank`` are where words end; ``order``
        is the place of marks among those that follow each other, which dropped characters in ``bars`` keep apart.
    """
    normalise = normalizers.BertNormalizer(clean, chinese, strip_accents, lowercase).normalize_str
    categories = ((c, unicodedata.category(chr(c))) for c in range(0x110000) if c != ord("|"))
    seen = [chr(c) for c, kind in categories if kind != "Cs" and (kind != "Cn" or c < _LETTERS)]
    become = dict(zip(seen, _each(normalise, seen), strict=True)) | {"|": "|"}
    hangul = become["\uac00"] != "\uac00"
    mapped = {c: to for c, to in become.items() if to not in ("", c, f" {c} ") and not (hangul and ord(c) in _HANGUL)}
    stay = sorted({c for to in become.values() for c in to})
    dropped = [c for c, to in become.items() if not to]
    pieces = [
        piece for piece, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str("a" + "a".join(stay) + "a")
    ]  # signs stand alone, others among the a's
    cut = {piece for piece in pieces if len(piece) == 1 and piece != "a"}
    order, bars = _marks(normalise, stay, dropped)
    return {
        "drop": _ranges(dropped),
        "pad": _ranges(c for c, to in become.items() if to == f" {c} "),
        "map": mapped,
        "hangul": hangul,
        "punctuation": _ranges(cut),
        "blank": "".join(sorted(set(stay) - set("".join(pieces)))),
        "order": order,
        "bars": _ranges(bars),
    }


def _each(normalise: Normalise, texts: Iterable[str]) -> list[str]:
    """Normalise texts apart from each other, in one call."""
    return normalise("|" + "|".join(texts) + "|").split("|")[1:-1]


def _marks(normalise: Normalise, stay: list[str], dropped: list[str]) -> tuple[dict[str, int], list[str]]:
    """Return the places of kept marks in canonical order, and the dropped characters which marks do not pass."""
    if normalise(_LATE + _EARLY) != _EARLY + _LATE:
        return {}, []
    marks = [c for c in stay if unicodedata.category(c).startswith("M")]
    before, after = (_each(normalise, pairs) for pairs in ((c + _EARLY for c in marks), (_LATE + c for c in marks)))
    moving = [c for c, a, b in zip(marks, before, after, strict=True) if a != c + _EARLY or b != _LATE + c]
    ordered = list(normalise("".join(moving)))
    pairs = list(pairwise(ordered))
    places = accumulate(
        # Marks of one class stay as they come.
        (
            int(swapped == a + b)
            for (a, b), swapped in zip(pairs, _each(normalise, (b + a for a, b in pairs)), strict=True)
        ),
        initial=0,
    )
    through = _each(normalise, (_LATE + c + _EARLY for c in dropped))
    bars = [c for c, found in zip(dropped, through, strict=True) if found == _LATE + _EARLY]
    return dict(zip(ordered, places, strict=True)), bars


def _ranges(characters: Iterable[str]) -> list[int]:
    """Return the starts and ends, ends left out, of the ranges that characters fill: ``[start, end, start, end, ...]``."""
    codes = set(map(ord, characters))
    return sorted(codes ^ {c + 1 for c in codes})
