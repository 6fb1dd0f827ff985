"""What is measured at each size of :mod:`fourier_lab.sweeps.scale`, in a process that does nothing else."""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from .. import paths
from ..bench.ablations import BATCHES, make_variant, synthetic_corpus
from ..bench.made_up import configs
from ..bench.workload import LEARNING_RATE
from ..config import RunConfig
from ..device import peak_memory_bytes
from ..processes import supervise, warm_context
from ..tables.score_tables import results_table
from ..text.corpus import prepare
from ..training.records import load_records
from .file import Run, Sweep
from .job import PRELOADED
from .plan import plan

_CPU = torch.device("cpu")
_STEPS = 8


def case(name: str, size: int, folder: str) -> None:
    """Print the costs of one size of an axis as JSON; ``folder`` holds the text or the records that it is about."""
    sys.stdout.write(json.dumps(CASES[name](size, Path(folder))) + "\n")


def _costs(work: Callable[[], Any], left: Callable[[], int]) -> dict[str, float]:
    before, begun = peak_memory_bytes(_CPU), time.process_time()
    work()
    seconds = time.process_time() - begun
    return {"seconds": seconds, "memory_bytes": peak_memory_bytes(_CPU) - before, "disk_bytes": left()}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _pairs(size: int, folder: Path) -> dict[str, float]:
    os.environ["FOURIER_LAB_DATA"] = str(folder)
    paths.RUNS = folder / "runs"
    config = RunConfig(corpus="snli", source="folder")
    return _costs(lambda: prepare(config), lambda: _size(paths.RUNS))


def _step(arm: str, shape: Callable[[int], dict[str, Any]]) -> Callable[[int, Path], dict[str, float]]:
    def measured(size: int, folder: Path) -> dict[str, float]:
        torch.set_num_threads(1)
        config = RunConfig(arm=arm, batch_size=128, learning_rate=LEARNING_RATE, device="cpu", **shape(size))
        corpus = synthetic_corpus(config)
        batches = np.split(np.arange(len(corpus.train)), BATCHES)
        before = peak_memory_bytes(_CPU)
        trainer = make_variant(config, corpus, arm)
        seconds = []
        for number in range(_STEPS):
            begun = time.process_time()
            trainer.update(batches[number % BATCHES])
            seconds.append(time.process_time() - begun)
        weights = sum(value.nbytes for value in trainer.encoder.state_dict().values())
        peak = peak_memory_bytes(_CPU) - before
        return {"seconds": float(np.median(seconds[2:])), "memory_bytes": peak, "disk_bytes": weights}

    return measured


def _of_vocabulary(size: int) -> dict[str, Any]:
    return {"vocab_size": size, "d_model": 64}


def _of_width(size: int) -> dict[str, Any]:
    return {"vocab_size": 2000, "d_model": size}


def _runs(size: int, folder: Path) -> dict[str, float]:
    paths.RUNS = folder / "home"  # of the index
    runs = tuple(Run("grid", config.to_dict(), config.changes(), config) for config in configs(size))
    sweep = Sweep("made_up", "What does it cost to look at them?", runs)

    def look() -> None:
        list(plan(sweep, runs=folder / "runs", results=folder / "results"))
        results_table(load_records(folder / "runs"))

    return _costs(look, lambda: _size(folder / "runs"))


def _workers(size: int, folder: Path) -> dict[str, float]:
    context, memory, begun = warm_context(*PRELOADED), 0, 0.0
    for count in (1, size):  # the first waits for the server's imports
        begun, memory, jobs = time.perf_counter(), 0, iter(range(count))
        with closing(supervise(partial(next, jobs, None), _tell_memory, count, context)) as events:
            for event, _, detail in events:
                if event == "message":
                    memory += detail
    return {"seconds": time.perf_counter() - begun, "memory_bytes": memory, "disk_bytes": 0}


def _tell_memory(job: int, connection: Connection) -> None:
    """Send what this process has for itself, and does not share with the server that it is a fork of."""
    connection.send(psutil.Process().memory_full_info().uss)


CASES = {
    "pairs": _pairs,
    "vocabulary_table": _step("learned", _of_vocabulary),
    "vocabulary_fourier": _step("fourier", _of_vocabulary),
    "width_table": _step("learned", _of_width),
    "width_fourier": _step("fourier", _of_width),
    "runs": _runs,
    "workers": _workers,
}
