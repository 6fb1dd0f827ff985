"""Fixed codes of the id: random rows, its bits, sinusoids of it, and the low cosines of the id axis."""

import math

import numpy as np
import torch
from torch import Tensor

from ...errors import ConfigError
from ..frequencies import check_width
from .coded import CodedEmbedding, MappedCode, gaussian
from .factors import n_bits


class FrozenRandomEmbedding(MappedCode):
    """Random rows that are never learned, under a small map: ``c(p) ~ N(0, 1)``.

    Parameters: the map's, ``d² + d`` if linear, and d; stored bits: 32 for each, and 64 of the seed.

    Args:
        num_embeddings, embedding_dim: V and d.
        mlp: As in :class:`fourier_lab.FourierEmbedding`.
        seed: Seed of the rows.

    Source: Wieting & Kiela 2019 (arXiv:1901.10444), on random encoders.
    """

    frozen: Tensor

    def __init__(self, num_embeddings: int, embedding_dim: int, mlp: str = "linear", seed: int = 0):
        super().__init__(num_embeddings, embedding_dim, mlp, seed=seed)
        drawn = np.random.default_rng(seed).standard_normal((num_embeddings, embedding_dim), dtype=np.float32)
        self.register_buffer("frozen", torch.from_numpy(drawn), persistent=False)

    def code(self, token_ids: Tensor) -> Tensor:
        return self.frozen[token_ids]


class FrozenBinaryEmbedding(MappedCode):
    """The n bits of the id repeated to width d, under a small map: ``c(p)_j = 2 bit_(j mod n)(p) - 1``.

    ``recoded``: bits of ``A p + b`` over F₂ with a random invertible A, so that neighbours do not share their high bits.
    Parameters: the map's, ``d² + d`` if linear, and d; stored bits: 32 for each, and 64 of the seed if recoded.

    Args:
        num_embeddings, embedding_dim: V and d; d is at least ``n = ceil(log2 V)``.
        mlp: As in :class:`fourier_lab.FourierEmbedding`; ``none`` is the published code.
        recoded: Whether the affine map comes first.
        seed: Seed of the affine map.

    Source: Bochkov 2026 (arXiv:2605.09751). Signs in place of 0 and 1 give id 0 a row.
    """

    matrix: Tensor
    offset: Tensor

    def __init__(
        self, num_embeddings: int, embedding_dim: int, mlp: str = "linear", recoded: bool = False, seed: int = 0
    ):
        super().__init__(num_embeddings, embedding_dim, mlp, {"recoded": recoded}, seed if recoded else None)
        n = n_bits(self.num_embeddings)
        if n > embedding_dim:
            raise ConfigError(
                f"embedding_dim ({embedding_dim}) must be at least {n}, the bits that tell {num_embeddings} ids apart."
            )
        matrix, offset = _affine_map(n, seed) if recoded else (np.eye(n), np.zeros(n))
        self.register_buffer("matrix", torch.from_numpy(matrix).float(), persistent=False)
        self.register_buffer("offset", torch.from_numpy(offset).float(), persistent=False)

    def bits(self, token_ids: Tensor) -> Tensor:
        """Return the bits of ids ``(n_ids,)``, lowest first, recoded or not: 0 and 1, ``(n_ids, n)``."""
        plain = (token_ids.unsqueeze(-1) >> torch.arange(len(self.offset), device=token_ids.device)) & 1
        return (plain.to(self.matrix.dtype) @ self.matrix.T + self.offset) % 2

    def code(self, token_ids: Tensor) -> Tensor:
        places = torch.arange(self.embedding_dim, device=token_ids.device) % len(self.offset)
        return 2 * self.bits(token_ids)[:, places] - 1


def _affine_map(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw A ``(n, n)``, invertible over F₂, and b ``(n,)``, of 0 and 1."""
    drawn = np.random.default_rng(seed)
    # Unit triangular factors are invertible, and so is a permutation of their product.
    lower = np.tril(drawn.integers(2, size=(n, n)), -1) + np.eye(n, dtype=int)
    upper = np.triu(drawn.integers(2, size=(n, n)), 1) + np.eye(n, dtype=int)
    return (lower @ upper % 2)[drawn.permutation(n)], drawn.integers(2, size=n)


class SinusoidalEmbedding(MappedCode):
    """Sines and cosines of the id itself, as positions are coded: angles ``p base^(-2 j / d)``, under a small map.

    Parameters: the map's, ``d² + d`` if linear, and d; stored bits: 32 for each.

    Args:
        num_embeddings, embedding_dim: V and an even d.
        mlp: As in :class:`fourier_lab.FourierEmbedding`.
        base: Periods run from 2 pi to nearly 2 pi base ids; above 1.

    Source: Vaswani et al. 2017 (arXiv:1706.03762), of positions.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, mlp: str = "linear", base: float = 10000.0):
        super().__init__(num_embeddings, embedding_dim, mlp, {"base": base})
        check_width(embedding_dim)
        if not (math.isfinite(base) and base > 1):
            raise ConfigError(f"base ({base}) must be a finite number above 1, the ratio of periods. Try 10000.")
        self.base = float(base)

    def code(self, token_ids: Tensor) -> Tensor:
        exponents = torch.arange(0, self.embedding_dim, 2, device=token_ids.device).double() / self.embedding_dim
        return waves(token_ids.double().unsqueeze(-1) * self.base**-exponents)


def waves(angles: Tensor) -> Tensor:
    """Return root 2 times sine and cosine of angles ``(..., K)`` side by side: float32 ``(..., 2 K)`` of mean square 1."""
    # Exact in float64 first, since an angle may be many turns.
    turned = torch.remainder(angles + math.pi, 2 * math.pi) - math.pi
    return torch.view_as_real(torch.complex(turned.sin(), turned.cos())).flatten(-2).float() * math.sqrt(2)


class DCTEmbedding(CodedEmbedding):
    """Keep the low discrete cosines of a table along its ids: ``row(p) = sum_k s_k cos(pi k (2 p + 1) / (2 V)) C[k]``.

    ``s_0 = 1`` and ``s_k = sqrt 2``: the table is the orthonormal inverse DCT of ``sqrt V C`` below zeros. Parameters
    ``c d + d``; stored bits: 32 for each.

    Args:
        num_embeddings, embedding_dim: V and d.
        coefficients: c, at most V; more let neighbouring ids differ more.

    Source: Ahmed, Natarajan & Rao 1974, the DCT-II; a control of the same span as low harmonics under a linear map.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, coefficients: int = 256):
        super().__init__(num_embeddings, embedding_dim, {"coefficients": coefficients})
        if coefficients > num_embeddings:
            raise ConfigError(
                f"coefficients ({coefficients}) must be at most num_embeddings ({num_embeddings}), which is a whole table."
            )
        self.coefficients = gaussian(coefficients, embedding_dim, std=coefficients**-0.5)

    def cosines(self, token_ids: Tensor) -> Tensor:
        """Return the c cosines of ids ``(n,)``, float32 ``(n, c)``, of mean square 1 over all ids."""
        k = torch.arange(len(self.coefficients), device=token_ids.device)
        v = self.num_embeddings
        quarter_turns = (2 * token_ids + 1).unsqueeze(-1) * k % (4 * v)  # exact: the only rounding comes after
        scale = torch.where(k == 0, 1.0, math.sqrt(2))
        return torch.cos(quarter_turns.float() * (math.pi / (2 * v))) * scale

    def rows(self, token_ids: Tensor) -> Tensor:
        return self.cosines(token_ids).to(self.coefficients.dtype) @ self.coefficients
