"""Rows shared by hashing: the hashing trick, hash embeddings, Bloom sums, CANINE's slices, signatures, ROBE."""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import ConfigError
from .coded import CodedEmbedding, gaussian
from .murmur import hash_words


class _Hashing(CodedEmbedding):
    """Base of embeddings with ``hashes`` buckets for each id; ``counts`` are further settings."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        buckets: int,
        hashes: int,
        seed: int,
        counts: Mapping[str, int] | None = None,
    ):
        counts = {"buckets": buckets, "hashes": hashes, **(counts or {})}
        super().__init__(num_embeddings, embedding_dim, counts, seed=seed)
        self.hash_seed, self.hashes, self.buckets = seed, hashes, buckets

    def keys(self, token_ids: Tensor) -> Tensor:
        """Return the buckets of ids ``(n,)``: int64 ``(n, hashes)`` in ``0..buckets-1``."""
        return hash_words(token_ids, self.hashes, self.hash_seed) % self.buckets


class HashedEmbedding(_Hashing):
    """Look one shared row up: ``row(p) = T[h(p)]``; ids of one bucket share their row.

    Parameters ``B d + d``; stored bits: 32 for each, and 64 of the seed.

    Args:
        num_embeddings, embedding_dim: V and d.
        buckets: B, number of rows.
        seed: Seed of the hash.

    Source: Weinberger et al. 2009 (arXiv:0902.2206), without the sign.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, buckets: int = 1024, seed: int = 0):
        super().__init__(num_embeddings, embedding_dim, buckets, 1, seed)
        self.table = gaussian(buckets, embedding_dim)

    def rows(self, token_ids: Tensor) -> Tensor:
        return F.embedding(self.keys(token_ids).squeeze(-1), self.table)


class BloomEmbedding(_Hashing):
    """Sum several shared rows of one table: ``row(p) = sum_i T[h_i(p)]``.

    With four hashes the buckets are those of thinc's HashEmbed with the same seed, so equal tables give equal sums.
    Parameters ``B d + d``; stored bits: 32 for each, and 64 of the seed.

    Args:
        num_embeddings, embedding_dim: V and d.
        buckets: B, number of rows.
        hashes: Rows of an id; more make it less likely that two ids share all of them.
        seed: Seed of the hashes.

    Source: Miranda et al. 2022 (arXiv:2212.09255); Serrà & Karatzoglou 2017 (arXiv:1706.03993).
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, buckets: int = 1024, hashes: int = 4, seed: int = 0):
        super().__init__(num_embeddings, embedding_dim, buckets, hashes, seed)
        self.table = gaussian(buckets, embedding_dim, std=hashes**-0.5)

    def rows(self, token_ids: Tensor) -> Tensor:
        return F.embedding_bag(self.keys(token_ids), self.table, mode="sum")


class HashEmbeddings(_Hashing):
    """Weigh several shared rows by learned importance: ``row(p) = sum_i w[p, i] T[h_i(p)]``.

    Parameters ``B d + k R + d`` with R rows of k weights, V of them or fewer; stored bits: 32 for each, and 64 of the seed.

    Args:
        num_embeddings, embedding_dim: V and d.
        buckets: B, number of rows.
        hashes: k, rows of an id.
        importance: R; None for one row of weights an id, otherwise ids share them by a hash of their own.
        seed: Seed of the hashes.

    Source: Svenstrup, Hansen & Winther 2017 (arXiv:1709.03933), without appending the weights to the row.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        buckets: int = 1024,
        hashes: int = 2,
        importance: int | None = None,
        seed: int = 0,
    ):
        shared = {} if importance is None else {"importance": importance}
        super().__init__(num_embeddings, embedding_dim, buckets, hashes, seed, shared)
        self._shared = importance is not None
        self.table = gaussian(buckets, embedding_dim, std=hashes**-0.5)
        self.importance = gaussian(num_embeddings if importance is None else importance, hashes)

    def rows(self, token_ids: Tensor) -> Tensor:
        place = token_ids
        if self._shared:  # the value after those of the buckets
            place = hash_words(token_ids, self.hashes + 1, self.hash_seed)[..., -1] % len(self.importance)
        weights = F.embedding(place, self.importance)
        return F.embedding_bag(self.keys(token_ids), self.table, mode="sum", per_sample_weights=weights)


class CanineEmbedding(_Hashing):
    """Put slices of several tables side by side: ``row(p) = [T_1[h_1(p)], ..., T_K[h_K(p)]]``, each of width d / K.

    Parameters ``B d + d``; stored bits: 32 for each, and 64 of the seed.

    Args:
        num_embeddings, embedding_dim: V and d.
        buckets: B, rows of each table.
        hashes: K, number of tables; divides d.
        seed: Seed of the hashes.

    Source: Clark et al. 2021 (arXiv:2103.06874), who hash characters.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, buckets: int = 1024, hashes: int = 8, seed: int = 0):
        super().__init__(num_embeddings, embedding_dim, buckets, hashes, seed)
        check_divides(hashes, embedding_dim, "hashes")
        self.tables = gaussian(hashes, buckets, embedding_dim // hashes)

    def rows(self, token_ids: Tensor) -> Tensor:
        return F.embedding(in_one_table(self.keys(token_ids), self.buckets), self.tables.flatten(0, 1)).flatten(-2)


def unique_signatures(n_ids: int, buckets: int, hashes: int, seed: int) -> Tensor:
    """Return a signature of hashed codes for each id, int64 ``(n_ids, hashes)`` in ``0..buckets-1``, no two alike.

    Ids whose signature is taken are hashed again until it is free, lower ids first.

    Raises:
        ConfigError: If there are fewer than two signatures for each id.
    """
    if buckets**hashes < 2 * n_ids:
        raise ConfigError(
            f"{n_ids} ids need at least {2 * n_ids} signatures, but {hashes} hashes of {buckets} buckets give "
            f"{buckets**hashes}. Raise buckets or hashes."
        )
    with torch.device("cpu"):
        left = torch.arange(n_ids)
        found = torch.empty(n_ids, hashes, dtype=torch.int64)
    taken: set[bytes] = set()
    attempt = 0
    while len(left):
        words = hash_words(left, hashes * (attempt + 1), seed)[:, -hashes:] % buckets
        fresh = []
        for signature in words.numpy():
            fresh.append(signature.tobytes() not in taken)
            taken.add(signature.tobytes())
        new = torch.tensor(fresh)
        found[left[new]] = words[new]
        left, attempt = left[~new], attempt + 1
    return found


class SignatureEmbedding(_Hashing):
    """Sum one row of each of several small tables: ``row(p) = sum_h T_h[c_h(p)]``, no two ids with the same signature c.

    Parameters ``H B d + d``; stored bits: 32 for each, and 64 of the seed, from which :func:`unique_signatures` computes c.

    Args:
        num_embeddings, embedding_dim: V and d.
        buckets: B, rows of each table; ``B^H`` is at least ``2 V``.
        hashes: H, number of tables.
        seed: Seed of the hashes.

    Source: Xue, Yamaguchi & Aletras 2026 (arXiv:2606.28057). Their hash encoder, a small network, is a sum here.
    """

    signatures: Tensor

    def __init__(self, num_embeddings: int, embedding_dim: int, buckets: int = 64, hashes: int = 4, seed: int = 0):
        super().__init__(num_embeddings, embedding_dim, buckets, hashes, seed)
        self.tables = gaussian(hashes, buckets, embedding_dim, std=hashes**-0.5)
        self.register_buffer("signatures", unique_signatures(num_embeddings, buckets, hashes, seed), persistent=False)

    def rows(self, token_ids: Tensor) -> Tensor:
        signatures = self.signatures[token_ids]
        return F.embedding_bag(in_one_table(signatures, self.buckets), self.tables.flatten(0, 1), mode="sum")


class RobeEmbedding(CodedEmbedding):
    """Read rows as hashed windows of one array: block j of ``row(p)`` is ``A[h_j(p) : h_j(p) + Z]``, round its end.

    Parameters ``m + d``; stored bits: 32 for each, and 64 of the seed.

    Args:
        num_embeddings, embedding_dim: V and d.
        size: m, numbers in the array.
        block: Z, numbers read in one piece; divides d and is at most m. Larger blocks read memory in fewer places.
        seed: Seed of the hashes.

    Source: Desai, Chou & Shrivastava 2022 (arXiv:2108.02191), ROBE-Z without the sign.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, size: int = 65536, block: int = 8, seed: int = 0):
        super().__init__(num_embeddings, embedding_dim, {"size": size, "block": block}, seed=seed)
        check_divides(block, embedding_dim, "block")
        if block > size:
            raise ConfigError(
                f"block ({block}) must be at most size ({size}), the array that it is read from. Lower it."
            )
        self.hash_seed, self.block = seed, block
        self.array = gaussian(size, 1)

    def rows(self, token_ids: Tensor) -> Tensor:
        starts = hash_words(token_ids, self.embedding_dim // self.block, self.hash_seed)
        places = (starts.unsqueeze(-1) + torch.arange(self.block, device=starts.device)) % len(self.array)
        return F.embedding(places, self.array).flatten(1)


def check_divides(value: int, width: int, name: str) -> None:
    """Raise :class:`ConfigError` unless ``value`` divides the width d."""
    if width % value:
        near = math.gcd(value, width)
        raise ConfigError(f"{name} ({value}) must divide embedding_dim ({width}), cut into equal parts. Try {near}.")


def in_one_table(keys: Tensor, rows: int) -> Tensor:
    """Return keys ``(n, H)`` into H tables of ``rows`` rows as keys into the tables one below the other."""
    return keys + rows * torch.arange(keys.shape[-1], device=keys.device)
