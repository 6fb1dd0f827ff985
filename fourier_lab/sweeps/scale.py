"""How costs grow with pairs, V, d, runs and workers: sizes over two decades, fitted exponents, and what runs out first."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from .. import paths
from ..bench.made_up import write_pairs, write_records
from ..bench.rows import run_child
from ..bench.workload import machine
from ..errors import RecordError
from ..evaluation.metrics import t_quantile

Record = dict[str, Any]
GB = 10**9
MEMORY_BYTES, DISK_BYTES = 8 * GB, 100 * GB  # of a laptop, free for the work
COSTS = {"seconds": "time", "memory_bytes": "memory", "disk_bytes": "disk"}


@dataclass(frozen=True)
class Axis:
    """Something that grows.

    Attributes:
        grows: What it is.
        sizes: Over two decades.
        does: What is done at each size.
        seconds: How long that may take.
        helps: What to do once it takes too much.
        text: Whether made-up text of that many pairs is written first.
        records: Whether made-up records of that many runs are.
    """

    grows: str
    sizes: tuple[int, ...]
    does: str
    seconds: float
    helps: str
    text: bool = False
    records: bool = False


_STEP_S = 8.64  # 10,000 steps in a day
_TOLD = 1 / 200  # of the growth to the largest size: at the tenth of it a square is a hundredth
_GROWS = 1.25  # times the cost of the smallest size, at least
_FIVE = (1, 3, 10, 30, 100)
AXES = {
    "pairs": Axis(
        "training pairs", tuple(30_000 * each for each in _FIVE), "the first run reads, checks, tokenises and keeps them",
        3600, "later runs map the kept ids; Parquet rather than text", text=True,
    ),
    "vocabulary_table": Axis(
        "V, a learned table", tuple(2000 * each for each in _FIVE), "a step of 128 pairs, d = 64", _STEP_S,
        "an embedding without a table",
    ),
    "vocabulary_fourier": Axis(
        "V, Fourier", tuple(2000 * each for each in _FIVE), "a step of 128 pairs, d = 64", _STEP_S, "nothing is needed",
    ),
    "width_table": Axis(
        "d, a learned table", tuple(8 * each for each in _FIVE), "a step of 128 pairs, V = 2,000", _STEP_S,
        "a GPU, bfloat16, torchrun",
    ),
    "width_fourier": Axis(
        "d, Fourier", tuple(8 * each for each in _FIVE), "a step of 128 pairs, V = 2,000", _STEP_S,
        "a GPU, bfloat16, torchrun",
    ),
    "runs": Axis(
        "runs of a sweep", tuple(10 * each for each in _FIVE), "a plan of finished runs, and their table", 60,
        "several sweeps", records=True,
    ),
    "workers": Axis(
        "workers of one machine", _FIVE, "start, each an empty run in a process that has torch", 60,
        "workers on other machines, by Dask",
    ),
}  # fmt: skip


def measure(
    axes: Mapping[str, Axis] = AXES,
    report: Callable[[str], None] | None = None,
    child: Callable[[str], str] = run_child,
) -> Record:
    """Measure every size of some axes, each in a process of its own.

    Args:
        axes: What grows.
        report: Called with a line before each size.
        child: Runs Python code and returns what it prints.

    Returns:
        Record: JSON-ready: ``machine``, and by name of the axis its rows with ``size``, ``seconds`` (of the processor; by
        the clock for workers), ``memory_bytes`` (the peak above that of the process before) and ``disk_bytes``.
    """
    say = report or (lambda line: None)
    found: dict[str, list[Record]] = {}
    for name, axis in axes.items():
        for size in axis.sizes:
            say(f"{axis.grows}: {size:,}")
            with TemporaryDirectory(prefix="fourier_lab_scale_") as folder:
                if axis.text:
                    write_pairs(Path(folder), size)
                if axis.records:
                    write_records(Path(folder, "runs"), size)
                code = f"from fourier_lab.sweeps.scale_cases import case; case({name!r}, {size}, {folder!r})"
                row = json.loads(child(code).splitlines()[-1])
            found.setdefault(name, []).append({"size": size, **row})
    return {"machine": machine(), "axes": found}


def fitted(sizes: Sequence[float], costs: Sequence[float]) -> tuple[float, float, float]:
    """Return the exponent of a power law by least squares of logarithms, and its 95 % t interval.

    Example:
        >>> fitted([1, 10, 100], [2, 20, 200])[0]
        1.0
    """
    x, y = np.log(sizes), np.log(costs)
    centred = x - x.mean()
    exponent = float(centred @ y / (centred @ centred))
    left = y - y.mean() - exponent * centred
    half = t_quantile(len(x) - 2) * math.sqrt(float(left @ left) / (len(x) - 2) / float(centred @ centred))
    return round(exponent, 12), exponent - half, exponent + half


def growth(rows: Sequence[Mapping[str, float]], cost: str) -> tuple[float, float, float] | None:
    """Return the exponent, with its interval, at which a cost above that of the smallest size grows with what is added.

    What a process costs before it has anything to do is no growth, nor is what is too little beside the largest size to be
    told from noise. None where growth is not told from none: the largest size costs less than a quarter more than the
    smallest, fewer than three sizes cost more, or the interval holds 0.
    """
    first, *others = rows
    least = first[cost] + _TOLD * max(0.0, rows[-1][cost] - first[cost])
    more = [(row["size"] - first["size"], row[cost] - first[cost]) for row in others if row[cost] > least]
    if len(more) < 3 or rows[-1][cost] < _GROWS * first[cost]:
        return None
    found = fitted(*zip(*more, strict=True))
    return found if found[1] > 0 else None


def reach(rows: Sequence[Mapping[str, float]], cost: str, limit: float) -> float:
    """Return the size at which a cost meets its limit if it goes on from the largest size as it has grown."""
    if (found := growth(rows, cost)) is None:
        return math.inf
    first, last = rows[0], rows[-1]
    share = (limit - first[cost]) / (last[cost] - first[cost])
    return first["size"] + (last["size"] - first["size"]) * max(share, 0.0) ** (1 / found[0])


def first_bottleneck(axis: Axis, rows: Sequence[Mapping[str, float]]) -> tuple[str, float]:
    """Return which of time, memory and disk runs out first, and the size at which it does."""
    limits = {"seconds": axis.seconds, "memory_bytes": MEMORY_BYTES, "disk_bytes": DISK_BYTES}
    at = {words: reach(rows, cost, limits[cost]) for cost, words in COSTS.items()}
    name = min(at, key=at.__getitem__)
    return name, at[name]


def table(record: Record) -> str:
    """Return a measurement as a Markdown table: a row for what grows, a column for each cost at its largest size."""
    lines = [
        "| what grows | what is done | at | time | memory | disk | runs out first | what helps |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, rows in record["axes"].items():
        axis, sizes = AXES[name], [row["size"] for row in rows]
        costs = [_told(cost, rows) for cost in COSTS]
        what, at = first_bottleneck(axis, rows)
        end = f"{what}, at about {_rounded(at)}" if math.isfinite(at) else "nothing"
        lines.append(f"| {axis.grows} | {axis.does} | {sizes[-1]:,} | {' | '.join(costs)} | {end} | {axis.helps} |")
    return "\n".join(lines)


def _told(cost: str, rows: Sequence[Mapping[str, float]]) -> str:
    last = rows[-1][cost]
    if last <= 0:
        return "none"
    of_bytes = f"{last / 1e6:,.3g} MB" if last < GB else f"{last / GB:.2g} GB"
    value = f"{last:.2g} s" if cost == "seconds" else of_bytes
    if (found := growth(rows, cost)) is None:
        return f"{value}, no growth told"
    exponent, low, high = found
    return f"{value}, ^{exponent:.2f} ({low:.2f} to {high:.2f})"


def _rounded(size: float) -> str:
    return f"{float(f'{size:.1g}'):,.0f}"


def read_record(path: Path) -> Record:
    """Return a measurement that was written.

    Raises:
        RecordError: If there is none, or it is damaged.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        table(record)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(
            f"{path} is no measurement of scale ({error}). Measure again: fourier-lab bench scale."
        ) from error
    return record


def write_record(record: Record, path: Path) -> None:
    """Write a measurement as JSON, a size in a line."""
    axes = ",\n".join(
        f'  "{name}": [\n   ' + ",\n   ".join(map(json.dumps, rows)) + "\n  ]" for name, rows in record["axes"].items()
    )
    head = json.dumps({"machine": record["machine"]}, indent=1).removesuffix("\n}")
    paths.write_atomically(path, f'{head},\n "axes": {{\n{axes}\n }}\n}}\n')
