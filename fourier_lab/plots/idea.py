"""The study in one picture: a table beside a function of the id, and below them what each kind of embedding scored."""

import itertools
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ._marks import HALO, Data, bars, by_series, columns_of, count_text, name_rows
from .figure import style
from .palette import ARM_COLOURS, REFERENCE, marker_of

# The schema is drawn on a sheet of 100 x 40. It shows the kind of thing, not the number of things.
_ROWS, _WAVES, _UNITS, _CELLS = 11, 4, 5, 8
_MIDDLE = 22.0


@style()
def new_idea(titles: Sequence[str]) -> tuple[Figure, Axes, list[Axes]]:
    """Make a figure with a wide panel above a row of titled panels; return it, the wide panel and the others."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(mpl.rcParams["figure.figsize"][0], 4.8))
    (above,), (below,) = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.3, 1))  # with margins of their own
    panels = below.subplots(1, len(titles), sharey=True, squeeze=False)[0]
    for ax, title in zip(panels, titles, strict=True):
        ax.set_title(title)
    return figure, above.subplots(), list(panels)


@style()
def draw_idea(stored: Mapping[str, int], ax: Axes, *, word: str, token_id: int, vocab_size: int) -> Axes:
    """Draw where the vector of a word comes from: left a row of a table, right a function of the word's id.

    Args:
        stored: How many numbers the embedding of each arm stores, by ``learned`` and ``fourier``.
        ax: Where to draw; its axes are hidden.
        word: The word.
        token_id: Its id: a row of the table, and where the waves are read.
        vocab_size: Number of ids.
    """
    ax.set(xlim=(-0.5, 100), ylim=(0, 40))
    ax.set_axis_off()
    place = token_id / (vocab_size - 1)  # in [0, 1]
    table, function = ARM_COLOURS["learned"], ARM_COLOURS["fourier"]
    _caption(ax, 17, 38.5, "Usual: look the vector up", table)
    _caption(ax, 71, 38.5, "Here: compute the vector from the id", function)
    for left in (0.0, 43.0):
        ax.add_patch(Rectangle((left, _MIDDLE - 4), 10, 8, facecolor="0.95", edgecolor="0.4"))
        ax.text(left + 5, _MIDDLE, f"“{word}”\nid {token_id:,}", fontsize=8, ha="center", va="center")

    looked_up = _table(ax, 14, place, table)
    _arrow(ax, (10.4, _MIDDLE), (13.6, looked_up), table)
    _arrow(ax, (26.4, looked_up), (30.4, _MIDDLE), table)
    _vector(ax, 31, table)
    _note(ax, 20, "table: a row\nfor each word")
    _note(ax, 32.2, "vector")

    _waves(ax, 57, 15, place, function)
    _arrow(ax, (53.4, _MIDDLE), (56.6, _MIDDLE), function)
    _arrow(ax, (72.6, _MIDDLE), (75.8, _MIDDLE), function)
    _network(ax, 78, 85)
    _arrow(ax, (87, _MIDDLE), (90.2, _MIDDLE), function)
    _vector(ax, 91, function)
    _note(ax, 64.5, "waves,\nread at the id")
    _note(ax, 81.5, "small\nnetwork")
    _note(ax, 92.2, "vector")

    times = stored["learned"] / stored["fourier"]
    _caption(ax, 17, 1.5, f"stores {stored['learned']:,} numbers", table)
    _caption(ax, 71, 1.5, f"stores {stored['fourier']:,} numbers, {times:.0f} times fewer", function)
    return ax


def _caption(ax: Axes, x: float, y: float, words: str, colour: str) -> None:
    ax.text(x, y, words, fontsize=9, weight="bold", color=colour, ha="center", va="center")


def _note(ax: Axes, x: float, words: str) -> None:
    ax.text(x, 9.2, words, fontsize=8, ha="center", va="top")


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": colour, "shrinkA": 0, "shrinkB": 0})


def _table(ax: Axes, left: float, place: float, colour: str) -> float:
    """Draw rows, the one at ``place`` filled; return the height of its middle."""
    height, own = 24 / _ROWS, round(place * (_ROWS - 1))
    for row in range(_ROWS):
        face = colour if row == own else "white"
        ax.add_patch(Rectangle((left, 34 - (row + 1) * height), 12, height, facecolor=face, edgecolor="0.6", lw=0.6))
    return 34 - (own + 0.5) * height


def _waves(ax: Axes, left: float, width: float, place: float, colour: str) -> None:
    """Draw the first sines of the basis over all ids, with a dot where each is read."""
    x = np.linspace(0, 1, 200)
    for number in range(1, _WAVES + 1):
        middle = 37 - number * 6
        wave, read = (middle + 2.2 * np.sin(number * np.pi * (2 * at - 1)) for at in (x, place))
        ax.plot(left + width * x, wave, color="0.6", linewidth=1)
        ax.plot(left + width * place, read, "o", color=colour, zorder=3)
    ax.plot([left + width * place] * 2, [10, 34], "--", color=colour, linewidth=0.9)


def _network(ax: Axes, left: float, right: float) -> None:
    units = np.linspace(12, 32, _UNITS)
    for start, end in itertools.product(units, units):
        ax.plot([left, right], [start, end], color="0.8", linewidth=0.6)
    for side in (left, right):
        ax.plot([side] * _UNITS, units, "o", color="0.4")


def _vector(ax: Axes, left: float, colour: str) -> None:
    for cell, strength in enumerate(np.cos(2.4 * np.arange(_CELLS)) ** 2):
        ax.add_patch(Rectangle((left, 10 + 3 * cell), 2.4, 3, facecolor=colour, alpha=0.15 + 0.85 * strength, lw=0))
    ax.add_patch(Rectangle((left, 10), 2.4, 3 * _CELLS, facecolor="none", edgecolor="0.4", lw=0.8))


@style()
def draw_ranks(data: Data, *, label: str, ax: Axes) -> Axes:
    """Draw one row per series: its mean as a dot with its interval and number, and a dashed line at the first one's.

    Args:
        data: ``series``, ``value``, ``low``, ``high``, ``seeds``; optional ``name``, what a row is called.
        label: What ``value`` is, with its unit.
        ax: Where to draw.
    """
    column = columns_of(data, "series", "value", "low", "high", "seeds")
    ax.axvline(column["value"][0], color=REFERENCE, linestyle="--", linewidth=1)
    for number, name, colour, own in by_series(column):
        ax.errorbar(own["value"], [number], xerr=bars(own), fmt=marker_of(name, number), color=colour, capsize=3)
        ax.annotate(f"{own['value'][0]:.1f}", (own["high"][0], number), (5, 0), textcoords="offset points", fontsize=8,
                    va="center", color=colour, weight="bold", path_effects=[HALO])  # fmt: skip
    name_rows(ax, column.get("name", column["series"]))
    ax.margins(x=0.2)
    ax.set_xlabel(f"{label}\n(bars: 95 % t interval, {count_text(column['seeds'], 'training')})")
    return ax
