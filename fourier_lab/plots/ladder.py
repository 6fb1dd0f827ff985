"""Pictures of the ladder from zero parameters: scores of methods in a column, and weights of ids."""

import numpy as np
from matplotlib.axes import Axes

from ._marks import HALO, Data, axes_or_new, bars, columns_of, count_text, finish, in_order, lines, name_rows
from .figure import style
from .palette import MARKERS, class_colours


@style()
def draw_ladder(data: Data, *, label: str, ax: Axes | None = None, legend: bool = True) -> Axes:
    """Draw one row per method: its score as a dot, the interval over pairs as a bar, that over seeds as a pale one.

    Args:
        data: ``series`` (the method), ``kind``, ``value``, ``low``, ``high``, ``seeds_low``, ``seeds_high``, ``pairs``, as
            :func:`fourier_lab.study.ladder.ladder_columns` gives them.
        label: What the score is, with its unit.
        ax: Where to draw.
        legend: Whether to name the kinds, once for several panels.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", "kind", "value", "low", "high", "seeds_low", "seeds_high", "pairs")
    kinds, place = in_order(column["kind"]), np.arange(len(column["value"]))
    for number, (kind, colour) in enumerate(zip(kinds, class_colours(len(kinds)), strict=True)):
        own = {key: values[column["kind"] == kind] for key, values in {**column, "place": place}.items()}
        y = own["place"]
        ax.hlines(y, own["seeds_low"], own["seeds_high"], color=colour, alpha=0.3, linewidth=7)
        ax.errorbar(own["value"], y, xerr=bars(own), fmt=MARKERS[number], color=colour, capsize=2, label=kind)
        if y[0]:
            ax.axhline(y[0] - 0.5, color="0.8", linewidth=0.8)
    for y, (value, high) in enumerate(zip(column["value"], column["high"], strict=True)):
        ax.annotate(f"{value:.1f}", (high, y), (4, 0), textcoords="offset points", fontsize=7, va="center",
                    path_effects=[HALO])  # fmt: skip
    name_rows(ax, column["series"])
    ax.margins(x=0.12)
    n = count_text(column["pairs"], "pair")
    ax.set(xlabel=f"{label}\n(bars: 95 % bootstrap over {n};\npale: 95 % t interval over seeds)", ylabel="method")
    ax.label_outer()
    return finish(ax, "best" if legend else None)


@style()
def draw_weights(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw the weight of a token against its id, which is on a logarithmic scale, one line with a band per weighting.

    Args:
        data: ``series``, ``token_id``, ``value`` (over the mean of its series), optional ``low`` and ``high``.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    lines(ax, columns_of(data, "series", "token_id", "value"), "token_id", "value")
    ax.set(xscale="log", ylim=(0, None), xlabel="token id p", ylabel="weight / mean weight")
    return finish(ax, "ends")
