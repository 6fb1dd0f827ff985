"""The fixed expansion T(p) of a token id: frequency sets, the Fourier basis, and the polynomial alternatives."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy import polynomial
from torch import Tensor

from ..errors import ConfigError
from .frequencies import check_polynomials, check_width, resolve_period
from .frequency_sets import choose_frequencies

_LARGE = 1e100  # of a float64, which ends at 1e308

# torch's other unsigned types have neither minimum nor indexing.
_ID_TYPES = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def check_id_type(token_ids: Tensor) -> None:
    """Raise :class:`ConfigError` unless ``token_ids`` are a tensor that holds ids exactly and that torch can index by."""
    if not isinstance(token_ids, Tensor):
        raise ConfigError(
            f"token ids must be a tensor of integers, got {type(token_ids).__name__}. Use torch.as_tensor(ids)."
        )
    if token_ids.dtype not in _ID_TYPES:
        raise ConfigError(
            f"token ids must be integers, at most int64 and unsigned only as uint8, got {token_ids.dtype}. Use .long()."
        )


def check_token_ids(token_ids: Tensor, vocab_size: int) -> None:
    """Raise :class:`ConfigError` unless ``token_ids`` are integers in ``0..vocab_size-1`` (any shape).

    The range is not checked under ``torch.compile``, whose graph cannot depend on values.
    """
    check_id_type(token_ids)
    if not torch.compiler.is_compiling() and token_ids.numel():
        low, high = int(token_ids.min()), int(token_ids.max())
        if low < 0 or high >= vocab_size:
            raise ConfigError(
                f"token ids must lie in 0..{vocab_size - 1} (vocab_size {vocab_size}), got {low}..{high}. "
                "Check that the tokenizer and the model share one vocabulary."
            )


def normalise_token_ids(token_ids: Tensor, vocab_size: int, period: int | None = None) -> Tensor:
    """Map ids to ``x = 2 p / M - 1`` in float64, dimensionless; in [-1, 1] when M is ``vocab_size - 1``, its default.

    Args:
        token_ids: Integer ids ``p`` of any shape, each in ``0..vocab_size-1``.
        vocab_size: V, the number of ids.
        period: M in ids. The released code used 127, which sends x up to ``2 (V-1) / 127 - 1``.

    Raises:
        ConfigError: If an id is not an integer in range, or M is not positive.

    Source: Ndubuaku & Talhi 2025 (arXiv:2505.02266), Methodology.
    """
    check_token_ids(token_ids, vocab_size)
    return token_ids.double() * (2.0 / resolve_period(vocab_size, period)) - 1.0


def frequency_set(
    frequencies: str | Sequence[int] | Tensor, vocab_size: int, d_model: int, period: int | None = None, seed: int = 0
) -> Tensor:
    """Return the K = ``d_model / 2`` distinct integer frequencies of a named set, in whole cycles per period.

    ``harmonic`` is 1..K (the paper; a low-pass filter over the id axis), ``log`` spaces integers about geometrically from
    1 to below M/2, ``random`` draws distinct integers below M/2 (a nearly white code), ``mixed`` has the K / 4 lowest
    harmonics and draws the rest. Given integers are used as they are.

    Args:
        frequencies: Name of a set, or K integers >= 1 as a list, array or tensor; above M/2 they alias
            lower ones. A set may be a plug-in's, ``module:function`` of V, K and a seed.
        vocab_size: V, the number of ids.
        d_model: Even width of the expansion.
        period: M in ids; ``vocab_size - 1`` by default.
        seed: Seed of the ``random`` and ``mixed`` sets; the others ignore it.

    Returns:
        Tensor: int64 ``(K,)``. ``random`` and ``mixed`` are sorted ascending.

    Raises:
        ConfigError: If the name is unknown, the list has the wrong length or values, or fewer than K integers lie below M/2
            and the set is not ``harmonic``, which goes on above M/2.

    Example:
        >>> frequency_set("log", vocab_size=1001, d_model=8)
        tensor([  1,   8,  63, 499])
    """
    chosen = choose_frequencies(frequencies, vocab_size, d_model, period, seed)  # type: ignore[arg-type]  # a tensor is a list
    return torch.from_numpy(chosen)


def fourier_features(token_ids: Tensor, frequencies: Tensor, period: int) -> Tensor:
    """Evaluate sine and cosine features of already checked ids; see :func:`fourier_basis` for the public form.

    ``k π x = k (2 p - M) π / M``, and ``k (2 p - M) mod 2 M`` is an integer: reducing it exactly before the only rounding
    keeps every feature within 1e-6 of the true value for V up to 2^30, where a float32 ``k π x`` loses digits in proportion
    to k.
    """
    half_turns = (2 * token_ids - period).unsqueeze(-1) * (frequencies % (2 * period))
    # Centred phases keep the angle within [-π, π], where float32 spacing is smallest.
    phase = torch.remainder(half_turns + period, 2 * period) - period
    angle = phase.float() * (math.pi / period)
    # A complex number holds sine and cosine side by side: much faster than stacking along the last dimension.
    return torch.view_as_real(torch.complex(torch.sin(angle), torch.cos(angle))).flatten(-2)


def fourier_basis(
    token_ids: Tensor,
    vocab_size: int,
    d_model: int,
    frequencies: str | Sequence[int] = "harmonic",
    period: int | None = None,
    seed: int = 0,
) -> Tensor:
    """Evaluate T(p): ``d_model`` sine and cosine functions of the normalised token id.

    Column ``2j`` is ``sin(k_j π x)`` and column ``2j+1`` is ``cos(k_j π x)`` with ``x = 2 p / M - 1``. Every row has the
    norm ``sqrt(d_model / 2)``, and ids 0 and M share one row because the period is M.

    Args:
        token_ids: Integer ids of any shape ``(...)``, each in ``0..vocab_size-1``.
        vocab_size: V, the number of ids.
        d_model: Width, even and positive. More columns separate neighbouring ids better and cost one sine each.
        frequencies: Named set or ``d_model / 2`` integers, see :func:`frequency_set`.
        period: M in ids; ``vocab_size - 1`` by default. 127 gives the released code's 127 distinct rows.
        seed: Seed of the ``random`` and ``mixed`` sets.

    Returns:
        Tensor: float32 ``(..., d_model)`` in [-1, 1], within 1e-6 of the exact value.

    Raises:
        ConfigError: If an id, the width, the period or the frequencies break their rule.

    Example:
        >>> fourier_basis(torch.tensor([0, 1]), vocab_size=5, d_model=2).round(decimals=4) + 0.0
        tensor([[ 0., -1.],
                [-1.,  0.]])

    Source: Ndubuaku & Talhi 2025 (arXiv:2505.02266), Methodology, definition of T(p).
    """
    m = resolve_period(vocab_size, period)
    check_token_ids(token_ids, vocab_size)
    chosen = frequency_set(frequencies, vocab_size, d_model, period, seed).to(token_ids.device)
    return fourier_features(token_ids.long(), chosen, m)


def polynomial_basis(token_ids: Tensor, vocab_size: int, d_model: int, name: str, period: int | None = None) -> Tensor:
    """Evaluate ``d_model`` orthonormal polynomials of degree 1..d_model at the token ids, as bounded features.

    Each family is orthonormal under its own weight and evaluated in a form that stays finite: Chebyshev and Legendre on
    ``x`` in [-1, 1]; Hermite and Laguerre as weighted *functions* (the square root of the weight included) on the interval
    that holds their oscillations, ``±sqrt(2 d + 1)`` and ``[0, 4 d + 2]``. The published kernels evaluate the bare
    polynomials on [-1, 1], where Hermite and Laguerre overflow float32 at degree 50.

    Args:
        token_ids: Integer ids ``(...)`` in ``0..vocab_size-1``.
        vocab_size: V, the number of ids.
        d_model: Number of polynomials, even as for the Fourier basis.
        name: One of ``chebyshev``, ``legendre``, ``hermite``, ``laguerre``.
        period: ``vocab_size - 1`` or None, which mean the same: the families have no period, ids fill the interval.

    Returns:
        Tensor: float32 ``(..., d_model)``; the mean square over the vocabulary is 1/2 per column, as for the Fourier basis.

    Raises:
        ConfigError: If the name is unknown, an id is out of range, or ``period`` is another one.

    Source: Ndubuaku & Talhi 2025, section on alternative bases; recurrences by numpy.polynomial.
    """
    resolve_period(vocab_size, period)
    check_token_ids(token_ids, vocab_size)
    check_width(d_model)
    check_polynomials(name, vocab_size, period)
    x = np.linspace(-1.0, 1.0, vocab_size)
    if name == "chebyshev":
        table = polynomial.chebyshev.chebvander(x, d_model)[:, 1:]
    elif name == "legendre":
        table = polynomial.legendre.legvander(x, d_model)[:, 1:]
    elif name == "hermite":
        table = _hermite_functions(x * math.sqrt(2 * d_model + 1), d_model)
    else:
        table = _laguerre_functions((x + 1.0) * (2 * d_model + 1), d_model)
    table *= np.sqrt(0.5 / np.mean(table**2, axis=0))
    return torch.from_numpy(table.astype(np.float32)).to(token_ids.device)[token_ids.long()]


def _hermite_functions(z: np.ndarray, degree: int) -> np.ndarray:
    """Hermite functions of degree 1 to ``degree``, ``(len(z), degree)``."""
    log_weight = -(z**2) / 2 - math.log(math.pi) / 4
    return _weighted(log_weight, degree, lambda n, p, c: math.sqrt(2 / n) * z * c - math.sqrt((n - 1) / n) * p)


def _laguerre_functions(z: np.ndarray, degree: int) -> np.ndarray:
    """Laguerre polynomials of degree 1 to ``degree`` times the root of their weight, ``(len(z), degree)``."""
    return _weighted(-z / 2, degree, lambda n, p, c: ((2 * n - 1 - z) * c - (n - 1) * p) / n)


def _weighted(
    log_weight: np.ndarray, degree: int, step: Callable[[int, np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Follow a three-term recurrence from the constant 1, each column times ``exp(log_weight)``.

    Bare polynomials overflow where the weight vanishes, so that large values are scaled down on the way, and the scale is
    put into the weight.
    """
    previous, current, log_scale = np.zeros_like(log_weight), np.ones_like(log_weight), log_weight.copy()
    columns = []
    for n in range(1, degree + 1):
        previous, current = current, step(n, previous, current)
        large = np.abs(current) > _LARGE
        previous, current = (np.where(large, values / _LARGE, values) for values in (previous, current))
        log_scale += np.where(large, math.log(_LARGE), 0.0)
        columns.append(current * np.exp(log_scale))
    return np.stack(columns, axis=-1)
