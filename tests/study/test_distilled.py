"""A teacher is scored as its students are: a shipped encoder as its own teacher scores what it scores."""

import pytest

from fourier_lab import RunConfig, SentenceEncoder, paths
from fourier_lab.errors import ConfigError
from fourier_lab.evaluation.metrics import sts_scores
from fourier_lab.study.distilled import nearness, teacher_baseline
from fourier_lab.text.pairs import load_pairs
from fourier_lab.training.teacher import find_teacher

RUN = RunConfig(objective="distil", teacher="fourier-100k", arm="learned", vocab_size=500, d_model=16, train_pairs=64)
NAMES = ("fourier-100k", "fourier-400k")


def test_the_teacher_scores_what_its_own_vectors_score(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    found = teacher_baseline(RUN, 99_808)
    pairs = load_pairs("toy_sts", "test", vocab_size=500)
    first, second = (
        SentenceEncoder.from_pretrained("fourier-100k").encode(side, normalize=True)
        for side in (pairs.first, pairs.second)
    )
    expected = sts_scores((first * second).sum(1), pairs.label)["spearman"]["value"]
    assert found.scores["test"]["spearman"]["value"] == pytest.approx(expected, abs=0.1)
    assert (found.name, found.numbers, found.evaluations) == ("teacher, fourier-100k", 99_808, {})


def test_an_encoder_is_nearest_to_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    pairs = load_pairs("toy", "test", vocab_size=500).select(slice(200))
    found = {
        name: nearness(SentenceEncoder.from_pretrained(name), find_teacher("fourier-100k"), pairs) for name in NAMES
    }
    assert found["fourier-100k"]["loss"] == pytest.approx(0, abs=1e-3) and found["fourier-100k"]["r"] > 0.999
    assert found["fourier-400k"]["loss"] > 0.01 and found["fourier-400k"]["pairs"] == 128


def test_a_run_without_a_teacher_is_refused():
    with pytest.raises(ConfigError, match="has no teacher"):
        teacher_baseline(RunConfig(), 1)
