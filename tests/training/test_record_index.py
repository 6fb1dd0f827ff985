"""An index of many records: a second look says what the first said, and sees whatever has changed."""

import gc
import json
import os
import warnings

import pytest

from fourier_lab import load_records, paths
from fourier_lab.bench.made_up import configs, write_records
from fourier_lab.errors import RecordWarning
from fourier_lab.tables.points import read_points
from fourier_lab.tables.score_tables import results_table
from fourier_lab.training import record_index, records
from fourier_lab.training.sums import SUMS

N = 20


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder of records, old enough for an index that is worth it from the first record on."""
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(record_index, "WORTH", 1)
    monkeypatch.setattr(record_index, "SETTLED_NS", -(10**18))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    write_records(tmp_path / "results" / "made_up", N)
    return tmp_path / "results"


@pytest.fixture
def read_anew(monkeypatch):
    """Names of the folders whose files are read."""
    seen, real = [], records.load_record

    def load(folder, **options):
        seen.append(folder.name)
        return real(folder, **options)

    monkeypatch.setattr(records, "load_record", load)
    return seen


def looked_at(root):
    """Everything that there is to read of the records, and the table of them."""
    found = load_records(root / "made_up")
    told = [(each.folder, each.config, each.config.digest(), each.metrics, each.evaluations) for each in found]
    kinds = [{name: type(value) for name, value in vars(each.config).items()} for each in found]
    keys = [json.dumps(each.metrics) for each in found]  # in their order too
    return told, kinds, keys, [[*each.history] for each in found], results_table(found)


def test_with_an_index_all_is_as_without(root, read_anew):
    without = looked_at(root)
    assert len(read_anew) == N and list((paths.RUNS / "records").glob("*.json"))
    assert [each.config for each in load_records(root / "made_up")] == [
        config for config in sorted(configs(N), key=lambda config: config.digest())
    ]
    assert len(read_anew) == N
    assert looked_at(root) == without
    assert load_records(root / "made_up") == load_records(root / "made_up", with_history=True)
    points = read_points(root)
    del read_anew[:]
    assert read_points(root) == points and not read_anew


def test_histories_of_many_records_are_not_held_until_they_are_asked_for(root, read_anew, monkeypatch):
    whole = {record.folder: [*record.history] for record in load_records(root / "made_up")}
    (record_index.RecordIndex(root / "made_up")).path.unlink()
    monkeypatch.setattr(records, "WORTH", 5)
    found = load_records(root / "made_up")
    assert [type(record.history) is list for record in found] == [True] * 5 + [False] * (N - 5)
    del read_anew[:]
    assert {record.folder: [*record.history] for record in found} == whole and len(read_anew) == N - 5


def test_what_is_read_without_the_collector_is_old_afterwards_unless_others_have_frozen_theirs(monkeypatch):
    assert gc.isenabled() and not gc.get_freeze_count()

    def held():
        with record_index.without_collector():
            assert not gc.isenabled()
            return [[]]

    def generation(value):
        return next(age for age in range(3) if any(each is value for each in gc.get_objects(age)))

    assert generation(held()) == 2 and gc.isenabled()
    monkeypatch.setattr(gc, "get_freeze_count", lambda: 1)
    monkeypatch.setattr(gc, "unfreeze", lambda: pytest.fail("thawed what others froze"))
    assert generation(held()) == 0 and gc.isenabled()


def test_of_many_records_those_that_are_asked_for_are_read_and_the_others_not_forgotten(root, read_anew):
    load_records(root / "made_up")
    wanted = [config.digest() for config in configs(3)]
    (root / "made_up" / wanted[0]).rename(root / "made_up" / "of any name")
    del read_anew[:]
    found = load_records(root / "made_up", digests=wanted)
    assert {record.config.digest() for record in found} == {*wanted} and read_anew == ["of any name"]
    del read_anew[:]
    assert len(load_records(root / "made_up")) == N and read_anew == ["of any name"]


@pytest.mark.parametrize("file", records.FILES)
def test_a_record_one_of_whose_files_has_changed_is_read_anew(root, read_anew, file):
    first = load_records(root / "made_up")[0]
    if file == records.EVALUATIONS:
        (first.folder / file).write_text('{"sets": {}, "matched": {"made up": {"share": 0.5}}}')
    else:
        content = (first.folder / file).read_bytes()
        (first.folder / file).write_bytes(content[:-30] if file != SUMS else b"0" + content[1:])
    del read_anew[:]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", RecordWarning)
        again = load_records(root / "made_up")
    assert read_anew == [first.folder.name]
    if file == records.EVALUATIONS:
        assert again[0].evaluations["matched"] and not told
    else:
        assert len(again) == N - 1 and len(told) == 1 and first.folder.name in str(told[0].message)


def test_an_edited_score_is_in_the_table(root):
    before = looked_at(root)[-1]
    path = load_records(root / "made_up")[0].folder / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["scores"]["validation"]["spearman"]["value"] = 99.9
    (path.parent / "SHA256SUMS").unlink()
    path.write_text(json.dumps(metrics))
    assert looked_at(root)[-1] != before and "99.9" not in before


@pytest.mark.parametrize("harm", ["a byte", "cut", "another library", "no list"])
def test_an_index_that_is_not_what_was_written_is_not_read(root, read_anew, monkeypatch, harm):
    without = looked_at(root)
    (index,) = (paths.RUNS / "records").glob("*.json")
    content = index.read_bytes()
    if harm == "another library":
        monkeypatch.setattr(record_index, "_library", lambda: b"another")
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    changed = {"a byte": flipped, "cut": content[:-50], "no list": b"{}\n{}"}
    index.write_bytes(changed.get(harm, content))
    assert changed.get(harm) != content
    del read_anew[:]
    assert looked_at(root)[0] == without[0] and len(read_anew) >= N


def test_a_home_that_cannot_be_written_to_and_records_that_are_new_or_of_others_parts_are_read_each_time(
    root, read_anew, monkeypatch
):
    (paths.RUNS).mkdir()
    (paths.RUNS / "records").write_text("in the way")
    assert len(load_records(root / "made_up")) == len(load_records(root / "made_up")) == N and len(read_anew) == 2 * N
    (paths.RUNS / "records").unlink()
    monkeypatch.setattr(record_index, "is_of_library", lambda config: config.arm != "learned")
    load_records(root / "made_up")
    del read_anew[:]
    load_records(root / "made_up")
    assert len(read_anew) == sum(config.arm == "learned" for config in configs(N))
    monkeypatch.setattr(record_index, "SETTLED_NS", 10**18)
    (paths.RUNS / "records").rename(paths.RUNS / "aside")
    load_records(root / "made_up")
    assert not (paths.RUNS / "records").exists()
