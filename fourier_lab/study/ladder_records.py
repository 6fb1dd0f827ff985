"""The ladder from zero parameters as kept on disk; read without any text."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..columns import Columns
from ..errors import RecordError
from ..evaluation.rung import Rung
from ..text.pairs import SCORED


@dataclass(frozen=True)
class Ladder:
    """The rungs that need no training, on one corpus.

    Attributes:
        rungs: In order of :data:`KINDS`.
        weights: Columns ``series``, ``token_id``, ``value``, ``low``, ``high``: the weights of ids, see :func:`ladder`.
        account: Runs, data, versions and commit behind the numbers.
    """

    rungs: list[Rung]
    weights: Columns
    account: dict[str, Any]


def read_ladder(path: Path) -> Ladder:
    """Read a ladder that :func:`ladder` kept; a damaged file raises ``RecordError``."""
    try:
        account = json.loads(path.read_text(encoding="utf-8"))
        rungs = [Rung(**entry) for entry in account.pop("rungs")]
        weights = {name: np.array(column) for name, column in account.pop("weights").items()}
        account["runs"]  # noqa: B018 (must be there)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RecordError(f"{path} is damaged ({error!r}). Delete it; it is computed again from the text.") from error
    return Ladder(rungs, weights, account)


def read_resamples(path: Path, split: str) -> dict[str, NDArray[np.float64]]:
    """Return, by name, Spearman x 100 on each resample of the pairs, ``(1000,)``, of the bags of tokens of a kept ladder."""
    try:
        with np.load(path) as kept:
            return {name: kept[name][SCORED.index(split)] / 100 for name in kept.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise RecordError(f"{path} is damaged ({error}). Restore it from version control.") from error
