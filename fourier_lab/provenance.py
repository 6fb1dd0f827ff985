"""Which code made a number: package versions and the commit, for run records and figures."""

import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

_version = cache(metadata.version)  # reads a file of the package
_DECISIVE = ("matplotlib", "numpy", "scikit-learn", "scipy", "tokenizers", "torch")


def version() -> str:
    """Return this library's version."""
    from . import __version__

    return __version__


def versions() -> dict[str, str]:
    """Return the versions of this library, of Python and of the packages that decide numbers and pictures, by name."""
    return {
        "fourier_lab": version(),
        "python": platform.python_version(),
        **{package: _version(package) for package in _DECISIVE},
    }


def commit() -> str | None:
    """Return the checked-out commit of the library's source, or None outside version control."""
    package = Path(__file__).resolve().parent
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--show-toplevel", "HEAD"], cwd=package, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or an installed copy
        return None
    top, head = answer.stdout.splitlines()
    return head if Path(top) == package.parent else None  # an installed copy may lie within someone's own repository
