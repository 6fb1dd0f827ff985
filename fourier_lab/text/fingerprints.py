"""Which text a run reads, as fingerprints: a result belongs to its settings and to the text that it was computed from.

The built-in language is part of the library and the hub's revisions are pinned; files of a folder can change at any time.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..config import RunConfig
from ..field_rules import CORPORA
from .own import own_corpus, tokenizer_file
from .pairs import SCORED, files, graded_name, load_pairs, splits_of
from .places import content

Fingerprints = Mapping[str, str]


def text_at_hand(config: RunConfig) -> dict[str, str] | None:
    """Fingerprint all that ``config`` would read from the folder of FOURIER_LAB_DATA now.

    Returns:
        12 hexadecimal digits for each split, such as ``snli/train``, for the tokenizer's ``vocabulary``, and for the
        ``tokens`` that it makes of the scored pairs. None if the text cannot change, or no folder is at hand.

    Raises:
        DataError: If a file is missing or malformed.
    """
    folder = os.environ.get("FOURIER_LAB_DATA")
    if config.source != "folder" or not folder or not Path(folder).expanduser().is_dir():
        return None
    if config.objective == "language_model":
        from .language import text_fingerprints  # not for reading records

        return text_fingerprints(config.corpus)
    found = {} if config.pretraining is None else text_at_hand(config.pretrained()) or {}
    splits = splits_read(config)
    own = [] if config.corpus in CORPORA else [own_corpus(config.corpus).path]
    read = [path for split in splits for path in files(*split)] + own + [tokenizer_file(config.corpus)]
    contents = tuple(content(path) for path in read if path.is_file())  # what is missing is named where it is read
    return found | dict(_fingerprints(config.corpus, splits, contents))


def splits_read(config: RunConfig) -> tuple[tuple[str, str], ...]:
    """Return corpus and split of every file of pairs that a run itself reads, its pretraining aside."""
    graded = graded_name(config.corpus)
    if config.objective == "sts":
        return tuple((graded, split) for split in splits_of(graded))
    pairs = [(name, split) for name in config.corpus.split("+") for split in splits_of(name)]
    kept = splits_of(graded) if config.left_out == "graded" else SCORED  # they decide which pairs are left out
    return *pairs, *((graded, split) for split in kept)


@lru_cache(maxsize=16)
def _fingerprints(
    corpus: str, splits: tuple[tuple[str, str], ...], contents: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Fingerprint the splits and the tokenizer; ``contents`` only tell one state of the folder from another."""
    from .tokenizer import load_tokenizer, tokenize, vocabulary_hash  # not for reading records

    pairs = {f"{name}/{split}": load_pairs(name, split, "folder") for name, split in splits}
    tokenizer = load_tokenizer(RunConfig(corpus=corpus, source="folder"))
    scored = [pairs[f"{graded_name(corpus)}/{split}"] for split in SCORED]
    tokens = tokenize(tokenizer, [s for split in scored for s in split.first + split.second], max_seq_len=512)
    return (
        *((name, split.fingerprint) for name, split in pairs.items()),
        ("vocabulary", vocabulary_hash(tokenizer)),
        # Two tokenizers of one vocabulary may still cut, lower or clean a text differently.
        ("tokens", hashlib.sha256(np.concatenate(tokens).tobytes()).hexdigest()[:12]),
    )


def recorded_text(config: RunConfig, account: Mapping[str, Any]) -> dict[str, str]:
    """Return the fingerprints of :func:`text_at_hand` that a record's account of its data holds.

    Older accounts hold training and scored pairs alone, and the vocabulary as the run had it, which is the tokenizer's own
    only where its ids were neither reordered nor cut.
    """
    if "text" in account:
        return dict(account["text"])
    graded = graded_name(config.corpus)
    found = {f"{name}/train": part["fingerprint"] for name, part in account.get("train", {}).items()}
    found |= {f"{graded}/{split}": part["fingerprint"] for split, part in account.get("graded", {}).items()}
    if config.corpus != "toy" and {"id_order", "vocab_size"}.isdisjoint(config.changes()) and "vocabulary" in account:
        found["vocabulary"] = account["vocabulary"]
    return found


def same_text(first: Fingerprints, second: Fingerprints) -> bool:
    """Say whether two sets of fingerprints agree in all that both hold."""
    return all(first[name] == second[name] for name in first.keys() & second.keys())


def text_name(text: Fingerprints) -> str:
    """Return 8 hexadecimal digits that name a text."""
    return hashlib.sha256(json.dumps(dict(text), sort_keys=True).encode()).hexdigest()[:8]


def differing(first: Fingerprints, second: Fingerprints) -> str:
    """Say which fingerprints two texts do not share, such as ``stsb/test ce4c70e80e3f or 0f052197aac3``."""
    names = sorted(name for name in first.keys() & second.keys() if first[name] != second[name])
    return ", ".join(f"{name} {first[name]} or {second[name]}" for name in names)
