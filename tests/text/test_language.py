"""Running text: byte pairs are the same whenever trained, windows hold every token once, bytes are those of the text."""

import numpy as np
import pandas as pd
import pytest

from fourier_lab import RunConfig, paths
from fourier_lab.errors import ConfigError, DataError
from fourier_lab.text import language
from fourier_lab.text.byte_pairs import byte_pairs, train_byte_pairs
from fourier_lab.text.fingerprints import text_at_hand
from fourier_lab.text.streams import encode, token_bytes
from fourier_lab.text.tokenizer import token_words, vocabulary_hash

ROWS = [
    f"The {noun} – naïve, “old” – {verb} {noun}s." for noun in ("dog", "cat", "bird") for verb in ("saw", "met")
] * 4
CONFIG = RunConfig(
    objective="language_model", head="tied", corpus="books", source="folder", vocab_size=290, max_seq_len=8, d_model=16
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder with books, the test split of two, and text of another domain."""
    language._prepare.cache_clear()
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    books = {"train": ["A"] * len(ROWS), "validation": ["B"] * len(ROWS), "test": ["C", "D"] * (len(ROWS) // 2)}
    for split, book in books.items():
        path = tmp_path / "data" / "books" / f"{split}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"book": book, "text": ROWS}).to_parquet(path)
    (tmp_path / "data" / "wikitext2").mkdir()
    pd.DataFrame({"text": ROWS}).to_parquet(tmp_path / "data" / "wikitext2" / "test.parquet")
    return tmp_path / "data"


def test_byte_pairs_are_the_same_whenever_trained():
    first, second = (train_byte_pairs(ROWS, 290) for _ in range(2))
    assert vocabulary_hash(first) == vocabulary_hash(second)
    words, counts = token_words(first), np.bincount(encode(first, ROWS), minlength=290)
    assert [(-counts[i], words[i]) for i in range(290)] == sorted((-counts[i], words[i]) for i in range(290))
    with pytest.raises(ConfigError, match=r"vocab_size \(256\) must be at least 257"):
        train_byte_pairs(ROWS, 256)


def test_a_kept_tokenizer_is_read_again_unless_it_was_changed(folder, monkeypatch):
    tokenizer = byte_pairs(ROWS, 290)
    (kept,) = (paths.RUNS / "tokenizers").glob("*-290-*.json")
    assert kept.stem.endswith(vocabulary_hash(tokenizer))
    trained = []
    monkeypatch.setattr("fourier_lab.text.byte_pairs.train_byte_pairs", lambda *a: trained.append(a) or tokenizer)
    assert vocabulary_hash(byte_pairs(ROWS, 290)) == vocabulary_hash(tokenizer) and not trained
    kept.write_text(train_byte_pairs(ROWS, 280).to_str())
    assert vocabulary_hash(byte_pairs(ROWS, 290)) == vocabulary_hash(tokenizer) and trained


@pytest.mark.parametrize("id_order", ["frequency", "random", "reversed"])
def test_streams_spell_every_byte(folder, id_order):
    corpus = language.prepare_language(CONFIG.replace(id_order=id_order))
    text = "".join(f"{row}\n" for row in ROWS)
    ids = encode(corpus.tokenizer, ROWS)
    assert corpus.tokenizer.decode(ids) == text and token_bytes(corpus.tokenizer)[ids].sum() == len(text.encode())
    assert np.array_equal(np.bincount(ids, minlength=290), corpus.counts)
    # Each window begins with the last token of the one before, so that each token but the first is predicted once.
    assert np.array_equal(corpus.train[:, 1:].ravel(), ids[1 : 1 + len(corpus.train) * 8])
    assert len(corpus.train) == (len(ids) - 1) // 8


def test_books_are_scored_apart_and_every_text_is_fingerprinted(folder):
    corpus = language.prepare_language(CONFIG)
    assert {name: [*books] for name, books in corpus.held_out.items()} == {
        "validation": ["B"], "test": ["C", "D"], "wikitext2/test": [""],
    }  # fmt: skip
    before = text_at_hand(CONFIG)
    assert corpus.account["text"] == before and {*before} == {
        "books/train", "books/validation", "books/test", "wikitext2/test",
    }  # fmt: skip
    pd.DataFrame({"text": [*ROWS, "More."]}).to_parquet(folder / "wikitext2" / "test.parquet")
    after = text_at_hand(CONFIG)
    assert {name for name in before if before[name] != after[name]} == {"wikitext2/test"}


def test_what_is_missing_or_too_short_is_named(folder):
    with pytest.raises(DataError, match=r"books/test \(C\) has \d+ tokens, too few for a window"):
        language.prepare_language(CONFIG.replace(max_seq_len=len(encode(train_byte_pairs(ROWS, 290), ROWS)) - 1))
    pd.DataFrame({"book": ["B", "B"], "text": ["One.", " "]}).to_parquet(folder / "books" / "validation.parquet")
    with pytest.raises(DataError, match="books/validation: row 1 is empty or no text"):
        language.prepare_language(CONFIG)
    (folder / "books" / "validation.parquet").unlink()
    with pytest.raises(DataError, match="no file of books/validation"):
        language.prepare_language(CONFIG)


def test_the_toy_language_counts_a_space_or_line_feed_after_each_word():
    corpus = language.prepare_language(CONFIG.replace(corpus="toy", source="builtin", vocab_size=200))
    text = language._texts("toy", 200)["toy/test"].rows
    ids = encode(corpus.tokenizer, text)
    assert corpus.token_bytes[ids].sum() == len("".join(f"{row}\n" for row in text).encode())
