"""What all pictures share: checked columns, lines, intervals and legends."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError
from ..figures import new_figure
from ..palette import colours_of

Data = Mapping[str, Any]  # a pandas DataFrame serves as well

MARKERS = "osD^vP"
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


def lines(
    ax: Axes, column: Mapping[str, NDArray[Any]], x: str, y: str, dashes: Sequence[str] = ("-", "--", "-.", ":")
) -> None:
    """Draw one line per series, with a band where the columns hold one; dashes keep them apart in grey print."""
    names = in_order(column["series"])
    for number, (name, colour) in enumerate(zip(names, colours_of(names), strict=True)):
        own = {key: values[column["series"] == name] for key, values in column.items()}
        ax.plot(own[x], own[y], color=colour, linestyle=dashes[number % len(dashes)], label=str(name))
        if "low" in own:
            ax.fill_between(own[x].astype(float), own["low"], own["high"], color=colour, alpha=0.15, linewidth=0)


def intervals(ax: Axes, column: Mapping[str, NDArray[Any]], x: str) -> None:
    """Draw a dot with its interval for every row, in the colour and marker of its series."""
    names = in_order(column["series"])
    for number, (name, colour) in enumerate(zip(names, colours_of(names), strict=True)):
        own = {key: values[column["series"] == name] for key, values in column.items()}
        bar = np.array([own["value"] - own["low"], own["high"] - own["value"]])
        marker = MARKERS[number % len(MARKERS)]
        ax.errorbar(own[x], own["value"], bar, fmt=marker, color=colour, capsize=3, label=name)


def finish(ax: Axes, legend: Literal["best", "above"] | None = "best") -> Axes:
    if legend == "above":
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderpad=0, frameon=False)
    elif legend is not None:
        ax.legend(loc=legend)
    return ax


def count_text(counts: ArrayLike, noun: str) -> str:
    """Write one count, or the range of several, with its noun."""
    low, high = int(np.min(counts)), int(np.max(counts))
    number = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"{number} {noun}{'' if high == 1 else 's'}"
