"""Records of language models as tables: bits per byte of every text, pooled over seeds, and differences paired by seed."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..columns import Columns
from ..config import RunConfig
from ..errors import RecordError
from ..evaluation.metrics import mean_interval, plus_minus
from ..series import IN_SERIES_NAME, series_name
from ..training.records import RunRecord
from .summaries import as_cell, cases, difference_columns, reported

SPLITS = ("validation", "test")
_COSTS = ("duration_s", "tokens_per_s", "peak_memory_bytes")
_TOLD = ("learning_rate", "steps")


def language_rows(records: Iterable[RunRecord], varying: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for each configuration, its seeds pooled, lowest bits per byte on validation first.

    Each text has its mean ``_bits_per_byte`` with the 95 % t interval over seeds (``_low``, ``_high``; nan for one seed) and
    its mean ``_perplexity`` a token; ``varying`` settings that the name does not tell have a column each.
    """
    rows = []
    for runs in cases(reported(records)):
        first, config = runs[0].metrics, runs[0].config
        row: dict[str, Any] = {
            "model": series_name(config),
            "corpus": config.corpus,
            "d_model": config.d_model,
            "n_layers": config.n_layers,
            **{f"{part}_parameters": first["parameters"][part] for part in ("total", "embedding", "head")},
            **{f"{part}_bits": first["stored_bits"][part] for part in ("embedding", "head")},
            "learning_rate": config.learning_rate,
            "steps": config.steps,
        }
        row |= {name: as_cell(getattr(config, name)) for name in varying if name not in (*row, *IN_SERIES_NAME)}
        row["seeds"] = len(runs)
        for text in first["scores"]:
            ends = mean_interval([run.bits_per_byte(text) for run in runs])
            row |= dict(zip((f"{text}_bits_per_byte{end}" for end in ("", "_low", "_high")), ends, strict=True))
            row[f"{text}_perplexity"] = float(np.mean([run.metrics["scores"][text]["perplexity"] for run in runs]))
        rows.append(row | {cost: float(np.mean([run.metrics[cost] for run in runs])) for cost in _COSTS})
    return sorted(rows, key=lambda row: row["validation_bits_per_byte"])


def language_table(records: Iterable[RunRecord], varying: Sequence[str]) -> str:
    """Return Markdown with sizes and the bits per byte of every text; ``±`` is the 95 % t interval over seeds."""
    rows = language_rows(records, varying)
    ending = "_bits_per_byte"
    texts = [
        name.removesuffix(ending) for name in dict.fromkeys(n for row in rows for n in row) if name.endswith(ending)
    ]
    shown = [name for name in varying if name not in (*IN_SERIES_NAME, *_TOLD)]
    head = ["input -> output", *(name.replace("_", " ") for name in shown), "parameters", "in the head", "rate", "steps",
            "seeds", *(f"{text}, bits per byte" for text in texts), "perplexity a token", "tokens a second"]  # fmt: skip
    lines = [head, ["---"] * len(head)]
    for row in rows:
        sizes = [f"{row['total_parameters']:,}", f"{row['head_parameters']:,}"]
        training = [f"{row['learning_rate']:g}", f"{row['steps']:,}", str(row["seeds"])]
        scores = [
            plus_minus(row[f"{text}{ending}"], row[f"{text}{ending}_high"], ".3f") if f"{text}{ending}" in row else "–"
            for text in texts
        ]
        costs = [f"{row['validation_perplexity']:.1f}", f"{row['tokens_per_s']:,.0f}"]
        lines.append([row["model"], *(str(row[name]) for name in shown), *sizes, *training, *scores, *costs])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def bits_against(records: Iterable[RunRecord], against: str) -> str:
    """Return Markdown with the mean difference in bits per byte to one model, in percent of its own, paired by seed.

    Args:
        records: Finished runs, one per series and seed; those that chose settings are left out.
        against: The model all others are compared with, a name of :func:`fourier_lab.series.series_name`.

    Raises:
        RecordError: If no run of that model is among the records.
        DataError: If several runs of one series share a seed.
    """
    found = [percent_above(records, against, split) for split in SPLITS]
    lines = [f"| model minus {against}, % | seeds | bits per byte, validation | test |", "| --- | --- | --- | --- |"]
    for row, name in enumerate(found[0]["group"]):
        cells = [plus_minus(each["value"][row], each["high"][row], "+.1f") for each in found]
        lines.append(f"| {name} | {found[0]['seeds'][row]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def percent_above(
    records: Iterable[RunRecord], against: str, split: str, name: Callable[[RunConfig], str] = series_name
) -> Columns:
    """Return :func:`fourier_lab.tables.summaries.difference_columns` of what :func:`bits_against` tells of one text.

    ``name`` groups the runs; ``against`` is one of its names.
    """
    kept = reported(records)
    names = list(dict.fromkeys(name(record.config) for record in kept))
    if against not in names:
        raise RecordError(f"no run of {against!r} to compare with. There are: {', '.join(names)}.")
    base = {record.config.seed: record for record in kept if name(record.config) == against}

    def percent(run: RunRecord) -> float:
        return 100 * run.bits_per_byte(split) / base[run.config.seed].bits_per_byte(split)

    paired = [record for record in kept if record.config.seed in base]
    return difference_columns(paired, percent, name, against, lambda config: "")
