"""What T(p) can tell apart before any training: kernel, distances, shared rows and shares of tokens, in numbers.

Everything here follows from the frequencies k and the period M alone, so it is exact and cheap.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..columns import Columns, from_rows, stack
from ..embeddings.frequencies import resolve_period
from ..errors import ConfigError, DataError

# Questions of the same notebooks, which know them by this module's name.
from .conditioning import conditioning as conditioning
from .conditioning import phase_errors as phase_errors
from .conditioning import singular_values as singular_values


def cosine_kernel(frequencies: ArrayLike, period: int, lags: ArrayLike) -> NDArray[np.float64]:
    """Return the cosine between T(p) and T(p + lag), which is the same for every p.

    It is the mean of ``cos(2 π k lag / M)`` over the frequencies, and repeats every M ids. One Fourier transform of the
    frequency counts gives a whole period, aliases included.

    Args:
        frequencies: Integers ``(K,)``, whole cycles per period.
        period: M in ids.
        lags: Id differences of any shape, integers.

    Returns:
        float64 of the shape of ``lags``, in [-1, 1].

    Source: Rahimi & Recht 2007 for the kernel of a set of frequencies; derivation from the definition of T(p).
    """
    counts = np.bincount(np.remainder(np.asarray(frequencies), period), minlength=period)
    return (np.fft.fft(counts).real / counts.sum())[np.remainder(np.asarray(lags), period)]


def dirichlet_kernel(n_harmonics: int, period: int, lags: ArrayLike) -> NDArray[np.float64]:
    """Return the closed form of :func:`cosine_kernel` for the harmonics 1..K: a Dirichlet kernel, scaled to 1 at lag 0.

    ``(sin((K + 1/2) θ lag) / sin(θ lag / 2) - 1) / 2K`` with ``θ = 2 π / M``; the first zero lies near ``M / (2 K +
    1)`` ids.

    Args:
        n_harmonics: K, half the width.
        period: M in ids.
        lags: Id differences of any shape, integers.
    """
    half_angle = math.pi / period * np.remainder(np.asarray(lags), period)
    numerator, denominator = np.sin((2 * n_harmonics + 1) * half_angle), np.sin(half_angle)
    # At lag 0 the ratio tends to 2K + 1.
    ratio = np.divide(
        numerator, denominator, out=np.full(half_angle.shape, 2.0 * n_harmonics + 1), where=denominator > 0
    )
    return (ratio - 1) / (2 * n_harmonics)


def relative_distance(cosine: ArrayLike) -> NDArray[np.float64]:
    """Return the distance of two rows in units of their common norm: 0 for equal, ``sqrt(2)`` for unrelated ones."""
    return np.sqrt(np.maximum(0.0, 2.0 - 2.0 * np.asarray(cosine)))


def norm_for_one_nat(frequencies: ArrayLike, period: int, lag: int = 1) -> float:
    """Return the least norm of amplitudes a with ``a · (T(p) - T(p + lag))`` of one nat: 1 over the distance of the codes.

    It is the same for every p, and is reached by amplitudes that are spent on this one pair of ids; infinite where both have
    one code. For the hidden states of a head it holds up to the scale of its map.

    Args:
        frequencies: Integers ``(K,)``, whole cycles per period.
        period: M in ids.
        lag: Difference of the two ids.

    Example:
        >>> round(norm_for_one_nat(range(1, 129), 32768), 1)
        6.2
    """
    phases = np.remainder(np.asarray(frequencies) * lag, period)
    distance = 2 * np.linalg.norm(np.sin(math.pi / period * phases))
    return float(1 / distance) if distance else math.inf


def margin_columns(sets: Mapping[str, ArrayLike], lags: ArrayLike, period: int) -> Columns:
    """Return :func:`norm_for_one_nat` against the id difference for several sets of frequencies.

    Args:
        sets: Frequencies ``(K,)`` by label.
        lags: Id differences ``(n,)``, integers.
        period: M in ids.

    Returns:
        Columns: ``series`` (the label), ``lag`` (ids), ``norm`` (dimensionless).
    """
    lags = np.asarray(lags)
    return stack(
        {
            label: {"lag": lags, "norm": [norm_for_one_nat(found, period, int(lag)) for lag in lags]}
            for label, found in sets.items()
        }
    )


def kernel_columns(sets: Mapping[str, ArrayLike], lags: ArrayLike, period: int) -> Columns:
    """Return cosine and relative distance against the id difference for several sets of frequencies.

    Args:
        sets: Frequencies ``(K,)`` by label.
        lags: Id differences ``(n,)``, integers.
        period: M in ids.

    Returns:
        Columns: ``series`` (the label), ``lag`` (ids), ``cosine`` and ``distance`` (dimensionless).
    """
    kernels = {label: cosine_kernel(frequencies, period, lags) for label, frequencies in sets.items()}
    return stack({label: {"lag": lags, "cosine": k, "distance": relative_distance(k)} for label, k in kernels.items()})


def kernel_summary(frequencies: ArrayLike, vocab_size: int, period: int | None = None) -> dict[str, float]:
    """Return four numbers that place a frequency set between a smoother and a code of unrelated rows.

    Lags run over 1..V-2: the pair 0, V-1 shares a row under the paper's normaliser, whatever the frequencies.

    Returns:
        dict: ``neighbour_cosine`` (lag 1), ``largest_cosine``, ``smallest_distance`` (relative to the norm) and
        ``share_above_0.9`` of all lags, each dimensionless.
    """
    cosine = cosine_kernel(frequencies, resolve_period(vocab_size, period), np.arange(1, vocab_size - 1))
    return {
        "neighbour_cosine": float(cosine[0]),
        "largest_cosine": float(cosine.max()),
        "smallest_distance": float(relative_distance(cosine.max())),
        "share_above_0.9": float(np.mean(cosine > 0.9)),
    }


def feature_columns(token_ids: ArrayLike, rows: ArrayLike, columns: ArrayLike | None = None) -> Columns:
    """Lay out features of some ids as columns ``token_id``, ``column`` and ``value``, one entry per feature.

    Args:
        token_ids: Ids ``(n,)``.
        rows: Their features ``(n, c)``.
        columns: Which columns of T(p) these are, ``(c,)``; 0 to c-1 by default.
    """
    values = np.asarray(rows)
    chosen = np.arange(values.shape[1]) if columns is None else np.asarray(columns)
    ids, column = np.broadcast_arrays(np.asarray(token_ids)[:, None], chosen)
    return {"token_id": ids.ravel(), "column": column.ravel(), "value": values.ravel()}


def collision_classes(table: ArrayLike) -> NDArray[np.int64]:
    """Number the distinct rows of a table by first appearance; ids with one number share their row exactly.

    Args:
        table: Rows ``(V, d)`` by token id.

    Returns:
        int64 ``(V,)``; its maximum plus 1 is the number of distinct rows.

    Example:
        >>> collision_classes([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])
        array([0, 1, 0])
    """
    rows = np.ascontiguousarray(np.asarray(table) + 0.0)  # + 0.0 turns -0.0, equal but of other bytes, into 0.0
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(row.tobytes(), len(seen)) for row in rows])


def row_period(frequencies: ArrayLike, period: int) -> int:
    """Return after how many ids T(p) repeats exactly: T(p) = T(q) if and only if this divides p - q.

    It is M over the greatest common divisor of M and all frequencies, so M itself for the harmonics.

    Args:
        frequencies: Integers ``(K,)``, whole cycles per period.
        period: M in ids.

    Example:
        >>> row_period([1, 2, 3], 127), row_period([10, 20], 100)
        (127, 10)
    """
    return period // math.gcd(period, *map(int, np.asarray(frequencies)))


def folded_mass(token_mass: ArrayLike, period: int) -> NDArray[np.float64]:
    """Sum the shares of tokens over the ids that a period of M ids puts on one row.

    Args:
        token_mass: Shares or counts ``(V,)`` by token id.
        period: M in ids.

    Returns:
        float64 ``(min(V, M),)``, summing to 1: entry r is the share of ids r, r + M, r + 2 M and so on.
    """
    mass = np.asarray(token_mass, dtype=np.float64)
    return np.bincount(np.arange(len(mass)) % period, weights=mass / mass.sum()).astype(np.float64)


def fold_columns(token_mass: ArrayLike, periods: ArrayLike) -> Columns:
    """Return what is left of a vocabulary when ids a period apart share their row, for several periods.

    Args:
        token_mass: Shares or counts ``(V,)`` by token id.
        periods: Values of M in ids.

    Returns:
        Columns: ``normaliser`` (M, ids), ``rows`` (distinct ones), ``largest`` (ids on the fullest row) and ``lost``
            (share of tokens that are not the most frequent one of their row, in [0, 1]).
    """
    mass = np.asarray(token_mass, dtype=np.float64) / np.sum(token_mass)
    rows = []
    for m in np.atleast_1d(periods).tolist():
        largest = -(-len(mass) // m)
        folded = np.pad(mass, (0, largest * m - len(mass))).reshape(largest, m)
        rows.append((m, min(len(mass), m), largest, 1 - folded.max(axis=0).sum()))
    return from_rows(("normaliser", "rows", "largest", "lost"), rows)


def token_mass(vocab_size: int, counts: ArrayLike | None = None) -> tuple[NDArray[np.float64], str]:
    """Return the share of each token ``(V,)``, and in words where it comes from.

    Args:
        vocab_size: V, the number of ids.
        counts: How often each id occurs in a text, ``(V,)``; None for a Zipf law over the ids.

    Raises:
        DataError: If the counts do not belong to V ids, are negative or all zero.
    """
    if counts is None:
        return zipf_mass(vocab_size), "a Zipf law over the ids"
    mass = np.asarray(counts, dtype=np.float64)
    if mass.shape != (vocab_size,) or not (mass >= 0).all() or not 0 < mass.sum() < math.inf:
        raise DataError(
            f"token counts must be {vocab_size} numbers, none negative and not all zero, one for each id; got shape "
            f"{mass.shape}. Count the ids of a text: np.bincount(ids, minlength={vocab_size})."
        )
    return mass / mass.sum(), f"{mass.sum():,.0f} tokens of text"


def zipf_mass(vocab_size: int, exponent: float = 1.0) -> NDArray[np.float64]:
    """Return token shares ``(V,)`` that fall as ``1 / (id + 1)^exponent`` and sum to 1: ids in order of frequency."""
    mass = np.arange(1, vocab_size + 1, dtype=np.float64) ** -exponent
    return mass / mass.sum()


def cell_mass(token_mass: ArrayLike, n_cells: int) -> NDArray[np.float64]:
    """Sum the shares of tokens over ``n_cells`` equal ranges of ids, the groups that d = ``n_cells`` harmonics resolve.

    Args:
        token_mass: Shares or counts ``(V,)`` by token id.
        n_cells: Number of ranges, at most V.

    Returns:
        float64 ``(n_cells,)``, summing to 1.
    """
    mass = np.asarray(token_mass, dtype=np.float64)
    if not 1 <= n_cells <= len(mass):
        raise ConfigError(f"n_cells ({n_cells}) must lie in 1..{len(mass)}, the number of ids. Pass d_model.")
    cell = np.arange(len(mass)) * n_cells // len(mass)
    return np.bincount(cell, weights=mass / mass.sum(), minlength=n_cells).astype(np.float64)


def effective_number(mass: ArrayLike) -> float:
    """Return the perplexity of shares: how many equal classes would be as hard to guess (1 if one holds everything)."""
    share = np.asarray(mass, dtype=np.float64)
    share = share[share > 0] / share.sum()
    return float(np.exp(-(share * np.log(share)).sum()))
