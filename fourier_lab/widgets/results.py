"""All committed records as points: choose axes, filter, mark one and see its settings and the command that rebuilds it."""

from collections.abc import Set
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..config import ARMS
from ..errors import ConfigError
from ..plots.figure import new_figure, style
from ..plots.results import draw_points, side_by_side
from ..tables.points import (
    Point,
    Quantity,
    as_text,
    point_columns,
    pooled_value,
    quantities,
    read_points,
    train_command,
)
from ..training.record_index import without_collector
from .controls import choice
from .explorer import Explorer, View, closed

ALL = "all"
_REACH = 25.0  # pixels from which a click still means the nearest point
_SHOWN = ("validation Spearman", "test Spearman")


@without_collector()
def explore_results(
    folder: Path | None = None, *, x: str = "parameters", y: str = "test Spearman", family: str = ALL
) -> Explorer:
    """Explore every committed record: one point per configuration, its seeds pooled, with intervals.

    Args:
        folder: Holds one folder per family of runs; ``results/`` if None.
        x: What the points are placed by, a name of :func:`fourier_lab.tables.points.quantities`.
        y: The same, upwards.
        family: Folder of runs that is shown first.

    Returns:
        Explorer: Its settings are ``x``, ``y``, ``arm``, ``family``, ``budget`` (smallest and largest number of
        parameters) and ``point``, the name of the marked one, whose configuration and command are its text; a
        click on another marks that.

    Raises:
        ConfigError: If there is no record, or ``x``, ``y`` or ``family`` is unknown.
    """
    points, skipped = read_points(folder)
    known = quantities(points)
    by_name = {point.name: point for point in points}
    families = (ALL, *dict.fromkeys(point.family for point in points))
    sizes = sorted({point.parameters for point in points})
    arms = dict.fromkeys((*ARMS, *(point.config.arm for point in points)))
    choices = {"x": tuple(known), "y": tuple(known), "arm": (ALL, *arms), "family": families}

    @cache
    def with_value(axis: str) -> set[str]:
        return {point.name for point in points if pooled_value(point, known[axis])[3]}

    @lru_cache(maxsize=2)  # the settings are settled, then drawn
    def within(x: str, y: str, arm: str, family: str, budget: tuple[int, int]) -> list[Point]:
        named = with_value(x) & with_value(y)
        return [
            point
            for point in points
            if point.name in named
            and arm in (ALL, point.config.arm)
            and family in (ALL, point.family)
            and budget[0] <= point.parameters <= budget[1]
        ]

    def filtered(chosen: dict[str, Any]) -> list[Point]:
        return within(*(chosen[name] for name in ("x", "y", "arm", "family")), tuple(chosen["budget"]))

    def settle(chosen: dict[str, Any], changed: Set[str]) -> dict[str, Any]:
        for name, options in choices.items():
            if chosen[name] not in options:
                raise ConfigError(f"unknown {name} {chosen[name]!r}. Choose from {', '.join(options)}.")
        low, high = (min(sizes, key=lambda size: abs(size - end)) for end in chosen["budget"])  # the slider's own steps
        chosen = {**chosen, "budget": (low, high)}
        shown = filtered(chosen)
        if not shown:
            raise ConfigError(
                "no record has both quantities within this filter. Widen the budget, or choose another arm, family or axis."
            )
        if chosen["point"] in {point.name for point in shown}:
            return chosen
        if "point" in changed:
            raise ConfigError(f"no point {chosen['point']!r} is shown. Choose from the list, or widen the filter.")
        best = max(shown, key=lambda point: point.records[0].score("validation"))
        return {**chosen, "point": best.name}

    @style()
    def draw(**chosen: Any) -> View:
        shown = filtered(chosen)
        first, second = known[chosen["x"]], known[chosen["y"]]
        figure, ax = new_figure(height=4.4)
        columns = point_columns(shown, first, second)
        draw_points(
            columns, x_label=first.label, y_label=second.label, ax=ax,
            log_x=first.logarithmic, log_y=second.logarithmic, marked=chosen["point"],
        )  # fmt: skip
        axes = {name: known[name] for name in dict.fromkeys((chosen["x"], chosen["y"], *_SHOWN))}
        mixed = len({point.config.corpus == "toy" for point in shown}) > 1
        warning = ["Runs of the toy language and of English are shown together; their scores do not compare."] * mixed
        text = "\n".join([*warning, *_describe(by_name[chosen["point"]], axes), *skipped])

        def pick(x: float, y: float) -> dict[str, Any]:
            places = np.column_stack([side_by_side(columns["x"], first.logarithmic)[0], columns["y"]])
            away = np.linalg.norm(ax.transData.transform(places) - (x, y), axis=1)
            return {"point": str(columns["point"][away.argmin()])} if away.min() < _REACH else {}

        return View(closed(figure), text, {"point": {"options": tuple(point.name for point in shown)}}, pick)

    def make_controls() -> dict[str, Any]:
        import ipywidgets
        from matplotlib.ticker import EngFormatter

        short = EngFormatter(places=1, sep="")  # whole counts do not fit beside the slider
        budget = ipywidgets.SelectionRangeSlider(
            options=[(short(size), size) for size in sizes], value=settings["budget"], description="budget (parameters)",
            continuous_update=False, style={"description_width": "initial"}, layout={"width": "420px"},
        )  # fmt: skip
        menus = {name: choice(name, options, settings[name]) for name, options in choices.items()}
        return {**menus, "budget": budget, "point": choice("point", tuple(by_name), settings["point"])}

    first = next((point.name for point in points if family in (ALL, point.family)), "")
    settings = {"x": x, "y": y, "arm": ALL, "family": family, "budget": (sizes[0], sizes[-1]), "point": first}
    if family not in families:
        raise ConfigError(f"unknown family {family!r}. Choose from {', '.join(families)}.")
    if unknown := [name for name in (x, y) if name not in known]:
        raise ConfigError(f"unknown quantity {unknown[0]!r}. Choose from {', '.join(known)}.")
    return Explorer(draw, settings, make_controls, settle=settle)


def _describe(point: Point, axes: dict[str, Quantity]) -> list[str]:
    """Return lines about one point: its numbers, its settings and the command that rebuilds it."""
    configs = [record.config for record in point.records]
    lines = [f"Marked: {point.name}."]
    for name, quantity in axes.items():
        value, low, high, seeds = pooled_value(point, quantity)
        kind = f"t interval over {seeds} seeds" if seeds > 1 else "over pairs"
        interval = f" ({_number(low)} to {_number(high)}, 95 % {kind})" if high > low else ""
        lines.append(f"{name}: {_number(value)}{interval}")
    settings = {"digest": configs[0].digest(), **configs[0].changes()}
    lines.append(f"Settings that are not the default: {'; '.join(f'{n} {as_text(n, v)}' for n, v in settings.items())}")
    lines.append(train_command(configs))
    if point.config.source == "folder":
        lines.append(
            "Before the command, set FOURIER_LAB_DATA to the folder of the corpora ('fourier-lab data fetch')."
        )
    return lines


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
