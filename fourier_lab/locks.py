"""Who works on a folder: a lock that the kernel holds for a process, and a lease that other machines see the end of."""

import errno
import logging
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .errors import RecordError, way_out
from .paths import remove_leftovers

BEAT_S = 15.0  # between two touches of the lock file by whoever holds it
LEASE_S = (
    120.0  # without a touch, after which another machine's lock is void; network file systems show times a minute late
)
_TICK_S = 0.2
_log = logging.getLogger(__name__)


@contextmanager
def run_lock(folder: Path, work: str = "works on the run in") -> Iterator[None]:
    """Hold the right to work on the run in ``folder``; wait while another process has it, after a warning that names it.

    The lock is ``flock`` on the file ``.lock``: on one machine the kernel releases it when a process dies, however that
    happens, and nothing else is asked. Between machines, whose file system may keep such locks from each other or for ever,
    the file's time counts: its holder touches it every :data:`BEAT_S`, and after :data:`LEASE_S` without that the lock of
    another machine is void, whatever number its process had. On Windows, and on a file system without locks, processes of
    one machine do not wait: two may then do a run twice, and each still writes whole files. Temporary files of processes
    that died are removed.

    Raises:
        RecordError: If the folder must not be written to, or the disk is full.
    """
    try:
        stream = _taken(folder, work)
    except OSError as error:
        raise RecordError(
            f"cannot work in {folder} ({error}). {way_out(error) or 'Mend that'}, then repeat the command."
        ) from error
    with stream:
        released = threading.Event()
        beat = threading.Thread(target=_beat, args=(folder / ".lock", released), daemon=True)
        beat.start()
        try:
            remove_leftovers(folder)
            yield
        finally:
            released.set()
            beat.join()
            with suppress(OSError):
                remove_leftovers(folder)  # of who was still dying at the start
                os.utime(folder / ".lock", (0, 0))  # the end of the lease: no other machine need wait for it


def _taken(folder: Path, work: str) -> IO[str]:
    """Return the open lock file once it is ours, with our name in it."""
    folder.mkdir(parents=True, exist_ok=True)
    warned = False
    while (stream := _take(folder)) is None:
        if not warned:
            warned = True
            _log.warning("waiting for %s, which %s %s", _holder(folder), work, folder)
        time.sleep(_TICK_S)
    stream.truncate(0)
    stream.write(f"{os.getpid()} {platform.node()}")
    stream.flush()
    return stream


def is_locked(folder: Path) -> bool:
    """Say whether another process works on the run in ``folder`` now."""
    try:
        with open(folder / ".lock", "r+") as stream:
            if _is_leased(stream):
                return True
            if _lock(stream.fileno()):
                return False
            stream.seek(0)
            return not _is_elsewhere(stream.read())  # else a dead machine's, which the file system has not noticed
    except FileNotFoundError:  # nobody has ever worked on it
        return False


def _take(folder: Path) -> IO[str] | None:
    """Return the open lock file once nobody else has it; None while somebody does."""
    path = folder / ".lock"
    stream = open(path, "a+")  # noqa: SIM115 (it is open for as long as the lock is held)
    with suppress(FileNotFoundError):
        if not _is_leased(stream):
            if not _lock(stream.fileno()):
                stream.seek(0)
                if _is_elsewhere(stream.read()):  # a dead machine's, which the file system has not noticed: a new file
                    path.unlink()
            elif os.path.samestat(os.fstat(stream.fileno()), os.stat(path)):
                return stream
    stream.close()
    return None


def _is_leased(stream: IO[str]) -> bool:
    """Say whether another machine has touched a lock file within :data:`LEASE_S`, by the clock of the file system."""
    stream.seek(0)
    if not _is_elsewhere(stream.read()):
        return False
    # A time in the future is of a clock that has jumped, and no touch.
    return abs(_now(Path(stream.name).parent) - os.fstat(stream.fileno()).st_mtime) < LEASE_S


def _is_elsewhere(holder: str) -> bool:
    return holder.partition(" ")[2] not in ("", platform.node())


def _holder(folder: Path) -> str:
    try:
        number, _, machine = (folder / ".lock").read_text().partition(" ")
    except FileNotFoundError:  # given back by now
        number = machine = ""
    return f"process {number} on {machine}" if machine else "another process"


def _now(folder: Path) -> float:
    """Return the time that the file system would give a file now; machines that share one agree on it alone."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            return os.fstat(probe.fileno()).st_mtime
    except OSError:
        return time.time()


def _beat(path: Path, released: threading.Event) -> None:
    while not released.wait(BEAT_S):
        with suppress(OSError):  # a lost network may come back
            os.utime(path)


def _lock(descriptor: int) -> bool:
    """Take the kernel's lock on a file, and say whether that is done; True too where there are none."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as problem:
        if problem.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS):
            raise
    return True
