"""Whether a computer can hold a basis: conditioning of the five families, and rounding of the phase, in numbers."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.polynomial import chebyshev, hermite, laguerre, legendre
from numpy.typing import ArrayLike, NDArray

from ..columns import Columns, from_rows, stack
from ..embeddings.basis import fourier_basis, fourier_features, polynomial_basis
from ..embeddings.frequencies import BASES, resolve_period
from ..errors import ConfigError

MEASURABLE = 1e15  # the digits of larger condition numbers are rounding errors of float64, other ones on each processor
_PUBLISHED = {
    "chebyshev": chebyshev.chebvander,
    "legendre": legendre.legvander,
    "hermite": hermite.hermvander,
    "laguerre": laguerre.lagvander,
}


def singular_values(table: ArrayLike) -> NDArray[np.float64]:
    """Return the singular values of a table ``(V, d)``, largest first."""
    # The triangular factor has the same singular values as the tall table and is d x d.
    triangle = np.linalg.qr(np.asarray(table, dtype=np.float64), mode="r")
    return np.asarray(np.linalg.svd(triangle, compute_uv=False), dtype=np.float64)


def condition_number(table: ArrayLike) -> float:
    """Return the ratio of the largest to the smallest singular value of the columns, each scaled to norm 1.

    1 is an orthogonal basis. :data:`MEASURABLE` stands for this and all above: float64 cannot tell some columns apart.

    Args:
        table: Basis functions in columns, ``(n_ids, d)``.
    """
    columns = np.asarray(table, dtype=np.float64)
    # Scaled by the peak first: squares of the raw Hermite values would overflow even float64.
    columns = columns / np.abs(columns).max(axis=0)
    columns /= np.linalg.norm(columns, axis=0)
    singular = singular_values(columns)
    return float(min(singular[0] / singular[-1], MEASURABLE)) if singular[-1] > 0 else MEASURABLE


def published_polynomials(name: str, vocab_size: int, d_model: int) -> NDArray[np.float64]:
    """Evaluate the bare polynomials of degree 0..d-1 on the normalised ids in [-1, 1], as the released kernels define
    them.

    Unlike in :mod:`fourier_lab.embeddings.basis` nothing is weighted or scaled, so that Hermite and Laguerre show
    why they cannot be used this way.

    Args:
        name: ``chebyshev``, ``legendre``, ``hermite`` (physicists') or ``laguerre``.
        vocab_size: V, the number of ids.
        d_model: Number of polynomials.

    Returns:
        float64 ``(V, d_model)``.
    """
    if name not in _PUBLISHED:
        raise ConfigError(f"unknown polynomial family {name!r}. Choose one of {', '.join(_PUBLISHED)}.")
    return np.asarray(_PUBLISHED[name](np.linspace(-1.0, 1.0, vocab_size), d_model - 1), dtype=np.float64)


def conditioning(vocab_size: int, widths: Sequence[int], published: bool = False) -> Columns:
    """Return the condition number of the five bases at several widths.

    Args:
        vocab_size: V; the columns are evaluated at every id.
        widths: Values of d.
        published: Whether polynomials are bare, as in the released kernels, instead of this library's orthonormal form.

    Returns:
        Columns: ``basis``, ``d_model``, ``condition`` (dimensionless, 1 to :data:`MEASURABLE`), ``at_least`` (whether
        it is a lower bound).
    """
    ids = torch.arange(vocab_size)
    rows = []
    for name in BASES:
        for d in widths:
            table: ArrayLike
            if name == "fourier":
                table = fourier_basis(ids, vocab_size, d)
            elif published:
                table = published_polynomials(name, vocab_size, d)
            else:
                table = polynomial_basis(ids, vocab_size, d, name)
            condition = condition_number(table)
            rows.append((name, d, condition, condition >= MEASURABLE))
    return from_rows(("basis", "d_model", "condition", "at_least"), rows)


def phase_errors(frequencies: ArrayLike, vocab_size: int) -> Columns:
    """Measure how far three ways to compute ``sin`` and ``cos`` of ``k π x`` lie from the truth, per frequency.

    The truth reduces ``k p mod M`` in integers, with the paper's period M = V - 1, and evaluates in float64. ``naive
    float32`` rounds x and ``k π x`` to float32, ``naive float64`` to float64; ``integer phase`` is this library's basis,
    which returns float32.

    Args:
        frequencies: Integers ``(K,)``, whole cycles per period.
        vocab_size: V, the number of ids; all are evaluated.

    Returns:
        Columns: ``series`` (the method), ``frequency`` (cycles per period) and ``error`` (largest absolute,
            dimensionless).
    """
    m = resolve_period(vocab_size)
    ids = np.arange(vocab_size)
    naive = {"naive float32": np.float32, "naive float64": np.float64}
    errors: dict[str, list[float]] = {method: [] for method in (*naive, "integer phase")}
    chosen = np.asarray(frequencies, dtype=np.int64)
    for k in chosen:
        # k π x = 2 π k p / M - k π, and shifting the phase by k M / 2 is a sign.
        angle = 2 * np.pi / m * np.remainder(k * ids, m)
        truth = (-1.0) ** k * np.array([np.sin(angle), np.cos(angle)])
        library = fourier_features(torch.from_numpy(ids), torch.tensor([k]), m).double().numpy().T
        errors["integer phase"].append(np.abs(library - truth).max())
        for method, kind in naive.items():
            x = kind(2) * ids.astype(kind) / kind(m) - kind(1)
            rough = kind(k * np.pi) * x
            errors[method].append(np.abs(np.array([np.sin(rough), np.cos(rough)]) - truth).max())
    return stack({method: {"frequency": chosen, "error": np.array(values)} for method, values in errors.items()})
