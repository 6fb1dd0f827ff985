"""A finished run with what it was scored on, opened again to change its weights and see what that does to the score."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import paths
from ..errors import ConfigError, RecordError, check_kind
from ..evaluation.metrics import sts_scores
from ..evaluation.similarity import embedding_similarity
from ..models.sentence_encoder import SentenceEncoder
from ..provenance import commit, versions
from ..text.corpus import Corpus, prepare
from ..text.fingerprints import differing, recorded_text, same_text
from ..training.records import RunRecord, load_encoder, load_record
from .own_scores import find_run


@dataclass(frozen=True)
class FinishedRun:
    """A run of a sentence encoder, its weights and its text."""

    record: RunRecord
    encoder: SentenceEncoder
    corpus: Corpus

    def score(self, encoder: SentenceEncoder, split: str = "test") -> float:
        """Return Spearman x 100 of an encoder on the run's graded pairs of a split."""
        pairs = self.corpus.graded[split]
        similarity = embedding_similarity(encoder, pairs.first, pairs.second)
        return sts_scores(similarity, pairs.label, intervals=False)["spearman"]["value"]


def open_run(run: str | Path, runs: Path) -> FinishedRun:
    """Open a finished run on the machine that it was trained on, or one with the same text.

    Args:
        run: Its folder, or the start of its name in ``runs``.
        runs: Folder of run folders.

    Raises:
        ConfigError, RecordError, DataError: If it, its weights or its text are missing, or it is a language model.
    """
    folder = find_run(str(run), runs)
    if folder is None:
        raise ConfigError(f"{run} is an encoder without a run. Name the folder of a finished run.")
    record, encoder = load_record(folder), load_encoder(folder)
    check_kind(encoder, SentenceEncoder, f"{folder.name} is no sentence encoder", "Name the run of a sentence encoder.")
    corpus = prepare(record.config)
    present = recorded_text(record.config, corpus.account)
    if not same_text(record.text, present):
        raise RecordError(
            f"{folder.name} was trained on another text than the data folder holds, {differing(record.text, present)}. Set "
            "FOURIER_LAB_DATA to the folder that it was trained on."
        )
    return FinishedRun(record, encoder, corpus)


def write_report(name: str, run: FinishedRun, found: Mapping[str, Any], table: str) -> tuple[Path, Path]:
    """Write numbers as JSON and a table as Markdown, ``NAME-RUN`` in the reports; return both paths."""
    about = {"run": run.record.config.digest(), "settings": run.record.config.to_dict()}
    made = {"commit": commit(), "versions": versions()}
    stem = paths.REPORTS / f"{name}-{run.record.folder.name}"
    written = stem.with_name(f"{stem.name}.json"), stem.with_name(f"{stem.name}.md")
    paths.write_atomically(written[0], json.dumps(about | made | {**found}, indent=1) + "\n")
    paths.write_atomically(written[1], table + "\n")
    return written


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
