"""Thin tuning: runs are named by what moves, counted, compared by seed, told and drawn as they are."""

import numpy as np
import pytest
from made_up import record

from fourier_lab import paths, plots
from fourier_lab.errors import DataError
from fourier_lab.study import tuning
from fourier_lab.sweeps.file import load_sweep

BEFORE = {"pretraining": {"steps": 90}, "objective": "sts"}
WAYS = [
    {},
    {**BEFORE},
    {**BEFORE, "tuning": "head"},
    {**BEFORE, "tuning": "lora", "tuning_options": {"rank": 16}},
    {**BEFORE, "tuning": "lora"},
    {**BEFORE, "tuning": "gift", "tuning_options": {"of": "embedding"}},
    {**BEFORE, "tuning": "prompts"},
    {**BEFORE, "tuning": "apt", "tuning_options": {"prompts": 4}},
]
NAMES = [
    "untuned", "all numbers", "head", "LoRA, rank 16", "LoRA, rank 4", "GIFT of the embedding, rank 16", "prompts, 16",
    "APT, 4 prompts",
]  # fmt: skip
TUNED = [None, None, 30, 160, 40, 20, 10, 5]


def records():
    """Two seeds of each way; seed 1 scores 2 more, way i has 10 + i on validation and 2 i on test."""
    found = []
    for way, count in zip(WAYS, TUNED, strict=True):
        for seed in (0, 1):
            i = WAYS.index(way)
            each = record(10 + i + 2 * seed, 2 * i + 2 * seed, **way, seed=seed)
            each.metrics["parameters"].update({} if count is None else {"tuned": count})
            found.append(each)
    return found


def test_runs_are_named_and_counted_by_what_moves():
    assert [tuning.tuning_name(each.config) for each in records()[::2]] == NAMES
    assert [tuning.tuned_numbers(each) for each in records()[::2]] == [0, 1000, *TUNED[2:]]
    assert tuning.series_of(records()[-6].config) == "GIFT of the embedding"


def test_scores_are_means_over_seeds_in_rising_order_of_what_was_tuned():
    columns = tuning.tuning_columns(records(), "validation")
    assert columns["name"].tolist() == [*NAMES[:3], "LoRA, rank 4", "LoRA, rank 16", *NAMES[5:]]
    assert columns["value"].tolist() == [11, 12, 13, 15, 14, 16, 17, 18] and set(columns["seeds"]) == {2}
    assert columns["tuned"].tolist() == [0, 1000, 30, 40, 160, 20, 10, 5]


def test_differences_are_paired_and_told():
    assert tuning.minus(records(), "test")["head"] == "+2.0 ± 0.0"
    assert tuning.minus(records(), "validation", "LoRA, rank 4")["LoRA, rank 16"] == "-1.0 ± 0.0"
    table = tuning.tuning_table(records())
    assert table.loc["head", "test, minus all numbers"] == "+2.0 ± 0.0"
    assert (
        table.loc["all numbers", "numbers tuned"] == "1,000"
        and table.loc["all numbers", "test, minus all numbers"] == "–"
    )
    told = tuning.told(records()[2:6:2] + records()[3:6:2])
    assert told[1].startswith("head: 30 numbers, validation 13.0 ± ") and told[1].endswith(
        "(+2.0 ± 0.0 to all numbers)"
    )


def test_the_picture_has_a_line_for_each_way_and_one_for_none(monkeypatch):
    drawn = {}

    def saved(figure, name, columns, config, **words):
        drawn.update(columns=columns, config=config, axes=figure.axes)

    monkeypatch.setattr(plots, "save_figure", saved)
    tuning.tuning_figure(records(), "none/none", title="", alt="")
    assert drawn["config"].pretraining is not None and drawn["columns"]["split"].tolist() == 8 * ["validation"] + 8 * [
        "test"
    ]
    _, ax = drawn["axes"]
    lines = {each.get_label(): each.lines[0].get_xydata() for each in ax.containers}
    np.testing.assert_allclose(lines["LoRA"], [[40, 9], [160, 7]])
    np.testing.assert_allclose(lines["all numbers"], [[1000, 3]])
    (floor,) = [line for line in ax.lines if line.get_label() == "untuned"]
    assert [*floor.get_ydata()] == [1, 1] and ax.get_xscale() == "log" and ax.get_xlabel() == "numbers that moved"


def test_a_picture_without_the_start_is_refused():
    with pytest.raises(DataError, match="one run per seed must be untuned, got 0"):
        tuning.tuning_figure(records()[2:], "none/none", title="", alt="")


@pytest.mark.parametrize("smoke", [False, True])
def test_all_runs_of_the_sweep_start_from_its_untuned_ones(smoke):
    runs = load_sweep(paths.SWEEPS / "thin_tuning.yaml", smoke=smoke).configs
    untuned = {config.digest() for config in runs if config.pretraining is None}
    assert {config.pretrained().digest() for config in runs if config.pretraining is not None} == untuned
    assert len(untuned) == (1 if smoke else 3)
