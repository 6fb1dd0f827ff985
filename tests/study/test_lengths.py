"""Attention by length: what was measured is told and drawn as it is."""

import pytest

from fourier_lab import RunConfig, paths
from fourier_lab.errors import RecordError
from fourier_lab.plots.lengths import draw_lengths
from fourier_lab.study import lengths

RECORD = {
    "rows": [
        {"name": "attention_128", "detail": {
            "lengths": [16, 64], "full_dearer_from": {"rest": 32.0, "local": None, "linear": 16.0},
            "seconds": {"full": [1.0, 4.0], "local": [1.0, 1.0], "linear": [2.0, 2.0], "rest": [3.0, 3.0]},
        }},
        {"name": "attention_memory_128", "detail": {"MB": {"full": 1.0}}},
    ]
}  # fmt: skip


def test_measured_lengths_are_told_and_drawn_as_they_are():
    assert [*lengths.tipping_rows(RECORD)] == [128]
    (row,) = lengths.tipping_points(RECORD).to_dict(orient="records")
    assert row == {"predicted, 6 d": "768", "than the rest": "32", "than local": "above 64", "than linear": "16"}
    assert lengths.told(RECORD) == ["d = 128: full attention costs as much as the rest at 32 tokens; 6 d is 768"]
    assert lengths.headline(RECORD) == "Attention costs as much as all else at 32 tokens (d = 128)"
    never = {"rows": [{"name": "attention_64", "detail": {"seconds": {}, "full_dearer_from": {"rest": None}}}]}
    assert lengths.headline(never).startswith("At no measured length")
    assert lengths.share_at(RECORD, 128, 16) == 25.0
    columns = lengths.time_columns(RECORD["rows"][0])
    ax = draw_lengths(columns, label="ms", crossings=[("n = 6 d", 768)])
    drawn = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert drawn["full"] == [[16, 1000], [64, 4000]] and drawn["n = 6 d"][0][0] == 768


def test_the_committed_measurements_say_what_their_times_say(monkeypatch, tmp_path):
    from fourier_lab.bench.attention import WIDTHS, crossing

    rows = lengths.tipping_rows(lengths.read_lengths())
    assert tuple(rows) == WIDTHS
    for row in rows.values():
        detail = row["detail"]
        for other, found in detail["full_dearer_from"].items():
            assert crossing(detail["lengths"], detail["seconds"]["full"], detail["seconds"][other]) == found
    monkeypatch.setattr(paths, "RECORDS", tmp_path)
    with pytest.raises(RecordError, match="Run: fourier-lab bench attention --out"):
        lengths.read_lengths()


def test_runs_are_named_by_their_attention():
    changes = ({}, {"attention": "local"}, {"attention": "linear"})
    names = [lengths.attention_name(RunConfig(**each)) for each in changes]
    assert names == ["full", "local (window 16)", "linear"]
