"""Times of prompts are told and drawn in units of the step without any."""

from fourier_lab import paths
from fourier_lab.study import prompt_times

RECORD = {"rows": [{"detail": {
    "prompts": [16, 64], "tokens": 16, "sentences": 256,
    "seconds": {"none": [0.2, 0.4], "as tokens": [0.5, 2.0], "keys and values": [0.21, 0.5], "approximated": [0.22, 0.48]},
}}]}  # fmt: skip


def test_each_way_is_told_in_units_of_the_step_without_prompts():
    assert prompt_times.headline(RECORD) == "16 prompts: 2.5 times the step as tokens, 1.10 approximated"
    assert prompt_times.told(RECORD)[1] == ("64 prompts: as tokens 5.00, keys and values 1.25, approximated 1.20 times")


def test_the_figure_has_a_line_for_each_way(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "FIGURES", tmp_path)
    drawn = prompt_times.time_figure(RECORD, "x/times", title="Times", alt="Times by prompts.")
    rows = drawn.with_suffix(".csv").read_text()
    assert "approximated,64,480\n" in rows and rows.count("\n") == 9
