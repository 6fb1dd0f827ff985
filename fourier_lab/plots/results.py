"""Pictures of committed results: configurations as points with intervals."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from ._marks import Data, axes_or_new, bars, columns_of, count_text, in_order
from .figure import style
from .palette import ARM_COLOURS, colour_of, colours_of, marker_of

_MOST = 30  # names in a legend
_FEW, _LETTERS = 12, 26  # names in a legend of plain size, and letters of one; a longer one ends in an ellipsis


@style()
def draw_points(
    data: Data,
    *,
    x_label: str,
    y_label: str,
    ax: Axes | None = None,
    log_x: bool = False,
    log_y: bool = False,
    marked: str | None = None,
) -> Axes:
    """Draw one point per configuration, with intervals; hollow where there is one seed, so that the bar is of one run.

    Args:
        data: ``point`` and ``series`` (names), ``x``, ``x_low``, ``x_high``, ``y``, ``y_low``, ``y_high``, ``seeds``, as
            :func:`fourier_lab.tables.points.point_columns` gives them; ends that are nan have no bar.
        x_label: What ``x`` is, with its unit.
        y_label: What ``y`` is, with its unit.
        ax: Where to draw.
        log_x: Whether x is on a logarithmic scale.
        log_y: Whether y is.
        marked: The name of a point to put a ring around.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "point", "series", "x", "x_low", "x_high", "y", "y_low", "y_high", "seeds")
    column["x"], shift = side_by_side(column["x"], log_x)
    column["x_low"], column["x_high"] = (shift(column[end]) for end in ("x_low", "x_high"))
    called = _called(in_order(column["series"]))
    column["series"] = np.array([called[name] for name in column["series"]])
    names = in_order(column["series"])
    colours = dict(zip(names, _colours(names), strict=True))
    for number, (name, colour) in enumerate(colours.items()):
        label: str | None = str(name) if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
        for several in (True, False):
            own = (column["series"] == name) & ((column["seeds"] > 1) == several)
            if own.any():
                ax.plot(
                    column["x"][own], column["y"][own], marker_of(name, number), color=colour,
                    markerfacecolor=colour if several else "white", label=label,
                )  # fmt: skip
                label = None
    errors = {f"{axis}err": np.nan_to_num(bars(column, axis, f"{axis}_low", f"{axis}_high")) for axis in "xy"}
    errors = {end: lengths for end, lengths in errors.items() if lengths.any()}  # a size has none: thousands of bars
    each: Any = [colours[name] for name in column["series"]]  # all at once: a call for each series takes seconds
    ax.errorbar(column["x"], column["y"], **errors, fmt="none", ecolor=each, elinewidth=1, zorder=1.9)
    for x, y in zip(column["x"][column["point"] == marked], column["y"][column["point"] == marked], strict=True):
        ax.plot(x, y, "o", markersize=13, markerfacecolor="none", markeredgecolor="black", markeredgewidth=1.5)
    scales = {"xscale": "log" if log_x else "linear", "yscale": "log" if log_y else "linear"}
    note = (
        "bars: 95 %; filled: t interval over seeds; hollow: one seed, over pairs; equal x side by side; "
        f"{count_text(len(column['x']), 'point')}"
    )
    ax.set(xlabel=f"{x_label}\n{note}", ylabel=y_label, **scales)
    ax.margins(0.08)
    ax.figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize="small" if len(names) > _FEW else None)
    return ax


def _called(names: list[str]) -> dict[str, str]:
    """Return what a legend calls each series: if there are more than it holds, those of an embedding that others add, the
    embedding with the most series first, go without their options."""
    embedding = {name: name.partition(" (")[0] for name in names}
    called = {name: name for name in names}
    for each, count in Counter(embedding.values()).most_common():
        if len({*called.values()}) <= _MOST or count == 1:
            break
        if each not in ARM_COLOURS:
            called |= {name: each for name in names if embedding[name] == each}
    return called


def side_by_side(x: NDArray[Any], log: bool) -> tuple[NDArray[Any], Callable[[NDArray[Any]], NDArray[Any]]]:
    """Return places at which points of equal x do not cover each other, and what moves other values along."""
    scale = np.log(x) if log else x.astype(float)
    span = np.ptp(scale) or 1.0
    offset = np.zeros(len(x))
    for value in np.unique(x):
        own = np.flatnonzero(x == value)
        offset[own] = span * min(0.015, 0.2 / len(own)) * (np.arange(len(own)) - (len(own) - 1) / 2)

    def shift(values: NDArray[Any]) -> NDArray[Any]:
        return values * np.exp(offset) if log else values + offset

    return shift(x), shift


def _colours(names: list[str]) -> list:
    fixed = [colour_of(name) for name in names]
    return colours_of(names) if None in fixed else fixed  # markers tell apart what shares a colour
