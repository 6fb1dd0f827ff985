"""Where things live, independent of the working directory a notebook or command starts in.

``FOURIER_LAB_HOME`` overrides the root; otherwise it is the project folder of an editable install, or the working directory.
"""

import os
from pathlib import Path


def _find_root() -> Path:
    if home := os.environ.get("FOURIER_LAB_HOME"):
        return Path(home).expanduser().resolve()
    project = Path(__file__).resolve().parent.parent
    return project if (project / "pyproject.toml").is_file() else Path.cwd()


ROOT = _find_root()
NOTEBOOKS = ROOT / "notebooks"
FIGURES = ROOT / "figures"
RUNS = ROOT / "runs"
REPORTS = ROOT / "reports"
RESULTS = ROOT / "results"


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write ``data`` to ``path`` whole or not at all: a temporary neighbour is renamed over it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
