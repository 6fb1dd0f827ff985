"""Sentence pairs: SNLI, MNLI, STS-B and corpora of one's own from a folder or the hub, and the built-in toy language."""

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigError, DataError, brief, check_kind
from ..field_rules import CORPORA, SOURCES
from .labels import NAMES, read_labels
from .own import FULL_RANGE, GRADED_END, Table, data_folder, own_corpus
from .pair_stream import BLOCK, PairStream, Side
from .places import PUBLISHED, find
from .tables import Reading, Rows, from_table, read_rows, unreadable
from .toy import toy_language

if TYPE_CHECKING:
    import pyarrow as pa

ENTAILMENT, CONTRADICTION = 0, 2
TOY_SIZES = {"train": 30000, "validation": 2000, "test": 2000}
TOY_VOCAB_SIZE = 30522

# (hub id, configuration, revision). GLUE hides its STS-B test scores (all -1), so that split comes from the MTEB copy.
HUB = {
    "snli": ("stanfordnlp/snli", None, "cdb5c3d5eed6ead6e5a341c8e56e669bb666725b"),
    "mnli": ("nyu-mll/multi_nli", None, "da70db2af9d09693783c3320c4249840212ee221"),
    "stsb": ("nyu-mll/glue", "stsb", "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"),
    "stsb/test": ("mteb/stsbenchmark-sts", None, "b0fddb56ed78048fa8b90373c8a3cfc37b684831"),
    "sick": ("mteb/sickr-sts", None, "20a6d6f312dd54037fe07a32d58e5e168867909d"),
    "sts12": ("mteb/sts12-sts", None, "a0d554a64d88156834ff5ae9920b964011b16384"),
    "sts13": ("mteb/sts13-sts", None, "7e90230a92c190f1bf69ae9002b8cea547a64cca"),
    "sts14": ("mteb/sts14-sts", None, "6031580fec1f6af667f0bd2da0a551cf4f0b2375"),
    "sts15": ("mteb/sts15-sts", None, "ae752c7c21bf194d8b67fd573edf7ae58183cbe3"),
    "sts16": ("mteb/sts16-sts", None, "4d8694f8f0e0100860b497b999b3dbed754a0513"),
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
NLI_COLUMNS = Reading((("premise", "sentence1"), ("hypothesis", "sentence2"), ("label", "gold_label")))
STS_COLUMNS = Reading((("sentence1",), ("sentence2",), ("label", "score")))
STS_PUBLISHED = Reading(
    ((5,), (6,), (4,))
)  # tabs, no header: genre, file, year, number, score, both sentences, sources
_SEPARATORS = re.compile(r"[\W_]+")
_VISIBLE = re.compile(r"[^\W_]|[!-/:-~]")


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

    def select(self, keep: np.ndarray | slice) -> "SentencePairs":
        """Return the pairs at the given indices, slice or boolean mask; the fingerprint stays that of the source.

        Raises:
            ConfigError: If they are none of these, or of another length.
        """
        try:
            index = np.arange(len(self))[keep]
            if index.ndim != 1:
                raise IndexError(f"they have {index.ndim} dimensions")
        except (IndexError, TypeError) as error:
            raise ConfigError(
                f"pairs are chosen by a row of places in 0..{len(self) - 1} or of {len(self)} truth values, got "
                f"{brief(keep)} ({error}). Write select(np.arange(3)) for the first three."
            ) from None
        first, second = [self.first[i] for i in index], [self.second[i] for i in index]
        return SentencePairs(self.name, self.split, first, second, self.label[index], self.fingerprint)


def load_pairs(name: str, split: str, source: str = "builtin", *, vocab_size: int = TOY_VOCAB_SIZE) -> SentencePairs:
    """Load the labelled pairs of one split, in their original order.

    Args:
        name: ``toy`` (NLI) and ``toy_sts`` (graded) with source ``builtin``; ``snli``, ``mnli``, ``stsb`` otherwise, or in a
            folder a corpus that ``NAME.yaml`` describes: ``NAME``, and ``NAME.graded`` for its graded pairs.
        split: ``train``, ``validation`` or ``test``; MNLI has ``validation_matched`` and ``validation_mismatched``.
        source: ``builtin``, ``folder`` (FOURIER_LAB_DATA) or ``hub`` (pinned revisions).
        vocab_size: Number of ids of the toy language, whose words and frequencies follow from it; not read for real text.

    Returns:
        SentencePairs: Rows without a gold label, however that is spelled, are dropped; scores stay floats, mapped onto 0..5
        if a description gives them another range.

    Raises:
        DataError: If the split, folder, file, column or label is missing or malformed, or the hub is out of reach.

    Example:
        >>> pairs = load_pairs("toy", "test")
        >>> len(pairs), sorted(set(pairs.label.tolist()))
        (2000, [0, 1, 2])
    """
    return _in_lists(stream_pairs(name, split, source, vocab_size=vocab_size))


def stream_pairs(name: str, split: str, source: str = "builtin", *, vocab_size: int = TOY_VOCAB_SIZE) -> PairStream:
    """Return what :func:`load_pairs` does, checked alike, while the sentences of Parquet files stay in the files."""
    for given in (name, split, source):
        check_kind(given, str, "load_pairs takes names of corpus, split and source", "Write load_pairs('toy', 'test').")
    check_kind(vocab_size, Integral, "vocab_size must be an integer", f"Try {TOY_VOCAB_SIZE}.")
    if source not in SOURCES:
        raise DataError(
            f"source must be one of {', '.join(SOURCES)}, got {source!r}. FOURIER_LAB_DATA names the folder."
        )
    known = splits_of(name) if name in SPLITS or source == "folder" else ()
    if split not in known:
        every = {**SPLITS, **({name: known} if known else {})}
        listed = "; ".join(f"{key}: {', '.join(value)}" for key, value in every.items())
        raise DataError(f"no corpus {name!r} with split {split!r}. Known: {listed}.")
    if (source == "builtin") != name.startswith("toy") and name in SPLITS:
        raise DataError(
            f"{name!r} does not come from source {source!r}. Toy corpora are 'builtin', others 'folder' or 'hub'."
        )
    if source == "builtin":
        pairs = _toy_pairs(name, split, vocab_size)
        return PairStream(name, split, pairs.first, pairs.second, pairs.label, pairs.fingerprint)
    table = None if name in SPLITS else _described(name)
    if source == "hub":
        parts = [from_table(read_hub(name, split), _columns(name), f"{name}/{split}")]
    else:
        parts = _read_folder(name, split, _columns(name) if table is None else table.reading)
    # Of each file by itself: the names of its labels are its own.
    label = np.concatenate([_gold(part, f"{name}/{split}", table) for part in parts])
    low, high = FULL_RANGE if table is None else table.range
    sides = Side(tuple(part.first for part in parts)), Side(tuple(part.second for part in parts))
    return _checked(name, split, *sides, label, low, high, is_graded(name))


@lru_cache(maxsize=10)  # of two languages, whose words do not depend on the order of their ids
def _toy_pairs(name: str, split: str, vocab_size: int) -> SentencePairs:
    language = toy_language(vocab_size)
    return checked(name, split, *(language.sts if is_graded(name) else language.nli)(split, TOY_SIZES[split]))


def splits_of(name: str) -> tuple[str, ...]:
    """Return the splits of a corpus, the one for training first; those of a described one that it has."""
    return SPLITS[name] if name in SPLITS else tuple(_described(name).splits)


def is_graded(name: str) -> bool:
    """Return whether the pairs of this name have scores, and not NLI labels."""
    return name in GRADED or name.endswith(GRADED_END)


def files(name: str, split: str) -> list[Path]:
    """Return the files of the data folder that hold one split; none if there are none."""
    return find(data_folder(), name, split) if name in SPLITS else list(_described(name).splits[split])


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
    kind = ENTAILMENT if entailment_only else None
    stream, account = training_stream(corpus, source, n, left_out, vocab_size, kind=kind)
    return _in_lists(stream), account


def training_stream(
    corpus: str, source: str, n: int | None, left_out: str, vocab_size: int = TOY_VOCAB_SIZE, *, kind: int | None
) -> tuple[PairStream, dict]:
    """Return what :func:`training_pairs` does, of the label ``kind`` or of all, while sentences of files stay there."""
    held_out = set()
    if corpus != "toy":
        graded = graded_name(corpus)
        for split in {"graded": splits_of(graded), "scored": SCORED}[left_out]:
            scored = load_pairs(graded, split, source)
            held_out |= {normalised(sentence) for sentence in scored.first + scored.second}
    names = corpus.split("+")
    parts, account = [], {}
    for i, name in enumerate(names):
        pairs = stream_pairs(name, "train", source, vocab_size=vocab_size)
        kept = np.ones(len(pairs), bool) if kind is None else pairs.label == kind
        seen = np.zeros(len(pairs), bool)
        for side in (pairs.first, pairs.second) if held_out else ():
            seen |= np.fromiter((normalised(sentence) in held_out for sentence in side), bool, len(pairs))
        chosen = pairs.select(kept & ~seen)
        if n is not None:
            chosen = chosen.select(np.arange(len(chosen)) < (n + i) // len(names))
        account[name] = {
            "rows": len(pairs), "used": len(chosen), "dropped_held_out": int((kept & seen).sum()),
            "fingerprint": pairs.fingerprint,
        }  # fmt: skip
        parts.append(chosen)
    label = np.concatenate([part.label for part in parts])
    if not len(label):
        raise DataError(f"no training pair is left of {corpus!r}: {_why_none(account, kind)}")
    fingerprint = hashlib.sha256("".join(p.fingerprint for p in parts).encode()).hexdigest()[:12]
    first, second = Side(tuple(part.first for part in parts)), Side(tuple(part.second for part in parts))
    return PairStream(corpus, "train", first, second, label, fingerprint), account


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


def _why_none(account: dict, kind: int | None) -> str:
    rows, dropped = (sum(part[key] for part in account.values()) for key in ("rows", "dropped_held_out"))
    if dropped:
        return (
            f"all {dropped:,} that could be used share a sentence with the pairs to be scored, which training must not see. "
            "Use other training text; left_out 'scored' leaves out those of validation and test alone."
        )
    named = f"is a {NAMES[kind]} pair (label {kind})" if kind else f"is an entailment pair (label {ENTAILMENT})"
    return (
        f"none of its {rows:,} labelled pairs {named}, or train_pairs is too small to take one. "
        "See the labels with: fourier-lab data check FOLDER."
    )


def graded_name(corpus: str) -> str:
    """Return the name of the graded pairs that a training corpus is scored on."""
    if corpus in CORPORA:
        return "toy_sts" if corpus == "toy" else "stsb"
    return "stsb" if own_corpus(corpus).graded is None else corpus + GRADED_END


def normalised(sentence: str) -> str:
    """Return the lower-cased letters and digits alone, for comparing sentences across corpora."""
    return _SEPARATORS.sub("", sentence.lower())


def is_empty(sentence: str) -> bool:
    """Return whether a sentence has nothing to read: only spaces, control characters and others of no width.

    Example:
        >>> is_empty(" \\0\\u200b"), is_empty(" .")
        (True, False)
    """
    return not _VISIBLE.search(sentence) and all(unicodedata.category(char)[0] in "CZ" for char in sentence)


def _unreadable(side: list) -> list[int]:
    # A first letter tells enough of nearly every sentence, and costs little.
    return [i for i, s in enumerate(side) if not isinstance(s, str) or (not s[:1].isalnum() and is_empty(s))]


def _columns(name: str) -> Reading:
    return STS_COLUMNS if is_graded(name) else NLI_COLUMNS


def _described(name: str) -> Table:
    """Return the table of a corpus of one's own, or of its graded pairs."""
    corpus = own_corpus(name.removesuffix(GRADED_END))
    table = corpus.graded if name.endswith(GRADED_END) else corpus.pairs
    if table is None:
        raise DataError(f"{corpus.path} has no graded pairs of its own: it is scored on stsb. Load 'stsb'.")
    return table


def _gold(part: Rows, where: str, table: Table | None) -> np.ndarray:
    """Return the labels of one file's pairs, NaN where one is missing; pairs without a label column are all positive."""
    if part.labels is None:
        return np.full(len(part.first), float(ENTAILMENT))
    meanings, least = (None, 0.0) if table is None else (table.meanings, table.range[0])
    return read_labels(part.labels, where, part.class_names, meanings, least)


def _read_folder(name: str, split: str, reading: Reading) -> list[Rows]:
    paths = files(name, split)
    if not paths:
        present = ", ".join(other for other in splits_of(name) if files(name, other)) or "none"
        raise DataError(
            f"no file of {name}/{split} in {data_folder()} (splits there: {present}). Put {name}/{split}.parquet or "
            f"{PUBLISHED[name].format(split.replace('validation', 'dev'))}.* there, as published; 'fourier-lab data --help' "
            "shows the layout. With network, fetch everything with: fourier-lab data fetch FOLDER."
        )
    return [
        read_rows(path, STS_PUBLISHED if path.name.startswith("sts-") and name == "stsb" else reading) for path in paths
    ]


def read_hub(name: str, split: str) -> "pa.Table":
    """Return a split of a corpus of :data:`HUB`.

    Raises:
        DataError: If the hub is out of reach.
    """
    import datasets

    repository, configuration, revision = HUB.get(f"{name}/{split}", HUB[name])
    datasets.disable_progress_bars()
    try:
        rows = datasets.load_dataset(repository, configuration, revision=revision, split=split)
        return rows.with_format("arrow")[:].replace_schema_metadata(rows.features.arrow_schema.metadata)
    except Exception as error:  # datasets, arrow, the file system and the hub client each raise their own kinds
        remedy = "Check the network, or use source 'folder' with files that you have."
        raise unreadable(f"{repository} ({split})", error, remedy) from error


def checked(
    name: str, split: str, first: list, second: list, label: np.ndarray, low: float = 0.0, high: float = 5.0,
    graded: bool | None = None,
) -> SentencePairs:  # fmt: skip
    """Drop rows without a gold label (NaN), check the rest, map scores onto 0..5, and fingerprint the pairs."""
    graded = is_graded(name) if graded is None else graded
    return _in_lists(_checked(name, split, Side((first,)), Side((second,)), label, low, high, graded))


def _in_lists(pairs: PairStream) -> SentencePairs:
    return SentencePairs(
        pairs.name, pairs.split, [*pairs.first], [*pairs.second], pairs.label.copy(), pairs.fingerprint
    )


def _checked(
    name: str, split: str, first: Side, second: Side, label: np.ndarray, low: float, high: float, graded: bool
) -> PairStream:
    where, is_gold = f"{name}/{split}", ~np.isnan(label)
    gold = np.flatnonzero(is_gold)
    if not len(gold):
        hidden = " GLUE and its copies hide the scores of the test split: use sts-test.csv." if name == "stsb" else ""
        raise DataError(f"{where} holds no labelled pair.{hidden} Check the file, or use another split.")
    if not graded:
        low, high = 0, len(NAMES) - 1
    fits = (label >= low) & (label <= high) & ((label == np.floor(label)) | graded)
    if bad := gold[~fits[gold]].tolist():
        kind = "" if graded else " in whole numbers"
        raise DataError(
            f"{where}: row {bad[0]} has label {label[bad[0]]:g}, outside {low}..{high}{kind}. Correct the file."
        )
    label = label[gold]
    if len(gold) < len(is_gold):
        first, second = first.select(is_gold), second.select(is_gold)
    digest, bad = hashlib.sha256(), []
    for side, before in ((first, ""), (second, "\0")):  # block by block, as if all lines were one text
        sentences, start = iter(side), 0
        while block := list(islice(sentences, BLOCK)):
            if unreadable_ones := _unreadable(block):
                bad.append(start + unreadable_ones[0])
                break
            digest.update(("\n" if start else before).encode() + "\n".join(block).encode())
            start += len(block)
    if bad:
        pair = brief(tuple(next(islice(side, min(bad), None)) for side in (first, second)))
        raise DataError(f"{where}: row {gold[min(bad)]} has a sentence that is empty or no text: {pair}. Drop the row.")
    if graded and (low, high) != FULL_RANGE:
        label = (label - low) * (FULL_RANGE[1] / (high - low))
    label = label if graded else label.astype(np.int64)
    digest.update(label.tobytes())
    return PairStream(name, split, first, second, label, digest.hexdigest()[:12])
