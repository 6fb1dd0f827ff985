"""Run notebooks headless: one process and one kernel each, executed copies and HTML pages in ``reports/``.

At its defaults a notebook draws beside the committed figures, in ``reports/figures/``, to be held against them; with other
parameters, or on other text, in ``figures/`` like anyone who runs it by hand. It is skipped if its source, parameters,
library and data are unchanged and its figures still as it left them. A failing one keeps its executed copy, error included,
and does not stop the others.
"""

import ast
import itertools
import json
import logging
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .. import paths
from ..errors import NotebookError, RecordError, way_out
from ..processes import check_workers, obey_parent, supervise
from ..text.own import data_folder
from . import gallery
from .manifest import Manifest, NotebookResult, executed_copy, figures_folder, file_hash, file_stamps, fingerprint
from .quick_import import without_grammar

HEARTBEAT_S = 30.0
START_ATTEMPTS = 3  # a kernel can lose a race for its ports; a cell is never run twice


@dataclass(frozen=True)
class _Job:
    """One planned run; plain values only, because it travels to another process."""

    number: int
    notebook: str
    source: Path
    executed: Path
    parameters: dict[str, Any]
    environment: dict[str, str]
    fingerprint: str
    beside: bool
    needs_gpu = False

    @property
    def name(self) -> str:
        return self.notebook

    @property
    def shared(self) -> Path:
        return Path(self.environment["FOURIER_LAB_HOME"])


@dataclass
class _Running:
    job: _Job
    begun: float
    last_line: float
    figures_before: dict[Path, int]
    cell: str = "start-up"
    message: dict[str, str] = field(
        default_factory=lambda: {"error": "its process ended without a result, perhaps for want of memory."}
    )


def run_notebooks(
    notebooks: Iterable[Path | str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    *,
    where_declared: Mapping[str, Any] | None = None,
    variants: Mapping[str, Mapping[str, Any]] | None = None,
    workers: int = 1,
    force: bool = False,
    report: Callable[[str], None] | None = None,
    dask: str | None = None,
) -> list[NotebookResult]:
    """Run ``notebooks`` with papermill, each in its own process, and return their results in order.

    Args:
        notebooks: Paths; all numbered notebooks of the project if None.
        parameters: Values for the parameters cell. Every notebook must declare every name.
        where_declared: Values given only to notebooks that declare the name, such as ``corpus`` and ``source``. Given alone
            to a notebook, they leave its sizes at small defaults: its copy and figures are then labelled ``small``.
        variants: Further parameters by label: each notebook runs once for each label, which is added to the names of its
            copy and figures, as in ``reports/NOTEBOOK-LABEL.ipynb``.
        workers: Notebooks at a time; the processor cores are shared out among them.
        force: Run unchanged notebooks too.
        report: Receives progress lines; the logger if None.
        dask: Let the workers of a Dask cluster run them, see :func:`fourier_lab.cluster.connected`; all machines must have
            the project's home, the notebooks and the data in the same places.

    Raises:
        NotebookError: Before anything runs, if a file is missing or unreadable, a parameter is not declared, or two
            notebooks have one name.
        ConfigError: If ``workers`` is below 1, or ``dask`` leads to no cluster.
        MissingPackageError: If ``dask`` is given and Dask is not installed.
        TrainingError: If the scheduler of the cluster is lost.
    """
    say = report or logging.getLogger(__name__).info
    check_workers(workers)
    sources = [paths.as_path(path).resolve() for path in notebooks or sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb"))]
    if not sources:
        raise NotebookError(f"no notebooks in {paths.NOTEBOOKS}. Install fourier_lab again, or name their paths.")
    jobs = [
        _plan(number, source, {**(parameters or {}), **further}, where_declared or {}, workers, label)
        for number, (source, (label, further)) in enumerate(
            itertools.product(sources, (variants or {"": {}}).items()), 1
        )
    ]
    names = [job.notebook for job in jobs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise NotebookError(f"two notebooks are called {', '.join(twice)}: their reports would collide. Rename one.")

    manifest = Manifest()
    results: dict[str, NotebookResult] = {}
    for job in jobs:
        if not force and (kept := manifest.unchanged(job.notebook, job.fingerprint)):
            results[job.notebook] = kept
            say(f"[{job.number}/{len(jobs)}] {job.notebook} unchanged, skipped")
    waiting = deque(job for job in jobs if job.notebook not in results)
    with _supervisor(dask if waiting else None, workers) as supervisor:
        results |= _run_all(waiting, len(jobs), workers, manifest, say, supervisor)
    return [results[name] for name in names]


def summary(results: Iterable[NotebookResult]) -> str:
    """Return the closing table (notebook, seconds, figures, finding), then the error and place of each failure."""
    rows, failures = [("notebook", "seconds", "figures", "finding")], []
    for result in results:
        finding = {"failed": "FAILED", "unchanged": f"(unchanged) {result.finding}"}.get(result.status, result.finding)
        rows.append((result.notebook, f"{result.seconds:.0f}", str(result.pictures), finding))
        if result.status == "failed":
            failures.append(f"FAILED {result.notebook}: {result.error}\n  kept in {executed_copy(result.notebook)}")
    width = max(len(row[0]) for row in rows)
    lines = [f"{row[0]:<{width}}  {row[1]:>7}  {row[2]:>7}  {row[3]}".rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], *failures])


def _plan(
    number: int,
    source: Path,
    parameters: dict[str, Any],
    where_declared: Mapping[str, Any],
    workers: int,
    label: str = "",
) -> _Job:
    """Check the parameters against the notebook and fingerprint all that decides its figures."""
    with without_grammar():
        import papermill

    if not source.is_file():
        raise NotebookError(f"there is no notebook {source}. The project's own are in {paths.NOTEBOOKS}.")
    try:
        cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
        declared = papermill.inspect_notebook(_unformatted(source))
    except (ValueError, KeyError, TypeError) as problem:
        raise NotebookError(f"{source} is not a notebook ({problem!r}). Restore it from version control.") from problem
    # papermill only warns of an unknown name, and the run would silently use the default.
    if unknown := sorted(set(parameters) - set(declared)):
        raise NotebookError(
            f"{source.name} has no parameter {', '.join(unknown)}. It declares: {', '.join(declared) or 'none'}."
        )
    values = {name: value for name, value in where_declared.items() if name in declared} | {
        name: _plain(name, value) for name, value in parameters.items()
    }
    if values and not parameters:  # never in place of the figures of longer runs
        label = label or "small"
    corpus, origin = (
        values[name] if name in values else ast.literal_eval(declared[name]["default"]) if name in declared else builtin
        for name, builtin in (("corpus", "toy"), ("source", "builtin"))
    )
    name = f"{source.stem}-{label}" if label else source.stem
    notebook = name if corpus == "toy" else f"{str(corpus).replace('+', '_')}/{name}"
    environment = {
        "FOURIER_LAB_HEADLESS": "1",
        "FOURIER_LAB_NOTEBOOK": name,
        "FOURIER_LAB_HOME": str(paths.ROOT),
        "FOURIER_LAB_FIGURES": str(figures_folder(beside=not values)),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # silences a debugger warning that each kernel would print
    }
    if "FOURIER_LAB_DATA" in os.environ:  # for other machines
        environment["FOURIER_LAB_DATA"] = os.environ["FOURIER_LAB_DATA"]
    if workers > 1:
        environment["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // workers))
    return _Job(
        number=number,
        notebook=notebook,
        source=source,
        executed=executed_copy(notebook),
        parameters=values,
        environment=environment,
        fingerprint=fingerprint(cells, values, data_folder() if origin == "folder" else None),
        beside=not values,
    )


def _plain(name: str, value: Any) -> Any:
    """Return a parameter as papermill can write it into a cell: a list for a tuple, a number of Python for one of numpy."""
    try:
        return json.loads(json.dumps(value, default=lambda other: other.tolist()))
    except (TypeError, ValueError, AttributeError):
        raise NotebookError(
            f"parameter {name} must be a number, text, True, False, None or a list of such, got {value!r} "
            f"({type(value).__name__})."
        ) from None


def _unformatted(path: Path) -> str:
    """Return a path for papermill, which takes braces for the fields of a format."""
    return str(path).replace("{", "{{").replace("}", "}}")


@contextmanager
def _supervisor(dask: str | None, workers: int) -> Iterator[Callable[..., Any]]:
    """Give what does jobs, on this machine or on a cluster."""
    if dask is None:
        yield lambda next_job: supervise(next_job, _execute, workers)
        return
    from ..cluster import connected, supervise_on

    with connected(dask, workers) as client:
        yield lambda next_job: supervise_on(client, next_job, _execute)


def _run_all(
    waiting: deque[_Job],
    total: int,
    workers: int,
    manifest: Manifest,
    say: Callable[[str], None],
    supervisor: Callable[..., Any],
) -> dict[str, NotebookResult]:
    """Keep up to ``workers`` processes busy; tell starts, ends and, every ``HEARTBEAT_S``, the cell in progress."""
    running: dict[str, _Running] = {}
    results: dict[str, NotebookResult] = {}

    def tell(job: _Job, text: str) -> None:
        begun = {name: run.begun for name, run in running.items()}
        seconds_left = 0.0
        for notebook in (*begun, *(job.notebook for job in waiting)):
            elapsed = time.monotonic() - begun.get(notebook, time.monotonic())
            seconds_left += max(0.0, (manifest.expected_seconds(notebook) or 0.0) - elapsed) / workers
        eta = f"; about {seconds_left:.0f} s left in all" if seconds_left else ""
        say(f"{time.strftime('%H:%M:%S')} [{job.number}/{total}] {job.notebook} {text}{eta}")

    with closing(supervisor(lambda: waiting.popleft() if waiting else None)) as events:
        for event, worker, detail in events:
            job = worker.job
            if event == "started":
                running[job.notebook] = _Running(job, worker.begun, worker.begun, _figure_stamps(job))
                tell(job, f"started{f' on {detail}' if detail else ''}")
                continue
            run = running[job.notebook]
            if event == "message" and "cell" in detail:
                run.cell = detail["cell"]
            elif event == "message":  # of a cluster that cannot do it, in words
                run.message = {"error": detail} if isinstance(detail, str) else detail
            elif event == "ended":
                del running[job.notebook]
                results[job.notebook] = result = _collect(run, **run.message)
                manifest.record(result, job.fingerprint)
                tell(job, f"{result.status} in {result.seconds:.0f} s, {result.pictures} figures")
            elif time.monotonic() - run.last_line >= HEARTBEAT_S:
                run.last_line = time.monotonic()
                tell(job, f"in {run.cell}, {run.last_line - run.begun:.0f} s so far")
    return results


def _figure_stamps(job: _Job) -> dict[Path, int]:
    # Also one folder down: a notebook of the toy language may draw the study's records of real text, figures/CORPUS/NAME.
    root = figures_folder(job.beside)
    folders = (root / job.notebook, *root.glob(f"*/{job.notebook}"))
    return {path: time_ns for folder in folders for path, time_ns in file_stamps(folder).items()}


def _collect(run: _Running, error: str, finding: str = "") -> NotebookResult:
    """Return the result of an ended run with the figure files that it wrote."""
    written = (path for path, time_ns in _figure_stamps(run.job).items() if run.figures_before.get(path) != time_ns)
    root = figures_folder(run.job.beside)
    figures = {path.relative_to(root).as_posix(): file_hash(path) for path in written}
    status = "failed" if error else "done"
    return NotebookResult(
        run.job.notebook, status, time.monotonic() - run.begun, figures, finding, error, run.job.beside
    )


def _execute(job: _Job, connection: Connection) -> None:
    """Run one notebook in this process, write its copy and HTML page, and send back its finding or error."""
    obey_parent()  # being stopped is an exception here, so that nbclient shuts the kernel down
    os.environ.update(job.environment)
    partial = job.executed.with_name(f"{job.executed.stem}.partial.ipynb")
    error, finding = "", ""
    try:
        job.executed.parent.mkdir(parents=True, exist_ok=True)
        error = _papermill(job, partial, connection)
        if not partial.exists():
            shutil.copyfile(job.source, partial)
        os.replace(partial, job.executed)
        finding = _export(job)
    except KeyboardInterrupt:
        partial.unlink(missing_ok=True)
        return
    except Exception as failure:  # a page or copy that cannot be written is named, beside what failed before it
        error = "; ".join(filter(None, (error, f"its copy or page could not be written: {_told(failure)}")))
    connection.send({"error": error, "finding": finding})


def _told(failure: Exception) -> str:
    """Return what went wrong in one line, and what helps if that is known."""
    remedy = way_out(failure) if isinstance(failure, OSError) else ""
    return " ".join(f"{type(failure).__name__}: {failure}{remedy and f'. {remedy}.'}".split())


def _papermill(job: _Job, output: Path, connection: Connection) -> str:
    """Run the cells and return the error, or an empty text."""
    with without_grammar():
        import papermill
        from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    total = len(json.loads(job.source.read_text(encoding="utf-8"))["cells"])
    begun: list[int] = []

    def on_cell_start(cell: Any, cell_index: int) -> None:
        begun.append(cell_index)
        connection.send({"cell": f"cell {cell_index + 1} of {total}"})

    # At a lower level every kernel tells the terminal that it talks to us unencrypted, and some that they were interrupted,
    # which is how they are shut down. Errors of cells are in the executed copy.
    arguments = {"progress_bar": False, "on_cell_start": on_cell_start, "extra_arguments": ["--log-level=CRITICAL"]}
    attempts = 0
    while True:
        attempts += 1
        try:
            papermill.execute_notebook(_unformatted(job.source), _unformatted(output), job.parameters, **arguments)
            return ""
        except PapermillExecutionError as failure:
            return " ".join(f"{failure.ename}: {failure.evalue} (cell {failure.cell_index + 1})".split())
        except Exception as failure:  # whatever stops this notebook is reported and must not stop the others
            if begun or attempts == START_ATTEMPTS:
                return _told(failure)


def _export(job: _Job) -> str:
    """Write the HTML page beside the executed copy and return its finding."""
    from .pages import notebook_html

    executed = job.executed
    folder, _, name = job.notebook.rpartition("/")
    pictures: dict[str, gallery.Picture] = {}
    with suppress(RecordError):  # a damaged figure, perhaps of another notebook: the page then says less
        drawn = gallery.read_pictures(Path(job.environment["FOURIER_LAB_FIGURES"]))
        known = [*gallery.read_pictures(), *drawn]  # the last of a name wins
        pictures = gallery.short_names(known, folder, name if name != job.source.stem else "")
    paths.write_atomically(
        executed.with_suffix(".html"), notebook_html(executed, lambda url: url, pictures, whole=True)
    )
    cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    texts = ("".join(output.get("text", "")) for cell in cells for output in cell.get("outputs", ()))
    findings = [line for text in texts for line in text.splitlines() if line.startswith("Finding:")]
    return findings[-1].removeprefix("Finding:").strip() if findings else ""
