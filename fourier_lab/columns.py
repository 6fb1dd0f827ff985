"""Tables as columns: arrays of equal length by name, drawn by :mod:`fourier_lab.plots` and written as CSV."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import DataError

Columns = dict[str, NDArray[Any]]


def stack(series: Mapping[Any, Mapping[str, ArrayLike]], name: str = "series") -> Columns:
    """Join several sets of columns into one long table with a first column that names the set.

    Args:
        series: Columns by label. Each set has the same column names; single numbers are repeated to the set's length.
        name: Name of the new column.

    Returns:
        Columns: The labels and the joined columns, in the order given.

    Raises:
        DataError: If there is nothing to join.

    Example:
        >>> stack({"a": {"x": [1, 2], "n": 5}, "b": {"x": [3], "n": 6}})["n"]
        array([5, 5, 6])
    """
    if not series:
        raise DataError("there is no series to join. Pass at least one label with its columns.")
    rows: dict[str, list[NDArray[Any]]] = {}
    for label, columns in series.items():
        arrays = np.broadcast_arrays(*map(np.atleast_1d, (label, *columns.values())))
        for key, array in zip((name, *columns), arrays, strict=True):
            rows.setdefault(key, []).append(array)
    return {key: np.concatenate(parts) for key, parts in rows.items()}


def from_rows(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Columns:
    """Return the columns of a table given row by row.

    Args:
        names: One for each place in a row.
        rows: Of as many values each as there are names.

    Example:
        >>> from_rows(("x", "y"), [(1, "a"), (2, "b")])["y"].tolist()
        ['a', 'b']
    """
    return {name: np.array([row[place] for row in rows]) for place, name in enumerate(names)}


def where(columns: Columns, name: str, value: object) -> Columns:
    """Return the rows in which the column ``name`` equals ``value``.

    Example:
        >>> where(from_rows(("x", "y"), [(1, "a"), (2, "b")]), "x", 2)["y"].tolist()
        ['b']
    """
    return {key: column[columns[name] == value] for key, column in columns.items()}
