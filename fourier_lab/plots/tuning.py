"""Pictures of what fine-tuning reaches with few numbers."""

from matplotlib.axes import Axes

from ._marks import Data, axes_or_new, bars, by_series, columns_of, finish
from .figure import style
from .palette import REFERENCE, marker_of
from .results import side_by_side


@style()
def draw_tuned(data: Data, *, label: str, ax: Axes | None = None, floor: tuple[str, float] | None = None) -> Axes:
    """Draw scores against the numbers that were tuned, on a logarithmic scale, a line per series; like sizes side by side.

    Args:
        data: ``series``, ``tuned`` (count), ``value``, ``low``, ``high`` (nan without an interval); the sizes of a series
            rise.
        label: What ``value`` is, with its unit.
        ax: Where to draw.
        floor: What is there without tuning, its name and its value, drawn as a dashed line.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", "tuned", "value", "low", "high")
    column["tuned"], _ = side_by_side(column["tuned"].astype(float), log=True)
    for number, name, colour, own in by_series(column):
        ax.errorbar(own["tuned"], own["value"], bars(own), marker=marker_of(name, number), color=colour, linewidth=1,
                    capsize=2, markersize=5, label=name)  # fmt: skip
    if floor is not None:
        ax.axhline(floor[1], color=REFERENCE, linestyle="--", linewidth=1, label=floor[0])
    ax.set(xscale="log", xlabel="numbers tuned", ylabel=label)
    return finish(ax, None)
