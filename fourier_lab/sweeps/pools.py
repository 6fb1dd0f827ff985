"""How long a sweep of short runs takes, by whole commands: through Dask, in the local pool, in that of another build."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from ..bench.rows import Row, alternate, compare
from ..bench.workload import machine
from ..errors import MissingPackageError, TrainingError
from ..paths import write_atomically

SWEEP = """
question: "How long do short runs take?"
base: {d_model: 16, vocab_size: 2000, steps: 100, warmup_steps: 5, batch_size: 32, train_pairs: 600, threads: 1}
seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
grid: {arm: [fourier, learned]}
"""
_PROJECT = Path(__file__).resolve().parents[2]
_MOST_OF_DASK, _MOST_OF_BEFORE = 1.1, 0.6  # times the local pool, and that of the other build


def measure(
    out: Path,
    *,
    before: Path | None = None,
    repeats: int = 3,
    sweep: str = SWEEP,
    report: Callable[[str], None] = lambda line: None,
) -> list[Row]:
    """Run one sweep by each side in turn, anew each time, with two workers, and write the rows as JSON to ``out``.

    Args:
        out: The file.
        before: Source of another build, whose local pool takes part.
        repeats: Rounds, after one that does not count.
        sweep: Text of the sweep file.
        report: Told of each command that begins.

    Returns:
        A row for Dask against the local pool and, with ``before``, one for the local pool against that of the other build;
        as :func:`fourier_lab.bench.rows.compare` makes them, in milliseconds by the clock.

    Raises:
        MissingPackageError: If Dask is not installed.
        TrainingError: If a sweep fails.
    """
    if find_spec("distributed") is None:
        raise MissingPackageError("distributed", "cluster")
    with TemporaryDirectory(prefix="fourier_lab_pools_") as scratch:
        file = Path(scratch, "short.yaml")
        file.write_text(sweep)

        def side(name: str, source: Path, *options: str) -> Callable[[int], None]:
            def work(number: int) -> None:
                report(f"round {number}: {name}")
                _run(file, Path(scratch, f"{name}{number}"), source, *options)

            return work

        sides = {"local": side("local", _PROJECT), "dask": side("dask", _PROJECT, "--dask", "local")}
        if before is not None:
            sides["before"] = side("before", Path(before))
        seconds = alternate(sides, repeats)
    pairs = [("dask", "local", 1 / _MOST_OF_DASK, "Dask on two local workers against the local pool")]
    if before is not None:
        pairs.append(("local", "before", 1 / _MOST_OF_BEFORE, "the local pool against that of an earlier build"))
    rows = [
        {"name": ours, **compare(
            f"a sweep of short runs, the whole command: {what}",
            {"ours": seconds[ours], "theirs": seconds[theirs]}, round(target, 3),
        )}
        for ours, theirs, target, what in pairs
    ]  # fmt: skip
    write_atomically(Path(out), json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    return rows


def _run(file: Path, folder: Path, source: Path, *options: str) -> None:
    places = ("--runs", str(folder / "runs"), "--results", str(folder / "results"), "--workers", "2")
    alone = {"PYTHONPATH": str(source), "FOURIER_LAB_HOME": str(folder), "OMP_NUM_THREADS": "1"}
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "fourier_lab", "sweep", str(file), *places, *options],
        cwd=folder, env={**os.environ, **alone}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise TrainingError(f"the sweep of the build in {source} failed: {(done.stderr or done.stdout)[-500:]}")
