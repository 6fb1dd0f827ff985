"""Attention and length: from which on it is dear, and the names of runs with other attentions than the full one."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import paths, plots
from ..columns import Columns, from_rows, stack
from ..config import RunConfig
from ..errors import RecordError
from ..evaluation.metrics import plus_minus
from ..plots.lengths import draw_lengths
from ..tables.summaries import mean_columns
from ..training.records import RunRecord
from .language import bits

if TYPE_CHECKING:
    import pandas as pd

Record = Mapping[str, Any]


def read_measurements(name: str) -> Record:
    """Return the committed measurements of ``fourier-lab bench NAME``.

    Raises:
        RecordError: If there are none.
    """
    path = paths.RECORDS / "bench" / f"{name}.json"
    if not path.is_file():
        raise RecordError(f"no measurements in {path}. Run: fourier-lab bench {name} --out {path}")
    return json.loads(path.read_text())


def seconds_figure(
    record: Record, sizes: str, name: str, *, label: str, length_label: str, title: str, alt: str
) -> Path:
    """Draw the milliseconds of each side of a benchmark against what grows, a line for each, and return the PNG.

    Args:
        record: As :func:`read_measurements` returns it; the detail of its one row has ``seconds`` by side.
        sizes: Where the detail has what grows.
        name: ``notebook/figure``.
        label: What is measured, with its unit.
        length_label: What grows.
        title, alt: As in :func:`fourier_lab.plots.figure.save_figure`.
    """
    detail = record["rows"][0]["detail"]
    rows = [
        (side, n, 1e3 * s)
        for side, times in detail["seconds"].items()
        for n, s in zip(detail[sizes], times, strict=True)
    ]
    columns = from_rows(("series", "length", "value"), rows)
    figure, ax = plots.new_figure()
    draw_lengths(columns, label=label, length_label=length_label, ax=ax)
    return plots.save_figure(figure, name, columns, title=title, alt=alt)


def read_lengths() -> Record:
    """Return the committed measurements of attention, as :func:`read_measurements`."""
    return read_measurements("attention")


def tipping_rows(record: Record) -> dict[int, Record]:
    """Return what was measured of times, by width."""
    rows = {row["name"]: row for row in record["rows"]}
    return {int(name.rpartition("_")[2]): row for name, row in rows.items() if "seconds" in row["detail"]}


def time_columns(row: Record) -> Columns:
    """Return the milliseconds of each attention and of the rest of a block at each length: ``series, length, value``."""
    detail = row["detail"]
    rows = [
        (name, n, 1e3 * s)
        for name, all_s in detail["seconds"].items()
        for n, s in zip(detail["lengths"], all_s, strict=True)
    ]
    return from_rows(("series", "length", "value"), rows)


def time_figure(record: Record, name: str, *, title: str, alt: str) -> Path:
    """Draw times against length, a panel for each width, with the length of equal operations, and return the PNG."""
    panels = {f"d = {d}": time_columns(row) for d, row in tipping_rows(record).items()}
    figure, axes = plots.new_figure(1, len(panels), height=3.6, sharey=True, titles=list(panels), squeeze=False)
    for ax, (panel, columns) in zip(axes[0], panels.items(), strict=True):
        draw_lengths(columns, label="ms for 4,096 tokens", ax=ax, crossings=[("n = 6 d", 6 * int(panel.split()[-1]))])
        ax.get_legend().remove()
    plots.share_legend(figure)
    return plots.save_figure(figure, name, stack(panels, "width"), title=title, alt=alt)


def tipping_points(record: Record) -> "pd.DataFrame":
    """Return, by width, the length from which on full attention is dearer: than the rest, than local, than linear."""
    import pandas as pd

    table = {}
    for d, row in tipping_rows(record).items():
        found, last = row["detail"]["full_dearer_from"], row["detail"]["lengths"][-1]
        told = {other: f"above {last:,}" if n is None else f"{n:,.0f}" for other, n in found.items()}
        table[d] = {"predicted, 6 d": f"{6 * d:,}", "than the rest": told["rest"], "than local": told["local"],
                    "than linear": told["linear"]}  # fmt: skip
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("d")


def attention_name(config: RunConfig) -> str:
    """Return a run's attention, such as ``local (window 4)``."""
    return (
        f"local (window {dict(config.attention_options).get('window', 16)})"
        if config.attention == "local"
        else config.attention
    )


def told(record: Record) -> list[str]:
    """Return a line for each width: where full attention was measured to cost as much as the rest, beside 6 d."""
    lines = []
    for d, row in tipping_rows(record).items():
        found = row["detail"]["full_dearer_from"]["rest"]
        where = f"above {row['detail']['lengths'][-1]:,}" if found is None else f"{found:,.0f}"
        lines.append(f"d = {d}: full attention costs as much as the rest at {where} tokens; 6 d is {6 * d:,}")
    return lines


def headline(record: Record) -> str:
    """Return the title of the figure of times: the lengths from which on full attention is dearer than the rest."""
    found = {d: row["detail"]["full_dearer_from"]["rest"] for d, row in tipping_rows(record).items()}
    reached = {d: n for d, n in found.items() if n is not None}
    if not reached:
        return "At no measured length does full attention cost as much as the rest of a block"
    lengths = ", ".join(f"{n:,.0f}" for n in reached.values())
    return f"Attention costs as much as all else at {lengths} tokens (d = {', '.join(map(str, reached))})"


def share_at(record: Record, d: int, length: int) -> float:
    """Return the share of a block's time that full attention takes at one measured length, in percent."""
    detail = tipping_rows(record)[d]["detail"]
    i = detail["lengths"].index(length)
    full, rest = detail["seconds"]["full"][i], detail["seconds"]["rest"][i]
    return float(np.round(100 * full / (full + rest), 1))


def told_bits(records: Sequence[RunRecord]) -> list[str]:
    """Return a line for each attention of language models: bits per byte on test, with the interval over seeds."""
    columns = mean_columns(records, bits("test"), attention_name)
    rows = zip(columns["group"], columns["value"], columns["high"], strict=True)
    return [f"{name}: {plus_minus(mean, high, '.3f')}" for name, mean, high in rows]
