"""Pictures of two sentences: token by token similarity, and what each token adds."""

from functools import cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from numpy.typing import NDArray

from ..errors import DataError
from ..figures import style
from ..palette import CLASS_COLOURS, REFERENCE, colour_of
from ._marks import Data, axes_or_new, columns_of, finish, in_order

_LABELS = 40  # more would overlap
SIDE_COLOURS = {"first": CLASS_COLOURS[3], "second": CLASS_COLOURS[4]}  # not those of the arms


def legible(text: str) -> str:
    """Return text with every character that the house font lacks, such as a Chinese one, as its code point in brackets.

    Example:
        >>> legible("a 你")
        'a [U+4F60]'
    """
    glyphs = _glyphs()
    return "".join(c if ord(c) in glyphs else f"[U+{ord(c):X}]" for c in text)


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


@style()
def draw_token_similarity(data: Data, *, ax: Axes | None = None, colour_bar: bool = True) -> Axes:
    """Draw the cosines of all tokens of one sentence with all of another as an image, tokens named.

    Args:
        data: ``row``, ``column``, ``first``, ``second``, ``cosine`` of a full grid, as
            :func:`fourier_lab.sentence_lab.token_similarity` gives them.
        ax: Where to draw.
        colour_bar: Whether to add the scale of cosines.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "row", "column", "first", "second", "cosine")
    shape = column["row"].max() + 1, column["column"].max() + 1
    if column["cosine"].size != shape[0] * shape[1]:
        raise DataError(
            f"{column['cosine'].size} cosines do not fill {shape[0]} x {shape[1]} tokens. Pass a full grid."
        )
    grid, names = np.empty(shape), (np.empty(shape[0], object), np.empty(shape[1], object))
    grid[column["row"], column["column"]] = column["cosine"]
    names[0][column["row"]], names[1][column["column"]] = column["first"], column["second"]
    image = ax.imshow(grid, aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
    for axis, labels in ((ax.yaxis, names[0]), (ax.xaxis, names[1])):
        _name_ticks(axis, np.arange(len(labels)), labels)
    ax.tick_params(axis="x", rotation=90)
    ax.grid(False)
    ax.set(xlabel="second sentence (token, id)", ylabel="first sentence (token, id)")
    if colour_bar:
        ax.figure.colorbar(image, ax=ax, label="cosine (dimensionless)", fraction=0.05)
    return ax


@style()
def draw_contributions(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw by how much leaving out each token changes the cosine of the sentences, as bars.

    Args:
        data: ``series`` (``first`` or ``second`` sentence), ``token``, ``change``, as
            :func:`fourier_lab.sentence_lab.contributions` gives them.
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
    ax.set(xlabel="change of the cosine\nwithout it (dimensionless)", ylabel="token left out")
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
    ax.set_yticks(range(len(column["run"])), column["run"].tolist())
    ax.set_ylim(len(column["run"]) - 0.5, -0.5)
    ax.set_xlim(min(0.0, column["cosine"].min() - 0.1), 1.1)
    ax.set(xlabel="cosine of the two sentences (dimensionless)", ylabel="run")
    return ax


def _name_ticks(axis: Axis, places: NDArray[np.int64], labels: NDArray[Any]) -> None:
    every = -(-len(places) // _LABELS)
    names = [legible(str(label)).replace("$", r"\$") for label in labels[::every]]
    axis.set_ticks(places[::every], names, fontsize=8 if len(places) <= _LABELS // 2 else 6)
