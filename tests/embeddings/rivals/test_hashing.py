"""Hashes are MurmurHash3's, as thinc has them; each way of sharing rows is what its formula says."""

import numpy as np
import pytest
import torch

from fourier_lab.embeddings.rivals.hashing import (
    BloomEmbedding,
    CanineEmbedding,
    HashedEmbedding,
    HashEmbeddings,
    RobeEmbedding,
    SignatureEmbedding,
)
from fourier_lab.embeddings.rivals.murmur import hash_words

V, D = 1000, 8
IDS = torch.tensor([0, 1, 2, 101, 30521])
# What thinc 9.1.1 computes: NumpyOps().hash(ids, seed).
THINC = {
    0: [
        [3428303819, 685728695, 3303603794, 4065689084], [4211459146, 4457399, 3547175942, 1032506804],
        [1819721896, 3725074592, 1401649061, 3845513878], [2725622811, 3702259193, 1748312629, 333635895],
        [4483547, 176204950, 3068823361, 1771530719],
    ],
    7: [
        [363161713, 1826689969, 588221874, 425284546], [3089165797, 1536154270, 2023308811, 4074317197],
        [666152391, 2819266844, 3389477347, 2033898381], [1085751578, 2232076886, 3148813338, 3537809774],
        [2467764751, 2006663275, 3700418473, 1137480074],
    ],
}  # fmt: skip


@pytest.mark.parametrize("seed", THINC)
def test_hashes_are_those_of_thinc(seed):
    assert hash_words(IDS, 4, seed).tolist() == THINC[seed]
    assert hash_words(IDS[3], 3, seed).tolist() == THINC[seed][3][:3]


def test_more_hashes_go_on_with_the_next_seed():
    many = hash_words(IDS, 10, 6)
    assert many.shape == (5, 10) and many[:, 4:8].tolist() == THINC[7]
    assert hash_words(IDS, 8, 2**32 - 1)[:, 4:].tolist() == THINC[0]


def test_hashes_are_even():
    counts = np.bincount(hash_words(torch.arange(30522), 4, 0).flatten().numpy() % 64, minlength=64)
    expected = 4 * 30522 / 64
    assert ((counts - expected) ** 2 / expected).sum() < 110  # chi-squared with 63 degrees of freedom: 103 at 0.1 %


def test_bloom_sums_the_rows_of_thinc_with_the_same_seed():
    bloom = BloomEmbedding(30522, 3, buckets=50, seed=7)
    with torch.no_grad():
        bloom.table.copy_(torch.arange(150.0).view(50, 3))
    # What thinc 9.1.1 gives for this table: HashEmbed(3, 50, seed=7).
    expected = [[306, 310, 314], [375, 379, 383], [489, 493, 497], [378, 382, 386], [219, 223, 227]]
    assert bloom.rows(IDS).tolist() == expected


def test_bloom_is_a_sum_of_rows_looked_up():
    bloom = BloomEmbedding(V, D, buckets=40, hashes=6, seed=3)
    keys = hash_words(torch.arange(V), 6, 3) % 40
    torch.testing.assert_close(bloom.rows(torch.arange(V)), sum(bloom.table[keys[:, i]] for i in range(6)))


def test_the_hashing_trick_gives_ids_of_one_bucket_one_row():
    hashed = HashedEmbedding(V, D, buckets=64)
    buckets = hash_words(torch.arange(V), 1, 0)[:, 0] % 64
    rows = hashed.rows(torch.arange(V))
    assert torch.equal(rows, hashed.table[buckets])
    assert len(rows.unique(dim=0)) == len(buckets.unique()) == 64


def test_bloom_tells_ids_apart_that_the_hashing_trick_does_not():
    assert len(BloomEmbedding(V, D, buckets=64).rows(torch.arange(V)).unique(dim=0)) == V


@pytest.mark.parametrize("importance", [None, 50])
def test_hash_embeddings_weigh_rows_by_importance(importance):
    embedding = HashEmbeddings(V, D, buckets=20, hashes=2, importance=importance, seed=4)
    ids = torch.arange(V)
    keys = hash_words(ids, 3, 4)
    weights = embedding.importance[ids if importance is None else keys[:, 2] % 50]
    expected = sum(weights[:, [i]] * embedding.table[keys[:, i] % 20] for i in range(2))
    torch.testing.assert_close(embedding.rows(ids), expected)
    # 20 buckets give 400 pairs, but own weights tell all ids apart.
    assert (len(embedding.rows(ids).unique(dim=0)) == V) == (importance is None)


def test_canine_puts_slices_side_by_side():
    embedding = CanineEmbedding(V, D, buckets=16, hashes=4, seed=2)
    keys = hash_words(torch.arange(V), 4, 2) % 16
    expected = torch.cat([embedding.tables[i][keys[:, i]] for i in range(4)], dim=-1)
    assert torch.equal(embedding.rows(torch.arange(V)), expected)


@pytest.mark.parametrize(
    "v, buckets, hashes", [(1000, 64, 4), (1000, 45, 2), (30522, 64, 4), (2, 2, 2), (600, 1200, 1)]
)
def test_no_two_ids_have_one_signature(v, buckets, hashes):
    embedding = SignatureEmbedding(v, D, buckets=buckets, hashes=hashes)
    codes = embedding.signatures
    assert codes.shape == (v, hashes) and int(codes.min()) >= 0 and int(codes.max()) < buckets
    assert len(codes.unique(dim=0)) == v
    ids = torch.arange(v)
    torch.testing.assert_close(embedding.rows(ids), sum(embedding.tables[h][codes[:, h]] for h in range(hashes)))


def test_signatures_that_collide_are_hashed_again_and_others_are_the_first():
    first = hash_words(torch.arange(V), 2, 0) % 45
    codes = SignatureEmbedding(V, D, buckets=45, hashes=2).signatures
    seen, kept = set(), []
    for signature in map(tuple, first.tolist()):
        kept.append(signature not in seen)
        seen.add(signature)
    same = (codes == first).all(dim=1)
    assert 100 < V - sum(kept) < 300  # 1000 of 2025 cells: about 208 repeat one
    assert torch.equal(same, torch.tensor(kept))


def test_robe_reads_windows_of_one_array_round_its_end():
    embedding = RobeEmbedding(V, D, size=37, block=4, seed=9)
    array, starts = embedding.array.detach().flatten().numpy(), hash_words(torch.arange(V), 2, 9)
    rows = embedding.rows(torch.arange(V)).detach().numpy()
    expected = [np.concatenate([np.roll(array, -(start % 37))[:4] for start in pair]) for pair in starts.tolist()]
    np.testing.assert_array_equal(rows, expected)
