"""Uncertain and latent language models: names, differences, calibration and spread are what records and sigmas say."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from fourier_lab import CausalLM, ModelConfig
from fourier_lab.plots.uncertain import draw_by_steps, draw_reliability, draw_spread
from fourier_lab.study import uncertain
from fourier_lab.study.language import TOY
from fourier_lab.training.records import RunRecord

WAVES = {"arm": "fourier", "frequencies": "random", "period": TOY.vocab_size, "head": "learned"}


def record(bits: float, seed: int = 0, parts=(), **settings) -> RunRecord:
    of = {"bits_per_byte": bits, "calibration": {"error": bits / 10, "confidence": [0.2, 0.4], "accuracy": [bits, 0.5]}}
    of |= dict(zip(("next_token_bits_per_byte", "divergence_bits_per_byte"), parts, strict=False))
    metrics = {"scores": {"validation": of, "test": of}, "data": {}, "precision": "float32"}
    return RunRecord(Path("."), TOY.replace(seed=seed, **settings), metrics, [])


def test_methods_are_named():
    changes = ({}, {"dropout": 0.1}, {**WAVES, "bayesian": "both"}, {"bayesian": "feed_forward", "dropout": 0.2})
    assert [uncertain.method_name(TOY.replace(**each)) for each in changes] == [
        "neither", "dropout 0.1", "Bayesian map and feed-forward", "Bayesian feed-forward, dropout 0.2",
    ]  # fmt: skip


def test_gains_are_paired_by_seed_and_input():
    runs = [record(0.2 + 0.1 * seed, seed) for seed in (0, 1)]
    runs += [record(0.1 + 0.1 * seed, seed, dropout=0.1) for seed in (0, 1)]
    runs += [record(0.5 + 0.1 * seed, seed, **WAVES) for seed in (0, 1)]
    table = uncertain.gains(runs)
    assert [*table.index] == [("table", "neither"), ("table", "dropout 0.1"), ("random waves", "neither")]
    assert table.loc[("table", "dropout 0.1"), "test, minus neither"] == "-0.100 ± 0.000"
    assert table.loc[("table", "dropout 0.1"), "calibration error"].startswith("1.5 ± ")
    assert uncertain.told_gains(runs)[1].startswith(
        "table, dropout 0.1: 0.150 ± 0.635 (-0.100 ± 0.000); calibration error 1.5"
    )
    assert uncertain.told_gains(runs)[0].startswith("table, neither: 0.250 ± 0.635 (–)")


def test_a_bound_is_set_beside_the_plain_run_of_as_many_passes():
    runs = [record(1.0, steps=100), record(0.8, steps=300)]
    runs += [record(1.1, parts=(1.1, 0.0), latent=2, inference_steps=0, steps=100)]
    runs += [record(0.9, parts=(0.7, 0.2), latent=2, inference_steps=2, steps=100)]
    rows = uncertain.latent_prices(runs).to_dict(orient="index")
    assert rows[2] == {"next token": "0.700", "divergence": "0.200", "bound": "0.900", "plain": "0.800",
                       "minus plain": "+0.100"}  # fmt: skip
    assert rows[0]["minus plain"] == "+0.100"
    assert "2 steps: 0.900 = next token 0.700 + divergence 0.200; plain 0.800" in uncertain.told_latents(runs)
    columns = uncertain.step_columns(runs)
    ax = draw_by_steps(columns, label="bits")
    drawn = {line.get_label(): line for line in ax.containers}
    assert drawn["plain, as many passes"][0].get_xydata().tolist() == [[0, 1.0], [2, 0.8]]
    assert drawn["latents, bound"][0].get_xydata().tolist() == [[0, 1.1], [2, 0.9]]


def test_reliability_is_the_mean_over_seeds(monkeypatch):
    saved = {}
    monkeypatch.setattr(
        uncertain.plots, "save_figure", lambda figure, name, columns, *rest, **more: saved.update(columns)
    )
    uncertain.reliability_figure([record(0.2), record(0.4, 1), record(0.6, **WAVES)], "a/b", title="t", alt="a")
    assert saved["input"].tolist() == ["table", "table", "random waves", "random waves"]
    assert saved["accuracy"] == pytest.approx([0.3, 0.5, 0.6, 0.5]) and saved["confidence"][:2] == pytest.approx(
        [0.2, 0.4]
    )
    ax = draw_reliability({key: saved[key] for key in ("series", "confidence", "accuracy")})
    assert ax.lines[0].get_ydata().tolist() == saved["accuracy"].tolist()


def test_the_spread_of_a_row_is_that_of_samples_and_at_equal_sigmas_that_of_all_rows():
    torch.manual_seed(0)
    embedding = CausalLM(
        ModelConfig("fourier", 40, 16, frequencies="random", head="learned", bayesian="embedding_map")
    ).embedding
    (posterior,) = embedding.mlp.parametrizations["weight"]
    with torch.no_grad():
        posterior.log_sigma.fill_(math.log(0.01))
        basis = embedding.basis(torch.arange(40))
        rows = embedding.mlp(basis) + basis
        before_norm = uncertain.row_spread(embedding) * rows.square().mean(1).sqrt()
        torch.testing.assert_close(before_norm, torch.full((40,), 0.01 * 8**0.5))  # sin² + cos² of 8 waves
        posterior.log_sigma.normal_(-4.5, 0.5)
        embedding.train()
        drawn = []
        for _ in range(400):
            posterior.draw()
            drawn.append(embedding(torch.arange(40)))
        found = torch.stack(drawn).var(0).mean(1).sqrt()
    # The norm takes the part along the row away: one of 16 dimensions.
    torch.testing.assert_close(uncertain.row_spread(embedding) * (15 / 16) ** 0.5, found, rtol=0.1, atol=0)


def test_rank_correlation_and_its_picture():
    columns = {"count": np.array([0, 1, 5, 9]), "spread": np.array([4.0, 3.0, 2.0, 1.0])}
    assert uncertain.rank_correlation(columns) == pytest.approx(-1)
    assert draw_spread(columns).lines[0].get_xydata().tolist() == [[0.5, 4.0], [1, 3.0], [5, 2.0], [9, 1.0]]
