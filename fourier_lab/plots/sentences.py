"""Pictures of two sentences: token by token similarity, and what each token adds."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from numpy.typing import NDArray

from ._marks import Data, axes_or_new, columns_of, finish, heat_map, in_order, legible, name_rows
from .figure import style
from .palette import CLASS_COLOURS, REFERENCE, colour_of

_LABELS = 40  # more would overlap
SIDE_COLOURS = {"first": CLASS_COLOURS[3], "second": CLASS_COLOURS[4]}  # not those of the arms


@style()
def draw_token_similarity(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw the cosines of all tokens of one sentence with all of another as an image, tokens named.

    Args:
        data: ``row``, ``column``, ``first``, ``second``, ``cosine`` of a full grid, as
            :func:`fourier_lab.geometry.sentences.token_similarity` gives them.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "row", "column", "first", "second", "cosine")
    heat_map(ax, column["row"], column["column"], column["cosine"], "{} x {} tokens", "cosine")
    for axis, side, places in ((ax.yaxis, "first", column["row"]), (ax.xaxis, "second", column["column"])):
        place, one_each = np.unique(places, return_index=True)
        _name_ticks(axis, place, column[side][one_each])
    ax.tick_params(axis="x", rotation=90)
    ax.set(xlabel="second sentence (token, id)", ylabel="first sentence (token, id)")
    return ax


@style()
def draw_contributions(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw by how much leaving out each token changes the cosine of the sentences, as bars.

    Args:
        data: ``series`` (``first`` or ``second`` sentence), ``token``, ``change``, as
            :func:`fourier_lab.geometry.sentences.contributions` gives them.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", "token", "change")
    place = np.arange(len(column["change"]))
    for name in in_order(column["series"]):
        own = column["series"] == name
        ax.barh(place[own], column["change"][own], color=SIDE_COLOURS[name], label=str(name))
    _name_ticks(ax.yaxis, place, column["token"])
    ax.axvline(0, color="black", linewidth=0.8)
    ax.invert_yaxis()
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="change of the cosine\nwithout it", ylabel="token left out")
    return finish(ax, "above")


@style()
def draw_pooled_cosines(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw the cosine of two sentences in several runs, one line each, in the colours of their series.

    Args:
        data: ``run``, ``series``, ``cosine``.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "run", "series", "cosine")
    for place, (series, value) in enumerate(zip(column["series"], column["cosine"], strict=True)):
        colour = colour_of(series) or REFERENCE
        ax.hlines(place, 0, value, color=colour)
        ax.plot(value, place, "o", color=colour)
        ax.annotate(f"{value:.2f}", (value, place), (6, -3), textcoords="offset points", fontsize=8)
    ax.axvline(0, color="black", linewidth=0.8)
    name_rows(ax, column["run"].tolist())
    ax.set_xlim(min(0.0, column["cosine"].min() - 0.1), 1.1)
    ax.set(xlabel="cosine of the two sentences", ylabel="run")
    return ax


def _name_ticks(axis: Axis, places: NDArray[np.int64], labels: NDArray[Any]) -> None:
    every = -(-len(places) // _LABELS)
    names = [legible(str(label)).replace("$", r"\$") for label in labels[::every]]
    axis.set_ticks(places[::every], names, fontsize=8 if len(places) <= _LABELS // 2 else 6)
