"""Masked tokens: which are hidden and how, what is kept of the run, and what starts from it."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import nn

from fourier_lab import RunConfig, train
from fourier_lab.errors import ConfigError
from fourier_lab.models.sentence_encoder import SentenceEncoder
from fourier_lab.tables import points
from fourier_lab.text.batches import pack
from fourier_lab.text.corpus import prepare
from fourier_lab.training import masked_trainer
from fourier_lab.training.masked_trainer import MaskedTrainer, mask_tokens
from fourier_lab.training.records import load_encoder

V, WIDTH = 500, 8
RUN = RunConfig(
    objective="masked", head="decoupled", head_options={"width": WIDTH}, vocab_size=V, d_model=16, steps=40, warmup_steps=2,
    batch_size=16, feed_forward=1.0, learning_rate=1e-2, threads=1,
)  # fmt: skip
SPECIAL = torch.arange(5)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return train(RUN, runs=tmp_path_factory.mktemp("runs"))


def test_a_seventh_of_the_tokens_is_hidden_mostly_behind_the_mask():
    sentences = [np.r_[2, np.random.default_rng(i).integers(5, V, 18 + i % 3), 3] for i in range(2000)]
    packed = pack(sentences)
    read, chosen = mask_tokens(packed, 4, SPECIAL, V)
    before, after = packed.token_ids, read.token_ids
    ordinary = before >= 5
    assert not chosen[~ordinary].any() and torch.equal(before[~chosen], after[~chosen])
    assert chosen[ordinary].float().mean().item() == pytest.approx(0.15, abs=0.005)
    hidden, shown = before[chosen], after[chosen]
    assert (shown == 4).float().mean().item() == pytest.approx(0.8, abs=0.02)
    assert (shown == hidden).float().mean().item() == pytest.approx(0.1, abs=0.02)
    assert [*read.groups] == [*packed.groups] and torch.equal(read.restore, packed.restore)


def test_a_short_batch_hides_one_token_and_special_ones_alone_none():
    packed = pack([np.array([2, 7, 3])])
    assert mask_tokens(packed, 4, SPECIAL, V)[1].tolist() == [False, True, False]
    assert not mask_tokens(pack([np.array([2, 3])]), 4, SPECIAL, V)[1].any()


def test_the_loss_is_that_of_the_hidden_tokens_under_the_head(tmp_path):
    trainer = MaskedTrainer(RUN, prepare(RUN), tmp_path)
    trainer.encoder.eval()
    pairs, index = trainer.corpus.train, np.arange(6)
    loss, guessed = trainer.loss(pairs, index)
    packed = trainer.encoder.pack([pairs.first[i] for i in index] + [pairs.second[i] for i in index])
    read, chosen = mask_tokens(packed, 4, SPECIAL, V, torch.Generator().manual_seed(0))
    logits = trainer.objective(trainer.encoder.hidden_states(read)[-1])[chosen]
    targets = packed.token_ids[chosen]
    torch.testing.assert_close(loss, nn.functional.cross_entropy(logits, targets))
    assert guessed == (logits.argmax(1) == targets).float().mean()
    assert trainer.loss(pairs, index)[0] == loss  # the same tokens in each look
    trainer.encoder.train()
    assert trainer.loss(pairs, index)[0] != trainer.loss(pairs, index)[0]


def test_the_head_starts_at_the_counts_and_is_thrown_away(result, tmp_path):
    trainer = MaskedTrainer(RUN, prepare(RUN), tmp_path)
    counts = np.bincount(np.concatenate([*trainer.corpus.train.sentences]), minlength=V) + 1.0
    np.testing.assert_allclose(trainer.objective[-1].bias.detach(), np.log(counts / counts.sum()), rtol=1e-5)
    sizes = result.metrics["parameters"]
    assert sizes["head"] == WIDTH * 17 + WIDTH * V + V
    assert sizes["total"] == sum(p.numel() for p in SentenceEncoder(RUN.encoder(V)).parameters())
    kept = load_encoder(result.record.folder)
    assert kept.config == RUN.encoder(V) and kept.config.head == "none"
    losses = [row["loss"] for row in result.record.history]
    assert np.mean(losses[-6:]) < np.mean(losses[:6])
    assert 0 <= result.metrics["held_out"]["toy/validation"]["accuracy"] <= 1


def test_an_interrupted_run_goes_on_to_the_same_weights(result, tmp_path):
    def stop(progress):
        if progress.step == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(RUN, callback=stop, runs=tmp_path)
    resumed = train(RUN, runs=tmp_path)
    for one, other in zip(result.encoder.parameters(), resumed.encoder.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_is_fine_tuned_starts_from_the_encoder_without_the_head(result, tmp_path, monkeypatch):
    names = ("objective", "head", "head_options", "steps", "warmup_steps", "learning_rate", "weight_decay")
    before = {name: getattr(RUN, name) for name in names}
    tuned = RUN.replace(objective="sts", head="none", head_options={}, learning_rate=1e-30, weight_decay=0.0, steps=1,
                        warmup_steps=0, pretraining=before)  # fmt: skip
    assert tuned.pretrained() == RUN and {tuned: 1}[RunConfig.from_dict(json.loads(json.dumps(tuned.to_dict())))]
    text = points.as_text("pretraining", tuned.pretraining)
    assert tuned.replace(pretraining=RunConfig.parse("pretraining", text)) == tuned
    started = train(tuned, runs=result.record.folder.parent)
    for one, other in zip(result.encoder.parameters(), started.encoder.parameters(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("head", ["tied", "learned", "fourier"])
def test_other_heads_learn_too(head, tmp_path):
    trainer = MaskedTrainer(
        RUN.replace(head=head, head_options={}, period=512, frequencies="random"), prepare(RUN), tmp_path
    )
    loss, _ = trainer.loss(trainer.corpus.train, np.arange(16))
    loss.backward()
    assert all(p.grad is not None for p in trainer.objective.parameters()) and 4 < loss.item() < 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"head": "none", "head_options": {}}, "'language_model' and 'masked' need a head"),
        ({"objective": "contrastive"}, "does not go with objective 'contrastive'"),
        ({"norm": "pre"}, "norm 'pre' is a setting of objective 'language_model'"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        RUN.replace(**changes)


def test_a_vocabulary_without_a_mask_is_refused(tmp_path):
    corpus = prepare(RUN)
    bare = dataclasses.replace(corpus, tokenizer=type("T", (), {"token_to_id": lambda self, token: None})())
    with pytest.raises(ConfigError, match="which this vocabulary lacks"):
        masked_trainer.MaskedTrainer(RUN, bare, tmp_path)
