"""Runs that are killed, starved and damaged end equal to undisturbed ones, or in a typed error, and are counted."""

import json

import pytest

from fourier_lab import RunConfig
from fourier_lab.sweeps import torture_faults
from fourier_lab.sweeps.torture import KINDS, SWEEP, _Round, torture


def test_one_round_of_everything(tmp_path, monkeypatch):
    every = list(torture_faults.faults())
    few = {fault.name: fault for fault in every[1:]}  # one of each: the others differ in a number
    monkeypatch.setattr("fourier_lab.sweeps.torture.faults", lambda: iter(few.values()))
    monkeypatch.setattr("fourier_lab.sweeps.torture.FILES", ("metrics.json", "weights.safetensors"))
    monkeypatch.setattr("fourier_lab.sweeps.torture.TEXTS", {"train.parquet": "Parquet"})
    monkeypatch.setattr("fourier_lab.sweeps.torture.SWEEP", SWEEP.replace("steps: 150", "steps: 80"))
    lines = []
    assert torture(0, tmp_path, lines.append, kills=3, draws=1), lines
    written = json.loads((tmp_path / "torture.json").read_text())
    counts = written["counts"]
    assert [counts[f"kill of a {kind}"] for kind in KINDS] == [{"equal": 1}] * 3
    assert counts["two sweeps on one folder"] == {"equal": 1}
    assert all(counts[name] in ({"typed": 1}, {"equal": 1}) for name in few)
    assert counts["full disk at a write, then in peace"] == {"equal": 1}
    assert counts["checkpoint, a file with a flipped bit"] == {"typed": 1} and written["versions"]["torch"]
    assert written["problems"] == [] and not [ends for ends in counts.values() if "failed" in ends]


@pytest.mark.parametrize("found, end", [
    (("done", {"scores": 1, "text": "a"}), "equal"), (("done", {"scores": 2, "text": "a"}), "failed"),
    (("done", {"scores": 2, "text": "b"}), "other text"), (("typed", "no"), "typed"), (("failed", "KeyError"), "failed"),
])  # fmt: skip
def test_what_ends_otherwise_is_a_failure(found, end, tmp_path):
    one = object.__new__(_Round)
    one.calm = {RunConfig().digest(): {"scores": 1, "text": "a"}}
    assert one.judged(found, RunConfig())[0] == end
