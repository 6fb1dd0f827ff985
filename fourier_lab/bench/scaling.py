"""What a training step of either arm costs, in time and memory, by vocabulary, width and depth, and why.

Times are ratios, learned over fourier: above 1 the Fourier arm is faster. Both arms, and every variant of them, take their
steps in turn in one process and on one thread, so that a busy moment falls on all. The clock counts the processor's seconds
of this process alone, which on one thread are those of an otherwise idle machine up to shared caches and memory. Each pair
of steps gives one ratio; reported are their median and its order-statistic interval. Text is synthetic: Zipf-distributed ids
in sentences of SNLI's lengths (mean 13.3 tokens), since a step's cost depends on counts of ids and tokens, not on what they
say.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .. import paths
from ..columns import Columns, from_rows, where
from ..config import ARMS
from ..errors import ConfigError, RecordError
from ..tables.paper import TABLE_1

if TYPE_CHECKING:
    from .step_costs import Plan

Record = dict[str, Any]
PUBLISHED_STEPS = 122_700
_measured: dict[str, Record] = {}  # by this process


def measure_scaling(
    size: str = "smoke", plan: "Plan | None" = None, report: Callable[[str], None] | None = None
) -> Record:
    """Measure a plan; nothing is written.

    Args:
        size: A key of :data:`PLANS`: ``smoke`` takes seconds, ``full`` minutes and up to 9 GB of memory. A process measures
            each once, and returns the same record after that.
        plan: Used in place of the named plan, and measured every time.
        report: Called with one line before each part.

    Returns:
        Record: JSON-ready. ``steps`` has a row per pair of arms with their ``seconds``, ``memory`` a row per arm and shape;
        ``plan`` and ``machine`` say what was measured and on what.

    Raises:
        ConfigError: If ``size`` is unknown.
    """
    from ..device import threads  # torch, which reading a measurement can do without
    from .step_costs import PLANS, measure_memory, measure_steps
    from .workload import machine

    if plan is None:
        if size not in PLANS:
            raise ConfigError(f"no size {size!r} to measure. Choose one of {', '.join(PLANS)}.")
        if size not in _measured:
            _measured[size] = measure_scaling(size, PLANS[size], report)
        return _measured[size]
    say = report or (lambda line: None)
    with threads(1):
        steps = measure_steps(plan, say)
        say("peak memory, each case in a process of its own")
        return {
            "size": size,
            "plan": json.loads(json.dumps(asdict(plan))),
            "machine": machine(),
            "steps": steps,
            "memory": [measure_memory(arm, shape, plan) for shape in plan.memory for arm in ARMS],
        }


def write_record(record: Record) -> Path:
    """Write a measurement to ``results/faster/SIZE.json``."""
    path = _record_path(record["size"])
    # One row a line: a few KB that a reader can compare.
    body = {key: value for key, value in record.items() if key not in ("steps", "memory")}
    rows = (f' "{key}": [\n  ' + ",\n  ".join(map(json.dumps, record[key])) + "\n ]" for key in ("steps", "memory"))
    paths.write_atomically(path, json.dumps(body, indent=1).removesuffix("\n}") + ",\n" + ",\n".join(rows) + "\n}\n")
    return path


def read_record(size: str = "full", otherwise: Record | None = None) -> Record:
    """Return the measurement kept in ``results/faster/SIZE.json``, or ``otherwise`` if there is none.

    Raises:
        RecordError: If there is neither, or the file is damaged.
    """
    path = _record_path(size)
    for kept in (path, paths.RECORDS / "faster" / path.name):  # one's own, then what the project ships
        if kept.is_file():
            try:
                return json.loads(kept.read_text(encoding="utf-8"))
            except ValueError as error:
                raise RecordError(f"{kept} is damaged ({error}). Delete it, or restore it.") from error
    if otherwise is None:
        raise RecordError(f"{path} does not exist. Measure it: measure_scaling({size!r}), then write_record.")
    return otherwise


def _record_path(size: str) -> Path:
    return paths.RESULTS / "faster" / f"{size}.json"


def median_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Return the median and its interval of at least 95 % by order statistics; bounds are nan below 6 values.

    The interval assumes independent values and no distribution: the k-th smallest and k-th largest enclose the median unless
    fewer than k of n fall on one side of it.

    Example:
        >>> median_interval([5, 1, 2, 9, 4, 3])
        (3.5, 1.0, 9.0)
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    n, k, fewer = len(ordered), 0, 0.0
    while (fewer := fewer + math.comb(n, k) / 2**n) <= 0.025:  # the largest k with P(fewer than k) <= 0.025
        k += 1
    low, high = (ordered[k - 1], ordered[-k]) if k else (np.nan, np.nan)
    return float(np.median(ordered)), float(low), float(high)


def ratio_of(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return median, low and high of learned over fourier seconds of a row, round by round."""
    return median_interval(np.divide(row["seconds"]["learned"], row["seconds"]["fourier"]))


def ratio_columns(record: Record) -> Columns:
    """Return ratios of step times: ``series`` (width and layers), ``vocab_size``, ``value``, ``low``, ``high``."""
    rows = _rows(record, "shapes")
    names = [f"d = {r['d_model']}" + (f", {r['n_layers']} layers" if r["n_layers"] > 1 else "") for r in rows]
    return from_rows(("series", "vocab_size", "value", "low", "high"),
                    [(name, row["vocab_size"], *ratio_of(row)) for name, row in zip(names, rows, strict=True)])  # fmt: skip


def seconds_columns(record: Record, d_model: int) -> Columns:
    """Return seconds per step of one-layer arms: ``series`` (arm), ``vocab_size``, ``value``, ``low``, ``high``."""
    rows = [row for row in _rows(record, "shapes") if (row["d_model"], row["n_layers"]) == (d_model, 1)]
    return from_rows(("series", "vocab_size", "value", "low", "high"),
                    [(arm, r["vocab_size"], *median_interval(r["seconds"][arm])) for arm in ARMS for r in rows])  # fmt: skip


def cause_columns(record: Record, *parts: str) -> Columns:
    """Return ratios of step times: ``name``, ``value``, ``low``, ``high``, ``rounds``, ``fourier_s``, ``learned_s``."""
    rows = _rows(record, *parts)
    cells = []
    for row in rows:
        pairs = f" ({row['batch_size']} pairs)" if row["part"] == "check" else ""
        seconds = [float(np.median(row["seconds"][arm])) for arm in ARMS]
        cells.append((row["name"] + pairs, *ratio_of(row), len(row["seconds"]["fourier"]), *seconds))
    return from_rows(("name", "value", "low", "high", "rounds", "fourier_s", "learned_s"), cells)


def total_columns(record: Record, steps: int = PUBLISHED_STEPS) -> Columns:
    """Return training times computed as steps times the median step: a row per shape, hours and their ratio with interval.

    ``paper`` is the ratio of Table 1's training times where it has the shape, else nan.
    """
    cells = []
    for row in _rows(record, "shapes"):
        hours = [steps * float(np.median(row["seconds"][arm])) / 3600 for arm in ARMS]
        paper = paper_ratio(row["d_model"], row["n_layers"]) if row["vocab_size"] == 30_522 else np.nan
        cells.append((row["vocab_size"], row["d_model"], row["n_layers"], *hours, *ratio_of(row), paper))
    return from_rows(
        ("vocab_size", "d_model", "n_layers", "fourier_h", "learned_h", "ratio", "low", "high", "paper"), cells
    )


def memory_columns(record: Record, d_model: int | None = None) -> Columns:
    """Return memory by vocabulary in MB (10^6 bytes): ``series`` (arm), ``vocab_size``, ``d_model``, ``value``, ``formula``.

    ``value`` is the peak of a training step above that of the process before the encoder was built, ``formula`` the size of
    weights, gradients and Adam's two moments in float32; ``parameters`` are counted.
    """
    cells = [
        (row["arm"], row["vocab_size"], row["d_model"], (row["peak_bytes"] - row["before_bytes"]) / 1e6,
         row["states_bytes"] / 1e6, row["parameters"])
        for arm in ARMS for row in record["memory"] if row["arm"] == arm and d_model in (None, row["d_model"])
    ]  # fmt: skip
    return from_rows(("series", "vocab_size", "d_model", "value", "formula", "parameters"), cells)


def finding(record: Record) -> str:
    """Return the claim, the measured answers with intervals, and what they do not show, in sentences."""
    v, d, layers = record["plan"]["causes"]
    alike, whole = _rows(record, "one change")[0], _rows(record, "check")[0]
    published = {row["name"]: row for row in _rows(record, "published")}
    recipe, alive = published["as published"], published["without dead feed-forward"]
    plain = [row for row in _rows(record, "shapes") if (row["d_model"], row["n_layers"]) == (d, layers)]
    faster = [row["vocab_size"] for row in plain if ratio_of(row)[1] > 1]
    largest = memory_columns(record, d)
    largest = where(largest, "vocab_size", largest["vocab_size"].max())
    above = f"at {faster[0]:,} ids and above" if faster else "at no measured size"
    paper = paper_ratio(d, layers)
    return (
        f"the claim is that a Fourier embedding trains faster; Table 1 has {paper:.2f} for learned over "
        f"fourier time. At V = {v:,}, d = {d}, {layers} layer, arms that are alike but for the embedding have "
        f"{_interval(ratio_of(alike))}.\n"
        f"- The published recipe has {_interval(ratio_of(recipe))} ({recipe['batch_size']} pairs, V reduced alike; "
        f"{_interval(ratio_of(whole))} with {whole['batch_size']}); with a feed-forward that is trained in both arms it has "
        f"{_interval(ratio_of(alive))}.\n"
        f"- Equal arms differ by the vocabulary: the interval lies above 1 {above}; at {plain[-1]['vocab_size']:,} ids the "
        f"ratio is {_interval(ratio_of(plain[-1]))}.\n"
        f"- Memory: at {largest['vocab_size'][0]:,} ids a step adds {largest['value'][0]:,.0f} MB to the process in the "
        f"Fourier arm and {largest['value'][1]:,.0f} MB in the learned one.\n"
        "- Not shown: a GPU, more threads, other batch sizes, and whether equal steps of both arms teach equally much."
    )


def paper_ratio(d_model: int, n_layers: int) -> float:
    """Return learned over fourier training time in Table 1, nan where it has no such shape."""
    minutes = {row.arm: row.minutes or np.nan for row in TABLE_1 if (row.d_model, row.n_layers) == (d_model, n_layers)}
    return minutes["learned"] / minutes["fourier"] if minutes else np.nan


def _interval(values: tuple[float, float, float]) -> str:
    value, low, high = values
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def _rows(record: Record, *parts: str) -> list[Record]:
    return [row for part in parts for row in record["steps"] if row["part"] == part]
