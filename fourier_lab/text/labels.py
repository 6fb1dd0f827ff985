"""Labels as files write them, names, numbers or text, and every spelling of one that is missing, as one array of numbers."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import DataError, brief

NAMES = ("entailment", "neutral", "contradiction")  # their numbers are their places
_MISSING = frozenset(("", "-", "-1", "-1.0", "none", "nan", "null", "na", "n/a", "<na>"))


def read_labels(
    values: Sequence[Any],
    where: str,
    class_names: Sequence[str] | None = None,
    meanings: Mapping[str, int] | None = None,
    least: float = 0,
) -> np.ndarray:
    """Return labels or scores as numbers, float64 ``(n,)``; NaN where one is missing.

    Args:
        values: As in the file: integers, floats, names of :data:`NAMES`, numbers as text, None.
        where: Names the file in messages.
        class_names: Names of the file's numbers, in their order; it is they that decide which one is entailment.
        meanings: Numbers 0, 1, 2 of an own corpus's values, by their text; no other value is known then.
        least: Smallest score that can be given; -1 is a missing one if it is below.

    Raises:
        DataError: If a value is neither a number nor a known name.

    Example:
        >>> read_labels(["neutral", "-", 2, None], "file").tolist()
        [1.0, nan, 2.0, nan]
    """
    numbers: dict[Any, float] = {}
    for value in values:
        try:
            if value not in numbers:
                numbers[value] = _number(value, class_names, meanings, least)
        except (TypeError, ValueError):  # unhashable, or no number
            known = "numbers or " + ", ".join(NAMES) if meanings is None else "among " + ", ".join(meanings)
            of = f" (named {', '.join(class_names)} in the file)" if class_names else ""
            raise DataError(
                f"{where}: labels must be {known}, got {brief(value)}{of}. Say what each value means in a description of "
                "your own corpus (see fourier-lab data --help), or correct the file."
            ) from None
    return np.array([numbers[value] for value in values], dtype=np.float64)


def _number(value: Any, class_names: Sequence[str] | None, meanings: Mapping[str, int] | None, least: float) -> float:
    if value is None or isinstance(value, float) and math.isnan(value):
        return math.nan
    if class_names is not None and isinstance(value, int) and 0 <= value < len(class_names):
        value = class_names[value]
    if isinstance(value, float) and value.is_integer() and meanings is not None:
        value = int(value)  # integers with gaps come as floats
    text = str(value).strip().casefold()
    if meanings is not None and text in meanings:
        return meanings[text]
    if text in _MISSING and not (text.startswith("-1") and least <= -1):
        return math.nan
    if isinstance(value, bool) or meanings is not None:
        raise ValueError
    return NAMES.index(text) if text in NAMES else float(value)
