"""Runs that two processes share; as a script of torchrun, one whose second process is killed in the first attempt.

``torchrun --nproc-per-node 2 --max-restarts 1 shared_runs.py FOLDER`` leaves the record of :data:`RUN` in ``FOLDER``.
"""

import dataclasses
import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from fourier_lab import RunConfig, train
from fourier_lab.cli.output import say
from fourier_lab.processes import warm_context
from fourier_lab.text.batches import batch_stream
from fourier_lab.text.corpus import prepare
from fourier_lab.text.language import prepare_language
from fourier_lab.training import ranks, trainer
from fourier_lab.training.language_trainer import LanguageTrainer

STEPS = 20
OBJECTIVES = ("contrastive", "hard_negatives", "nli", "language_model")
RUN = RunConfig(
    d_model=8, vocab_size=500, steps=40, warmup_steps=2, batch_size=32, train_pairs=600, threads=1, feed_forward=1.0
)
_OF_WINDOWS = RUN.changes() | {"objective": "language_model", "head": "tied", "norm": "pre", "max_seq_len": 16}
del _OF_WINDOWS["train_pairs"]


def shared(job: Callable[[Path], None], folder: Path) -> list[int]:
    """Call ``job(folder)`` in two processes that have joined as torchrun's do, and return their exit codes."""
    context = warm_context("fourier_lab.training.train", "torch._dynamo")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    processes = [context.Process(target=_join, args=(number, port, job, folder)) for number in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def _join(number: int, port: int, job: Callable[[Path], None], folder: Path) -> None:
    told = {"RANK": number, "LOCAL_RANK": number, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    told |= {"TORCHELASTIC_RUN_ID": "tests", "TORCHELASTIC_RESTART_COUNT": 0}
    os.environ.update({name: str(value) for name, value in told.items()})
    torch.set_num_threads(1)
    with ranks.joined():
        job(folder)


def take_steps(folder: Path) -> None:
    """Keep what :func:`steps` returns for each objective in a file for each process."""
    torch.save({each: steps(each) for each in OBJECTIVES}, folder / f"{ranks.rank()}.pt")


def steps(objective: str) -> list[dict[str, torch.Tensor]]:
    """Return the loss and all gradients, unclipped, of each of 20 steps, by name; of pairs in float64."""
    language, opposed = objective == "language_model", objective == "hard_negatives"
    config = RunConfig(**_OF_WINDOWS) if language else RUN if opposed else RUN.replace(objective=objective)
    config = config.replace(arm="learned", clip_norm=1e9)
    corpus = (prepare_language if language else prepare)(config)
    if opposed:  # which the toy language has not: the hypothesis of the pair before
        pairs = corpus.train
        others = dataclasses.replace(pairs.second, number=np.roll(pairs.second.number, 1))
        corpus = dataclasses.replace(corpus, train=dataclasses.replace(pairs, negatives=others))
    state = (LanguageTrainer if language else trainer.Trainer)(config, corpus, Path())
    trained = torch.nn.ModuleDict({"encoder": state.encoder, "objective": state.objective}).train()
    if not language:  # whose head reads float32
        trained.double()
    taken = []
    for index in batch_stream(corpus.keys, config.batch_size, config.seed, 0, STEPS):
        loss = torch.tensor(state.update(index), dtype=torch.float64)
        gradients = {name: p.grad.clone() for name, p in trained.named_parameters() if p.grad is not None}
        taken.append({"loss": loss, **gradients})
    return taken


def stop_the_second(folder: Path) -> None:
    """Train :data:`RUN` until SIGTERM comes to the second process alone, in a step of the middle."""

    def signalled(progress: trainer.Progress) -> None:
        if ranks.rank() == 1 and progress.step == 20:
            os.kill(os.getpid(), signal.SIGTERM)

    with suppress(KeyboardInterrupt):
        train(RUN, callback=signalled, runs=folder)
        raise AssertionError("it was not stopped")


def _killed(progress: trainer.Progress) -> None:
    if ranks.rank() == 1 and progress.step == 20 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    trainer.CHECKPOINT_SECONDS = 0.0
    with ranks.joined():
        train(RUN, callback=_killed, runs=Path(sys.argv[1]))
        say("done")
