"""How costs grow: exponents of what is known, a size of every axis, and the page as the command writes it."""

import contextlib
import io
import math
from dataclasses import replace

import pytest

from fourier_lab import paths
from fourier_lab.cli import parser
from fourier_lab.errors import RecordError
from fourier_lab.sweeps import scale

PAGE = paths.SWEEPS / "SCALE.md"
RECORD = paths.RECORDS / "bench" / "scale.json"


def here(code):
    """Run the code of a child in this process, and return what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code)
    return out.getvalue()


@pytest.mark.parametrize("power", [-0.5, 0.0, 1.0, 2.0])
def test_the_exponent_of_a_power_is_found_with_an_interval_that_noise_widens(power):
    sizes = [10, 30, 100, 300, 1000]
    assert scale.fitted(sizes, [3 * size**power for size in sizes]) == pytest.approx((power,) * 3)
    exponent, low, high = scale.fitted(sizes, [3 * size**power * (1 + (size % 4) / 20) for size in sizes])
    assert low < power < high and high - low > 0.01


def test_what_runs_out_first_is_the_cost_that_meets_its_limit_at_the_smallest_size():
    axis, sizes = scale.AXES["runs"], (10, 30, 100, 300, 1000)
    rows = [{"size": n, "seconds": 2 + n / 1000, "memory_bytes": 1e9 + 1e6 * n, "disk_bytes": 0} for n in sizes]
    assert scale.growth(rows, "seconds") == pytest.approx((1, 1, 1))  # whatever it costs to begin
    assert scale.growth(rows, "disk_bytes") is None
    noise = [row | {"seconds": 1 + s} for row, s in zip(rows, (0, 0.2, 0.05, 0.4, 0.3), strict=True)]
    assert scale.growth(noise, "seconds") is None  # the interval holds 0
    assert scale.first_bottleneck(axis, rows) == ("memory", pytest.approx(7000))
    rows = [row | {"memory_bytes": 10**8} for row in rows]
    assert scale.first_bottleneck(axis, rows) == ("time", pytest.approx(58_000))
    assert scale.first_bottleneck(axis, [row | {"seconds": 1.0} for row in rows])[1] == math.inf
    assert scale.first_bottleneck(axis, [row | {"disk_bytes": 2 * 10**11 * row["size"]} for row in rows])[0] == "disk"


def test_every_axis_is_measured_at_every_size_and_told_in_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    monkeypatch.setenv("FOURIER_LAB_DATA", "")
    few = {"workers": (1, 2, 3), "width_table": (8, 16, 24), "width_fourier": (8, 16, 24)}
    axes = {name: replace(axis, sizes=few.get(name, (64, 128, 256))) for name, axis in scale.AXES.items()}
    axes["runs"] = replace(axes["runs"], sizes=(2, 4, 6))
    said = []
    record = scale.measure(axes, said.append, here)
    assert len(said) == 3 * len(axes) and record["machine"]["versions"]["torch"]
    for name, rows in record["axes"].items():
        assert [row["size"] for row in rows] == [*axes[name].sizes] and all(row["seconds"] > 0 for row in rows)
        assert all((row["disk_bytes"] > 0) == (name != "workers") for row in rows)
    ids, weights = (record["axes"][name] for name in ("pairs", "vocabulary_table"))
    assert ids[-1]["disk_bytes"] > ids[0]["disk_bytes"]
    assert weights[-1]["disk_bytes"] - weights[0]["disk_bytes"] == 4 * 64 * (256 - 64)
    scale.write_record(record, tmp_path / "scale.json")
    assert scale.read_record(tmp_path / "scale.json") == record
    assert scale.table(record).count("\n") == 1 + len(axes)


def test_the_table_of_the_page_is_the_one_of_the_record(tmp_path, capsys):
    copy = tmp_path / "SCALE.md"
    copy.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    assert parser.main(["bench", "scale", "--out", str(RECORD), "--into", str(copy)]) == 0
    assert copy.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")
    assert "| training pairs |" in capsys.readouterr().out
    assert parser.main(["bench", "scale", "--out", str(tmp_path / "none.json"), "--into", str(copy)]) == 2
    assert "is no measurement of scale" in capsys.readouterr().err
    with pytest.raises(RecordError):
        scale.read_record(copy)
