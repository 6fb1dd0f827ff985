"""Sentences to token ids: a ``tokenizer.json`` or ``vocab.txt`` for real text, whole words for the toy language."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from ..config import RunConfig, check_config
from ..errors import ConfigError, DataError, brief
from .plain_words import PlainWords
from .vocabulary import is_special

HUB_TOKENIZER = ("bert-base-uncased", "86b5e0934494bd15c9632b12f734a8a67f723594")
UNKNOWN = "[UNK]"
_BLOCK = 2**16
_STRAY = 1e-3  # a smaller share of capitals or accents is a slip in a vocabulary that has none
TOY_ORDERS = ("frequency", "semantic", "random")  # the toy language's own; all others rearrange the first


def load_tokenizer(config: RunConfig) -> Tokenizer:
    """Return the tokenizer that a run's corpus and source imply; orders of ids that need the training text are not applied.

    Raises:
        DataError: If the vocabulary file is missing or the hub cannot be reached.
    """
    check_config(config, "load_tokenizer")
    if config.corpus == "toy":
        known = config.id_order in TOY_ORDERS
        return toy_tokenizer(config.vocab_size, config.id_order if known else "frequency")
    if config.tokenizer == "trained":
        from .pairs import training_stream
        from .word_pieces import train_word_pieces

        pairs, _ = training_stream(config.corpus, config.source, None, config.left_out, kind=None)
        return train_word_pieces(list(dict.fromkeys((*pairs.first, *pairs.second))), config.vocab_size)
    if config.source == "hub":
        return hub_tokenizer()
    from .own import tokenizer_file

    return tokenizer_at(tokenizer_file(config.corpus))


def tokenizer_at(path: Path) -> Tokenizer:
    """Return the tokenizer of a ``tokenizer.json`` or a ``vocab.txt``, told apart by the suffix."""
    return tokenizer_from_file(path) if path.suffix == ".json" else wordpiece_tokenizer(path)


def tokenizer_from_file(path: Path) -> Tokenizer:
    """Return the tokenizer of a ``tokenizer.json``, of any kind, as it is.

    Raises:
        DataError: If the file is missing or no tokenizer, or leaves out ids, whose rows no token would ever train.
    """
    try:
        tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8-sig"))
    except Exception as error:  # the library raises plain exceptions
        raise DataError(f"{path} is no tokenizer.json ({error}). Save it again with the tokenizers library.") from error
    ids = tokenizer.get_vocab(with_added_tokens=True).values()
    n_ids = tokenizer.get_vocab_size(with_added_tokens=True)
    if set(ids) != set(range(n_ids)):
        raise DataError(
            f"{path} has {n_ids:,} tokens with ids up to {max(ids, default=-1):,}: every id from 0 on must be one token's. "
            "Number its tokens without a gap."
        )
    return tokenizer


def toy_tokenizer(vocab_size: int = 30522, id_order: str = "frequency") -> Tokenizer:
    """Return the whole-word tokenizer of the toy language; ``id_order`` decides which word has which id."""
    from .toy import toy_language

    words = toy_language(vocab_size).vocabulary(id_order)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return with_special_tokens(tokenizer)


def wordpiece_tokenizer(path: Path) -> Tokenizer:
    """Return a WordPiece tokenizer in BERT's manner over a ``vocab.txt``, one piece a line.

    Text is lower-cased, and loses its accents, only if the vocabulary has no capitals, or no accents: else hardly one of
    those pieces could ever be read.

    Raises:
        DataError: If the file is missing, no text, lacks a special token or has one piece twice.
    """
    if not path.is_file():
        raise DataError(f"no vocabulary at {path}. Put BERT's vocab.txt there, or set source to 'hub' to download it.")
    try:
        text = path.read_bytes().decode("utf-8-sig")  # with or without a byte order mark
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not text ({error}). Use the vocab.txt of bert-base-uncased.") from error
    # Not splitlines, which also parts at characters that are pieces themselves, such as U+0085 and U+2028.
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    vocabulary = {line: i for i, line in enumerate(lines)}
    if len(vocabulary) < len(lines):
        twice = next(line for i, line in enumerate(lines) if vocabulary[line] != i)
        raise DataError(f"{path} has the line {twice!r} twice, so ids would be skipped. Leave one of the two out.")
    if missing := {"[PAD]", UNKNOWN, "[CLS]", "[SEP]"} - set(vocabulary):
        raise DataError(
            f"{path} lacks {', '.join(sorted(missing))}, which BERT's vocabularies have. Put a tokenizer.json in its place "
            "if its special tokens have other names."
        )
    return bert_tokenizer(vocabulary, _bert_normalizer(lines))


def bert_tokenizer(vocabulary: dict[str, int], normalizer: normalizers.Normalizer) -> Tokenizer:
    """Return the WordPiece tokenizer in BERT's manner that has these pieces by id."""
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return with_special_tokens(tokenizer)


def _bert_normalizer(pieces: list[str]) -> normalizers.Normalizer:
    """Return the normaliser that a vocabulary was made with: does it hold capitals, or accents?"""
    texts = [piece for piece in pieces if not is_special(piece)]
    as_is, lower = (normalizers.BertNormalizer(lowercase=low, strip_accents=False) for low in (False, True))
    plain = normalizers.BertNormalizer(lowercase=True)
    n_capital = sum(as_is.normalize_str(text) != lower.normalize_str(text) for text in texts)
    n_accent = sum(lower.normalize_str(text) != plain.normalize_str(text) for text in texts)
    if n_capital > _STRAY * len(texts):
        return as_is
    return lower if n_accent > _STRAY * len(texts) else plain


def tokenize(tokenizer: Tokenizer, sentences: Sequence[str], max_seq_len: int) -> list[np.ndarray]:
    """Turn sentences into int64 id arrays ``(length,)`` with the tokenizer's own ends, cut to ``max_seq_len``.

    Raises:
        DataError: If a sentence is empty, blank or not text, or holds no token, only characters that the tokenizer drops.
    """
    return [row for rows in id_blocks(tokenizer, sentences, max_seq_len) for row in rows]


def id_blocks(tokenizer: Tokenizer, sentences: Iterable[str], max_seq_len: int) -> Iterator[list[np.ndarray]]:
    """Yield the arrays of :func:`tokenize` in lists of 65,536, so that no more words need be in memory at once."""
    cut, ends = Cutter(tokenizer, max_seq_len), tokenizer.num_special_tokens_to_add(False)
    remaining, start = iter(sentences), 0
    while block := list(islice(remaining, _BLOCK)):
        check_text(block, start)
        if (blank := next((i for i, sentence in enumerate(block) if not sentence.strip()), None)) is not None:
            raise DataError(
                f"sentence {start + blank} is {brief(block[blank])}; every sentence must be non-empty text. Drop or fill it."
            )
        rows = cut(block)
        if (empty := next((i for i, row in enumerate(rows) if len(row) <= ends), None)) is not None:
            raise DataError(
                f"sentence {start + empty} is {brief(block[empty])}, which holds no token, only characters that the "
                "tokenizer drops. Drop or fill it."
            )
        yield rows
        start += len(block)


def check_text(sentences: Sequence[object], start: int = 0) -> None:
    """Raise :class:`DataError` that names the first of ``sentences`` which is no text; an empty one is text.

    They are numbered from ``start``.
    """
    for i, sentence in enumerate(sentences, start):
        if not isinstance(sentence, str):
            raise DataError(f"sentence {i} is {brief(sentence)}; every sentence must be text. Drop or fill it.")
        if not sentence.isascii() and re.search("[\ud800-\udfff]", sentence):
            raise DataError(
                f"sentence {i} is {brief(sentence)}, which has half of a character. Decode it as UTF-8 again."
            )


class Cutter:
    """Cut checked sentences into int64 ids ``(length,)``, at most ``max_seq_len``, with the tokenizer's own ends.

    It keeps the words that it has met, so that many blocks of sentences are best cut by one.
    """

    def __init__(self, tokenizer: Tokenizer, max_seq_len: int):
        self.tokenizer, self.longest = truncating(tokenizer, max_seq_len), max_seq_len
        self.words = PlainWords(self.tokenizer)

    def __call__(self, sentences: list[str]) -> list[np.ndarray]:
        rows = list(self.words.rows(sentences))
        others = [i for i, row in enumerate(rows) if row is None or len(row) > self.longest]
        for i, encoding in zip(others, self.tokenizer.encode_batch_fast([sentences[i] for i in others]), strict=True):
            rows[i] = np.array(encoding.ids, dtype=np.int64)
        return cast(list[np.ndarray], rows)


def truncating(tokenizer: Tokenizer, max_seq_len: int) -> Tokenizer:
    """Return a copy that cuts to ``max_seq_len`` tokens and does not pad, whatever ``tokenizer`` itself does.

    The vocabulary is shared: a copy of 30,522 tokens would cost more than encoding a few sentences.

    Raises:
        ConfigError: If no token of text would be left. The library itself then cuts nothing (tokenizers 0.23.3).
    """
    ends = tokenizer.num_special_tokens_to_add(False)
    if max_seq_len <= ends:
        raise ConfigError(
            f"max_seq_len ({max_seq_len}) leaves no room for text, since the tokenizer puts {ends} tokens around every "
            f"sentence. Set it to at least {ends + 1}."
        )
    cutting = Tokenizer(tokenizer.model)
    for part in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        if (value := getattr(tokenizer, part)) is not None:
            setattr(cutting, part, value)
    added = tokenizer.get_added_tokens_decoder()
    cutting.add_tokens([added[i] for i in sorted(added)])
    cutting.encode_special_tokens = tokenizer.encode_special_tokens
    cutting.enable_truncation(max_seq_len)
    return cutting


def vocabulary_hash(tokenizer: Tokenizer) -> str:
    """Return 12 hexadecimal digits that name the mapping from tokens to ids, and what else decides how text is cut.

    That is the merges of byte pairs in their order, and the scores of Unigram to six digits, since a file may come back with
    another last one (tokenizers 0.23.3); WordPiece and whole words have their tokens alone.
    """
    digest = hashlib.sha256("\n".join(token_words(tokenizer)).encode())
    if isinstance(tokenizer.model, (models.BPE, models.Unigram)):
        model = json.loads(tokenizer.to_str())["model"]
        if cut := model.get("merges") or [f"{score:.6g}" for _, score in model["vocab"] if model["type"] == "Unigram"]:
            digest.update(json.dumps(cut).encode())
    return digest.hexdigest()[:12]


def token_words(tokenizer: Tokenizer) -> list[str]:
    """Return the token of every id, in order."""
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    return sorted(vocabulary, key=vocabulary.__getitem__)


def with_special_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """Return ``tokenizer`` so that it puts [CLS] and [SEP] around every sentence."""
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", cls), ("[SEP]", sep)]
    )
    return tokenizer


def hub_tokenizer() -> Tokenizer:
    """Return BERT's uncased WordPiece tokenizer from the hub, at its pinned revision.

    Raises:
        DataError: If the hub cannot be reached.
    """
    name, revision = HUB_TOKENIZER
    try:
        return Tokenizer.from_pretrained(name, revision=revision)
    except Exception as error:  # the hub client raises many kinds; all mean the same to the reader
        raise DataError(
            f"cannot fetch the tokenizer {name} from the hub ({error}). Check the network, or use source 'folder' with "
            "tokenizer/vocab.txt in it."
        ) from error
