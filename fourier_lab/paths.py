"""Where things live, independent of the working directory a notebook or command starts in.

What the study ships, such as notebooks, sweeps and finished records, is in the project: the folder of the source, or a copy
inside an installed package. What commands make goes to the root: ``FOURIER_LAB_HOME``, else the folder of the source, else
the working directory.
"""

import hashlib
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from .errors import ConfigError, check_kind

_SOURCE = Path(__file__).resolve().parent.parent
SETTLED_NS = 2 * 10**9  # file systems keep times to 2 s or finer: what is newer may change and keep its time
_DAY_S = 86400.0
_PACKED = Path(__file__).resolve().with_name("project")  # pyproject.toml puts it into the wheel


def as_path(given: str | os.PathLike[str]) -> Path:
    """Return a file or folder that a person named as a path; raise :class:`ConfigError` if it is none."""
    check_kind(given, (str, os.PathLike), "a file or folder must be given as text or a pathlib.Path", "Write its path.")
    return Path(given)


def inside(folder: Path, name: str) -> Path:
    """Return what is called ``name`` in ``folder``; raise :class:`ConfigError` if that is no name, but a way elsewhere.

    Example:
        >>> inside(Path("results"), "../elsewhere")
        Traceback (most recent call last):
        fourier_lab.errors.ConfigError: '../elsewhere' must be the name of something in results, not a path. Write its name.
    """
    if name in ("", ".", "..") or {*name} & {*"/\\\0"}:
        raise ConfigError(f"{name!r} must be the name of something in {folder}, not a path. Write its name.")
    return folder / name


def _find_root() -> Path:
    if home := os.environ.get("FOURIER_LAB_HOME"):
        return Path(home).expanduser().resolve()
    return _SOURCE if (_SOURCE / "pyproject.toml").is_file() else Path.cwd()


PROJECT = _PACKED if _PACKED.is_dir() else _SOURCE
NOTEBOOKS = PROJECT / "notebooks"
SWEEPS = PROJECT / "sweeps"
RECORDS = PROJECT / "results"  # finished ones, which figures are redrawn from
SHIPPED_ENCODERS = Path(__file__).resolve().with_name("shipped_encoders")  # a folder each, in the wheel too

ROOT = _find_root()
FIGURES = Path(os.environ.get("FOURIER_LAB_FIGURES") or ROOT / "figures")  # headless notebooks draw beside them
RUNS = ROOT / "runs"
REPORTS = ROOT / "reports"
RESULTS = ROOT / "results"


def records_folder(name: str) -> Path:
    """Return the folder of the records of sweep ``name``: the root's own if there is one, else the project's."""
    own = inside(RESULTS, name)
    return own if own.is_dir() or not (RECORDS / name).is_dir() else RECORDS / name


def stamp(path: Path | str) -> tuple[int, int, int, int]:
    """Return size, times and number of a file, which tell one state of it from the next."""
    found = os.stat(path)
    # The time at which the file or its times last changed is none that a program can set.
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write ``data`` to ``path`` whole or not at all."""
    with replacing(path) as stream:
        stream.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a temporary neighbour of ``path`` to write to, which is renamed over it unless an error comes up."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{_machine()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())  # or a power cut may leave the new name on an empty file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files (``NAME.PID-MACHINE.tmp``) in ``folder`` whose process is gone.

    Of another machine's processes nothing is known here: their files go once they have not been written to for a day.
    """
    for path in folder.glob("*.tmp"):
        process, _, machine = path.name.split(".")[-2].partition("-")
        with suppress(FileNotFoundError):
            here = machine in ("", _machine())
            if not _is_alive(process) if here else time.time() - path.stat().st_mtime > _DAY_S:
                path.unlink()


@cache
def _machine() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def temporary_folder(prefix: str) -> Path:
    """Return a new folder ``PREFIX + PID + ...``, after deleting such folders whose process is gone, however it ended."""
    import shutil
    import tempfile

    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*_*"):
        if not _is_alive(folder.name.removeprefix(prefix).partition("_")[0]):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}_"))


def _is_alive(process: str) -> bool:
    import psutil  # os.kill with signal 0, which only asks elsewhere, ends the process on Windows

    try:
        # A zombie has ended; in a container without an init nobody ever notes it.
        return psutil.Process(int(process)).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except (ValueError, OverflowError, psutil.NoSuchProcess):  # no number of a process, or of none here
        return False
    except psutil.AccessDenied:  # somebody else's
        return True
