"""Finish a sweep in peace, and again under fire: SIGKILL strikes workers and the whole process group at seeded points.

``python killed_sweeps.py FILE FOLDER KILLS`` fills ``FOLDER/calm`` and ``FOLDER/stormy``, repeating the sweep until nothing
of it fails. Each kill appends a letter to ``FOLDER/stormy/kills``: ``w`` for a worker, ``g`` for the process group (sweep
and workers at once, as when a machine dies).
"""

import multiprocessing
import os
import random
import signal
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from fourier_lab import paths, processes
from fourier_lab.evaluation import metrics
from fourier_lab.sweeps import run
from fourier_lab.sweeps.file import load_sweep
from fourier_lab.tables import score_tables  # loaded once, here, rather than in every process below
from fourier_lab.training import records, trainer
from fourier_lab.training import train as training

file, calm, stormy = Path(sys.argv[1]), Path(sys.argv[2], "calm"), Path(sys.argv[2], "stormy")
kills = int(sys.argv[3])
count = stormy / "kills"
files_left: list[int] = []  # files to write before a kill, counted down; empty: no kill
train, update, write = training.train, trainer.Trainer.update, paths.write_atomically

processes.CONTEXT = multiprocessing.get_context("fork")  # starts in milliseconds: torch is there already
trainer.CHECKPOINT_SECONDS = 0.05
trainer.VALIDATION_PAIRS = 64
metrics.RESAMPLES = 20


def strikes() -> str:
    """Return the letters of the kills so far."""
    return count.read_text() if count.exists() else ""


def strike(group: bool) -> None:
    with open(count, "a") as stream:
        stream.write("g" if group else "w")
    if group:
        os.killpg(0, signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def write_under_fire(path: Path, data: str | bytes) -> None:
    if files_left and files_left.pop() == 0:
        strike(whole_group())
    write(path, data)


def whole_group() -> bool:
    return strikes().count("g") <= strikes().count("w")


def train_under_fire(config, **options):
    number = len(strikes())
    chance, group = random.Random(number), whole_group()
    steps_left = chance.randrange(1, 40)

    def update_under_fire(at_work, index):
        nonlocal steps_left
        steps_left -= 1
        if steps_left == 0:  # anywhere in the steps and checkpoints that follow
            threading.Timer(chance.uniform(0, 0.02), strike, (group,)).start()
        return update(at_work, index)

    files_left.clear()
    if number < kills:
        trainer.Trainer.update = update_under_fire
        files_left.extend(range(chance.randrange(5) + 1))  # if the run ends first: between two files of its record
    return train(config, **options)


for module in (paths, records, score_tables):
    module.write_atomically = write_under_fire
plan = load_sweep(file)
with TemporaryDirectory() as scratch:  # what the first steps and scores import is then there in every process
    train(plan.configs[0].replace(steps=2, warmup_steps=1), runs=Path(scratch))


def attempt(folder: Path, number: int) -> bool:
    """Run the sweep once in a process group of its own; say whether everything in it is finished."""
    process = os.fork()
    if process == 0:
        os.setpgid(0, 0)
        if number % 3 == 2 and len(strikes()) < kills:  # while the sweep itself copies a record
            files_left.extend(range(number % 4))
        outcomes = run.run_sweep(plan, 2, print, runs=folder / "runs", results=folder / "results")
        os._exit(any(outcome.status == "failed" for outcome in outcomes))
    return os.waitpid(process, 0)[1] == 0


assert attempt(calm, 0)
training.train = train_under_fire
stormy.mkdir()
number = 0
while not attempt(stormy, number):
    number += 1
