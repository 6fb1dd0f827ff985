"""Run a sweep: every run once, in processes that may die, its record exported to the results as soon as it is there."""

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import paths
from ..errors import RecordError
from ..locks import is_locked
from ..processes import TICK_S, supervise, warm_context
from ..training.costs import Estimator
from ..training.records import RunRecord
from .file import Run, Sweep
from .job import BUSY, PRELOADED, Job, train_job
from .plan import Places, check_asked, check_models, describe, duration, expected_seconds, timed_runs

_SEEN_S = 60.0  # file systems keep what they know of a folder for about half of that
RETRIES = 2  # of a run whose process was killed; a run that raises an error is not tried again


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
    dask: str | None = None,
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
        dask: Let the workers of a Dask cluster compute, see :func:`fourier_lab.cluster.connected`; a run that asks
            for the device ``cuda`` goes to a worker with the resource ``GPU``. A lost worker's run goes on elsewhere, until
            it has lost more workers than the scheduler allows.

    Raises:
        ConfigError: If ``sweep`` is no sweep, ``workers`` is below 1, or ``dask`` leads to no cluster.
        MissingPackageError: If ``dask`` is given and Dask is not installed.
        TrainingError: If the scheduler of the cluster is lost.
    """
    check_asked(sweep, workers)
    say = report or logging.getLogger(__name__).info
    if sweep.notebook is not None:
        return _run_notebooks(sweep, workers, say, dask)
    places = Places.of(sweep, runs, results)
    if dask is None:
        return _Engine(sweep, workers, say, places).run()
    from ..cluster import connected

    with connected(dask, workers) as client:
        return _Engine(sweep, workers, say, places, client).run()


class _Engine:
    """One call of :func:`run_sweep`."""

    def __init__(self, sweep: Sweep, workers: int, say: Callable[[str], None], places: Places, client: Any = None):
        self.sweep, self.say, self.places, self.client = sweep, say, places, client
        self.n_workers = workers
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
        check_models(self.sweep, self.waiting)
        self.say(f"{len(self.outcomes)} of {len(self.sweep.runs)} runs are finished already")
        if self.places.note:
            self.say(self.places.note)
        events = self.events()  # whose server imports while the records are read
        if self.waiting:
            self.estimator = Estimator(timed_runs(self.places))
        messages: dict[str, str] = {}
        with closing(events):
            for event, worker, detail in events:
                run = worker.job.run
                if event == "started":
                    self.begun.setdefault(run.digest, time.monotonic())
                    self.tell(run, f"started{f' on {detail}' if detail else ''}: {describe(run)}")
                elif event == "message":
                    messages[run.digest] = detail
                elif event == "ended":
                    self.ended(run, messages.pop(run.digest, None), detail)
                    self.write_table()  # now, for the next run may take hours or be interrupted
        self.write_table()
        return [self.outcomes[run.digest] for run in self.sweep.runs]

    @property
    def workers(self) -> int:
        """How many runs are at work at a time: on a cluster, as many as it has workers now."""
        return self.n_workers if self.client is None else max(1, len(self.client.nthreads()))

    def events(self) -> Generator[tuple[str, Any, Any], None, None]:
        """Let the runs be computed, and yield what becomes of them."""
        if self.client is None or not self.waiting:
            context = warm_context(*PRELOADED) if self.waiting else None
            return supervise(self.next_job, train_job, self.n_workers, context)
        from ..cluster import supervise_on

        self.places.runs.mkdir(parents=True, exist_ok=True)
        return supervise_on(self.client, self.next_job, train_job, PRELOADED)

    def write_table(self) -> None:
        if any(outcome.record for outcome in self.outcomes.values()):
            from ..tables.score_tables import write_table

            try:
                write_table(self.places.results)
            except RecordError as error:  # of another group's record, or one that is in no sweep file: the runs go on
                self.say(f"no table: {error}")

    def next_job(self) -> Job | None:
        """Return the next run that no other process works on; if there is none, the next one, which then waits."""
        if not self.waiting:
            return None
        free = [run for run in self.waiting if not is_locked(self.places.folder(run))]
        run = (free or self.waiting)[0]
        self.waiting.remove(run)
        threads = None if self.client else max(1, (os.cpu_count() or 1) // self.n_workers)
        return Job(run, self.places.runs.absolute(), threads, not free, os.environ.get("FOURIER_LAB_DATA"))

    def ended(self, run: Run, error: str | None, exit_code: int) -> None:
        """Take note that the process of ``run`` is gone; no ``error`` at all means that it was killed."""
        if error == BUSY:
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
                record = self.written(run)
                outcome = Outcome(run, status, seconds, self.places.export(record))
            except RecordError as problem:
                outcome = Outcome(run, "failed", seconds, error=str(problem))
        self.outcomes[run.digest] = outcome
        return outcome

    def written(self, run: Run) -> RunRecord:
        """Return the record of a run that is done; what another machine wrote may take a while to be seen here."""
        until = time.monotonic() + (_SEEN_S if self.client else 0)
        while (record := self.places.finished(run)) is None:
            if time.monotonic() > until:
                raise RecordError(
                    f"the run is done, and its record is not in {self.places.folder(run)}: all machines must share one "
                    "folder of runs, and the data. Name one that they share with --runs."
                )
            time.sleep(TICK_S)
        return record

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


def _run_notebooks(sweep: Sweep, workers: int, say: Callable[[str], None], dask: str | None) -> list[Outcome]:
    from ..headless.notebooks import run_notebooks, summary

    notebook = paths.NOTEBOOKS / f"{sweep.notebook}.ipynb"
    variants = {run.digest: run.settings for run in sweep.runs}
    found = run_notebooks([notebook], variants=variants, workers=workers, report=say, dask=dask)
    say("\n" + summary(found))
    status = {"unchanged": "loaded"}
    return [
        Outcome(run, status.get(result.status, result.status), result.seconds, error=result.error)
        for run, result in zip(sweep.runs, found, strict=True)
    ]
