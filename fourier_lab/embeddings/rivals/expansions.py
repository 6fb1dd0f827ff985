"""Variants of the Fourier embedding: frequencies that are learned, and ids that are companded, by a law or by counts."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ...errors import ConfigError
from ..fourier import FourierEmbedding
from .codes import waves


class LearnedFrequenciesEmbedding(FourierEmbedding):
    """The Fourier embedding with trainable frequencies, which need not stay whole; at the start it is the plain one.

    Parameters: the map's, ``d² + d`` if linear, d of the norm and d / 2 frequencies; stored bits: 32 for each.

    Args:
        num_embeddings, embedding_dim: V and an even d.
        frequencies: Set at which they start, see :func:`fourier_lab.frequency_set`.
        period, mlp: As in :class:`fourier_lab.FourierEmbedding`.
        frequency_seed: Seed of a set that is drawn.

    Source: Gorishniy et al. 2022 (arXiv:2203.05556), periodic embeddings of numbers.
    """

    # Where frequencies started is of no account later.
    decisive: ClassVar[tuple[str, ...]] = ("embedding_dim", "period", "mlp")

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        frequencies: str | Sequence[int] = "harmonic",
        period: int | None = None,
        mlp: str = "linear",
        frequency_seed: int = 0,
    ):
        super().__init__(num_embeddings, embedding_dim, frequencies, "fourier", period, mlp, frequency_seed)
        self.cycles = nn.Parameter(self.frequencies.float())

    def basis(self, token_ids: Tensor) -> Tensor:
        return expansion(token_ids.double(), self.cycles.double(), self.period)

    @property
    def extra_bits(self) -> int:
        return 0


class SpacedEmbedding(FourierEmbedding):
    """Base of the Fourier embedding of ids that are moved before the expansion."""

    def spaced(self, token_ids: Tensor) -> Tensor:
        """Return where ids stand, float64 ``(...)``, rising."""
        raise NotImplementedError

    def basis(self, token_ids: Tensor) -> Tensor:
        return expansion(self.spaced(token_ids), self.frequencies.to(token_ids.device).double(), self.period)


class CompandedEmbedding(SpacedEmbedding):
    """The Fourier embedding of ids spaced by how much text they make up, so that resolution is where tokens are.

    Id p moves to ``u(p) = (V - 1) F(p) / F(V - 1)``, where ``F(p)`` is the integral of ``(t + shift)^-exponent`` from 0 to
    p: exponent 0 leaves ids as they are, 1 spaces them by the logarithm of their rank (Zipf's law). Parameters: the map's,
    ``d² + d`` if linear, and d; stored bits: 32 for each, and those of the frequency set.

    Args:
        num_embeddings, embedding_dim: V and an even d.
        frequencies, period, mlp, frequency_seed: As in :class:`fourier_lab.FourierEmbedding`.
        exponent: How fast tokens get rarer; at least 0.
        shift: Id up to which they are about equally frequent; above 0.

    Source: companding as in signal coding, by the Zipf-Mandelbrot law.
    """

    decisive: ClassVar[tuple[str, ...]] = (*FourierEmbedding.decisive, "num_embeddings", "exponent", "shift")

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        frequencies: str | Sequence[int] = "harmonic",
        period: int | None = None,
        mlp: str = "linear",
        exponent: float = 1.0,
        shift: float = 1.0,
        frequency_seed: int = 0,
    ):
        super().__init__(num_embeddings, embedding_dim, frequencies, "fourier", period, mlp, frequency_seed)
        if not (math.isfinite(exponent) and exponent >= 0 and math.isfinite(shift) and shift > 0):
            raise ConfigError(
                f"companding needs a finite exponent from 0 and a finite shift above 0, got {exponent} and {shift}. Try 1."
            )
        self.exponent, self.shift = float(exponent), float(shift)

    def spaced(self, token_ids: Tensor) -> Tensor:
        last = self.num_embeddings - 1
        return self._integral(token_ids.double()) * (last / float(self._integral(torch.tensor(float(last)).double())))

    def _integral(self, ids: Tensor) -> Tensor:
        """Return the integral of ``(t / shift + 1)^-exponent`` over t from 0 to each id."""
        grown, power = torch.log1p(ids / self.shift), 1 - self.exponent
        return self.shift * (grown if power == 0 else torch.expm1(power * grown) / power)

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "exponent": self.exponent, "shift": self.shift}

    def in_words(self, settings: Mapping[str, Any]) -> str:
        companding = f"exponent {settings['exponent']}, shift {settings['shift']}"
        return f"{super().in_words(settings)}, {companding}"


class CountCompandedEmbedding(SpacedEmbedding):
    """The Fourier embedding of ids at their place in the cumulative distribution of the tokens of the training text.

    Id p moves to ``u(p) = (V - 1) (m(p) - m(0)) / (m(V - 1) - m(0))``, where ``m(p) = n(0) + ... + n(p - 1) + n(p) / 2`` is
    the middle of its share and ``n`` are counts plus one: equal counts leave ids as they are. Parameters: the map's,
    ``d² + d`` if linear, and d; stored bits: 32 for each and for each of the V counts, and those of the frequency set.

    Args:
        num_embeddings, embedding_dim: V and an even d.
        frequencies, period, mlp, frequency_seed: As in :class:`fourier_lab.FourierEmbedding`.

    Source: histogram equalisation as in image processing, of ids.
    """

    decisive: ClassVar[tuple[str, ...]] = (*FourierEmbedding.decisive, "num_embeddings")
    counts: Tensor

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        frequencies: str | Sequence[int] = "harmonic",
        period: int | None = None,
        mlp: str = "linear",
        frequency_seed: int = 0,
    ):
        super().__init__(num_embeddings, embedding_dim, frequencies, "fourier", period, mlp, frequency_seed)
        self.register_buffer("counts", torch.zeros(self.num_embeddings, dtype=torch.int32))

    def set_counts(self, counts: Tensor) -> None:
        """Take over how often each id occurs in the training text, integers ``(V,)``.

        Raises:
            ConfigError: If they are not V numbers from 0.
        """
        if counts.shape != self.counts.shape or bool((counts < 0).any()):
            raise ConfigError(
                f"companding needs {self.num_embeddings} counts from 0, one for each id, got shape {tuple(counts.shape)}, "
                f"least {counts.min().item() if counts.numel() else 'none'}. Count the ids of a text."
            )
        self.counts.copy_(counts)

    def spaced(self, token_ids: Tensor) -> Tensor:
        n = self.counts.double() + 1
        middle = n.cumsum(0) - n / 2
        first, last = middle[0], middle[-1]
        return (middle[token_ids.long()] - first) * ((self.num_embeddings - 1) / (last - first))


def expansion(places: Tensor, frequencies: Tensor, period: int) -> Tensor:
    """Return T at places that need not be whole: float32 ``(..., 2 K)`` of frequencies ``(K,)``, both float64."""
    return waves((2 * places - period).unsqueeze(-1) * frequencies * (math.pi / period)) / math.sqrt(2)
