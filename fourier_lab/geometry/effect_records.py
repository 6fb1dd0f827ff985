"""What training did to a token embedding, as kept on disk; read without any weights or text."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import RunConfig
from ..errors import RecordError

STAGES = ("T(p)", "at the start", "trained, before the norm", "trained")
# Occurrences in the training text, up to which one speaks of each class.
OCCURRENCES = {"never": 0, "1 to 9": 9, "10 to 99": 99, "100 to 999": 999, "1,000 or more": None}


@dataclass(frozen=True)
class Effects:
    """What training did in one run.

    Attributes:
        config: The run.
        numbers: JSON-ready, from functions of :mod:`fourier_lab.geometry.effects`: ``moved`` (``angles_moved``),
            ``restored`` (``restored_scores``), ``steps`` and ``sign_changes`` (``coordinates``), ``stages``
            (``stage_numbers``), ``classes`` (``class_scores``), and the versions and commit that computed them.
    """

    config: RunConfig
    numbers: dict[str, Any]


def read_effects(path: Path, config: RunConfig) -> Effects:
    """Read what ``training_effects`` kept; a damaged file, or one of another run, raises ``RecordError``."""
    try:
        numbers = json.loads(path.read_text(encoding="utf-8"))
        digest = numbers.pop("digest")
        del numbers["config"]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise RecordError(
            f"{path} is damaged ({error!r}). Delete it; it is computed again from the weights."
        ) from error
    if digest != config.digest():
        raise RecordError(
            f"{path} holds numbers of run {digest}, not {config.digest()}. Delete it, or restore its name."
        )
    return Effects(config, numbers)
