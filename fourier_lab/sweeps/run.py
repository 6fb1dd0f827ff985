"""Run a sweep: every run once, in processes that may die, its record exported to the results as soon as it is there."""

import logging
import os
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from .. import paths
from ..errors import FourierLabError, RecordError
from ..locks import is_locked
from ..plugins import allow
from ..processes import follow_parent, obey_parent, supervise, warm_context
from ..training.costs import Estimator
from ..training.folders import run_folder
from ..training.records import RunRecord
from .file import Run, Sweep
from .plan import Places, check_asked, describe, duration, expected_seconds, timed_runs

RETRIES = 2  # of a run whose process was killed; a run that raises an error is not tried again
_BUSY = "busy"
# What takes a run longer to import than its first steps.
_PRELOADED = "fourier_lab.training.train", "safetensors.torch", "psutil", "pyarrow"


@dataclass(frozen=True)
class Outcome:
    """What became of one run.

    Attributes:
        run: The run.
        status: ``done``, ``loaded`` (finished before) or ``failed``.
        seconds: From its start in this sweep to its end, retries included; 0 if loaded.
        record: The finished record; None if failed, or for a notebook.
        error: What went wrong; empty unless failed.
    """

    run: Run
    status: str
    seconds: float = 0.0
    record: RunRecord | None = None
    error: str = ""


def run_sweep(
    sweep: Sweep,
    workers: int = 1,
    report: Callable[[str], None] | None = None,
    *,
    runs: Path | None = None,
    results: Path | None = None,
) -> list[Outcome]:
    """Finish every run of a sweep and return what became of each, in order.

    Finished runs are loaded; interrupted ones resume from their checkpoint. A run that fails is named and does not stop the
    others; one whose process is killed is tried again, at most :data:`RETRIES` times. Several sweeps may run at once: a run
    is done by one process only, the others go on to other runs and wait for it at the end. Records are copied without
    weights to ``<results>/<name>/<digest>``; a damaged copy is written anew. Ctrl-C lets every run save a checkpoint.

    Args:
        sweep: From :func:`fourier_lab.sweeps.file.load_sweep`.
        workers: Processes at a time; the processor cores are shared out among them, unless the runs set ``threads``.
        report: Receives a line at the start and end of each run; the logger if None.
        runs: Folder of run folders; the project's ``runs/`` if None.
        results: Folder of the sweeps' exported records; the project's ``results/`` if None.

    Raises:
        ConfigError: If ``sweep`` is no sweep, or ``workers`` is below 1.
    """
    check_asked(sweep, workers)
    say = report or logging.getLogger(__name__).info
    if sweep.notebook is not None:
        return _run_notebooks(sweep, workers, say)
    return _Engine(sweep, workers, say, Places.of(sweep, runs, results)).run()


@dataclass(frozen=True)
class _Job:
    """One run for one process; plain values only."""

    run: Run
    runs: Path
    threads: int
    patient: bool  # wait if another process is at this run: there is no other to go on to


class _Engine:
    """One call of :func:`run_sweep`."""

    def __init__(self, sweep: Sweep, workers: int, say: Callable[[str], None], places: Places):
        self.sweep, self.workers, self.say, self.places = sweep, workers, say, places
        self.waiting: list[Run] = []
        self.outcomes: dict[str, Outcome] = {}
        self.begun: dict[str, float] = {}
        self.kills: Counter[str] = Counter()
        self.estimator = Estimator()

    def run(self) -> list[Outcome]:
        for run in self.sweep.runs:
            try:
                finished = self.places.finished(run) is not None
            except RecordError:  # a damaged one is told as such, and not run again
                finished = True
            if finished:
                self.settle(run, "loaded")
            else:
                self.waiting.append(run)
        self.say(f"{len(self.outcomes)} of {len(self.sweep.runs)} runs are finished already")
        if self.places.note:
            self.say(self.places.note)
        if self.waiting:
            self.estimator = Estimator(timed_runs(self.places))
        messages: dict[str, str] = {}
        context = warm_context(*_PRELOADED) if self.waiting else None
        with closing(supervise(self.next_job, _train, self.workers, context)) as events:
            for event, worker, detail in events:
                run = worker.job.run
                if event == "started":
                    self.tell(run, f"started: {describe(run)}")
                elif event == "message":
                    messages[run.digest] = detail
                elif event == "ended":
                    self.ended(run, messages.pop(run.digest, None), detail)
                    self.write_table()  # now, for the next run may take hours or be interrupted
        self.write_table()
        return [self.outcomes[run.digest] for run in self.sweep.runs]

    def write_table(self) -> None:
        if any(outcome.record for outcome in self.outcomes.values()):
            from ..tables.score_tables import write_table

            try:
                write_table(self.places.results)
            except RecordError as error:  # of another group's record, or one that is in no sweep file: the runs go on
                self.say(f"no table: {error}")

    def next_job(self) -> _Job | None:
        """Return the next run that no other process works on; if there is none, the next one, which then waits."""
        if not self.waiting:
            return None
        free = [run for run in self.waiting if not is_locked(self.places.folder(run))]
        run = (free or self.waiting)[0]
        self.waiting.remove(run)
        self.begun.setdefault(run.digest, time.monotonic())
        return _Job(run, self.places.runs, max(1, (os.cpu_count() or 1) // self.workers), patient=not free)

    def ended(self, run: Run, error: str | None, exit_code: int) -> None:
        """Take note that the process of ``run`` is gone; no ``error`` at all means that it was killed."""
        if error == _BUSY:
            self.waiting.append(run)
            self.tell(run, "is in work elsewhere, comes later")
            return
        if error is None and self.kills[run.digest] < RETRIES:
            self.kills[run.digest] += 1
            self.waiting.insert(0, run)
            attempt = f"trying again ({self.kills[run.digest]} of {RETRIES}) from its last checkpoint"
            self.tell(run, f"lost its process (exit code {exit_code}), {attempt}")
            return
        if error is None:
            error = f"its process was lost {RETRIES + 1} times (exit code {exit_code}), perhaps for want of memory."
        outcome = self.settle(run, "done", error)
        if outcome.record is None:
            self.tell(run, f"FAILED: {outcome.error}")
        else:
            self.estimator.add(outcome.record.config, outcome.record.metrics["duration_s"])
            self.tell(run, f"done in {duration(outcome.seconds)}, {outcome.record.in_words('validation')}")

    def settle(self, run: Run, status: str, error: str = "") -> Outcome:
        """Keep and export the record of ``run``, or keep what is wrong with it."""
        seconds = time.monotonic() - self.begun[run.digest] if run.digest in self.begun else 0.0
        outcome = Outcome(run, "failed", seconds, error=error)
        if not error:
            try:
                record = self.places.finished(run)
                assert record is not None  # its process said so
                outcome = Outcome(run, status, seconds, self.places.export(record))
            except RecordError as problem:
                outcome = Outcome(run, "failed", seconds, error=str(problem))
        self.outcomes[run.digest] = outcome
        return outcome

    def tell(self, run: Run, text: str) -> None:
        """Say one line about a run, with the time of day and the time left for all of them."""
        undone = [run for run in self.sweep.runs if run.digest not in self.outcomes]
        now, left = time.monotonic(), 0.0
        expected = expected_seconds(self.sweep, undone, self.estimator, self.places)
        for digest, seconds in expected.items():
            left += max(0.0, seconds - (now - self.begun.get(digest, now)))
        number = f"[{self.sweep.runs.index(run) + 1}/{len(self.sweep.runs)}]"
        words = "about" if len(expected) == len(undone) else "at least"
        eta = f"; {words} {duration(left / self.workers)} left in all" if left else ""
        self.say(f"{time.strftime('%H:%M:%S')} {number} {run.digest} {text}{eta}")


def _train(job: _Job, connection: Connection) -> None:
    """Train one run in this process and send back its error, or an empty text; nothing if it was asked to stop."""
    obey_parent()
    follow_parent()
    import torch

    from ..training.train import train

    assert job.run.config is not None
    allow(vars(job.run.config).values())  # named in the sweep file
    if not job.patient and is_locked(run_folder(job.runs, job.run.config)):  # taken while this process started
        connection.send(_BUSY)
        return
    torch.set_num_threads(job.threads)
    try:
        train(job.run.config, runs=job.runs)
        error = ""
    except KeyboardInterrupt:
        return
    except (FourierLabError, OSError) as problem:
        error = str(problem)
    except Exception as problem:  # whatever stops this run is reported and must not stop the others
        error = f"{type(problem).__name__}: {problem}"
    connection.send(error)


def _run_notebooks(sweep: Sweep, workers: int, say: Callable[[str], None]) -> list[Outcome]:
    from ..headless.notebooks import run_notebooks, summary

    notebook = paths.NOTEBOOKS / f"{sweep.notebook}.ipynb"
    variants = {run.digest: run.settings for run in sweep.runs}
    found = run_notebooks([notebook], variants=variants, workers=workers, report=say)
    say("\n" + summary(found))
    status = {"unchanged": "loaded"}
    return [
        Outcome(run, status.get(result.status, result.status), result.seconds, error=result.error)
        for run, result in zip(sweep.runs, found, strict=True)
    ]
