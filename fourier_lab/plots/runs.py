"""Pictures of training runs: curves, scores, sizes and costs."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..columns import stack
from ._marks import (
    DASHES,
    HALO,
    Data,
    axes_or_new,
    bars,
    by_series,
    columns_of,
    count_text,
    finish,
    in_order,
    intervals,
    lines,
    name_rows,
)
from .figure import style
from .palette import CLASS_COLOURS, MARKERS, OTHER_COLOURS, OTHER_MARKERS, REFERENCE, colour_of, marker_of

_MARKS = MARKERS + OTHER_MARKERS
_LEGEND_CHARACTERS = 70  # of all names in one line of a legend, about as many as fit


@style()
def draw_curves(data: Data, *, label: str, ax: Axes | None = None) -> Axes:
    """Draw a quantity during training: the mean over seeds as a line, the range over seeds as a band.

    Args:
        data: ``series``, ``seed``, ``step``, ``value``; missing values (nan) are left out.
        label: What ``value`` is, with its unit.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", "seed", "step", "value")
    column = {key: values[np.isfinite(column["value"].astype(float))] for key, values in column.items()}
    series = {}
    for _, name, _, own in by_series(column):
        steps, group = np.unique(own["step"], return_inverse=True)
        groups = [own["value"][group == number] for number in range(steps.size)]
        mean, low, high = np.array([(v.mean(), v.min(), v.max()) for v in groups]).T
        title = f"{name}, {count_text(np.unique(own['seed']).size, 'seed')}"
        series[title] = {"step": steps, "value": mean, "low": low, "high": high}
    lines(ax, stack(series), "step", "value")
    ax.set(xlabel="training step", ylabel=label)
    return finish(ax, "ends")


@style()
def draw_scores(
    data: Data, *, label: str, ax: Axes | None = None, group_label: str = "id order", legend: bool = True
) -> Axes:
    """Draw scores with intervals: groups side by side, one dot per series, n stated.

    Args:
        data: ``group``, ``series``, ``value`` (mean), ``low``, ``high``, ``seeds`` and ``pairs`` (counts), ``interval``
            (what the bar is), as :func:`fourier_lab.tables.summaries.score_columns` gives them.
        label: What the score is, with its unit.
        ax: Where to draw.
        group_label: What the groups are; a single group is no axis, and neither it nor its label is drawn.
        legend: Whether to name the series, once for several panels.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "group", "series", "value", "low", "high", "seeds", "pairs", "interval")
    groups, names = in_order(column["group"]), in_order(column["series"])
    place = np.array([groups.index(group) for group in column["group"]], dtype=float)
    for number, name in enumerate(names):  # side by side within a group, numbers above and below by turns
        own, end, offset = column["series"] == name, *(("low", -10) if number % 2 else ("high", 4))
        place[own] += 0.16 * (number - (len(names) - 1) / 2)
        for x, y, value in zip(place[own], column[end][own], column["value"][own], strict=True):
            ax.annotate(f"{value:.1f}", (x, y), (0, offset), textcoords="offset points", fontsize=7, ha="center")
    intervals(ax, {**column, "place": place}, "place")
    several = len(groups) > 1  # a single one is no axis
    ax.set_xticks(range(len(groups)) if several else [], groups if several else [])
    ax.set_xlim(-0.5, len(groups) - 0.5)
    n = f"{count_text(column['pairs'], 'pair')}, {count_text(column['seeds'], 'seed')}"
    note = f"(bars: {', '.join(in_order(column['interval']))};\nn: {n})"
    ax.set(xlabel=f"{group_label}\n{note}" if several else note, ylabel=label)
    ax.margins(y=0.12)
    return finish(ax, "best" if legend else None)


@style()
def draw_differences(data: Data, *, label: str, ax: Axes | None = None, legend: bool = True) -> Axes:
    """Draw differences to a base as dots with intervals, a row per group, against a line at 0; a single group has no name.

    Args:
        data: ``group``, ``series``, ``value``, ``low``, ``high`` (nan where there is one seed), as
            :func:`fourier_lab.tables.summaries.difference_columns` gives them.
        label: What the difference is, with its unit.
        ax: Where to draw.
        legend: Whether to name the series, once for several panels.
    """
    ax = axes_or_new(ax)
    ax.axvline(0, color=REFERENCE, linestyle="--", linewidth=1)
    return _rows(data, ax, label, "{:+.1f}", legend)


@style()
def draw_means(data: Data, *, label: str, ax: Axes | None = None, legend: bool = True) -> Axes:
    """Draw means as dots with intervals, a row per group; arguments as :func:`draw_differences`."""
    return _rows(data, axes_or_new(ax), label, "{:.1f}", legend)


def _rows(data: Data, ax: Axes, label: str, form: str, legend: bool) -> Axes:
    column = columns_of(data, "group", "series", "value", "low", "high")
    groups, names = in_order(column["group"]), in_order(column["series"])
    beside = len(column["group"]) > len(groups)  # else each group has a row of its own, in the colour of its series
    for number, name, colour, own in by_series(column):
        offset = beside * (number - (len(names) - 1) / 2) * 0.72 / len(names)
        place = np.array([groups.index(group) for group in own["group"]]) + offset
        marker = marker_of(name, number)
        ax.errorbar(own["value"], place, xerr=bars(own), fmt=marker, color=colour, capsize=3, markersize=5, label=name)
        for x, y in zip(own["value"], place, strict=True):
            ax.annotate(form.format(x), (x, y), (0, 4), textcoords="offset points", fontsize=7, ha="center",
                        path_effects=[HALO])  # fmt: skip
    name_rows(ax, groups, 0.6, 0.6)
    if len(groups) == 1:  # nothing to tell apart
        ax.set_yticks([])
    ax.set(xlabel=label)
    return finish(ax, "best" if legend else None)


def share_legend(figure: Figure, columns: int | None = None) -> None:
    """Name the series once below all panels, in place of a legend inside one of them, in a row if ``columns`` is None."""
    handles, labels = figure.axes[-1].get_legend_handles_labels()
    room = len(labels) if sum(map(len, labels)) < _LEGEND_CHARACTERS else 3
    figure.legend(handles, labels, loc="outside lower left", ncols=columns or room, frameon=False)


@style()
def draw_parameters(data: Data, *, label: str, ax: Axes | None = None) -> Axes:
    """Draw scores against the number of parameters, on a logarithmic scale; series of one size stand a little apart.

    Args:
        data: ``series``, ``parameters``, ``value``, ``low``, ``high``.
        label: What the score is, with its unit.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", "parameters", "value", "low", "high")
    place = _apart(column["parameters"], column["series"])
    intervals(ax, {**column, "place": place}, "place")
    ax.set(xscale="log", xlabel="parameters", ylabel=label)
    ax.margins(x=0.15)
    return finish(ax)


@style()
def draw_budgets(
    data: Data,
    *,
    label: str,
    ax: Axes | None = None,
    floor: tuple[str, float] | None = None,
    budget: str = "stored_bits",
    budget_label: str = "stored for the embedding (bits)",
) -> Axes:
    """Draw scores against a budget, on a logarithmic scale, a line per series; like budgets stand a little apart.

    Args:
        data: ``series``, the column that ``budget`` names, ``value``, ``low``, ``high``; the budgets of a series rise.
        label: What the score is, with its unit.
        ax: Where to draw.
        floor: Something to be above, its name and its value, drawn as a dashed line.
        budget: Column of the budgets.
        budget_label: What they are, with their unit.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", budget, "value", "low", "high")
    column["place"] = _apart(column[budget], column["series"], 1)
    names = in_order(column["series"])
    fixed = [colour_of(name) for name in names]
    free = iter(colour for colour in (*CLASS_COLOURS, *OTHER_COLOURS) if colour not in fixed)
    for number, (name, known) in enumerate(zip(names, fixed, strict=True)):
        own = {key: values[column["series"] == name] for key, values in column.items()}
        marker, colour = _MARKS[number % len(_MARKS)], known or next(free)
        ax.errorbar(own["place"], own["value"], bars(own), fmt=marker, linestyle=DASHES[number % len(DASHES)],
                    linewidth=1.2, color=colour, capsize=2, markersize=5, label=name)  # fmt: skip
    if floor is not None:
        ax.axhline(floor[1], color=REFERENCE, linestyle="--", linewidth=1, label=floor[0])
    ax.set(xscale="log", xlabel=budget_label, ylabel=label)
    return finish(ax, None)


def _apart(sizes: NDArray[Any], series: NDArray[Any], decimals: int = 9) -> NDArray[Any]:
    """Return where series stand on a logarithmic axis: side by side if the logarithms of their sizes agree when rounded."""
    count = sizes.astype(float)
    step = max(10.0, count.max() / count.min()) ** 0.015  # about 1.5 % of the axis
    place, about = count.copy(), np.round(np.log10(count), decimals)
    for size in np.unique(about):
        names = in_order(series[about == size])  # they would cover each other
        for number, name in enumerate(names):
            place[(about == size) & (series == name)] *= step ** (number - (len(names) - 1) / 2)
    return place


@style()
def draw_quality(data: Data, *, label: str, ax: Axes | None = None) -> Axes:
    """Draw scores against parameters from several sources; rows without parameters are dashed lines.

    Published marks stand 3 % right of their count, our learned ones 3 % left and our Fourier ones 6 %, since one shape has
    one count, and the largest Fourier encoder about that of the smallest table.

    Args:
        data: ``series``, ``label`` (name of the dot, may be empty), ``parameters``, ``value``, ``low``,
            ``high`` (nan if unknown).
        label: What the score is, with its unit.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", "label", "parameters", "value", "low", "high")
    counted = column["parameters"] > 0
    for name, value in zip(column["label"][~counted], column["value"][~counted], strict=True):
        ax.axhline(value, color=REFERENCE, linestyle="--", linewidth=1)
        ax.annotate(f"{name}, {value:.1f}", (0, value), (4, 3), xycoords=("axes fraction", "data"),
                    textcoords="offset points", fontsize=7, ha="left", color=REFERENCE)  # fmt: skip
    dots = {key: values[counted] for key, values in column.items()}
    for number, name in enumerate(in_order(dots["series"])):
        own = {key: values[dots["series"] == name] for key, values in dots.items()}
        published = name.startswith(("paper", "others"))
        kind = name.removeprefix("paper, ")
        colour = colour_of(kind) or REFERENCE
        own["parameters"] = own["parameters"] * (1.03 if published else 0.97 if "learned" in name else 0.94)
        ax.errorbar(own["parameters"], own["value"], bars(own), fmt=marker_of(kind, number), color=colour, capsize=3,
                    markerfacecolor="none" if published else colour, markersize=6, label=name)  # fmt: skip
        for i, (x, y, text) in enumerate(zip(own["parameters"], own["value"], own["label"], strict=True)):
            # The two arms, and an arm's own two depths, crowd each other where their counts are close.
            deep = i // 2 % 2
            if "learned" in name:
                place, side = ((7, -3), "left") if deep else ((-7, -3), "right")
            else:
                place, side = (0, -13) if "fourier" in name and not deep else (0, 6), "center"
            ax.annotate(text, (x, y), place, textcoords="offset points", fontsize=6.5, ha=side, path_effects=[HALO])
    ax.set(xscale="log", xlabel="parameters (count; published marks 3 % right of it, ours 3 or 6 % left)", ylabel=label)
    ax.margins(x=0.12, y=0.12)
    return finish(ax, "above")


@style()
def draw_quantity(
    data: Data, *, label: str, ax: Axes | None = None, reference: float | None = None, reference_label: str = ""
) -> Axes:
    """Draw one number per series (time, rank, isotropy, purity) as dots on a common scale from 0; bars if given.

    Args:
        data: ``series`` and ``value``, one row per run; optional ``low`` and ``high``.
        label: What ``value`` is, with its unit.
        ax: Where to draw.
        reference: A value to compare with, such as the width or chance, marked by a dashed line.
        reference_label: What that value is.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", "value")
    for number, name, colour, own in by_series(column):
        value, place = own["value"], np.full(len(own["value"]), number)
        mean = value.mean()
        ax.hlines(number, 0, mean, color=colour, linewidth=1, alpha=0.5)
        if "low" in column:
            ax.errorbar(value, place, xerr=bars(own), fmt="none", color=colour, capsize=3)
        ax.plot(value, place, marker_of(name, number), color=colour)
        count = f" (mean of {value.size})" if value.size > 1 else ""
        words = f"{mean:.3g}{count}"
        ax.annotate(words, (mean, number), (0, 7), textcoords="offset points", ha="center", fontsize=8,
                    path_effects=[HALO])  # fmt: skip
    if reference is not None:
        ax.axvline(reference, color=REFERENCE, linestyle="--", linewidth=1, label=reference_label)
        finish(ax)
    name_rows(ax, in_order(column["series"]), 0.6, 0.6)
    ax.margins(x=0.1)
    ax.set(xlabel=label, ylabel="series")
    return ax
