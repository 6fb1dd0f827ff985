"""Our runs beside the figures that the paper reports: its Tables 1 and 2, and quality against parameters."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import paths
from ..columns import from_rows
from ..config import RunConfig
from ..errors import RecordError, leave_out
from ..evaluation.metrics import mean_interval, plus_minus
from ..models.sizes import count_by_formula
from ..series import series_name
from ..tables.paper import ANCHORS, BERT, TABLE_1, TABLE_2, Reported
from ..tables.summaries import Columns, cases, mean_columns, score
from ..training.records import RunRecord

if TYPE_CHECKING:
    import pandas as pd

BERT_VOCAB_SIZE = 30522


def size_name(config: RunConfig) -> str:
    """Return layers x width."""
    return f"{config.n_layers} x {config.d_model}"


def parameter_name(config: RunConfig) -> str:
    """Return the exact number of parameters of a run's encoder with BERT's vocabulary, in words."""
    vocab_size = config.vocab_size if config.corpus == "toy" else BERT_VOCAB_SIZE
    return f"{count_by_formula(config.model(vocab_size)):,}"


def table_1(records: Sequence[RunRecord]) -> "pd.DataFrame":
    """Return one row per size and arm: ours on validation and test with the interval over seeds, costs, the paper's row."""
    reported = {(row.arm, row.n_layers, row.d_model): row for row in TABLE_1}
    rows = []
    for runs in cases(records):
        config, first = runs[0].config, runs[0].metrics
        theirs = reported.get((config.arm, config.n_layers, config.d_model))
        row: dict[str, Any] = {
            "layers x d": size_name(config),
            "model": series_name(config),
            "seeds": len(runs),
            "parameters": first["parameters"]["total"],
            "with gradient": int(np.mean([run.metrics["parameters"]["with_gradient"] for run in runs])),
        }
        row |= _scores(runs)
        row["seconds"] = round(float(np.mean([run.metrics["duration_s"] for run in runs])))
        row["peak MB"] = round(float(np.mean([run.metrics["peak_memory_bytes"] for run in runs])) / 2**20)
        row["paper, Spearman validation"] = theirs.spearman if theirs else np.nan
        row["paper, Pearson validation"] = theirs.pearson if theirs else np.nan
        row["paper, minutes"] = theirs.minutes if theirs else np.nan
        rows.append(row)
    return _frame(rows)


def table_2(records: Sequence[RunRecord]) -> "pd.DataFrame":
    """Return our fine-tuned sizes, the paper's rows and BERT's, each score under the split it belongs to."""
    rows = []
    for runs in cases(records):
        total = runs[0].metrics["parameters"]["total"]
        rows.append({"model": "ours", "parameters": total, "seeds": len(runs)} | _scores(runs))
    return _frame(rows + [_reported(row) for row in (*TABLE_2, *BERT)])


def quality_by_parameters(records: Sequence[RunRecord], split: str) -> Columns:
    """Return points of ours, the paper's and others for :func:`fourier_lab.plots.draw_quality`.

    Returns:
        Columns: ``series``, ``label``, ``parameters``, ``value``, ``low``, ``high``; untrained
            baselines have 0 parameters.
    """
    ours = mean_columns(records, score(split), size_name)
    totals = {(size_name(r.config), series_name(r.config)): r.metrics["parameters"]["total"] for r in records}
    rows = [
        # Not named: a row of the paper with the same number of parameters is.
        (series, "", totals[group, series], value, low, high)
        for group, series, value, low, high in zip(
            *(ours[key] for key in ("group", "series", "value", "low", "high")), strict=True
        )
    ]
    if split == "validation":
        rows += [
            (f"paper, {row.arm}", size_label(row), row.parameters, row.spearman, np.nan, np.nan) for row in TABLE_1
        ]
    rows += [
        ("others", row.model, row.parameters, row.spearman, np.nan, np.nan) for row in ANCHORS if row.split == split
    ]
    rows += [("no training", name, 0, value, np.nan, np.nan) for name, value in word_overlap(split).items()]
    return from_rows(("series", "label", "parameters", "value", "low", "high"), rows)


def word_overlap(split: str) -> dict[str, float]:
    """Return Spearman x 100 of weighted bags of tokens on real text, as kept with the project.

    A damaged file is left out with a :class:`RecordWarning`.

    Raises:
        RecordError: If ``results/from_zero/`` does not hold them.
    """
    from .ladder_records import read_ladder

    names = ("bag of tokens, idf", "bag of tokens, √(id − 995)")
    for path in sorted((paths.RECORDS / "from_zero").glob("*.json")):
        try:
            kept = read_ladder(path)
        except RecordError as error:
            leave_out(error)
            continue
        values = {rung.name: rung.scores[split]["spearman"]["value"] for rung in kept.rungs if rung.name in names}
        if kept.account["config"]["corpus"] != "toy" and len(values) == len(names):
            return {name: values[name] for name in names}
    raise RecordError("results/from_zero holds no scores of untrained bags of tokens. Restore it from version control.")


def overlap_resamples(split: str) -> dict[str, NDArray[np.float64]]:
    """Return Spearman x 100 of the same bags on each resample of the pairs, ``(1000,)``; none where they are not kept.

    The resamples are those of :meth:`fourier_lab.tables.summaries.Score.resampled`. A damaged file is left out with a
    :class:`RecordWarning`.
    """
    from .ladder_records import read_resamples

    found: dict[str, NDArray[np.float64]] = {}
    for path in sorted((paths.RECORDS / "from_zero").glob("*.npz")):
        try:
            found |= read_resamples(path, split)
        except RecordError as error:
            leave_out(error)
    return found


def size_label(row: Reported) -> str:
    """Return layers x width of a published row."""
    return f"{row.n_layers} x {row.d_model}"


def _scores(runs: Sequence[RunRecord]) -> dict[str, str]:
    row = {}
    for measure in ("spearman", "pearson"):
        for split in ("validation", "test"):
            mean, _, high = mean_interval([run.score(split, measure) for run in runs])
            row[f"{measure.capitalize()} {split}"] = plus_minus(mean, high)
    return row


def _reported(row: Reported) -> dict[str, Any]:
    scores = {f"Spearman {row.split}": f"{row.spearman:.1f}", f"Pearson {row.split}": f"{row.pearson:.1f}"}
    return {"model": f"{row.model}, reported", "parameters": row.parameters, "seeds": 1} | scores


def _frame(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(rows).fillna("–")
