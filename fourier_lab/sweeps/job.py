"""One run of a sweep in a process of its own, on this machine or another."""

import os
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from ..errors import FourierLabError
from ..locks import is_locked
from ..plugins import allow
from ..processes import follow_parent, obey_parent
from ..training.folders import run_folder
from .file import Run

BUSY = "busy"  # the message of a process whose run another has taken
# What takes a run longer to import than its first steps.
PRELOADED = "fourier_lab.training.train", "safetensors.torch", "psutil", "pyarrow"


@dataclass(frozen=True)
class Job:
    """One run for one process; plain values only, because it may travel to another machine.

    Attributes:
        run: The run.
        runs: Folder of run folders.
        threads: Of torch, unless the run sets its own; None for what the process would take.
        patient: Whether to wait if another process is at this run, since there is no other to go on to.
        data: FOURIER_LAB_DATA of whoever asked, None if it is not set.
    """

    run: Run
    runs: Path
    threads: int | None
    patient: bool
    data: str | None = None

    @property
    def name(self) -> str:
        return self.run.digest

    @property
    def shared(self) -> Path:
        return self.runs

    @property
    def needs_gpu(self) -> bool:
        return self.run.config is not None and self.run.config.device == "cuda"


def train_job(job: Job, connection: Connection) -> None:
    """Train one run in this process and send back its error, or an empty text; nothing if it was asked to stop."""
    obey_parent()
    follow_parent()
    import torch

    from ..training.train import train

    if job.data is not None:
        os.environ["FOURIER_LAB_DATA"] = job.data
    assert job.run.config is not None
    allow(vars(job.run.config).values())  # named in the sweep file
    if not job.patient and is_locked(run_folder(job.runs, job.run.config)):  # taken while this process started
        connection.send(BUSY)
        return
    if job.threads is not None:
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
