"""Pictures of what a text costs by its length, and of scores by the share of a network that is left."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from ._marks import Data, axes_or_new, by_series, columns_of, finish
from .figure import style
from .palette import REFERENCE, marker_of


@style()
def draw_lengths(
    data: Data,
    *,
    label: str,
    ax: Axes | None = None,
    crossings: Sequence[tuple[str, float]] = (),
    length_label: str = "length of a text (tokens)",
) -> Axes:
    """Draw a cost against the length of a text or another size, both logarithmic, one line per series.

    Args:
        data: ``series``, ``length``, ``value``.
        label: What ``value`` is, with its unit.
        ax: Where to draw.
        crossings: Lengths to mark by upright lines, each with its name.
        length_label: What the sizes are, with their unit.
    """
    ax = axes_or_new(ax)
    for number, name, colour, own in by_series(columns_of(data, "series", "length", "value")):
        ax.plot(own["length"], own["value"], marker=marker_of(name, number), color=colour, markersize=4, label=name)
    for (name, length), line in zip(crossings, ("--", ":", "-."), strict=False):
        ax.axvline(length, color=REFERENCE, linestyle=line, linewidth=1, label=name)
    ax.set(xscale="log", yscale="log", xlabel=length_label, ylabel=label)
    return finish(ax, "ends")


@style()
def draw_shares(data: Data, *, label: str, share_label: str, ax: Axes | None = None) -> Axes:
    """Draw a score against a share, one line per series.

    Args:
        data: ``series``, ``share`` in [0, 1], ``value``.
        label: What ``value`` is, with its unit.
        share_label: What the share is of; shown in percent.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    for number, name, colour, own in by_series(columns_of(data, "series", "share", "value")):
        ax.plot(
            100 * own["share"], own["value"], marker=marker_of(name, number), color=colour, markersize=4, label=name
        )
    ax.set(xlabel=f"{share_label} (%)", ylabel=label)
    return finish(ax, "ends")
