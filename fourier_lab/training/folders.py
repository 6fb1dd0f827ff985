"""Which folder a run has: named by its settings and, where the text can change, by the text too.

``<digest>`` is a run on text that cannot change, or one of an older version; ``<digest>-<text>`` a run on files of a folder.
"""

import json
from pathlib import Path

from .. import paths
from ..config import RunConfig
from ..errors import RecordError
from ..text.fingerprints import Fingerprints, differing, recorded_text, same_text, text_at_hand, text_name
from .records import RunRecord, is_complete, load_record


def run_folder(root: Path, config: RunConfig, text: Fingerprints | None = None) -> Path:
    """Return the folder below ``root`` that a run has, or would get.

    Args:
        root: Folder of run folders.
        config: The run.
        text: What it reads; what :func:`fourier_lab.text.fingerprints.text_at_hand` finds if None. A finished run of
            whatever text counts where none is at hand, since it can only be read.

    Raises:
        RecordError: If no text is at hand and runs on several are finished.
        DataError: If a file of the text at hand is missing or malformed.
    """
    text = text_at_hand(config) if text is None else text
    finished = finished_texts(root, config)
    if text is None:
        for folder, found in finished.items():
            if other := next((path for path, each in finished.items() if not same_text(found, each)), None):
                raise RecordError(
                    f"{folder} and {other} are runs of the same settings on different texts, "
                    f"{differing(found, finished[other])}. Set FOURIER_LAB_DATA to the folder with the text of one."
                )
        return next(iter(finished), root / config.digest())
    named = root / f"{config.digest()}-{text_name(text)}"
    same = [folder for folder, found in finished.items() if same_text(found, text)]
    return named if named in same or not same else same[0]


def exported_folder(root: Path, record: RunRecord) -> Path:
    """Return the folder below ``root`` for a copy of a record; never one of other text."""
    return run_folder(root, record.config, record.text if record.config.source == "folder" else None)


def finished_texts(root: Path, config: RunConfig) -> dict[Path, dict[str, str]]:
    """Map each folder below ``root`` with a finished run of these settings to the fingerprints of its text."""
    digest = config.digest()
    folders = [path for path in (root / digest, *sorted(root.glob(f"{digest}-*"))) if is_complete(path)]
    return {path: _text(path, config) for path in folders}


def _text(folder: Path, config: RunConfig) -> dict[str, str]:
    try:
        return recorded_text(config, json.loads((folder / "metrics.json").read_text())["data"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # what is damaged is named where it is loaded
        return {}


def numbers_file(folder: Path, config: RunConfig) -> Path:
    """Return the JSON in ``folder`` for numbers measured on a run, named as the run's folder is.

    ``<digest>.json`` is of the text that a record of the run says, of whatever text if there is none.
    """
    text, plain = text_at_hand(config), folder / f"{config.digest()}.json"
    if text is None:
        return plain
    roots = [paths.RUNS, *(path for root in (paths.RECORDS, paths.RESULTS) for path in sorted(root.glob("*/")))]
    recorded = (
        found for root in roots for path, found in finished_texts(root, config).items() if path.name == plain.stem
    )
    if plain.is_file() and same_text(text, next(recorded, {})):
        return plain
    return plain.with_stem(f"{plain.stem}-{text_name(text)}")


def load_run(folder: Path, config: RunConfig) -> RunRecord:
    """Read the finished record of ``config``.

    Raises:
        RecordError: If it is unfinished, damaged, or was computed in another precision, as older versions did on some
            processors.
    """
    record = load_record(folder)
    if (found := record.config.precision) != config.precision and record.config.digest() != config.digest():
        raise RecordError(
            f"{folder} was computed in {found} by an older version, which did not say so in its name; {config.precision} is "
            "asked for. Move it elsewhere, and run again."
        )
    return record
