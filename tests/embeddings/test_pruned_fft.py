"""Sums over all ids by short transforms: the dense product, the adjoint, the order of the values, the period."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from scipy.fft import next_fast_len

from fourier_lab.embeddings.basis import fourier_features
from fourier_lab.embeddings.pruned_fft import PrunedFFT, smooth_period
from fourier_lab.errors import ConfigError


def some(period, n_frequencies, seed=0):
    drawn = torch.randperm((period - 1) // 2 + 1, generator=torch.Generator().manual_seed(seed))
    return PrunedFFT(drawn[:n_frequencies], period)  # 0 may be among them


@pytest.mark.parametrize(
    ("period", "n_frequencies", "count"),
    [
        (200, 4, 25),
        (200, 100, 1),
        (1536, 400, 3),
        (2048, 64, 4),
        (5120, 1, 10),
        (127, 30, 1),
        (3072, 512, 3),
        (2, 1, 1),
    ],
)
def test_sums_of_all_ids_are_the_dense_product(period, n_frequencies, count):
    transform = some(period, n_frequencies)
    assert transform.count == count
    amplitudes = torch.randn(3, 2 * n_frequencies, dtype=torch.float64)
    codes = fourier_features(torch.arange(period), transform.frequencies, period).double()
    sums = transform.synthesise(amplitudes)
    assert sums.shape == (3, period)
    torch.testing.assert_close(transform.in_order(sums, period), amplitudes @ codes.T, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sums[:, transform.place(torch.arange(period))], transform.in_order(sums, period))


@given(st.integers(1, 40), st.integers(0, 5), st.integers(1, 60), st.integers(0, 9))
def test_analysis_is_the_adjoint_of_synthesis(odd, power, n_frequencies, seed):
    period = max(2, odd * 2**power)
    transform = some(period, min(n_frequencies, (period - 1) // 2 + 1), seed)
    amplitudes = torch.randn(2, 2 * len(transform.frequencies), dtype=torch.float64, requires_grad=True)
    sums = transform.synthesise(amplitudes)
    values = torch.randn_like(sums)
    (gradient,) = torch.autograd.grad(sums, amplitudes, values)
    torch.testing.assert_close(transform.analyse(values), gradient)


@pytest.mark.parametrize("frequency", [-1, 100, 5000])
def test_frequencies_that_alias_are_refused(frequency):
    with pytest.raises(ConfigError, match=r"0\.\.99, below half the period \(200\)"):
        PrunedFFT(torch.tensor([1, frequency]), 200)


@given(st.integers(2, 2**20))
def test_the_period_is_smooth_even_and_little_above_the_vocabulary(vocab_size):
    period = smooth_period(vocab_size)
    assert period == next_fast_len(period, real=True) and period % 2 == 0
    assert vocab_size <= period <= vocab_size * 1.25 + 2


def test_a_large_period_has_a_large_power_of_two():
    for vocab_size in (30_522, 50_257, 128_256, 262_144):
        assert smooth_period(vocab_size) % 1024 == 0
