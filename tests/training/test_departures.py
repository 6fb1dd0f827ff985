"""What the published code does otherwise: each switch does what its name says, and nothing else."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fourier_lab import ModelConfig, RunConfig, SentenceEncoder, train
from fourier_lab.config import DEPARTURES
from fourier_lab.errors import ConfigError
from fourier_lab.evaluation.metrics import sts_scores
from fourier_lab.models.blocks import count_parameters, rotary_table, rotate, rotate_as_published
from fourier_lab.text.batches import batch_stream
from fourier_lab.text.corpus import prepare
from fourier_lab.training.optimizer import learning_rate_at
from fourier_lab.training.train import published_scores
from fourier_lab.training.trainer import Trainer

TINY = RunConfig(d_model=16, steps=12, warmup_steps=2, batch_size=16, threads=1, max_seq_len=12)


def encoder(*departures, **settings):
    torch.manual_seed(0)
    return SentenceEncoder(ModelConfig("fourier", 300, 16, departures=departures, **settings))


def sentences(n=5, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.integers(1, 300, rng.integers(3, 9)) for _ in range(n)]


def test_sets_of_departures_are_one_run_whatever_their_order():
    a, b = (TINY.replace(departures=names) for names in (["slow_rate", "all_pairs"], ("all_pairs", "slow_rate")))
    assert a == b and a.digest() == b.digest() != TINY.digest()
    assert RunConfig.parse("departures", "slow_rate all_pairs") == ("slow_rate", "all_pairs")
    assert RunConfig.from_dict(a.to_dict()) == a


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"departures": ["no_dropout"]}, "unknown departure 'no_dropout'. Choose from dead_feed_forward"),
        ({"departures": "slow_rate"}, "departures must be a list"),
        ({"departures": ["period_127"], "arm": "learned"}, "is of the fourier arm"),
        ({"departures": ["period_127"], "period": 50}, "exclude each other"),
    ],
)
def test_bad_departures_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        RunConfig(**settings)


@pytest.mark.parametrize("d, layers, live", [(256, 1, 395_520), (256, 2, 659_200), (512, 1, 1_577_472)])
def test_a_dead_feed_forward_counts_but_gets_no_gradient(d, layers, live):
    # Live by hand: (2 + 4 L) d² + (3 + 6 L) d; the feed-forward's 12 L d² + 9 L d are dead.
    model = SentenceEncoder(ModelConfig("fourier", 1000, d, layers, layers, departures=("dead_feed_forward",)))
    assert count_parameters(model) == (2 + 16 * layers) * d * d + (3 + 15 * layers) * d
    model.encode_packed(model.pack(sentences())).sum().backward()
    with_gradient = sum(p.numel() for p in model.parameters() if p.grad is not None)
    assert with_gradient == live == (2 + 4 * layers) * d * d + (3 + 6 * layers) * d
    assert {name.split(".")[2] for name, p in model.named_parameters() if p.grad is None} == {"feed_forward"}


def test_the_release_reads_ids_modulo_127():
    ids = torch.tensor([5, 5 + 127, 5 + 254, 6])
    rows = encoder("period_127").embedding(ids)
    torch.testing.assert_close(rows[1:3], rows[:1].expand(2, -1))
    assert (rows[3] - rows[0]).abs().max() > 0.1


def test_the_published_rotation_against_its_formula_written_out():
    cosine, sine = rotary_table(30, 8)
    x = torch.randn(30, 2, 8, generator=torch.Generator().manual_seed(0))
    turned = rotate_as_published(x, cosine[:, None], sine[:, None])
    expected = torch.empty_like(x)
    for i in range(8):
        for t in range(30):
            c, s = cosine[t, i % 4], sine[t, i % 4]
            quarter = [-x[t, :, j + 1] if j % 2 == 0 else x[t, :, j - 1] for j in range(8)]
            expected[t, :, i] = quarter[i] * c + quarter[(i - 1) % 8] * s
    torch.testing.assert_close(turned, expected)
    change = turned.norm(dim=-1) / x.norm(dim=-1)
    assert change.min() < 0.95 and change.max() > 1.05
    torch.testing.assert_close(rotate(x, cosine[:, None], sine[:, None]).norm(dim=-1), x.norm(dim=-1))


def test_the_padded_mean_against_attention_written_out():
    model, rows = encoder("padding_mean", max_seq_len=10, n_heads=2).double(), sentences()
    padded = torch.stack([F.pad(torch.from_numpy(row), (0, 10 - len(row))) for row in rows])
    mask = torch.arange(10) < torch.tensor([len(row) for row in rows])[:, None]
    block, d = model.blocks[0], 16
    x = model.embedding(padded)
    q, k, v = block.attention.qkv(x).view(len(rows), 10, 3, 2, 8).unbind(2)
    cosine, sine = model.rotary.unsqueeze(2)
    q, k = rotate(q, cosine[:10], sine[:10]), rotate(k, cosine[:10], sine[:10])
    scores = torch.einsum("bqhw,bkhw->bhqk", q, k) / math.sqrt(8)
    weights = scores.masked_fill(~mask[:, None, None], -math.inf).softmax(-1)
    mixed = torch.einsum("bhqk,bkhw->bqhw", weights, v).reshape(len(rows), 10, d)
    x = block.norm1(x + block.attention.out(mixed))
    x = block.norm2(x + block.feed_forward(x))
    expected = torch.tanh(model.pooler(x.mean(1)))
    torch.testing.assert_close(model.encode_packed(model.pack(rows)), expected)
    torch.testing.assert_close(model(padded, mask), expected)
    torch.testing.assert_close(model.encode_ids(rows).double(), expected, atol=1e-5, rtol=0)
    unpadded = encoder(max_seq_len=10, n_heads=2).double()
    assert (unpadded.encode_packed(unpadded.pack(rows)) - expected).abs().max() > 0.01


def test_all_pairs_train_on_every_label():
    labels = [set(prepare(TINY.replace(departures=d)).train.label) for d in ([], ["all_pairs"])]
    assert labels == [{0}, {0, 1, 2}]


def test_corpora_in_turn_visit_one_part_after_the_other():
    keys = (np.arange(100), 1000 + np.arange(100))
    batches = list(batch_stream(keys, 10, seed=0, start=0, stop=20, parts=(60, 40)))
    side = [set((batch >= 60).tolist()) for batch in batches]
    assert side == ([{False}] * 6 + [{True}] * 4) * 2
    later = list(batch_stream(keys, 10, seed=0, start=7, stop=20, parts=(60, 40)))
    np.testing.assert_array_equal(later, batches[7:])
    assert sorted(np.concatenate(batches[:10])) == list(range(100))


def test_the_slow_rate_is_the_papers():
    slow = TINY.replace(departures=["slow_rate"])
    assert max(learning_rate_at(step, slow) for step in range(12)) == pytest.approx(2e-5)
    assert max(learning_rate_at(step, TINY) for step in range(12)) == pytest.approx(TINY.learning_rate)


def test_integer_scores_change_the_scoring_alone(tmp_path):
    exact, cut = (train(TINY.replace(departures=d), runs=tmp_path) for d in ([], ["integer_scores"]))
    for (name, a), b in zip(exact.encoder.state_dict().items(), cut.encoder.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert [row["loss"] for row in exact.history] == [row["loss"] for row in cut.history]
    n = [run.metrics["scores"]["validation"]["n"] for run in (exact, cut)]
    assert n == [2000, 2000 - 2000 % 16]
    pairs = prepare(TINY).graded["validation"]
    # On labels that are integers already, with whole batches, nothing is lost.
    whole = type(pairs)(pairs.first[:1600], pairs.second[:1600], np.floor(pairs.label[:1600]))
    floored = type(pairs)(whole.first, whole.second, whole.label + 0.75)
    results = [published_scores(exact.encoder, p, TINY)["spearman"]["value"] for p in (whole, floored)]
    assert results[0] == results[1]


def test_the_selected_checkpoint_is_the_best_look(tmp_path, monkeypatch):
    looks, graded = [], Trainer.graded

    def look(trainer, split):
        sides = graded(trainer, split)
        if split == "validation":
            looks.append(sts_scores(*sides, intervals=False)["spearman"]["value"])
        return sides

    monkeypatch.setattr(Trainer, "graded", look)
    # At this rate training harms: an early look is the best.
    config = TINY.replace(departures=["selected_checkpoint"], steps=60, learning_rate=1e-1)
    chosen, last = (train(c, runs=tmp_path).record.score("validation") for c in (config, config.replace(departures=[])))
    *seen, reported, at_the_end = looks
    assert len(seen) > 2 and chosen == reported == max(seen)
    assert last == at_the_end == seen[-1] < chosen


def test_the_validation_loss_is_of_the_selected_weights(tmp_path):
    metrics = train(
        TINY.replace(departures=["selected_checkpoint"], steps=60, learning_rate=1e-1), runs=tmp_path
    ).metrics
    assert metrics["validation_loss"] == metrics["held_out"]["toy/validation"]["loss"]


@pytest.mark.parametrize("name", DEPARTURES)
def test_every_departure_trains_alone(name, tmp_path):
    result = train(TINY.replace(departures=[name]), runs=tmp_path)
    assert result.config.departures == (name,)
    assert math.isfinite(result.record.score("test"))
    assert (tmp_path / result.config.digest() / "metrics.json").is_file()
