"""Turn run records into the columns that :mod:`fourier_lab.plots` draws: curves, scores with intervals, costs."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..columns import Columns, from_rows
from ..config import RunConfig
from ..errors import DataError, list_of
from ..evaluation.metrics import mean_interval
from ..field_rules import idle_fields
from ..series import TUNING_SEED, series_name, setting, varying_settings
from ..text.fingerprints import differing, same_text
from ..text.pairs import SCORED
from ..training.records import RunRecord

CURVES = {
    "loss": "training loss (nats)",
    "validation_loss": "validation loss (nats)",
    "scale": "logit scale 1/τ",
    "learning_rate": "learning rate (per step)",
    "seconds": "time since the start (s)",
}

_ENOUGH_SEEDS = 3


def as_cell(value: Any) -> Any:
    """Return a setting as a cell of a table: lists and mappings, within one another too, as text, all else as it is.

    Example:
        >>> as_cell((("head", "decoupled"), ("head_options", (("width", 32),))))
        'head=decoupled head_options=(width=32)'
    """
    if not isinstance(value, tuple):
        return "none" if value is None else value
    pairs = (part if isinstance(part, tuple) else (None, part) for part in value)
    told = ((name, f"({as_cell(each)})" if isinstance(each, tuple) else as_cell(each)) for name, each in pairs)
    return " ".join(str(each) if name is None else f"{name}={each}" for name, each in told) or "none"


def reported(records: Iterable[RunRecord]) -> list[RunRecord]:
    """Return the records without those that chose settings (seed :data:`TUNING_SEED` or above), or all if all did."""
    records = list_of(records, RunRecord, "a table takes a list of run records", "Write load_records(folder).")
    return [record for record in records if record.config.seed < TUNING_SEED] or records


def cases(records: Iterable[RunRecord]) -> list[list[RunRecord]]:
    """Group runs of one text that differ in their seed alone, in order of appearance."""
    found: list[list[RunRecord]] = []
    by_settings: dict[Any, list[list[RunRecord]]] = {}
    left_out = idle_fields(RunConfig) | {"seed"}
    for record in records:
        settings = frozenset(each for each in record.config.changes().items() if each[0] not in left_out)
        alike = by_settings.setdefault(settings, [])
        case = next((each for each in alike if same_text(each[0].text, record.text)), None)
        if case is None:
            case = []
            alike.append(case)
            found.append(case)
        case.append(record)
    return found


def several_texts(pooled: Sequence[Sequence[RunRecord]]) -> bool:
    """Say whether some of the cases read other text than others."""
    texts = list({frozenset(runs[0].text.items()): runs[0].text for runs in pooled}.values())
    return not all(itertools.starmap(same_text, itertools.combinations(texts, 2)))


def check_text(what: str, runs: Iterable[RunRecord]) -> None:
    """Raise :class:`DataError` if ``what`` would mix runs on different texts or in different precisions."""
    first, *others = runs
    for run in others:
        if not same_text(first.text, run.text):
            raise DataError(
                f"runs of {what} read different texts: fingerprints {differing(first.text, run.text)}. Keep those of one "
                "text in a folder of their own."
            )
        if first.config.precision != run.config.precision:
            raise DataError(
                f"runs of {what} were computed in {first.config.precision} and in {run.config.precision}. Choose one; on "
                "the command line with --where precision=VALUE."
            )


def check_poolable(case: str, runs: Sequence[RunRecord]) -> None:
    """Raise :class:`DataError` if runs that a mean is to pool as ``case`` share a seed, or neither text nor precision."""
    check_text(case, runs)
    if len({run.config.seed for run in runs}) < len(runs):  # else settings would be taken for seeds
        names = ", ".join(varying_settings(run.config for run in runs))
        raise DataError(
            f"several runs of {case} share a seed but differ in a setting ({names}). Choose one value of it; on the "
            "command line with --where NAME=VALUE."
        )


def curve_columns(records: Iterable[RunRecord], quantity: str = "loss") -> Columns:
    """Return one quantity of the training histories.

    Args:
        records: Finished runs.
        quantity: A column of the history; :data:`CURVES` holds the labels of the usual ones.

    Returns:
        Columns: ``series``, ``seed``, ``step``, ``value``; rows without a value are left out.

    Raises:
        DataError: If no history holds the quantity.
    """
    rows = [
        (series_name(record.config), record.config.seed, int(row["step"]), row[quantity])
        for record in records
        for row in record.history
        if np.isfinite(row.get(quantity, np.nan))
    ]
    if not rows:
        raise DataError(f"no history holds a value of {quantity!r}. Choose one of {', '.join(CURVES)}.")
    return from_rows(("series", "seed", "step", "value"), rows)


def score_columns(
    records: Iterable[RunRecord],
    split: str = "validation",
    measure: str = "spearman",
    group: str = "id_order",
    parameters: str = "total",
) -> Columns:
    """Return mean scores over seeds with an interval, per group and series, in order of appearance.

    With at least 3 seeds everywhere the interval is Student's over seeds, which covers the chance of training; with
    fewer it is the bootstrap over pairs, averaged over the runs, which covers the chance of the test alone. One kind a
    table.

    Args:
        records: Finished runs that differ in seed, series and ``group`` only.
        split: ``validation`` or ``test``.
        measure: ``spearman`` or ``pearson``, x 100.
        group: The ``RunConfig`` field to group by.
        parameters: Which count to add: ``total``, ``embedding`` or ``with_gradient``.

    Returns:
        Columns: ``group``, ``series``, ``value``, ``low``, ``high``, ``seeds``, ``pairs``, ``interval`` (its kind in
        words) and ``parameters``.

    Raises:
        DataError: If there are no records, several of one group, series and seed, or of several texts or precisions.
    """
    cases = _cases(records, group, series_name)
    over_seeds = min(map(len, cases.values())) >= _ENOUGH_SEEDS
    rows = []
    for (name, series), runs in cases.items():
        scores = [run.metrics["scores"][split] for run in runs]
        value, low, high = mean_interval(np.array([score[measure]["value"] for score in scores]))
        if not over_seeds:
            low, high = (float(np.mean([score[measure][end] for score in scores])) for end in ("low", "high"))
        kind = "95 % t interval over seeds" if over_seeds else "95 % bootstrap over pairs"
        count = runs[0].metrics["parameters"][parameters]
        rows.append((name, series, value, low, high, len(runs), scores[0]["n"], kind, count))
    return from_rows(("group", "series", "value", "low", "high", "seeds", "pairs", "interval", "parameters"), rows)


@dataclass(frozen=True)
class Score:
    """The function that reads one correlation x 100 off a record, and can read its resamples over pairs too."""

    split: str
    measure: str = "spearman"

    def __call__(self, record: RunRecord) -> float:
        return record.score(self.split, self.measure)

    def resampled(self, record: RunRecord) -> NDArray[np.float64]:
        """Return the score x 100 of each resample, empty if the record keeps none of it."""
        kept = record.resampled() if self.measure == "spearman" else None
        return np.empty(0) if kept is None else kept[SCORED.index(self.split)] / 100


def score(split: str, measure: str = "spearman") -> Score:
    """Return the function that reads one correlation x 100 off a record."""
    return Score(split, measure)


def mean_columns(
    records: Iterable[RunRecord],
    value: Callable[[RunRecord], float],
    group: Callable[[RunConfig], str] | str,
    series: Callable[[RunConfig], str] = series_name,
) -> Columns:
    """Return the mean of any number per run, over seeds, with Student's 95 % interval (nan for a single seed).

    Args:
        records: Finished runs; those that agree in ``group`` and ``series`` are pooled.
        value: Reads the number off a record.
        group: A ``RunConfig`` field, or a function of the configuration.
        series: What is compared within a group.

    Returns:
        Columns: ``group``, ``series``, ``value``, ``low``, ``high``, ``seeds``; in order of appearance.

    Raises:
        DataError: If there are no records, several of one group, series and seed, or of several texts or precisions.
    """
    cases = _cases(records, group, series)
    rows = [(*case, *mean_interval([value(run) for run in runs]), len(runs)) for case, runs in cases.items()]
    return from_rows(("group", "series", "value", "low", "high", "seeds"), rows)


def difference_columns(
    records: Iterable[RunRecord],
    value: Callable[[RunRecord], float],
    group: Callable[[RunConfig], str] | str,
    base: str,
    series: Callable[[RunConfig], str] = series_name,
) -> Columns:
    """Return mean differences to the group ``base``, each run minus the run of its own series and seed.

    Args:
        records, value, group, series: As in :func:`mean_columns`.
        base: The group that all others are compared with.

    Returns:
        Columns: As :func:`mean_columns`, without the base itself; runs without a partner in the base are left out. Further
        ``pairs_low`` and ``pairs_high``, the 95 % bootstrap interval over the scored pairs of the same mean difference; nan
        where a record keeps no resamples of the value.

    Raises:
        DataError: If no run has a partner, or some a partner of another text or precision.
    """
    cases = _cases(records, group, series)
    partners = {(name, run.config.seed): run for (label, name), runs in cases.items() if label == base for run in runs}
    of_partner = {case: value(run) for case, run in partners.items()}
    rows = []
    for (label, name), runs in cases.items():
        pairs = [(run, partners[name, run.config.seed]) for run in runs if (name, run.config.seed) in partners]
        for pair in pairs:
            check_text(f"{label} minus {base}", pair)
        if label != base and pairs:
            interval = mean_interval([value(run) - of_partner[name, run.config.seed] for run, _ in pairs])
            over_pairs = np.nan, np.nan
            if isinstance(value, Score):
                over_pairs = pairs_interval(
                    *([value.resampled(run) for run in runs] for runs in zip(*pairs, strict=True))
                )
            rows.append((label, name, *interval, len(pairs), *over_pairs))
    if not rows:
        raise DataError(
            f"no run has a partner in the group {base!r} with its series and seed. Run the sweep's base first."
        )
    return from_rows(("group", "series", "value", "low", "high", "seeds", "pairs_low", "pairs_high"), rows)


def pairs_interval(first: Sequence[NDArray[np.float64]], second: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval over pairs of the first scores' mean minus the second's.

    Args:
        first: Of each run, its score x 100 on each resample, as :meth:`Score.resampled` gives them.
        second: The same of what it is compared with, on the same resamples.

    Returns:
        Low and high; nan if one of them is empty.
    """
    if not (first and second and all(map(len, [*first, *second]))):
        return np.nan, np.nan
    low, high = np.percentile(np.mean(first, axis=0) - np.mean(second, axis=0), (2.5, 97.5))
    return float(low), float(high)


def _cases(
    records: Iterable[RunRecord], group: Callable[[RunConfig], str] | str, series: Callable[[RunConfig], str]
) -> dict[tuple[str, str], list[RunRecord]]:
    cases: dict[tuple[str, str], list[RunRecord]] = {}
    for record in records:
        label = setting(record.config, group) if isinstance(group, str) else group(record.config)
        cases.setdefault((label, series(record.config)), []).append(record)
    for case, runs in cases.items():
        check_poolable(" / ".join(case), runs)
    if not cases:
        raise DataError("there are no run records to summarise. Train at least one run first.")
    return cases


def metric_columns(records: Iterable[RunRecord], *path: str) -> Columns:
    """Return one number of metrics.json per run, such as ``metric_columns(records, "parameters", "embedding")``.

    Returns:
        Columns: ``series``, ``seed``, ``value``.

    Raises:
        DataError: If a record lacks the metric, or there are none.
    """
    rows = []
    for record in records:
        value = record.metrics
        for key in path:
            if not isinstance(value, dict) or key not in value:
                raise DataError(
                    f"{record.config.digest()} has no metric {' / '.join(path)}; it has {', '.join(record.metrics)}."
                )
            value = value[key]
        rows.append((series_name(record.config), record.config.seed, value))
    if not rows:
        raise DataError("there are no run records to summarise. Train at least one run first.")
    return from_rows(("series", "seed", "value"), rows)
