"""Fixed codes are what their formulas say: bits, waves, cosines, random rows, and filters of one shared vector."""

import numpy as np
import pytest
import torch
from scipy.fft import dct, idct
from scipy.interpolate import BSpline

from fourier_lab.embeddings.interface import rows_of
from fourier_lab.embeddings.rivals.codes import (
    DCTEmbedding,
    FrozenBinaryEmbedding,
    FrozenRandomEmbedding,
    SinusoidalEmbedding,
)
from fourier_lab.embeddings.rivals.leviathan import LeviathanEmbedding
from fourier_lab.embeddings.rivals.murmur import hash_words
from fourier_lab.embeddings.rivals.networks import AloneEmbedding, DeepHashEmbedding

V, D = 1000, 32
IDS = torch.arange(V)


def test_binary_code_is_the_bits_of_the_id_repeated():
    code = FrozenBinaryEmbedding(V, D).code(IDS)
    written = np.array([[int(bit) for bit in reversed(f"{p:010b}")] for p in range(V)])
    assert np.array_equal(code.numpy(), np.tile(2 * written - 1, 4)[:, :D])
    assert len(code.unique(dim=0)) == V


def test_published_binary_code_learns_the_gains_alone():
    embedding = FrozenBinaryEmbedding(V, D, mlp="none")
    assert [name for name, _ in embedding.named_parameters()] == ["norm.weight"]
    torch.testing.assert_close(rows_of(embedding), embedding.code(IDS))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("v", [2, 5, 1000, 1024])
def test_recoded_bits_are_an_affine_map_without_collisions(v, seed):
    embedding = FrozenBinaryEmbedding(v, D, recoded=True, seed=seed)
    every = 2 ** len(embedding.offset)
    bits = embedding.bits(torch.arange(every)).long()
    assert len(bits.unique(dim=0)) == every  # invertible: all codes, each once
    p, q = torch.randint(every, (2, 50))
    xor = (bits[p] + bits[q] + bits[p ^ q]) % 2  # of an affine map A x + b: always b
    assert (xor == bits[0]).all() and torch.equal(bits[0], embedding.offset.long())


def test_recoding_depends_on_the_seed_and_costs_its_bits():
    first, other = (FrozenBinaryEmbedding(V, D, recoded=True, seed=seed) for seed in (0, 1))
    assert not torch.equal(first.code(IDS), other.code(IDS)) and first.extra_bits == 64
    assert FrozenBinaryEmbedding(V, D, seed=3).extra_bits == 0


def test_random_rows_stay_as_they_are_and_are_drawn_by_numpy():
    embedding = FrozenRandomEmbedding(V, D, mlp="none", seed=4)
    drawn = np.random.default_rng(4).standard_normal((V, D), dtype=np.float32)
    assert np.array_equal(embedding.code(IDS).numpy(), drawn)
    embedding(IDS).sum().backward()
    assert not embedding.frozen.requires_grad and "frozen" not in embedding.state_dict()


@pytest.mark.parametrize("v", [1000, 200_000])
def test_sinusoids_are_those_of_positions(v):
    ids = np.array([0, 1, v // 2, v - 1])
    code = SinusoidalEmbedding(v, 6).code(torch.from_numpy(ids)).numpy() / np.sqrt(2)
    angles = ids[:, None] * 10000.0 ** (-np.arange(0, 6, 2) / 6)
    np.testing.assert_allclose(code[:, ::2], np.sin(angles), atol=1e-6)
    np.testing.assert_allclose(code[:, 1::2], np.cos(angles), atol=1e-6)


def test_dct_rows_are_the_inverse_transform_of_low_coefficients():
    embedding = DCTEmbedding(V, D, coefficients=40)
    table = embedding.rows(IDS).detach().numpy()
    low = embedding.coefficients.detach().numpy()
    padded = np.zeros((V, D))
    padded[:40] = np.sqrt(V) * low
    np.testing.assert_allclose(table, idct(padded, norm="ortho", axis=0), atol=1e-5)
    spectrum = dct(table, norm="ortho", axis=0) / np.sqrt(V)
    np.testing.assert_allclose(spectrum[:40], low, atol=1e-6)
    assert np.abs(spectrum[40:]).max() < 1e-6


def test_all_dct_coefficients_are_a_whole_table():
    embedding = DCTEmbedding(50, 4, coefficients=50)
    assert int(torch.linalg.matrix_rank(embedding.cosines(torch.arange(50)).double(), rtol=1e-5)) == 50


def test_deep_hash_code_is_uniform_and_goes_through_the_network():
    embedding = DeepHashEmbedding(V, D, hashes=16, hidden=8, layers=3, seed=2)
    code = embedding.code(IDS)
    expected = (hash_words(IDS, 16, 2).double() % 10**6) / (10**6 - 1) * 2 - 1
    torch.testing.assert_close(code.double(), expected, atol=1e-6, rtol=0)
    assert abs(float(code.mean())) < 0.02 and abs(float(code.square().mean()) - 1 / 3) < 0.02
    x = code
    for layer in (0, 2, 4):
        x = torch.nn.functional.mish(embedding.network[layer](x))
    torch.testing.assert_close(embedding.rows(IDS), embedding.network[6](x))
    assert len(code.unique(dim=0)) == V


def test_alone_filters_one_vector():
    embedding = AloneEmbedding(V, D, codebooks=3, codes=20, seed=1)
    mask = embedding.filter(IDS)
    joined = sum(embedding.vectors[i][embedding.choices[:, i]].int() for i in range(3)).clamp(max=1)
    assert torch.equal(mask.int(), joined) and abs(float(mask.float().mean()) - 0.5) < 0.05
    w1, w2 = embedding.network[0].weight, embedding.network[2].weight
    torch.testing.assert_close(embedding.rows(IDS), (mask * embedding.shared @ w1.T).relu() @ w2.T)
    assert not {"vectors", "choices"} & set(embedding.state_dict())
    assert len(AloneEmbedding(30522, 256).filter(torch.arange(30522)).unique(dim=0)) == 30522


def test_splines_are_quadratic_b_splines_on_equal_knots():
    embedding = LeviathanEmbedding(V, D, knots=7)
    u = torch.linspace(0, 1, 101)
    step = 1 / 6
    bases = [BSpline.basis_element(step * (k + np.arange(-1.5, 2)), extrapolate=False)(u.numpy()) for k in range(7)]
    expected = np.nan_to_num(np.stack(bases, axis=-1))
    inside = (u >= step / 2) & (u <= 1 - step / 2)  # nearer to an end one spline of the sum would lie outside
    found = embedding.basis(u).numpy()
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-5)
    np.testing.assert_allclose(found, expected / expected.sum(-1, keepdims=True), atol=1e-5)


def test_leviathan_is_its_formula_head_by_head():
    embedding = LeviathanEmbedding(V, D, seed_width=6, heads=2, knots=5, rank=3)
    with torch.no_grad():
        embedding.gain.normal_()
        embedding.bias.normal_()
    ids = torch.tensor([0, 7, 345, 999])
    digits = torch.tensor([[0, 0, 0], [0, 0, 7], [3, 4, 5], [9, 9, 9]])  # base 10
    z = sum(embedding.codebooks[r][digits[:, r]] for r in range(3))
    expected = torch.zeros(4, D)
    for head in range(2):
        affine = embedding.gain.view(2, 6)[head], embedding.bias.view(2, 6)[head]
        scaled = torch.nn.functional.layer_norm(z @ embedding.project[head], (6,), *affine)
        basis = embedding.basis(torch.sigmoid(scaled / 2))  # (ids, s, knots)
        phi = torch.einsum("nsk,skr->nsr", basis, 1 + embedding.splines[head])
        expected = expected + phi.prod(dim=1) @ embedding.out[head]
    torch.testing.assert_close(embedding.rows(ids), expected, atol=1e-5, rtol=1e-4)
    assert len(LeviathanEmbedding(V, D).rows(IDS).unique(dim=0)) == V
