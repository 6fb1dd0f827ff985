"""What a tokenizer's tokens are for: padding, the unknown, the ends of a sentence, and how a piece within a word is spelled.

Every role is read from the tokenizer itself, so that a token that it lacks is None and never id 0.
"""

import json
import re
from dataclasses import dataclass

from tokenizers import Tokenizer, models

_PADDING = ("[PAD]", "<pad>", "<PAD>", "<|pad|>", "<|padding|>")
_BRACKETED = re.compile(r"\[\w+\]|<\|?\w+\|?>|</\w+>")
_STARTS = ("Ġ", "▁")  # byte-level pre-tokenizers and Metaspace write a space as one of these


@dataclass(frozen=True)
class Roles:
    """Ids of the tokens that are no text.

    Attributes:
        pad: Fills up short sentences; None if the tokenizer has no such token.
        unknown: Stands for what the vocabulary cannot spell; None if there is nothing that it cannot, or it drops that.
        first: Ids that the tokenizer puts before every sentence, such as [CLS]; often one, or none.
        last: Ids that it puts after every sentence, such as [SEP].
    """

    pad: int | None
    unknown: int | None
    first: tuple[int, ...]
    last: tuple[int, ...]

    @property
    def ids(self) -> set[int]:
        """Return all of these ids."""
        return {i for i in (self.pad, self.unknown, *self.first, *self.last) if i is not None}


def roles(tokenizer: Tokenizer) -> Roles:
    """Return the roles that a tokenizer gives to its tokens.

    Example:
        >>> from fourier_lab.text.tokenizer import toy_tokenizer
        >>> roles(toy_tokenizer(500))
        Roles(pad=0, unknown=1, first=(2,), last=(3,))
    """
    names = ((tokenizer.padding or {}).get("pad_token"), *_PADDING)
    known = (tokenizer.token_to_id(name) for name in names if name is not None)
    first, last = around(tokenizer)
    return Roles(next((i for i in known if i is not None), None), unknown_id(tokenizer), first, last)


def unknown_id(tokenizer: Tokenizer) -> int | None:
    """Return the id that stands for what the vocabulary cannot spell, or None."""
    if isinstance(tokenizer.model, models.Unigram):  # which tells its unknown token in its file alone
        return json.loads(tokenizer.to_str())["model"]["unk_id"]
    name = tokenizer.model.unk_token
    return None if name is None else tokenizer.token_to_id(name)


def around(tokenizer: Tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the ids that a tokenizer puts before and after every sentence."""
    if tokenizer.post_processor is None:
        return (), ()
    probe = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))  # one token of text, whatever the vocabulary
    probe.post_processor = tokenizer.post_processor
    encoding = probe.encode("a")
    place = encoding.special_tokens_mask.index(0)
    return tuple(encoding.ids[:place]), tuple(encoding.ids[place + 1 :])


def special_ids(tokenizer: Tokenizer) -> set[int]:
    """Return the ids of all tokens that are no text: those with a role, those added as special, those spelled as special."""
    added = {i for i, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    return roles(tokenizer).ids | added | {i for word, i in vocabulary.items() if is_special(word)}


def is_special(token: str) -> bool:
    """Return whether a token is spelled as no text is: ``[CLS]``, ``[unused7]``, ``<s>``, ``<|endoftext|>``."""
    return _BRACKETED.fullmatch(token) is not None


def bare(token: str) -> str:
    """Return the text of a token, without the mark of a word's start or of a piece within a word.

    Example:
        >>> [bare(token) for token in ("##ing", "Ġdog", "▁dog", "dog</w>", "##")]
        ['ing', 'dog', 'dog', 'dog', '##']
    """
    for mark in ("##", *_STARTS):
        if token.startswith(mark) and token != mark:
            return token[len(mark) :]
    return token.removesuffix("</w>") or token


def start_mark(words: list[str]) -> str:
    """Return the mark of a word's start in this vocabulary; empty where pieces within a word are marked instead."""
    count = {mark: sum(word.startswith(mark) and word != mark for word in words) for mark in ("##", *_STARTS)}
    most = max(count, key=count.__getitem__)
    return most if most in _STARTS else ""


def within_word(token: str, start: str) -> bool:
    """Return whether a token goes on with a word, in a vocabulary with the :func:`start_mark` ``start``."""
    return not token.startswith(start) and not is_special(token) if start else token.startswith("##")
