"""Tables of hundreds of records and more, kept in ``runs/tables`` while each file that they are made of is as it was."""

import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path

from .. import paths
from ..errors import RecordWarning, records_left_out
from ..field_rules import is_of_library
from ..training.record_index import WORTH, Stamps, head, stamps
from ..training.records import FILES, RunRecord

BASELINES = "baselines.json"  # beside the records, see fourier_lab.tables.score_tables.load_baselines


def kept_tables(
    folder: Path, asked: Sequence[object], make: Callable[[Mapping[str, Stamps]], tuple[list[str], Sequence[RunRecord]]]
) -> list[str]:
    """Return texts that were made of the records directly below ``folder``, or make them.

    They are made anew once a file of a record, or the library, is another, and each time if one of the records is left
    out, which must be said again, or names a part of another package.

    Args:
        folder: Of records.
        asked: What else decides the texts, ready for JSON.
        make: Returns the texts, and all records that were read for them; is given the stamps of their files that are known
            by then, by name of the record.
    """
    began, names = time.time_ns(), sorted(os.listdir(folder)) if folder.is_dir() else []
    if len(names) < WORTH:
        return make({})[0]
    stamped = {name: stamps(f"{folder}/{name}", FILES) for name in names}
    found = [*stamped.values(), stamps(str(folder), (BASELINES,))]
    # Python's hashes of numbers are the same each time, those of text are not.
    state = json.dumps([names, hash(tuple(chain.from_iterable(found)))])
    place = json.dumps([str(folder.resolve()), asked])
    path = paths.RUNS / "tables" / f"{hashlib.sha256(place.encode()).hexdigest()[:20]}.json"
    with suppress(OSError, ValueError), open(path, "rb") as stream:  # none yet, or damaged
        first, text = stream.readline(), stream.read().decode()
        if first == head(state + text):
            return list(json.loads(text))
    try:
        with records_left_out() as left_out:
            made, records = make(stamped)
    finally:
        for sentence in left_out:
            warnings.warn(sentence, RecordWarning, stacklevel=2)
    newest = max(at for _, *times, _ in chain.from_iterable(found) for at in times)
    whole = not left_out and all(is_of_library(record.config) for record in records)
    if whole and began - newest > paths.SETTLED_NS:
        text = json.dumps(made)
        with suppress(OSError):  # a full disk, or a home that must not be written to: then they are made each time
            paths.write_atomically(path, head(state + text) + text.encode())
    return made
