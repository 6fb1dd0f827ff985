"""The ladder: every kind is there, seeds are pooled, kept files are read, and the finding says the numbers."""

import dataclasses
import json
import shutil

import matplotlib.pyplot as plt
import numpy as np
import pytest
from made_up import METRICS

from fourier_lab import RunConfig, paths, plots
from fourier_lab.errors import RecordError, RecordWarning, records_left_out
from fourier_lab.study import ladder, ladder_records, selection
from fourier_lab.study.beside_paper import overlap_resamples, word_overlap
from fourier_lab.study.ladder import KINDS, Rung
from fourier_lab.text.corpus import TokenPairs, prepare
from fourier_lab.training.records import RunRecord, write_record

CONFIGS = selection.comparison(RunConfig(d_model=8, steps=4, warmup_steps=0), "learned,harmonic", n_seeds=2)


def scores(value: float) -> dict:
    score = {"value": value, "low": value - 2, "high": value + 2}
    return {split: {"spearman": score, "pearson": score, "n": 9} for split in ("validation", "test")}


@pytest.fixture(scope="module")
def small():
    """The toy corpus with 60 graded pairs, so that a bootstrap takes no time."""
    corpus = prepare(CONFIGS[0])
    graded = {s: TokenPairs(p.first[:60], p.second[:60], p.label[:60]) for s, p in corpus.graded.items()}
    return dataclasses.replace(corpus, graded=graded)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("from_zero")


@pytest.fixture(scope="module")
def made(small, folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladder, "prepare", lambda config: small)
        return ladder.ladder(CONFIGS, folder)


def test_every_kind_is_there_and_only_random_numbers_have_seeds(made):
    assert [kind for kind in dict.fromkeys(rung.kind for rung in made.rungs)] == list(KINDS[:3])
    seeds = {}
    for rung in made.rungs:
        seeds.setdefault((rung.kind, rung.name), []).append(rung.seed)
    random = {"mean of random vectors", "mean of T(p), random", "learned", "fourier (harmonic)"}
    for (_, name), of_name in seeds.items():
        assert of_name == ([0, 1] if name in random else [None])
    assert {rung.name: rung.numbers for rung in made.rungs if rung.numbers} == {"bag of tokens, idf": 30522}


def test_the_first_rungs_are_the_baselines_of_the_results_table(made, small, monkeypatch):
    from fourier_lab.evaluation import baselines

    monkeypatch.setattr(baselines, "prepare", lambda config: small)
    by_name = {rung.name: rung.scores for rung in made.rungs}
    table = baselines.zero_parameter_baselines(CONFIGS[0])
    assert len(table) == 3 and all(by_name[row.name] == row.scores for row in table)


def test_a_kept_ladder_is_read_and_another_set_of_runs_is_not(made, small, monkeypatch, folder):
    monkeypatch.setattr(ladder, "prepare", None)
    again = ladder.ladder(CONFIGS, folder)
    assert again.rungs == made.rungs and again.account == json.loads(json.dumps(made.account))
    for name, column in made.weights.items():
        if column.dtype.kind == "f":
            np.testing.assert_allclose(again.weights[name], column, rtol=1e-5)
    monkeypatch.setattr(ladder, "prepare", lambda config: small)
    fewer = ladder.ladder(CONFIGS[:1], folder)
    assert len(fewer.rungs) < len(made.rungs)
    (path,), (kept,) = folder.glob("*.json"), folder.glob("*.npz")
    drawn = ladder_records.read_resamples(kept, "test")
    assert list(drawn) == [rung.name for rung in made.rungs if rung.kind == ladder.KINDS[0]]
    score = fewer.rungs[0].scores["test"]["spearman"]
    assert np.percentile(drawn["bag of tokens"], (2.5, 97.5)) == pytest.approx((score["low"], score["high"]), abs=0.01)
    kept.write_bytes(b"half")
    with pytest.raises(RecordError, match="npz is damaged"):
        ladder_records.read_resamples(kept, "test")
    path.write_text("{}")
    with pytest.raises(RecordError, match="damaged"):
        ladder.ladder(CONFIGS, folder)


def test_a_ladder_is_computed_once_whether_it_is_kept_or_not(small, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(ladder, "prepare", lambda config: asked.append(config) or small)
    configs = [config.replace(seed=7) for config in CONFIGS[::2]]
    first = ladder.ladder(configs)
    assert ladder.ladder(configs) is first is ladder.ladder(configs, tmp_path) and len(asked) == 1
    monkeypatch.setattr(ladder, "text_at_hand", lambda config: {"stsb/test": "0123456789ab"})
    assert ladder.ladder(configs) is not first and len(asked) == 2


def test_weights_are_relative_and_in_bands_of_ids(made):
    for series in np.unique(made.weights["series"]):
        own = {key: column[made.weights["series"] == series] for key, column in made.weights.items()}
        assert own["value"].mean() == pytest.approx(1)
        assert np.all(np.diff(own["token_id"]) > 0) and np.all(own["low"] <= own["high"])


RUNGS = [
    Rung("bag of tokens", KINDS[0], 0, None, scores(40)),
    Rung("bag of tokens, idf", KINDS[0], 100, None, scores(60)),
    *(Rung("learned", KINDS[2], 0, seed, scores(30 + seed)) for seed in range(3)),
    *(Rung("learned", KINDS[3], 5000, seed, scores(70 + 2 * seed)) for seed in range(3)),
]


def test_seeds_are_pooled_and_pairs_and_seeds_have_intervals_of_their_own():
    columns = ladder.ladder_columns(RUNGS)
    assert columns["value"].tolist() == [40, 60, 31, 72] and columns["seeds"].tolist() == [0, 0, 3, 3]
    assert (columns["high"] - columns["value"]).tolist() == [2] * 4
    assert np.isnan(columns["seeds_low"]).tolist() == [True, True, False, False]
    assert columns["seeds_high"][2] - 31 == pytest.approx(2.48414, abs=1e-4)


def test_gains_are_paired_by_seed():
    mean, low, high = ladder.gains(RUNGS)["learned"]
    assert mean == pytest.approx(41) and high - low == pytest.approx(2 * 2.48414, abs=1e-4)
    columns = ladder.gain_columns(RUNGS)
    assert columns["series"].tolist() == ["at its start", "trained"] and set(columns["group"]) == {"learned"}
    assert set(columns["interval"]) == {"95 % t interval over seeds"}


def test_the_table_holds_the_reference_on_real_text_only():
    table = ladder.ladder_table(RUNGS, "snli+mnli")
    assert table.loc["bag of tokens", ["validation reference", "test reference"]].tolist() == [58.0, 47.0]
    assert not [name for name in ladder.ladder_table(RUNGS, "toy") if "reference" in name]


def test_the_finding_says_the_numbers():
    first, second, third = ladder.finding(RUNGS).splitlines()
    for line in (first, second):
        assert (
            "40.0 with no number" in line and "60.0 with one per id" in line and "72.0 trained (learned, 5,000" in line
        )
    assert "learned +41.0 ± 2.5" in third


def test_finished_runs_are_found_wherever_they_are(monkeypatch, tmp_path):
    for name in ("RUNS", "RESULTS"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    first, second, third = CONFIGS[:3]
    for config, folder in ((first, paths.RUNS), (second, paths.RESULTS / "some_sweep")):
        metrics = {**METRICS, "digest": config.digest()}
        write_record(folder / config.digest(), config, metrics, [{"step": config.steps}])
    trained = RunRecord(tmp_path, third, {}, [])
    monkeypatch.setattr(ladder, "train", lambda config: type("Result", (), {"record": trained}))
    said = []
    records = ladder.records_of([first, second, third], said.append)
    assert [record.config for record in records] == [first, second, third]
    assert [line.rpartition(": ")[2] for line in said] == ["finished before", "finished before", "trained"]


def test_a_damaged_record_stops_no_other_run(monkeypatch, tmp_path):
    for name in ("RUNS", "RESULTS"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    first, second, third = CONFIGS[:3]
    shipped = paths.RESULTS / "some_sweep"
    for config, root in ((first, paths.RUNS), (second, paths.RUNS), (second, shipped), (third, shipped)):
        write_record(root / config.digest(), config, {**METRICS, "digest": config.digest()}, [{"step": config.steps}])
    trained = RunRecord(tmp_path, third, {}, [])
    monkeypatch.setattr(ladder, "train", lambda config: type("Result", (), {"record": trained}))
    for path in (paths.RUNS / first.digest(), paths.RUNS / second.digest(), shipped / third.digest()):
        (path / "metrics.json").write_text("")
    said = []
    with records_left_out() as told:
        records = ladder.records_of([first, second, third], said.append)
    assert [record.folder for record in records] == [shipped / second.digest(), tmp_path]
    assert [line.rpartition(": ")[2] for line in said] == ["left out", "finished before", "trained"]
    assert len(told) == 3 and all("left out: the record in" in sentence for sentence in told)
    with pytest.warns(RecordWarning), pytest.raises(RecordError, match="every run asked for"):
        ladder.records_of([first])


def test_a_damaged_ladder_is_left_out_of_what_is_read_of_many(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "RECORDS", shutil.copytree(paths.RECORDS / "from_zero", tmp_path / "from_zero").parent)
    kept, drawn = word_overlap("test"), overlap_resamples("test")
    for torn in ("0000000000.json", "0000000000.npz"):
        (tmp_path / "from_zero" / torn).write_text("")
    with records_left_out() as told:
        assert word_overlap("test") == kept and overlap_resamples("test").keys() == drawn.keys()
    assert len(told) == 2 and all("is damaged" in sentence for sentence in told)


def test_pictures_are_labelled(made):
    for ax in (
        plots.draw_ladder(ladder.ladder_columns(RUNGS), label="Spearman × 100"),
        plots.draw_weights(made.weights),
    ):
        assert ax.get_xlabel() and ax.get_ylabel() and ax.figure.get_figwidth() == pytest.approx(7.2)
        ax.figure.canvas.draw()
    figure, axes = plots.new_figure(1, 2)
    for ax in axes:
        plots.draw_ladder(ladder.ladder_columns(RUNGS), label="Spearman × 100", legend=False, ax=ax)
    assert [label.get_text() for label in axes[0].get_yticklabels()][:2] == ["bag of tokens", "bag of tokens, idf"]
    plt.close("all")
