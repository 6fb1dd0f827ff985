import json

import numpy as np
import pytest

from fourier_lab import paths
from fourier_lab.tables.beyond import beyond, headline, words
from fourier_lab.tables.points import pooled_value, quantities, read_points
from fourier_lab.tables.score_tables import results_table, summarise
from fourier_lab.training.records import EVALUATIONS
from tests.made_up import record


def scored(value):
    return {"spearman": {"value": value}, "pearson": {"value": 0.0}}


def evaluations(shift=0.0):
    return {
        "sets": {
            "sick": {"all": scored(50 + shift), "unseen": scored(60), "subsets": {}, "by_rarest": {"10": scored(40)}},
            "sts12": {
                "all": scored(45),
                "unseen": scored(40),
                "subsets": {"a": scored(30), "b": scored(70)},
                "by_rarest": {},
            },
        },
        "matched": {
            "snli/validation": {"share": 0.5, "by_rarest": {}},
            "snli/test": {"share": 0.25, "by_rarest": {"0": {"share": 0.125}}},
        },
    }


def test_sets_with_subsets_count_by_their_mean():
    found = beyond({"test": scored(80)}, evaluations())
    assert found["sts12"] == 45 and found["sts12_subsets"] == 50 and found["sick_rarest_10"] == 40
    assert found["mean_of_sets"] == pytest.approx((80 + 50 + 50) / 3)
    assert found["matched_snli/test_rarest_0"] == 12.5
    assert headline(found) == ["sick", "sts12_subsets", "mean_of_sets", "matched_snli/test"]
    assert beyond({"test": scored(80)}, {}) == {} and headline({}) == []


def test_a_table_shows_them_with_their_interval_over_seeds(tmp_path):
    runs = []
    for seed, shift in enumerate((-1.0, 0.0, 1.0)):
        folder = tmp_path / str(seed)
        folder.mkdir()
        (folder / EVALUATIONS).write_text(json.dumps(evaluations(shift)))
        made = record(70, 60, seed=seed)
        runs.append(type(made)(folder, made.config, made.metrics, made.history))
    row = summarise(runs).iloc[0]
    assert row["sick"] == 50 and row["sick_high"] == pytest.approx(50 + 4.303 / 3**0.5, abs=1e-3)
    head, _, line = results_table(runs).splitlines()
    assert head.endswith("| SICK | STS12, mean of subsets | mean of test sets | matched of 128, snli/test |")
    assert line.endswith("| 50.0 ± 2.5 | 50.0 ± 0.0 | 53.3 ± 0.8 | 25.0 ± 0.0 |")
    assert words("sick") == "SICK"


def test_points_can_be_placed_by_scores_beyond_stsb():
    points, _ = read_points(paths.RECORDS)
    known = quantities(points)
    (point,) = [p for p in points if p.family == "bake_off" and p.config.arm == "alone"]
    found = [beyond(run.metrics["scores"], run.evaluations)["mean_of_sets"] for run in point.records]
    value, low, high, seeds = pooled_value(point, known["mean of test sets"])
    assert value == pytest.approx(np.mean(found)) and low < value < high and seeds == 3
    (other,) = [p for p in points if p.name.startswith("snli_mnli: learned")]
    assert pooled_value(other, known["SICK"])[3] == 0
