"""Token embeddings with one interface: computed from the id (``FourierEmbedding``) or looked up (``LearnedEmbedding``).

Both take integer ids of any shape ``(...)`` and return ``(..., embedding_dim)``, like :class:`torch.nn.Embedding`.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .basis import check_token_ids, fourier_features, frequency_set, is_integer, polynomial_basis, resolve_period
from .errors import ConfigError

_CACHED_TABLE_BYTES = 512 * 2**20


class GeGLU(nn.Module):
    """Gated feed-forward map ``W2 (GELU(a) * b)`` with ``(a, b) = W1 x``; ``(..., d) -> (..., d)``.

    Args:
        d_model: Width in and out.
        hidden: Width of ``a`` and of ``b``.

    Source: Shazeer 2020 (arXiv:2002.05202).
    """

    def __init__(self, d_model: int, hidden: int):
        super().__init__()
        self.w1 = nn.Linear(d_model, 2 * hidden)
        self.w2 = nn.Linear(hidden, d_model)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.w1(x).chunk(2, dim=-1)
        return self.w2(F.gelu(gate) * value)


class SiLUMLP(nn.Module):
    """Map ``W2 SiLU(W1 x)`` with a hidden layer of width d, ``(..., d) -> (..., d)``; ``2 d² + 2 d`` parameters."""

    def __init__(self, d_model: int):
        super().__init__()
        self.w1 = nn.Linear(d_model, d_model)
        self.w2 = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(F.silu(self.w1(x)))


class FourierEmbedding(nn.Module):
    """Compute token embeddings ``E(p) = RMSNorm(MLP(T(p)) + T(p))`` from the id; drop-in for ``torch.nn.Embedding``.

    Training evaluates each distinct id of a batch once. In eval mode without gradients the whole table is computed on the
    first look-up and kept while weights and buffers keep their values, so repeated look-ups cost about a table look-up.
    Each look-up compares all weights for that, which small batches pay for too; a table above 512 MiB is never kept. Under
    ``torch.compile`` nothing is kept and the range of ids is not checked.

    Args:
        num_embeddings: V, number of ids; costs no parameters.
        embedding_dim: d, even width; parameters are ``d`` (norm) plus the MLP's.
        frequencies: ``harmonic`` (paper), ``log``, ``random`` or ``d / 2`` integers; see :func:`frequency_set`. Polynomials
            have none.
        basis: ``fourier``, or one of the polynomial families.
        period: Period of the id normaliser in ids; V - 1 if None, and always for polynomials.
        mlp: ``none``, ``linear`` (d² + d parameters), ``geglu`` (hidden 4 d), ``geglu_quarter`` (hidden d / 4) or ``silu``.
        frequency_seed: Seed of the ``random`` set.

    Raises:
        ConfigError: On a bad size, name or period here, and on ids that are not integers in ``0..V-1`` in the call.

    Example:
        >>> FourierEmbedding(30522, 256)(torch.tensor([[101, 7592, 102]])).shape
        torch.Size([1, 3, 256])

    Source: Ndubuaku & Talhi 2025 (arXiv:2505.02266). The norm is in their code, not in their formula; the text has GeGLU,
    the parameter counts of Table 1 a single linear layer.
    """

    frequencies: Tensor
    polynomials: Tensor | None

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        frequencies: str | Sequence[int] = "harmonic",
        basis: str = "fourier",
        period: int | None = None,
        mlp: str = "linear",
        frequency_seed: int = 0,
    ):
        super().__init__()
        self.period = resolve_period(num_embeddings, period)
        # Not persistent: both are functions of the arguments, and a state dict should hold what was learned.
        named = frequencies if basis == "fourier" else "harmonic"  # polynomials read none, so any will do
        chosen = frequency_set(named, num_embeddings, embedding_dim, period, frequency_seed)
        self.num_embeddings, self.embedding_dim = int(num_embeddings), int(embedding_dim)
        self.register_buffer("frequencies", chosen, persistent=False)
        table = None
        if basis != "fourier":
            table = polynomial_basis(torch.arange(num_embeddings), num_embeddings, embedding_dim, basis, period)
        self.register_buffer("polynomials", table, persistent=False)
        d = self.embedding_dim
        builders: dict[str, Any] = {
            "none": lambda: None,
            "linear": lambda: nn.Linear(d, d),
            "geglu": lambda: GeGLU(d, 4 * d),
            "geglu_quarter": lambda: GeGLU(d, max(1, d // 4)),
            "silu": lambda: SiLUMLP(d),
        }
        if mlp not in builders:
            raise ConfigError(f"unknown mlp {mlp!r}. Choose one of {', '.join(builders)}.")
        self.mlp = builders[mlp]()
        self.norm = nn.RMSNorm(d)
        self._cache: tuple[list[Tensor], Tensor] | None = None

    def basis(self, token_ids: Tensor) -> Tensor:
        """Return T(p), float32 ``(..., d)``, of already checked ids."""
        if self.polynomials is not None:
            return self.polynomials[token_ids.long()].float()
        return fourier_features(token_ids.long(), self.frequencies, self.period)

    def compute(self, token_ids: Tensor) -> Tensor:
        """Return E(p) ``(..., d)`` of already checked ids, one evaluation per element."""
        basis = self.basis(token_ids).to(self.norm.weight.dtype)
        return self.norm(basis if self.mlp is None else self.mlp(basis) + basis)

    def forward(self, token_ids: Tensor) -> Tensor:
        check_token_ids(token_ids, self.num_embeddings)
        if torch.compiler.is_compiling():
            # The number of distinct ids depends on the data, which a static graph cannot hold.
            return self.compute(token_ids)
        replica = getattr(self, "_is_replica", False)  # DataParallel's: made anew for each call, without parameters
        lasting = not self.training and not torch.is_grad_enabled() and not replica
        if lasting and self._table_bytes() <= _CACHED_TABLE_BYTES:
            return F.embedding(token_ids.long(), self._current_table())
        distinct, position = torch.unique(token_ids, return_inverse=True)
        return F.embedding(position, self.compute(distinct))

    @torch.no_grad()
    def to_table(self) -> nn.Embedding:
        """Return the ``torch.nn.Embedding`` with the same rows, ``V x d``, detached from these weights."""
        return nn.Embedding.from_pretrained(self._compute_table(), freeze=False)

    def _compute_table(self) -> Tensor:
        # In blocks, so that the peak is one table and not the MLP's hidden layer for every id.
        ids = torch.arange(self.num_embeddings, device=self.norm.weight.device)
        with torch.autocast(self.norm.weight.device.type, enabled=False):
            return torch.cat([self.compute(block) for block in ids.split(8192)])

    def _table_bytes(self) -> int:
        return self.num_embeddings * self.embedding_dim * self.norm.weight.element_size()

    def _current_table(self) -> Tensor:
        """Return E of all ids, computed anew whenever value, type or device of a weight or buffer has changed."""
        # Values are compared, not version counters: ``weight.data`` can change without a counter noticing.
        # Masks of pruning are buffers. The polynomials are a constant as large as the table itself.
        buffers = [buffer for name, buffer in self.named_buffers() if name != "polynomials"]
        weights = [*self.parameters(), *buffers]
        if self._cache is not None:
            kept, table = self._cache
            same = (
                a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)
                for a, b in zip(kept, weights, strict=False)
            )
            if len(kept) == len(weights) and all(same):
                return table
        table = self._compute_table()
        self._cache = ([w.detach().clone() for w in weights], table)
        return table

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_cache": None}  # copies and pickles carry weights, not derived rows

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}, period={self.period}"


class LearnedEmbedding(nn.Module):
    """Look token embeddings up in a trained table and normalise them: ``E(p) = RMSNorm(W[p])``.

    Args:
        num_embeddings: V; the table has ``V d`` parameters.
        embedding_dim: d, width.

    Raises:
        ConfigError: On a bad size, or ids that are not integers in ``0..V-1`` in the call.

    Source: the baseline of Ndubuaku & Talhi 2025; rows start as N(0, 1), torch's default.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int):
        super().__init__()
        resolve_period(num_embeddings)
        if not is_integer(embedding_dim) or embedding_dim < 1:
            raise ConfigError(f"embedding_dim ({embedding_dim}) must be a positive integer. Try 128.")
        self.num_embeddings, self.embedding_dim = int(num_embeddings), int(embedding_dim)
        self.table = nn.Embedding(self.num_embeddings, self.embedding_dim)
        self.norm = nn.RMSNorm(self.embedding_dim)

    def forward(self, token_ids: Tensor) -> Tensor:
        check_token_ids(token_ids, self.num_embeddings)
        return self.norm(self.table(token_ids.long()))

    @torch.no_grad()
    def to_table(self) -> nn.Embedding:
        """Return the ``torch.nn.Embedding`` with the same normalised rows, ``V x d``, detached from these weights."""
        return nn.Embedding.from_pretrained(self.norm(self.table.weight), freeze=False)
