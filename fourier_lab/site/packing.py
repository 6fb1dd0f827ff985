"""Arrays as text that a script of data can hold; ``Lab.bytes`` of ``live/lab.js`` reads them."""

import base64

import numpy as np
from numpy.typing import ArrayLike


def packed(values: ArrayLike, kind: str) -> str:
    """Return the values, row by row, as base64 of a numpy type such as ``<f4``: the low byte first, as browsers read.

    Example:
        >>> packed([1, 2], "<u2")
        'AQACAA=='
    """
    return base64.b64encode(np.asarray(values).astype(kind).tobytes()).decode()
