"""Run records become columns: names, curves, scores with the right kind of interval."""

import copy
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from fourier_lab import RunConfig, RunRecord
from fourier_lab.errors import DataError, RecordError
from fourier_lab.series import series_name, setting
from fourier_lab.tables import summaries
from fourier_lab.training.records import write_record

METRICS = {
    "scores": {"validation": {"n": 50, "spearman": {"value": 40.0, "low": 30.0, "high": 50.0}}},
    "parameters": {"total": 100, "embedding": 20, "with_gradient": 90},
    "duration_s": 2.5,
}
HISTORY = [
    {"step": 1.0, "loss": 3.0, "validation_loss": float("nan")},
    {"step": 2.0, "loss": 2.0, "validation_loss": 2.5},
]


def record(score=40.0, **changes):
    metrics = copy.deepcopy(METRICS)
    metrics["scores"]["validation"]["spearman"]["value"] = score
    return RunRecord(Path("runs/x"), RunConfig(**changes), metrics, HISTORY)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "fourier (harmonic)"),
        ({"frequencies": "log"}, "fourier (log)"),
        ({"frequencies": list(range(1, 65))}, "fourier (custom)"),
        ({"period": 127}, "fourier (period 127)"),
        ({"frequencies": "mixed", "period": 30720}, "fourier (mixed, period 30720)"),
        ({"basis": "chebyshev"}, "fourier (chebyshev)"),
        ({"mlp": "geglu"}, "fourier (harmonic, geglu)"),
        ({"arm": "learned", "frequencies": "log"}, "learned"),
    ],
)
def test_series_are_named_by_what_they_depart_in(changes, name):
    assert series_name(RunConfig(**changes)) == name


def test_curves_leave_out_steps_without_a_value():
    columns = summaries.curve_columns([record(), record(seed=1)], "validation_loss")
    assert columns["step"].tolist() == [2, 2] and columns["seed"].tolist() == [0, 1]
    assert summaries.curve_columns([record()])["value"].tolist() == [3, 2]
    with pytest.raises(DataError, match="no history holds a value of 'los'. Choose one of loss"):
        summaries.curve_columns([record()], "los")


def test_runs_of_one_seed_are_not_taken_for_two():
    records = [record(seed=0, steps=50), record(seed=0, steps=60)]
    with pytest.raises(DataError, match=r"share a seed but differ in a setting \(steps\)"):
        summaries.mean_columns(records, summaries.score("validation"), "id_order")
    assert summaries.mean_columns(records, summaries.score("validation"), "steps")["group"].tolist() == ["50", "60"]


def test_cases_are_runs_that_differ_in_their_seed_alone():
    runs = [record(seed=seed, dropout=dropout) for dropout in (0.0, 0.1) for seed in range(2)]
    runs.append(record(seed=2, precision="bfloat16"))
    assert [[run.config.seed for run in case] for case in summaries.cases(runs)] == [[0, 1], [0, 1], [2]]


def test_three_seeds_everywhere_give_a_t_interval():
    records = [record(score, seed=seed) for seed, score in enumerate((40.0, 42.0, 44.0))]
    columns = summaries.score_columns(records)
    # t(0.975, 2 degrees of freedom) = 4.3027, standard error 2 / sqrt(3).
    half = 4.302653 * 2 / np.sqrt(3)
    assert columns["value"] == pytest.approx([42]) and columns["low"] == pytest.approx([42 - half])
    assert columns["seeds"].tolist() == [3] and columns["interval"].tolist() == ["95 % t interval over seeds"]


def test_fewer_seeds_anywhere_give_the_bootstrap_over_pairs():
    records = [record(40.0 + seed, seed=seed) for seed in range(3)] + [record(arm="learned")]
    columns = summaries.score_columns(records, parameters="embedding")
    assert columns["series"].tolist() == ["fourier (harmonic)", "learned"] and columns["seeds"].tolist() == [3, 1]
    assert columns["low"].tolist() == [30, 30] and set(columns["interval"]) == {"95 % bootstrap over pairs"}
    assert columns["parameters"].tolist() == [20, 20] and columns["pairs"].tolist() == [50, 50]


def test_scores_are_grouped_by_any_field():
    records = [record(id_order="semantic"), record(id_order="random")]
    assert summaries.score_columns(records)["group"].tolist() == ["semantic", "random"]
    assert summaries.score_columns(records[:1], group="d_model")["group"].tolist() == ["128"]


def test_metrics_are_found_by_their_path():
    columns = summaries.metric_columns([record(), record(arm="learned", seed=2)], "parameters", "total")
    assert columns["series"].tolist() == ["fourier (harmonic)", "learned"]
    assert columns["seed"].tolist() == [0, 2] and columns["value"].tolist() == [100, 100]
    with pytest.raises(DataError, match="has no metric parameters / dead; it has scores, parameters, duration_s"):
        summaries.metric_columns([record()], "parameters", "dead")


@pytest.mark.parametrize("summarise", [summaries.score_columns, lambda records: summaries.metric_columns(records, "n")])
def test_no_records_are_an_error(summarise):
    with pytest.raises(DataError, match="no run records"):
        summarise([])


def scored(value, **changes):
    return record(score=value, **changes)


def test_means_pool_seeds_within_group_and_series():
    records = [
        scored(v, seed=s, id_order=o) for o, vs in (("random", (1, 3)), ("reversed", (5,))) for s, v in enumerate(vs)
    ]
    columns = summaries.mean_columns(records, summaries.score("validation"), "id_order")
    assert columns["group"].tolist() == ["random", "reversed"] and columns["seeds"].tolist() == [2, 1]
    assert columns["value"].tolist() == [2.0, 5.0]
    # Student's t for two seeds: 12.706 standard errors of 1.
    np.testing.assert_allclose(columns["high"][0] - 2, 12.706, rtol=1e-4)
    assert np.isnan(columns["low"][1])


def test_a_difference_has_an_interval_over_the_scored_pairs_where_records_keep_resamples(tmp_path):
    draws = np.random.default_rng(0).normal(0, 100, (2, 1000)).round()
    runs = []
    for arm, shift in (("learned", 0), ("fourier", 250)):
        for seed in range(3):
            made = scored(40.0, arm=arm, seed=seed)
            kept = (4000 + shift + draws + 50 * seed).astype(np.int16)
            runs.append(
                write_record(tmp_path / f"{arm}{seed}", made.config, made.metrics, made.history, resampled=kept)
            )
    assert runs[0].resampled().shape == (2, 1000)

    columns = partial(
        summaries.difference_columns,
        runs,
        summaries.score("validation"),
        series_name,
        "learned",
        lambda config: "",
    )
    found = columns()  # what the pairs do to both arms alike cancels
    assert (found["pairs_low"][0], found["pairs_high"][0]) == pytest.approx((2.5, 2.5))
    (tmp_path / "fourier1" / "resampled.npy").write_bytes(b"half")
    with pytest.raises(RecordError, match="resampled.npy is damaged"):
        columns()
    (tmp_path / "fourier1" / "resampled.npy").unlink()
    assert np.isnan(columns()["pairs_low"][0])


def test_differences_are_paired_by_seed_and_series():
    base = [scored(v, seed=s) for s, v in enumerate((40, 50, 60))]
    other = [scored(v, seed=s, departures=["slow_rate"]) for s, v in enumerate((41, 52, 63))]
    alone = [scored(9, seed=7, departures=["slow_rate"]), scored(9, seed=0, arm="learned", departures=["all_pairs"])]
    columns = summaries.difference_columns([*base, *other, *alone], summaries.score("validation"), "departures", "none")
    assert columns["group"].tolist() == ["slow_rate"] and columns["seeds"].tolist() == [3]
    assert columns["value"].tolist() == [2.0]
    # 4.303 standard errors of 1 / sqrt(3), whatever the spread between the seeds themselves.
    np.testing.assert_allclose(columns["high"][0] - 2, 4.3027 / np.sqrt(3), rtol=1e-4)
    with pytest.raises(DataError, match="no run has a partner in the group 'none'"):
        summaries.difference_columns(other, summaries.score("validation"), "departures", "none")


def test_settings_are_said_in_words():
    config = RunConfig(departures=["slow_rate", "all_pairs"])
    assert setting(config, "departures") == "all_pairs + slow_rate"
    assert setting(RunConfig(), "departures") == "none" and setting(config, "dropout") == "0.0"
