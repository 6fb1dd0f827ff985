"""One colour and one marker per arm and per frequency set, the same in every figure."""

import re
import zlib
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np

from ..embeddings.registry import EMBEDDINGS
from ..plugins import is_met

# Okabe & Ito's palette, told apart by colour-blind readers. The fourier arm has the colour of its harmonic set.
ARM_COLOURS = {"fourier": "#0072B2", "learned": "#D55E00"}
FREQUENCY_COLOURS = {
    "harmonic": "#0072B2",
    "log": "#009E73",
    "random": "#CC79A7",
    "mixed": "#000000",
    "period": "#E69F00",
    "custom": "#56B4E9",
}
SERIES_MARKERS = {
    "fourier": "s",
    "harmonic": "s",
    "learned": "o",
    "log": "^",
    "random": "D",
    "mixed": "X",
    "period": "v",
    "custom": "P",
}
# Families of token embeddings: what has a table or waves looks like the arm that has it.
FAMILY_LOOKS = {
    "table": ("#D55E00", "o"),
    "waves of the id": ("#0072B2", "s"),
    "shared rows": ("#009E73", "^"),
    "products of small tables": ("#E69F00", "v"),
    "map of another code": ("#CC79A7", "D"),
    "code of the spelling": ("#56B4E9", "P"),
}
MARKERS = "osD^vP"
# Paul Tol's muted palette and markers that are used nowhere else: of embeddings that others add, chosen by their name.
OTHER_COLOURS = (
    "#332288", "#882255", "#117733", "#44AA99", "#999933", "#AA4499", "#661100", "#6699CC", "#DDCC77", "#CC6677"
)  # fmt: skip
OTHER_MARKERS = "*ph<>dH8"
CLASS_COLOURS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#F0E442")
REFERENCE = "0.45"  # grey of lines that are no data: closed forms, chance levels, limits


def colour_of(series: Any) -> str | None:
    """Return the colour that ``series`` has in every figure, or None if it has no fixed one.

    Names are those of :func:`fourier_lab.series.series_name`: ``learned``, ``fourier``, ``harmonic``,
    ``fourier (random)``, ``period 127`` and so on. An embedding that others add has one that follows from its name.
    """
    if series in FAMILY_LOOKS:
        return FAMILY_LOOKS[series][0]
    fixed = (ARM_COLOURS | FREQUENCY_COLOURS).get(_kind(series))
    return _by_name(series, OTHER_COLOURS) if fixed is None and _is_added(series) else fixed


def marker_of(series: Any, number: int) -> str:
    """Return the marker that ``series`` has in every figure, or the one of its ``number`` if it has no fixed one."""
    usual = _by_name(series, OTHER_MARKERS) if _is_added(series) else MARKERS[number % len(MARKERS)]
    return FAMILY_LOOKS[series][1] if series in FAMILY_LOOKS else SERIES_MARKERS.get(_kind(series), usual)


def _is_added(series: Any) -> bool:
    name = _own_name(series).partition(" (")[0]
    return name not in SERIES_MARKERS and (is_met(name) or name in EMBEDDINGS.names())


def _by_name(series: Any, choices: Sequence[str]) -> str:
    return choices[zlib.crc32(_own_name(series).encode()) % len(choices)]


def _own_name(series: Any) -> str:
    return re.sub(r", [\d,]+ seeds?$", "", str(series))  # legends of curves count the seeds


def _kind(series: Any) -> str:
    return next(iter(re.sub(r"(?i)^fourier(, | \()", "", str(series)).replace(")", "").replace(",", " ").split()), "")


def ramp(n: int) -> list[Any]:
    """Return ``n`` colours from dark to light for values that have an order."""
    return list(mpl.colormaps["viridis"](np.linspace(0, 0.85, n)))


def class_colours(n: int) -> list[Any]:
    """Return ``n`` colours for classes without an order; beyond eight no eye keeps them apart and a ramp is used."""
    return list(CLASS_COLOURS[:n]) if n <= len(CLASS_COLOURS) else ramp(n)


def colours_of(names: Sequence[Any]) -> list[Any]:
    """Return fixed colours where all names have different ones, and a dark-to-light ramp otherwise."""
    fixed = [colour_of(name) for name in names]
    for place, name in enumerate(names):  # two names may lead to one colour: the later then takes one that is free here
        free = [colour for colour in OTHER_COLOURS if colour not in fixed]
        if fixed[place] in fixed[:place] and _is_added(name) and free:
            fixed[place] = free[0]
    return fixed if None not in fixed and len(set(fixed)) == len(fixed) else ramp(len(names))
