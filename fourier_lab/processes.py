"""Jobs in processes of their own, a few at a time: what they say, how they end, and how they are asked to stop."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from .errors import ConfigError

J = TypeVar("J")
CONTEXT: Any = multiprocessing.get_context("spawn")  # a fork of a process that has torch's threads can hang
TICK_S = 1.0


def warm_context(*modules: str) -> Any:
    """Return a context whose processes begin with ``modules`` imported; each is new, and knows nothing of those before.

    They are forks of a server that imports and does nothing else, so that no lock is held in it and no random state moved.
    Where that is not safe, as with Apple's libraries, or not to be had, they import for themselves.
    """
    if sys.platform != "linux" or CONTEXT.get_start_method() != "spawn":
        return CONTEXT
    from multiprocessing import forkserver  # not on every system

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    with interrupts_blocked():  # the server is deaf to Ctrl-C only once it has imported them
        forkserver.ensure_running()
    return context


def torchrun_ranks() -> int:
    """Return how many processes torchrun has started with this one; 1 without it."""
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else 1


def check_workers(workers: int) -> None:
    """Raise :class:`ConfigError` if there would be no process to work."""
    if not isinstance(workers, int) or workers < 1:
        raise ConfigError(
            f"workers must be an integer, at least 1, got {workers!r}. Leave it out for one run at a time."
        )


@dataclass(eq=False)
class Worker(Generic[J]):
    """A process at work on one job; ``begun`` is on the clock of ``time.monotonic``."""

    job: J
    process: BaseProcess
    begun: float = field(default_factory=time.monotonic)


def supervise(
    next_job: Callable[[], J | None], target: Callable[[J, Connection], None], workers: int, context: Any = None
) -> Generator[tuple[str, Worker[J], Any], None, None]:
    """Run ``target(job, connection)`` in a process per job, ``workers`` at a time, until there are no more jobs.

    Close this generator (``contextlib.closing``) in every case: on an error or Ctrl-C that asks the processes left over to
    stop, with SIGTERM, and waits for them.

    Args:
        next_job: Gives the next job, or None if there is none at present; asked again when a process has ended.
        target: A function at the top of a module. It calls :func:`obey_parent` first and sends messages.
        workers: Processes at a time.
        context: What starts them, such as a :func:`warm_context`; :data:`CONTEXT` if None.

    Yields:
        ``("started", worker, None)``; ``("message", worker, what)`` for each thing sent; ``("ended", worker, exit_code)``
        once a process is gone, however it ended: negative is the signal that killed it; and ``("running", worker, None)``
        for each process about once a second.
    """
    context = context or CONTEXT
    running: dict[Connection, Worker[J]] = {}
    try:
        while True:
            while len(running) < workers and (job := next_job()) is not None:
                receiver, sender = context.Pipe(duplex=False)
                # A server's environment is as old as the server; daemons are ended with whoever started them.
                process = context.Process(
                    target=_in_environment, args=(dict(os.environ), target, job, sender), daemon=True
                )
                _start(process)
                sender.close()  # so that the end of the process is the end of the pipe
                running[receiver] = Worker(job, process)
                yield "started", running[receiver], None
            if not running:
                return
            for ready in wait(list(running), timeout=TICK_S):
                assert isinstance(ready, Connection)
                worker = running[ready]
                try:
                    message = ready.recv()
                except (EOFError, OSError):  # OSError: killed within a message
                    worker.process.join()
                    ready.close()
                    del running[ready]
                    yield "ended", worker, worker.process.exitcode
                else:
                    yield "message", worker, message
            for worker in list(running.values()):
                yield "running", worker, None
    finally:
        for worker in running.values():
            worker.process.terminate()
        for worker in running.values():
            worker.process.join()


def _start(process: BaseProcess) -> None:
    """Start a process, once more if the server that it is to be a fork of is lost meanwhile, as where memory is short."""
    try:
        process.start()
    except (EOFError, ConnectionError):
        time.sleep(TICK_S)  # until the system knows it, and the next start has a new server
        process.start()


def _in_environment(
    environment: dict[str, str], target: Callable[[J, Connection], None], job: J, sender: Connection
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    target(job, sender)


def obey_parent() -> None:
    """Make this process stop as Ctrl-C would when its parent asks for it, and only then.

    Ctrl-C reaches every process of a terminal; the parent alone answers it and ends its children with SIGTERM.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def follow_parent() -> None:
    """Stop this process, as its parent would, once the parent is gone without a word."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, daemon=True).start()


@contextmanager
def interrupts_blocked() -> Iterator[None]:
    """Keep Ctrl-C from this thread and from the processes it starts inside the block, but on Windows."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def deferred_interrupts() -> Iterator[list[int]]:
    """Collect Ctrl-C, and SIGTERM where it means the same, in a list, for code that stops only at certain points.

    Elsewhere than in the main thread no signal arrives, and the list stays empty.
    """
    pressed: list[int] = []
    deferred = []
    if threading.current_thread() is threading.main_thread():
        signals = (signal.SIGINT, signal.SIGTERM)
        deferred = [number for number in signals if signal.getsignal(number) is signal.default_int_handler]
    for number in deferred:
        signal.signal(number, lambda received, frame: pressed.append(received))
    try:
        yield pressed
    finally:
        for number in deferred:
            signal.signal(number, signal.default_int_handler)
