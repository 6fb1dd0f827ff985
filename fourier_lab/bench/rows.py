"""Two sides in turn, a row of numbers out: how every benchmark measures and what it says."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Row = dict[str, Any]
Seconds = Mapping[str, list[float]]


def run_child(code: str, environment: Mapping[str, str] | None = None) -> str:
    """Run Python code in a fresh process, with this one's environment if none is given, and return what it prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout


def alternate(
    sides: Mapping[Any, Callable[[int], object]], repeats: int, clock: Callable[[], float] | None = None
) -> dict[Any, list[float]]:
    """Call each side in turn with the number of the round; return seconds per round, without a first warm-up round."""
    clock = clock or time.perf_counter
    seconds: dict[Any, list[float]] = {name: [] for name in sides}
    for i in range(repeats + 1):
        for name, side in sides.items():
            started = clock()
            side(i)
            seconds[name].append(clock() - started)
    return {name: values[1:] for name, values in seconds.items()}


def compare(
    what: str, seconds: Seconds, target: float, *, pairs: int | None = None, of: str = "pairs", **detail: Any
) -> Row:
    """Make a row from the seconds of ``ours`` and ``theirs``: pairs a second, or milliseconds if ``pairs`` is None.

    ``of`` says what is counted in place of pairs.
    """
    ours, theirs = (float(np.median(seconds[side])) for side in ("ours", "theirs"))
    rounds = np.divide(seconds["theirs"], seconds["ours"])
    detail["ratio_quartiles"] = [float(q) for q in np.quantile(rounds, (0.25, 0.75))]
    detail["repeats"] = len(rounds)
    values = (pairs / ours, pairs / theirs, f"{of}/s") if pairs else (1e3 * ours, 1e3 * theirs, "ms")
    return make_row(what, *values, theirs / ours, f">= {target:g}x", theirs / ours >= target, detail)


def make_row(what: str, ours: float | None, theirs: float | None, unit: str, ratio: float | None, target: str,
         met: bool | None, detail: dict[str, Any]) -> Row:  # fmt: skip
    """Make a row; what could not be measured has None for numbers."""
    return {"what": what, "ours": ours, "theirs": theirs, "unit": unit, "ratio": ratio, "target": target, "met": met,
            "detail": detail}  # fmt: skip
