"""Run records as tables: one row per configuration, seeds pooled, as columns, Markdown or CSV."""

import csv
import io
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DataError, RecordError, leave_out
from ..evaluation.metrics import mean, mean_interval, plus_minus, with_pairs
from ..paths import as_path, write_atomically
from ..series import IN_SERIES_NAME, series_name, varying_settings
from ..text.fingerprints import differing, same_text, text_at_hand, text_name
from ..training.evaluations import copy_evaluations
from ..training.folders import exported_folder
from ..training.records import RunRecord, load_records, write_record
from .beyond import beyond, headline, words
from .kept import BASELINES
from .language_tables import bits_against, language_rows, language_table
from .summaries import as_cell, cases, check_poolable, difference_columns, reported, score, several_texts

if TYPE_CHECKING:
    import pandas as pd

    from ..evaluation.baselines import Baseline  # which reads text, as tables do not

_ENDS = ("value", "high", "pairs_low", "pairs_high")
_SPLITS = {"dev": "validation", "test": "test"}  # by what the columns of kept tables are called
_ACCURACY = {"value": "accuracy", "low": "low", "high": "high"}


def summarise(records: Iterable[RunRecord], baselines: "Sequence[Baseline]" = ()) -> "pd.DataFrame":
    """Pool runs that differ in their seed alone; best mean validation score first.

    Args:
        records: Finished runs. Those that chose settings (see :func:`fourier_lab.tables.summaries.reported`) are left out.
        baselines: Scores without training, as rows of their own.

    Returns:
        One row per configuration: ``model``, ``corpus``, sizes, ``learning_rate``, ``steps``, every other setting that is
        not the same in all records, ``seeds``, and the name of the ``text`` if they read several; for ``dev`` and ``test``
        the mean Spearman and Pearson x 100, the 95 % t interval over seeds (``_low``, ``_high``; nan for one seed), the mean
        95 % bootstrap interval over pairs (``_pairs_low``, ``_pairs_high``) and their number (``_pairs``); for classifiers
        the same of the accuracy x 100 on each held-out split (``snli/test_accuracy``; its interval over pairs is Wilson's);
        mean seconds and memory. Language models have rows as :func:`fourier_lab.tables.language_tables.language_rows` says.
        Where encoders gave all sentences one vector, ``dev_collapsed`` and ``test_collapsed`` say
        how many did.
    """
    import pandas as pd

    return pd.DataFrame(table_rows(records, baselines))


def table_rows(records: Iterable[RunRecord], baselines: "Sequence[Baseline]") -> list[dict[str, Any]]:
    """Return the rows of :func:`summarise`, best first; pandas, which is slow to import, is for who looks at them."""
    records = reported(records)
    varying = varying_settings([record.config for record in records])
    records, language = _by_kind(records)
    pooled = cases(records)
    rows = [_trained_row(runs, varying) for runs in pooled]
    if several_texts(pooled):
        rows = [row | {"text": text_name(runs[0].text)} for row, runs in zip(rows, pooled, strict=True)]
    rows += [_baseline_row(b) for b in baselines]
    rows = sorted(rows, key=lambda row: (math.isnan(row["dev_spearman"]), -row["dev_spearman"]))
    return rows + language_rows(language, varying)


def _by_kind(records: Iterable[RunRecord]) -> tuple[list[RunRecord], list[RunRecord]]:
    """Part sentence encoders from language models, which share no score."""
    kinds: tuple[list[RunRecord], list[RunRecord]] = [], []
    for record in records:
        kinds[record.is_language_model].append(record)
    return kinds


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(itertools.chain.from_iterable(rows)))


def results_table(
    records: Iterable[RunRecord],
    baselines: "Sequence[Baseline]" = (),
    rows: list[dict[str, Any]] | None = None,
) -> str:
    """Return the main columns of :func:`summarise` as a Markdown table; ``±`` is the 95 % t interval over seeds.

    Settings that vary have a column each, unless model, d, rate and steps tell the rows apart without it. Language models
    follow in a table of their own. ``rows`` are those of :func:`table_rows`, if they are known already.
    """
    records, language = _by_kind(reported(records))
    if language:
        told = language_table(language, varying_settings(record.config for record in language))
        return f"{results_table(records, baselines)}\n\n{told}" if records or baselines else told
    rows = table_rows(records, baselines) if rows is None else rows
    columns = _columns(rows)
    varying = [*varying_settings([record.config for record in records]), *({"text"} & {*columns})]
    shown = [name for name in varying if name not in (*IN_SERIES_NAME, "d_model", "learning_rate", "steps")]
    telling = ("model", "d_model", "learning_rate", "steps", *shown)
    cells = [tuple(row[name] for name in telling) for row in rows if row["seeds"]]
    if len(set(cells)) < len(cells):
        shown = [name for name in varying if name not in ("d_model", "learning_rate", "steps")]
    accuracies = [name for name in columns if name.endswith("_accuracy")]
    further = headline(_columns([row for row in rows if row["seeds"]]))
    scores = [f"{split}_{measure}" for measure in ("spearman", "pearson") for split in _SPLITS] + accuracies + further
    head = ["model", "d", *(name.replace("_", " ") for name in shown), "parameters", "in the embedding", "stored, kB",
            "rate", "steps", "seeds", "Spearman validation", "Spearman test", "Pearson validation", "Pearson test",
            *(name.replace("_", " ") for name in accuracies), *map(words, further)]  # fmt: skip
    lines = [head, ["---"] * len(head)]
    for row in rows:
        trained = row["seeds"] > 0
        sizes = [
            f"{row['parameters']:,.0f}",
            f"{row['embedding_parameters']:,.0f}",
            f"{row['embedding_bits'] / 8000:,.0f}",
        ]
        training = (
            [f"{row['learning_rate']:g}", f"{row['steps']:,.0f}", f"{row['seeds']:.0f}"] if trained else ["–"] * 3
        )
        width = f"{row['d_model']:.0f}" if trained else "–"
        settings = [str(row[name]) if trained else "–" for name in shown]
        lines.append(
            [str(row["model"]), width, *settings, *sizes, *training, *(_with_interval(row, s) for s in scores)]
        )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def paired_table(records: Iterable[RunRecord], against: str) -> str:
    """Return Markdown with the mean difference in Spearman x 100 to one model, ``±`` its 95 % t interval over seeds.

    Each run is compared with the run of its seed. In brackets, where the records keep resamples: the 95 % bootstrap interval
    of the same difference over the scored pairs.

    Args:
        records: Finished runs, one per series and seed; left out as in :func:`summarise`.
        against: The model all others are compared with, a name of :func:`fourier_lab.series.series_name`.

    Raises:
        RecordError: If no run of that model is among the records.
        DataError: If several runs of one series share a seed.
    """
    kept, language = _by_kind(reported(records))
    if language and not kept:
        return bits_against(language, against)
    names = list(dict.fromkeys(series_name(record.config) for record in kept))
    for name in names:
        check_poolable(name, [record for record in kept if series_name(record.config) == name])
    if against not in names:
        raise RecordError(f"no run of {against!r} to compare with. There are: {', '.join(names)}.")
    validation, test = (
        difference_columns(kept, score(split), series_name, against, series=lambda config: "")
        for split in _SPLITS.values()
    )
    lines = [f"| model minus {against} | seeds | Spearman validation | Spearman test |", "| --- | --- | --- | --- |"]
    for row, name in enumerate(validation["group"]):
        pair = [run for run in kept if series_name(run.config) in (name, against)]
        cells = [
            with_pairs(*(each[key][row] for key in _ENDS))
            + _told_collapsed(sum(run.is_collapsed(split) for run in pair), len(pair))
            for each, split in ((validation, "validation"), (test, "test"))
        ]
        lines.append(f"| {name} | {validation['seeds'][row]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def export_records(records: Iterable[RunRecord], folder: Path, baselines: "Sequence[Baseline]" = ()) -> list[Path]:
    """Copy records without weights, a few KB each, and the pooled table into ``folder``; return the run folders."""
    folder = as_path(folder)
    kept = []
    for record in records:
        target = exported_folder(folder, record)
        kept.append(write_record(target, record.config, record.metrics, record.history, resampled=record.resampled()))
        copy_evaluations(record.folder, target)
    if baselines:
        write_atomically(folder / BASELINES, json.dumps([vars(b) for b in baselines], indent=1) + "\n")
    write_csv(folder, table_rows(kept, baselines))
    return [record.folder for record in kept]


def write_table(folder: Path) -> str:
    """Write ``table.csv`` beside the records in ``folder`` and return their Markdown table.

    Raises:
        RecordError: If there are no finished runs, or one is damaged.
    """
    records, baselines = load_records(folder), load_baselines(folder)
    if not records:
        raise RecordError(f"no finished run in {folder}. Make some with 'fourier-lab sweep' or 'fourier-lab train'.")
    write_csv(folder, rows := table_rows(records, baselines))
    return results_table(records, baselines, rows)


def baselines_beside(records: Sequence[RunRecord]) -> "list[Baseline]":
    """Score the untrained baselines on the text that the records read.

    Raises:
        DataError: If other text is at hand.
    """
    from ..evaluation.baselines import zero_parameter_baselines

    config, text = records[0].config, records[0].text
    if not same_text(text, at_hand := text_at_hand(config) or {}):
        raise DataError(
            f"the records read other text than FOURIER_LAB_DATA holds: fingerprints {differing(text, at_hand)}. Set it to "
            "the folder with theirs, or leave --baselines out."
        )
    return zero_parameter_baselines(config)


def load_baselines(folder: Path) -> "list[Baseline]":
    """Read the baselines that :func:`export_records` wrote beside the records; none if there is no such file.

    A damaged file is left out with a :class:`RecordWarning`: the records can be read without it.
    """
    path = as_path(folder) / BASELINES
    if not path.is_file():
        return []
    from ..evaluation.baselines import Baseline

    try:
        baselines = [Baseline(**entry) for entry in json.loads(path.read_text())]
        for baseline in baselines:
            _baseline_row(baseline)  # raises where a score is missing or no number
    except (OSError, ValueError, TypeError, KeyError) as error:
        leave_out(f"{path} is damaged ({error!r}). Delete it and export the records again.")
        return []
    return baselines


def insert_table(document: Path, name: str, table: str) -> None:
    """Replace the lines between ``<!-- table: NAME -->`` and ``<!-- end -->`` in a Markdown file.

    Documents become pages: names in a record, which may be another's, are text there and never HTML.

    Raises:
        RecordError: If the document is not text, or has no such pair of marks.
    """
    table = table.replace("<", "&lt;")
    begin, end = f"<!-- table: {name} -->\n", "<!-- end -->"
    try:
        text = document.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(f"{document} is not text in UTF-8 ({error}). Name a Markdown file.") from error
    head, found, rest = text.partition(begin)
    before, closed, tail = rest.partition(end)
    if not found or not closed or "<!-- table: " in before:
        raise RecordError(f"{document} has no lines {begin.strip()!r} and {end.strip()!r}. Add both where it belongs.")
    write_atomically(document.resolve(), f"{head}{begin}{table}\n{end}{tail}")


def write_csv(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows of :func:`table_rows` as ``table.csv`` into ``folder``."""
    write_atomically(folder / "table.csv", as_csv(rows))


def as_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows of :func:`table_rows` as text of comma-separated values."""
    text = io.StringIO()
    writer, columns = csv.writer(text, lineterminator="\n"), _columns(rows)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.4f}"


def _trained_row(runs: list[RunRecord], varying: Sequence[str]) -> dict[str, Any]:
    first, config = runs[0].metrics, runs[0].config
    row: dict[str, Any] = {
        "model": series_name(config), "corpus": config.corpus, "id_order": config.id_order,
        "d_model": config.d_model, "n_layers": config.n_layers,
        "parameters": first["parameters"]["total"], "embedding_parameters": first["parameters"]["embedding"],
        "embedding_bits": runs[0].stored_bits(),
        "with_gradient": mean([run.metrics["parameters"]["with_gradient"] for run in runs]),
        "learning_rate": config.learning_rate, "steps": config.steps,
    }  # fmt: skip
    row |= {name: as_cell(getattr(config, name)) for name in varying if name not in row}
    row |= {
        "seeds": len(runs),
        "validation_loss": mean([run.metrics["validation_loss"] for run in runs]),
    }  # fmt: skip
    for split, key in _SPLITS.items():
        for measure in ("spearman", "pearson"):
            found = [run.metrics["scores"][key] for run in runs]
            row |= _score_cells(f"{split}_{measure}", [score[measure] for score in found], found[0]["n"])
        if collapsed := sum(run.is_collapsed(key) for run in runs):
            row[f"{split}_collapsed"] = collapsed
    if config.objective == "nli":
        for split in first["held_out"]:
            found = [run.metrics["held_out"][split] for run in runs]
            scores = [{end: 100 * each[key] for end, key in _ACCURACY.items()} for each in found]
            row |= _score_cells(f"{split}_accuracy", scores, found[0]["n"])
    each = [beyond(run.metrics["scores"], run.evaluations) for run in runs]
    for name in each[0]:
        row |= _score_cells(name, [{"value": found.get(name, np.nan)} for found in each])
    for cost in ("duration_s", "peak_memory_bytes"):
        row[cost] = mean([run.metrics[cost] for run in runs])
    return row


def _baseline_row(baseline: "Baseline") -> dict[str, Any]:
    row: dict[str, Any] = {
        "model": baseline.name,
        "corpus": baseline.corpus,
        "parameters": baseline.numbers,
        "embedding_parameters": baseline.numbers,
        "embedding_bits": 32 * baseline.numbers,
    }
    row["seeds"] = 0
    for split, key in _SPLITS.items():
        for measure in ("spearman", "pearson"):
            score = baseline.scores[key][measure]
            name = f"{split}_{measure}"
            row[name] = float(score["value"])
            row[f"{name}_pairs_low"], row[f"{name}_pairs_high"] = float(score["low"]), float(score["high"])
    return row | beyond(baseline.scores, baseline.evaluations)


def _score_cells(name: str, scores: Sequence[Mapping[str, float]], pairs: int | None = None) -> dict[str, float]:
    """Return the mean of a score over seeds with its interval, and where known the one over pairs and their number."""
    value, low, high = mean_interval([score["value"] for score in scores])
    cells = {name: value, f"{name}_low": low, f"{name}_high": high}
    if pairs is not None:
        for end in ("low", "high"):
            cells[f"{name}_pairs_{end}"] = mean([score[end] for score in scores])
        cells[f"{name}_pairs"] = pairs
    return cells


def _with_interval(row: dict[str, Any], name: str) -> str:
    if math.isnan(row.get(name, math.nan)):
        return "–"
    split, _, measure = name.rpartition("_")
    collapsed = row.get(f"{split}_collapsed", 0) if measure != "accuracy" else 0
    told = _told_collapsed(int(collapsed), int(row["seeds"])) if collapsed > 0 else ""
    return plus_minus(row[name], row.get(f"{name}_high", np.nan)) + told


def _told_collapsed(collapsed: int, runs: int) -> str:
    """Return a remark on runs that gave all sentences one vector; empty if none did."""
    if not collapsed:
        return ""
    return " (collapsed)" if collapsed == runs else f" ({collapsed} of {runs} collapsed)"
