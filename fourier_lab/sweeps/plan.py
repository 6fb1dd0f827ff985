"""What a sweep has done, has left to do, and will cost."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from .. import paths
from ..config import RunConfig
from ..errors import ConfigError, RecordError
from ..training.costs import Estimator
from ..training.records import RunRecord, is_complete, load_record, write_record
from .file import Run, Sweep

_CALIBRATION_STEPS = 4


def check_workers(workers: int) -> None:
    """Raise :class:`ConfigError` if there would be no process to work."""
    if workers < 1:
        raise ConfigError(f"workers must be at least 1, got {workers}. Leave it out for one run at a time.")


@dataclass(frozen=True)
class Places:
    """Where a sweep's run folders and exported records lie; each holds one folder per digest."""

    runs: Path
    results: Path

    @classmethod
    def of(cls, sweep: Sweep, runs: Path | None = None, results: Path | None = None) -> "Places":
        """Return the folders of ``sweep`` below the given ones, or below those of the project."""
        return cls(Path(runs or paths.RUNS), Path(results or paths.RESULTS) / sweep.name)

    def state(self, digest: str) -> str:
        """Return ``finished``, ``interrupted`` or ``to do``."""
        if is_complete(self.runs / digest) or is_complete(self.results / digest):
            return "finished"
        return "interrupted" if (self.runs / digest / "checkpoint.pt").is_file() else "to do"

    def finished(self, digest: str) -> RunRecord | None:
        """Return the record in the run folder, else the exported one, else None.

        Raises:
            RecordError: If the record in the run folder is damaged; a damaged export counts as none.
        """
        if is_complete(self.runs / digest):
            return load_record(self.runs / digest)
        try:
            return load_record(self.results / digest)
        except RecordError:
            return None

    def export(self, record: RunRecord) -> RunRecord:
        """Copy a record without weights to the results unless it is there already, whole."""
        target = self.results / record.config.digest()
        paths.remove_leftovers(target)
        try:
            if load_record(target).metrics == record.metrics:
                return record
        except RecordError:
            pass  # none yet, or damaged: written anew
        return write_record(target, record.config, record.metrics, record.history, resampled=record.resampled())


def plan(sweep: Sweep, workers: int = 1, *, runs: Path | None = None, results: Path | None = None) -> Iterator[str]:
    """Yield lines that say what :func:`run_sweep` would do and how long it would take; may train a few steps to know.

    Durations are scaled from finished runs on a machine with the same kind of device (:mod:`fourier_lab.training.costs`);
    if there are none, the first run's first steps are timed.
    """
    places = Places.of(sweep, runs, results)
    states = {run.digest: places.state(run.digest) for run in sweep.runs}
    to_do = [run for run in sweep.runs if states[run.digest] != "finished"]
    check_workers(workers)
    estimator, basis = Estimator(), ""
    if to_do and sweep.notebook is None:
        estimator = Estimator(timed_runs(places))
        basis = f", estimated from {len(estimator)} finished runs"
        if not len(estimator):
            configs = [run.config for run in to_do if run.config is not None]
            estimator.add(configs[0], _calibrate(configs[0]))
            basis = f", estimated from {_CALIBRATION_STEPS - 1} steps of {to_do[0].digest}"
    expected = expected_seconds(sweep, to_do, estimator, places)
    yield f"{len(sweep.runs)} runs, {len(to_do)} to do"
    width = max(len(run.group) for run in sweep.runs)
    for run in sweep.runs:
        cost = duration(expected[run.digest]) if run.digest in expected else ""
        yield f"  {run.digest}  {states[run.digest]:<11}  {cost:>8}  {run.group:<{width}}  {describe(run)}"
    if expected:
        hours = sum(expected.values()) / workers / 3600
        yield f"about {hours:.2g} hours with {workers} worker{'s' * (workers > 1)}{basis}"


def timed_runs(places: Places) -> Iterator[tuple[RunConfig, float]]:
    """Yield configuration and training seconds of every sound record on the kind of device that this machine has."""
    from ..device import resolve_device

    seen = set()
    for path in [*places.runs.glob("*/metrics.json"), *places.results.parent.glob("*/*/metrics.json")]:
        digest = path.parent.name
        try:
            record = None if digest in seen else load_record(path.parent)
            if record is None or record.metrics.get("device") != resolve_device(record.config.device).type:
                continue
        except (RecordError, ConfigError):  # damaged (its own sweep names it), or of a device that is not here
            continue
        seen.add(digest)
        if "duration_s" in record.metrics:
            yield record.config, record.metrics["duration_s"]


def _calibrate(config: RunConfig) -> float:
    """Return the training seconds of ``config``, from its first steps without the very first."""
    from ..training.train import train

    # From random weights, whose steps take as long: a first stage is a whole run.
    few = config.replace(steps=_CALIBRATION_STEPS, warmup_steps=0, pretraining=None)
    with TemporaryDirectory() as folder:
        history = train(few, runs=Path(folder)).history
    return (history[-1]["seconds"] - history[0]["seconds"]) / (_CALIBRATION_STEPS - 1) * config.steps


def expected_seconds(sweep: Sweep, undone: Iterable[Run], estimator: Estimator, places: Places) -> dict[str, float]:
    """Map the digests of ``undone`` runs to expected seconds; a first stage counts for the first run that needs it."""
    expected: dict[str, float] = {}
    stages: set[str] = set()
    for run in undone:
        config = run.config
        if config is None or (seconds := estimator.seconds(config)) is None:
            continue
        stage = config.pretrained() if config.pretraining is not None else None
        if stage is not None and stage.digest() not in stages and not is_complete(places.runs / stage.digest()):
            stages.add(stage.digest())
            seconds += estimator.seconds(stage) or 0.0
        expected[run.digest] = seconds
    return expected


def describe(run: Run) -> str:
    """Return what distinguishes a run within its sweep."""
    values = run.changes | ({"seed": run.settings["seed"]} if "seed" in run.settings else {})
    return ", ".join(f"{name} {value}" for name, value in values.items()) or "base settings"


def duration(seconds: float) -> str:
    """Return a span of time in words, such as ``4.6 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
