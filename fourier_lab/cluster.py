"""Training runs and notebooks on the workers of a Dask cluster: each in a process of its own there, as on one machine.

Dask says which worker does what, and gives a lost worker's job to another, where a run goes on from its checkpoint: the
folders of jobs must be shared by all machines. What is told, kept and estimated is not decided here, and the same wherever
jobs are done.
"""

import multiprocessing
import queue
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from .errors import ConfigError, MissingPackageError, TrainingError
from .processes import TICK_S, supervise, warm_context

if TYPE_CHECKING:
    from distributed import Client, Future

_CONNECT_S, _STOP_S = 20, 120
_stopped: set[str] = set()  # on a worker: the calls that were asked to stop


class Job(Protocol):
    """What travels to another machine.

    Attributes:
        name: Tells it from others there.
        shared: A folder that all machines must have in common.
        needs_gpu: Whether only a worker with the resource ``GPU`` can do it.
    """

    @property
    def name(self) -> str: ...
    @property
    def shared(self) -> Path: ...
    @property
    def needs_gpu(self) -> bool: ...


J = TypeVar("J", bound=Job)
Target = Callable[[J, Connection], None]


@dataclass(eq=False)
class Sent(Generic[J]):
    """A job that a cluster has, ``begun`` last on the clock of ``time.monotonic``, so far by ``starts`` workers."""

    job: J
    future: "Future"
    starts: int = 0
    begun: float = field(default_factory=time.monotonic)


@contextmanager
def connected(where: str, workers: int) -> "Iterator[Client]":
    """Give a client of the cluster at ``where``: an address, a scheduler's file, or ``local`` for ``workers`` of its own.

    Raises:
        MissingPackageError: If Dask is not installed.
        ConfigError: If ``where`` names no scheduler, or none answers.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise MissingPackageError("distributed", "cluster") from None
    if where == "local":
        # Workers are threads here, since each job has a process of its own: they start at once, and share its server.
        # Their HTTP servers would be open to all machines, the scheduler's at a port that a second sweep wants too.
        here = dict.fromkeys(("dashboard_address", "worker_dashboard_address"), "127.0.0.1:0")
        shape = {"n_workers": workers, "threads_per_worker": 1, "processes": False, **here}
        quiet = {"distributed.worker.profile.enabled": False}  # of threads that only wait, a hundred times a second
        with dask.config.set(quiet), LocalCluster(**shape) as cluster, Client(cluster) as client:
            yield client
        return
    if "://" not in where and not Path(where).is_file():
        raise ConfigError(
            f"--dask takes the address of a scheduler, such as tcp://HOST:8786, its file, or local, and {where!r} is none "
            "of these. Correct it; sweeps/CLUSTER.md says how to start one."
        )
    try:
        client = Client(**{"address" if "://" in where else "scheduler_file": where}, timeout=_CONNECT_S)
    except (OSError, ValueError) as problem:
        raise ConfigError(
            f"no Dask scheduler answers at {where} ({problem}). Start one with 'dask scheduler', or correct the address."
        ) from None
    with client:
        yield client


def supervise_on(
    client: "Client", next_job: Callable[[], J | None], target: Target, preloaded: tuple[str, ...] = ()
) -> Generator[tuple[str, Sent[J], Any], None, None]:
    """Let the workers of a cluster run ``target(job, connection)``, until there are no more jobs.

    All are handed over at once, so that a cluster that grows with its work knows of it. Close this generator in every case:
    on an error or Ctrl-C that asks the processes left over to stop, and waits for them.

    Args:
        client: Of the cluster.
        next_job: Gives the next job, or None if there is none at present; asked again when one has ended.
        target: As :func:`fourier_lab.processes.supervise` takes it; of what it sends the last thing counts.
        preloaded: Modules that its process has from the start.

    Yields:
        ``("started", sent, worker)`` each time that a worker begins a job, also after the loss of another;
        ``("message", sent, what)`` and ``("ended", sent, exit_code)`` as :func:`fourier_lab.processes.supervise` does. A job
        that has lost more workers than the scheduler allows ends with a message that says so.

    Raises:
        TrainingError: If the scheduler is gone.
    """
    from distributed import wait

    call = uuid.uuid4().hex
    said: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()  # key, and the worker that begins; none at the end
    sent: dict[str, Sent[J]] = {}

    def submit(job: J, starts: int = 0) -> None:
        key = f"{job.name}-{uuid.uuid4().hex}"
        resources = {"GPU": 1} if job.needs_gpu else None
        arguments = call, key, job, target, preloaded
        future = client.submit(_compute, *arguments, key=key, pure=False, resources=resources)
        sent[key] = Sent(job, future, starts)
        future.add_done_callback(lambda done: said.put((done.key, "")))

    client.subscribe_topic(call, lambda event: said.put(tuple(event[1])))
    try:
        while True:
            while (job := next_job()) is not None:
                submit(job)
            if not sent:
                return
            try:
                key, worker = said.get(timeout=TICK_S)  # not for ever, or Ctrl-C would wait on some systems
            except queue.Empty:
                continue
            if key not in sent:
                continue
            if worker:
                sent[key].starts, sent[key].begun = sent[key].starts + 1, time.monotonic()
                yield "started", sent[key], worker
                continue
            done = sent.pop(key)
            if (found := _result(done)) is None:
                submit(done.job, done.starts)
                continue
            message, exit_code = found
            if message is not None:
                yield "message", done, message
            yield "ended", done, exit_code
    finally:
        client.unsubscribe_topic(call)
        if sent and client.status == "running":
            client.run(_stop, call, on_error="ignore")
            client.cancel([each.future for each in sent.values() if not each.starts])
            wait([each.future for each in sent.values() if each.starts], timeout=_STOP_S)


def _result(done: Sent) -> tuple[Any, int | None] | None:
    """Return the message and the exit code of a job's process; None if it is to be sent again, being innocent."""
    from distributed import KilledWorker

    if done.future.status in ("cancelled", "lost"):
        raise TrainingError("the Dask scheduler is lost. Start it again and repeat the same command: runs resume.")
    error = done.future.exception()
    if error is None:
        return done.future.result()
    if not isinstance(error, KilledWorker):
        other = isinstance(error, ImportError | AttributeError)  # what it is to run is not found there
        remedy = "Install the same fourier_lab there." if other else "The worker's log says more."
        return f"no worker can begin it: {type(error).__name__}: {error}. {remedy}", None
    # Dask counts the loss of a worker against each job that was to be done there, whether or not it had begun.
    if done.starts <= error.allowed_failures:
        return None
    return f"{done.starts} workers were lost while it ran on them, perhaps for want of memory.", None


def _compute(call: str, key: str, job: J, target: Target, preloaded: tuple[str, ...]) -> tuple[Any, int | None]:
    """Run a job in a process of this worker; return its last message and its exit code."""
    from distributed import get_worker

    worker = get_worker()
    worker.log_event(call, [key, worker.address])
    if not job.shared.is_dir():
        return f"worker {worker.address} has no folder {job.shared}. Name one that all machines share.", None
    multiprocessing.current_process().daemon = False  # which may have no processes of its own
    jobs = iter([job])
    message, exit_code = None, None
    with closing(supervise(lambda: next(jobs, None), target, 1, warm_context(*preloaded))) as events:
        for event, _, detail in events:
            if event == "message":
                message = detail
            elif event == "ended":
                exit_code = detail
            elif call in _stopped:
                break
    return message, exit_code


def _stop(call: str) -> None:
    """Ask the processes of a call on this worker to stop."""
    _stopped.add(call)
