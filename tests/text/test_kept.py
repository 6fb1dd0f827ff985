"""Token ids are kept in files: read again as they were made, made anew where a file is not what its name says."""

import dataclasses
import os

import numpy as np
import pytest

from fourier_lab import RunConfig, paths
from fourier_lab.errors import DataError
from fourier_lab.text import corpus, kept, language
from fourier_lab.text.kept import Kept
from fourier_lab.text.rows import TokenRows

MADE = Kept({"ids": np.arange(1000), "grades": np.linspace(0, 5, 7)}, {"account": {"rows": 3}, "names": ["a", "ü"]})


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    """Keep files in an empty folder, and nothing in memory."""
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    for module in (corpus, language):
        module._prepare.cache_clear()
    yield tmp_path
    for module in (corpus, language):
        module._prepare.cache_clear()


def same(found):
    equal = all(np.array_equal(found.arrays[name], each) for name, each in MADE.arrays.items())
    return equal and found.about == MADE.about and [*found.arrays] == [*MADE.arrays]


def never(*_):
    raise AssertionError("there is a file")


def test_what_was_made_is_mapped_again_and_each_setting_has_its_own(runs):
    assert same(kept.kept({"length": 5}, lambda: MADE))
    found = kept.kept({"length": 5}, never)
    assert same(found) and not found.arrays["ids"].flags.owndata and not found.arrays["ids"].flags.writeable
    with pytest.raises(AssertionError):
        kept.kept({"length": 6}, never)


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "of other settings", "no arrow"])
def test_a_damaged_file_is_made_anew(runs, damage):
    kept.kept({}, lambda: MADE)
    (path,) = runs.rglob("*.arrow")
    whole = path.read_bytes()
    kept.kept({"other": 1}, lambda: Kept({"ids": np.zeros(1000, int)}, {}))
    (other,) = set(runs.rglob("*.arrow")) - {path}
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:-9],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "emptied": b"",
            "of other settings": other.read_bytes(),
            "no arrow": b"text",
        }[damage]
    )
    again = []
    assert same(kept.kept({}, lambda: again.append(1) or MADE)) and again
    assert same(kept.kept({}, never)) and path.read_bytes() == whole


def test_what_another_version_of_the_library_made_is_not_taken(runs, monkeypatch):
    kept.kept({}, lambda: MADE)
    monkeypatch.setattr(kept, "_source", lambda: "another")
    with pytest.raises(AssertionError):
        kept.kept({}, never)


def test_what_is_wrong_is_raised_and_nothing_is_kept_where_nothing_can_be_written(runs, caplog):
    def wrong():
        raise DataError("no such text.")

    with pytest.raises(DataError, match="no such text"):
        kept.kept({}, wrong)
    (runs / "tokens").rename(runs / "aside")
    (runs / "tokens").touch()  # no folder
    assert same(kept.kept({}, lambda: MADE)) and "token ids are not kept" in caplog.text


def test_files_that_nobody_has_used_for_a_month_go(runs):
    for number in (1, 2):
        kept.kept({"number": number}, lambda: MADE)
    for path in runs.rglob("*.arrow"):
        os.utime(path, (0, 0))
    kept.kept({"number": 2}, never)
    kept.kept({"number": 3}, lambda: MADE)
    assert len(list(runs.rglob("*.arrow"))) == 2 and same(kept.kept({"number": 2}, never))


def plain(value):
    """Return a corpus as plain values that can be compared, array by array; integers of a file may be small ones."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind.replace("u", "i"), value.tolist()
    if isinstance(value, TokenRows):
        return [plain(each) for each in value]
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value.to_str() if hasattr(value, "to_str") else value


LANGUAGE = {"objective": "language_model", "head": "tied", "max_seq_len": 8, "id_order": "reversed"}


@pytest.mark.parametrize("changes", [{"train_pairs": 40}, {"objective": "nli", "train_pairs": 40}, LANGUAGE])
def test_a_corpus_from_its_file_is_the_one_that_was_tokenised(runs, monkeypatch, changes):
    wing = language if changes is LANGUAGE else corpus
    prepare = language.prepare_language if changes is LANGUAGE else corpus.prepare
    config = RunConfig(vocab_size=500, **changes)
    direct = []
    tokenised = wing._tokenised
    monkeypatch.setattr(wing, "_tokenised", lambda *asked: direct.append(tokenised(*asked)) or direct[0])
    made = prepare(config)
    wing._prepare.cache_clear()
    monkeypatch.setattr(wing, "_tokenised", never)
    again = prepare(config)
    assert plain(again) == plain(made) and len(again.train) > 0
    if wing is corpus:
        assert plain(again) == plain(direct[0])


def test_text_that_changes_while_it_is_read_is_kept_under_no_name(monkeypatch):
    config = RunConfig(vocab_size=500, train_pairs=40)
    monkeypatch.setattr(corpus, "text_at_hand", lambda config: {"toy/train": "of another text"})
    with pytest.raises(DataError, match="the files of toy have changed while they were read"):
        corpus.prepare(config)
    with pytest.raises(DataError, match="the files of toy have changed while they were read"):
        language._prepare("toy", 500, 8, "frequency", 0, (("toy/train", "of another text"),))
    assert not list(paths.RUNS.rglob("*.arrow"))
