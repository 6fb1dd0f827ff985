"""What a sweep has done, has left to do, and will cost."""

import itertools
import statistics
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from .. import paths
from ..config import ModelConfig, RunConfig
from ..errors import ConfigError, FourierLabError, RecordError, check_kind, leave_out
from ..processes import check_workers
from ..text.fingerprints import differing, same_text, text_at_hand, text_name
from ..training.costs import Estimator
from ..training.evaluations import are_complete, copy_evaluations
from ..training.folders import exported_folder, finished_texts, load_run, run_folder
from ..training.records import CHECKPOINT, RunRecord, is_complete, load_record, write_record
from .file import Run, Sweep

_CALIBRATION_STEPS, _FIRST_STEPS = 8, 3  # the first ones, in which memory is taken and code is loaded, do not count


def check_asked(sweep: Sweep, workers: int) -> None:
    """Raise :class:`ConfigError` if what is to be run is no sweep, or there would be no process to work."""
    check_kind(sweep, Sweep, "a sweep is run as it was read from its file", "Write run_sweep(load_sweep(path)).")
    check_workers(workers)


def check_models(sweep: Sweep, to_do: Sequence[Run]) -> None:
    """Build each model whose vocabulary's size is settled before any is trained; text may settle others.

    Raises:
        ConfigError: If one cannot be.
    """
    shapes: dict[ModelConfig, Run] = {}
    for run in {(run.group, str(run.changes)): run for run in reversed(to_do)}.values():  # one of all seeds
        if run.config is not None and (run.config.corpus == "toy" or run.config.tokenizer == "trained"):
            shapes.setdefault(run.config.model(run.config.vocab_size), run)
    if not shapes:
        return
    import torch  # what lists records goes without

    from ..models.causal_lm import CausalLM
    from ..models.sentence_encoder import SentenceEncoder

    for shape, run in shapes.items():
        try:
            with torch.random.fork_rng(devices=[]):
                SentenceEncoder(shape) if shape.head == "none" else CausalLM(shape)
        except ConfigError as problem:
            raise ConfigError(f"{sweep.name}: group {run.group!r} gives {describe(run)}: {problem}") from None


@dataclass(frozen=True)
class Places:
    """Where a sweep's run folders, exported and shipped records lie; each holds one folder per run.

    Attributes:
        runs: Folder of run folders.
        results: Folder of the exported records.
        shipped: Folder of the records that come with the project.
        note: What was found of other text, and is left alone; empty if nothing.
    """

    runs: Path
    results: Path
    shipped: Path
    note: str = ""

    @classmethod
    def of(cls, sweep: Sweep, runs: Path | None = None, results: Path | None = None) -> "Places":
        """Return the folders of ``sweep`` below the given ones, or the usual ones; other results know no shipped records.


        Records of one text stay by themselves: where those of the sweep are of other text than is at hand, the latter's go
        to a folder beside.
        """
        results = Path(results or paths.RESULTS)
        root = results / sweep.name
        shipped = (paths.RECORDS if results == paths.RESULTS else results) / sweep.name
        text: dict[str, str] = {}
        others: list[dict[str, str]] = []
        for config in sweep.configs:
            if (at_hand := text_at_hand(config)) is not None:
                text |= at_hand
                known = [found for place in {root, shipped} for found in finished_texts(place, config).values()]
                others += [found for found in known if not same_text(found, at_hand)]
        if not others:
            return cls(Path(runs or paths.RUNS), root, shipped)
        own = root.with_name(f"{root.name}-{text_name(text)}")
        note = (
            f"{len(others)} records in {root} are of other text than FOURIER_LAB_DATA holds (fingerprints of "
            f"{differing(others[0], text)}): none of them counts here, and records of the text at hand go to {own}"
        )
        return cls(Path(runs or paths.RUNS), own, shipped, note)

    def folder(self, run: Run) -> Path:
        """Return the run folder of ``run``."""
        return _place(self.runs, run)

    def state(self, run: Run) -> str:
        """Return ``finished``, ``damaged`` (refused until its run folder is deleted), ``interrupted`` or ``to do``."""
        try:
            if self.finished(run) is not None:
                return "finished"
        except RecordError as error:
            leave_out(error)
            return "damaged"
        return "interrupted" if (self.folder(run) / CHECKPOINT).is_file() else "to do"

    def finished(self, run: Run) -> RunRecord | None:
        """Return the record in the run folder, else the exported one, else the shipped one, else None.

        One that lacks scores that its run is evaluated on is not finished.

        Raises:
            RecordError: If the record in the run folder is damaged; another that is damaged counts as none.
        """
        if run.config is None:  # a notebook's results are in the manifest
            return None
        if is_complete(folder := self.folder(run)):
            record = load_run(folder, run.config)
            return record if are_complete(folder, run.config) else None
        for folder in (_place(root, run) for root in (self.results, self.shipped)):
            with suppress(RecordError):
                record = load_run(folder, run.config)
                if are_complete(folder, run.config):
                    return record
        return None

    def export(self, record: RunRecord) -> RunRecord:
        """Copy a record without weights to the results unless it is there already, whole."""
        target = exported_folder(self.results, record)
        paths.remove_leftovers(target)
        try:
            written = load_record(target).metrics == record.metrics
        except RecordError:
            written = False  # none yet, or damaged: written anew
        copy = record if written else write_record(
            target, record.config, record.metrics, record.history, resampled=record.resampled()
        )  # fmt: skip
        copy_evaluations(record.folder, target)
        return copy


def _place(root: Path, run: Run) -> Path:
    return root / run.digest if run.config is None else run_folder(root, run.config)


def plan(sweep: Sweep, workers: int = 1, *, runs: Path | None = None, results: Path | None = None) -> Iterator[str]:
    """Yield lines that say what :func:`run_sweep` would do and how long it would take; may train a few steps to know.

    Durations are scaled from finished runs on a machine with the same kind of device (:mod:`fourier_lab.training.costs`);
    where none of these says anything, some steps of the first such run are timed.
    """
    check_asked(sweep, workers)
    places = Places.of(sweep, runs, results)
    states = {run.digest: places.state(run) for run in sweep.runs}
    to_do = [run for run in sweep.runs if states[run.digest] in ("interrupted", "to do")]
    check_models(sweep, to_do)
    estimator, basis, unknown = Estimator(), [], ""
    if to_do and sweep.notebook is None:
        estimator = Estimator(timed_runs(places))
        basis = [f"{len(estimator)} finished runs"] if len(estimator) else []
        try:
            for run in to_do:
                if run.config is not None and estimator.seconds(run.config) is None:
                    estimator.add(run.config, _calibrate(run.config))
                    basis.append(f"{_CALIBRATION_STEPS - _FIRST_STEPS} steps of {run.digest}")
        except FourierLabError as problem:  # no text, no memory: what there is to do can be said all the same
            unknown = f"no time is estimated for some of the runs: {problem}"
    expected = expected_seconds(sweep, to_do, estimator, places)
    yield f"{len(sweep.runs)} runs, {len(to_do)} to do"
    if places.note:
        yield places.note
    width = max(len(run.group) for run in sweep.runs)
    for run in sweep.runs:
        cost = duration(expected[run.digest]) if run.digest in expected else ""
        yield f"  {run.digest}  {states[run.digest]:<11}  {cost:>8}  {run.group:<{width}}  {describe(run)}"
    if expected:
        hours = sum(expected.values()) / workers / 3600
        told = f"{hours:.2g} hours with {workers} worker{'s' * (workers > 1)}, estimated from {' and '.join(basis)}"
        yield f"at least {told}" if unknown else f"about {told}"
    if teachers := sorted({run.config.teacher for run in to_do if run.config is not None and run.config.teacher}):
        yield f"besides, {' and '.join(teachers)} must read the text once if the folder of runs lacks its vectors"
    if unknown:
        yield unknown


def timed_runs(places: Places) -> Iterator[tuple[RunConfig, float]]:
    """Yield configuration and training seconds of every sound record on the kind of device that this machine has."""
    seen = set()
    exported = (path for place in (places.results, places.shipped) for path in place.parent.glob("*/*/metrics.json"))
    for path in [*places.runs.glob("*/metrics.json"), *exported]:
        digest = path.parent.name.partition("-")[0]
        try:
            record = None if digest in seen else load_record(path.parent, with_history=False)
            if record is None:
                continue
            from ..device import resolve_device  # torch, which a sweep without records need not wait for

            if record.metrics.get("device") != resolve_device(record.config.device).type:
                continue
        except (RecordError, ConfigError):  # damaged (its own sweep names it), or of a device that is not here
            continue
        seen.add(digest)
        if "duration_s" in record.metrics:
            yield record.config, record.metrics["duration_s"]


def _calibrate(config: RunConfig) -> float:
    """Return the training seconds of ``config``, from a few steps after its first ones; one slow step does not decide."""
    from ..training.train import train

    # From random weights, whose steps take as long: a first stage is a whole run.
    few = config.replace(steps=_CALIBRATION_STEPS, warmup_steps=0, pretraining=None, tuning="full", tuning_options=())
    if few.teacher is not None:  # which would first read all of the text
        few = few.replace(objective="contrastive", teacher=None)
    with TemporaryDirectory() as folder:
        seconds = [row["seconds"] for row in train(few, runs=Path(folder)).history]
    steps = [after - before for before, after in itertools.pairwise(seconds)]
    return statistics.median(steps[_FIRST_STEPS - 1 :]) * config.steps


def expected_seconds(sweep: Sweep, undone: Iterable[Run], estimator: Estimator, places: Places) -> dict[str, float]:
    """Map the digests of ``undone`` runs to expected seconds; a first stage counts for the first run that needs it."""
    expected: dict[str, float] = {}
    stages: set[str] = set()
    for run in undone:
        config = run.config
        if config is None or (seconds := estimator.seconds(config)) is None:
            continue
        stage = config.pretrained() if config.pretraining is not None else None
        if stage is not None and stage.digest() not in stages and not is_complete(run_folder(places.runs, stage)):
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
