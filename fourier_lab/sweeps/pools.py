"""A sweep of short runs through Dask on this machine's processes, and through an older library, against the local pool."""

import ctypes
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from .. import paths
from ..bench.rows import Row, make_row
from ..bench.workload import machine
from ..errors import ConfigError

RUNS, WORKERS = 24, 2
SWEEP = {
    "question": "How long do short runs take?",
    "base": {"d_model": 16, "vocab_size": 2000, "steps": 40, "warmup_steps": 5, "batch_size": 32, "train_pairs": 600},
    "seeds": [0, 1, 2],
    "grid": {"arm": ["fourier", "learned"], "learning_rate": [1e-3, 2e-3, 4e-3, 8e-3]},
}
_SUBREAPER = 36  # of Linux, PR_SET_CHILD_SUBREAPER: whoever loses its parent is this process's child


def race(repeats: int = 3, older: Path | None = None, report: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Let each side finish the sweep in turn, in empty folders, from the start of the command to its end.

    Args:
        repeats: Sweeps of each side.
        older: Folder of another checkout, whose local pool is measured too.
        report: Called with a line after each sweep.

    Returns:
        JSON-ready: ``machine`` and ``rows`` as benchmarks have them, of seconds by the clock and of the processors.

    Raises:
        ConfigError: If this is no Linux, or ``older`` holds no library.
    """
    if sys.platform != "linux":
        raise ConfigError(f"the processors' time of all processes is only counted on Linux, this is {sys.platform}.")
    if older is not None and not (older / "fourier_lab" / "__init__.py").is_file():
        raise ConfigError(f"{older} holds no fourier_lab to compare with. Name the folder of a checkout.")
    here = Path(__file__).resolve().parent.parent.parent
    local = ("--workers", str(WORKERS))
    sides = {"pool": (here, local), "dask": (here, ("--dask", "local", *local))}
    sides |= {"older": (older, local)} if older is not None else {}
    seconds: dict[str, list[tuple[float, float]]] = {side: [] for side in sides}
    for _ in range(repeats):
        for side, (source, options) in sides.items():
            seconds[side].append(_sweep(source, options))
            if report is not None:
                report(
                    f"{side}: {seconds[side][-1][0]:.1f} s by the clock, {seconds[side][-1][1]:.1f} s of the processors"
                )
    what = f"a sweep of {RUNS} short runs on {WORKERS} processes"
    rows = [
        _row("dask", f"{what}: workers of Dask on this machine against the local pool", seconds, "dask", "pool", 1.1)
    ]
    if older is not None:
        rows.append(
            _row("older", f"{what}: the local pool against that of another build", seconds, "pool", "older", 0.6)
        )
    return {"machine": machine(), "rows": rows}


def _row(
    name: str, what: str, seconds: dict[str, list[tuple[float, float]]], ours: str, theirs: str, most: float
) -> Row:
    """Compare two sides by the time of their processors; by the clock, a busy machine counts as well."""
    clock, cpu = ([[each[kind] for each in seconds[side]] for side in (ours, theirs)] for kind in (0, 1))
    first, second = (float(np.median(side)) for side in cpu)
    longer, longer_by_clock = (float(np.median(np.array(kind[0]) / np.array(kind[1]))) for kind in (cpu, clock))
    detail = {
        "seconds_by_the_clock": dict(zip((ours, theirs), clock, strict=True)),
        "seconds_of_the_processors": dict(zip((ours, theirs), cpu, strict=True)),
        "times_as_long": longer,
        "times_as_long_by_the_clock": longer_by_clock,
    }
    target = f"at most {most:g} times as long"
    return {"name": name, **make_row(what, first, second, "s", second / first, target, longer <= most, detail)}


def _sweep(source: Path, options: tuple[str, ...]) -> tuple[float, float]:
    """Return the seconds, by the clock and of the processors, that the library in ``source`` takes for the sweep."""
    with TemporaryDirectory(prefix="fourier_lab_pools_") as folder:
        file = Path(folder, "pools.yaml")
        file.write_text(json.dumps(SWEEP))
        command = [sys.executable, "-m", "fourier_lab", "sweep", str(file), *options]
        command += ["--runs", f"{folder}/runs", "--results", f"{folder}/results"]
        environment = {**os.environ, "PYTHONPATH": str(source), "FOURIER_LAB_HOME": folder}
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
        before, begun = _of_children(), time.perf_counter()
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        clock = time.perf_counter() - begun
        try:
            while True:
                os.wait()  # for those that outlive the command, such as the server that runs are forks of
        except ChildProcessError:
            pass
        return clock, _of_children() - before


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write(record: dict[str, Any], path: Path) -> None:
    """Write what :func:`race` returns as JSON."""
    paths.write_atomically(path, json.dumps(record, indent=1) + "\n")
