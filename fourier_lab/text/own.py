"""A corpus of one's own: ``NAME.yaml`` in the data folder says which columns hold pairs to train on and pairs to score.

It makes ``--source folder --corpus NAME`` work. ``fourier-lab data --help`` shows one with all its entries; paths in it are
relative to it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError, brief
from ..field_rules import CORPORA, OWN_CORPUS
from .labels import NAMES
from .places import parts
from .tables import Reading

TOKENIZERS = ("tokenizer.json", "vocab.txt")  # the first that is there is read
GRADED_END = ".graded"  # ends the name of the graded pairs of a corpus
_LONGEST = 255  # bytes of a name, on nearly every file system
FULL_RANGE = (0.0, 5.0)  # of all scores, as in STS-B
_KEYS = {"name", "licence", "pairs", "graded", "tokenizer"}
_TABLE_KEYS = {"columns", "separator", "quoted", "train", "validation", "test"}


@dataclass(frozen=True)
class Table:
    """Pairs of one kind: the files of each split, how to read them, and what their labels or scores mean.

    Attributes:
        splits: Paths by split, ``train`` first.
        reading: Their columns.
        meanings: 0, 1, 2 for the text of each value of the label column; None if the values are NLI labels themselves.
        range: Lowest and highest score.
    """

    splits: dict[str, tuple[Path, ...]]
    reading: Reading
    meanings: Mapping[str, int] | None = None
    range: tuple[float, float] = FULL_RANGE


@dataclass(frozen=True)
class OwnCorpus:
    """What one description says; ``graded`` is None where STS-B is scored."""

    path: Path
    licence: str
    pairs: Table
    graded: Table | None
    tokenizer: Path | None


def data_folder() -> Path:
    """Return the folder named by FOURIER_LAB_DATA.

    Raises:
        DataError: If the variable is unset or names no folder.
    """
    name = os.environ.get("FOURIER_LAB_DATA")
    if not name:
        raise DataError(
            "source 'folder' needs FOURIER_LAB_DATA=FOLDER, a folder of corpora. Set it; "
            "'fourier-lab data --help' shows its layout."
        )
    folder = Path(os.path.expanduser(name)).resolve()
    if not folder.is_dir():
        raise DataError(f"FOURIER_LAB_DATA names {folder}, which is not a folder. Correct it, or use source 'hub'.")
    return folder


def own_corpora() -> list[str]:
    """Return the names of the described corpora in the data folder."""
    return sorted(path.stem for path in data_folder().glob("*.yaml"))


def own_corpus(name: str) -> OwnCorpus:
    """Read the description of a corpus.

    Raises:
        DataError: If it is missing, no YAML, or says something that it must not.
    """
    import yaml

    path = data_folder() / f"{name}.yaml"
    if not OWN_CORPUS.fullmatch(name) or not path.is_file():
        raise DataError(
            f"no corpus {name!r}: there is no {path}. Known: {', '.join((*CORPORA, *own_corpora()))}. Describe a corpus of "
            "your own there ('fourier-lab data --help' shows one)."
        )
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no YAML ({error}). Correct it.") from error
    _check_keys(path, "", given, _KEYS, {"licence", "pairs", "graded"})
    if given.get("name", name) != name or name in CORPORA:
        raise DataError(f"{path} describes {given.get('name', name)!r}: a description is called NAME.yaml, and no NAME is "
                        f"one of {', '.join(CORPORA)}. Rename it.")  # fmt: skip
    graded = given["graded"]
    return OwnCorpus(
        path=path,
        licence=str(given["licence"]),
        pairs=_table(path, "pairs", given["pairs"], ("train", "validation")),
        graded=None if graded == "stsb" else _table(path, "graded", graded, ("validation", "test")),
        tokenizer=_beside(path, given["tokenizer"]) if "tokenizer" in given else None,
    )


def tokenizer_file(corpus: str) -> Path:
    """Return the ``tokenizer.json`` or ``vocab.txt`` that a corpus of the data folder is read with.

    Raises:
        DataError: If there is none.
    """
    own = None if corpus in CORPORA else own_corpus(corpus).tokenizer
    wanted = [data_folder() / "tokenizer" / name for name in TOKENIZERS] if own is None else [own]
    if (found := next((path for path in wanted if path.is_file()), None)) is None:
        raise DataError(
            f"no vocabulary: there is no {' or '.join(map(str, wanted))}. Put a tokenizer.json of any kind or BERT's "
            "vocab.txt there; with network 'fourier-lab data fetch FOLDER' fetches BERT's."
        )
    return found


def _table(path: Path, key: str, given: Any, needed: tuple[str, ...]) -> Table:
    _check_keys(path, key, given, _TABLE_KEYS | {"labels" if key == "pairs" else "range"}, {"columns", *needed})
    columns = given["columns"]
    _check_keys(path, f"{key}: columns", columns, {"first", "second", "label"}, {"first", "second"})
    kinds = {type(value) for value in columns.values()}
    if kinds not in ({str}, {int}) or (key == "graded" and "label" not in columns):
        label = " and a label" if key == "graded" else ""
        raise DataError(
            f"{path}: {key}: columns must be names, or places from 0, of first and second{label}, got {columns}. Correct it."
        )
    splits = {
        split: tuple(part for name in _listed(given[split]) for part in parts(_beside(path, name)))
        for split in ("train", "validation", "test")
        if split in given
    }
    if empty := [split for split, found in splits.items() if not found]:
        raise DataError(f"{path}: {key}: {empty[0]} names no file, got {given[empty[0]]!r}. Name at least one.")
    reading = Reading(
        tuple((columns[side],) for side in ("first", "second", "label") if side in columns),
        given.get("separator"),
        given.get("quoted"),
    )
    return Table(splits, reading, _meanings(path, given.get("labels")), _range(path, given.get("range", FULL_RANGE)))


def _beside(path: Path, name: Any) -> Path:
    """Return a file that a description names; one from elsewhere must be linked to, which its owner does knowingly."""
    named = Path(str(name))
    if named.is_absolute() or ".." in named.parts:
        raise DataError(f"{path} names {named}, and files of a corpus lie in its folder. Move it there, or link to it.")
    if any(len(part.encode(errors="replace")) > _LONGEST for part in named.parts):
        raise DataError(f"{path} names {brief(str(named))}, longer than names of files are. Correct it.")
    return path.parent / named


def _meanings(path: Path, given: Any) -> dict[str, int] | None:
    if given is None:
        return None
    _check_keys(path, "pairs: labels", given, set(NAMES), {"entailment"})
    values = [(str(value).casefold(), NAMES.index(name)) for name in given for value in _listed(given[name])]
    if len(dict(values)) < len(values):
        raise DataError(f"{path}: pairs: labels gives one value two meanings: {given}. Leave one out.")
    return dict(values)


def _range(path: Path, given: Any) -> tuple[float, float]:
    try:
        low, high = map(float, given)
    except (TypeError, ValueError):
        low = high = 0.0
    if not low < high:
        raise DataError(f"{path}: graded: range must be the lowest and highest score, as in [0, 5], got {given!r}.")
    return low, high


def _check_keys(path: Path, where: str, given: Any, known: set[str], needed: set[str]) -> None:
    prefix = f"{path}: {where}: ".replace(": : ", ": ")
    if not isinstance(given, dict):
        raise DataError(f"{prefix}must have entries ({', '.join(sorted(known))}), got {given!r}. See own corpora in "
                        "fourier-lab data --help.")  # fmt: skip
    if unknown := sorted(set(map(str, given)) - known):
        raise DataError(f"{prefix}unknown entry {', '.join(unknown)}. Known: {', '.join(sorted(known))}.")
    if missing := sorted(needed - set(given)):
        raise DataError(f"{prefix}needs {', '.join(missing)}. Add what is missing.")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
