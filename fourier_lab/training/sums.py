"""What the files of a record were when they were written: ``SHA256SUMS``, as ``sha256sum --check`` reads it too."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

SUMS = "SHA256SUMS"


class Sums(dict[str, str]):
    """SHA-256 of each file by its name."""

    def add(self, name: str, content: bytes) -> bytes:
        """Note a file that is about to be written, and return its content."""
        self[name] = hashlib.sha256(content).hexdigest()
        return content

    def text(self) -> str:
        """Return the content of :data:`SUMS`."""
        return "".join(f"{digest}  {name}\n" for name, digest in self.items())


def check_sums(folder: Path, names: Iterable[str]) -> None:
    """Raise :class:`ValueError` if one of these files is there and is not what was written.

    Nothing is known of the files of older records, nor of those that the record does not list.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    known = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in names:
        if name in known and (folder / name).is_file():
            with open(folder / name, "rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != known[name]:
                    raise ValueError(f"{name} is not what was written, says {SUMS}")
