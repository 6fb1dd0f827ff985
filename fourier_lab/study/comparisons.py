"""What the study's notebooks read off run records: names of cases, gaps between the arms, accuracies."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..columns import from_rows
from ..config import ARMS, DEPARTURES, RunConfig
from ..evaluation.metrics import mean_interval, plus_minus
from ..series import series_name, setting
from ..tables.summaries import Columns, mean_columns, score
from ..training.records import RunRecord

if TYPE_CHECKING:
    import pandas as pd


def departure_name(config: RunConfig) -> str:
    """Return the departure of a run in words; several at once are ``all``."""
    return "all" if len(config.departures) > 1 else setting(config, "departures")


def is_base(config: RunConfig) -> bool:
    """Say whether a run is the Fourier arm as in the paper: harmonic frequencies, ids in the tokenizer's order."""
    return config.arm == "fourier" and config.frequencies == "harmonic" and config.id_order == "frequency"


def gap_columns(records: Sequence[RunRecord]) -> Columns:
    """Return the table's score minus the Fourier arm's under each departure, and without any.

    A departure that only the Fourier arm can have is held against the table without it, and says ``(fourier)``.

    Returns:
        Columns: ``group`` (the split), ``series`` (the departure), ``value``, ``low``, ``high``, ``seeds``; ``change``,
        ``change_low``, ``change_high``: by how much the departure moves the gap, seed by seed.
    """
    rows = []
    for split in ("validation", "test"):
        scores = {(departure_name(r.config), r.config.seed, r.config.arm): r.score(split) for r in records}
        gaps: dict[str, dict[int, float]] = {}
        for (name, seed, arm), own in scores.items():
            alone = "learned" not in DEPARTURES.get(name, ARMS)
            if arm == "fourier" and (table := scores.get(("none" if alone else name, seed, "learned"))) is not None:
                gaps.setdefault(f"{name} (fourier)" if alone else name, {})[seed] = table - own
        base = gaps.get("none", {})
        for name, gap in gaps.items():
            change = [gap[seed] - base[seed] for seed in gap if seed in base] or [np.nan]
            rows.append((split, name, *mean_interval([*gap.values()]), len(gap), *mean_interval(change)))
    return from_rows(("group", "series", "value", "low", "high", "seeds", "change", "change_low", "change_high"), rows)


def as_frame(columns: Columns) -> "pd.DataFrame":
    """Return columns as a table to look at, numbers to one decimal."""
    import pandas as pd

    return pd.DataFrame(columns).round(1)


def generalisation_gap(record: RunRecord) -> float:
    """Return the last validation loss minus the last training loss (nats)."""
    return validation_loss(record) - record.history[-1]["loss"]


def validation_loss(record: RunRecord) -> float:
    """Return the last validation loss (nats)."""
    return record.metrics["validation_loss"]


# From the split that is looked at to the one that is not.
DROP = {
    "validation": score("validation"),
    "test": score("test"),
    "lost": lambda record: record.score("validation") - record.score("test"),
}
OVER_FITTING = {"validation − training loss": generalisation_gap, "validation loss": validation_loss}


def mean_table(
    records: Sequence[RunRecord],
    group: Callable[[RunConfig], str] | str,
    values: Mapping[str, Callable[[RunRecord], float]],
    form: str = ".1f",
) -> "pd.DataFrame":
    """Return a row per group and embedding and a column per value: the mean, ``±`` its 95 % t interval over seeds."""
    import pandas as pd

    table = {}
    for name, value in values.items():
        columns = mean_columns(records, value, group)
        names = {"group": columns["group"], "model": columns["series"]}
        table[name] = [plus_minus(*each, form) for each in zip(columns["value"], columns["high"], strict=True)]
    return pd.DataFrame({**names, **table})


def accuracy(split: str) -> Callable[[RunRecord], float]:
    """Return the function that reads a classifier's accuracy (per cent) on one split off a record."""
    return lambda record: 100 * record.metrics["held_out"][split]["accuracy"]


# Of a contrastive run: the share of premises whose own hypothesis is the nearest of 128, on the task that was trained.
MATCHING = {"SNLI validation": accuracy("snli/validation"), "SNLI test": accuracy("snli/test")}


def accuracy_table(records: Sequence[RunRecord]) -> "pd.DataFrame":
    """Return accuracy in per cent, ``±`` the 95 % t interval over seeds, a row per embedding and a column per split."""
    import pandas as pd

    table = {}
    for split in records[0].metrics["held_out"]:
        columns = mean_columns(records, accuracy(split), "objective")
        table[split] = list(map(plus_minus, columns["value"], columns["high"]))
        names = columns["series"]
    return pd.DataFrame({"model": names, "parameters": parameters_of(columns, records), **table})


def parameters_of(columns: Columns, records: Sequence[RunRecord]) -> np.ndarray:
    """Return the number of parameters of each row's series."""
    totals = {series_name(record.config): record.metrics["parameters"]["total"] for record in records}
    return np.array([totals[name] for name in columns["series"]])
