"""Committed records as points: one per configuration, its seeds pooled, with intervals and the command that rebuilds it."""

import json
import math
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import paths
from ..columns import Columns, from_rows
from ..config import RunConfig
from ..errors import ConfigError, RecordError
from ..evaluation.metrics import mean_interval
from ..field_rules import OPTIONS
from ..series import IN_SERIES_NAME, series_name, varying_settings
from ..text.fingerprints import same_text, text_name
from ..training.record_index import without_collector
from ..training.records import EVALUATIONS, RunRecord, read_records
from .beyond import beyond, headline, words
from .summaries import cases, reported, several_texts


@dataclass(frozen=True)
class Point:
    """One configuration of the study.

    Attributes:
        name: Tells it from the others.
        family: The folder of ``results/`` that it is in.
        records: Its runs, by seed; histories are not read.
    """

    name: str
    family: str
    records: tuple[RunRecord, ...]

    @property
    def config(self) -> RunConfig:
        """The settings, with the first seed."""
        return self.records[0].config

    @property
    def parameters(self) -> int:
        """Trainable parameters."""
        return self.records[0].metrics["parameters"]["total"]


@dataclass(frozen=True)
class Quantity:
    """Something that points can be placed by.

    Attributes:
        label: What it is, with its unit.
        read: Gives value, low and high of one run; the ends are nan where the run has no interval of its own.
        logarithmic: Whether it is shown on a logarithmic scale.
    """

    label: str
    read: Callable[[RunRecord], tuple[float, float, float]]
    logarithmic: bool = False


@without_collector()
def read_points(folder: Path | None = None) -> tuple[list[Point], list[str]]:
    """Read every record below the folders of ``folder`` and pool those that differ in their seed alone.

    Of runs to be pooled, those that chose settings are left out (:func:`fourier_lab.tables.summaries.reported`).

    Args:
        folder: Holds one folder per family of runs; if None, what :func:`fourier_lab.paths.records_folder` finds.

    Returns:
        tuple: The points, family by family, and a sentence for every record that is damaged or of another version.

    Raises:
        ConfigError: If there is no record.
    """
    names = {path.name for root in (paths.RECORDS, paths.RESULTS) for path in root.glob("*/")}
    found = map(paths.records_folder, names) if folder is None else paths.as_path(folder).glob("*/")
    folder = paths.RESULTS if folder is None else paths.as_path(folder)
    families: dict[str, dict[str, list[RunRecord]]] = {}  # by digest: a copy is no further seed
    skipped = []
    for record in read_records(sorted(found, key=lambda family: family.name), folder, EVALUATIONS):
        if isinstance(record, RecordError):
            skipped.append(f"Left out: {record}")
            continue
        if record.is_language_model:  # which shares no score with the others
            continue
        try:
            _ = record.metrics["parameters"]["total"], record.score("validation")
        except (KeyError, TypeError) as error:
            skipped.append(f"Left out: the record in {record.folder} lacks {error}. Delete that folder and run again.")
            continue
        kept = families.setdefault(record.folder.parent.name, {}).setdefault(record.config.digest(), [])
        if twins := [other for other in kept if same_text(other.text, record.text)]:
            skipped.append(f"Left out: {record.folder} holds the same run as {twins[0].folder}. Delete one.")
        else:
            kept.append(record)
    if not families:
        raise ConfigError(
            f"there is no record below {folder}. Train runs with 'fourier-lab train' and copy their records there with "
            f"'fourier-lab table --export {folder / 'NAME'}'. {' '.join(skipped)}".strip()
        )
    points = []
    for family, by_digest in families.items():
        every = [record for records in by_digest.values() for record in records]
        pooled = [sorted(reported(runs), key=lambda r: r.config.seed) for runs in cases(every)]
        points += [Point(name, family, tuple(runs)) for name, runs in zip(_names(family, pooled), pooled, strict=True)]
    return points, skipped


def quantities(points: Iterable[Point]) -> dict[str, Quantity]:
    """Return what points can be placed by: sizes, costs, scores, those beyond STS-B, and accuracies of classifiers."""
    points = list(points)

    def metric(*keys: str) -> Callable[[RunRecord], tuple[float, float, float]]:
        def read(record: RunRecord) -> tuple[float, float, float]:
            value: Any = record.metrics
            for key in keys:
                value = value[key]
            return float(value), math.nan, math.nan

        return read

    def correlation(split: str, measure: str) -> Callable[[RunRecord], tuple[float, float, float]]:
        def read(record: RunRecord) -> tuple[float, float, float]:
            score = record.metrics["scores"][split][measure]
            return score["value"], score["low"], score["high"]

        return read

    def accuracy(split: str) -> Callable[[RunRecord], tuple[float, float, float]]:
        def read(record: RunRecord) -> tuple[float, float, float]:
            found = record.metrics["held_out"][split]
            return 100 * found["accuracy"], 100 * found["low"], 100 * found["high"]

        return read

    read: dict[Path, dict[str, float]] = {}  # a file each

    def scores_beyond(run: RunRecord) -> dict[str, float]:
        if run.folder not in read:
            read[run.folder] = beyond(run.metrics["scores"], run.evaluations)
        return read[run.folder]

    def further(name: str) -> Callable[[RunRecord], tuple[float, float, float]]:
        return lambda run: (scores_beyond(run)[name], math.nan, math.nan)

    known = {
        "parameters": Quantity("parameters", metric("parameters", "total"), True),
        "with gradient": Quantity("parameters with a gradient", metric("parameters", "with_gradient"), True),
        "embedding": Quantity("parameters of the embedding", metric("parameters", "embedding"), True),
        "stored bits": Quantity(
            "stored bits of the embedding", lambda run: (run.stored_bits(), math.nan, math.nan), True
        ),
        "steps": Quantity("training steps", lambda run: (run.config.steps, math.nan, math.nan)),
        "rate": Quantity("peak learning rate (per step)", lambda run: (run.config.peak_rate, math.nan, math.nan), True),
        "seconds": Quantity("training time (s)", metric("duration_s"), True),
        "validation loss": Quantity("validation loss (nats; 1 − r of fine-tuned runs)", metric("validation_loss")),
    }  # fmt: skip
    for split in ("validation", "test"):
        for measure in ("spearman", "pearson"):
            label = f"{measure.title()} on {split} (× 100)"
            known[f"{split} {measure.title()}"] = Quantity(label, correlation(split, measure))
    # Only classifiers have an accuracy with an interval; that of other runs is of finding pairs within a batch.
    splits = {
        split: None
        for point in points
        for split, found in point.records[0].metrics.get("held_out", {}).items()
        if "low" in found
    }
    known |= {f"accuracy {split}": Quantity(f"accuracy on {split} (%)", accuracy(split)) for split in splits}
    return known | {
        words(name): Quantity(
            f"{words(name)} ({'%' if name.startswith('matched') else 'Spearman × 100'})", further(name)
        )
        for name in headline({name: None for point in points for name in scores_beyond(point.records[0])})
    }


def pooled_value(point: Point, quantity: Quantity) -> tuple[float, float, float, int]:
    """Return mean, low, high and the number of seeds.

    The interval is Student's 95 % over seeds where there are two or more, else the run's own: the 95 % bootstrap over
    pairs of a correlation, Wilson's of an accuracy, and nan for all else. All is nan where a run lacks the quantity.
    """
    try:
        runs = [quantity.read(record) for record in point.records]
    except (KeyError, TypeError):
        return math.nan, math.nan, math.nan, 0
    if len(runs) > 1:
        return *mean_interval([value for value, *_ in runs]), len(runs)
    return *runs[0], 1


def point_columns(points: Sequence[Point], x: Quantity, y: Quantity) -> Columns:
    """Return the places of points, as :func:`fourier_lab.plots.results.draw_points` takes them.

    Returns:
        Columns: ``point`` and ``series`` (names), ``x``, ``x_low``, ``x_high``, ``y``, ``y_low``, ``y_high``, ``seeds``;
        points that lack one of the quantities are left out.
    """
    rows = [
        (point.name, series_name(point.config), *pooled_value(point, x)[:3], *pooled_value(point, y))
        for point in points
    ]
    names = ("point", "series", "x", "x_low", "x_high", "y", "y_low", "y_high", "seeds")
    kept = [row for row in rows if math.isfinite(row[2]) and math.isfinite(row[5])]
    return from_rows(names, kept)


def train_command(configs: Sequence[RunConfig]) -> str:
    """Return the command that trains runs which differ in their seed alone.

    Example:
        >>> train_command([RunConfig(arm="learned", steps=600, seed=seed) for seed in (0, 1)])
        'fourier-lab train --arm learned --steps 600 --seed 0,1'
    """
    changed = {**configs[0].changes(), "seed": ",".join(str(config.seed) for config in configs)}
    options = ((name, as_text(name, value)) for name, value in changed.items())
    return "fourier-lab train " + " ".join(f"--{name.replace('_', '-')} {shlex.quote(text)}" for name, text in options)


def as_text(name: str, value: Any) -> str:
    """Write a setting the way ``RunConfig.parse`` reads it."""
    if name in OPTIONS:
        inner = (f"{key}: {[*entry] if isinstance(entry, tuple) else json.dumps(entry)}" for key, entry in value)
        return f"{{{', '.join(inner)}}}"
    if name == "pretraining" and value is not None:
        return " ".join(f"{key}={as_text(key, entry)}" for key, entry in value)
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _names(family: str, pooled: Sequence[Sequence[RunRecord]]) -> list[str]:
    """Name configurations by their series and by the settings in which those of one family differ."""
    configs = [runs[0].config for runs in pooled]
    varying = [name for name in varying_settings(configs) if name not in (*IN_SERIES_NAME, "departures")]
    names, several = [], several_texts(pooled)
    for config, runs in zip(configs, pooled, strict=True):
        parts = [f"{family}: {series_name(config)}", *config.departures]
        parts += [f"{name} {as_text(name, getattr(config, name))}" for name in varying]
        parts += [f"text {text_name(runs[0].text)}"] * several
        parts += ["collapsed"] * any(run.is_collapsed(split) for run in runs for split in ("validation", "test"))
        seeds = ", ".join(str(run.config.seed) for run in runs)
        names.append(f"{', '.join(parts)}, seed{'s' * (len(runs) > 1)} {seeds}")
    return names
