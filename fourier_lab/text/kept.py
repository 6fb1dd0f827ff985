"""Token ids in a file: what a run has tokenised, later runs map into memory, wherever they run.

``runs/tokens/<settings>/<contents>.arrow`` is named by a hash of all that decides the ids, the library's own source for text
included, and by one of its bytes. A file whose bytes are not those of its name is made anew, so that none is ever trusted.
"""

import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import paths
from ..errors import RecordError
from ..locks import run_lock

_log = logging.getLogger(__name__)
_DAYS_UNUSED = 30.0  # after which a file goes, once another is written


class Kept(NamedTuple):
    """Arrays of one dimension, integers or float64, by name; and what is to be known about them, JSON-ready."""

    arrays: dict[str, np.ndarray]
    about: dict[str, Any]


def kept(settings: Mapping[str, Any], make: Callable[[], Kept]) -> Kept:
    """Return what ``make`` returns, from the file of these settings if there is a sound one, else made and put there.

    Several processes that ask at once wait for one that makes it. Without a place to write, each makes its own.

    Args:
        settings: JSON-ready; all that decides the result besides the library itself.
        make: Called at most once. What it raises is raised, and nothing is kept.

    Returns:
        Kept: Arrays from a file are mapped and read-only.
    """
    text = json.dumps([dict(settings), _source()], sort_keys=True)
    folder = paths.RUNS / "tokens" / hashlib.sha256(text.encode()).hexdigest()[:16]
    made: Kept | None = None
    try:
        if (found := _read(folder)) is not None:
            return found
        with run_lock(folder, "prepares the text of"):
            if (found := _read(folder)) is not None:
                return found
            made = make()
            _write(folder, made)
            return _read(folder) or made  # mapped, in place of as much memory
    except (OSError, RecordError) as problem:
        _log.warning("token ids are not kept in %s: %s", folder, problem)
    return make() if made is None else made


def _write(folder: Path, made: Kept) -> None:
    import pyarrow as pa

    # One row, whose columns are lists: the arrays have lengths of their own.
    columns = [
        pa.LargeListArray.from_arrays(pa.array([0, len(each)], pa.int64()), pa.array(each))
        for each in made.arrays.values()
    ]
    batch = pa.record_batch(columns, names=list(made.arrays))
    for other in folder.parent.glob("*/*.arrow"):
        if other.parent == folder or time.time() - other.stat().st_mtime > _DAYS_UNUSED * 86400:
            other.unlink(missing_ok=True)
    whole = folder / "whole.arrow"  # until its bytes are known
    schema = batch.schema.with_metadata({"about": json.dumps(made.about)})
    with paths.replacing(whole) as stream, pa.ipc.new_file(stream, schema) as writer:
        writer.write_batch(batch)
    whole.replace(folder / f"{_sha256(whole)}.arrow")


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:  # in pieces: mapped pages count as memory of this process once they are read
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(folder: Path) -> Kept | None:
    import pyarrow as pa

    for path in folder.glob("*.arrow"):
        if _sha256(path) == path.stem:
            break
    else:
        return None
    path.touch()
    with pa.memory_map(str(path)) as mapped:
        reader = pa.ipc.open_file(mapped.read_buffer())
    batch = reader.get_batch(0)
    columns = {name: batch.column(name).values for name in batch.schema.names}
    # Not to_numpy, which imports pandas first.
    arrays = {
        name: np.frombuffer(values.buffers()[1], values.type.to_pandas_dtype(), len(values))
        for name, values in columns.items()
    }
    return Kept(arrays, json.loads(reader.schema.metadata[b"about"]))


@cache
def _source() -> str:
    """Hash what makes ids of text: this wing of the library, and the package that cuts the words."""
    digest = hashlib.sha256(version("tokenizers").encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
