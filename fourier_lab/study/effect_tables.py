"""Turn what training did into columns to draw and lines to print: limits, stages, spectra, classes."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..columns import Columns, from_rows, stack, where
from ..evaluation.metrics import mean_interval
from ..geometry.effect_records import OCCURRENCES, STAGES, Effects
from ..series import series_name

TOLERANCE = 1.0  # points of Spearman x 100 that a merger of tokens may cost


def limit_columns(effects: Iterable[Effects], what: str) -> Columns:
    """Return ``steps`` or ``sign_changes`` of each run: ``series``, ``seed``, ``value`` (worst), ``median``, ``bound``."""
    rows = [
        (series_name(e.config), e.config.seed, n["worst"], n["median"], np.nan if n["bound"] is None else n["bound"])
        for e in effects
        for n in [e.numbers[what]]
    ]
    return from_rows(("series", "seed", "value", "median", "bound"), rows)


def moved_columns(effects: Iterable[Effects]) -> Columns:
    """Return how far rows moved by how often the token occurs in the training text, in the columns of a stage picture.

    Returns:
        Columns: ``series``, ``seed``, ``stage`` (the class of occurrences), ``value`` (mean angle in degrees).
    """
    rows = [
        (series_name(e.config), e.config.seed, name, e.numbers["moved"][name])
        for e in effects
        for name in OCCURRENCES
        if name in e.numbers["moved"]
    ]
    return from_rows(("series", "seed", "stage", "value"), rows)


def restored_columns(effects: Iterable[Effects]) -> Columns:
    """Return what putting the untrained embedding back costs: ``series``, ``seed``, ``angle`` and points lost by split.

    ``angle`` is the mean angle between start and end over the tokens of the training text, in degrees.
    """
    rows = [
        (
            series_name(e.config), e.config.seed, e.numbers["moved"]["text"],
            *(e.numbers["classes"][0][split] - e.numbers["restored"][split] for split in ("validation", "test")),
        )
        for e in effects
    ]  # fmt: skip
    return from_rows(("series", "seed", "angle", "validation", "test"), rows)


def put_back_columns(effects: Iterable[Effects]) -> dict[str, Columns]:
    """Return by split how the score changes when the untrained embedding is put back: means over seeds, with intervals.

    Returns:
        Columns by split: ``group``, ``series``, ``value`` (points of Spearman x 100), ``low``, ``high`` (Student's 95 %
        interval, nan for a single seed), ``seeds``.
    """
    restored = restored_columns(effects)
    columns = {}
    for split in ("validation", "test"):
        rows = []
        for name in dict.fromkeys(restored["series"].tolist()):
            change = -restored[split][restored["series"] == name]
            rows.append(("put back", name, *mean_interval(change), len(change)))
        columns[split] = from_rows(("group", "series", "value", "low", "high", "seeds"), rows)
    return columns


def stage_columns(effects: Iterable[Effects], what: str) -> Columns:
    """Return one number of every stage and run, such as ``effective_rank``: ``series``, ``seed``, ``stage``, ``value``."""
    rows = [
        (series_name(e.config), e.config.seed, stage, numbers[what])
        for e in effects
        for stage, numbers in e.numbers["stages"].items()
    ]
    return from_rows(("series", "seed", "stage", "value"), rows)


def stage_curves(effects: Iterable[Effects], what: str, stages: Sequence[str] = STAGES) -> dict[str, Columns]:
    """Return ``spectrum`` or ``similarity`` by series, stage by stage: columns as in ``geometry``, means over seeds.

    The column ``series`` names the stage; a series may lack some of ``stages``.
    """
    by_series: dict[str, list[dict[str, Any]]] = {}
    for e in effects:
        by_series.setdefault(series_name(e.config), []).append(e.numbers["stages"])
    return {
        series: stack(
            {
                stage: {key: np.mean([run[stage][what][key] for run in runs], axis=0) for key in runs[0][stage][what]}
                for stage in stages
                if stage in runs[0]
            }
        )
        for series, runs in by_series.items()
    }


def class_columns(effects: Iterable[Effects], split: str = "validation") -> Columns:
    """Return the scores of :func:`class_scores`: ``series``, ``seed``, ``size``, ``classes``, ``used``, ``value``."""
    rows = [
        (series_name(e.config), e.config.seed, n["size"], n["classes"], n["used"], n[split])
        for e in effects
        for n in e.numbers["classes"]
    ]
    return from_rows(("series", "seed", "size", "classes", "used", "value"), rows)


def classes_needed(effects: Iterable[Effects]) -> dict[str, dict[str, float]]:
    """Return by series the coarsest merger that costs at most :data:`TOLERANCE` points, and what the next one costs.

    A merger counts only if all finer ones stay within the tolerance too; costs are means over seeds, on validation.

    Returns:
        ``size`` and ``classes`` of that merger; ``next_size`` and ``next_cost`` (points) of the one after it, nan if
        none was tried; ``cost_of_32`` of bins of 32 ids.
    """
    columns = class_columns(effects)
    answer = {}
    for series in dict.fromkeys(columns["series"].tolist()):
        own = where(columns, "series", series)
        sizes = np.unique(own["size"])
        mean = np.array([own["value"][own["size"] == size].mean() for size in sizes])
        cost = mean[0] - mean
        beyond = np.flatnonzero(cost > TOLERANCE)
        last = int(beyond[0]) - 1 if beyond.size else len(sizes) - 1
        after = (sizes[beyond[0]], cost[beyond[0]]) if beyond.size else (np.nan, np.nan)
        answer[series] = {
            "size": float(sizes[last]), "classes": float(own["classes"][own["size"] == sizes[last]][0]),
            "next_size": float(after[0]), "next_cost": float(after[1]),
            "cost_of_32": float(next(iter(cost[sizes == 32]), np.nan)),
        }  # fmt: skip
    return answer


def finding(effects: Sequence[Effects]) -> str:
    """Say in lines of text how far rows moved, what that is worth, how far they can, and how many tokens are told apart."""
    moved, steps = restored_columns(effects), limit_columns(effects, "steps")
    names = dict.fromkeys(moved["series"].tolist())
    angle, lost, lost_test = (_means(moved, key) for key in ("angle", "validation", "test"))
    said = [f"{name} {angle[name]:.1f}° ({lost[name]:+.1f} / {lost_test[name]:+.1f})" for name in names]
    lines = [
        "mean angle by which training turned the rows of the text's tokens (points of Spearman × 100 lost on validation / "
        f"test by undoing it): {', '.join(said)}"
    ]
    worst, bound = _means(steps, "value"), _means(steps, "bound")
    said = [
        f"{name} {100 * worst[name]:.3g} %"
        + (f" (bound {100 * bound[name]:.3g} %)" if bound[name] < 2 else " (no bound)")
        for name in names
    ]
    lines.append(
        f"largest change of a trained coordinate from one id to the next, of its largest value: {', '.join(said)}"
    )
    for what, words in (("effective_rank", "effective rank"), ("bandwidth_90", "90 % bandwidth over ids")):
        columns = stage_columns(effects, what)
        before, after = (_means(where(columns, "stage", stage), "value") for stage in (STAGES[1], STAGES[3]))
        said = [f"{name} {before[name]:,.0f} to {after[name]:,.0f}" for name in names]
        lines.append(f"{words}, from the start to the end of training: {', '.join(said)}")
    said = [
        f"{name} {n['classes']:,.0f} (bins of {n['size']:.0f}"
        + (")" if np.isnan(n["next_size"]) else f"; {n['next_size']:.0f} cost {n['next_cost']:.1f} points)")
        for name, n in classes_needed(effects).items()
    ]
    lines.append(f"classes of words that keep validation Spearman within {TOLERANCE:g} point: {', '.join(said)}")
    return "\n- ".join(lines)


def _means(columns: Columns, name: str) -> dict[str, float]:
    """Return the mean of a column by series."""
    return {s: float(columns[name][columns["series"] == s].mean()) for s in dict.fromkeys(columns["series"].tolist())}
