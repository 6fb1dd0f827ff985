"""One run over several processes, the ranks that torchrun starts: how they meet, wait for each other, and end together.

Rank 0 leads: it alone prints and writes, and the others read what it has written, in a folder that all share. What they
compute together is in :mod:`fourier_lab.training.shares`. A single process is rank 0 of 1.
"""

import itertools
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from datetime import timedelta
from textwrap import shorten

import torch
import torch.distributed as dist

from ..config import RunConfig
from ..device import resolve_device
from ..errors import ConfigError, FourierLabError, TrainingError
from ..processes import torchrun_ranks

_SILENCE = timedelta(minutes=30)  # of a rank that lives; torchrun ends them all when one dies
_ALIKE_S = 3.0  # within which ranks fail for one reason
_TICK_S = 0.05
_store: dist.Store | None = None
_parent = 0
_turns = itertools.count()


def size() -> int:
    """Return the number of ranks."""
    return 1 if _store is None else dist.get_world_size()


def rank() -> int:
    """Return this process's number, from 0."""
    return 0 if _store is None else dist.get_rank()


def lost() -> bool:
    """Say whether torchrun is gone, which would have ended the ranks together."""
    return os.getppid() != _parent


@contextmanager
def joined() -> Iterator[None]:
    """Make this process one of the ranks that torchrun has started, inside the block; without torchrun, do nothing.

    SIGTERM, with which torchrun stops a rank, is Ctrl-C there, and no rank but the first prints.

    Raises:
        TrainingError: If another rank has ended before its time.
    """
    global _store, _turns, _parent
    if torchrun_ranks() == 1:
        yield
        return
    _parent, cuda = os.getppid(), torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    store, number, count = next(dist.rendezvous("env://", timeout=_SILENCE))
    # torchrun has one store for all attempts: without a name of its own, one would find the addresses of the last.
    _store, _turns = dist.PrefixStore(f"attempt_{os.environ['TORCHELASTIC_RESTART_COUNT']}", store), itertools.count()
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    dist.init_process_group(backend, store=_store, rank=number, world_size=count, timeout=_SILENCE)
    terminated = signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.disable(logging.WARNING if number else logging.NOTSET)
    try:
        with redirect_stdout(None) if number else nullcontext():
            yield
        dist.destroy_process_group()
    except KeyboardInterrupt:
        if number:
            raise SystemExit(130) from None
        raise
    except (FourierLabError, RuntimeError) as error:
        if number and _first_has_failed():  # and says why
            raise SystemExit(1) from error
        with suppress(RuntimeError):
            _store.set("failed", "")
        if isinstance(error, dist.DistError) or "gloo" in str(error):
            raise TrainingError(
                f"a process of this run has ended or does not answer ({shorten(str(error), 120)}). Repeat the same "
                "command: the run goes on from its last checkpoint."
            ) from error
        raise
    finally:
        _store = None
        signal.signal(signal.SIGTERM, terminated)
        logging.disable(logging.NOTSET)


def _first_has_failed() -> bool:
    end = time.monotonic() + _ALIKE_S
    with suppress(RuntimeError):
        while time.monotonic() < end:
            if _store is not None and _store.check(["failed"]):
                return True
            time.sleep(_TICK_S)
    return False


def check(config: RunConfig) -> None:
    """Raise :class:`ConfigError` if these processes cannot share the run."""
    if size() == 1:
        if (started := torchrun_ranks()) > 1:
            raise ConfigError(
                f"torchrun has started {started} processes, which share a run only in 'fourier-lab train' or inside 'with "
                "fourier_lab.training.ranks.joined():'. Start a live training, a notebook or a sweep without torchrun."
            )
        return
    if left := config.batch_size % size():
        fitting = config.batch_size - left or size()
        raise ConfigError(
            f"batch_size ({config.batch_size}) must be a multiple of the number of processes ({size()}), each of which "
            f"takes an equal share. Try {fitting} or {fitting + size()}."
        )
    device, own = resolve_device(config.device).type, int(os.environ["LOCAL_RANK"])
    if device == "mps" or (device == "cuda" and own >= torch.cuda.device_count()):
        raise ConfigError(
            f"process {own} of this machine has no GPU of its own to share a run on. Start no more processes than there "
            "are NVIDIA GPUs, or set device to 'cpu'."
        )


def told(word: str) -> str:
    """Return the word of rank 0, for which the others wait however long it takes."""
    if _store is None:
        return word
    key = f"word_{next(_turns)}"
    if rank() == 0:
        _store.set(key, word)
        return word
    while not _store.check([key]):  # not wait, which is deaf to signals
        time.sleep(_TICK_S)
    return _store.get(key).decode()


@contextmanager
def first_alone() -> Iterator[None]:
    """Let rank 0 go through the block, then the others."""
    if rank():
        told("")
    yield
    if not rank():
        told("")


def same(what: str, told_by_all: str) -> None:
    """Raise :class:`ConfigError` unless rank 0 says the same."""
    if told(told_by_all) != told_by_all:
        raise ConfigError(
            f"process {rank()} has other {what} than process 0. Give all the same command, library and folders."
        )
