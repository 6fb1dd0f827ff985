"""Kills beyond one sweep: of the scheduler and the workers of a Dask cluster, and of notebooks; each command is repeated."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
import psutil

from ..errors import TrainingError
from .file import load_sweep
from .torture_faults import comparable

Case = tuple[str, str, str]  # what was done, how it ended, why so
_SOON_S = 300.0
_KILLS = 3  # of one sweep, or of one notebook
_CELL = """
import os, pathlib
import fourier_lab as fl
config = fl.RunConfig(d_model=16, vocab_size=2000, steps=150, warmup_steps=5, batch_size=32, train_pairs=600, threads=1)
scores = fl.train(config, runs=fl.paths.RUNS).record.metrics["scores"]
folder = pathlib.Path(os.environ["FOURIER_LAB_FIGURES"]) / os.environ["FOURIER_LAB_NOTEBOOK"]
folder.mkdir(parents=True, exist_ok=True)
(folder / "scores.csv").write_text(str(scores))
(folder / "scores.png").write_bytes(b"")
"""


def cluster_cases(folder: Path, sweep: str, chance: random.Random, kills: int) -> Iterator[Case]:
    """Yield every kill and how it ended: ``equal``, ``skipped`` where Dask is missing, or ``failed``.

    Args:
        folder: Empty, for all that is written.
        sweep: Text of a sweep file.
        chance: Draws the moments.
        kills: Of each kind.
    """
    if find_spec("distributed") is None:
        yield "kill of a scheduler", "skipped", "Dask is not installed"
    else:
        (folder / "sweep.yaml").write_text(sweep)
        yield from _storms(_OnCluster(folder), chance, kills)
    yield from _storms(_Notebook(folder), chance, kills)


def _storms(work: "_OnCluster | _Notebook", chance: random.Random, kills: int) -> Iterator[Case]:
    """Do some work undisturbed; then anew, killed and repeated until it is done, as often as it takes for all kills."""
    begun = time.monotonic()
    code = _end_of(work.command("calm"))
    if code != 0:
        raise TrainingError(f"{work.what} fails undisturbed with exit code {code}: {work.said()}. Mend that first.")
    seconds, calm = time.monotonic() - begun, work.found("calm")
    for kind in work.kinds:
        number, left = 0, kills
        while left and number < 2 * kills:  # some work is done before all its kills have come
            name, struck = f"{kind}{number}".replace(" ", "_"), 0
            for _ in range(10 * _KILLS):
                command = work.command(name)
                while struck < min(left, _KILLS) and command.poll() is None:
                    time.sleep(chance.uniform(0, seconds / 2))
                    struck += work.kill(kind, command)
                if (code := _end_of(command)) == 0:
                    break
            work.rest()
            problem = "" if work.found(name) == calm else "it did not end" if code else "other numbers"
            if temporary := [str(path) for path in (work.folder / name).rglob("*.tmp")]:
                problem = problem or f"left behind: {', '.join(temporary)}"
            number, left = number + 1, left - struck
            for _ in range(struck):
                yield f"kill of a {kind}", "failed" if problem else "equal", problem and f"{problem}; {work.said()}"
        for _ in range(left):
            yield f"kill of a {kind}", "failed", f"{work.what} was done before it"


class _Work:
    """Commands below a folder, with a log of what they say."""

    def __init__(self, folder: Path):
        self.folder = folder

    def start(self, module: str, *arguments: str | Path, **environment: str) -> subprocess.Popen[bytes]:
        """Start ``python -m module`` in a session of its own."""
        known = {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **known, **environment}, cwd=self.folder, start_new_session=True,
            )  # fmt: skip

    def said(self) -> str:
        """Return the end of the log."""
        return (self.folder / "log").read_text(errors="replace")[-1500:]

    def rest(self) -> None:
        """End what goes on between commands."""


class _OnCluster(_Work):
    """A sweep on a scheduler with two workers; undisturbed, on this machine alone."""

    what, kinds = "a toy sweep", ("scheduler", "cluster's worker")

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.digests = [config.digest() for config in load_sweep(folder / "sweep.yaml").configs]
        self.cluster: list[subprocess.Popen[bytes]] = []

    def command(self, name: str) -> subprocess.Popen[bytes]:
        places = ("--runs", self.folder / name / "runs", "--results", self.folder / name / "results")
        where: Sequence[str | Path] = ("--workers", "2")
        if name != "calm":
            if any(each.poll() is not None for each in self.cluster):
                self.rest()
            where = ("--dask", self.scheduler())
        return self.start("fourier_lab", "sweep", self.folder / "sweep.yaml", *places, *where)

    def scheduler(self) -> Path:
        """Return the file of a living scheduler."""
        file = self.folder / "scheduler.json"
        if not self.cluster:
            file.unlink(missing_ok=True)
            found = ("--scheduler-file", file, "--no-dashboard", "--host", "127.0.0.1")
            self.cluster = [self.start("distributed.cli.dask_scheduler", *found, "--port", "0")]
            while not file.is_file():
                time.sleep(0.05)
            worker = ("distributed.cli.dask_worker", *found, "--nthreads", "1", "--death-timeout", "20")
            self.cluster += [self.start(*worker) for _ in range(2)]
        return file

    def kill(self, kind: str, command: subprocess.Popen[bytes]) -> bool:
        """Kill the scheduler, or what does the runs of a worker, once there is a run at work; say whether that is done."""
        if command.poll() is not None or not any((self.folder).glob("[!c]*/runs/*/.lock")):
            return False
        scheduler, worker, *_ = self.cluster
        if kind == "scheduler":
            if scheduler.poll() is not None:
                return False
            scheduler.kill()
            return True
        below = [each for each in psutil.Process(worker.pid).children() if each.is_running()]  # of the nanny
        for each in below:
            each.kill()
        return bool(below)

    def rest(self) -> None:
        _kill_with_children([each.pid for each in self.cluster])
        for each in self.cluster:
            each.wait()
        self.cluster = []

    def found(self, name: str) -> Any:
        runs = self.folder / name / "runs"
        return {
            digest: comparable(runs / digest) for digest in self.digests if (runs / digest / "metrics.json").is_file()
        }


class _Notebook(_Work):
    """A notebook that trains and draws, run by ``fourier-lab figures``."""

    what, kinds = "a toy notebook", ("notebook's kernel", "notebook's process", "notebook's command")

    def command(self, name: str) -> subprocess.Popen[bytes]:
        home = self.folder / name
        home.mkdir(exist_ok=True)
        parameters = nbformat.v4.new_code_cell("steps: int = 1", metadata={"tags": ["parameters"]})
        notebook = nbformat.v4.new_notebook(cells=[parameters, nbformat.v4.new_code_cell(_CELL)])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, home / "torture.ipynb")
        return self.start("fourier_lab", "figures", home / "torture.ipynb", "--force", FOURIER_LAB_HOME=str(home))

    def kill(self, kind: str, command: subprocess.Popen[bytes]) -> bool:
        """Kill the command, the process that it has for the notebook, or the kernel, if it is there."""
        try:
            below = psutil.Process(command.pid).children(recursive=True)
            kernels = [each for each in below if "ipykernel_launcher" in " ".join(each.cmdline())]
            runners = [kernel.parent() for kernel in kernels]
        except psutil.NoSuchProcess:
            return False
        if not kernels:
            return False
        chosen = {"notebook's kernel": kernels, "notebook's process": runners}.get(kind)
        for each in chosen if chosen is not None else [psutil.Process(command.pid)]:
            if each is not None:
                each.kill()
        return True

    def found(self, name: str) -> Any:
        return [path.read_text() for path in (self.folder / name).rglob("scores.csv")]


def _end_of(command: subprocess.Popen[bytes]) -> int | None:
    """Wait for a command and return its exit code; None if it hangs, after ending all that it has started."""
    try:
        return command.wait(_SOON_S)
    except subprocess.TimeoutExpired:
        _kill_with_children([command.pid])
        command.wait()
        return None


def _kill_with_children(pids: Sequence[int]) -> None:
    for pid in pids:
        try:
            process = psutil.Process(pid)
            for each in (*process.children(recursive=True), process):
                each.kill()
        except psutil.NoSuchProcess:
            pass
