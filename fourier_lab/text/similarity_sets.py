"""Graded pairs beyond STS-B, that no run trains on or is chosen by: SICK, STS 2012 to 2016, and files of one's own."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..config import RunConfig
from ..errors import DataError
from ..field_rules import SIMILARITY_SETS
from .labels import read_labels
from .own import FULL_RANGE, data_folder
from .pairs import SentencePairs, checked, graded_name, load_pairs, normalised, read_hub, splits_of
from .places import find, parts
from .tables import Reading, Rows, from_table, read_rows

COLUMNS = Reading(
    (("sentence1", "sentence_A"), ("sentence2", "sentence_B"), ("label", "score", "relatedness_score")),
)


@dataclass(frozen=True)
class SimilaritySet:
    """Graded pairs of one set.

    Attributes:
        pairs: Sentences with scores, mapped onto 0..5.
        subset: Which part of the set each pair belongs to, text ``(n,)``; None if the set has none.
    """

    pairs: SentencePairs
    subset: np.ndarray | None = None

    def subsets(self) -> dict[str, np.ndarray]:
        """Return which pairs are in each subset, bool ``(n,)`` by name; empty if the set has none."""
        names = {} if self.subset is None else dict.fromkeys(self.subset.tolist())
        return {name: self.subset == name for name in names}

    def unseen(self, seen: Set[str]) -> np.ndarray:
        """Return which pairs share no sentence with ``seen``, normalised sentences; bool ``(n,)``."""
        both = zip(self.pairs.first, self.pairs.second, strict=True)
        return np.array([normalised(a) not in seen and normalised(b) not in seen for a, b in both])


def load_set(name: str, source: str) -> SimilaritySet:
    """Load the test pairs of a set.

    Args:
        name: One of :data:`fourier_lab.field_rules.SIMILARITY_SETS`.
        source: ``folder`` (FOURIER_LAB_DATA) or ``hub``.

    Raises:
        DataError: If there is no such set or file, or it is malformed.
    """
    if name not in SIMILARITY_SETS:
        raise DataError(f"no similarity set {name!r}. Known: {', '.join(SIMILARITY_SETS)}.")
    if source == "hub":
        return _similarity_set(name, [from_table(read_hub(name, "test"), COLUMNS, name)], *FULL_RANGE)
    if source != "folder":
        raise DataError(f"the similarity set {name!r} comes from source 'folder' or 'hub', not from {source!r}.")
    if not (files := find(data_folder(), name, "test")):
        raise DataError(
            f"no file of the similarity set {name} in {data_folder()}. Put {name}/test.parquet there, with columns "
            "sentence1, sentence2 and label; with network, fetch all with: fourier-lab data fetch FOLDER."
        )
    return _similarity_set(name, [read_rows(path, COLUMNS) for path in files], *FULL_RANGE)


def read_set(
    path: Path, reading: Reading = COLUMNS, low: float = FULL_RANGE[0], high: float = FULL_RANGE[1]
) -> SimilaritySet:
    """Read graded pairs of any file that :func:`fourier_lab.text.tables.read_rows` reads.

    Args:
        path: Parquet, JSON lines, CSV or TSV, or a folder of part-* files.
        reading: Which columns hold the sentences, the score and, if there is one, the subset.
        low, high: Lowest and highest possible score.

    Raises:
        DataError: If the file cannot be read, lacks a column, or a score lies outside of the range.
    """
    return _similarity_set(path.name, [read_rows(part, reading) for part in parts(path)], low, high)


def _similarity_set(name: str, files: Sequence[Rows], low: float, high: float) -> SimilaritySet:
    label = np.concatenate([read_labels(rows.labels or [], name, None, None, low) for rows in files])
    first, second = [s for rows in files for s in rows.first], [s for rows in files for s in rows.second]
    pairs = checked(name, "test", first, second, label, low, high, graded=True)
    subsets = [rows.subset for rows in files]
    if None in subsets:
        return SimilaritySet(pairs)
    return SimilaritySet(pairs, np.concatenate([np.array(each, dtype=str) for each in subsets])[~np.isnan(label)])


@lru_cache(maxsize=2)
def _seen(corpus: str, source: str, vocab_size: int, _text: tuple[tuple[str, str], ...]) -> frozenset[str]:
    graded = graded_name(corpus)
    splits = [(graded, split) for split in splits_of(graded)] + [(name, "train") for name in corpus.split("+")]
    loaded = (load_pairs(name, split, source, vocab_size=vocab_size) for name, split in splits)
    return frozenset(normalised(sentence) for pairs in loaded for sentence in pairs.first + pairs.second)


def seen_sentences(config: RunConfig, text: dict[str, str]) -> frozenset[str]:
    """Return the normalised sentences of a run's training text, whether used or not, and of all its graded pairs.

    Args:
        config: The run.
        text: Fingerprints of what it reads; with others the text is read anew.
    """
    return _seen(config.corpus, config.source, config.vocab_size, tuple(text.items()))
