"""Turn run records into the columns that :mod:`fourier_lab.plots` draws: curves, scores with intervals, costs."""

from collections.abc import Iterable, Sequence

import numpy as np

from .config import RunConfig
from .errors import DataError
from .metrics import mean_interval
from .resolution import Columns
from .runs import RunRecord

CURVES = {
    "loss": "training loss (nats)",
    "validation_loss": "validation loss (nats)",
    "scale": "logit scale 1/τ (dimensionless)",
    "learning_rate": "learning rate (per step)",
    "seconds": "time since the start (s)",
}

_ENOUGH_SEEDS = 3


def series_name(config: RunConfig) -> str:
    """Return the name under which a run is compared: its arm and, in brackets, what its embedding departs in.

    Example:
        >>> series_name(RunConfig(frequencies="random", mlp="geglu")), series_name(RunConfig(arm="learned"))
        ('fourier (random, geglu)', 'learned')
    """
    if config.arm == "learned":
        return "learned"
    if config.basis != "fourier":
        features = config.basis
    elif config.period is not None:
        features = f"period {config.period}"
    else:
        features = config.frequencies if isinstance(config.frequencies, str) else "custom"
    return f"fourier ({features})" if config.mlp == "linear" else f"fourier ({features}, {config.mlp})"


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
    return _columns(("series", "seed", "step", "value"), rows)


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
        DataError: If there are no records.
    """
    cases: dict[tuple[str, str], list[RunRecord]] = {}
    for record in records:
        cases.setdefault((str(getattr(record.config, group)), series_name(record.config)), []).append(record)
    if not cases:
        raise DataError("there are no run records to summarise. Train at least one run first.")
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
    return _columns(("group", "series", "value", "low", "high", "seeds", "pairs", "interval", "parameters"), rows)


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
    return _columns(("series", "seed", "value"), rows)


def _columns(names: Sequence[str], rows: Sequence[tuple]) -> Columns:
    return {name: np.array([row[place] for row in rows]) for place, name in enumerate(names)}
