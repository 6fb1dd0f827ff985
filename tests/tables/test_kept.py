"""Tables that are kept: said again without reading a record, and made anew once anything behind them is another."""

import os

import pytest

from fourier_lab import paths
from fourier_lab.bench.made_up import write_records
from fourier_lab.cli.parser import main
from fourier_lab.tables import kept
from fourier_lab.training import record_index, records

N = 6
FOLDER = "made_up"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of records in a home of its own, old enough for a table that is kept from the first record on."""
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(kept, "WORTH", 1)
    monkeypatch.setattr(paths, "SETTLED_NS", -(10**18))
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    write_records(tmp_path / "results" / FOLDER, N)
    return tmp_path / "results" / FOLDER


@pytest.fixture
def table(capsys, monkeypatch):
    """Exit code, output and errors of the command, and how many records it read."""
    read, real = [], records.load_record

    def load(folder, **options):
        read.append(folder)
        return real(folder, **options)

    monkeypatch.setattr(records, "load_record", load)

    def run(*options):
        read.clear()
        code = main(["table", FOLDER, *options])
        out, err = capsys.readouterr()
        return code, out, err, len(read)

    return run


def test_a_table_is_said_again_without_a_record_being_read_and_its_csv_put_back(folder, table):
    first = table()
    assert (first[0], first[3]) == (0, N) and first[1].count("\n") == N // 3 + 2
    csv = (folder / "table.csv").read_bytes()
    (folder / "table.csv").unlink()
    assert table() == (*first[:3], 0) and (folder / "table.csv").read_bytes() == csv
    arm = table("--where", "arm=learned")
    assert arm[3] == N and arm[1] not in ("", first[1]) and table("--where", "arm=learned") == (*arm[:3], 0)
    assert table("--against", "learned")[3] == N


def test_a_table_that_is_made_asks_for_each_file_once(folder, table, monkeypatch):
    asked, real = [], record_index.stamp
    monkeypatch.setattr(record_index, "stamp", lambda path: asked.append(str(path)) or real(path))
    table()
    ours = [path for path in asked if "/made_up/" in path and path.endswith(records.FILES)]
    assert len(ours) == len({*ours}) == N * len(records.FILES)


@pytest.mark.parametrize("change", ["edited", "removed", "added", "library", "table", "baselines"])
def test_whatever_changes_is_in_the_next_table(folder, table, monkeypatch, change):
    before = table()
    path = next(folder.glob("*/metrics.json"))
    if change == "edited":
        (path.parent / "SHA256SUMS").unlink()
        path.write_text(path.read_text().replace('"spearman": {\n    "value": ', '"spearman": {\n    "value": 1'))
    elif change == "removed":
        path.unlink()
    elif change == "added":
        write_records(folder, N + 3)
    elif change == "library":
        monkeypatch.setattr(record_index, "_library", lambda: b"another")
    elif change == "table":
        (file,) = (paths.RUNS / "tables").iterdir()
        file.write_bytes(file.read_bytes()[:-9] + b"9" + file.read_bytes()[-8:])
    else:
        (folder / "baselines.json").write_text("[]")
    after = table()
    assert after[0] == 0 and after[3] >= N - 1
    assert (after[1] != before[1]) == (change in ("edited", "removed", "added"))


@pytest.mark.parametrize("file", ["metrics.json", "baselines.json"])
def test_what_is_damaged_is_said_each_time(folder, table, file):
    table()
    damaged = folder / file if file == "baselines.json" else next(folder.glob("*/metrics.json"))
    damaged.write_text("{")
    first, second = table(), table()
    assert first == second and first[0] == 1 and str(damaged.parent) in first[2] and "damaged" in first[2]
    assert first[3] == N


def test_a_home_that_cannot_be_written_to_and_records_of_others_parts_or_of_this_moment_keep_none(
    folder, table, monkeypatch
):
    paths.RUNS.write_text("in the way")
    assert table()[3] == table()[3] == N
    paths.RUNS.unlink()
    with monkeypatch.context() as others:
        others.setattr(kept, "is_of_library", lambda config: config.arm != "learned")
        assert table()[3] == table()[3] == N
    monkeypatch.setattr(paths, "SETTLED_NS", 10**18)
    assert table()[3] == table()[3] == N
