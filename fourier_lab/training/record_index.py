"""What records held when they were last read: settings and metrics of thousands in one file, while theirs are as they were.

``runs/records/<root>.json`` is of the records below one root. With each it keeps size, times and number of its files: once
one of them is another, the record is read anew. So are all once the library, or a byte of the index, is another.
"""

import gc
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from .. import paths
from ..config import RunConfig
from ..field_rules import is_of_library
from ..paths import SETTLED_NS, stamp

WORTH = 100  # so many records take longer to read than the index takes to write
NO_FILE = (0, 0, 0, 0)
Stamps = list[tuple[int, int, int, int]]


def stamps(folder: str, names: Sequence[str]) -> Stamps:
    """Return the stamp of each of some files of a folder, :data:`NO_FILE` for one that is not there."""
    found: Stamps = []
    for name in names:
        try:
            found.append(stamp(f"{folder}/{name}"))
        except OSError:
            found.append(NO_FILE)
    return found


class RecordIndex:
    """Settings and metrics of the records below a root, by a name of each."""

    def __init__(self, root: Path):
        self.path = paths.RUNS / "records" / f"{hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:20]}.json"
        self.began = time.time_ns()
        self.found: dict[str, tuple[Any, ...]] = {}
        self.new: dict[str, tuple[Any, ...]] = {}
        self.entries: dict[str, Any] = {}
        self.parts: list[Any] = []
        with suppress(OSError, ValueError, TypeError):  # none yet, or damaged
            with open(self.path, "rb") as stream:
                first, text = stream.readline(), stream.read().decode()
            if first == head(text):
                with without_collector():
                    self.entries, self.parts = json.loads(text)

    def find(self, name: str, now: Stamps) -> tuple[RunConfig, dict[str, Any]] | None:
        """Return settings and metrics of a record, if the index knows them in the present state of these files."""
        if (entry := self.entries.pop(name, None)) is None:
            return None
        then, digest, changes, keys, values = entry
        if then[: len(now)] != [*map(hash, now)]:
            return None
        values = [self.parts[value[0]] if type(value) is list else value for value in values]
        found = RunConfig.recalled(changes, digest), dict(zip(self.parts[keys], values, strict=True))
        self.found[name] = (then, *found)
        return found

    def add(self, name: str, now: Stamps, config: RunConfig, metrics: dict[str, Any]) -> None:
        """Take in a record that was read in a state of its files; not if these might change and keep their times."""
        newest = max(at for _, *times, _ in now for at in times)
        if self.began - newest > SETTLED_NS and config.pretraining is None and is_of_library(config):
            self.new[name] = [*map(hash, now)], config, metrics

    def write(self) -> None:
        """Write what was found and added, if that is worth it; where nothing can be written all is read anew each time."""
        if len(self.new) < WORTH:
            return
        parts: dict[str, int] = {}  # each once: runs share much of what they tell of themselves

        def part(value: Any) -> int:
            return parts.setdefault(json.dumps(value), len(parts))

        entries = {
            name: (then, config.digest(), config.changes(), part([*metrics]),
                   [[part(value)] if isinstance(value, dict | list) else value for value in metrics.values()])
            for name, (then, config, metrics) in (self.found | self.new).items()
        }  # fmt: skip
        text = f"[{json.dumps(entries)},[{','.join(parts)}]]"
        with suppress(OSError):
            paths.write_atomically(self.path, head(text) + text.encode())


def head(text: str) -> bytes:
    """Return the first line of a file that keeps a text: no other text has it, nor this one once the library is another."""
    return hashlib.sha256(_library() + text.encode()).hexdigest().encode() + b"\n"


@contextmanager
def without_collector() -> Iterator[None]:
    """Look for no garbage among thousands of objects that are all kept, which takes a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if not gc.get_freeze_count():  # nobody else's objects are thawed
                gc.freeze()  # all that is new is taken for old, and not looked through at once
                gc.unfreeze()
            gc.enable()


@cache
def _library() -> bytes:
    """Return what tells one state of the library, and of Python's hashes of numbers, from the next."""
    root = Path(__file__).parent.parent
    found = [f"{folder}/{name}" for folder, _, names in os.walk(root) for name in names if name.endswith(".py")]
    return json.dumps([sys.version, [(path, *stamp(path)[:2]) for path in sorted(found)]]).encode()
