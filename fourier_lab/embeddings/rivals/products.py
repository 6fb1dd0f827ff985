"""Rows composed of few numbers by products: low rank, adaptive widths, quotient and remainder, tensor train, word2ketXS."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import ConfigError
from .coded import CodedEmbedding, gaussian
from .factors import digit_base, n_bits, tensor_shapes
from .settings import AdaptiveSettings, QuotientRemainderSettings

_OPERATIONS = ("multiply", "add", "concatenate")


class FactorisedEmbedding(CodedEmbedding):
    """Look a narrow row up and widen it: ``row(p) = W[p] A``, a table of rank r.

    Parameters ``V r + r d + d``; stored bits: 32 for each.

    Args:
        num_embeddings, embedding_dim: V and d.
        rank: r, width of the table.

    Source: Lan et al. 2020 (arXiv:1909.11942). NeuML's "BERT hash" is the same, and hashes nothing.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, rank: int = 16):
        super().__init__(num_embeddings, embedding_dim, {"rank": rank})
        self.table = gaussian(num_embeddings, rank)
        self.widen = gaussian(rank, embedding_dim, std=rank**-0.5)

    def rows(self, token_ids: Tensor) -> Tensor:
        return F.embedding(token_ids, self.table) @ self.widen


class AdaptiveEmbedding(CodedEmbedding):
    """Give frequent ids wide rows and rare ones narrow rows: ``row(p) = W_b[p - c_b] A_b`` in band b of the ids.

    Parameters ``sum_b (V_b d_b + d_b d) + d``; stored bits: 32 for each.

    Args:
        num_embeddings, embedding_dim: V and d; low ids are taken for frequent, as in BERT's vocabulary.
        cutoffs: First id of each band but the first, rising. Bands above the vocabulary are left out.
        widths: d_b of each band, one more than cutoffs.

    Raises:
        ConfigError: If cutoffs do not rise, or widths are not one more.

    Source: Baevski & Auli 2019 (arXiv:1809.10853).
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        cutoffs: tuple[int, ...] = (2000, 10000),
        widths: tuple[int, ...] = (64, 16, 4),
    ):
        super().__init__(num_embeddings, embedding_dim, others={"cutoffs": cutoffs, "widths": widths})
        bands = AdaptiveSettings(tuple(cutoffs), tuple(widths)).bands(num_embeddings)
        self.starts = [low for low, _, _ in bands]
        self.tables = nn.ParameterList(gaussian(count, width) for _, count, width in bands)
        self.widen = nn.ParameterList(gaussian(width, embedding_dim, std=width**-0.5) for _, _, width in bands)

    def rows(self, token_ids: Tensor) -> Tensor:
        rows = self.norm.weight.new_zeros(len(token_ids), self.embedding_dim)
        for low, table, widen in zip(self.starts, self.tables, self.widen, strict=True):
            place = token_ids - low
            within = (place >= 0) & (place < len(table))
            narrow = F.embedding(place.clamp(0, len(table) - 1), table)
            rows = torch.where(within.unsqueeze(-1), (narrow @ widen).to(rows.dtype), rows)
        return rows


class QuotientRemainderEmbedding(CodedEmbedding):
    """Combine a row of the quotient with one of the remainder: ``row(p) = Q[p div m] * R[p mod m]``, all ids distinct.

    Parameters ``(ceil(V / m) + m) d + d``, the first term halved where the two are concatenated; stored bits: 32 for each.

    Args:
        num_embeddings, embedding_dim: V and d.
        modulus: m, rows of R; the root of V if None, which costs the fewest parameters.
        operation: ``multiply``, ``add`` or ``concatenate``; the last needs an even d.

    Source: Shi et al. 2020 (arXiv:1909.02107).
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, modulus: int | None = None, operation: str = "multiply"
    ):
        m = QuotientRemainderSettings(modulus).divisor(num_embeddings)
        super().__init__(num_embeddings, embedding_dim, {"modulus": m}, {"operation": operation})
        if operation not in _OPERATIONS:
            raise ConfigError(f"operation must be one of {', '.join(_OPERATIONS)}, got {operation!r}.")
        half = operation == "concatenate"
        if half and embedding_dim % 2:
            raise ConfigError(
                f"embedding_dim ({embedding_dim}) must be even to concatenate two halves. Use 'multiply'."
            )
        width, std = (embedding_dim // 2 if half else embedding_dim), (0.5**0.5 if operation == "add" else 1.0)
        self.modulus, self.operation = m, operation
        self.quotients = gaussian(-(-num_embeddings // m), width, std=std)
        self.remainders = gaussian(m, width, std=std)

    def rows(self, token_ids: Tensor) -> Tensor:
        quotient = F.embedding(token_ids // self.modulus, self.quotients)
        remainder = F.embedding(token_ids % self.modulus, self.remainders)
        if self.operation == "concatenate":
            return torch.cat([quotient, remainder], dim=-1)
        return quotient + remainder if self.operation == "add" else quotient * remainder


class TensorTrainEmbedding(CodedEmbedding):
    """Contract three cores picked by the digits of the id: ``row(p) = G_1[i_1] G_2[i_2] G_3[i_3]``.

    With ``V <= p_1 p_2 p_3`` and ``d = q_1 q_2 q_3`` core k has the shape ``(p_k, r_k-1, q_k, r_k)``. Parameters
    ``r p_1 q_1 + r² p_2 q_2 + r p_3 q_3 + d``; stored bits: 32 for each.

    Args:
        num_embeddings, embedding_dim: V and d, factorised by :func:`.factors.tensor_shapes`.
        rank: r, both inner ranks.

    Source: Yin et al. 2021 (arXiv:2101.11714), TT-Rec.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, rank: int = 16):
        super().__init__(num_embeddings, embedding_dim, {"rank": rank})
        (p1, p2, p3), (q1, q2, q3) = tensor_shapes(self.num_embeddings, self.embedding_dim)
        std = rank ** (-1 / 3)  # a number of a row is a sum of rank² products of three
        self.first = gaussian(p1, q1, rank, std=std)
        self.middle = gaussian(p2, rank, q2, rank, std=std)
        self.last = gaussian(p3, rank, q3, std=std)

    def rows(self, token_ids: Tensor) -> Tensor:
        p3, rank, _ = self.last.shape
        # Pairs of leading digits are fewer than the ids of a large batch, and their cores are the heaviest to pick.
        pairs = torch.einsum("aqr,brsu->abqsu", self.first, self.middle).flatten(2).flatten(0, 1)
        leading = F.embedding(token_ids // p3, pairs).unflatten(-1, (-1, rank))
        return (leading @ F.embedding(token_ids % p3, self.last.flatten(1)).unflatten(-1, (rank, -1))).flatten(1)


class Word2KetEmbedding(CodedEmbedding):
    """Sum tensor products of columns picked by the digits of the id: ``row(p) = sum_k F_k1[i_1] x ... x F_kn[i_n]``.

    All n digits have the base ``t >= V^(1/n)``, all factors the length ``q >= d^(1/n)``; the product is cut to d. Parameters
    ``r n t q + d``; stored bits: 32 for each.

    Args:
        num_embeddings, embedding_dim: V and d.
        order: n, number of factors; more cost fewer parameters and can express less.
        rank: r, number of products summed.

    Source: Panahi, Saeedi & Arodz 2020 (arXiv:1911.04975), word2ketXS.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, order: int = 2, rank: int = 12):
        super().__init__(num_embeddings, embedding_dim, {"order": order, "rank": rank})
        if order < 2:
            raise ConfigError(f"order ({order}) must be at least 2, for one factor is a table. Try 2.")
        if order > (most := max(2, n_bits(self.embedding_dim))):  # more of length 2 would make rows that are cut away
            raise ConfigError(f"order ({order}) must be at most {most}, where factors have length 2. Try {most}.")
        base, length = digit_base(self.num_embeddings, order), digit_base(self.embedding_dim, order)
        self.factors = gaussian(order, base, rank, length, std=rank ** (-0.5 / order))

    def rows(self, token_ids: Tensor) -> Tensor:
        order, base, _, length = self.factors.shape
        factors = [
            F.embedding(token_ids // base ** (order - 1 - j) % base, self.factors[j].flatten(1)).unflatten(
                -1, (-1, length)
            )
            for j in range(order)
        ]
        product = factors[0]
        for factor in factors[1:-1]:
            product = (product.unsqueeze(-1) * factor.unsqueeze(-2)).flatten(-2)
        summed = product.transpose(-1, -2) @ factors[-1]  # over the rank
        return summed.flatten(1)[:, : self.embedding_dim]
