"""The study's figures as they lie on disk: each with its title, its alternative text and where it comes from."""

import json
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import paths
from ..errors import RecordError

_LINKED = re.compile(r"\((?:\.\./)*figures/([^()\s]+)\.png\)")


@dataclass(frozen=True)
class Picture:
    """One saved figure.

    Attributes:
        name: Its path below the figures folder without an ending, such as ``02_train_both/scores``.
        png: The picture; SVG, CSV and JSON lie beside it.
        title: One line that says what to see.
        alt: The picture in words.
        record: All that its JSON says: notebook, configuration, digest, seed, versions, commit.
    """

    name: str
    png: Path
    title: str
    alt: str
    record: dict[str, Any] = field(repr=False)

    @property
    def group(self) -> str:
        """Return the folder that it lies in, one for each notebook and corpus."""
        return self.name.rpartition("/")[0]

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height in pixels, as the head of the PNG states them."""
        with open(self.png, "rb") as stream:
            width, height = struct.unpack(">16x2I", stream.read(24))
        return width, height


def read_pictures(folder: Path | None = None) -> list[Picture]:
    """Return every saved figure below ``folder`` in order of its name.

    If ``folder`` is None, those of :data:`fourier_lab.paths.FIGURES`, and of the project where there is none of that name.

    Raises:
        RecordError: If a JSON is damaged or its picture is missing.
    """
    roots = (paths.PROJECT / "figures", paths.FIGURES) if folder is None else (folder,)
    found = {path.relative_to(root): root for root in roots for path in root.rglob("*.json")}
    return [_read(root, root / path) for path, root in sorted(found.items())]


def main_pictures(pictures: Iterable[Picture], text: str) -> list[Picture]:
    """Return the pictures that a text shows or links to, each once, in the order of the text."""
    by_name = {picture.name: picture for picture in pictures}
    return [by_name[name] for name in dict.fromkeys(_LINKED.findall(text)) if name in by_name]


def short_names(pictures: Iterable[Picture], folder: str, variant: str = "") -> dict[str, Picture]:
    """Return pictures by ``notebook/figure``; where several corpora have one, that of ``folder`` wins.

    Args:
        pictures: From :func:`read_pictures`.
        folder: Of the figures of one corpus, such as ``snli_mnli``; any other word for the toy language.
        variant: ``notebook-label``: figures of this variant go by the names of the notebook's own.
    """
    pictures = list(pictures)
    own = [picture for picture in pictures if picture.name.count("/") == 1 or picture.name.startswith(f"{folder}/")]
    named = {"/".join(picture.name.split("/")[-2:]): picture for picture in [*pictures, *own]}
    notebook = variant.rpartition("-")[0]
    return named | {name.replace(variant, notebook, 1): named[name] for name in named if name.startswith(f"{variant}/")}


def _read(root: Path, path: Path) -> Picture:
    stem = path.name.removesuffix(".json")  # a figure name may hold a dot
    png = path.with_name(f"{stem}.png")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        title, alt = record["title"], record["alt"]
    except (ValueError, KeyError, TypeError) as error:
        raise RecordError(f"{path} does not describe a figure ({error!r}). Run its notebook again.") from error
    if not png.is_file():
        raise RecordError(f"there is no {png}, but {path.name} describes it. Run its notebook again.")
    return Picture(path.with_name(stem).relative_to(root).as_posix(), png, title, alt, record)
