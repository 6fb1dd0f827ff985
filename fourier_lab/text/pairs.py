"""Sentence pairs: SNLI, MNLI and STS-B from the hub or a folder of Parquet files, and the built-in toy language."""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, brief
from ..field_rules import SOURCES
from .toy import toy_language

ENTAILMENT = 0
TOY_SIZES = {"train": 30000, "validation": 2000, "test": 2000}
TOY_VOCAB_SIZE = 30522

# (hub id, configuration, revision). GLUE hides its STS-B test scores (all -1), so that split comes from the MTEB copy.
HUB = {
    "snli": ("stanfordnlp/snli", None, "cdb5c3d5eed6ead6e5a341c8e56e669bb666725b"),
    "mnli": ("nyu-mll/multi_nli", None, "da70db2af9d09693783c3320c4249840212ee221"),
    "stsb": ("nyu-mll/glue", "stsb", "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"),
    "stsb/test": ("mteb/stsbenchmark-sts", None, "b0fddb56ed78048fa8b90373c8a3cfc37b684831"),
}
SPLITS = {
    "toy": ("train", "validation", "test"),
    "toy_sts": ("train", "validation", "test"),
    "snli": ("train", "validation", "test"),
    "mnli": ("train", "validation_matched", "validation_mismatched"),
    "stsb": ("train", "validation", "test"),
}
GRADED = ("toy_sts", "stsb")
SCORED = ("validation", "test")  # the splits of the graded pairs that scores are reported for
_SEPARATORS = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class SentencePairs:
    """Aligned sentence pairs of one split.

    Attributes:
        name: Corpus name.
        split: Split name.
        first: Premises, or first sentences.
        second: Hypotheses, or second sentences.
        label: int64 NLI label (0 entailment, 1 neutral, 2 contradiction), or float64 similarity in 0..5; ``(n,)``.
        fingerprint: 12 hexadecimal digits of a hash over all sentences and labels, in order.
    """

    name: str
    split: str
    first: list[str]
    second: list[str]
    label: np.ndarray
    fingerprint: str

    def __len__(self) -> int:
        return len(self.first)

    def select(self, keep: np.ndarray) -> "SentencePairs":
        """Return the pairs at the given indices or boolean mask; the fingerprint stays that of the source."""
        index = np.arange(len(self))[keep]
        first, second = [self.first[i] for i in index], [self.second[i] for i in index]
        return SentencePairs(self.name, self.split, first, second, self.label[index], self.fingerprint)


def data_folder() -> Path:
    """Return the folder named by FOURIER_LAB_DATA.

    Raises:
        DataError: If the variable is unset or names no folder.
    """
    name = os.environ.get("FOURIER_LAB_DATA")
    if not name:
        raise DataError("source 'folder' needs FOURIER_LAB_DATA=FOLDER with <name>/<split>.parquet in it. Set it.")
    folder = Path(os.path.expanduser(name)).resolve()
    if not folder.is_dir():
        raise DataError(f"FOURIER_LAB_DATA names {folder}, which is not a folder. Correct it, or use source 'hub'.")
    return folder


def load_pairs(name: str, split: str, source: str = "builtin", *, vocab_size: int = TOY_VOCAB_SIZE) -> SentencePairs:
    """Load the labelled pairs of one split, in their original order.

    Args:
        name: ``toy`` (NLI) and ``toy_sts`` (graded) with source ``builtin``; ``snli``, ``mnli``, ``stsb`` otherwise.
        split: ``train``, ``validation`` or ``test``; MNLI has ``validation_matched`` and ``validation_mismatched``.
        source: ``builtin``, ``folder`` (FOURIER_LAB_DATA) or ``hub`` (pinned revisions).
        vocab_size: Number of ids of the toy language, whose words and frequencies follow from it; not read for real text.

    Returns:
        SentencePairs: Rows with label -1 (no gold label) are dropped; scores stay floats.

    Raises:
        DataError: If the split, folder, file, column or label is missing or malformed, or the hub is out of reach.

    Example:
        >>> pairs = load_pairs("toy", "test")
        >>> len(pairs), sorted(set(pairs.label.tolist()))
        (2000, [0, 1, 2])
    """
    if name not in SPLITS or split not in SPLITS[name]:
        known = "; ".join(f"{key}: {', '.join(value)}" for key, value in SPLITS.items())
        raise DataError(f"no corpus {name!r} with split {split!r}. Known: {known}.")
    if source not in SOURCES:
        raise DataError(
            f"source must be one of {', '.join(SOURCES)}, got {source!r}. FOURIER_LAB_DATA names the folder."
        )
    if (source == "builtin") != name.startswith("toy"):
        raise DataError(
            f"{name!r} does not come from source {source!r}. Toy corpora are 'builtin', others 'folder' or 'hub'."
        )
    if name.startswith("toy"):
        language = toy_language(vocab_size)
        draw = language.sts if name in GRADED else language.nli
        return _checked(name, split, *draw(split, TOY_SIZES[split]))
    columns = ("sentence1", "sentence2") if name in GRADED else ("premise", "hypothesis")
    rows = _read_folder(name, split) if source == "folder" else _read_hub(name, split)
    label = "score" if "label" not in rows and "score" in rows else "label"
    if missing := [c for c in (*columns, label) if c not in rows]:
        raise DataError(
            f"{name}/{split} has no column {', '.join(missing)}, only {', '.join(rows)}. Rename its columns."
        )
    return _checked(name, split, rows[columns[0]], rows[columns[1]], rows[label])


def training_pairs(
    corpus: str, source: str, n: int | None, entailment_only: bool, left_out: str, vocab_size: int = TOY_VOCAB_SIZE
) -> tuple[SentencePairs, dict]:
    """Load, filter and join the training pairs of a corpus such as ``snli+mnli``.

    Pairs that share a sentence with the graded corpus are left out of real training text, so that scores stay zero-shot.

    Args:
        corpus: A corpus of :data:`fourier_lab.field_rules.CORPORA`.
        source: ``builtin``, ``folder`` or ``hub``.
        n: Number of pairs, taken evenly over the corpora from the front; all if None.
        entailment_only: Keep label 0 alone (contrastive training), else all three labels.
        left_out: ``graded``: every split of the graded corpus counts; ``scored``: validation and test.
        vocab_size: Number of ids of the toy language.

    Returns:
        The joined pairs, and a JSON-ready account: rows, rows dropped, fingerprints.
    """
    held_out = set()
    if corpus != "toy":
        graded = graded_name(corpus)
        for split in {"graded": SPLITS[graded], "scored": SCORED}[left_out]:
            pairs = load_pairs(graded, split, source)
            held_out |= {normalised(sentence) for sentence in pairs.first + pairs.second}
    names = corpus.split("+")
    parts, account = [], {}
    for i, name in enumerate(names):
        pairs = load_pairs(name, "train", source, vocab_size=vocab_size)
        kept = pairs.label == ENTAILMENT if entailment_only else np.ones(len(pairs), bool)
        both = zip(pairs.first, pairs.second, strict=True)
        seen = np.array([normalised(a) in held_out or normalised(b) in held_out for a, b in both])
        chosen = pairs.select(kept & ~seen)
        if n is not None:
            chosen = chosen.select(np.arange(min(len(chosen), (n + i) // len(names))))
        account[name] = {
            "rows": len(pairs), "used": len(chosen), "dropped_held_out": int((kept & seen).sum()),
            "fingerprint": pairs.fingerprint,
        }  # fmt: skip
        parts.append(chosen)
    first = [s for part in parts for s in part.first]
    second = [s for part in parts for s in part.second]
    label = np.concatenate([part.label for part in parts])
    if not first:
        raise DataError(f"no training pair is left of {corpus!r}. Raise train_pairs or check the labels.")
    fingerprint = hashlib.sha256("".join(p.fingerprint for p in parts).encode()).hexdigest()[:12]
    return SentencePairs(corpus, "train", first, second, label, fingerprint), account


def fine_tuning_pairs(
    corpus: str, source: str, vocab_size: int = TOY_VOCAB_SIZE
) -> tuple[SentencePairs, SentencePairs, dict]:
    """Load the graded training pairs of a corpus, without pairs that are scored later, and set every tenth aside.

    Returns:
        Pairs to train on, pairs to choose settings by, and a JSON-ready account: rows, rows dropped, fingerprint.
    """
    name = graded_name(corpus)
    scored = set()
    for split in SCORED:
        pairs = load_pairs(name, split, source, vocab_size=vocab_size)
        scored |= {frozenset(map(normalised, pair)) for pair in zip(pairs.first, pairs.second, strict=True)}
    pairs = load_pairs(name, "train", source, vocab_size=vocab_size)
    seen = [frozenset(map(normalised, pair)) in scored for pair in zip(pairs.first, pairs.second, strict=True)]
    free = np.flatnonzero(~np.array(seen))
    aside = np.arange(len(free)) % 10 == 0  # the rows are sorted by genre, so a tenth from the end would be one genre
    account = {name: {"rows": len(pairs), "used": int((~aside).sum()), "dropped_scored": sum(seen),
                      "set_aside": int(aside.sum()), "fingerprint": pairs.fingerprint}}  # fmt: skip
    return pairs.select(free[~aside]), pairs.select(free[aside]), account


def graded_name(corpus: str) -> str:
    """Return the name of the graded pairs that a training corpus is scored on."""
    return "toy_sts" if corpus == "toy" else "stsb"


def normalised(sentence: str) -> str:
    """Return the lower-cased letters and digits alone, for comparing sentences across corpora."""
    return _SEPARATORS.sub("", sentence.lower())


def _read_folder(name: str, split: str) -> dict:
    from pyarrow import parquet

    path = data_folder() / name / f"{split}.parquet"
    if not path.is_file():
        present = ", ".join(sorted(p.stem for p in path.parent.glob("*.parquet"))) or "none"
        raise DataError(f"no file {path} (splits there: {present}). Fetch it with: fourier-lab data fetch FOLDER.")
    return _columns(f"{path}", lambda: parquet.ParquetFile(path).read())


def _read_hub(name: str, split: str) -> dict:
    import datasets

    repository, configuration, revision = HUB.get(f"{name}/{split}", HUB[name])
    datasets.disable_progress_bars()
    read = partial(datasets.load_dataset, repository, configuration, revision=revision, split=split)
    return _columns(f"{repository} ({split})", lambda: read().with_format("arrow")[:])


def _columns(what: str, read: Callable[[], Any]) -> dict:
    """Return the columns of an Arrow table by name; any failure to read it becomes one ``DataError``."""
    try:
        table = read()
        return {column: table[column].to_pylist() for column in table.column_names}
    except Exception as error:  # datasets, arrow, the file system and the hub client each raise their own kinds
        cause = error.__cause__ or error
        raise DataError(
            f"cannot read {what}: {type(cause).__name__}: {cause}. For a file, fetch it again with 'fourier-lab data "
            "fetch FOLDER'; for the hub, check the network or use source 'folder'; check that the disk is not full."
        ) from error


def _checked(name: str, split: str, first: list, second: list, labels: list | np.ndarray) -> SentencePairs:
    """Drop rows without a gold label, check the rest, and fingerprint them."""
    where = f"{name}/{split}"
    if wrong := [x for x in labels if isinstance(x, bool) or not isinstance(x, int | float | np.number)]:
        raise DataError(f"{where}: labels must be numbers, got {brief(wrong[0])}. Map label names to 0, 1, 2 first.")
    label = np.asarray(labels)
    gold = np.flatnonzero(label != -1)
    if not len(gold):
        raise DataError(f"{where} holds no labelled pair. Check the file, or use another split.")
    low, high, dtype = (0.0, 5.0, np.float64) if name in GRADED else (0, 2, np.int64)
    fits = (label >= low) & (label <= high) & ((label == np.floor(label)) | (name in GRADED))
    if bad := gold[~fits[gold]].tolist():
        kind = "" if name in GRADED else " in whole numbers"
        raise DataError(
            f"{where}: row {bad[0]} has label {label[bad[0]]}, outside {low}..{high}{kind}. Correct the file."
        )
    for i in gold:
        if not all(isinstance(s, str) and s.strip() for s in (first[i], second[i])):
            pair = brief((first[i], second[i]))
            raise DataError(f"{where}: row {i} has a sentence that is empty or no text: {pair}. Drop the row.")
    first, second, label = [first[i] for i in gold], [second[i] for i in gold], label[gold].astype(dtype)
    content = "\n".join(first) + "\0" + "\n".join(second)
    digest = hashlib.sha256(content.encode())
    digest.update(label.tobytes())
    return SentencePairs(name, split, first, second, label, digest.hexdigest()[:12])
