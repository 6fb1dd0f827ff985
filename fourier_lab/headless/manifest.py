"""Know which notebooks need no new run: a fingerprint of all that decides their figures, kept in a manifest."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import paths, provenance
from ..text.places import content

# Its code, and the styles, templates and encoders that pages are made with.
_LIBRARY = Path(__file__).resolve().parents[1]
_OTHER = {"__pycache__", "project"}  # what Python makes of the code, and the study in an installed package


@dataclass(frozen=True)
class NotebookResult:
    """What became of one notebook.

    Attributes:
        notebook: Its stem; on real text ``<corpus>/<stem>``.
        status: ``done``, ``unchanged`` (skipped) or ``failed``.
        seconds: Duration of the run; of the last one if unchanged.
        figures: SHA-256 of each file it wrote, by path relative to the figures folder.
        finding: The last printed line that starts with ``Finding:``, without that word.
        error: Error type, message and cell; empty unless failed.
        beside: Whether its figures lie beside the committed ones, to be held against them (:mod:`.reproduction`).
    """

    notebook: str
    status: str
    seconds: float
    figures: dict[str, str]
    finding: str = ""
    error: str = ""
    beside: bool = False

    @property
    def pictures(self) -> int:
        """Return the number of figures, each counted once over its formats."""
        return sum(name.endswith(".png") for name in self.figures)


def figures_folder(beside: bool) -> Path:
    """Return the folder that notebooks draw in: beside the committed figures, or where those are."""
    return paths.REPORTS / "figures" if beside else paths.FIGURES


def executed_copy(notebook: str) -> Path:
    """Return where the executed copy of ``notebook`` goes; its HTML page lies beside it."""
    return paths.REPORTS / f"{notebook}.ipynb"


def fingerprint(cells: list[dict[str, Any]], parameters: Mapping[str, Any], data: Path | None) -> str:
    """Hash all that decides a notebook's figures: cells, parameters, library, dependencies, the study's records, data."""
    within = ((path, path.relative_to(_LIBRARY).parts) for path in _LIBRARY.rglob("*") if path.is_file())
    sources = sorted(path for path, parts in within if not _OTHER & {*parts})
    files = sorted(path for path in data.rglob("*") if path.is_file()) if data else []
    study = sorted(path for root in (paths.RECORDS, paths.SWEEPS) for path in root.rglob("*") if path.is_file())
    decisive = {
        "cells": [(cell["cell_type"], "".join(cell["source"])) for cell in cells],
        "parameters": dict(parameters),
        "library": [file_hash(path) for path in sources],
        "data": [(str(path), content(path)) for path in files],
        "study": [file_hash(path) for path in study],
        "versions": provenance.versions(),
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def file_stamps(folder: Path) -> dict[Path, int]:
    """Map each file below ``folder`` to its modification time in nanoseconds."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


class Manifest:
    """The last result of every notebook, on disk after each run."""

    def __init__(self) -> None:
        self._path = paths.REPORTS / "manifest.json"
        self._entries: dict[str, dict[str, Any]] = {}
        with suppress(FileNotFoundError, ValueError, TypeError):  # it only saves time: without it every notebook runs
            self._entries.update(json.loads(self._path.read_text(encoding="utf-8")))

    def record(self, result: NotebookResult, fingerprint: str) -> None:
        """Keep ``result``; only a finished run can later be taken for unchanged."""
        kept = fingerprint if result.status == "done" else ""
        self._entries[result.notebook] = {**asdict(result), "fingerprint": kept}
        paths.write_atomically(self._path, json.dumps(self._entries, indent=1, sort_keys=True))

    def unchanged(self, notebook: str, fingerprint: str) -> NotebookResult | None:
        """Return the recorded result if the fingerprint is the same and every file the run left is still as it was."""
        entry = dict(self._entries.get(notebook, {}))
        if entry.pop("fingerprint", "") != fingerprint:
            return None
        copy = executed_copy(notebook)
        root = figures_folder(entry.get("beside", False))
        figures = {root / name: digest for name, digest in entry["figures"].items()}
        if not all(path.is_file() for path in (copy, copy.with_suffix(".html"), *figures)):
            return None
        if any(file_hash(path) != digest for path, digest in figures.items()):
            return None
        return NotebookResult(**{**entry, "status": "unchanged"})

    def expected_seconds(self, notebook: str) -> float | None:
        """Return the last duration of ``notebook``, else the mean of all, else None."""
        known = {name: entry["seconds"] for name, entry in self._entries.items() if entry["status"] != "failed"}
        return known.get(notebook, sum(known.values()) / len(known) if known else None)

    def result(self, notebook: str) -> NotebookResult | None:
        """Return the last result of ``notebook``, or None if it never ran."""
        entry = dict(self._entries.get(notebook, {}))
        entry.pop("fingerprint", "")
        return NotebookResult(**entry) if entry else None
