"""What the pages that compute in the browser are given, ready to be written as JSON.

Words, frequencies that are drawn, records as points, and the tokens of the encoders that ship with the study.
"""

import functools
import itertools
import math
from typing import Any

import matplotlib as mpl
import numpy as np

from .. import paths
from ..embeddings.frequency_sets import choose_frequencies
from ..errors import ConfigError
from ..geometry import token_table
from ..geometry.projections import project
from ..geometry.stages import stage_names, stage_table
from ..models.sentence_encoder import SentenceEncoder
from ..plots.palette import colour_of, marker_of
from ..series import series_name
from ..tables.points import Point, Quantity, pooled_value, quantities, read_points, train_command
from ..text.tokenizer import token_words, tokenizer_from_file
from ..training.records import load_encoder
from ..widgets.at_hand import SHIPPED
from .packing import packed

# Markers of figures by their nearest symbol of the chart library.
_SYMBOLS = {
    "o": "circle", "s": "square", "D": "diamond", "d": "diamond", "^": "triangle", ">": "triangle", "v": "triangle2",
    "<": "triangle2", "P": "plus", "X": "times", "*": "star", "p": "wye", "h": "hexagon", "H": "hexagon", "8": "circle",
}  # fmt: skip
_DIGITS = 4  # significant, as they are shown: rounded twice, a last digit may differ
_NEAR = 8  # nearest tokens that are named
_FINEST = 32767  # places are whole numbers of two bytes


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
    """Return a value with the digits that the explorers show: from 1,000 up, the whole number."""
    if not math.isfinite(value):
        return None
    return round(value) if abs(value) >= 1000 else float(f"{value:.{_DIGITS}g}")


@functools.cache  # half a minute of a slow machine, for what never changes
def clouds() -> dict[str, Any]:
    """Return all tokens of the shipped encoders in the plane, with their nearest, at each stage.

    Returns:
        dict: ``words`` (lists of words) and ``views``, each with ``name``, ``words`` (which list), ``places`` (principal
            components ``(V, 2)``, int16 as a share of the largest) and ``near`` (ids ``(V, 8)``, uint16, nearest by cosine
            in all dimensions first), both in base64 with the low byte first.
    """
    vocabularies: list[list[str]] = []
    views = []
    encoders = {name: load_encoder(SHIPPED / name) for name in ("fourier", "learned")}
    encoders["fourier-100k"] = SentenceEncoder.from_pretrained("fourier-100k")
    for name, encoder in encoders.items():
        words = token_words(encoder.tokenizer)
        if words not in vocabularies:
            vocabularies.append(words)
        for stage in stage_names(encoder.config):
            table = stage_table(encoder, stage)
            places = project(table)
            near, _ = token_table.nearest_neighbours(table, np.arange(len(table)), k=_NEAR)
            views.append(
                {
                    "name": f"{name}: {stage}",
                    "words": vocabularies.index(words),
                    "places": packed(np.rint(places / np.abs(places).max() * _FINEST), "<i2"),
                    "near": packed(near, "<u2"),
                }
            )
    return {"words": vocabularies, "views": views}
