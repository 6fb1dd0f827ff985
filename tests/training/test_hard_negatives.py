"""Contradictions as hard negatives: which a pair has, what a batch keeps of them, what they add to the loss."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import torch
from made_up_text import NLI, WORDS, write_text

from fourier_lab import RunConfig, paths, train
from fourier_lab.errors import ConfigError, DataError
from fourier_lab.models.card import model_card
from fourier_lab.models.losses import ContrastiveLoss
from fourier_lab.text import corpus as corpora
from fourier_lab.text.batches import batch_stream
from fourier_lab.text.corpus import prepare
from fourier_lab.text.negatives import contradictions
from fourier_lab.training.costs import step_work
from fourier_lab.training.memory import needed_bytes
from fourier_lab.training.trainer import Trainer

RUN = RunConfig(
    corpus="snli", source="folder", hard_negatives="contradictions", d_model=8, feed_forward=1.0, steps=20, warmup_steps=2,
    batch_size=8, threads=1,
)  # fmt: skip
PLAIN = RUN.replace(hard_negatives="none")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """48 premises that entail one sentence each; every second one is contradicted, the first by a graded sentence."""
    monkeypatch.setenv("FOURIER_LAB_DATA", str(write_text(tmp_path)))
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    corpora._prepare.cache_clear()
    words = [(noun, verb, place) for noun in WORDS[1:5] for verb in WORDS[5:9] for place in WORDS[9:12]]
    rows = []
    for number, (noun, verb, place) in enumerate(words):
        premise, opposed = f"a {noun} {verb} {place}", f"{place} {verb} {noun}"
        rows.append((premise, f"{noun} {verb} {place}", 0))
        if number % 2 == 0:
            rows.append((premise, f"{premise} again" if number == 0 else opposed, 2))
    pd.DataFrame(rows, columns=NLI).to_parquet(tmp_path / "snli" / "train.parquet")
    yield tmp_path
    corpora._prepare.cache_clear()


def test_the_loss_is_that_of_the_formula():
    loss = ContrastiveLoss()
    a, p, n = (torch.nn.functional.normalize(torch.randn(size, 4), dim=1) for size in (3, 3, 2))
    scale, exp = loss.scale.item(), math.exp
    cosine = {name: (a @ other.T).tolist() for name, other in (("p", p), ("n", n))}
    there = [
        -math.log(
            exp(scale * cosine["p"][i][i])
            / (sum(exp(scale * c) for c in cosine["p"][i]) + sum(exp(scale * c) for c in cosine["n"][i]))
        )
        for i in range(3)
    ]
    back = [
        -math.log(exp(scale * cosine["p"][i][i]) / sum(exp(scale * cosine["p"][j][i]) for j in range(3)))
        for i in range(3)
    ]
    value, first = loss(2 * a, 3 * p, torch.zeros(3), 5 * n)
    assert value.item() == pytest.approx((sum(there) + sum(back)) / 6, rel=1e-5)
    ranked = [cosine["p"][i][i] >= max(cosine["p"][i] + cosine["n"][i]) for i in range(3)]
    assert first.item() == pytest.approx(sum(ranked) / 3)
    ((logits, target), label) = (loss.logits(a, p), torch.arange(3)), torch.zeros(3)
    today = (torch.nn.functional.cross_entropy(each, target) for each in (logits, logits.T))
    assert torch.equal(loss(a, p, label)[0], sum(today) / 2)
    assert torch.equal(loss(a, p, label, n[:0])[0], loss(a, p, label)[0])


def test_each_pair_gets_the_contradictions_of_its_premise_in_turn():
    premises = np.array([7, 3, 7, 7, 9, 3, 7, 5, 7], np.uint8)
    hypotheses = np.array([10, 11, 12, 13, 14, 20, 21, 22, 23], np.uint8)
    assert contradictions(premises, hypotheses, 5).tolist() == [21, 20, 23, 21, 14]


def test_pairs_have_the_contradictions_of_their_premises_and_all_else_is_as_without(folder):
    for _ in range(2):  # made, and from the file that is kept of it
        found, plain = prepare(RUN), prepare(PLAIN)
        corpora._prepare.cache_clear()
        words = [[found.tokenizer.decode(row) for row in side] for side in (found.train.first, found.train.negatives)]
        own = [found.tokenizer.decode(row) for row in found.train.second]
        for number, (premise, negative, positive) in enumerate(zip(*words, own, strict=True)):
            _, noun, verb, place = premise.removeprefix("[CLS] ").removesuffix(" [SEP]").split()
            some = number % 2 == 0 and number > 0  # the first one's is left out with all graded sentences
            assert negative == (f"[CLS] {place} {verb} {noun} [SEP]" if some else positive)
        assert found.account == plain.account | {"with_contradiction": 23}
        assert found.train.counts(17).tolist() == plain.train.counts(17).tolist()
        batches = (list(batch_stream(each.keys, 8, 0, 0, 9)) for each in (found, plain))
        np.testing.assert_equal(*batches)
    assert plain.train.negatives is None and RUN.digest() != PLAIN.digest()
    other = prepare(RUN.replace(id_order="reversed"))
    assert [other.tokenizer.decode(row) for row in other.train.negatives] == words[1]


def test_a_batch_keeps_each_contradiction_once_and_none_that_is_a_sentence_of_its_pairs(folder):
    corpus = prepare(RUN)
    first, second = corpus.keys
    number = second.copy()
    number[:5] = [second[20], second[20], second[1], first[2], second[30]]
    pairs = dataclasses.replace(corpus.train, negatives=dataclasses.replace(corpus.train.negatives, number=number))
    kept = pairs.hard_negatives(np.arange(5), corpus.keys)
    assert sorted(kept.number.tolist()) == sorted([int(second[20]), int(second[30])])


def test_a_step_reads_them_and_a_batch_without_any_is_a_step_without(folder, tmp_path):
    corpus, label = prepare(RUN), torch.zeros(8)
    trainer = Trainer(RUN, corpus, tmp_path)
    pairs, index = corpus.train, np.arange(8)

    def encoded(rows):
        return trainer.encoder.encode_packed(trainer.encoder.pack([*rows]))

    sides = [encoded(side[:8]) for side in (pairs.first, pairs.second)]
    plain, _ = trainer.objective(*sides, label)
    hard = encoded(pairs.negatives[i] for i in (2, 4, 6))
    expected, _ = trainer.objective(*sides, label, hard)
    assert trainer.loss(pairs, index)[0].item() == pytest.approx(expected.item(), rel=1e-6) != plain.item()
    without = trainer.loss(dataclasses.replace(pairs, negatives=pairs.second), index)[0]
    assert without.item() == pytest.approx(plain.item(), rel=1e-6)


def test_a_run_that_was_interrupted_ends_as_one_that_was_not(folder, tmp_path):
    whole = train(RUN, runs=tmp_path / "whole")

    def stop(progress):
        if progress.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(RUN, runs=tmp_path / "parts", callback=stop)
    parts = train(RUN, runs=tmp_path / "parts")
    assert [row["loss"] for row in parts.history] == [row["loss"] for row in whole.history]
    assert parts.metrics["scores"] == whole.metrics["scores"] and whole.metrics["data"]["with_contradiction"] == 23
    plain = train(PLAIN, runs=tmp_path / "whole")
    assert [row["loss"] for row in plain.history] != [row["loss"] for row in whole.history]
    card = model_card(whole.encoder, "mine", whole.record, "mit")
    assert "snli (48 pairs), 23 pairs beside a contradiction of their premise, objective contrastive" in card
    assert "contradiction of" not in model_card(plain.encoder, "mine", plain.record, "mit")


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"objective": "nli"}, "are of objective 'contrastive', got 'nli'"),
        ({"objective": "masked", "head": "tied"}, "are of objective 'contrastive', got 'masked'"),
        ({"corpus": "toy", "source": "builtin"}, "the toy language says each premise once"),
        ({"departures": ["all_pairs"]}, "would be positives too under the departure 'all_pairs'"),
        ({"hard_negatives": "neutral"}, "hard_negatives must be one of none, contradictions"),
        ({"objective": "sts", "hard_negatives": "none", "pretraining": {"objective": "nli", **{"hard_negatives":
          "contradictions"}}}, "Set hard_negatives 'none'"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(changes, rule):
    with pytest.raises(ConfigError, match=rule):
        RUN.replace(**changes)


def test_text_without_any_is_refused(folder):
    file = folder / "snli" / "train.parquet"
    rows = pd.read_parquet(file)
    rows[rows["label"] == 0].to_parquet(file)
    with pytest.raises(DataError, match=r"none of its 48 labelled pairs is a contradiction pair \(label 2\)"):
        prepare(RUN)
    corpora._prepare.cache_clear()
    rows["premise"] = np.where(rows["label"] == 2, rows["premise"] + " quickly", rows["premise"])
    rows.to_parquet(file)
    with pytest.raises(DataError, match=r"no premise of snli .* another contradicts"):
        prepare(RUN)


def test_a_step_costs_and_takes_half_as_much_again_at_most():
    assert step_work(RUN) == 1.5 * step_work(PLAIN)
    with_them, without = (needed_bytes(config, 17)["batch"] for config in (RUN, PLAIN))
    assert with_them == 1.5 * without
