"""Pictures of what a language model does not know: how sure it is, how far its rows are known, what latent vectors cost."""

import numpy as np
from matplotlib.axes import Axes

from ._marks import Data, axes_or_new, bars, by_series, columns_of, finish
from .figure import style
from .palette import REFERENCE, marker_of


@style()
def draw_reliability(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw how often the likeliest token was right against how sure the model was of it, one line per series.

    Args:
        data: ``series``, ``confidence`` and ``accuracy`` (0 to 1), rising within a series.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", "confidence", "accuracy")
    for number, name, colour, own in by_series(column):
        ax.plot(
            own["confidence"], own["accuracy"], marker=marker_of(name, number), color=colour, markersize=4, label=name
        )
    ax.axline((0, 0), slope=1, color=REFERENCE, linestyle="--", linewidth=1, label="as sure as right")
    most = 1.08 * max(column["confidence"].max(), column["accuracy"].max())
    ax.set(xlim=(0, most), ylim=(0, most), xlabel="probability of the likeliest token", ylabel="share in which it came")
    return finish(ax)


@style()
def draw_spread(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw how far the row of each token is known against how often the token occurs, logarithmic, a dot for each token.

    Args:
        data: ``count`` (in the training text; 0 is drawn at 0.5) and ``spread`` (standard deviation of a coordinate).
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "count", "spread")
    ax.plot(np.maximum(column["count"], 0.5), column["spread"], "o", markersize=2.5, alpha=0.5, markeredgewidth=0)
    ax.set(xscale="log", xlabel="occurrences in the training text", ylabel="standard deviation of a coordinate")
    ax.set_ylim(0, 1.25 * column["spread"].max())
    return ax


@style()
def draw_by_steps(data: Data, *, label: str, ax: Axes | None = None) -> Axes:
    """Draw a quantity with its intervals against the steps of inference, one line per series.

    Args:
        data: ``series``, ``steps``, ``value``, ``low``, ``high``.
        label: What ``value`` is, with its unit.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", "steps", "value", "low", "high")
    for number, name, colour, own in by_series(column):
        marker = marker_of(name, number)
        ax.errorbar(
            own["steps"], own["value"], bars(own), marker=marker, color=colour, capsize=3, markersize=5, label=name
        )
    ax.set(xticks=np.unique(column["steps"]), xlabel="steps of inference before each step of the model", ylabel=label)
    return finish(ax)
