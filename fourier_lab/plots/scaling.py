"""Pictures of what a training step costs: time and memory against the vocabulary, and ratios of time by their cause."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from ._marks import HALO, Data, axes_or_new, bars, by_series, columns_of, finish, in_order, name_rows
from .figure import style
from .palette import ARM_COLOURS, REFERENCE, marker_of

_PLAIN = FuncFormatter(lambda value, _: f"{value:,.3g}" if value < 1000 else f"{value:,.0f}")


@style()
def draw_scaling(data: Data, *, label: str, ax: Axes | None = None, reference: float | None = None) -> Axes:
    """Draw a cost against the size of the vocabulary, both logarithmic: measured dots with intervals, one line per series.

    Dots of several series at one size are moved a little apart.

    Args:
        data: ``series``, ``vocab_size``, ``value``; optional ``low`` and ``high``, and ``formula``, a computed cost that is
            drawn as a dotted line.
        label: What ``value`` is, with its unit.
        ax: Where to draw.
        reference: A value to compare with, such as equal costs, marked by a dashed line.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", "vocab_size", "value")
    if reference is not None:
        ax.axhline(reference, color=REFERENCE, linestyle="--", linewidth=1)
    series = len(in_order(column["series"]))
    for number, name, colour, own in by_series(column):
        bar = bars(own) if "low" in own else None
        place = own["vocab_size"] * 1.05 ** (number - (series - 1) / 2)
        ax.errorbar(place, own["value"], bar, fmt=marker_of(name, number), linestyle="-", color=colour,
                    capsize=3, label=name)  # fmt: skip
        if "formula" in own:
            ax.plot(own["vocab_size"], own["formula"], ":", color=colour, label=f"{name}, computed")
    ax.set(xscale="log", yscale="log", xlabel="vocabulary V", ylabel=label)
    ax.yaxis.set_major_formatter(_PLAIN)
    low, high = ax.get_ylim()
    if high / low < 30:  # too few powers of ten to read a value off
        ax.yaxis.set_minor_formatter(_PLAIN)
        ax.tick_params(axis="y", which="minor", labelsize=7)
    return finish(ax, "ends")


@style()
def draw_causes(
    data: Data, *, label: str, ax: Axes | None = None, references: Mapping[str, float] | None = None
) -> Axes:
    """Draw one ratio per row with its interval; left of 1 in the colour of the learned arm, which is then faster.

    Args:
        data: ``name``, ``value``, ``low``, ``high``.
        label: What ``value`` is, with its unit.
        ax: Where to draw.
        references: Values to compare with by name, marked by upright lines; 1 always is.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "name", "value", "low", "high")
    ax.axvline(1, color=REFERENCE, linewidth=1)
    for number, (name, value) in enumerate((references or {}).items()):
        ax.axvline(value, color=REFERENCE, linestyle=("--", ":")[number % 2], linewidth=1.2, label=name)
    for place, (value, low, high) in enumerate(zip(column["value"], column["low"], column["high"], strict=True)):
        colour = ARM_COLOURS["fourier"] if low > 1 else ARM_COLOURS["learned"] if high < 1 else "black"
        ax.errorbar(value, place, xerr=[[value - low], [high - value]], fmt="o", color=colour, capsize=3)
        ax.annotate(f"{value:.2f}", (value, place), (0, 6), textcoords="offset points", ha="center", fontsize=7,
                    path_effects=[HALO])  # fmt: skip
    name_rows(ax, column["name"], above=0.7)
    ax.margins(x=0.1)
    ax.set(xlabel=label)
    if references:
        finish(ax)
    return ax
