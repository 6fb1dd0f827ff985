"""The parts of the published recipe change what they say and nothing else; ratios and intervals follow from the seconds."""

import json
from dataclasses import asdict, replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from fourier_lab import RunConfig, paths
from fourier_lab.bench import ablations, scaling, step_costs
from fourier_lab.errors import ConfigError, RecordError
from fourier_lab.plots.scaling import draw_causes, draw_scaling

CONFIG = RunConfig(
    vocab_size=400, d_model=16, batch_size=8, max_seq_len=24, learning_rate=1e-3, steps=100, warmup_steps=0,
    precision="float32", device="cpu",
)  # fmt: skip
TINY = step_costs.Plan(
    shapes=((300, 8, 1), (600, 8, 1)),
    memory=(),
    causes=(400, 8, 1),
    batch_size=8,
    share=2,
    check_share=1,
    max_seq_len=24,
    seconds=0.0,
)


@pytest.fixture(scope="module")
def corpus():
    return ablations.synthetic_corpus(CONFIG)


@pytest.fixture(scope="module")
def record():
    return scaling.measure_scaling(plan=TINY) | {"size": "tiny"}


def variant(corpus, arm, *changes):
    return ablations.make_variant(CONFIG, corpus, arm, *changes)


def loss_and_gradients(trainer):
    loss, _ = trainer.loss(trainer.corpus.train, np.arange(8))
    loss.backward()
    return loss.item(), {name: p.grad for name, p in trainer.encoder.named_parameters()}


def test_the_corpus_has_the_lengths_and_the_repeats_of_snli():
    corpus = ablations.synthetic_corpus(replace(CONFIG, vocab_size=30522, batch_size=128, max_seq_len=128))
    sentences = corpus.train.first + corpus.train.second
    assert len(corpus.train) == 4 * 128 and min(map(len, sentences)) >= 4
    assert np.mean([len(s) for s in sentences]) == pytest.approx(13.3, abs=0.5)
    batch = np.concatenate(corpus.train.first[:128] + corpus.train.second[:128])
    assert len(np.unique(batch)) == pytest.approx(710, rel=0.1) and batch.max() < 30522


@pytest.mark.parametrize("arm", ["fourier", "learned"])
def test_every_position_gives_the_same_loss_and_gradients(corpus, arm):
    (loss, gradients), (other, others) = (
        loss_and_gradients(variant(corpus, arm, *changes)) for changes in ((), ("every position",))
    )
    assert other == pytest.approx(loss, rel=1e-5)
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=1e-3, atol=1e-6)


def test_every_position_evaluates_repeated_ids_again(corpus, monkeypatch):
    rows = []
    for changes in ((), ("every position",)):
        trainer = variant(corpus, "fourier", *changes)
        basis = trainer.encoder.embedding.basis
        monkeypatch.setattr(trainer.encoder.embedding, "basis", lambda ids, b=basis: (rows.append(len(ids)), b(ids))[1])
        trainer.loss(corpus.train, np.arange(8))
    batch = np.concatenate(corpus.train.first[:8] + corpus.train.second[:8])
    assert rows == [len(np.unique(batch)), len(batch)]


def test_dead_feed_forward_is_computed_without_gradient(corpus):
    trainer = variant(corpus, "fourier", "dead feed-forward")
    calls = []
    trainer.encoder.blocks[0].feed_forward.register_forward_hook(lambda *_: calls.append(1))
    _, gradients = loss_and_gradients(trainer)
    assert calls == [1]
    assert {name for name, g in gradients.items() if g is None} == {n for n in gradients if "feed_forward" in n}


def test_dropout_and_padding_change_the_arms_that_they_name(corpus):
    pair = {arm: variant(corpus, arm, *(c for c in ablations.PUBLISHED if arm in ablations.PUBLISHED[c]))
            for arm in ("fourier", "learned")}  # fmt: skip
    assert {arm: t.encoder.config.dropout for arm, t in pair.items()} == {"fourier": 0.0, "learned": 0.1}
    assert all("padding_mean" in trainer.encoder.config.departures for trainer in pair.values())


@pytest.mark.parametrize("optimiser", ["default AdamW", "foreach AdamW"])
def test_optimisers_take_the_same_step(corpus, optimiser):
    trainers = [variant(corpus, "learned", *changes) for changes in ((), (optimiser,))]
    for trainer in trainers:
        trainer.update(np.arange(8))
    assert trainers[1].optimizer.defaults["fused"] is None and trainers[0].optimizer.defaults["fused"]
    for ours, theirs in zip(*(t.encoder.parameters() for t in trainers), strict=True):
        torch.testing.assert_close(theirs, ours, rtol=1e-4, atol=1e-6)


def test_sparse_gradients_move_the_rows_of_the_batch_alone(corpus):
    trainer = variant(corpus, "learned", "sparse gradients")
    before = trainer.encoder.embedding.table.weight.detach().clone()
    projection = trainer.encoder.pooler.weight.detach().clone()
    trainer.update(np.arange(8))
    moved = (trainer.encoder.embedding.table.weight != before).any(1).nonzero().squeeze(1).numpy()
    batch = np.concatenate(corpus.train.first[:8] + corpus.train.second[:8])
    assert moved.tolist() == np.unique(batch).tolist()
    assert not torch.equal(trainer.encoder.pooler.weight, projection)


def test_sides_that_are_the_same_are_timed_once(monkeypatch):
    raced = []

    def alternate(sides, repeats, clock):
        raced.append(list(sides))
        return {side: [float(len(side))] * repeats for side in sides}

    monkeypatch.setattr(step_costs, "alternate", alternate)
    rows = step_costs.race({"alike": (), "dropout": ("dropout 0.1",)}, CONFIG, TINY, part="x")
    assert raced == [[("fourier",), ("learned",), ("learned", "dropout 0.1")]]
    assert rows[1]["seconds"] == {"fourier": [1.0] * 6, "learned": [2.0] * 6}
    assert scaling.ratio_of(rows[1]) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize(("step_s", "steps"), [(0.5, 6), (0.05, 10), (1e-6, 36)])
def test_quick_steps_are_repeated_up_to_the_time_allowed(monkeypatch, step_s, steps):
    monkeypatch.setattr(
        step_costs, "alternate", lambda sides, repeats, clock: {side: [step_s] * repeats for side in sides}
    )
    (row,) = step_costs.race({"alike": ()}, CONFIG, replace(TINY, seconds=1.0), part="x")
    assert len(row["seconds"]["fourier"]) == len(row["seconds"]["learned"]) == steps


def test_the_interval_of_the_median_is_exact():
    assert scaling.median_interval(np.arange(6)) == (2.5, 0, 5)
    assert scaling.median_interval(np.arange(9)) == (4, 1, 7)
    assert scaling.median_interval(np.arange(20)) == (9.5, 5, 14)
    assert np.isnan(scaling.median_interval(np.arange(5))[1:]).all()


@pytest.mark.parametrize("n", [6, 9, 25])
def test_the_interval_covers_the_median_of_a_skewed_law(n):
    samples = np.random.default_rng(0).lognormal(size=(2000, n))
    bounds = np.array([scaling.median_interval(sample)[1:] for sample in samples])
    covered = ((bounds[:, 0] <= 1) & (bounds[:, 1] >= 1)).mean()
    assert 0.94 < covered < 0.99


def test_a_measurement_survives_writing_and_is_drawn(record, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    with pytest.raises(RecordError, match="write_record"):
        scaling.read_record("tiny")
    assert scaling.read_record("tiny", otherwise=record) is record
    path = scaling.write_record(record)
    assert scaling.read_record("tiny") == json.loads(json.dumps(record))
    assert len((whole := path.read_text()).splitlines()) < 80
    path.write_text(whole[:100])
    with pytest.raises(RecordError, match=r"tiny.json is damaged"):
        scaling.read_record("tiny")
    path.write_text(whole)

    names = scaling.cause_columns(record, "check", "published")["name"].tolist()
    assert names[:2] == ["as published (8 pairs)", "as published"] and len(names) == 2 + len(ablations.PUBLISHED) + 1
    assert draw_scaling(scaling.seconds_columns(record, 8), label="s").get_xlabel() == "vocabulary V"
    assert draw_causes(scaling.cause_columns(record, "one change"), label="ratio").get_xlabel() == "ratio"
    plt.close("all")


def test_total_time_is_steps_times_the_median_step(record):
    totals = scaling.total_columns(record, steps=3600)
    assert totals["fourier_h"][0] == pytest.approx(np.median(record["steps"][0]["seconds"]["fourier"]))
    assert np.isnan(totals["paper"]).all()
    kept = scaling.total_columns(scaling.read_record("full"))
    reported = kept["paper"][np.isfinite(kept["paper"])]  # (d, layers) = (256, 1), (512, 1), (256, 2)
    np.testing.assert_allclose(reported, [1.280, 1.251, 1.310], atol=0.001)


def test_memory_of_a_table_is_four_numbers_a_parameter():
    learned = step_costs.measure_memory("learned", (200_000, 64, 1), replace(TINY, batch_size=4, max_seq_len=16))
    used = learned["peak_bytes"] - learned["before_bytes"]
    d = 64  # embedding norm; query, key, value, output; two norms; feed-forward; pooler
    assert learned["parameters"] == 200_000 * d + d + 4 * (d * d + d) + 2 * d + 12 * d * d + 9 * d + d * d + d
    assert learned["states_bytes"] == 16 * learned["parameters"] < used < 1.6 * learned["states_bytes"]


def test_a_process_measures_a_named_size_once(monkeypatch):
    asked = []
    monkeypatch.setattr(scaling, "_measured", {})
    monkeypatch.setattr(step_costs, "measure_steps", lambda plan, say: asked.append(plan) or [])
    monkeypatch.setattr(step_costs, "PLANS", {"smoke": TINY, "full": replace(TINY, seconds=1.0)})
    first = scaling.measure_scaling("smoke")
    assert scaling.measure_scaling("smoke") is first and scaling.measure_scaling("full")["size"] == "full"
    assert asked == [TINY, replace(TINY, seconds=1.0)]
    scaling.measure_scaling("smoke", TINY)
    assert len(asked) == 3


def test_unknown_size_is_refused():
    with pytest.raises(ConfigError, match="no size 'huge'.*smoke, full"):
        scaling.measure_scaling("huge")


def test_the_kept_record_says_where_it_was_measured():
    kept = scaling.read_record("full")
    assert kept["plan"] == json.loads(json.dumps(asdict(step_costs.PLANS["full"])))
    assert kept["machine"]["threads"] == 1 and kept["machine"]["commit"]
    assert all(len(row["seconds"][arm]) >= 6 for row in kept["steps"] for arm in ("fourier", "learned"))
    text = scaling.finding(kept)
    assert "Not shown" in text and "30,522" in text and "nan" not in text
