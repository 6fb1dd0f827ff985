"""Settings of the rival embeddings, with their parameters as closed formulas, known without torch.

Every count of ``parameters(vocab_size, width)`` includes the d of the final RMSNorm.
"""

from dataclasses import dataclass

from ...errors import ConfigError
from .factors import digit_base, tensor_shapes

MAPS = ("none", "linear", "geglu", "geglu_quarter", "silu")


def map_parameters(mlp: str, d: int) -> int:
    """Return the parameters of the map of a fixed code of width d, see :func:`fourier_lab.embeddings.fourier.build_mlp`."""
    linear = d * d + d
    hidden = {"geglu": 4 * d, "geglu_quarter": max(1, d // 4)}
    if mlp in hidden:
        return 2 * (d + 1) * hidden[mlp] + (hidden[mlp] + 1) * d
    return {"none": 0, "linear": linear, "silu": 2 * linear}[mlp]


@dataclass(frozen=True)
class MappedSettings:
    """A fixed code of width d under the run's own map, as T(p) is."""

    mlp: str = "linear"

    def parameters(self, vocab_size: int, width: int) -> int:
        return map_parameters(self.mlp, width) + width


@dataclass(frozen=True)
class FactorisedSettings:
    """ALBERT; ``rank`` is the width of the table."""

    rank: int = 16

    def parameters(self, vocab_size: int, width: int) -> int:
        return self.rank * (vocab_size + width) + width


@dataclass(frozen=True)
class AdaptiveSettings:
    """Bands of ids ``[0, cutoffs[0])``, ``[cutoffs[0], cutoffs[1])``, ...; ``widths`` are those of their tables.

    Bands above the vocabulary are left out.
    """

    cutoffs: tuple[int, ...] = (2000, 10000)
    widths: tuple[int, ...] = (64, 16, 4)

    def bands(self, vocab_size: int) -> list[tuple[int, int, int]]:
        """Return first id, number of ids and width of each band that holds ids.

        Raises:
            ConfigError: If cutoffs do not rise from 1, or there is not one width more than cutoffs.
        """
        starts = (0, *self.cutoffs)
        rising = all(first < second for first, second in zip(starts, starts[1:], strict=False))
        if not rising or len(self.widths) != len(starts) or min(self.widths) < 1:
            raise ConfigError(
                f"bands need rising cutoffs above 0 and one positive width more than cutoffs, got cutoffs {self.cutoffs} "
                f"and widths {self.widths}. Try cutoffs (2000, 10000) and widths (64, 16, 4)."
            )
        ends = (*self.cutoffs, vocab_size)
        found = zip(starts, ends, self.widths, strict=True)
        return [(low, min(end, vocab_size) - low, width) for low, end, width in found if low < vocab_size]

    def parameters(self, vocab_size: int, width: int) -> int:
        return sum((count + width) * narrow for _, count, narrow in self.bands(vocab_size)) + width


@dataclass(frozen=True)
class TensorTrainSettings:
    """TT-Rec with three cores; ``rank`` is both inner ranks."""

    rank: int = 16

    def parameters(self, vocab_size: int, width: int) -> int:
        (p1, p2, p3), (q1, q2, q3) = tensor_shapes(vocab_size, width)
        return self.rank * (p1 * q1 + p3 * q3) + self.rank**2 * p2 * q2 + width


@dataclass(frozen=True)
class Word2KetSettings:
    """word2ketXS: ``rank`` sums of tensor products of ``order`` small matrices."""

    order: int = 2
    rank: int = 12

    def parameters(self, vocab_size: int, width: int) -> int:
        return self.rank * self.order * digit_base(vocab_size, self.order) * digit_base(width, self.order) + width


@dataclass(frozen=True)
class HashedSettings:
    """The hashing trick; ``buckets`` rows for all ids."""

    buckets: int = 1024

    def parameters(self, vocab_size: int, width: int) -> int:
        return (self.buckets + 1) * width


@dataclass(frozen=True)
class HashEmbeddingsSettings:
    """Hash embeddings; ``importance`` is the number of rows of weights, one for each id if None."""

    buckets: int = 1024
    hashes: int = 2
    importance: int | None = None

    def parameters(self, vocab_size: int, width: int) -> int:
        return (self.buckets + 1) * width + self.hashes * (self.importance or vocab_size)


@dataclass(frozen=True)
class BloomSettings:
    """Bloom embeddings; each id sums ``hashes`` of ``buckets`` rows."""

    buckets: int = 1024
    hashes: int = 4

    def parameters(self, vocab_size: int, width: int) -> int:
        return (self.buckets + 1) * width


@dataclass(frozen=True)
class CanineSettings:
    """CANINE; ``hashes`` tables of ``buckets`` rows of width d / ``hashes``, side by side."""

    buckets: int = 1024
    hashes: int = 8

    def parameters(self, vocab_size: int, width: int) -> int:
        return (self.buckets + 1) * width


@dataclass(frozen=True)
class SignatureSettings:
    """Multi-hash signatures; ``hashes`` tables of ``buckets`` rows, no two ids with the same rows."""

    buckets: int = 64
    hashes: int = 4

    def parameters(self, vocab_size: int, width: int) -> int:
        return (self.hashes * self.buckets + 1) * width


@dataclass(frozen=True)
class QuotientRemainderSettings:
    """Quotient and remainder by ``modulus``, the root of V if None; rows ``multiply``, ``add`` or ``concatenate``."""

    modulus: int | None = None
    operation: str = "multiply"

    def divisor(self, vocab_size: int) -> int:
        """Return the modulus m."""
        return digit_base(vocab_size, 2) if self.modulus is None else self.modulus

    def parameters(self, vocab_size: int, width: int) -> int:
        rows = -(-vocab_size // self.divisor(vocab_size)) + self.divisor(vocab_size)
        return rows * (width // 2 if self.operation == "concatenate" else width) + width


@dataclass(frozen=True)
class RobeSettings:
    """ROBE; one array of ``size`` numbers, read in blocks of ``block``."""

    size: int = 65536
    block: int = 8

    def parameters(self, vocab_size: int, width: int) -> int:
        return self.size + width


@dataclass(frozen=True)
class DeepHashSettings:
    """Deep hash embedding; ``hashes`` numbers of an id, then ``layers`` of width ``hidden``."""

    hashes: int = 128
    hidden: int = 128
    layers: int = 2

    def parameters(self, vocab_size: int, width: int) -> int:
        inner = (self.layers - 1) * (self.hidden + 1) * self.hidden
        return (self.hashes + 1) * self.hidden + inner + (self.hidden + 1) * width + width


@dataclass(frozen=True)
class AloneSettings:
    """ALONE; filters from ``codebooks`` of ``codes`` random vectors, map with a hidden layer of width ``hidden``."""

    hidden: int = 128
    codebooks: int = 8
    codes: int = 64

    def parameters(self, vocab_size: int, width: int) -> int:
        return width + 2 * width * self.hidden + width


@dataclass(frozen=True)
class LeviathanSettings:
    """LEV; ``digits`` of an id, ``seed_width`` numbers, ``heads`` of ``rank`` products of splines on ``knots``."""

    digits: int = 3
    seed_width: int = 64
    heads: int = 4
    knots: int = 16
    rank: int = 8

    def parameters(self, vocab_size: int, width: int) -> int:
        codebooks = self.digits * digit_base(vocab_size, self.digits) * self.seed_width
        per_head = self.seed_width * (self.seed_width + 2 + self.knots * self.rank) + self.rank * width
        return codebooks + self.heads * per_head + width


@dataclass(frozen=True)
class DCTSettings:
    """The lowest ``coefficients`` of a discrete cosine transform along the ids."""

    coefficients: int = 256

    def parameters(self, vocab_size: int, width: int) -> int:
        return self.coefficients * width + width


@dataclass(frozen=True)
class FrozenRandomSettings(MappedSettings):
    """Random rows that follow from a seed."""


@dataclass(frozen=True)
class FrozenBinarySettings(MappedSettings):
    """The bits of an id, ``recoded`` by a random invertible affine map or as they are."""

    recoded: bool = False


@dataclass(frozen=True)
class SinusoidalSettings(MappedSettings):
    """Sines and cosines of the id itself, periods from 2 pi to 2 pi ``base`` ids."""

    base: float = 10000.0


@dataclass(frozen=True)
class LearnedFrequenciesSettings(MappedSettings):
    """Frequencies that start at a named set and are learned."""

    frequencies: str | tuple[int, ...] = "harmonic"
    period: int | None = None

    def parameters(self, vocab_size: int, width: int) -> int:
        return super().parameters(vocab_size, width) + width // 2


@dataclass(frozen=True)
class CompandedSettings(MappedSettings):
    """Ids spaced by a density ``(p + shift)^-exponent``: 0 leaves them as they are, 1 is log-rank, Zipf's law."""

    frequencies: str | tuple[int, ...] = "harmonic"
    period: int | None = None
    exponent: float = 1.0
    shift: float = 1.0


@dataclass(frozen=True)
class CountCompandedSettings(MappedSettings):
    """Ids at their place in the cumulative distribution of the training text's tokens, whose V counts are stored."""

    frequencies: str | tuple[int, ...] = "harmonic"
    period: int | None = None


@dataclass(frozen=True)
class ByteWavesSettings:
    """Bytes and positions as ``n_phases`` random phases, ``mapped`` or as they are."""

    n_phases: int = 128
    mapped: bool = True

    def parameters(self, vocab_size: int, width: int) -> int:
        return 2 * self.n_phases * width * self.mapped + width


@dataclass(frozen=True)
class KroneckerSettings:
    """One-hot bytes times one-hot places, of the first ``positions`` bytes."""

    positions: int = 16

    def parameters(self, vocab_size: int, width: int) -> int:
        return 256 * self.positions * width + width


@dataclass(frozen=True)
class NgramsSettings:
    """Character n-grams from ``shortest`` to ``longest`` in ``buckets`` shared rows."""

    buckets: int = 1024
    shortest: int = 3
    longest: int = 6

    def parameters(self, vocab_size: int, width: int) -> int:
        return (self.buckets + 1) * width
