"""Faults for :mod:`fourier_lab.sweeps.torture`, each for one run in a process of its own: disks, damaged files, clocks."""

import ctypes
import errno
import hashlib
import json
import multiprocessing
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .. import paths, processes
from ..config import RunConfig
from ..evaluation import metrics
from ..text.pairs import load_pairs
from ..text.tokenizer import toy_tokenizer
from ..training import trainer
from ..training.records import load_record
from ..training.sums import SUMS
from ..training.train import train
from .file import load_sweep
from .run import run_sweep

FILES = ("config.json", "metrics.json", "history.csv", "resampled.npy", "weights.safetensors", "tokenizer.json", SUMS)
TEXTS = {"train.parquet": "Parquet", "tokenizer.json": "vocabulary", "made_up.yaml": "description of a corpus"}
_COSTS = ("duration_s", "pairs_per_s", "peak_memory_bytes", "commit")
_NOBODY = 65534
_NEW_MOUNTS, _READ_ONLY, _OF_THIS_ALONE = 0x20000, 1, 0x44000  # of Linux: CLONE_NEWNS, MS_RDONLY, MS_REC | MS_PRIVATE
_YEAR_S = 365 * 86400.0
_DESCRIPTION = {
    "licence": "made up",
    "pairs": {"columns": {"first": "first", "second": "second", "label": "label"}, "train": "train.parquet",
              "validation": "validation.parquet"},
    "graded": {"columns": {"first": "first", "second": "second", "label": "label"}, "validation": "graded.parquet",
               "test": "graded.parquet"},
    "tokenizer": "tokenizer.json",
}  # fmt: skip


def comparable(folder: Path, *, weights: bool = True) -> dict[str, Any]:
    """Return all of a finished run that must not depend on what happened on the way."""
    record = load_record(folder)
    found = {key: value for key, value in record.metrics.items() if key not in _COSTS}
    # As text: a validation loss that was not measured is not a number, and equal to nothing.
    found["history"] = str([{key: value for key, value in row.items() if key != "seconds"} for row in record.history])
    if weights:
        found["weights"] = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    return found | {"text": str(record.text)}


def _hasten() -> None:
    """Leave out what only takes time: a toy run is then of a second. For processes that do nothing else."""
    trainer.VALIDATION_PAIRS = 64
    metrics.RESAMPLES = 20


def sweep_to(file: Path, folder: Path) -> None:
    """Run a sweep as the leader of a process group, with a checkpoint after every step or two."""
    if hasattr(os, "setsid"):
        os.setsid()
    _hasten()
    trainer.CHECKPOINT_SECONDS = 0.05
    if sys.platform == "linux":  # its processes start at once: torch is there already
        processes.CONTEXT = multiprocessing.get_context("fork")
    with open(folder.with_suffix(".log"), "a") as log:
        outcomes = run_sweep(
            load_sweep(file), 2, partial(print, file=log, flush=True), runs=folder / "runs", results=folder / "results"
        )
    sys.exit(any(outcome.status == "failed" for outcome in outcomes))


@dataclass(frozen=True)
class Fault:
    """Train under a fault and return what is :func:`comparable`; without one, in peace.

    Attributes:
        name: What happens.
        begin: Makes it happen, in the process of the run; told the folder of the run folders.
        resumed: Whether the run goes on from a checkpoint.
        lasts: Whether the folder cannot be used afterwards.
        data: The data folder.
    """

    name: str = ""
    begin: Callable[[Path], None] | None = None
    resumed: bool = False
    lasts: bool = False
    data: Path | None = None

    def __call__(self, config: RunConfig, runs: Path) -> dict[str, Any]:
        _hasten()
        if self.data is not None:
            os.environ["FOURIER_LAB_DATA"] = str(self.data)
            paths.RUNS = runs  # where fingerprints and token ids are kept
        if self.begin is not None:
            self.begin(runs)
        return comparable(train(config, runs=runs).record.folder)


@dataclass(frozen=True)
class train_to:  # noqa: N801 (it is called as a function, in another process)
    """Train to a step and stop there with a checkpoint, as Ctrl-C does."""

    step: int

    def __call__(self, config: RunConfig, runs: Path) -> None:
        _hasten()

        def stop(progress: Any) -> None:
            if progress.step >= self.step:
                raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            train(config, callback=stop, runs=runs)


def faults() -> Iterator[Fault]:
    """Yield a fault for each write of a run, and those of folders and clocks."""
    for number in range(1, 10):  # checkpoint, six files of the record, its sums, its metrics
        yield Fault("full disk at a write", _FullAt(number))
    for size in (100, 3000, 30_000):
        yield Fault("file larger than allowed", _Largest(size))
    for seconds in (0.0, 0.2, 0.6):
        for writable in (True, False):
            yield Fault("lost network file system", _Lost(seconds, writable), resumed=True)
    yield Fault("read-only folder", _read_only, lasts=True)
    yield Fault("file in place of the folder", _file_in_place, lasts=True)
    for years in (-30.0, 10.0):
        yield Fault("file times of another year", _Times(years), resumed=True)
        yield Fault("clock that jumps by years", _Jumps(years), resumed=True)


@dataclass(frozen=True)
class _FullAt:
    number: int

    def __call__(self, runs: Path) -> None:
        real, left = os.fsync, [self.number]

        def full(descriptor: Any) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(descriptor)

        os.fsync = full  # type: ignore[assignment]


@dataclass(frozen=True)
class _Largest:
    size: int

    def __call__(self, runs: Path) -> None:
        if sys.platform == "win32":
            raise NotImplementedError("Windows limits no file's size")
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.size))


def _read_only(runs: Path) -> None:
    if sys.platform == "win32":
        raise NotImplementedError("folders of Windows are not closed so")
    runs.chmod(0o555)
    if os.geteuid() == 0:  # whom no permission binds
        runs.parent.chmod(0o755)
        runs.parent.parent.chmod(0o755)
        os.seteuid(_NOBODY)


def _file_in_place(runs: Path) -> None:
    runs.rmdir()
    runs.touch()


@dataclass(frozen=True)
class _Lost:
    """After a while the folder is an empty one, in a mount namespace of this process, as where a server was lost.

    What is open stays so. The empty folder can be written to, as below a mount that is gone, or not.
    """

    seconds: float
    writable: bool

    def __call__(self, runs: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        if sys.platform != "linux" or libc.unshare(_NEW_MOUNTS):
            raise NotImplementedError("this user may not make a mount namespace")
        libc.mount(b"none", b"/", None, _OF_THIS_ALONE, None)

        def lose() -> None:
            libc.mount(b"none", str(runs).encode(), b"tmpfs", 0 if self.writable else _READ_ONLY, None)

        lost = threading.Timer(self.seconds, lose)
        lost.daemon = True
        lost.start()


@dataclass(frozen=True)
class _Times:
    years: float

    def __call__(self, runs: Path) -> None:
        when = time.time() + self.years * _YEAR_S
        for path in runs.rglob("*"):
            os.utime(path, (when, when))


@dataclass(frozen=True)
class _Jumps:
    years: float

    def __call__(self, runs: Path) -> None:
        real, calls = time.time, [0]

        def jump() -> float:
            calls[0] += 1
            return real() + (self.years * _YEAR_S if calls[0] % 2 else 0.0)

        time.time = jump


def damage(path: Path, way: str, chance: random.Random) -> None:
    """Cut a file short (``cut``) or turn one bit of it over (``flip``), anywhere."""
    content = bytearray(path.read_bytes())
    place = chance.randrange(len(content))
    if way == "cut":
        del content[place:]
    else:
        content[place] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def write_text(folder: Path, config: RunConfig) -> RunConfig:
    """Write some of the toy language as a corpus of one's own, and return the run that reads it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    n = 400
    for split, name, pairs in (("train", "toy", 2 * n), ("validation", "toy", n), ("validation", "toy_sts", n)):
        found = load_pairs(name, split, vocab_size=config.vocab_size)
        table = {"first": found.first[:pairs], "second": found.second[:pairs], "label": found.label[:pairs]}
        pq.write_table(pa.table(table), folder / f"{'graded' if name == 'toy_sts' else split}.parquet")
    toy_tokenizer(config.vocab_size).save(str(folder / "tokenizer.json"))
    (folder / "made_up.yaml").write_text(json.dumps(_DESCRIPTION))
    return config.replace(corpus="made_up", source="folder", train_pairs=None)
