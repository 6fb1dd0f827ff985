"""Pictures of what training did to an embedding: limits, stages and merged tokens."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ._marks import Data, axes_or_new, by_series, columns_of, finish, in_order, name_rows
from .figure import new_figure, style
from .palette import REFERENCE, marker_of
from .runs import draw_curves


def new_panels(names: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Make a figure of two columns with one titled panel per name, all on common axes; return it and its panels."""
    rows = -(-len(names) // 2)
    titles = [*names, *[""] * (2 * rows - len(names))]
    figure, axes = new_figure(rows, 2, height=0.8 + 2.8 * rows, titles=titles, sharex=True, sharey=True)
    for surplus in axes.flat[len(names) :]:
        surplus.remove()
    return figure, list(axes.flat[: len(names)])


@style()
def draw_limits(data: Data, *, label: str, ax: Axes | None = None, legend: bool = True) -> Axes:
    """Draw one number per run in a row per series, on a logarithmic scale, with the bound of the series as an upright bar.

    Args:
        data: ``series``, ``value``, ``bound`` (nan where there is none).
        label: What ``value`` is, with its unit.
        ax: Where to draw.
        legend: Whether to explain the bar, once for several panels.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", "value", "bound")
    for number, name, colour, own in by_series(column):
        place = np.full(len(own["value"]), number)
        ax.plot(own["value"], place, marker_of(name, number), color=colour)
        bound = own["bound"][0]
        if np.isfinite(bound):
            ax.vlines(bound, number - 0.3, number + 0.3, color="black", linewidth=2)
    ax.vlines([], [], [], color="black", linewidth=2, label="bound, whatever the weights")
    name_rows(ax, in_order(column["series"]))
    ax.margins(x=0.1)
    ax.set(xscale="log", xlabel=label, ylabel="series")
    ax.label_outer()
    return finish(ax, "best" if legend else None)


@style()
def draw_stages(
    data: Data, *, label: str, ax: Axes | None = None, stage_label: str = "stage", reference: float | None = None,
    reference_label: str = "", log_value: bool = False, legend: bool = True,
) -> Axes:  # fmt: skip
    """Draw one number at every stage of an embedding: the mean over runs as a line, each run as a dot.

    Args:
        data: ``series``, ``stage``, ``value``, one row per run and stage; a series may lack stages.
        label: What ``value`` is, with its unit.
        ax: Where to draw.
        stage_label: What the stages are.
        reference: A value to compare with, such as the width, marked by a dashed line.
        reference_label: What that value is.
        log_value: Whether values are on a logarithmic scale.
        legend: Whether to name the series, once for several panels.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", "stage", "value")
    stages = max((in_order(own["stage"]) for *_, own in by_series(column)), key=len)
    for number, name, colour, own in by_series(column):
        place = np.array([stages.index(stage) for stage in own["stage"]])
        present = np.unique(place)
        marker = marker_of(name, number)
        ax.plot(present, [own["value"][place == each].mean() for each in present], color=colour)
        ax.plot(place, own["value"], marker, color=colour)
        ax.plot([], [], marker=marker, color=colour, label=name)
    if reference is not None:
        ax.axhline(reference, color=REFERENCE, linestyle="--", linewidth=1, label=reference_label)
    ax.set_xticks(range(len(stages)), [stage.replace(", ", ",\n") for stage in stages])
    ax.set_xlim(-0.3, len(stages) - 0.7)
    ax.set(xlabel=stage_label, ylabel=label)
    if log_value:
        ax.set_yscale("log")
    else:
        ax.set_ylim(bottom=0)
    return finish(ax, "best" if legend else None)


@style()
def draw_classes(data: Data, *, label: str, ax: Axes | None = None, legend: bool = True) -> Axes:
    """Draw scores against the number of ids that share one embedding: means over seeds, bands over their range.

    Args:
        data: ``series``, ``seed``, ``size`` (ids in a class, on a logarithmic scale), ``value`` (the score).
        label: What the score is, with its unit.
        ax: Where to draw.
        legend: Whether to name the series, once for several panels.
    """
    column = columns_of(data, "series", "seed", "size", "value")
    ax = draw_curves({**column, "step": column["size"]}, label=label, ax=ax)
    sizes = np.unique(column["size"])
    ax.set_xscale("log")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("neighbouring ids merged into one class")
    if not legend and (drawn := ax.get_legend()) is not None:
        drawn.remove()
    return ax
