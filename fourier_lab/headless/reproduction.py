"""Hold figures drawn anew against the committed ones, number by number, each within the tolerance of its quantity.

Arithmetic in floating point ends in other last digits on another processor, and training makes more of them. Figures that
agree within these tolerances stay as they are committed; those that differ can be written over them.
"""

import json
import math
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .. import paths
from .manifest import NotebookResult, figures_folder

FAILING = ("differs", "not drawn", "new")  # what a check does not let pass
OFFERED = ("differs", "redrawn")  # what may be written over the committed figures
_ENDINGS = ("csv", "png", "svg", "json")


@dataclass(frozen=True)
class Quantity:
    """What some columns of figures hold, and how far a number may lie from the committed one.

    Attributes:
        name: What it is, with its unit.
        columns: Pattern of ``CORPUS/NOTEBOOK/FIGURE.COLUMN``, found anywhere in it.
        absolute: Largest difference, in the quantity's unit; infinite for what is never compared.
        relative: To which this share of the committed number is added.
        rows: Column and value of the rows that it holds of; of all if None.
    """

    name: str
    columns: str
    absolute: float
    relative: float = 0.0
    rows: tuple[str, str] | None = None

    @property
    def tolerance(self) -> str:
        """The tolerance in words."""
        parts = [f"{self.absolute:g}"] * (self.absolute > 0) + [f"{self.relative:g} of the number"] * (
            self.relative > 0
        )
        return " plus ".join(parts)


_TIMES = "times (s)"
# The first that fits counts. Tolerances are some fifty times what the plainest instruction set of the same kind of processor
# changed; a score's 95 % interval is a hundred times as wide as its tolerance.
QUANTITIES = (
    Quantity(_TIMES, r"\.(seconds|\w+_s)$", math.inf),
    Quantity(
        "layout of t-SNE, which follows the last digit", r"/projections\.[xy]$", math.inf, rows=("method", "tsne")
    ),
    Quantity("closed forms, and numbers of the committed records", r"^(01_|snli_mnli/)", 1e-8, 1e-6),
    Quantity("components (dimensionless)", r"/projections\.[xy]$", 0.01),
    Quantity("losses (nats)", r"/curves\.value$", 1e-4),
    Quantity(
        "Spearman, Pearson and accuracy × 100",
        r"/(scores|cost|smoke|ladder|gains|classes|put_back)\.(value|(\w+_)?(low|high))$",
        0.1,
    ),
    Quantity("cosines", r"\.cosine$|/similarity_by_lag\.(low|high)$", 1e-4),
    Quantity("power", r"/spectrum\.power$", 0.02, 1e-5),
    Quantity("shares of power or spectrum", r"/(spectrum|singular_values)\.share$", 1e-5),
    Quantity("shares of neighbours", r"/purity\.(value|low|high)$", 1e-3),
    Quantity("angles (degrees)", r"/moved\.value$", 1e-3),
    Quantity("numbers of trained rows", r"/(limits|stages)\.(value|median|bound)$", 1e-5, 1e-4),
    Quantity("all else, computed without training", "", 1e-8, 1e-6),
)


@dataclass(frozen=True)
class Comparison:
    """One figure, drawn anew.

    Attributes:
        name: Its path below the figures folder without an ending.
        status: ``identical`` numbers and picture; ``agrees`` within the tolerances; ``timing``: only times differ;
            ``differs``; ``redrawn``: the same numbers in another picture; ``new``: none is committed; ``not drawn``: only
            committed.
        detail: The largest differences, or which numbers differ and by how much.
    """

    name: str
    status: str
    detail: str = ""


def compare(results: Iterable[NotebookResult]) -> list[Comparison]:
    """Compare the figures that notebooks drew beside the committed ones; of failed notebooks none is."""
    found = []
    for result in results:
        if result.beside and result.status != "failed":
            drawn = [name.removesuffix(".csv") for name in result.figures if name.endswith(".csv")]
            found += [_compare(name) for name in sorted(drawn)]
            committed = sorted(path.stem for path in (paths.FIGURES / result.notebook).glob("*.csv"))
            missing = [name for stem in committed if (name := f"{result.notebook}/{stem}") not in drawn]
            found += [Comparison(name, "not drawn", "its notebook draws it no more: delete it") for name in missing]
    return found


def write(comparisons: Iterable[Comparison], statuses: Iterable[str]) -> list[str]:
    """Copy figures of these statuses to the committed ones, and return their names."""
    names = [each.name for each in comparisons if each.status in statuses]
    for name in names:
        for ending in _ENDINGS:
            source, target = _file(name, ending, drawn=True), _file(name, ending)
            if source.is_file():
                paths.write_atomically(target, source.read_bytes())
    return names


def table(comparisons: Iterable[Comparison]) -> str:
    """Return one line for each figure that is not identical, and the number of those that are."""
    comparisons = list(comparisons)
    others = [each for each in comparisons if each.status != "identical"]
    width = max((len(each.name) for each in others), default=0)
    lines = [f"{each.name:<{width}}  {each.status:<9}  {each.detail}".rstrip() for each in others]
    return "\n".join([*lines, f"{len(comparisons) - len(others)} of {len(comparisons)} figures are identical"])


def write_page(comparisons: Iterable[Comparison]) -> Path:
    """Write ``reports/reproduction.html``: every figure with its status, pictures of both sides where they differ."""
    import jinja2

    template = Path(__file__).with_name("reproduction.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    figures = [(each, _alt(each.name) if each.status in OFFERED else "") for each in comparisons]
    page = environment.from_string(template).render(
        figures=figures,
        quantities=QUANTITIES,
        committed=Path(os.path.relpath(paths.FIGURES, paths.REPORTS)).as_posix(),
    )
    target = paths.REPORTS / "reproduction.html"
    paths.write_atomically(target, page)
    return target


def _alt(name: str) -> str:
    path = _file(name, "json", drawn=True)
    return json.loads(path.read_text(encoding="utf-8"))["alt"] if path.is_file() else name


def _file(name: str, ending: str, *, drawn: bool = False) -> Path:
    return figures_folder(beside=drawn) / f"{name}.{ending}"


def _compare(name: str) -> Comparison:
    drawn, committed = _file(name, "csv", drawn=True), _file(name, "csv")
    if not committed.is_file():
        return Comparison(name, "new", "none is committed")
    if drawn.read_bytes() == committed.read_bytes():
        same = all(_same_bytes(name, ending) for ending in ("png", "svg"))
        return (
            Comparison(name, "identical") if same else Comparison(name, "redrawn", "the same numbers, another picture")
        )
    now, then = (pd.read_csv(path, keep_default_na=False, na_values=[""]) for path in (drawn, committed))
    if list(now) != list(then):
        return Comparison(name, "differs", f"columns {', '.join(now)} instead of {', '.join(then)}")
    if len(now) != len(then):
        return Comparison(name, "differs", f"{len(now)} rows instead of {len(then)}")
    found = [part for column in then for part in _differences(name, column, now, then)]
    status = max((each.status for each in found), key=("identical", "timing", "agrees", "differs").index)
    told = [each.detail for each in found if each.status == status]
    if status == "agrees":
        told = [max(found, key=lambda each: each.share).detail]
    told += [each.detail for each in found if each.share < 0]  # never compared, and not silently so
    return Comparison(name, status, "; ".join(dict.fromkeys(told)))


def _same_bytes(name: str, ending: str) -> bool:
    drawn, committed = _file(name, ending, drawn=True), _file(name, ending)
    return not drawn.is_file() or (committed.is_file() and drawn.read_bytes() == committed.read_bytes())


class _Found(NamedTuple):
    """What became of one column: its status, the largest difference in units of the tolerance (-1: not compared), words."""

    status: str
    share: float = 0.0
    detail: str = ""


def _differences(name: str, column: str, now: pd.DataFrame, then: pd.DataFrame) -> Iterator[_Found]:
    """Judge a column, for each quantity that it holds."""
    left = np.ones(len(then), dtype=bool)  # rows that no quantity has claimed yet
    for quantity in QUANTITIES:
        if not left.any() or not re.search(quantity.columns, f"{name}.{column}"):
            continue
        rows = left if quantity.rows is None else left & (then[quantity.rows[0]] == quantity.rows[1]).to_numpy()
        left = left & ~rows
        yield _judge(quantity, column, now[column][rows], then[column][rows])


def _judge(quantity: Quantity, column: str, now: "pd.Series[Any]", then: "pd.Series[Any]") -> _Found:
    numbers = all(pd.api.types.is_numeric_dtype(each) and each.dtype != bool for each in (now, then))
    same = (now == then) | (now.isna() & then.isna())
    if same.all():
        return _Found("identical")
    if math.isinf(quantity.absolute):
        return _Found("timing" if quantity.name == _TIMES else "agrees", -1.0, f"{quantity.name}: never compared")
    distance = (now - then).abs() if numbers else pd.Series(math.inf, now.index)
    distance = distance.where(~same, 0.0).fillna(math.inf)  # a number where there was none
    size = then.abs().where(np.isfinite(then), 0.0) if numbers else 0.0  # of an infinity nothing is near
    share = distance / (quantity.absolute + quantity.relative * size if numbers else 1.0)
    row = int(share.argmax())
    if share.iloc[row] <= 1:
        words = f"{column} up to {distance.iloc[row]:.2g} ({quantity.name}: tolerance {quantity.tolerance})"
        return _Found("agrees", share.iloc[row], words)
    beyond = int((share > 1).sum())
    values = f"{now.iloc[row]} instead of {then.iloc[row]}"
    of = f"{quantity.name}: tolerance {quantity.tolerance}" if numbers else "text"
    return _Found("differs", math.inf, f"{column} in {beyond} of {len(then)} rows, such as {values} ({of})")
