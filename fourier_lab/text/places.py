"""Where the published corpora lie in a folder: the names that their publishers, GLUE, the hub and Spark give to files."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from ..errors import DataError
from ..paths import stamp
from .tables import SUFFIXES

# Names of the folder of each corpus, in small letters, and of its files in the archive of its publisher.
FOLDERS = {
    "snli": ("snli", "snli_1.0"),
    "mnli": ("mnli", "multi_nli", "multinli", "multinli_1.0"),
    "stsb": ("stsb", "sts-b", "stsbenchmark", "stsbenchmark-sts"),
    "sick": ("sick", "sick-r", "sickr-sts"),
    **{f"sts{year}": (f"sts{year}", f"sts{year}-sts") for year in range(12, 17)},
    "books": ("books",),
    "wikitext2": ("wikitext2", "wikitext-2"),
}
PUBLISHED = {"snli": "snli_1.0_{}", "mnli": "multinli_1.0_{}", "stsb": "sts-{}", "sick": "SICK_{}_annotated"}
_OWN_SUFFIXES = tuple(suffix for suffix in SUFFIXES if ".txt" not in suffix)  # where the name alone says little
_DEPTH = 3  # folders below the data folder that are looked into
_HIDDEN = (".", "_")


def find(folder: Path, name: str, split: str) -> list[Path]:
    """Return the files of one split of a published corpus, in their order; none if there are none.

    Folders nearer to the top come first; of several formats in one folder that of :data:`SUFFIXES`.

    Raises:
        DataError: If files of a split in several are missing.
    """
    if (usual := folder / name / f"{split}.parquet").is_file():
        return [usual]
    splits = (split, split.replace("validation", "dev"))
    published = [PUBLISHED[name].format(each) for each in splits if name in PUBLISHED]
    for place, present, named in _places(folder, FOLDERS[name]):
        for stem in published + (list(splits) if named else []):
            if found := _in_one_place(place, present, stem, SUFFIXES if stem in published else _OWN_SUFFIXES):
                return found
    return []


def parts(path: Path) -> list[Path]:
    """Return a file itself, or the files of a folder that Spark wrote, without its hidden ones.

    Raises:
        DataError: If the path is neither, or the folder was not written to its end.
    """
    if path.is_file():
        return [path]
    suffixes = (*SUFFIXES, ".json", ".json.gz")
    found = sorted(p for p in path.glob("part-*") if p.name.endswith(suffixes)) if path.is_dir() else []
    if not found:
        raise DataError(f"no file {path}, nor a folder of part-* files there. Correct the path.")
    if (path / "_temporary").exists():
        raise DataError(f"{path} was not written to its end (it has a _temporary). Write it again.")
    return found


def _in_one_place(place: Path, present: list[str], stem: str, suffixes: tuple[str, ...]) -> list[Path]:
    for suffix in suffixes:
        if f"{stem}{suffix}" in present:
            return parts(place / f"{stem}{suffix}")
        shard = re.compile(rf"{re.escape(stem)}-\d+-of-(\d+){re.escape(suffix)}")
        if shards := [match for match in map(shard.fullmatch, present) if match]:
            if len(shards) != int(shards[0][1]):
                raise DataError(
                    f"{place} has {len(shards)} of the {int(shards[0][1])} files {stem}-*{suffix}. Fetch the others."
                )
            return [place / match[0] for match in shards]
    whole = place / stem
    return parts(whole) if stem in present and any(whole.glob("part-*")) else []


def _places(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[Path, list[str], bool]]:
    """Yield folders, those nearer to the top first, what is in them, and whether they lie in one named after the corpus."""
    level = [(folder, False)]
    for _ in range(_DEPTH + 1):
        below = []
        for place, named in level:
            with suppress(PermissionError):  # someone else's: a data folder may be a whole home
                present = sorted(name for name in os.listdir(place) if not name.startswith(_HIDDEN))
                yield place, present, named
                inner = [place / name for name in present if (place / name).is_dir()]
                below += [(path, named or path.name.casefold() in names) for path in inner]
        level = below


def content(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, which are read once for each state of the file."""
    return _content(path, *stamp(path))


@lru_cache(maxsize=4096)
def _content(path: Path, *_stamps: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
