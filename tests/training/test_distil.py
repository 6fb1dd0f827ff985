"""Distillation: the loss is that of the cosines, the teacher reads the text once, and what it says is kept and told."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from fourier_lab import RunConfig, SentenceEncoder, paths, train
from fourier_lab.errors import ConfigError, MissingPackageError
from fourier_lab.models.card import model_card
from fourier_lab.models.losses import DistilLoss
from fourier_lab.sweeps.file import load_sweep
from fourier_lab.sweeps.plan import plan
from fourier_lab.text.corpus import prepare
from fourier_lab.text.pairs import load_pairs
from fourier_lab.training import teacher as teachers
from fourier_lab.training.memory import needed_bytes
from fourier_lab.training.teacher import Teacher, find_teacher, taught, vectors

RUN = RunConfig(
    objective="distil", teacher="fourier-100k", arm="learned", vocab_size=500, d_model=16, n_layers=0,
    pooler="none", train_pairs=64, steps=30, warmup_steps=2, batch_size=16, learning_rate=5e-2, threads=1,
)  # fmt: skip
SENTENCES = ["a b", "c", "a b c d"]


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")


def of_length(sentences):
    return np.array([[len(each), 1.0] for each in sentences])


def test_the_loss_is_the_divergence_of_nearness_from_the_teachers():
    rng = np.random.default_rng(0)
    first, second, told = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rng.normal(size=(2, 4, 5))
    loss, r = DistilLoss()(*(torch.from_numpy(each).float() for each in (first, second, told)))
    own, other = np.concatenate((first, second)), told.reshape(8, 5)
    cosines = [each @ each.T / np.outer(*2 * [np.linalg.norm(each, axis=1)]) for each in (own, other)]
    weights = [np.exp(each / 0.1) * (1 - np.eye(8)) for each in cosines]
    student, teacher = (each / each.sum(1, keepdims=True) + np.eye(8) for each in weights)
    assert loss.item() == pytest.approx((teacher * np.log(teacher / student)).sum() / 8, rel=1e-4)
    pairs = [[each[i, i + 4] for i in range(4)] for each in cosines]
    assert r.item() == pytest.approx(np.corrcoef(*pairs)[0, 1], rel=1e-4)


def test_labels_are_the_teachers_vectors_of_each_sentence():
    told = taught(RUN, prepare(RUN))
    pairs, encode = load_pairs("toy", "train", vocab_size=500), SentenceEncoder.from_pretrained("fourier-100k").encode
    index = np.array([5, 0, 5])
    first, second = ([side[i] for i in index] for side in (pairs.first, pairs.second))
    expected = np.stack([encode(side, normalize=True) for side in (first, second)])
    np.testing.assert_allclose(told.train.label[index], expected, atol=1e-3)
    assert told.account["teacher"] == {"name": "fourier-100k", "hash": find_teacher("fourier-100k").hash, "width": 192}


def test_a_run_learns_what_its_teacher_says_and_names_it(tmp_path):
    result = train(RUN, runs=tmp_path)
    rows = [row["validation_loss"] for row in result.history if row["validation_loss"] == row["validation_loss"]]
    assert rows[-1] < rows[0] - 0.05
    assert result.metrics["data"]["teacher"]["hash"] == find_teacher("fourier-100k").hash
    assert result.metrics["held_out"]["toy/test"]["accuracy"] > 0.5


def test_an_interrupted_run_goes_on_as_if_nothing_had_been(tmp_path):
    whole = train(RUN, runs=tmp_path / "whole")

    def stop(progress):
        if progress.step == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(RUN, callback=stop, runs=tmp_path / "parts")
    resumed = train(RUN, runs=tmp_path / "parts")
    assert (
        resumed.metrics["scores"] == whole.metrics["scores"]
        and resumed.metrics["held_out"] == whole.metrics["held_out"]
    )


def test_vectors_are_computed_once_and_what_was_interrupted_goes_on(monkeypatch):
    monkeypatch.setattr(teachers, "_BLOCK", 2)
    asked = []

    def encode(sentences):
        asked.append(list(sentences))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return of_length(sentences)

    someone = Teacher("someone", "0" * 12, lambda: encode)
    with pytest.raises(KeyboardInterrupt):
        vectors(someone, lambda: SENTENCES)
    (part,) = (paths.RUNS / "teachers").glob("*/vectors.part")
    part.write_bytes(part.read_bytes() + b"h")  # a part of a row
    found = vectors(someone, lambda: SENTENCES)
    assert asked == [["a b"], ["a b", "c"], ["a b c d"], ["a b"], ["a b c d"]]
    expected = of_length(SENTENCES) / np.linalg.norm(of_length(SENTENCES), axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.array_equal(vectors(someone, lambda: SENTENCES), found) and len(asked) == 5
    vectors(Teacher("someone", "1" * 12, lambda: encode), lambda: SENTENCES)
    vectors(someone, lambda: SENTENCES[:2])
    assert len([*(paths.RUNS / "teachers").glob("*/vectors.f16")]) == 3


@pytest.mark.parametrize("answer", [np.zeros(3), np.zeros((2, 4)), np.full((3, 4), np.nan)])
def test_what_is_no_row_of_numbers_each_is_refused(answer):
    with pytest.raises(ConfigError, match="a teacher gives a row of finite numbers"):
        vectors(Teacher("odd", "0" * 12, lambda: lambda sentences: answer), lambda: SENTENCES)


def test_a_teacher_is_a_folder_by_its_path_or_name_or_a_function(tmp_path, monkeypatch):
    folder = SentenceEncoder.from_pretrained("fourier-100k").save_pretrained(tmp_path / "data" / "mine")
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path / "data"))
    by_path, by_name = find_teacher(str(folder)), find_teacher("mine")
    assert by_path.hash == by_name.hash
    assert by_name.open()(SENTENCES).shape == (3, 192)
    (folder / "model.safetensors").write_bytes(b"other")
    assert find_teacher("mine").hash != by_path.hash
    (tmp_path / "taught_by.py").write_text(
        "def lengths(sentences):\n    return [[len(each), 1.0] for each in sentences]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="a record alone must not run"):
        find_teacher("taught_by:lengths")
    mine = find_teacher(RunConfig.parse("teacher", "taught_by:lengths"))
    assert np.asarray(mine.open()(SENTENCES)).tolist() == of_length(SENTENCES).tolist() and len(mine.hash) == 12


def test_a_folder_of_sentence_transformers_needs_that_package(tmp_path, monkeypatch):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    monkeypatch.setitem(__import__("sys").modules, "sentence_transformers", None)
    with pytest.raises(MissingPackageError, match=r"fourier-lab\[hub\]"):
        find_teacher(str(tmp_path)).open()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": None}, "teacher None does not go with objective 'distil'"),
        ({"objective": "contrastive"}, "teacher 'fourier-100k' does not go with objective 'contrastive'"),
        ({"departures": ("all_pairs",)}, "reads pairs of all labels"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        RUN.replace(**changes)


def test_an_unknown_teacher_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(ConfigError, match="no teacher 'nobody': it is neither"):
        train(RUN.replace(teacher="nobody"), runs=tmp_path)


def test_the_card_names_the_teacher_and_what_it_had_read(tmp_path):
    result = train(RUN, runs=tmp_path)
    encoder, record = result.encoder, result.record
    card = model_card(encoder, "mine", record, "mit")
    assert f"`fourier-100k` (hash of its files {find_teacher('fourier-100k').hash}, 192 numbers" in card
    assert "What it had read itself is not known here" in card
    record.metrics["data"]["teacher"]["name"] = "all-MiniLM-L6-v2"
    assert "captions of Flickr30k and COCO" in model_card(encoder, "mine", record, "mit")


def test_a_dry_run_asks_no_teacher_and_says_that_one_is_to_read(tmp_path):
    (tmp_path / "small.yaml").write_text(
        f"question: what?\nbase: {json.dumps(dict(RUN.changes()))}\ngrid: {{learning_rate: [0.05]}}\n"
    )
    *_, time, last = plan(load_sweep(tmp_path / "small.yaml"), runs=tmp_path / "runs", results=tmp_path / "results")
    assert "estimated from" in time
    assert last == "besides, fourier-100k must read the text once if the folder of runs lacks its vectors"
    assert not (paths.RUNS / "teachers").exists()


def test_the_cosines_of_a_large_batch_count_as_memory():
    alike = RUN.replace(objective="contrastive", teacher=None)
    batch = {objective.objective: needed_bytes(objective, 500)["batch"] for objective in (RUN, alike)}
    assert batch["distil"] - batch["contrastive"] == 48 * RUN.batch_size**2  # (2 B)^2 cosines in place of B^2


def test_a_stage_before_or_after_keeps_its_own_objective():
    after = RUN.replace(pretraining={"steps": 10})
    assert (after.pretrained().objective, after.pretrained().teacher) == ("contrastive", None)
    before = dataclasses.replace(
        RUN, objective="contrastive", teacher=None, pretraining={"objective": "distil", "teacher": "a"}
    )
    assert (before.pretrained().objective, before.pretrained().teacher) == ("distil", "a")
    again = RUN.replace(pretraining={"objective": "distil", "steps": 10})
    assert again.pretrained().teacher == "fourier-100k"
