"""Pictures of token tables: spectrum, rank, projections and neighbours."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ._marks import DASHES, HALO, Data, axes_or_new, by_series, columns_of, finish, in_order, lines
from .figure import new_figure, style
from .palette import MARKERS, REFERENCE, class_colours, colours_of


@style()
def draw_spectrum(data: Data, *, ax: Axes | None = None, cutoff: float | None = None, total: bool = False) -> Axes:
    """Draw how a table's variance is spread over frequencies along the id axis, which are on a logarithmic scale.

    Args:
        data: ``series``, ``frequency`` (cycles per vocabulary), ``power`` (relative to white noise), ``share`` (of the
            variance up to this frequency), as ``geometry.id_spectrum`` gives them.
        ax: Where to draw.
        cutoff: The highest harmonic K, marked by a dotted line.
        total: Draw ``share``, which rises to 100 %, in place of ``power``.
    """
    ax = axes_or_new(ax)
    if cutoff is not None:
        ax.axvline(cutoff, color=REFERENCE, linestyle=":", linewidth=1.2, label=f"K = {cutoff:.0f}")
    column = columns_of(data, "series", "frequency", "power", "share")
    if total:
        lines(ax, {**column, "share": 100 * column["share"]}, "frequency", "share")
        ax.set(ylabel="variance up to this frequency (%)", ylim=(0, 103))
    else:
        ax.axhline(1, color=REFERENCE, linestyle="--", linewidth=1, label="white noise")
        lines(ax, column, "frequency", "power")
        # A spectrum limited to the harmonics is 0 beyond them up to rounding, which is no part of the picture.
        ax.set(yscale="log", ylabel="power (white noise = 1)", ylim=(1e-6, None))
    ax.set(xscale="log", xlabel="frequency over the id axis (cycles per vocabulary)")
    return finish(ax)


@style()
def draw_singular_values(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw singular values in falling order, one line per series.

    Args:
        data: ``series``, ``rank`` (1 is the largest), ``share`` (of their sum).
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", "rank", "share")
    lines(ax, {**column, "share": 100 * column["share"]}, "rank", "share")
    ax.set(xlabel="singular value, the largest first", ylabel="share of the sum (%)")
    ax.set_ylim(bottom=0)
    return finish(ax, "ends")


@style()
def draw_cosines(data: Data, *, width: int, ax: Axes | None = None) -> Axes:
    """Draw which share of random pairs of rows has a cosine above each value, on a logarithmic scale.

    Args:
        data: ``series``, ``cosine``, as ``geometry.pair_cosines`` gives them.
        width: d in columns; the dotted line is of random directions, whose cosines are nearly normal with deviation 1/√d.
        ax: Where to draw.
    """
    import seaborn  # takes a second to load, and no explorer needs it
    from scipy.special import ndtr

    ax = axes_or_new(ax)
    column = columns_of(data, "series", "cosine")
    x = np.linspace(-1, 1, 801)
    for number, name, colour, own in by_series(column):
        look = {"color": colour, "linestyle": DASHES[number % len(DASHES)], "label": name}
        seaborn.ecdfplot(x=own["cosine"], stat="percent", complementary=True, ax=ax, **look)
    ax.plot(
        x, 100 * ndtr(-x * np.sqrt(width)), color=REFERENCE, linestyle=":", linewidth=1.2, label="random directions"
    )
    lowest = 50 / max(len(own["cosine"]) for *_, own in by_series(column))  # half a pair
    ax.set(yscale="log", xlim=(column["cosine"].min(), 1.02), ylim=(lowest, 130))
    ax.set_xlabel("cosine of two random tokens")
    ax.set_ylabel("pairs with a larger cosine (%)")
    return finish(ax)


@style()
def draw_projection(
    data: Data, *, method: str, ax: Axes | None = None, colour_label: str = "", legend: bool = True
) -> Axes:
    """Draw rows placed in the plane, coloured by a number or a class; marked words are named.

    Args:
        data: ``x``, ``y`` and ``colour`` (numbers: a scale; text: classes); optional ``word``, drawn where not empty.
        method: ``pca``, ``tsne`` or ``umap``, which decides what the axes mean.
        ax: Where to draw.
        colour_label: What the colour is, with its unit.
        legend: Whether to explain the colours, once for several panels of the same ids.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "x", "y", "colour")
    if np.issubdtype(column["colour"].dtype, np.number):
        dots = ax.scatter(column["x"], column["y"], c=column["colour"], s=9, linewidths=0)
        if legend:
            ax.figure.colorbar(dots, ax=ax, label=colour_label, fraction=0.05)
    else:
        names = np.unique(column["colour"])
        for number, (name, colour) in enumerate(zip(names, class_colours(len(names)), strict=True)):
            own = column["colour"] == name
            marker = MARKERS[number % len(MARKERS)]
            ax.scatter(column["x"][own], column["y"][own], color=colour, marker=marker, s=11, linewidths=0, label=name)
        if legend:
            ax.legend(title=colour_label, loc="upper left", bbox_to_anchor=(1, 1), markerscale=1.6)
    for x, y, word in zip(column["x"], column["y"], column.get("word", ()), strict="word" in column):
        if word:
            ax.plot(x, y, "o", markerfacecolor="none", markeredgecolor="black", markersize=7)
            ax.annotate(
                word, (x, y), (5, 5), textcoords="offset points", fontsize=8, weight="bold", path_effects=[HALO]
            )
    ax.set_aspect("equal", adjustable="datalim")  # both axes have one unit
    if method == "pca":
        ax.set(xlabel="first principal axis (units of the embedding)", ylabel="second principal axis (same units)")
    else:
        from ..geometry.projections import PROJECTION_NAMES  # torch, which the other pictures can do without

        name = PROJECTION_NAMES[method]
        limit = "distances between clusters carry no meaning"
        ax.set(xlabel=f"first {name} axis (arbitrary unit)\n{limit}", ylabel=f"second {name} axis (arbitrary unit)")
    return ax


@style()
def draw_neighbours(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw nearest neighbours as a table: a row per word and series, a column per rank, cosines below the words.

    Args:
        data: ``series``, ``word``, ``rank``, ``neighbour``, ``cosine``, as ``geometry.neighbour_table`` gives them.
        ax: Where to draw.
    """
    column = columns_of(data, "series", "word", "rank", "neighbour", "cosine")
    words, names, ranks = (in_order(column[key]) for key in ("word", "series", "rank"))
    rows = len(words) * len(names)
    if ax is None:
        ax = new_figure(height=0.6 + 0.34 * rows)[1]
    centred: dict[str, Any] = {"ha": "center", "va": "center_baseline", "parse_math": False}  # a word may be a dollar
    for word, series, rank, neighbour, cosine in zip(
        *(column[key] for key in ("word", "series", "rank", "neighbour", "cosine")), strict=True
    ):
        x, y = ranks.index(rank), words.index(word) * len(names) + names.index(series)
        # The house font lacks many scripts that a vocabulary has: those words are shown by their code points.
        ax.text(x, y, str(neighbour).encode("ascii", "backslashreplace").decode(), fontsize=8, **centred)
        ax.text(x, y + 0.3, f"{cosine:.2f}", fontsize=6, color="0.35", **centred)
    ax.set_yticks(range(rows), [f"{word} · {name}" for word in words for name in names])
    for tick, colour in zip(ax.get_yticklabels(), colours_of(names) * len(words), strict=True):
        tick.set_color(colour)
    ax.set_xticks(range(len(ranks)), [str(rank) for rank in ranks])
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.set(xlim=(-0.5, len(ranks) - 0.5), ylim=(rows - 0.35, -0.6))
    ax.set(xlabel="neighbour, the nearest first, and its cosine", ylabel="word · series")
    ax.grid(False)
    for boundary in range(len(names), rows, len(names)):
        ax.axhline(boundary - 0.4, color="0.8", linewidth=0.8)
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax
