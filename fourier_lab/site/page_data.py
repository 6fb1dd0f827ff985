"""What the pages that compute in the browser are given, ready to be written as JSON.

Records as points, and the tokens of the encoders that ship with the study; and all of it by name.
"""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import matplotlib as mpl

from ..errors import ConfigError
from ..geometry.stages import stage_names, stage_table
from ..models.sentence_encoder import SentenceEncoder
from ..plots.palette import colour_of, marker_of
from ..series import series_name
from ..tables.points import Point, Quantity, pooled_value, quantities, read_points, train_command
from ..text.tokenizer import token_words
from ..training.records import load_encoder
from ..widgets.at_hand import SHIPPED
from .clouds import read_whole_vocabulary, view_of
from .explorers import LIGHT_DATA, script_of
from .packing import packed
from .training_data import training

# Markers of figures by their nearest symbol of the chart library.
_SYMBOLS = {
    "o": "circle", "s": "square", "D": "diamond", "d": "diamond", "^": "triangle", ">": "triangle", "v": "triangle2",
    "<": "triangle2", "P": "plus", "X": "times", "*": "star", "p": "wye", "h": "hexagon", "H": "hexagon", "8": "circle",
}  # fmt: skip
_DIGITS = 4  # significant, as they are shown: rounded twice, a last digit may differ


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
    """Return all tokens of trained encoders in the plane, with their nearest, at each stage.

    Returns:
        dict: ``words`` (lists of words), ``views`` and ``first``, the names of the two that are shown first. Each view has
            ``name``, ``words`` (which list), ``digest`` (of the run, where its weights are not part of the project), and
            ``places`` (int16) and ``near`` (uint16) of :class:`fourier_lab.site.clouds.View` in base64, low byte first.
    """
    all_words, whole = read_whole_vocabulary()
    vocabularies = [all_words]
    found = [(0, view) for view in whole]
    encoders = {name: load_encoder(SHIPPED / name) for name in ("fourier", "learned")}
    encoders["fourier-100k"] = SentenceEncoder.from_pretrained("fourier-100k")
    for name, encoder in encoders.items():
        words = token_words(encoder.tokenizer)
        if words not in vocabularies:
            vocabularies.append(words)
        for stage in stage_names(encoder.config):
            found.append((vocabularies.index(words), view_of(f"{name}: {stage}", stage_table(encoder, stage))))
    views = [
        {
            "name": view.name,
            "words": words,
            "digest": view.digest,
            "places": packed(view.places, "<i2"),
            "near": packed(view.near, "<u2"),
        }
        for words, view in found
    ]
    return {"words": vocabularies, "views": views, "first": [whole[-2].name, whole[-1].name]}


# Read by a page as ``LabData.NAME``: a page opened from disk may load scripts, but no other files.
DATA: Mapping[str, Callable[[], Any]] = {**LIGHT_DATA, "points": points, "clouds": clouds, "training": training}


def data_script(name: str) -> str:
    """Return the script that sets ``LabData.NAME`` to what :data:`DATA` has under this name."""
    return script_of(name, DATA[name]())
