"""Who works on a folder: a lock that the kernel holds for a process, on whichever machine that is."""

import errno
import logging
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .paths import remove_leftovers

_log = logging.getLogger(__name__)


@contextmanager
def run_lock(folder: Path, work: str = "works on the run in") -> Iterator[None]:
    """Hold the right to work on the run in ``folder``; wait while another process has it, after a warning that names it.

    The lock is ``flock`` on the file ``.lock``, so the kernel releases it when a process dies, however that happens, and a
    shared file system once it hears no more of a machine. On Windows, and on a file system without such locks, nobody waits:
    two processes may then do a run twice, and each still writes whole files. Temporary files of processes that died are
    removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+") as stream:
        if not _lock(stream.fileno(), wait=False):
            stream.seek(0)
            number, _, machine = stream.read().partition(" ")
            holder = f"process {number} on {machine}" if machine else "another process"
            _log.warning("waiting for %s, which %s %s", holder, work, folder)
            _lock(stream.fileno(), wait=True)
        stream.truncate(0)
        stream.write(f"{os.getpid()} {platform.node()}")  # for people: whether it lives is the kernel's to say
        stream.flush()
        remove_leftovers(folder)
        yield


def is_locked(folder: Path) -> bool:
    """Say whether another process works on the run in ``folder`` now."""
    try:
        with open(folder / ".lock", "a") as stream:
            return not _lock(stream.fileno(), wait=False)
    except FileNotFoundError:  # nobody has ever worked on it
        return False


def _lock(descriptor: int, *, wait: bool) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as problem:
        if problem.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS):
            raise
    return True
