"""What the pages that compute in the browser are given: words, drawn frequencies and records, ready to be written as JSON."""

import itertools
import math
from typing import Any

import matplotlib as mpl

from .. import paths
from ..embeddings.frequency_sets import choose_frequencies
from ..errors import ConfigError
from ..plots.palette import colour_of, marker_of
from ..series import series_name
from ..tables.points import Point, Quantity, pooled_value, quantities, read_points, train_command
from ..text.tokenizer import token_words, tokenizer_from_file

# Markers of figures by their nearest symbol of the chart library.
_SYMBOLS = {"o": "circle", "s": "square", "D": "diamond", "d": "diamond", "^": "triangle", "v": "triangle2", "P": "plus", "X": "times",
            "*": "star", "p": "wye", "h": "hexagon", "H": "hexagon", "8": "circle", "<": "triangle2", ">": "triangle"}  # fmt: skip
_DIGITS = 6  # significant, of what is shown with four


def words() -> list[str]:
    """Return the words of the vocabulary that the shipped encoders have."""
    encoder = sorted(paths.SHIPPED_ENCODERS.iterdir())[0]
    return token_words(tokenizer_from_file(encoder / "tokenizer.json"))


def drawn() -> dict[str, Any]:
    """Return the frequency sets that are drawn, by ``V,d,seed``, for the sizes that the page offers."""
    sizes, widths, seeds = (500, 2000, 12000, 30522, 50257), (8, 16, 32, 64, 128, 256, 512), range(3)
    sets = {
        name: {
            f"{v},{d},{seed}": choose_frequencies(name, v, d, seed=seed).tolist()
            for v, d, seed in itertools.product(sizes, widths, seeds)
            if d < v - 2
        }
        for name in ("random", "mixed")
    }
    return {"V": sizes, "d": widths, **sets}


def points() -> dict[str, Any]:
    """Return the committed records as :func:`fourier_lab.tables.points.read_points` pools them; empty if there are none.

    Returns:
        dict: ``quantities`` (label and whether on a logarithmic scale, by name), ``points`` (each with what
        :func:`_point` says) and ``skipped`` (a sentence for each record left out).
    """
    try:
        found, skipped = read_points()
    except ConfigError as error:
        return {"quantities": {}, "points": [], "skipped": [str(error)]}
    known = quantities(found)
    scales = {name: {"label": quantity.label, "log": quantity.logarithmic} for name, quantity in known.items()}
    return {"quantities": scales, "points": [_point(point, known) for point in found], "skipped": skipped}


def _point(point: Point, known: dict[str, Quantity]) -> dict[str, Any]:
    """Return a point's names and look, and mean, low and high by quantity; the ends are None where there is no interval."""
    values = {name: pooled_value(point, quantity)[:3] for name, quantity in known.items()}
    series = series_name(point.config)
    return {
        "name": point.name,
        "family": point.family,
        "arm": point.config.arm,
        "series": series,
        "colour": mpl.colors.to_hex(colour_of(series) or "0.4"),
        "symbol": _SYMBOLS[marker_of(series, 0)],
        "toy": point.config.corpus == "toy",
        "folder": point.config.source == "folder",
        "seeds": len(point.records),
        "parameters": point.parameters,
        "command": train_command([record.config for record in point.records]),
        "values": {name: [_short(end) for end in ends] for name, ends in values.items() if math.isfinite(ends[0])},
    }


def _short(value: float) -> float | None:
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
