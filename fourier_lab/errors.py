"""Typed errors. Each message names the rule, the offending value and a way out."""

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def brief(value: object, length: int = 60) -> str:
    """Return ``repr(value)`` for a message, cut where it is long.

    Example:
        >>> brief("a" * 9, length=4)
        "'aaa …"
    """
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]} …"


_WAYS_OUT = {
    "Free disk space": (errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    "Correct the permissions": (errno.EACCES, errno.EPERM, errno.EROFS),
    "Correct the path": (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP),
}


def way_out(problem: OSError) -> str:
    """Return what helps against a problem of the file system, or an empty text where nothing is known.

    Example:
        >>> way_out(FileNotFoundError(errno.ENOENT, "No such file or directory"))
        'Correct the path'
    """
    return next((words for words, codes in _WAYS_OUT.items() if problem.errno in codes), "")


class FourierLabError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(FourierLabError, ValueError):
    """A setting, argument or token id breaks a documented rule."""


class DataError(FourierLabError, ValueError):
    """A corpus, split, column, label or sentence is missing or malformed."""


class RecordError(FourierLabError, RuntimeError):
    """A run record, checkpoint or weights file is missing, damaged or belongs to something else."""


class RecordWarning(UserWarning):
    """A record is left out of what is asked of many: it is damaged, or there twice. Those asked for by name raise."""


class TrainingError(FourierLabError, RuntimeError):
    """Training cannot go on: the loss is not finite, the gradient has vanished, or the memory does not suffice."""


class NotebookError(FourierLabError, RuntimeError):
    """A notebook failed or was given a parameter that it does not declare."""


def check_kind(value: object, kind: type | tuple[type, ...], rule: str, remedy: str) -> None:
    """Raise :class:`ConfigError` unless ``value`` is of a kind; the message is the rule, the value and the way out.

    Example:
        >>> check_kind("x", int, "steps must be an integer", "Try 600.")
        Traceback (most recent call last):
        fourier_lab.errors.ConfigError: steps must be an integer, got 'x' (str). Try 600.
    """
    if not isinstance(value, kind):
        raise ConfigError(f"{rule}, got {brief(value)} ({type(value).__name__}). {remedy}")


def list_of(values: Any, kind: type | tuple[type, ...], rule: str, remedy: str) -> list[Any]:
    """Return ``values`` as a list; raise :class:`ConfigError` as :func:`check_kind` unless each is of a kind."""
    try:
        listed = None if isinstance(values, str) else list(values)
    except TypeError:  # nothing to go through one by one
        listed = None
    if listed is None:
        raise ConfigError(f"{rule}, got {brief(values)} ({type(values).__name__}). {remedy}")
    for value in listed:
        if not isinstance(value, kind):  # asked here too: lists of sentences are long, and a call for each is slow
            check_kind(value, kind, rule, remedy)
    return listed


def leave_out(reason: object) -> None:
    """Say in a :class:`RecordWarning` that one of many records is left out, and why."""
    warnings.warn(f"left out: {reason}", RecordWarning, stacklevel=3)


class MissingPackageError(FourierLabError, ImportError):
    """A package is not installed that only some uses need.

    Args:
        package: The package.
        extra: The extra of this library that brings it.
    """

    def __init__(self, package: str, extra: str):
        super().__init__(f"this needs {package}, which is not installed. Write pip install 'fourier-lab[{extra}]'.")


@contextmanager
def records_left_out() -> Iterator[list[str]]:
    """Collect, each once, the sentences of every :class:`RecordWarning` in the block; other warnings go their usual way."""
    told: list[str] = []
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def collect(message: Warning | str, category: type[Warning], *rest: Any, **options: Any) -> None:
            if not issubclass(category, RecordWarning):
                usual(message, category, *rest, **options)
            elif str(message) not in told:
                told.append(str(message))

        warnings.simplefilter("always", RecordWarning)
        warnings.showwarning = collect
        yield told
