"""Pictures of what a language model says next: probable words, logits over the ids, the waves that they are made of."""

import numpy as np
from matplotlib.axes import Axes

from ._marks import Data, axes_or_new, by_series, columns_of, finish, in_order, legible, lines, name_rows
from .figure import style
from .palette import REFERENCE


@style()
def draw_next_words(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw the most probable next words as bars, those of each series below each other.

    Args:
        data: ``series``, ``word``, ``probability``, as :func:`fourier_lab.geometry.logits.next_words` gives them.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "series", "word", "probability")
    place = np.arange(len(column["word"]))
    for _, name, colour, own in by_series({**column, "place": place}):
        ax.barh(own["place"], 100 * own["probability"], color=colour, label=name)
    words = [legible(str(word)).replace("$", r"\$") for word in column["word"]]
    name_rows(ax, words)
    ax.grid(axis="y", visible=False)
    ax.set(xlabel="probability (%)", ylabel="next token")
    return finish(ax, "above" if len(in_order(column["series"])) > 1 else None)


@style()
def draw_logits(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw the logits of all ids, a line per series.

    Args:
        data: ``series``, ``token_id``, ``logit`` (nats), as :func:`fourier_lab.geometry.logits.logit_columns` gives them.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    for _, name, colour, own in by_series(columns_of(data, "series", "token_id", "logit")):
        ax.plot(own["token_id"], own["logit"], color=colour, label=name, linewidth=0.8)
    ax.set(xlabel="token id", ylabel="logit (nats)")
    return finish(ax)


@style()
def draw_waves(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw how far each wave moves the logits, against its frequency.

    Args:
        data: ``frequency`` (cycles per period), ``nats``, as :func:`fourier_lab.geometry.logits.wave_columns` gives them.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "frequency", "nats")
    ax.vlines(column["frequency"], 0, column["nats"], color=REFERENCE, linewidth=0.8)
    ax.plot(column["frequency"], column["nats"], ".", color="black")
    ax.set(xlabel="frequency (cycles per period)", ylabel="half swing (nats)", ylim=(0, None))
    return ax


@style()
def draw_margins(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw how long a hidden state must be to set two ids one nat apart, against the difference of the ids.

    Args:
        data: ``series``, ``lag`` (ids), ``norm``.
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    lines(ax, columns_of(data, "series", "lag", "norm"), "lag", "norm")
    ax.set(xscale="log", yscale="log", xlabel="difference of token ids", ylabel="norm for one nat")
    return finish(ax)
