"""The basis: exact values, norms, periods, frequency sets, polynomial families."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from scipy import special

from fourier_lab import fourier_basis, frequency_set, polynomial_basis
from fourier_lab.embeddings.basis import normalise_token_ids
from fourier_lab.embeddings.frequencies import FREQUENCY_SETS, POLYNOMIALS
from fourier_lab.errors import ConfigError

SIZES = st.integers(min_value=70, max_value=2**20)
WIDTHS = st.integers(min_value=1, max_value=16).map(lambda k: 2 * k)
NAMES = st.sampled_from(FREQUENCY_SETS)


def exact(token_ids: torch.Tensor, period: int, frequencies: torch.Tensor) -> np.ndarray:
    """The definition, in extended precision, with phases reduced in Python's unbounded integers."""
    phase = np.array([[int(k) * int(p) % period for k in frequencies] for p in token_ids])
    angle = 2 * np.pi * phase.astype(np.longdouble) / period - np.pi * frequencies.numpy().astype(np.longdouble)
    return np.stack((np.sin(angle), np.cos(angle)), axis=-1).reshape(len(token_ids), -1)


@given(SIZES, WIDTHS, NAMES, st.data())
def test_features_are_within_1e6_of_the_definition(v, d, name, data):
    ids = torch.tensor(data.draw(st.lists(st.integers(0, v - 1), min_size=1, max_size=20)))
    truth = exact(ids, v - 1, frequency_set(name, v, d))
    assert np.abs(fourier_basis(ids, v, d, name).numpy() - truth).max() < 1e-6


@pytest.mark.parametrize("name", FREQUENCY_SETS)
def test_precision_at_the_largest_size(name):
    v, d = 2**20, 1024
    ids = torch.cat((torch.arange(50), torch.arange(v - 50, v), torch.arange(0, v, 9973)))
    truth = exact(ids, v - 1, frequency_set(name, v, d))
    assert np.abs(fourier_basis(ids, v, d, name).numpy() - truth).max() < 1e-6


def test_columns_are_the_papers_sines_and_cosines():
    ids = torch.arange(1000)
    x = normalise_token_ids(ids, 1000).numpy()
    assert x[0] == -1 and x[-1] == pytest.approx(1)
    basis = fourier_basis(ids, 1000, 8).numpy()
    for i in range(8):
        wave = np.sin if i % 2 == 0 else np.cos
        np.testing.assert_allclose(basis[:, i], wave((i // 2 + 1) * np.pi * x), atol=1e-6)


@given(SIZES, WIDTHS, NAMES, st.data())
def test_every_row_has_norm_sqrt_half_d(v, d, name, data):
    ids = torch.tensor(data.draw(st.lists(st.integers(0, v - 1), min_size=1, max_size=20)))
    torch.testing.assert_close(fourier_basis(ids, v, d, name).norm(dim=-1), torch.full((len(ids),), (d / 2) ** 0.5))


@given(st.integers(5, 5000), st.integers(1, 400))
def test_ids_one_period_apart_share_a_row(v, period):
    ids = torch.arange(v)
    basis = fourier_basis(ids, v, 4, period=period)
    torch.testing.assert_close(basis, basis[ids % period], atol=1e-6, rtol=0)


def test_published_figures():
    """PAPER: cos(T(5000), T(5001)) = 0.99988; |T|² = d / 2; T(0) = T(V-1); period 127 leaves 127 rows."""
    v, d = 30522, 256
    basis = fourier_basis(torch.tensor([5000, 5001, 0, v - 1]), v, d).double()
    assert float(basis[0] @ basis[1] / (d / 2)) == pytest.approx(0.99988, abs=5e-6)
    torch.testing.assert_close(basis[2], basis[3], atol=1e-6, rtol=0)
    assert len(torch.unique(fourier_basis(torch.arange(v), v, d, period=127), dim=0)) == 127
    assert len(torch.unique(fourier_basis(torch.arange(v), v, d), dim=0)) == v - 1


@pytest.mark.parametrize("name", FREQUENCY_SETS)
def test_whole_vocabulary_is_a_tight_frame(name):
    v, d = 4001, 32
    basis = fourier_basis(torch.arange(v - 1), v, d, name).double()
    torch.testing.assert_close(basis.T @ basis, torch.eye(d).double() * (v - 1) / 2, atol=1e-2, rtol=0)


@given(st.integers(70, 10**6), WIDTHS, NAMES, st.integers(0, 2**31))
def test_frequency_sets_are_distinct_and_in_range(v, d, name, seed):
    chosen = frequency_set(name, v, d, seed=seed)
    assert len(chosen) == d // 2 == len(torch.unique(chosen))
    assert chosen.min() >= 1 and 2 * chosen.max() < max(d + 1, v - 1)
    assert (chosen.diff() > 0).all()


def test_frequency_sets_differ_as_named():
    v, d = 30522, 64
    assert frequency_set("harmonic", v, d).tolist() == list(range(1, 33))
    log = frequency_set("log", v, d).double().log2()
    assert log[0] == 0 and float(log[-1]) == pytest.approx(np.log2(15260)) and log.diff()[16:].std() < 0.1
    assert not torch.equal(frequency_set("random", v, d, seed=0), frequency_set("random", v, d, seed=1))
    assert frequency_set("random", v, d).double().mean() == pytest.approx(15260 / 2, rel=0.3)
    assert fourier_basis(torch.tensor([3]), v, 4, [2, 9]).shape == (1, 4)
    assert torch.equal(frequency_set(np.array([2, 9]), v, 4), frequency_set([2, 9], v, 4))


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials_are_finite_balanced_and_independent(name):
    v, d = 2000, 64
    table = polynomial_basis(torch.arange(v), v, d, name).double()
    assert table.isfinite().all()
    torch.testing.assert_close(table.square().mean(0), torch.full((d,), 0.5).double(), atol=1e-4, rtol=0)
    singular = torch.linalg.svdvals(table)
    assert singular[0] / singular[-1] < 25


def test_hermite_functions_keep_their_tails_at_large_widths():
    v, d = 4000, 1024  # the weight alone vanishes in float64 long before the ends of the interval
    table = polynomial_basis(torch.arange(v), v, d, "hermite").double()
    assert table.isfinite().all()
    assert (table.T @ table * (2 / v) - torch.eye(d)).abs().max() < 0.02


def test_laguerre_functions_are_those_of_scipy_at_large_widths():
    v, d = 30522, 1024  # bare polynomials overflow from a width of 354 on
    table = polynomial_basis(torch.arange(v), v, d, "laguerre").double().numpy()
    assert np.isfinite(table).all() and np.allclose(np.square(table).mean(0), 0.5, atol=1e-3)
    z = np.linspace(0, 4 * d + 2, v)[:2000]
    for degree in (1, 353, d):
        expected = np.exp(-z / 2) * special.eval_laguerre(degree, z)
        found = table[:2000, degree - 1]
        np.testing.assert_allclose(found / found[0], expected, atol=1e-5)


def test_legendre_values():
    x = torch.linspace(-1, 1, 101).double()
    table = polynomial_basis(torch.arange(101), 101, 2, "legendre").double()
    for column, expected in zip(table.T, (x, (3 * x**2 - 1) / 2), strict=True):
        torch.testing.assert_close(column / column[-1], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: fourier_basis(torch.tensor([30]), 30, 4), r"0\.\.29"),
        (lambda: fourier_basis(torch.tensor([-1]), 30, 4), r"-1"),
        (lambda: fourier_basis(torch.tensor([1.0]), 30, 4), "integers"),
        (lambda: fourier_basis(torch.tensor([1]), 30, 5), r"\(5\) must be even.*Try 4 or 6"),
        (lambda: fourier_basis(torch.tensor([1]), 30, 0), "positive"),
        (lambda: fourier_basis(torch.tensor([0]), 1, 4), "at least 2"),
        (lambda: fourier_basis(torch.tensor([1]), 30, 4, period=0), "period"),
        (
            lambda: fourier_basis(torch.tensor([1]), 30, 4, period=2.5),
            r"period \(2.5\) must be a positive number of ids, and whole",
        ),
        (lambda: fourier_basis(torch.tensor([1]), 30.0, 4), r"vocab_size \(30.0\) must be an integer"),
        (lambda: fourier_basis(torch.tensor([1]), 30, 4.0), r"d_model \(4.0\) must be .*an integer.*Try 128"),
        (lambda: fourier_basis(torch.tensor([1]).to(torch.uint16), 30, 4), "uint16.*long"),
        (lambda: frequency_set([1, 2.5], 30, 4), "distinct integers"),
        (lambda: frequency_set([[1], [2]], 30, 4), "distinct integers"),
        (lambda: frequency_set("cubic", 30, 4), "frequency set must be one of harmonic, log, random"),
        (lambda: frequency_set("random", 30, 40), "d_model / 2 where it sets them, to at most 14,"),
        (lambda: frequency_set("random", 30, 4, seed=-1), "seed of frequencies must be an integer from 0, got -1"),
        (lambda: frequency_set("random", 30, 4, seed=None), "seed of frequencies"),
        (lambda: frequency_set([1, 1], 30, 4), "distinct"),
        (lambda: frequency_set([1, 2, 3], 30, 4), "2 distinct integers"),
        (lambda: polynomial_basis(torch.tensor([1]), 30, 4, "bessel"), "unknown basis"),
        (lambda: polynomial_basis(torch.tensor([1]), 300, 4, "hermite", period=127), "outside"),
        (lambda: polynomial_basis(torch.tensor([1]), 300, 4, "hermite", period=300), r"must be vocab_size - 1 \(299\)"),
    ],
)
def test_bad_input_is_named(call, rule):
    with pytest.raises(ConfigError, match=rule):
        call()
