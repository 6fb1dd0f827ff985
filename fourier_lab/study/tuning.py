"""Thin tuning: what runs are called that move few numbers of a pretrained encoder, and what they score for how many."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import plots
from ..columns import Columns, from_rows, stack
from ..config import RunConfig
from ..embeddings.registry import TUNINGS
from ..errors import DataError
from ..evaluation.metrics import mean_interval, plus_minus, with_pairs
from ..tables.summaries import Score, cases, difference_columns, score
from ..training.records import RunRecord

if TYPE_CHECKING:
    import pandas as pd

UNTUNED, FULL = "untuned", "all numbers"
_WORDS = {"full": FULL, "head": "head", "lora": "LoRA", "gift": "GIFT", "prompts": "prompts", "apt": "APT"}
_SPLITS: dict[str, Score] = {"validation": score("validation"), "test": score("test")}


def series_of(config: RunConfig) -> str:
    """Return how a run tunes, whatever the number of what moves; ``untuned`` if it starts from no other run."""
    if config.pretraining is None:
        return UNTUNED
    return _WORDS[config.tuning] + " of the embedding" * (dict(config.tuning_options).get("of") == "embedding")


def tuning_name(config: RunConfig) -> str:
    """Return how a run tunes, with its rank or the number of its prompts.

    Example:
        >>> tuning_name(RunConfig(tuning="apt", tuning_options={"prompts": 4}, pretraining={"steps": 90}))
        'APT, 4 prompts'
    """
    settings = TUNINGS.settings[config.tuning](**dict(config.tuning_options))
    if hasattr(settings, "rank"):
        return f"{series_of(config)}, rank {settings.rank}"
    own = "" if config.tuning == "prompts" else " prompts"
    return series_of(config) + (f", {settings.prompts}{own}" if hasattr(settings, "prompts") else "")


def tuned_numbers(record: RunRecord) -> int:
    """Return how many numbers of the encoder moved after its pretraining."""
    sizes = record.metrics["parameters"]
    return 0 if record.config.pretraining is None else int(sizes.get("tuned", sizes["total"]))


def tuning_columns(records: Sequence[RunRecord], split: str) -> Columns:
    """Return the scores of a split by the numbers tuned.

    Returns:
        Columns: ``series`` (:func:`series_of`), ``name`` (:func:`tuning_name`), ``tuned`` (rising within a series),
        ``value`` (Spearman x 100, mean over seeds), ``low``, ``high`` (95 % t interval, nan of one seed) and ``seeds``.
    """
    rows = [
        (series_of(runs[0].config), tuning_name(runs[0].config), tuned_numbers(runs[0]),
         *mean_interval([run.score(split) for run in runs]), len(runs))
        for runs in cases(records)
    ]  # fmt: skip
    order = [*dict.fromkeys(row[0] for row in rows)]
    rows.sort(key=lambda row: (order.index(row[0]), row[2]))
    return from_rows(("series", "name", "tuned", "value", "low", "high", "seeds"), rows)


def tuning_figure(records: Sequence[RunRecord], name: str, *, title: str, alt: str) -> Path:
    """Draw the scores of both splits against the numbers tuned, and what is there without tuning; return the PNG.

    Args:
        records: Finished runs that start from one run per seed, and the latter.
        name: ``notebook/figure``.
        title, alt: As in :func:`fourier_lab.plots.figure.save_figure`.

    Raises:
        DataError: If no run is untuned.
    """
    panels = {split: tuning_columns(records, split) for split in _SPLITS}
    figure, axes = plots.new_figure(1, 2, height=4.2, titles=[*panels], squeeze=False)
    for ax, columns in zip(axes[0], panels.values(), strict=True):
        start = columns["series"] == UNTUNED
        if start.sum() != 1:
            raise DataError(
                f"one run per seed must be untuned, got {int(start.sum())} such settings. Name their sweep."
            )
        floor = UNTUNED, float(columns["value"][start][0])
        tuned = {key: each[~start] for key, each in columns.items()}
        plots.draw_budgets(
            tuned, label="Spearman × 100", ax=ax, floor=floor, budget="tuned", budget_label="numbers that moved"
        )
    plots.share_legend(figure, columns=5)
    config = next(record.config for record in records if record.config.pretraining is not None)
    return plots.save_figure(figure, name, stack(panels, "split"), config, title=title, alt=alt)


def tuning_table(records: Sequence[RunRecord]) -> "pd.DataFrame":
    """Return a row for each way to tune: numbers tuned, rate, scores, what tuning all has more or less, time of a step.

    Differences are paired by seed. ``step, ms`` is that of the fastest seed, of a machine with other work on it.
    """
    import pandas as pd

    means = {split: tuning_columns(records, split) for split in _SPLITS}
    differences = {split: minus(records, split) for split in _SPLITS}
    rows = {}
    for runs in cases(records):
        name = tuning_name(runs[0].config)
        row = {
            "numbers tuned": f"{tuned_numbers(runs[0]):,}",
            "rate": "–" if name == UNTUNED else f"{runs[0].config.learning_rate:g}",
            "seeds": len(runs),
        }
        for split, columns in means.items():
            (i,) = np.flatnonzero(columns["name"] == name)
            row[split] = plus_minus(columns["value"][i], columns["high"][i])
            row[f"{split}, minus {FULL}"] = differences[split].get(name, "–")
        row["step, ms"] = round(1000 * min(run.metrics["duration_s"] / run.config.steps for run in runs))
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("what moves")


def minus(records: Sequence[RunRecord], split: str, base: str = FULL) -> dict[str, str]:
    """Return by :func:`tuning_name` the points that each has more than the ``base``, paired by seed.

    With the 95 % interval over seeds, and in brackets that over the scored pairs.
    """
    columns = difference_columns(records, _SPLITS[split], tuning_name, base)
    ends = zip(*(columns[name] for name in ("value", "high", "pairs_low", "pairs_high")), strict=True)
    return {name: with_pairs(*each) for name, each in zip(columns["group"].tolist(), ends, strict=True)}


def told(records: Sequence[RunRecord]) -> list[str]:
    """Return a line for each way to tune: its numbers, its scores, and its distance to tuning all on test."""
    table = tuning_table(records)
    return [
        f"{name}: {row['numbers tuned']} numbers, validation {row['validation']}, test {row['test']}"
        + (f" ({distance} to {FULL})" if (distance := row[f"test, minus {FULL}"]) != "–" else "")
        for name, row in table.iterrows()
    ]
