import json

import numpy as np
import pandas as pd
import pytest

from fourier_lab import RunConfig
from fourier_lab.errors import DataError, RecordError
from fourier_lab.sweeps.file import load_sweep
from fourier_lab.sweeps.run import run_sweep
from fourier_lab.training import train as training
from fourier_lab.training.records import EVALUATIONS, read_evaluations
from tests.made_up_text import WORDS, write_text

CONFIG = RunConfig(
    corpus="snli", source="folder", d_model=8, steps=2, warmup_steps=1, batch_size=8, evaluated_on=("sick",)
)

SCORES = [float(i * 5 % 6) for i in range(16)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = write_text(tmp_path / "data") if (tmp_path / "data").mkdir() is None else tmp_path
    monkeypatch.setenv("FOURIER_LAB_DATA", str(folder))
    for name in ("sick", "sts12"):
        write_set(folder, name)
    return folder


def write_set(folder, name, scores=SCORES):
    firsts = [f"a {noun} {verb}" for noun in WORDS[1:5] for verb in WORDS[5:9]]
    table = pd.DataFrame({"sentence1": firsts, "sentence2": firsts[1:] + ["a man again"], "label": scores})
    (folder / name).mkdir(exist_ok=True)
    table.to_parquet(folder / name / "test.parquet")


@pytest.fixture
def no_training(monkeypatch):
    def refuse():
        monkeypatch.setattr(training, "Trainer", None)

    return refuse


def test_a_finished_run_is_scored_on_the_sets_that_it_lacks_without_training(folder, tmp_path, no_training):
    plain = training.train(CONFIG.replace(evaluated_on=()), runs=tmp_path)
    assert not (plain.record.folder / EVALUATIONS).exists()
    no_training()
    first = training.train(CONFIG, runs=tmp_path).record
    assert first.folder == plain.record.folder
    kept = read_evaluations(first.folder)
    assert {*kept["sets"]} == {"sick"} and {*kept["matched"]} == {"snli/validation", "snli/test"}
    training.train(CONFIG.replace(evaluated_on=("sts12",)), runs=tmp_path)
    both = read_evaluations(first.folder)
    assert {*both["sets"]} == {"sick", "sts12"} and both["sets"]["sick"] == kept["sets"]["sick"]
    assert both["sets"]["sts12"]["all"]["spearman"] == both["sets"]["sick"]["all"]["spearman"]


def test_the_share_of_matched_pairs_is_what_training_counts(folder, tmp_path):
    record = training.train(CONFIG, runs=tmp_path).record
    for split, found in read_evaluations(record.folder)["matched"].items():
        assert found["share"] == pytest.approx(record.metrics["held_out"][split]["accuracy"])


def test_held_out_pairs_with_grades_are_not_matched(folder, tmp_path):
    firsts = [f"{noun} {verb} {where}" for noun in WORDS[1:5] for verb in WORDS[5:9] for where in WORDS[9:12]]
    table = {"sentence1": firsts, "sentence2": [f"{first} again" for first in firsts], "label": SCORES * 3}
    pd.DataFrame(table).to_parquet(folder / "stsb" / "train.parquet")
    record = training.train(CONFIG.replace(objective="sts"), runs=tmp_path).record
    kept = read_evaluations(record.folder)
    assert {*kept["sets"]} == {"sick"} and kept["matched"] == {}


def test_a_set_that_changed_is_scored_again(folder, tmp_path, no_training):
    record = training.train(CONFIG, runs=tmp_path).record
    before = read_evaluations(record.folder)["sets"]["sick"]["all"]["spearman"]["value"]
    write_set(folder, "sick", scores=[5 - score for score in SCORES])
    no_training()
    training.train(CONFIG, runs=tmp_path)
    assert read_evaluations(record.folder)["sets"]["sick"]["all"]["spearman"]["value"] == pytest.approx(-before)


def test_a_missing_set_is_told_before_training(folder, tmp_path, no_training):
    no_training()
    with pytest.raises(DataError, match="no file of the similarity set sts16"):
        training.train(CONFIG.replace(evaluated_on=("sts16",)), runs=tmp_path)


def test_damaged_scores_are_named(folder, tmp_path):
    record = training.train(CONFIG, runs=tmp_path).record
    (record.folder / EVALUATIONS).write_text('{"sets": ')
    with pytest.raises(RecordError, match=f"{EVALUATIONS} is damaged .* Delete it"):
        training.train(CONFIG, runs=tmp_path)


def test_a_sweep_exports_scores_beyond_and_a_record_without_them_is_not_finished(folder, tmp_path):
    settings = {**CONFIG.changes(), "evaluated_on": ["sick"]}
    file = tmp_path / "beyond.yaml"
    file.write_text(json.dumps({"question": "?", "base": settings, "grid": {"arm": ["fourier"]}}))
    places = {"runs": tmp_path / "runs", "results": tmp_path / "results"}
    sweep = load_sweep(file)
    (first,) = run_sweep(sweep, **places)
    (exported,) = (tmp_path / "results" / "beyond").glob(f"*/{EVALUATIONS}")
    assert json.loads(exported.read_text()) == read_evaluations(first.record.folder)
    assert run_sweep(sweep, **places)[0].status == "loaded"
    score = read_evaluations(exported.parent)["sets"]["sick"]["all"]["spearman"]["value"]
    for path in tmp_path.rglob(EVALUATIONS):
        path.unlink()
    (again,) = run_sweep(sweep, **places)
    assert again.status == "done" and np.isclose(
        read_evaluations(exported.parent)["sets"]["sick"]["all"]["spearman"]["value"], score
    )
