"""Pairs that stay in their files are those that lists hold: the same fingerprint, numbers and ids, a block at a time."""

import itertools

import numpy as np
import pytest

from fourier_lab import RunConfig, load_pairs, paths
from fourier_lab.bench.made_up import write_pairs
from fourier_lab.errors import DataError
from fourier_lab.text import corpus, pair_stream, pairs, tables, tokenizer
from fourier_lab.text.pair_stream import Side, distinct
from fourier_lab.text.rows import TokenRows

N = 200
CONFIG = RunConfig(corpus="snli", source="folder", steps=1, warmup_steps=0, batch_size=4)


@pytest.fixture
def small_blocks(monkeypatch):
    for module, name in ((pair_stream, "BLOCK"), (tables, "BLOCK"), (pairs, "BLOCK"), (tokenizer, "_BLOCK")):
        monkeypatch.setattr(module, name, 7)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path))
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    write_pairs(tmp_path, N)
    corpus._prepare.cache_clear()
    yield tmp_path
    corpus._prepare.cache_clear()


@pytest.mark.parametrize("words", [1, 3, 1000])
def test_equal_sentences_have_one_number_in_order_of_appearance(words, small_blocks):
    rng = np.random.default_rng(words)
    first, second = ([f"word {i}" for i in rng.integers(0, words, 40)] for _ in range(2))
    number, met_first = distinct(first, second, len(first))
    known: dict[str, int] = {}
    assert number.tolist() == [known.setdefault(sentence, len(known)) for sentence in first + second]
    assert [*itertools.compress(first + second, met_first)] == [*known]


def test_sides_are_chosen_from_again_and_again():
    side = Side((["a", "b"], ["c", "d", "e"]))
    some = side.select(np.array([True, False, True, True, False]))
    assert [*some] == [*some] == ["a", "c", "d"] and len(some.keep) == 4
    assert [*some.select(np.array([False, False, True]))] == ["d"] and not [*some.select(np.zeros(3, bool))]


def test_a_run_reads_the_same_from_files_as_from_lists_and_holds_no_list_of_them(folder, small_blocks, monkeypatch):
    listed, account = pairs.training_pairs("snli", "folder", 150, True, "graded")
    expected = corpus.token_pairs(tokenizer.load_tokenizer(CONFIG), listed, CONFIG.max_seq_len)
    assert account["snli"]["fingerprint"] == load_pairs("snli", "train", "folder").fingerprint
    real = pairs._in_lists

    def few(stream):
        assert len(stream) < 100, "all sentences of the training text are in memory"
        return real(stream)

    monkeypatch.setattr(pairs, "_in_lists", few)
    found = corpus.prepare(CONFIG.replace(train_pairs=150))
    assert found.account["train"] == account and len(found.train) == 150
    for ours, theirs in ((found.train.first, expected.first), (found.train.second, expected.second)):
        assert all(map(np.array_equal, ours, theirs)) and np.array_equal(ours.number, theirs.number)
        assert ours.ids.dtype == theirs.ids.dtype == np.uint16
    ids = [*found.train.sentences]
    assert np.array_equal(found.train.counts(20_005), np.bincount(np.concatenate(ids), minlength=20_005))
    assert not found.train.first.ids.flags.owndata and not found.train.first.ids.flags.writeable  # mapped at once


def test_a_file_that_changes_while_it_is_read_and_one_that_is_damaged_are_refused(folder):
    reading = iter(pairs.stream_pairs("snli", "train", "folder").first)
    next(reading)
    path = folder / "snli" / "train.parquet"
    content = path.read_bytes()
    path.write_bytes(content)
    with pytest.raises(DataError, match="changed while it was read. Repeat"):
        list(reading)
    harmed = bytearray(content)
    harmed[100:3000] = bytes(2900)
    path.write_bytes(harmed)
    with pytest.raises(DataError, match="cannot read .*train.parquet"):
        load_pairs("snli", "train", "folder")


def test_rows_widen_as_ids_grow():
    blocks = [[np.array([1, 200])], [np.array([300]), np.array([2])], [np.array([70_000])]]
    rows = TokenRows.of(blocks)
    assert rows.ids.dtype == np.uint32 and [row.tolist() for row in rows] == [[1, 200], [300], [2], [70_000]]
    assert len(TokenRows.of([])) == 0
