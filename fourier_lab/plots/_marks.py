"""What all pictures share: checked columns, series, lines, intervals, heat maps, names and legends."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.container import Container
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from .figure import new_figure
from .palette import colours_of, marker_of

Data = Mapping[str, Any]  # a pandas DataFrame serves as well

_LUMINANCE, _DARK = np.array([0.299, 0.587, 0.114]), 0.45  # of a colour, and of one that is read on white

DASHES = ("-", "--", "-.", ":")
HALO = withStroke(linewidth=2.5, foreground="white")  # keeps text legible over marks


def axes_or_new(ax: Axes | None) -> Axes:
    return new_figure()[1] if ax is None else ax


def columns_of(data: Data, *required: str) -> dict[str, NDArray[Any]]:
    """Return the columns as arrays, after checking names and lengths."""
    columns = {str(name): np.asarray(data[name]) for name in data}
    if missing := [name for name in required if name not in columns]:
        raise DataError(f"columns {', '.join(missing)} are missing; got {', '.join(columns) or 'none'}.")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1 or not lengths[required[0]]:
        raise DataError(f"columns must have one length above 0 to be drawn, got {lengths}.")
    return columns


def in_order(values: NDArray[Any]) -> list[Any]:
    """Return the distinct values in order of first appearance."""
    return list(dict.fromkeys(values.tolist()))


def by_series(column: Mapping[str, NDArray[Any]]) -> Iterator[tuple[int, str, Any, dict[str, NDArray[Any]]]]:
    """Yield number, name, colour and rows of each series in order of first appearance."""
    names = in_order(column["series"])
    for number, (name, colour) in enumerate(zip(names, colours_of(names), strict=True)):
        yield number, str(name), colour, {key: values[column["series"] == name] for key, values in column.items()}


def bars(own: Mapping[str, NDArray[Any]], value: str = "value", low: str = "low", high: str = "high") -> NDArray[Any]:
    """Return how far intervals reach below and above their values, as ``errorbar`` takes them."""
    return np.array([own[value] - own[low], own[high] - own[value]])


def lines(ax: Axes, column: Mapping[str, NDArray[Any]], x: str, y: str, dashes: Sequence[str] = DASHES) -> None:
    """Draw one line per series, with a band where the columns hold one; dashes keep them apart in grey print."""
    for number, name, colour, own in by_series(column):
        ax.plot(own[x], own[y], color=colour, linestyle=dashes[number % len(dashes)], label=name)
        if "low" in own:
            ax.fill_between(own[x].astype(float), own["low"], own["high"], color=colour, alpha=0.15, linewidth=0)


def intervals(ax: Axes, column: Mapping[str, NDArray[Any]], x: str) -> None:
    """Draw a dot with its interval for every row, in the colour and marker of its series."""
    for number, name, colour, own in by_series(column):
        marker = marker_of(name, number)
        ax.errorbar(own[x], own["value"], bars(own), fmt=marker, color=colour, capsize=3, label=name)


def heat_map(
    ax: Axes, row: NDArray[Any], column: NDArray[Any], value: NDArray[Any], what: str, label: str | None
) -> None:
    """Draw values in [-1, 1] as pixels.

    Args:
        ax: Where to draw.
        row, column: Places in the grid, from 0; all of them must be given.
        value: The values.
        what: What rows and columns are, such as ``{} ids x {} columns``.
        label: Names the scale of values; without one there is none.
    """
    shape = row.max() + 1, column.max() + 1
    if value.size != shape[0] * shape[1]:
        raise DataError(f"{value.size} values do not fill {what.format(*shape)}. Pass a full grid.")
    grid = np.empty(shape)
    grid[row, column] = value
    image = ax.imshow(grid, aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
    ax.grid(False)
    if label is not None:
        ax.figure.colorbar(image, ax=ax, label=label, fraction=0.05)


def name_rows(ax: Axes, names: Sequence[Any] | NDArray[Any], above: float = 0.5, below: float = 0.5) -> None:
    """Name the rows of a picture, the first at the top, with room above and below in rows."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 1 + below, -above)


def finish(ax: Axes, legend: Literal["best", "above", "ends"] | None = "best") -> Axes:
    """Name the series: in a legend, or where lines end apart from each other, right of their ends (``ends``)."""
    if legend == "above":
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderpad=0, frameon=False)
    elif legend == "ends" and len(ax.figure.axes) == 1:
        _name_ends(ax)
    elif legend is not None:
        ax.legend(loc="best")
    return ax


def _name_ends(ax: Axes) -> None:
    """Write the name of each line right of its end, in its colour; names that would cover each other stand apart."""
    handles, names = ax.get_legend_handles_labels()
    drawn = [cast(Line2D, handle[0] if isinstance(handle, Container) else handle) for handle in handles]
    to_axes, right = ax.transData + ax.transAxes.inverted(), ax.get_xlim()[1]
    last = np.array([(right, np.asarray(line.get_ydata())[-1]) for line in drawn], dtype=float)
    ends = np.clip(to_axes.transform(last)[:, 1], 0, 1)
    size = mpl.rcParams["legend.fontsize"]
    height = 0.75 * cast(Figure, ax.figure).get_figheight()  # inches: axes are about three quarters of the picture
    apart = 1.4 * size / (72 * height)
    order = np.argsort(ends, kind="stable")
    for below, above in itertools.pairwise(order):
        ends[above] = max(ends[above], ends[below] + apart)
    ends[order[-1]] = min(ends[order[-1]], 1.0)
    for below, above in reversed([*itertools.pairwise(order)]):
        ends[below] = min(ends[below], ends[above] - apart)
    for line, name, end in zip(drawn, names, ends, strict=True):
        colour = np.array(mpl.colors.to_rgb(line.get_color()))
        colour *= min(1.0, _DARK / max(1e-9, colour @ _LUMINANCE))
        ax.annotate(name, (1, end), (5, 0), "axes fraction", "offset points", color=tuple(colour), fontsize=size,
                    va="center", annotation_clip=False)  # fmt: skip


def count_text(counts: ArrayLike, noun: str) -> str:
    """Write one count, or the range of several, with its noun."""
    low, high = int(np.min(counts)), int(np.max(counts))
    number = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{number} {noun}{'' if high == 1 else 's'}"


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
