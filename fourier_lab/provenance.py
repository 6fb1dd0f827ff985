"""Which code made a number: package versions and the commit, for run records and figures."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

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
        **{package: metadata.version(package) for package in _DECISIVE},
    }


def commit() -> str | None:
    """Return the checked-out commit of the library's source, or None outside version control."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):  # no git, or an installed copy
        return None
    return answer.stdout.strip()
