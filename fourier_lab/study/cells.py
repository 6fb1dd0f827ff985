"""Language models whose feed-forward is read in blocks of cells: how large blocks should be, and who should choose them."""

from collections.abc import Sequence
from pathlib import Path

from .. import plots
from ..columns import Columns, from_rows
from ..config import RunConfig
from ..evaluation.metrics import plus_minus
from ..tables.language_tables import percent_above
from ..training.records import RunRecord
from .thin import kind


def cells_name(config: RunConfig) -> str:
    """Return the cells of a ReLU feed-forward, such as ``cells by router, blocks of 16`` or ``dense, 256 cells``."""
    options = config.model(config.vocab_size).feed_forward_settings()
    if config.feed_forward == "memory":
        return f"{kind(config)}, blocks of {options.block}"
    return f"dense, {options.hidden(config.d_model)} cells"


def percent(records: Sequence[RunRecord], split: str = "test") -> dict[str, tuple[float, float, float]]:
    """Return by how many percent of its bits per byte each is above the smallest dense one, paired by seed: mean, ends.

    Args:
        records: Finished runs of language models with ReLU cells, dense and in blocks.
        split: The text.
    """
    dense = {_size(name): name for name in map(cells_name, _configs(records)) if name.startswith("dense")}
    columns = percent_above(records, dense[min(dense)], split, cells_name)
    ends = zip(*(columns[key].tolist() for key in ("value", "low", "high")), strict=True)
    return dict(zip(columns["group"].tolist(), ends, strict=True))


def cells_columns(records: Sequence[RunRecord], split: str = "test") -> Columns:
    """Return :func:`percent` in blocks: ``series``, who chooses; ``block``, rising; ``value``; ``low``, ``high``."""
    rows = [(name.partition(",")[0], _size(name), *ends) for name, ends in percent(records, split).items()]
    blocks = [row for row in rows if row[0] != "dense"]
    order = list(dict.fromkeys(name for name, *_ in blocks))
    blocks.sort(key=lambda row: (order.index(row[0]), row[1]))
    return from_rows(("series", "block", "value", "low", "high"), blocks)


def cells_figure(records: Sequence[RunRecord], name: str, *, title: str, alt: str) -> Path:
    """Draw what blocks of cells bring against their size, a line for who chooses them, and return the PNG."""
    columns = cells_columns(records)
    ((whole, (value, *_)),) = ((each, ends) for each, ends in percent(records).items() if each.startswith("dense"))
    figure, ax = plots.new_figure(height=4.2)
    plots.draw_budgets(columns, label="bits per byte, test, % above\na dense one of as many cells", ax=ax, budget="block",
                       budget_label="cells in a block", floor=(whole, value))  # fmt: skip
    plots.share_legend(figure)
    return plots.save_figure(figure, name, columns, records[0].config, title=title, alt=alt)


def headline(records: Sequence[RunRecord]) -> str:
    """Return the title of the figure of blocks: who chooses best, and in which."""
    columns = cells_columns(records)
    best = columns["value"].argmin()
    who, block, value = (columns[key][best] for key in ("series", "block", "value"))
    return f"{who.capitalize()}, in blocks of {block}: {value:+.1f} % bits per byte"


def told(records: Sequence[RunRecord]) -> list[str]:
    """Return a line for each way to read cells, with intervals over seeds on test and validation."""
    test, validation = (percent(records, split) for split in ("test", "validation"))
    return [
        f"{name}: {plus_minus(value, high, '+.1f')} % on test, "
        f"{plus_minus(validation[name][0], validation[name][2], '+.1f')} % on validation"
        for name, (value, _, high) in test.items()
    ]


def _configs(records: Sequence[RunRecord]) -> list[RunConfig]:
    return [record.config for record in records]


def _size(name: str) -> int:
    """Return the number in a name of :func:`cells_name`."""
    return next(int(word) for word in name.split() if word.isdigit())
