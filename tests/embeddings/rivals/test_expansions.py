"""Variants of the Fourier embedding meet the plain one where they should, and differ where they are meant to."""

import numpy as np
import pytest
import torch

from fourier_lab import FourierEmbedding, frequency_set, stored_bits
from fourier_lab.embeddings.interface import rows_of
from fourier_lab.embeddings.rivals.expansions import (
    CompandedEmbedding,
    CountCompandedEmbedding,
    LearnedFrequenciesEmbedding,
)
from fourier_lab.errors import ConfigError, RecordError

V, D = 1000, 32
IDS = torch.arange(V)


@pytest.mark.parametrize("v, k", [(1000, 16), (30522, 128), (66, 32)])
def test_mixed_frequencies_are_low_harmonics_and_random_others(v, k):
    found = frequency_set("mixed", v, 2 * k, seed=3).tolist()
    assert found[: k // 4] == list(range(1, k // 4 + 1))
    assert found == sorted(set(found)) and len(found) == k and found[-1] < (v - 1) / 2
    other = frequency_set("mixed", v, 2 * k, seed=4).tolist()
    assert (found == other) == (v == 66)  # there all 32 below half a period are taken
    assert frequency_set("mixed", v, 2 * k, seed=3).tolist() == found


def test_mixed_frequencies_spread_over_the_whole_band():
    high = frequency_set("mixed", 30522, 256)[32:]
    counts = np.histogram(high.numpy(), bins=4, range=(33, 15260))[0]
    assert counts.min() > 10


def test_mixed_rows_cost_a_seed_and_too_many_are_refused():
    embedding = FourierEmbedding(V, D, "mixed", frequency_seed=2)
    assert stored_bits(embedding) == 32 * (D * D + 2 * D) + 64 and "seed=2" in repr(embedding)
    with pytest.raises(ConfigError, match="'mixed' needs 40 distinct frequencies but only 1..31"):
        frequency_set("mixed", 64, 80)


@pytest.mark.parametrize("frequencies", ["harmonic", "random", list(range(3, 19))])
@pytest.mark.parametrize("period", [None, 127])
def test_learned_frequencies_start_at_the_plain_embedding(frequencies, period):
    learned = LearnedFrequenciesEmbedding(V, D, frequencies, period, mlp="none")
    plain = FourierEmbedding(V, D, frequencies, period=period, mlp="none")
    torch.testing.assert_close(learned.basis(IDS), plain.basis(IDS), atol=2e-6, rtol=0)
    torch.testing.assert_close(rows_of(learned), rows_of(plain), atol=5e-6, rtol=0)


def test_learned_frequencies_follow_the_derivative_and_need_not_be_whole():
    embedding = LearnedFrequenciesEmbedding(V, 2, mlp="none")
    with torch.no_grad():
        embedding.cycles.fill_(2.5)
    x = 2 * IDS.double() / (V - 1) - 1
    expected = torch.stack([torch.sin(2.5 * torch.pi * x), torch.cos(2.5 * torch.pi * x)], dim=-1)
    torch.testing.assert_close(embedding.basis(IDS).double(), expected, atol=1e-6, rtol=0)
    embedding.basis(IDS[[700]])[0, 0].backward()
    slope = torch.pi * x[700] * torch.cos(2.5 * torch.pi * x[700])
    torch.testing.assert_close(embedding.cycles.grad.double(), slope.view(1), atol=1e-5, rtol=0)


def test_learned_frequencies_are_kept_and_the_table_follows_them():
    first, other = LearnedFrequenciesEmbedding(V, D), LearnedFrequenciesEmbedding(V, D, "random", frequency_seed=3)
    before = rows_of(first.eval())
    with torch.no_grad():
        first.cycles.add_(0.25)
    with torch.no_grad():
        assert not torch.allclose(first(IDS), before, atol=0.01)
    other.load_state_dict(first.state_dict())  # wherever they started
    torch.testing.assert_close(rows_of(other), rows_of(first), atol=0, rtol=0)
    with pytest.raises(RecordError, match="period 999.*period 127"):
        LearnedFrequenciesEmbedding(V, D, period=127).load_state_dict(first.state_dict())


def test_exponent_zero_is_the_plain_embedding():
    companded = CompandedEmbedding(V, D, mlp="none", exponent=0.0)
    torch.testing.assert_close(companded.spaced(IDS), IDS.double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(companded.basis(IDS), FourierEmbedding(V, D).basis(IDS), atol=2e-6, rtol=0)


def test_exponent_one_spaces_ids_by_the_logarithm_of_their_rank():
    spaced = CompandedEmbedding(V, D).spaced(IDS).numpy()
    np.testing.assert_allclose(spaced, 999 * np.log(np.arange(1, V + 1)) / np.log(V), atol=1e-9)


@pytest.mark.parametrize("exponent", [0.5, 1.0, 1.2, 2.0])
@pytest.mark.parametrize("shift", [1.0, 100.0])
def test_spacing_is_the_integral_of_the_density(exponent, shift):
    spaced = CompandedEmbedding(V, D, exponent=exponent, shift=shift).spaced(IDS).numpy()
    t = np.linspace(0, 999, 999_001)
    density = (t + shift) ** -exponent
    integral = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])[::1000]
    np.testing.assert_allclose(spaced, 999 * integral / integral[-1], atol=1e-3)
    assert (np.diff(spaced) > 0).all()


def test_companding_tells_frequent_ids_apart_better():
    plain, companded = FourierEmbedding(V, D).basis(IDS), CompandedEmbedding(V, D).basis(IDS)
    steps = [(b[1:] - b[:-1]).norm(dim=-1) for b in (plain, companded)]
    assert (steps[1][:50] > steps[0][:50]).all() and (steps[1][-400:] < steps[0][-400:]).all()


def test_counts_put_ids_in_the_middle_of_their_share_of_the_text():
    embedding = CountCompandedEmbedding(5, 4)
    torch.testing.assert_close(embedding.spaced(torch.arange(5)), torch.arange(5).double())  # none known yet
    embedding.set_counts(torch.tensor([0, 9, 4, 1, 0]))
    # Counts plus one: 1, 10, 5, 2, 1; middles 0.5, 6, 13.5, 17, 18.5, from 0 to 4.
    expected = torch.tensor([0, 5.5, 13, 16.5, 18]).double() * 4 / 18
    torch.testing.assert_close(embedding.spaced(torch.arange(5)), expected)
    phases = 2 * torch.pi * expected / 4 - torch.pi
    features = [phases.sin(), phases.cos(), (2 * phases).sin(), (2 * phases).cos()]
    found = embedding.basis(torch.arange(5)).double()
    torch.testing.assert_close(found, torch.stack(features, dim=-1), atol=1e-6, rtol=0)


def test_counts_are_kept_with_the_weights_and_the_table_follows_them():
    first, other = CountCompandedEmbedding(V, D).eval(), CountCompandedEmbedding(V, D).eval()
    with torch.no_grad():
        before = first(IDS)
        first.set_counts(10_000 // (1 + IDS))
        assert not torch.allclose(first(IDS), before, atol=0.01)
        other(IDS)
        other.load_state_dict(first.state_dict())
        torch.testing.assert_close(other(IDS), first(IDS), atol=0, rtol=0)
    for bad in (torch.ones(V - 1, dtype=torch.int64), -torch.ones(V, dtype=torch.int64)):
        with pytest.raises(ConfigError, match="needs 1000 counts from 0, one for each id"):
            first.set_counts(bad)


def test_weights_of_another_companding_are_refused():
    weights = CompandedEmbedding(V, D, exponent=1.0).state_dict()
    CompandedEmbedding(V, D, exponent=1.0).load_state_dict(weights)
    for other in ({"exponent": 0.9}, {"shift": 2.0}):
        with pytest.raises(RecordError, match="exponent 1.0, shift 1.0"):
            CompandedEmbedding(V, D, **other).load_state_dict(weights)


@pytest.mark.parametrize("kind", [FourierEmbedding, CompandedEmbedding])
def test_a_smooth_period_gives_the_first_and_the_last_id_rows_of_their_own(kind):
    assert torch.allclose(kind(V, D, mlp="none").basis(IDS[[0]]), kind(V, D, mlp="none").basis(IDS[[-1]]), atol=1e-5)
    smooth = kind(V, D, mlp="none", period=1024).basis(IDS)
    assert (smooth[0] - smooth[-1]).norm().item() > 0.1
