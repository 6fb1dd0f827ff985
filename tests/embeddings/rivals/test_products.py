"""Low rank, bands, quotient and remainder, tensor train and word2ketXS are the products that their formulas say."""

import math

import pytest
import torch

from fourier_lab.embeddings.rivals.factors import digit_base, n_bits, tensor_shapes
from fourier_lab.embeddings.rivals.products import (
    AdaptiveEmbedding,
    FactorisedEmbedding,
    QuotientRemainderEmbedding,
    TensorTrainEmbedding,
    Word2KetEmbedding,
)

V, D = 1000, 24
IDS = torch.arange(V)


def test_factorised_rows_span_no_more_than_the_rank():
    embedding = FactorisedEmbedding(V, D, rank=5)
    rows = embedding.rows(IDS)
    torch.testing.assert_close(rows, embedding.table @ embedding.widen)
    assert int(torch.linalg.matrix_rank(rows.detach(), rtol=1e-4)) == 5 and len(rows.unique(dim=0)) == V


def test_each_band_has_its_own_width():
    embedding = AdaptiveEmbedding(V, D, cutoffs=(100, 400), widths=(16, 4, 1))
    assert [tuple(t.shape) for t in embedding.tables] == [(100, 16), (300, 4), (600, 1)]
    bands = [table @ widen for table, widen in zip(embedding.tables, embedding.widen, strict=True)]
    torch.testing.assert_close(embedding.rows(IDS), torch.cat(bands))
    ranks = [int(torch.linalg.matrix_rank(b.detach(), rtol=1e-4)) for b in embedding.rows(IDS).split([100, 300, 600])]
    assert ranks == [16, 4, 1]
    embedding.rows(torch.tensor([50])).sum().backward()
    assert not embedding.tables[1].grad.any() and not embedding.tables[2].grad.any()


def test_bands_above_the_vocabulary_are_left_out():
    assert [len(t) for t in AdaptiveEmbedding(100, D, cutoffs=(100, 400)).tables] == [100]
    assert [len(t) for t in AdaptiveEmbedding(101, D, cutoffs=(100, 400)).tables] == [100, 1]


@pytest.mark.parametrize("modulus", [None, 7, 999, 5000])
@pytest.mark.parametrize("operation", ["multiply", "add", "concatenate"])
def test_quotient_and_remainder_rows(operation, modulus):
    embedding = QuotientRemainderEmbedding(V, D, modulus, operation)
    m = modulus or 32  # 32² = 1024
    quotients, remainders = embedding.quotients[IDS // m], embedding.remainders[IDS % m]
    assert len(embedding.quotients) == math.ceil(V / m) and len(embedding.remainders) == m
    rows = embedding.rows(IDS)
    if operation == "multiply":
        torch.testing.assert_close(rows, quotients * remainders)
    elif operation == "add":
        torch.testing.assert_close(rows, quotients + remainders)
    else:
        torch.testing.assert_close(rows, torch.hstack([quotients, remainders]))
    assert len(rows.unique(dim=0)) == V


@pytest.mark.parametrize("v, d", [(1000, 24), (30522, 256), (7, 2), (977, 22)])
def test_shapes_cover_the_vocabulary_with_few_numbers(v, d):
    ids, widths = tensor_shapes(v, d)
    assert v <= math.prod(ids) < 2 * v + 8 and math.prod(widths) == d
    assert ids[1] <= min(ids) and widths[1] <= min(widths)


def test_sizes_that_follow_from_the_vocabulary():
    assert [digit_base(v, 2) for v in (1, 4, 5, 30522, 30625, 30626)] == [1, 2, 3, 175, 175, 176]
    assert digit_base(30522, 4) == 14 and digit_base(2**60, 3) == 2**20 and digit_base(2**60 + 1, 3) == 2**20 + 1
    assert [n_bits(v) for v in (2, 3, 4, 5, 30522, 32768, 32769)] == [1, 2, 2, 3, 15, 15, 16]


def test_tensor_train_is_the_contracted_dense_table():
    embedding = TensorTrainEmbedding(V, D, rank=3)
    (p1, p2, p3), (q1, q2, q3) = tensor_shapes(V, D)
    dense = torch.einsum("aur,brvs,csw->abcuvw", embedding.first, embedding.middle, embedding.last)
    dense = dense.reshape(p1 * p2 * p3, q1 * q2 * q3)[:V]
    torch.testing.assert_close(embedding.rows(IDS), dense)
    assert len(dense.unique(dim=0)) == V
    torch.testing.assert_close(embedding.rows(IDS[[998, 3]]), dense[[998, 3]])


@pytest.mark.parametrize("order", [2, 3, 4])
def test_word2ket_sums_kronecker_products(order):
    embedding = Word2KetEmbedding(V, D, order=order, rank=3)
    base, length = digit_base(V, order), digit_base(D, order)
    assert embedding.factors.shape == (order, base, 3, length)
    dense = torch.zeros(base**order, length**order)
    for k in range(3):
        product = torch.ones(1, 1)
        for factor in embedding.factors[:, :, k]:
            product = torch.kron(product, factor)
        dense += product
    torch.testing.assert_close(embedding.rows(IDS), dense[:V, :D], atol=1e-5, rtol=1e-4)
    assert len(dense[:V, :D].unique(dim=0)) == V
