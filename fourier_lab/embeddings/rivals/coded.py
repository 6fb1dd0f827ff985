"""What all rivals share: ``E(p) = RMSNorm(row(p))``, checked sizes and seeds, and settings kept with the weights."""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import ConfigError
from ..basis import check_token_ids
from ..fourier import build_mlp
from ..frequencies import is_integer, resolve_period
from ..kept_settings import KeepsSettings

_BLOCK = 8192  # ids evaluated at a time


class CodedEmbedding(KeepsSettings):
    """Base of token embeddings that have no row of their own for each id: ``E(p) = RMSNorm(row(p))``.

    Each distinct id of a batch is evaluated once. Weights of other settings or another seed are refused.

    Args:
        num_embeddings: V.
        embedding_dim: d.
        counts: Settings that must be positive integers, by name.
        others: Further settings, by name.
        seed: Seed of what is drawn once and never learned; None if nothing is.

    Raises:
        ConfigError: If a count or the seed breaks its rule.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        counts: Mapping[str, int] | None = None,
        others: Mapping[str, Any] | None = None,
        seed: int | None = None,
    ):
        super().__init__()
        resolve_period(num_embeddings)
        for name, value in {"embedding_dim": embedding_dim, **(counts or {})}.items():
            if not is_integer(value) or value < 1:
                raise ConfigError(f"{name} ({value!r}) of {type(self).__name__} must be a positive integer. Try 64.")
        if seed is not None and not (is_integer(seed) and 0 <= seed < 2**32):
            raise ConfigError(
                f"the seed of {type(self).__name__} must be an integer in 0..2^32 - 1, got {seed!r}. Try 0."
            )
        self.num_embeddings, self.embedding_dim = int(num_embeddings), int(embedding_dim)
        self._settings = {**(counts or {}), **(others or {}), **({} if seed is None else {"seed": seed})}
        self.norm = nn.RMSNorm(self.embedding_dim)

    def rows(self, token_ids: Tensor) -> Tensor:
        """Return the rows ``(n, d)`` of already checked int64 ids ``(n,)``, before the norm."""
        raise NotImplementedError

    def forward(self, token_ids: Tensor) -> Tensor:
        check_token_ids(token_ids, self.num_embeddings)
        distinct, position = torch.unique(token_ids.long(), return_inverse=True)
        return F.embedding(position, self.norm(self.rows(distinct)))

    @torch.no_grad()
    def to_table(self) -> nn.Embedding:
        """Return the ``torch.nn.Embedding`` with the same rows, ``V x d``, detached from these weights."""
        ids = torch.arange(self.num_embeddings, device=self.norm.weight.device)
        rows = torch.cat([self.norm(self.rows(block)) for block in ids.split(_BLOCK)])
        return nn.Embedding.from_pretrained(rows, freeze=False)

    @property
    def extra_bits(self) -> int:
        """Bits kept beside the parameters: those of the seed, if anything is drawn with it."""
        return 64 if "seed" in self._settings else 0

    def settings(self) -> dict[str, Any]:
        own = {
            "embedding": type(self).__name__,
            "num_embeddings": self.num_embeddings,
            "embedding_dim": self.embedding_dim,
        }
        return own | {k: list(v) if isinstance(v, tuple) else v for k, v in self._settings.items()}

    def extra_repr(self) -> str:
        settings = (f"{name}={value}" for name, value in self._settings.items())
        return ", ".join([f"{self.num_embeddings}, {self.embedding_dim}", *settings])


class MappedCode(CodedEmbedding):
    """Base of fixed codes under the same small map as the Fourier expansion: ``row(p) = MLP(c(p)) + c(p)``.

    Args:
        num_embeddings, embedding_dim, others, seed: As in :class:`CodedEmbedding`.
        mlp: As in :class:`fourier_lab.FourierEmbedding`; with ``none`` nothing is learned but the norm's d gains.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        mlp: str,
        others: Mapping[str, Any] | None = None,
        seed: int | None = None,
    ):
        super().__init__(num_embeddings, embedding_dim, others={"mlp": mlp, **(others or {})}, seed=seed)
        self.mlp = build_mlp(mlp, self.embedding_dim)

    def code(self, token_ids: Tensor) -> Tensor:
        """Return c(p) ``(n, d)``, of mean square about 1, for already checked int64 ids ``(n,)``."""
        raise NotImplementedError

    def rows(self, token_ids: Tensor) -> Tensor:
        code = self.code(token_ids).to(self.norm.weight.dtype)
        return code if self.mlp is None else self.mlp(code) + code


def gaussian(*shape: int, std: float = 1.0) -> nn.Parameter:
    """Return a parameter drawn from N(0, std²)."""
    return nn.Parameter(std * torch.randn(shape))
