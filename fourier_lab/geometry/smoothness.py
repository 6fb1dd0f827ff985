"""How smooth a table is over the ids: steps from one id to the next, changes of sign, bandwidth."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import token_table

SHARES = (90, 99)  # of the variance, in %


def step_bound(degree: int, period: int) -> float:
    """Return the largest possible ``max_p |f(p + 1) - f(p)| / max_p |f(p) - b|`` of a trigonometric polynomial, at most 2.

    f has degree K and the constant term b, and p runs over the ids 0..M; one id is an angle of ``h = 2 π / M``. Let m be the
    largest ``|f - b|`` on the whole circle and write ``f - b = m sin φ``. Bernstein's inequality, in the form
    ``f'² + K² (f - b)² <= K² m²``, says that φ changes at most K times as fast as the place on the circle. Hence

    - from one id to the next φ changes by at most K h, and f by at most ``2 m sin(K h / 2)``;
    - some id lies within h / 2 of the peak, where ``|f - b|`` is still at least ``m cos(K h / 2)``.

    Their ratio is the bound, ``2 tan(π K / M)``: above ``2 π K / M``, the bound for the largest value on the circle, by a
    relative ``(π K / M)² / 3``. The wave of frequency K whose zeros and peaks all lie midway between ids attains it. From
    ``K = M / 4`` on it would exceed 2 and says nothing.

    Args:
        degree: K, the highest frequency, in cycles per period.
        period: M in ids.

    Example:
        >>> round(step_bound(128, 30521), 4)
        0.0264

    Source: Bernstein 1912, Szegő 1928 for the inequality; derived here for steps over ids.
    """
    return 2.0 if 4 * degree >= period else 2 * math.tan(math.pi * degree / period)


def relative_steps(table: ArrayLike, constant: NDArray[np.float64] | float = 0.0) -> NDArray[np.float64]:
    """Return ``max_p |f(p + 1) - f(p)| / max_p |f(p) - constant|`` of each column f, ``(d,)``, in [0, 2].

    Args:
        table: Rows ``(V, d)``.
        constant: Constant term of each column, ``(d,)`` or one number: no step comes from it.
    """
    rows = np.asarray(table, dtype=np.float64)
    return np.abs(np.diff(rows, axis=0)).max(axis=0) / np.abs(rows - constant).max(axis=0)


def sign_changes(table: ArrayLike) -> NDArray[np.int64]:
    """Return how often each column changes its sign from one id to the next, ``(d,)``."""
    positive = np.asarray(table) > 0
    return (positive[1:] != positive[:-1]).sum(axis=0)


def bandwidths(table: ArrayLike, shares: Sequence[float] = SHARES) -> list[float]:
    """Return the frequencies over the id axis up to which given shares of a table's variance lie, in cycles per V ids.

    White noise has its 90 % point at 0.45 V, T(p) with harmonics 1..K at 0.9 K.

    Args:
        table: Rows ``(V, d)``.
        shares: In %.
    """
    rows = np.asarray(table)
    # So many logarithmic bands that every frequency has its own.
    spectrum = token_table.id_spectrum(rows, bands=20 * len(rows))
    return [float(spectrum["frequency"][np.searchsorted(spectrum["share"], share / 100 - 1e-12)]) for share in shares]
