"""Rankings and lines over budgets are those of the committed records."""

import numpy as np

from fourier_lab import paths
from fourier_lab.config import RunConfig
from fourier_lab.evaluation.metrics import mean_interval
from fourier_lab.study import bake_off
from fourier_lab.training.records import load_records

ALIKE, BUDGETS = (load_records(paths.RECORDS / name) for name in ("bake_off_one_rate", "bake_off_budgets"))


def test_waves_of_one_set_are_one_line_whatever_their_number():
    wide = RunConfig(arm="wide_fourier", frequencies="random", embedding_options={"n_frequencies": 64})
    assert bake_off.line(wide) == bake_off.line(RunConfig(frequencies="random")) == "Fourier, random"
    assert bake_off.line(RunConfig(frequencies="random", mlp="none")) == "Fourier, random"
    assert bake_off.line(RunConfig(arm="frozen_random", mlp="none")) == "frozen random"


def test_lines_over_budgets_are_means_over_seeds_of_the_table_and_of_what_has_several_sizes():
    columns = bake_off.budget_columns([*ALIKE, *BUDGETS])
    names = columns["series"].tolist()
    assert names[0] == "table" and names.count("table") == 1
    assert all(names.count(name) > 1 for name in {*names} - {"table"}) and "hashed" not in names
    for name in {*names}:
        own = columns["series"] == name
        assert (np.diff(columns["stored_bits"][own]) > 0).all()
        for bits, value, low, high, seeds in zip(
            *(columns[key][own] for key in ("stored_bits", "value", "low", "high", "seeds")), strict=True
        ):
            runs = [r for r in (*ALIKE, *BUDGETS) if bake_off.line(r.config) == name and r.stored_bits() == bits]
            expected = mean_interval([bake_off.BEYOND[bake_off.MEAN](run) for run in runs])
            np.testing.assert_allclose((value, low, high), expected)
            assert seeds == len(runs) == 3
    told = bake_off.told_budgets(columns)
    assert len(told) == len({*names}) and told[0].startswith("table: ") and "250,044,416 bits" in told[0]


def test_costs_of_the_ranking_are_of_the_fastest_seed_and_of_the_whole_process():
    frame = bake_off.ranking(ALIKE)
    runs = [r for r in ALIKE if bake_off.method(r.config) == "bloom"]
    seconds = min(run.metrics["duration_s"] for run in runs)
    assert frame.loc["bloom", "step, ms"] == round(1000 * seconds / runs[0].config.steps, 1)
    peak = np.mean([run.metrics["peak_memory_bytes"] for run in runs]) / 1e6
    assert frame.loc["bloom", "peak, MB"] == round(peak, 1)
