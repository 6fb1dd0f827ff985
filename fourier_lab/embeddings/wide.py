"""A Fourier embedding with as many frequencies as one likes: more of them tell more ids apart at the same width."""

import math

import torch
from torch import Tensor, nn

from ..errors import ConfigError
from .basis import fourier_features
from .frequencies import is_integer, resolve_period
from .frequency_sets import choose_frequencies
from .rivals.coded import CodedEmbedding


class WideFourierEmbedding(CodedEmbedding):
    """``E(p) = RMSNorm(W T(p))`` with K frequencies and a map W of shape ``d x 2K``, without the skip that needs K = d / 2.

    With K = V / 2 it can be any table; with fewer, tables whose columns have no other frequencies along the ids. Parameters:
    ``2 K d + d``; stored bits: 32 for each, and 64 for a seed.

    Args:
        num_embeddings, embedding_dim: V and d.
        frequencies: Name of a frequency set, see :func:`fourier_lab.frequency_set`.
        period: Period of the ids; V - 1 if None.
        n_frequencies: K.
        frequency_seed: Seed of a set that is drawn.

    Raises:
        ConfigError: If K is no positive integer or the set has not so many.
    """

    waves: Tensor

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        frequencies: str = "mixed",
        period: int | None = None,
        n_frequencies: int = 512,
        frequency_seed: int = 0,
    ):
        if not is_integer(n_frequencies) or n_frequencies < 1:
            raise ConfigError(f"n_frequencies must be a positive integer, got {n_frequencies!r}. Try {embedding_dim}.")
        chosen = choose_frequencies(frequencies, num_embeddings, 2 * n_frequencies, period, frequency_seed)
        settings = {"frequencies": frequencies, "period": period}
        super().__init__(num_embeddings, embedding_dim, {"n_frequencies": n_frequencies}, settings, seed=frequency_seed)
        self.period, self.frequencies = period, chosen.tolist()
        self.register_buffer("waves", torch.from_numpy(chosen), persistent=False)
        self.map = nn.Linear(2 * n_frequencies, embedding_dim, bias=False)
        nn.init.normal_(self.map.weight, std=1 / math.sqrt(embedding_dim))

    def rows(self, token_ids: Tensor) -> Tensor:
        waves = fourier_features(token_ids, self.waves, resolve_period(self.num_embeddings, self.period))
        return self.map(waves.to(self.map.weight.dtype))

    @property
    def extra_bits(self) -> int:
        """Bits kept beside the parameters: those of the seed, if the set is drawn with it."""
        return 0 if self._settings["frequencies"] in ("harmonic", "log") else 64
