"""Pictures of T(p) itself, before any training."""

from typing import Literal

import numpy as np
from matplotlib.axes import Axes

from ._marks import Data, axes_or_new, columns_of, finish, heat_map, in_order, lines, name_rows
from .figure import style
from .palette import MARKERS, REFERENCE, ramp


@style()
def draw_features(data: Data, *, ax: Axes | None = None, colour_bar: bool = True) -> Axes:
    """Draw T(p) as an image: one line of pixels per id, one column per feature.

    Args:
        data: ``token_id``, ``column`` and ``value`` of a full grid.
        ax: Where to draw.
        colour_bar: Whether to add the scale of values.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "token_id", "column", "value")
    ids, row = np.unique(column["token_id"], return_inverse=True)
    features, place = np.unique(column["column"], return_inverse=True)
    label = "value" if colour_bar else None
    heat_map(ax, row, place, column["value"], "{} ids x {} columns", label)
    for axis, values in ((ax.yaxis, ids), (ax.xaxis, features)):
        ticks = np.unique(np.linspace(0, values.size - 1, 5).astype(int))
        axis.set_ticks(ticks, [f"{value:,}" for value in values[ticks]])
    ax.set(xlabel="column of T(p)", ylabel="token id p")
    return ax


@style()
def draw_kernel(
    data: Data,
    *,
    ax: Axes | None = None,
    cell: float | None = None,
    dots: str | None = None,
    log_lag: bool = False,
    legend: Literal["best", "above"] | None = "best",
) -> Axes:
    """Draw the cosine between two tokens against the difference of their ids, one line per series.

    Args:
        data: ``series``, ``lag`` (ids), ``cosine``; with ``low`` and ``high`` a band is added.
        ax: Where to draw.
        cell: Width of a resolution cell V/d in ids, marked by a dotted line.
        dots: A series to draw as dots, such as measured values over a closed form.
        log_lag: Whether lags are on a logarithmic scale, which shows 1 and 10,000 in one picture.
        legend: Where to name the series: ``best`` place inside the axes, ``above`` them, or None for nowhere.
    """
    ax = axes_or_new(ax)
    ax.axhline(0, color=REFERENCE, linewidth=0.8)
    if cell is not None:
        ax.axvline(cell, color=REFERENCE, linestyle=":", linewidth=1.2, label=f"V/d = {cell:.0f} ids")
    column = columns_of(data, "series", "lag", "cosine")
    measured = column["series"] == dots
    # Solid lines only: dashes break up the fast swings of a kernel.
    lines(ax, {key: values[~measured] for key, values in column.items()}, "lag", "cosine", dashes=("-",))
    if measured.any():
        ax.plot(column["lag"][measured], column["cosine"][measured], ".", color="black", label=dots)
    if log_lag:
        ax.set_xscale("log")
    ax.set_ylim(min(-0.4, 1.1 * column["cosine"].min()), 1.05)
    ax.set(xlabel="difference of token ids", ylabel="cosine")
    return finish(ax, legend)


@style()
def draw_distance(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw the relative distance of two rows against the difference of their ids, both logarithmic.

    Args:
        data: ``series``, ``lag`` (ids), ``distance`` (in units of the common norm).
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    ax.axhline(np.sqrt(2), color=REFERENCE, linestyle="--", linewidth=1, label="unrelated rows, √2")
    lines(ax, columns_of(data, "series", "lag", "distance"), "lag", "distance")
    ax.set(xscale="log", yscale="log", xlabel="difference of token ids", ylabel="distance / norm")
    return finish(ax)


@style()
def draw_cells(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw which share of the text falls into the first cells of the id axis.

    Args:
        data: ``series``, ``cells`` (how many, from id 0 on), ``mass`` (share of tokens in them, in [0, 1]).
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", "cells", "mass")
    lines(ax, {**column, "mass": 100 * column["mass"]}, "cells", "mass")
    ax.set(xscale="log", ylim=(0, 103), xlabel="cells, counted from id 0", ylabel="tokens in these cells (%)")
    return finish(ax)


@style()
def draw_conditioning(data: Data, *, ax: Axes | None = None, legend: bool = True) -> Axes:
    """Draw condition numbers of bases, one line of dots per basis; hollow at its limit if float64 cannot measure them.

    Args:
        data: ``basis``, ``d_model``, ``condition`` (dimensionless, 1 or more), ``at_least`` (whether that is a lower bound).
        ax: Where to draw.
        legend: Whether to name the widths.
    """
    from ..geometry.conditioning import MEASURABLE

    ax = axes_or_new(ax)
    column = columns_of(data, "basis", "d_model", "condition", "at_least")
    names, widths = in_order(column["basis"]), in_order(column["d_model"])
    place = np.array([names.index(name) for name in column["basis"]])
    for number, (width, colour) in enumerate(zip(widths, ramp(len(widths)), strict=True)):
        offset = 0.22 * (number - (len(widths) - 1) / 2)
        marker = MARKERS[number]
        for beyond in (False, True):
            chosen = (column["d_model"] == width) & (column["at_least"] == beyond)
            value = column["condition"][chosen]
            fill = "none" if beyond else colour
            label = None if beyond else f"d = {width}"
            ax.plot(value, place[chosen] + offset, marker, color=colour, markerfacecolor=fill, label=label)
    exponent = round(np.log10(MEASURABLE))
    limit = f"$\\geq 10^{{{exponent}}}$, beyond\nfloat64 (hollow)"
    ax.axvline(MEASURABLE, color=REFERENCE, linestyle=":", linewidth=1.2, label=limit, zorder=0)
    ax.set(xscale="log", xlim=(0.3, MEASURABLE * 300), xlabel="condition number", ylabel="basis")
    name_rows(ax, names)
    ax.label_outer()
    if legend:
        ax.legend()
    return ax


@style()
def draw_precision(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw the largest error of a feature against its frequency, one line per method, both logarithmic.

    Args:
        data: ``series`` (method), ``frequency`` (cycles per period), ``error`` (absolute, dimensionless).
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    lines(ax, columns_of(data, "series", "frequency", "error"), "frequency", "error")
    ax.set(xscale="log", yscale="log", xlabel="frequency k (cycles per period)", ylabel="largest error")
    return finish(ax, "ends")
