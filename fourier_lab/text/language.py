"""Running text for language models: books and WikiText from a folder, the toy language's sentences, in windows of tokens."""

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from ..config import RunConfig
from ..errors import DataError
from .byte_pairs import byte_pairs
from .fingerprints import text_at_hand
from .id_order import first_word, order_ids, reorder
from .kept import Kept, kept
from .own import data_folder
from .pairs import TOY_SIZES
from .places import content, find
from .streams import encode, token_bytes, windows_of
from .tables import Reading, read_rows
from .tokenizer import TOY_ORDERS, token_words, toy_tokenizer, vocabulary_hash
from .toy import toy_language

SPLITS = ("train", "validation", "test")
ELSEWHERE = "wikitext2"  # text of another domain, scored where the folder has it
SCORED_TOKENS = 2**15  # of each split, in windows spread evenly over it
_COLUMNS = Reading((("text",), ("book", "text")))


@dataclass(frozen=True)
class Text:
    """One split of a corpus.

    Attributes:
        books: Paragraphs in order, by the book that they are of; all under one name if the corpus does not say.
        fingerprint: 12 hexadecimal digits of a hash over all paragraphs and books.
    """

    books: dict[str, list[str]]
    fingerprint: str

    @property
    def rows(self) -> list[str]:
        """All paragraphs, book by book."""
        return [row for rows in self.books.values() for row in rows]


@dataclass(frozen=True)
class LanguageCorpus:
    """What a language model reads.

    Attributes:
        tokenizer: Spells every text without loss.
        train: Windows, int64 ``(n, max_seq_len + 1)``.
        keys: A number for each window, twice, as :func:`fourier_lab.text.batches.batch_stream` reads them.
        held_out: Windows to be scored, by split and by book in it: ``validation``, ``test``, and of another domain
            ``wikitext2/validation`` and ``wikitext2/test``.
        counts: How often each id occurs in the training text, int64 ``(V,)``.
        token_bytes: Bytes of text that each id stands for, int64 ``(V,)``.
        account: JSON-ready: rows, windows, fingerprints, number of ids and their hash.
    """

    tokenizer: Tokenizer
    train: np.ndarray
    keys: tuple[np.ndarray, np.ndarray]
    held_out: dict[str, dict[str, np.ndarray]]
    counts: np.ndarray
    token_bytes: np.ndarray
    account: dict[str, Any]


def text_files(corpus: str) -> list[Path]:
    """Return the files in the data folder of every text that a language model of this corpus reads.

    Raises:
        DataError: If one is missing.
    """
    return [path for files in _files(corpus).values() for path in files]


def text_fingerprints(corpus: str) -> dict[str, str]:
    """Fingerprint every text in the data folder that a language model of this corpus reads, such as ``books/train``.

    Raises:
        DataError: If a file is missing or malformed.
    """
    return {name: text.fingerprint for name, text in _texts(corpus, 0).items()}


def prepare_language(config: RunConfig) -> LanguageCorpus:
    """Load and tokenise what a language model reads; kept in memory, so that runs that differ only in the model share it.

    Raises:
        DataError: If a text is missing, malformed or shorter than a window.
        ConfigError: If ``vocab_size`` is too small for byte pairs.
    """
    shuffled = config.id_order not in ("frequency", "semantic", "by_count", "reversed", "alphabetical")
    order = config.id_order, config.seed if shuffled else 0
    text = {} if config.corpus == "toy" else text_at_hand(config) or text_fingerprints(config.corpus)
    corpus = _prepare(config.corpus, config.vocab_size, config.max_seq_len, *order, tuple(text.items()))
    return corpus if config.train_pairs is None else _cut(corpus, config.train_pairs)


def _cut(corpus: LanguageCorpus, most: int) -> LanguageCorpus:
    """Keep so many training windows, spread evenly over the text, and count their tokens alone; token ids stay."""
    train = corpus.train[_evenly(len(corpus.train), most)]
    counts = np.bincount(train[:, 1:].ravel(), minlength=len(corpus.counts))
    account = {**corpus.account, "train_windows": len(train), "train_tokens": int(counts.sum())}
    numbers = np.arange(len(train))
    return dataclasses.replace(corpus, train=train, keys=(numbers, numbers), counts=counts, account=account)


def _evenly(n: int, most: int) -> np.ndarray:
    return np.linspace(0, n - 1, min(n, most)).round().astype(int)


@lru_cache(maxsize=4)
def _prepare(
    corpus: str, vocab_size: int, length: int, id_order: str, seed: int, contents: tuple[tuple[str, str], ...]
) -> LanguageCorpus:
    """Prepare the texts of these fingerprints, or take them from where they are kept."""
    asked = (corpus, vocab_size, length, id_order, seed, contents)
    arrays, about = kept({"windows": asked}, lambda: _tokenised(*asked))
    train = windows_of(arrays["train"], length, f"{corpus}/train")
    held_out: dict[str, dict[str, np.ndarray]] = {}
    for number, (split, book) in enumerate(about["held_out"]):
        held_out.setdefault(split, {})[book] = arrays[f"held_out/{number}"].reshape(-1, length + 1).copy()
    numbers = np.arange(len(train))
    return LanguageCorpus(
        tokenizer=Tokenizer.from_str(about["tokenizer"]),
        train=train,
        keys=(numbers, numbers),
        held_out=held_out,
        counts=arrays["counts"].copy(),
        token_bytes=arrays["token_bytes"].copy(),
        account=about["account"],
    )


def _tokenised(
    corpus: str, vocab_size: int, length: int, id_order: str, seed: int, contents: tuple[tuple[str, str], ...]
) -> Kept:
    texts = _texts(corpus, vocab_size)
    if contents and dict(contents) != {name: text.fingerprint for name, text in texts.items()}:
        raise DataError(f"the files of {corpus} have changed while they were read. Repeat the same command.")
    train = texts.pop(f"{corpus}/train")
    own_order = id_order if corpus == "toy" and id_order in TOY_ORDERS else "frequency"
    tokenizer = toy_tokenizer(vocab_size, own_order) if corpus == "toy" else byte_pairs(train.rows, vocab_size)
    ids = encode(tokenizer, train.rows)
    counts = np.bincount(ids, minlength=tokenizer.get_vocab_size())
    if id_order != own_order:
        order = order_ids(id_order, token_words(tokenizer), counts, first_word(tokenizer), seed)
        tokenizer = reorder(tokenizer, order)
        ids, counts = np.argsort(order)[ids], counts[order]
    n_windows = len(windows_of(ids, length, f"{corpus}/train"))
    account: dict[str, Any] = {
        "train": {corpus: {"rows": len(train.rows), "windows": n_windows, "fingerprint": train.fingerprint}},
        "train_tokens": len(ids),
        "vocab_size": len(counts),
        "vocabulary": vocabulary_hash(tokenizer),
    }
    if corpus != "toy":
        account["text"] = dict(contents)
    held_out = {
        (name.removeprefix(f"{corpus}/"), book): _spread(
            windows_of(encode(tokenizer, rows), length, f"{name} ({book})"), len(text.books)
        )
        for name, text in texts.items()
        for book, rows in text.books.items()
    }
    arrays = {"train": ids, "counts": counts, "token_bytes": token_bytes(tokenizer)}
    arrays |= {f"held_out/{number}": windows.ravel() for number, windows in enumerate(held_out.values())}
    return Kept(arrays, {"tokenizer": tokenizer.to_str(), "account": account, "held_out": [*held_out]})


def _spread(windows: np.ndarray, n_books: int) -> np.ndarray:
    """Choose windows evenly over a book, for its share of :data:`SCORED_TOKENS`."""
    most = max(1, SCORED_TOKENS // (n_books * (windows.shape[1] - 1)))
    return windows[_evenly(len(windows), most)]


def _texts(corpus: str, vocab_size: int) -> dict[str, Text]:
    if corpus == "toy":
        language = toy_language(vocab_size)
        return {f"toy/{split}": _text(language.nli(split, TOY_SIZES[split])[0]) for split in SPLITS}
    return {
        name: _read(name, tuple((path, content(path)) for path in files))
        for name, files in _files(corpus).items()
        if files
    }


def _files(corpus: str) -> dict[str, list[Path]]:
    folder = data_folder()
    wanted = [(corpus, split) for split in SPLITS] + [(ELSEWHERE, split) for split in SPLITS[1:]]
    found = {f"{name}/{split}": find(folder, name, split) for name, split in wanted}
    for name, files in found.items():
        if not files and not name.startswith(ELSEWHERE):
            raise DataError(f"no file of {name} in {folder}. Put {name}.parquet there, with the columns book and text.")
    return found


@lru_cache(maxsize=8)
def _read(name: str, files: tuple[tuple[Path, str], ...]) -> Text:
    read = [read_rows(path, _COLUMNS) for path, _ in files]
    rows, books = ([each for part in read for each in side(part)] for side in (lambda r: r.first, lambda r: r.second))
    if bad := [i for i, row in enumerate(rows) if not isinstance(row, str) or not row.strip()]:
        raise DataError(f"{name}: row {bad[0]} is empty or no text: {rows[bad[0]]!r}. Drop the row.")
    return _text(rows, None if books == rows else books)


def _text(rows: list[str], books: Iterable[str] | None = None) -> Text:
    """Gather paragraphs by book; those of no book are under the empty name."""
    by_book: dict[str, list[str]] = {}
    for row, book in zip(rows, books or [""] * len(rows), strict=True):
        by_book.setdefault(book, []).append(row)
    whole = "\0".join(f"{book}\0\0" + "\n".join(each) for book, each in by_book.items())
    return Text(by_book, hashlib.sha256(whole.encode()).hexdigest()[:12])
