"""What works beside the paper claim about the rest of a small encoder, and what was measured here at this size."""

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .. import paths
from ..config import RunConfig
from ..errors import FourierLabError, RecordError, RecordWarning
from ..evaluation.metrics import mean_interval
from ..tables.summaries import difference_columns, score
from ..training.records import RunRecord
from .lengths import read_lengths, tipping_rows
from .selection import sweep_records
from .verdicts import Measured

Named = Callable[[RunConfig], str]


@dataclass(frozen=True)
class Neighbour:
    """A claim of another work and the number that was held against it.

    Attributes:
        source: Its number on arXiv.
        claim: What it says, in our words.
        words: The verdict where the number is above 0, below 0, and not told from 0.
        difference: What the number is, with its unit.
        measure: Reads it off records that the project ships.
        lesson: Stem of the notebook that shows it; empty if only the results page does.
    """

    source: str
    claim: str
    words: tuple[str, str, str]
    difference: str
    measure: Callable[[], Measured]
    lesson: str = ""


def paired(
    sweep: str, group: Named, chosen: str, base: str, value: Callable[[RunRecord], float] | None = None
) -> Callable[[], Measured]:
    """Return the measure of one group of a sweep's runs minus another, by seed: Spearman on test if no value is named.

    Raises (when called):
        RecordError: If no finished run is of both groups.
    """

    def measure() -> Measured:
        records = [run for run in sweep_records(sweep, with_history=False) if group(run.config) in (chosen, base)]
        if {group(run.config) for run in records} != {chosen, base}:
            raise RecordError(f"results/{sweep} lacks runs of {chosen!r} or {base!r}. Run the sweep.")
        columns = difference_columns(records, value or score("test"), group, base, series=lambda config: "")
        mean, low, high, seeds, *pairs = (
            columns[name][0] for name in ("value", "low", "high", "seeds", "pairs_low", "pairs_high")
        )
        return Measured(f"{chosen} minus {base}", "test", float(mean), float(low), float(high), int(seeds), *map(float, pairs))

    return measure


def over_runs(kind: str, read: Callable[[dict], float]) -> Callable[[], Measured]:
    """Return the measure of a number of each report in ``results/cut_feed_forwards``: its mean, with Student's interval.

    Args:
        kind: ``moefy`` or ``prune``, the command that wrote the report.
        read: Reads the number off one.
    """

    def measure() -> Measured:
        files = sorted((paths.RECORDS / "cut_feed_forwards").glob(f"{kind}-*.json"))
        if not files:
            raise RecordError(f"results/cut_feed_forwards holds no report of 'fourier-lab {kind} RUN'.")
        values = [read(json.loads(file.read_text())) for file in files]
        return Measured(kind, "test", *mean_interval(values), len(values))

    return measure


def kept_share(report: dict, share: float = 0.25, router: str = "centroid", wanted: float = 95.0) -> float:
    """Return the percent of the dense score that experts keep at a share of the cells, minus what is claimed."""
    (row,) = (row for row in report["experts"] if row["router"] == router and row["share"] == share)
    return 100 * row["spearman"] / report["dense"]["spearman"] - wanted


def small_over_large(report: dict, share: float = 0.5) -> float:
    """Return the points that an encoder without its smallest neurons has more than one without its largest."""
    scores = {row["order"]: row["spearman"] for row in report["curves"] if row["share"] == share}
    return scores["smallest"] - scores["largest"]


def tipping_point() -> Measured:
    """Return by how many percent the measured tipping points differ from 6 d, the smallest and largest as bounds."""
    found = {d: row["detail"]["full_dearer_from"]["rest"] for d, row in tipping_rows(read_lengths()).items()}
    off = [100 * (n / (6 * d) - 1) for d, n in found.items() if n is not None]
    if not off:
        raise RecordError("at no measured length does full attention cost as much as the rest of a block.")
    return Measured("tipping point", "three widths", float(np.median(off)), min(off), max(off), len(off))


def neighbours_table(neighbours: Sequence[Neighbour], top: str = "") -> str:
    """Return the claims of other works as Markdown; ``top`` leads from the page to the project's folder.

    One whose records are not there says so in its row, and in a :class:`RecordWarning`.
    """
    lines = ["| work | claim | at this size | the number that decides | see |", "| --- | --- | --- | --- | --- |"]
    for each in neighbours:
        link = f"[{each.lesson[:2]}]({top}notebooks/{each.lesson}.ipynb)" if each.lesson else f"[results]({top}results/README.md)"
        try:
            found = each.measure()
        except FourierLabError as error:
            warnings.warn(f"not answered: {each.claim}: {error}", RecordWarning, stacklevel=2)
            lines.append(f"| {each.source} | {each.claim} | not answered | {' '.join(str(error).split())} | {link} |")
            continue
        low, high = found.interval
        number = f"{found.value:+.1f} ({low:+.1f} to {high:+.1f}) {each.difference}; {found.split}"
        lines.append(f"| {each.source} | {each.claim} | {found.word(each.words)} | {number} | {link} |")
    return "\n".join(lines)
