"""Codes of the spelling: rows that follow from what a token is written with, whatever its id."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import ConfigError
from .coded import CodedEmbedding, gaussian

_BYTES = 256
_FNV_START, _FNV_PRIME, _WORD = 2166136261, 16777619, 2**32


class SpellingEmbedding(CodedEmbedding):
    """Base of codes that bundle rows of a table, one for each part of a token's spelling: ``L^-1/2 sum_i T[k_i]``.

    The parts come from :meth:`set_words`, which an encoder calls with its tokenizer's tokens. They are not among the stored
    bits, since a tokenizer has them for every embedding. Weights of other words are refused.
    """

    keys: Tensor | None
    starts: Tensor

    def __init__(
        self, num_embeddings: int, embedding_dim: int, counts: Mapping[str, int], others: Mapping[str, object],
        seed: int | None = None,
    ):  # fmt: skip
        super().__init__(num_embeddings, embedding_dim, counts, {"words": "not known", **others}, seed)
        self.register_buffer("keys", None, persistent=False)  # of all tokens, one after the other
        self.register_buffer("starts", torch.zeros(num_embeddings + 1, dtype=torch.int64), persistent=False)

    def places(self, word: str) -> list[int]:
        """Return the rows of the table that a token bundles."""
        raise NotImplementedError

    def set_words(self, words: Sequence[str]) -> None:
        """Take over the token of every id, as the vocabulary writes it.

        Raises:
            ConfigError: If there is not one for each id.
        """
        if len(words) != self.num_embeddings:
            raise ConfigError(
                f"{type(self).__name__} has {self.num_embeddings} ids but was given {len(words)} words. Pass the token of "
                "every id, in order."
            )
        places = [self.places(word) for word in words]
        device = self.starts.device
        self.keys = torch.tensor([key for each in places for key in each], dtype=torch.int64, device=device)
        self.starts = torch.tensor([0, *map(len, places)], device=device).cumsum(0)
        self._settings["words"] = hashlib.sha256("\n".join(words).encode()).hexdigest()[:12]

    def bundle(self, token_ids: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """Return the bundles ``(n, width)`` of ids ``(n,)`` from a table ``(rows, width)``, and L ``(n, 1)``, at least 1."""
        if self.keys is None:
            raise ConfigError(
                f"{type(self).__name__} does not know yet how its ids are spelled. Give the encoder a tokenizer, or call "
                "set_words with the token of every id."
            )
        first, count = self.starts[token_ids], self.starts[token_ids + 1] - self.starts[token_ids]
        length = count.clamp(min=1).unsqueeze(-1).to(table.dtype)
        if torch.compiler.is_exporting():  # a graph has no sizes that depend on values: all tokens are bundled
            sums = F.embedding_bag(self.keys, table, self.starts[:-1], mode="sum")[token_ids]
        else:
            offset = count.cumsum(0) - count
            within = torch.arange(int(count.sum()), device=token_ids.device)
            keys = self.keys[torch.repeat_interleave(first - offset, count) + within]
            sums = F.embedding_bag(keys, table, offset, mode="sum")
        return sums / length.sqrt(), length


class ByteWavesEmbedding(SpellingEmbedding):
    """Bind bytes to their positions as phases and bundle them: ``c_j = (2 / L)^1/2 sum_p exp(i (a_j byte_p + b_j p))``.

    Phases ``a, b`` are drawn from [-pi, pi), so that different bytes, or positions, are nearly orthogonal. Real and
    imaginary parts go through a map, ``row = W c``. Parameters ``2 K d + d``, or d without the map; stored bits: 32 for
    each, and 64 of the seed.

    Args:
        num_embeddings, embedding_dim: V and d.
        n_phases: K, complex numbers of the code; more tell longer spellings apart.
        mapped: Whether there is a map; without one the code itself is the row, and 2 K must be d.
        seed: Seed of the phases.

    Source: Plate 1995, holographic reduced representations, in the frequency domain; positions as powers of one phase are
    those of Frady et al. 2021 (arXiv:2109.03429).
    """

    waves: Tensor

    def __init__(
        self, num_embeddings: int, embedding_dim: int, n_phases: int = 128, mapped: bool = True, seed: int = 0
    ):
        super().__init__(num_embeddings, embedding_dim, {"n_phases": n_phases}, {"mapped": mapped}, seed)
        if not mapped and 2 * n_phases != embedding_dim:
            raise ConfigError(
                f"a code that is not mapped has 2 n_phases ({2 * n_phases}) numbers, and rows have {embedding_dim}. Set "
                f"n_phases to d_model / 2, or mapped to true."
            )
        self.phases = np.random.default_rng(seed).uniform(-math.pi, math.pi, (2, n_phases))
        self.map = gaussian(2 * n_phases, embedding_dim, std=(2 * n_phases) ** -0.5) if mapped else None
        self.register_buffer("waves", torch.zeros(0, 2 * n_phases), persistent=False)

    def places(self, word: str) -> list[int]:
        return byte_places(word)

    def set_words(self, words: Sequence[str]) -> None:
        super().set_words(words)
        assert self.keys is not None
        used, self.keys = torch.unique(self.keys, return_inverse=True)
        position, byte = (part.cpu().double().unsqueeze(-1).numpy() for part in (used // _BYTES, used % _BYTES))
        angles = self.phases[0] * byte + self.phases[1] * position
        waves = math.sqrt(2) * np.concatenate([np.cos(angles), np.sin(angles)], axis=-1)
        self.waves = torch.from_numpy(waves).to(self.waves)

    def rows(self, token_ids: Tensor) -> Tensor:
        code, _ = self.bundle(token_ids, self.waves)
        return code if self.map is None else code.to(self.map.dtype) @ self.map


class KroneckerEmbedding(SpellingEmbedding):
    """One-hot bytes times one-hot positions, z-normalised, under a map: ``row = W z(L^-1/2 sum_p e_byte_p x e_p)``.

    Parameters ``256 P d + d``; stored bits: 32 for each.

    Args:
        num_embeddings, embedding_dim: V and d.
        positions: P; bytes beyond it are not read.

    Source: Shravan 2026 (arXiv:2605.29459), without the map's bias.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, positions: int = 16):
        super().__init__(num_embeddings, embedding_dim, {"positions": positions}, {})
        self.positions = positions
        self.map = gaussian(_BYTES * positions, embedding_dim, std=(_BYTES * positions) ** -0.5)

    def places(self, word: str) -> list[int]:
        return byte_places(word, self.positions)

    def rows(self, token_ids: Tensor) -> Tensor:
        bundle, length = self.bundle(token_ids, self.map)
        size = len(self.map)  # of a code with L numbers of L^-1/2 and zeros
        mean, deviation = length.sqrt() / size, (1 / size - length / size**2).sqrt()
        return (bundle - mean * self.map.sum(0)) / deviation


class NgramsEmbedding(SpellingEmbedding):
    """Bundle a shared row for each n-gram of characters of ``<token>``, and one for the whole of it.

    Parameters ``B d + d``; stored bits: 32 for each.

    Args:
        num_embeddings, embedding_dim: V and d.
        buckets: B, rows for all n-grams, which a hash shares out.
        shortest, longest: Characters of an n-gram, ends included.

    Source: Bojanowski et al. 2017 (arXiv:1607.04606), fastText, with its hash. There a word has a row of its own beside its
    n-grams; here, where no table shall be, that is one of the shared rows.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, buckets: int = 1024, shortest: int = 3, longest: int = 6
    ):
        counts = {"buckets": buckets, "shortest": shortest, "longest": longest}
        super().__init__(num_embeddings, embedding_dim, counts, {})
        if longest < shortest:
            raise ConfigError(f"longest ({longest}) must be at least shortest ({shortest}). Try 3 and 6.")
        self.buckets, self.lengths = buckets, range(shortest, longest + 1)
        self.table = gaussian(buckets, embedding_dim)

    def places(self, word: str) -> list[int]:
        marked = f"<{word}>"
        grams = [marked[i : i + n] for n in self.lengths for i in range(len(marked) - n + 1)]
        if len(marked) not in self.lengths:
            grams.append(marked)
        return [fnv_hash(gram) % self.buckets for gram in grams]

    def rows(self, token_ids: Tensor) -> Tensor:
        return self.bundle(token_ids, self.table)[0]


def byte_places(word: str, positions: int | None = None) -> list[int]:
    """Return ``256 p + byte_p`` of the UTF-8 bytes of a word, of the first ``positions`` alone if given."""
    return [_BYTES * position + byte for position, byte in enumerate(word.encode()[:positions])]


@lru_cache(maxsize=2**18)
def fnv_hash(text: str) -> int:
    """Return the 32-bit FNV-1a hash of a text's UTF-8 bytes, read as signed ones, as fastText does.

    Example:
        >>> hex(fnv_hash("foobar"))
        '0xbf9cf968'
    """
    value = _FNV_START
    for byte in text.encode():
        value = (value ^ (byte - 256 if byte > 127 else byte) % _WORD) * _FNV_PRIME % _WORD
    return value
