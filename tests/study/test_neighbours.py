"""Claims of other works: each number is read off records, and each verdict follows from its interval."""

import json

import numpy as np
import pytest
from made_up import record

from fourier_lab import paths
from fourier_lab.cli.parser import main
from fourier_lab.errors import RecordError, RecordWarning
from fourier_lab.study import neighbours
from fourier_lab.study.neighbours import NEIGHBOURS, Neighbour, neighbours_table
from fourier_lab.study.verdicts import Measured

WORDS = ("more", "less", "not told apart")


def test_two_groups_are_compared_by_seed(monkeypatch):
    gains = (1.0, 2.0, 3.0)
    runs = [record(50, 60 + seed + gain * wide, seed=seed, d_model=16 * (1 + wide)) for seed, gain in enumerate(gains)
            for wide in (0, 1)]  # fmt: skip
    monkeypatch.setattr(neighbours, "sweep_records", lambda name, with_history: runs)
    found = neighbours.paired("any", lambda config: str(config.d_model), "32", "16")()
    assert (found.value, found.seeds) == (2.0, 3) and found.low < 2.0 < found.high
    with pytest.raises(RecordError, match="results/any lacks runs of '64' or '16'"):
        neighbours.paired("any", lambda config: str(config.d_model), "64", "16")()


def test_reports_of_cut_feed_forwards_are_averaged(monkeypatch, tmp_path):
    folder = tmp_path / "cut_feed_forwards" / "text" / "test"
    folder.mkdir(parents=True)
    for number, (kept, small) in enumerate([(60, 40), (57, 44), (63, 42)]):
        experts = [{"router": "centroid", "share": share, "spearman": each} for share, each in ((0.25, kept), (0.5, 1))]
        curves = [
            {"order": "smallest", "share": 0.5, "spearman": small},
            {"order": "largest", "share": 0.5, "spearman": 40},
        ]
        (folder / f"moefy-{number}.json").write_text(json.dumps({"dense": {"spearman": 75.0}, "experts": experts}))
        (folder / f"prune-{number}.json").write_text(json.dumps({"curves": curves}))
    monkeypatch.setattr(paths, "RECORDS", tmp_path)
    assert neighbours.over_runs("moefy", neighbours.kept_share)().value == pytest.approx(80 - 95)
    assert neighbours.over_runs("prune", neighbours.small_over_large)().value == pytest.approx(2)
    with pytest.raises(RecordError, match="no report of 'fourier-lab other RUN'"):
        neighbours.over_runs("other", neighbours.kept_share)()


def test_rows_have_verdict_number_and_link_and_say_what_is_missing():
    def missing():
        raise RecordError("no runs")

    every = [
        Neighbour("1", "it helps", WORDS, "points", lambda: Measured("x", "test", 1.0, 0.5, 1.5, 3), "18_thin"),
        Neighbour("2", "it hurts", WORDS, "points", lambda: Measured("x", "test", 0.0, -0.5, 0.5, 3)),
        Neighbour("3", "it is free", WORDS, "points", missing),
    ]
    with pytest.warns(RecordWarning, match="not answered: it is free: no runs"):
        _, _, *rows = neighbours_table(every, "../").splitlines()
    assert rows[0].startswith(
        "| [1](https://arxiv.org/abs/1) | it helps | more | +1.0 (+0.5 to +1.5) points; test | [18](../notebooks/18_thin"
    )
    assert "| it hurts | not told apart |" in rows[1] and "(../results/README.md)" in rows[1]
    assert "| it is free | not answered | no runs |" in rows[2]


@pytest.mark.parametrize("each", NEIGHBOURS, ids=lambda each: each.source)
def test_every_claim_is_answered_by_shipped_records(each):
    found = each.measure()
    assert found.seeds >= 3 and np.isfinite([found.value, found.low, found.high]).all()
    assert not each.lesson or (paths.NOTEBOOKS / f"{each.lesson}.ipynb").is_file()


def test_the_front_page_has_the_table(tmp_path, capsys):
    front = paths.SWEEPS.parent / "README.md"
    assert neighbours_table(NEIGHBOURS) in front.read_text(encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- table: claims_neighbours -->\n<!-- end -->\nb\n")
    assert main(["claims", "--neighbours", "--into", str(page)]) == 0
    assert NEIGHBOURS[0].claim in page.read_text() and page.read_text().endswith("-->\nb\n")
    with pytest.raises(SystemExit):
        main(["claims", "--short", "--neighbours"])
    assert "not allowed with" in capsys.readouterr().err
