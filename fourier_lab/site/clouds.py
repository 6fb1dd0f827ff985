"""All tokens of an encoder in the plane, at one stage; those of BERT's 30,522 are kept as they were computed.

What is kept is where the tokens lie and what is near them: a table of them, with 31 MB, is not part of the project.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..geometry import token_table
from ..geometry.projections import project

NEAR = 6  # nearest tokens that are named
KEPT = Path(__file__).with_name("whole_vocabulary.npz")  # written by whole_vocabulary.py
_FINEST = 32767  # places are whole numbers of two bytes


@dataclass(frozen=True)
class View:
    """All tokens of an encoder at one stage.

    Attributes:
        name: ``series: stage``.
        places: Principal components ``(V, 2)``, int16 as a share of the largest.
        near: Ids ``(V, 6)``, uint16, nearest by cosine in all dimensions first.
        digest: That of the run's settings.
    """

    name: str
    places: NDArray[np.int16]
    near: NDArray[np.uint16]
    digest: str = ""


def view_of(name: str, table: ArrayLike, digest: str = "") -> View:
    """Place the rows of a table ``(V, d)``, and find what is near each."""
    rows = np.asarray(table)
    places = project(rows)
    near, _ = token_table.nearest_neighbours(rows, np.arange(len(rows)), k=NEAR)
    finest = np.rint(places / np.abs(places).max() * _FINEST)
    return View(name, finest.astype(np.int16), near.astype(np.uint16), digest)


def read_whole_vocabulary() -> tuple[list[str], list[View]]:
    """Return the words of the ids, and each stage of the encoders whose places are kept."""
    with np.load(KEPT) as kept:
        columns = (kept[name] for name in ("names", "places", "near", "digests"))
        views = [
            View(str(name), places, near, str(digest)) for name, places, near, digest in zip(*columns, strict=True)
        ]
        return kept["words"].tobytes().decode().split("\n"), views
