"""Which text a run reads, as fingerprints: a result belongs to its settings and to the text that it was computed from.

The built-in language is part of the library and the hub's revisions are pinned; files of a folder can change at any time.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from .. import paths
from ..config import RunConfig
from ..field_rules import CORPORA
from ..paths import SETTLED_NS, stamp, write_atomically
from .own import own_corpus, tokenizer_file
from .pairs import SCORED, files, graded_name, splits_of, stream_pairs

Fingerprints = Mapping[str, str]
Splits = tuple[tuple[str, str], ...]
Stamps = tuple[tuple[str, int, int, int, int], ...]


def text_at_hand(config: RunConfig) -> dict[str, str] | None:
    """Fingerprint all that ``config`` would read from the folder of FOURIER_LAB_DATA now.

    Returns:
        12 hexadecimal digits for each split, such as ``snli/train``, and of a tokenizer that is given for its
        ``vocabulary`` and for the ``tokens`` that it makes of the scored pairs. None if the text cannot change, or no
        folder is at hand.

    Raises:
        DataError: If a file is missing or malformed.
    """
    folder = os.environ.get("FOURIER_LAB_DATA")
    if config.source != "folder" or not folder or not Path(folder).expanduser().is_dir():
        return None
    if config.objective == "language_model":
        from .language import text_files  # not for reading records

        return dict(_kept(config.corpus, (), _stamps(text_files(config.corpus))))
    found = {} if config.pretraining is None else text_at_hand(config.pretrained()) or {}
    splits = splits_read(config)
    own = [] if config.corpus in CORPORA else [own_corpus(config.corpus).path]
    tokenizer = [tokenizer_file(config.corpus)] if config.tokenizer == "given" else []
    read = [path for split in splits for path in files(*split)] + own + tokenizer
    return found | dict(_kept(config.corpus, splits, _stamps(read), bool(tokenizer)))


def splits_read(config: RunConfig) -> Splits:
    """Return corpus and split of every file of pairs that a run itself reads, its pretraining aside."""
    graded = graded_name(config.corpus)
    if config.objective == "sts" and config.tokenizer == "given":
        return tuple((graded, split) for split in splits_of(graded))
    pairs = [(name, split) for name in config.corpus.split("+") for split in splits_of(name)]
    kept = splits_of(graded) if config.left_out == "graded" else SCORED  # they decide which pairs are left out
    return *pairs, *((graded, split) for split in kept)


def _stamps(files: Iterable[Path]) -> Stamps:
    return tuple(
        (str(path), *stamp(path)) for path in files if path.is_file()
    )  # a missing one is named where it is read


@lru_cache(maxsize=16)
def _kept(corpus: str, splits: Splits, stamps: Stamps, given: bool = True) -> dict[str, str]:
    """Return fingerprints from ``runs/fingerprints``, where those of the files' last state are kept, else compute them.

    They are computed anew by other code, too, and not kept of a file so new that a further change might leave its times.
    """
    from importlib.metadata import version  # a tenth of the time of a short command

    code = sorted((path.name, *stamp(path)[:2]) for path in Path(__file__).parent.glob("*.py"))
    state = _hexadecimal([stamps, code, version("tokenizers")])
    path = paths.RUNS / "fingerprints" / f"{_hexadecimal([corpus, splits, [name for name, *_ in stamps]])}.json"
    with suppress(OSError, ValueError, TypeError, KeyError):  # none yet, or damaged
        kept = json.loads(path.read_text())
        if kept["state"] == state:
            return {str(name): str(value) for name, value in kept["text"].items()}
    began = time.time_ns()
    found = _fingerprints(corpus, splits, given) if splits else _language_fingerprints(corpus)
    newest = max((at for _, _, *times, _ in stamps for at in times), default=0)
    if began - newest > SETTLED_NS:
        with suppress(OSError):  # a full disk, or a home that must not be written to: then they are computed each time
            write_atomically(path, json.dumps({"state": state, "text": found}, indent=1) + "\n")
    return found


def _hexadecimal(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:20]


def _fingerprints(corpus: str, splits: Splits, given: bool) -> dict[str, str]:
    """Read and fingerprint the splits, and the tokenizer if it is ``given``: a trained one follows from them."""
    from .tokenizer import load_tokenizer, tokenize, vocabulary_hash

    pairs = {f"{name}/{split}": stream_pairs(name, split, "folder") for name, split in splits}
    found = {name: split.fingerprint for name, split in pairs.items()}
    if not given:
        return found
    tokenizer = load_tokenizer(RunConfig(corpus=corpus, source="folder"))
    scored = [pairs[f"{graded_name(corpus)}/{split}"] for split in SCORED]
    tokens = tokenize(tokenizer, [s for split in scored for s in chain(split.first, split.second)], max_seq_len=512)
    return found | {
        "vocabulary": vocabulary_hash(tokenizer),
        # Two tokenizers of one vocabulary may still cut, lower or clean a text differently.
        "tokens": hashlib.sha256(np.concatenate(tokens).tobytes()).hexdigest()[:12],
    }


def _language_fingerprints(corpus: str) -> dict[str, str]:
    from .language import text_fingerprints

    return text_fingerprints(corpus)


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
    as_given = {"id_order", "vocab_size", "tokenizer"}.isdisjoint(config.changes())
    if config.corpus != "toy" and as_given and "vocabulary" in account:
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
