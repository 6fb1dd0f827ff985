"""Pictures of what a text costs by its length."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from ._marks import Data, axes_or_new, by_series, columns_of, finish
from .figure import style
from .palette import REFERENCE, marker_of


@style()
def draw_lengths(
    data: Data, *, label: str, ax: Axes | None = None, crossings: Sequence[tuple[str, float]] = ()
) -> Axes:
    """Draw a cost against the length of a text, both logarithmic, one line per series.

    Args:
        data: ``series``, ``length`` (tokens), ``value``.
        label: What ``value`` is, with its unit.
        ax: Where to draw.
        crossings: Lengths to mark by upright lines, each with its name.
    """
    ax = axes_or_new(ax)
    for number, name, colour, own in by_series(columns_of(data, "series", "length", "value")):
        ax.plot(own["length"], own["value"], marker=marker_of(name, number), color=colour, markersize=4, label=name)
    for (name, length), line in zip(crossings, ("--", ":", "-."), strict=False):
        ax.axvline(length, color=REFERENCE, linestyle=line, linewidth=1, label=name)
    ax.set(xscale="log", yscale="log", xlabel="length of a text (tokens)", ylabel=label)
    return finish(ax)
