"""Thin feed-forwards: what they score for what a token computes, when they are faster, and what can be cut afterwards."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import plots
from ..columns import Columns, from_rows, stack
from ..config import RunConfig
from ..evaluation.metrics import mean_interval, plus_minus
from ..plots.lengths import draw_shares
from ..tables.summaries import cases
from ..training.records import RunRecord
from .lengths import read_measurements, seconds_figure

Record = Mapping[str, Any]
DENSE = "dense, GeGLU"


def kind(config: RunConfig) -> str:
    """Return the kind of a run's feed-forward, such as ``low rank, guided`` or ``cells by average``."""
    if not isinstance(config.feed_forward, str):
        return DENSE
    options = config.model(config.vocab_size).feed_forward_settings()
    if config.feed_forward == "low_rank":
        return "low rank, guided" if options.guided_steps else "low rank"
    if config.feed_forward == "memory":
        return f"cells by {options.selector}"
    return "dense, ReLU" if config.feed_forward == "relu" else config.feed_forward


def computed(config: RunConfig) -> int:
    """Return how many numbers of its feed-forwards a token is multiplied with."""
    if isinstance(config.feed_forward, str):
        each = config.model(config.vocab_size).feed_forward_settings().computed(config.d_model)
    else:
        d, hidden = config.d_model, int(config.feed_forward * config.d_model)
        each = 3 * d * hidden + 2 * hidden + d  # GeGLU
    return config.n_layers * each


def thin_columns(records: Sequence[RunRecord], split: str = "test") -> Columns:
    """Return Spearman by what a token computes: ``series``, ``computed`` (rising), ``value``, ``low``, ``high``."""
    rows = [
        (kind(runs[0].config), computed(runs[0].config), *mean_interval([run.score(split) for run in runs]))
        for runs in cases(records)
    ]
    order = list(dict.fromkeys(name for name, *_ in rows))
    return from_rows(
        ("series", "computed", "value", "low", "high"), sorted(rows, key=lambda row: (order.index(row[0]), row[1]))
    )


def thin_figure(records: Sequence[RunRecord], name: str, *, title: str, alt: str) -> Path:
    """Draw the test score against what a token computes, a line for each kind of feed-forward, and return the PNG."""
    columns = thin_columns(records)
    figure, ax = plots.new_figure(height=4.2)
    plots.draw_budgets(columns, label="Spearman × 100, test", ax=ax, budget="computed",
                       budget_label="numbers of the feed-forward that a token is multiplied with")  # fmt: skip
    plots.share_legend(figure)
    return plots.save_figure(figure, name, columns, records[0].config, title=title, alt=alt)


def told(records: Sequence[RunRecord]) -> list[str]:
    """Return a line for each kind and size: test and validation, with intervals over seeds, and what a token computes."""
    test, validation = (thin_columns(records, split) for split in ("test", "validation"))
    rows = zip(test["series"], test["computed"], *(each[key] for each in (test, validation) for key in ("value", "high")),
               strict=True)  # fmt: skip
    return [
        f"{name}, {count:,} numbers: test {plus_minus(mean, high)}, validation {plus_minus(other, above)}"
        for name, count, mean, high, other, above in rows
    ]


def headline(records: Sequence[RunRecord]) -> str:
    """Return the title of the figure of kinds: the best one that computes at most two thirds of the dense numbers."""
    columns = thin_columns(records)
    most = columns["computed"][columns["series"] == DENSE].max()
    small = np.flatnonzero(columns["computed"] <= most * 2 / 3)
    dense = columns["value"][columns["computed"] == most].max()
    best = small[columns["value"][small].argmax()]
    share, gap = 100 * columns["computed"][best] / most, columns["value"][best] - dense
    name = columns["series"][best]
    return f"Best below two thirds of the numbers: {name}, {gap:+.1f} points for {share:.0f} %"


def read_times() -> Record:
    """Return the committed measurements of feed-forwards, as :func:`fourier_lab.study.lengths.read_measurements`."""
    return read_measurements("feed_forward")


def time_figure(record: Record, name: str, *, title: str, alt: str) -> Path:
    """Draw the time of a training step of dense and of thin feed-forwards against their width and return the PNG."""
    label = f"ms for {record['rows'][0]['detail']['tokens']:,} tokens"
    return seconds_figure(record, "widths", name, label=label, length_label="width d", title=title, alt=alt)


def time_headline(record: Record) -> str:
    """Return the title of the figure of times: what the lowest rank saves at the largest width, and from which one on."""
    detail = record["rows"][0]["detail"]
    name, times = [*detail["seconds"].items()][-1]
    where = detail["dense_dearer_from"][name]
    told = f"from d = {where:,.0f} on" if where else "at no width"
    ratio = detail["seconds"]["dense"][-1] / times[-1]
    return f"{name.capitalize()}, is faster {told}: {ratio:.1f} times at d = {detail['widths'][-1]:,}"


def told_times(record: Record) -> list[str]:
    """Return a line for each rank: how much faster at the largest width, and from which width on."""
    detail = record["rows"][0]["detail"]
    dense, last = detail["seconds"]["dense"], detail["widths"][-1]
    return [
        f"{name}: {dense[-1] / times[-1]:.1f} times as fast at d = {last:,}, "
        + (f"faster from d = {where:,.0f} on" if (where := detail["dense_dearer_from"][name]) else "never faster")
        for name, times in detail["seconds"].items()
        if name != "dense"
    ]


def cut_figure(
    experts: Record, pruned: Sequence[Record], record: RunRecord, name: str, *, title: str, alt: str
) -> Path:
    """Draw what is left of a score if a token computes some experts, and if neurons are pruned, and return the PNG."""
    rows = [(row["router"], row["share"], row["spearman"]) for row in experts["experts"]]
    gone = [(f"{row['order']} first", 1 - row["share"], row["spearman"]) for row in reversed(pruned)]
    panels = {"experts, by router": rows, "neurons, by what goes first": gone}
    figure, axes = plots.new_figure(1, 2, height=3.8, sharey=True, titles=list(panels))
    columns = {panel: from_rows(("series", "share", "value"), each) for panel, each in panels.items()}
    for ax, own in zip(axes, columns.values(), strict=True):
        draw_shares(own, label="Spearman × 100, test", share_label="of the feed-forward left", ax=ax)
    return plots.save_figure(figure, name, stack(columns, "panel"), record.config, title=title, alt=alt)
