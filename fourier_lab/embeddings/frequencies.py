"""What sizes, periods, bases and frequency sets an expansion may have; needs no numpy, as the command line's help."""

from numbers import Integral

from ..errors import ConfigError
from ..plugins import Kind

FREQUENCY_SETS = ("harmonic", "log", "random")  # those that the study's figures compare; ``mixed`` is a rival
POLYNOMIALS = ("chebyshev", "legendre", "hermite", "laguerre")
BASES = ("fourier", *POLYNOMIALS)
_INT64 = 2**63


def is_integer(value: object) -> bool:
    """Say whether ``value`` is an integer of Python or numpy; a truth value is none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def check_width(d_model: int) -> None:
    """Raise :class:`ConfigError` unless ``d_model`` is an even positive integer."""
    if not is_integer(d_model) or d_model <= 0 or d_model % 2:
        near = f"Try {max(2, d_model - 1)} or {d_model + 1}." if is_integer(d_model) and d_model > 0 else "Try 128."
        raise ConfigError(
            f"d_model ({d_model}) must be even, positive and an integer; sines and cosines come in pairs. {near}"
        )


def resolve_period(vocab_size: int, period: int | None = None) -> int:
    """Return M, the number of id steps in one period: ``vocab_size - 1`` as in the paper unless ``period`` is given."""
    if not is_integer(vocab_size) or vocab_size < 2:
        raise ConfigError(
            f"vocab_size ({vocab_size}) must be an integer, at least 2. Pass the number of ids of the tokenizer."
        )
    if period is not None and (not is_integer(period) or period < 1):
        raise ConfigError(
            f"period ({period}) must be a positive number of ids, and whole. Leave it out for vocab_size - 1."
        )
    v, m = int(vocab_size), int(vocab_size) - 1 if period is None else int(period)
    if 2 * m * max(2 * v, m) >= _INT64:
        raise ConfigError(
            f"vocab_size ({v}) and period ({m}) are too large for exact phases in 64 bits. Stay below 2^30 ids."
        )
    return m


def check_polynomials(name: str, vocab_size: int, period: int | None) -> None:
    """Raise :class:`ConfigError` unless ``name`` is a polynomial family and ``period`` is None or ``vocab_size - 1``."""
    if name not in POLYNOMIALS:
        raise ConfigError(f"unknown basis {name!r}. Choose one of {', '.join(BASES)}.")
    if resolve_period(vocab_size, period) != vocab_size - 1:
        raise ConfigError(
            f"period ({period}) sends ids outside [-1, 1], where {name} polynomials explode, or leaves part of it empty: "
            f"it must be vocab_size - 1 ({vocab_size - 1}). Leave period out, or use basis 'fourier', which is periodic."
        )


FREQUENCIES = Kind(
    "fourier_lab.frequencies",
    "frequency set",
    {name: f"fourier_lab.embeddings.frequency_sets:{name}" for name in (*FREQUENCY_SETS, "mixed")},
)
