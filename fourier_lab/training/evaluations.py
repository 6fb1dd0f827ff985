"""Scores of a run beyond STS-B, kept beside its record in evaluations.json."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import RunConfig
from ..paths import write_atomically
from ..text.fingerprints import text_at_hand
from .records import EVALUATIONS, read_evaluations

if TYPE_CHECKING:
    from ..models.sentence_encoder import SentenceEncoder


def are_complete(folder: Path, config: RunConfig) -> bool:
    """Say whether ``folder`` holds scores on every set that the run is evaluated on, of the pairs at hand if any are."""
    if not config.evaluated_on:
        return True
    from ..evaluation.beyond import check_sets  # what only copies scores reads no text

    known = {name: scores["fingerprint"] for name, scores in read_evaluations(folder).get("sets", {}).items()}
    if text_at_hand(config) is None:
        return known.keys() >= {*config.evaluated_on}
    return known.items() >= check_sets(config).items()


def copy_evaluations(source: Path, target: Path) -> None:
    """Copy the scores beside one record to another folder, if there are any."""
    if source != target and (source / EVALUATIONS).is_file():
        write_atomically(target / EVALUATIONS, (source / EVALUATIONS).read_text())


def evaluate(folder: Path, config: RunConfig, encoder: "SentenceEncoder") -> None:
    """Score a finished run on the sets that its record lacks, and keep the scores beside it."""
    from ..evaluation.beyond import evaluations, of_encoder

    encoder.eval()
    found = evaluations(config, of_encoder(encoder), read_evaluations(folder))
    write_atomically(folder / EVALUATIONS, json.dumps(found, indent=1) + "\n")
