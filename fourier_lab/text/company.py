"""Ids numbered by meaning: tokens that occur among the same other tokens of the training text become neighbours."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

_WIDTH = 32  # of the vectors that tokens are ordered by


def company_order(sentences: Sequence[np.ndarray], vocab_size: int) -> np.ndarray:
    """Return the old ids in their new order, int64 ``(vocab_size,)``, those that never occur with another at the end.

    Tokens get the left singular vectors of how much more often than by chance two of them share a sentence (positive
    pointwise mutual information), and are halved again and again along the direction in which they differ most.
    Another processor may round near ties otherwise, which is another vocabulary: records name it by its hash.

    Args:
        sentences: Ids of each training sentence.
        vocab_size: V.

    Source: Levy & Goldberg 2014 for the vectors, Boley 1998 (principal direction divisive partitioning) for the order.

    Example:
        >>> company_order([np.array(row) for row in ([0, 2], [0, 4, 2], [1, 3], [1, 3, 5])] * 2, 7).tolist()[-1]
        6
    """
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import svds

    lengths = np.fromiter(map(len, sentences), np.int64, len(sentences))
    ids = np.fromiter(chain.from_iterable(row.tolist() for row in sentences), np.int64, int(lengths.sum()))
    where = np.repeat(np.arange(len(lengths)), lengths)
    found = coo_array((np.ones(len(ids)), (where, ids)), shape=(len(lengths), vocab_size)).tocsr()
    found.data[:] = 1  # whether, not how often
    together = (found.T @ found).tocoo()
    apart = together.row != together.col
    row, column, shared = together.row[apart], together.col[apart], together.data[apart]
    counts = np.bincount(row, weights=shared, minlength=vocab_size)
    information = np.log(shared * shared.sum() / (counts[row] * counts[column]))
    kept = information > 0
    table = coo_array((information[kept], (row[kept], column[kept])), shape=(vocab_size, vocab_size)).tocsr()
    met = np.flatnonzero(np.diff(table.indptr))
    alone = np.setdiff1d(np.arange(vocab_size), met)
    width = min(_WIDTH, len(met) - 1)
    if width < 1:
        return np.arange(vocab_size)
    table = table[met][:, met]
    left, strength, _ = svds(table, k=width, v0=np.ones(len(met)))
    vectors = left * np.sqrt(strength)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(float).tiny)
    return np.concatenate((met[_halved(vectors, np.arange(len(met)), *np.zeros((2, width)))], alone))


def _halved(vectors: np.ndarray, places: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Order ``places`` so that neighbours are alike, from what is like ``before`` to what is like ``after``."""
    if len(places) < 2:
        return places
    own = vectors[places] - vectors[places].mean(0)
    direction = np.linalg.eigh(own.T @ own)[1][:, -1]
    along = direction @ (after - before)
    ordered = places[np.argsort(own @ (direction if along >= 0 else -direction), kind="stable")]
    first, second = np.array_split(ordered, 2)
    means = vectors[first].mean(0), vectors[second].mean(0)
    return np.concatenate((_halved(vectors, first, before, means[1]), _halved(vectors, second, means[0], after)))
