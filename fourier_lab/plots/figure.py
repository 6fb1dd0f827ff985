"""Make figures in one style and save each with its numbers and provenance, byte-identical when rebuilt."""

import functools
import hashlib
import io
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from .. import paths, provenance
from ..config import RunConfig
from ..errors import ConfigError, DataError

STYLE = Path(__file__).with_name("style.mplstyle")
# Starting from matplotlib's defaults keeps a reader's own matplotlibrc out of the pictures.
style = functools.partial(matplotlib.style.context, STYLE, after_reset=True)

_STAMP = "fourier_lab stamp"
_NAME = re.compile(r"[0-9A-Za-z][\w.-]*")


@style()
def new_figure(
    rows: int = 1, columns: int = 1, *, height: float = 3.6, titles: Sequence[str] = (), **options: Any
) -> tuple[Figure, Any]:
    """Make a figure of the house width and its axes.

    Args:
        rows: Rows of axes.
        columns: Columns of axes.
        height: Height of the whole figure in inches; the width is 7.2.
        titles: Titles of the panels, row by row.
        **options: Passed to ``matplotlib.pyplot.subplots``, such as ``sharey=True``.

    Returns:
        tuple: The figure, and one Axes or an array of them.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(rows, columns, figsize=(mpl.rcParams["figure.figsize"][0], height), **options)
    for ax, title in zip(figure.axes, titles, strict=bool(titles)):
        ax.set_title(title)
    return figure, axes


def save_figure(
    fig: Figure,
    name: str,
    data: Mapping[str, Any],
    config: RunConfig | None = None,
    *,
    title: str,
    alt: str,
) -> Path:
    """Write ``fig`` as PNG and SVG, its plotted numbers as CSV, and a JSON that says where all three come from.

    The title is drawn above the panels and a 6 pt stamp (version, config digest, seed) in the bottom right corner. No
    file holds a date, and saving unchanged content changes nothing: the JSON keeps the commit that first gave these
    bytes.

    Args:
        fig: The figure; closed by whoever made it.
        name: ``"NN_notebook/figure"``, or ``"figure"`` alone where FOURIER_LAB_NOTEBOOK names the notebook. Where that
            names a variant of the notebook, ``NN_notebook-label``, the variant's folder is taken.
        data: Columns of equal length by name (arrays or a pandas DataFrame), the numbers that the picture shows.
        config: The configuration behind the numbers; figures on real text go to a folder of their own.
        title: One line that says what to see.
        alt: Alternative text: the picture in words, for a reader who cannot see it.

    Returns:
        Path: The PNG; its neighbours differ in the ending.

    Raises:
        ConfigError: If the name is not a plain name, or no notebook is known.
        DataError: If ``data`` is empty or its columns differ in length.
    """
    target = _target(name, config)
    csv = _csv(data)
    with style():
        fig.suptitle(title, x=0.01, ha="left")
        _stamp(fig, config)
    files = {"csv": csv, "png": _render(fig, "png", title, alt), "svg": _render(fig, "svg", title, alt)}
    record = {
        "title": title,
        "alt": alt,
        "notebook": target.parent.name,
        "config": config and config.to_dict(),
        "digest": config and config.digest(),
        "seed": config and config.seed,
        "sha256": {ending: hashlib.sha256(content).hexdigest() for ending, content in files.items()},
        "versions": provenance.versions(),
        "commit": provenance.commit(),
    }
    # Everything is rendered before anything is written: a failure leaves the previous set of four whole.
    for ending, content in files.items():
        paths.write_atomically(_with_ending(target, ending), content)
    where = _with_ending(target, "json")
    paths.write_atomically(where, json.dumps(_first_commit(where, record), indent=1, ensure_ascii=False) + "\n")
    return _with_ending(target, "png")


def _with_ending(target: Path, ending: str) -> Path:
    # Not with_suffix: a figure name may hold a dot.
    return target.with_name(f"{target.name}.{ending}")


def _target(name: str, config: RunConfig | None) -> Path:
    """Return the path of a figure without its ending."""
    notebook, _, figure = name.rpartition("/")
    running = os.environ.get("FOURIER_LAB_NOTEBOOK", "")
    if not notebook or running.startswith(f"{notebook}-"):  # one of several variants: each keeps figures of its own
        notebook = running
    if not notebook:
        raise ConfigError(
            f"figure name {name!r} names no notebook. Write '01_frequency_bases/{name}', or set FOURIER_LAB_NOTEBOOK."
        )
    for part in (notebook, figure):
        if not _NAME.fullmatch(part):
            raise ConfigError(
                f"figure name {name!r} must be 'notebook/figure' of letters, digits, '_', '-' and '.', got {part!r}."
            )
    corpus = [] if config is None or config.corpus == "toy" else [config.corpus.replace("+", "_")]
    return paths.FIGURES.joinpath(*corpus, notebook, figure)


def _csv(data: Mapping[str, Any]) -> bytes:
    """Return the columns as CSV text of 9 significant digits, which hide the last-bit noise of other processors."""
    import pandas as pd

    lengths = {key: len(np.atleast_1d(column)) for key, column in data.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise DataError(f"plotted columns must have one length above 0, got {lengths}. Pass what the picture shows.")
    table = pd.DataFrame({key: np.atleast_1d(column) for key, column in data.items()})
    return table.to_csv(index=False, float_format="%.9g", lineterminator="\n").encode()


def _stamp(fig: Figure, config: RunConfig | None) -> None:
    parts = [f"fourier_lab {provenance.version()}"]
    if config is not None:
        parts += [config.digest(), f"seed {config.seed}"]
    for text in [text for text in fig.texts if text.get_gid() == _STAMP]:
        text.remove()
    fig.text(0.995, 0.006, " · ".join(parts), fontsize=6, color="0.35", ha="right", va="bottom", gid=_STAMP)
    if isinstance(engine := fig.get_layout_engine(), ConstrainedLayoutEngine):
        strip = 0.15 / fig.get_figheight()
        engine.set(rect=(0, strip, 1, 1 - strip))


def _render(fig: Figure, ending: str, title: str, alt: str) -> bytes:
    """Return the file's bytes without a date or a program name, so that only content can change them."""
    buffer = io.BytesIO()
    metadata = {"Title": title, "Description": alt, **({"Software": None} if ending == "png" else {"Date": None})}
    with style():
        fig.savefig(buffer, format=ending, metadata=metadata)
    return buffer.getvalue()


def _first_commit(where: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Return ``record`` with the stored commit if nothing but the commit differs from the stored record."""
    try:
        stored = json.loads(where.read_text())
    except (OSError, ValueError):  # absent or damaged: written afresh
        return record
    same = isinstance(stored, dict) and {**stored, "commit": None} == {**record, "commit": None}
    return stored if same else record
