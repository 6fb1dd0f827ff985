"""Sweeps by whole commands, in turn: each anew, and a failing one in words."""

import json

import pytest

from fourier_lab.cli.parser import main
from fourier_lab.errors import TrainingError
from fourier_lab.sweeps import pools


def test_sides_take_turns_and_their_medians_are_compared(tmp_path, monkeypatch, capsys):
    pytest.importorskip("distributed")
    done, now = [], [0.0]
    monkeypatch.setattr("fourier_lab.bench.rows.time.perf_counter", lambda: now[0])

    costs = {("--dask", "local"): 1.05, "old": 2.0}

    def run(file, folder, source, *options):
        assert "seeds" in file.read_text() and not folder.exists()
        done.append(folder.name)
        now[0] += costs.get(options, costs.get(source.name, 1.0))

    monkeypatch.setattr(pools, "_run", run)
    out = tmp_path / "pools.json"
    assert main(["bench", "pools", "--before", str(tmp_path / "old"), "--out", str(out)]) == 0
    dask, local = json.loads(out.read_text())["rows"]
    assert (dask["name"], dask["ratio"], dask["met"]) == ("dask", pytest.approx(1 / 1.05), True)
    assert (local["name"], local["ours"], local["ratio"], local["met"]) == ("local", 1000, 2, True)
    assert done == [f"{side}{number}" for number in range(4) for side in ("local", "dask", "before")]
    assert "the local pool against that of an earlier build" in capsys.readouterr().out
    costs["--dask", "local"] = 1.2
    assert not pools.measure(out, repeats=1)[0]["met"]
    assert main(["bench", "--before", "old"]) == 2 and "'fourier-lab bench pools'" in capsys.readouterr().err


def test_a_sweep_that_fails_is_told(tmp_path):
    (tmp_path / "short.yaml").write_text("question: none")
    with pytest.raises(TrainingError, match="the sweep of the build in .* failed: error: .*short.yaml"):
        pools._run(tmp_path / "short.yaml", tmp_path / "one", pools._PROJECT)
