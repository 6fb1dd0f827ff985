"""Whole figures of the study: one quantity of a set of runs, validation and test side by side, drawn and saved."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import plots
from ..columns import Columns, stack
from ..config import RunConfig
from ..series import series_name
from ..tables.summaries import difference_columns, mean_columns, score
from ..training.records import RunRecord
from .comparisons import MATCHING

SPLITS = {"validation": score("validation"), "test": score("test")}
IN_PLAIN_WORDS = {
    "learned": "table, learned",
    "fourier (harmonic)": "the paper's waves\n(harmonic)",
    "fourier (log)": "log-spaced waves",
    "fourier (random)": "random waves",
}

Naming = Callable[[RunConfig], str]


def difference_figure(
    records: Sequence[RunRecord],
    group: Naming | str,
    base: str,
    name: str,
    *,
    title: str,
    alt: str,
    values: Mapping[str, Callable[[RunRecord], float]] = SPLITS,
    label: str = "Spearman × 100",
    group_label: str = "",
) -> Path:
    """Draw the points that each group gains or loses against the group ``base``, paired by seed.

    Args:
        records: Finished runs.
        group, base: As in :func:`fourier_lab.tables.summaries.difference_columns`.
        name: ``notebook/figure``.
        title, alt: As in :func:`fourier_lab.plots.figure.save_figure`.
        values: What is read off a record, by panel title.
        label: What the values are; their differences are points of it.
        group_label: What the rows are; the name of the setting if ``group`` is one.

    Returns:
        Path: The PNG.
    """
    panels = {panel: difference_columns(records, value, group, base) for panel, value in values.items()}
    labels = f"change (points of {label})", group_label or _words(group)
    return _save(panels, records, name, title, alt, plots.draw_differences, *labels)


def mean_figure(
    records: Sequence[RunRecord],
    group: Naming | str,
    name: str,
    *,
    title: str,
    alt: str,
    values: Mapping[str, Callable[[RunRecord], float]] = SPLITS,
    label: str = "Spearman × 100",
    group_label: str = "",
    series: Naming = series_name,
    floor: tuple[str, Mapping[str, float]] = ("", {}),
) -> Path:
    """Draw the mean of each group with its interval over seeds, a row per group.

    Args:
        records, name, title, alt: As in :func:`difference_figure`.
        group, series: As in :func:`fourier_lab.tables.summaries.mean_columns`.
        values: As in :func:`difference_figure`.
        label: What the values are, with their unit.
        group_label: As in :func:`difference_figure`.
        floor: Something to be above, its name and its value by panel; drawn as a line.

    Returns:
        Path: The PNG.
    """
    panels = {panel: mean_columns(records, value, group, series) for panel, value in values.items()}
    return _save(panels, records, name, title, alt, plots.draw_means, label, group_label or _words(group), floor)


def budget_figure(
    columns: Columns, record: RunRecord, name: str, *, floor: tuple[str, float], title: str, alt: str
) -> Path:
    """Draw scores against the bits that an embedding stores, a line per series.

    Args:
        columns: As :func:`fourier_lab.study.bake_off.budget_columns` gives them.
        record: One of the runs, whose settings the figure is stamped with.
        name, title, alt: As in :func:`difference_figure`.
        floor: Something to be above, its name and its value.

    Returns:
        Path: The PNG.
    """
    figure, ax = plots.new_figure(height=4.2)
    plots.draw_budgets(columns, label="Spearman × 100, mean of STS-B test,\nSICK and STS 2012", ax=ax, floor=floor)
    plots.share_legend(figure)
    return plots.save_figure(figure, name, columns, record.config, title=title, alt=alt)


def idea_figure(records: Sequence[RunRecord], name: str, *, title: str, alt: str) -> Path:
    """Draw the study in one picture: a table beside a function of the id, and what each kind of embedding scored on test.

    Args:
        records: Finished runs of the series in :data:`IN_PLAIN_WORDS`, alike in all else but the seed.
        name, title, alt: As in :func:`difference_figure`.

    Returns:
        Path: The PNG.
    """
    order = [*IN_PLAIN_WORDS]
    records = sorted(records, key=lambda record: (order.index(series_name(record.config)), record.config.seed))
    stored = {series_name(record.config): record.metrics["parameters"]["embedding"] for record in records}
    labels = {
        "Judging how alike sentences are": "STS-B test (Spearman × 100)",
        "Finding the right partner among 128": "SNLI test, the task trained for (%)",
    }
    figure, above, below = plots.new_idea([*labels])
    arms = {"learned": stored["learned"], "fourier": stored["fourier (harmonic)"]}
    plots.draw_idea(arms, above, word="hello", token_id=7592, vocab_size=records[0].config.vocab_size)
    values: list[Callable[[RunRecord], float]] = [SPLITS["test"], MATCHING["SNLI test"]]
    panels = {}
    for ax, (panel, label), value in zip(below, labels.items(), values, strict=True):
        columns = mean_columns(records, value, "corpus")
        names = [IN_PLAIN_WORDS[series] for series in columns["series"]]
        plots.draw_ranks({**columns, "name": names}, label=label, ax=ax)
        panels[panel] = {**columns, "stored": np.array([stored[series] for series in columns["series"]])}
    return plots.save_figure(figure, name, stack(panels, "panel"), records[0].config, title=title, alt=alt)


def _words(group: Naming | str) -> str:
    return group.replace("_", " ") if isinstance(group, str) else ""


def _save(
    panels: Mapping[str, Mapping[str, np.ndarray]],
    records: Sequence[RunRecord],
    name: str,
    title: str,
    alt: str,
    draw: Callable[..., Any],
    label: str,
    group_label: str,
    floor: tuple[str, Mapping[str, float]] = ("", {}),
) -> Path:
    first = next(iter(panels.values()))
    rows = len(set(first["group"].tolist()))
    height = 1.6 + rows * (0.12 + 0.2 * max(np.unique(first["group"], return_counts=True)[1]))
    figure, axes = plots.new_figure(1, len(panels), height=height, sharey=True, titles=list(panels), squeeze=False)
    for ax, (panel, columns) in zip(axes[0], panels.items(), strict=True):
        draw(columns, label=label, ax=ax, legend=False)
        if panel in floor[1]:
            ax.axvline(floor[1][panel], color=plots.REFERENCE, linestyle="--", linewidth=1, label=floor[0])
    if rows > 1:  # a single one is no axis
        axes[0][0].set_ylabel(group_label)
    plots.share_legend(figure)
    return plots.save_figure(figure, name, stack(panels, "split"), records[0].config, title=title, alt=alt)
