"""Rows computed by a network from a dense code of the id: deep hash embedding and ALONE."""

import numpy as np
import torch
from torch import Tensor, nn

from .coded import CodedEmbedding
from .murmur import hash_words

_HASH_RANGE = 10**6  # m of the paper
_KEPT = 0.5  # share of ones in a filter


class DeepHashEmbedding(CodedEmbedding):
    """Put hash values of the id through a network: ``row(p) = MLP(2 h(p) / (m - 1) - 1)`` with k hashes in ``0..m-1``.

    Parameters ``(k + 1) h + (L - 1)(h + 1) h + (h + 1) d + d``; stored bits: 32 for each, and 64 of the seed.

    Args:
        num_embeddings, embedding_dim: V and d.
        hashes: k, length of the code, uniform in [-1, 1].
        hidden: h, width of the hidden layers.
        layers: L, number of hidden layers, with Mish.
        seed: Seed of the hashes.

    Source: Kang et al. 2021 (arXiv:2010.10784), without batch normalisation: a row must not depend on its batch.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        hashes: int = 128,
        hidden: int = 128,
        layers: int = 2,
        seed: int = 0,
    ):
        counts = {"hashes": hashes, "hidden": hidden, "layers": layers}
        super().__init__(num_embeddings, embedding_dim, counts, seed=seed)
        self.hash_seed, self.hashes = seed, hashes
        widths = [hashes, *[hidden] * layers]
        pairs = zip(widths, widths[1:], strict=False)
        inner = [part for before, after in pairs for part in (nn.Linear(before, after), nn.Mish())]
        self.network = nn.Sequential(*inner, nn.Linear(hidden, embedding_dim))

    def code(self, token_ids: Tensor) -> Tensor:
        """Return the k numbers of each id, float32 ``(n, k)`` in [-1, 1]."""
        values = hash_words(token_ids, self.hashes, self.hash_seed) % _HASH_RANGE
        return values.float() * (2 / (_HASH_RANGE - 1)) - 1

    def rows(self, token_ids: Tensor) -> Tensor:
        return self.network(self.code(token_ids).to(self.norm.weight.dtype))


class AloneEmbedding(CodedEmbedding):
    """Filter one shared vector by a fixed random mask of the id: ``row(p) = W_2 ReLU(W_1 (m(p) * o))``.

    ``m(p)`` joins one of M random binary vectors from each of c codebooks, and half of its d numbers are ones on average.
    Parameters ``d + 2 d h + d``; stored bits: 32 for each, and 64 of the seed, from which codebooks and choices are drawn.

    Args:
        num_embeddings, embedding_dim: V and d.
        hidden: h, width of the hidden layer.
        codebooks: c.
        codes: M, vectors of each codebook; ``M^c`` is far above V.
        seed: Seed of codebooks and choices.

    Source: Takase & Kobayashi 2020 (arXiv:2004.12073), the binary filter, without dropout.
    """

    vectors: Tensor
    choices: Tensor

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        hidden: int = 128,
        codebooks: int = 8,
        codes: int = 64,
        seed: int = 0,
    ):
        counts = {"hidden": hidden, "codebooks": codebooks, "codes": codes}
        super().__init__(num_embeddings, embedding_dim, counts, seed=seed)
        drawn = np.random.default_rng(seed)
        # A number of the filter is zero where it is zero in all codebooks.
        vectors = drawn.random((codebooks, codes, embedding_dim)) >= (1 - _KEPT) ** (1 / codebooks)
        choices = drawn.integers(codes, size=(num_embeddings, codebooks))
        self.register_buffer("vectors", torch.from_numpy(vectors), persistent=False)
        self.register_buffer("choices", torch.from_numpy(choices), persistent=False)
        self.shared = nn.Parameter(torch.randn(embedding_dim))
        self.network = nn.Sequential(
            nn.Linear(embedding_dim, hidden, bias=False), nn.ReLU(), nn.Linear(hidden, embedding_dim, bias=False)
        )

    def filter(self, token_ids: Tensor) -> Tensor:
        """Return the masks of ids ``(n,)``, bool ``(n, d)``."""
        books = torch.arange(len(self.vectors), device=token_ids.device)
        return self.vectors[books, self.choices[token_ids]].any(dim=1)

    def rows(self, token_ids: Tensor) -> Tensor:
        return self.network(self.filter(token_ids) * self.shared)
