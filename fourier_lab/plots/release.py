"""Pictures of a normaliser smaller than the vocabulary: how many rows are left, and who shares one."""

import numpy as np
from matplotlib.axes import Axes

from ._marks import Data, axes_or_new, columns_of, count_text, finish, legible
from .figure import style
from .palette import ARM_COLOURS, REFERENCE

_MARKED = ARM_COLOURS["learned"]  # the colour farthest from that of the fourier arm
_ON_A_LINE = 6  # words of a row that are written side by side


@style()
def draw_collapse(data: Data, *, ax: Axes | None = None, chosen: int | None = None) -> Axes:
    """Draw how many distinct rows a normaliser leaves, and the share of text that they confuse.

    Args:
        data: ``normaliser`` (M, ids), ``rows`` (count), ``lost`` (share of tokens, in [0, 1]), as
            ``resolution.fold_columns`` gives them.
        ax: Where to draw; the share gets an axis of its own on the right.
        chosen: A normaliser of the columns to mark.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "normaliser", "rows", "lost")
    order = np.argsort(column["normaliser"], kind="stable")
    m, rows, lost = (column[name][order] for name in ("normaliser", "rows", "lost"))
    right = ax.twinx()
    right.plot(m, 100 * lost, color=_MARKED, linestyle="--")
    right.set_ylabel("tokens of text confused (%)", color=_MARKED)
    right.set_ylim(-2, 102)
    right.grid(False)
    ax.plot(m, rows, color=ARM_COLOURS["fourier"])
    if chosen is not None:
        at = np.flatnonzero(m == chosen)[:1]
        ax.axvline(chosen, color=REFERENCE, linestyle=":", linewidth=1.2)
        ax.plot(m[at], rows[at], "o", color=ARM_COLOURS["fourier"])
        right.plot(m[at], 100 * lost[at], "o", color=_MARKED)
    ax.set(xscale="log", yscale="log", xlabel="normaliser M")
    ax.minorticks_off()  # their labels crowd where the axis is shorter than a decade
    ax.set_ylabel("distinct rows", color=ARM_COLOURS["fourier"])
    return ax


@style()
def draw_folding(data: Data, *, ax: Axes | None = None) -> Axes:
    """Draw which row each id gets: a rising line that starts anew every M ids; the ids of one row are marked.

    Args:
        data: ``token_id``, ``row`` (class number), ``marked`` (true for the ids of the chosen class).
        ax: Where to draw.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "token_id", "row", "marked")
    marked = column["marked"].astype(bool)
    # Pixels, not marks: ten thousand dots would make a vector picture of megabytes.
    ax.plot(column["token_id"], column["row"], ",", color=ARM_COLOURS["fourier"], rasterized=True)
    label = count_text(marked.sum(), "id") + " of one row"
    ax.plot(column["token_id"][marked], column["row"][marked], ".", color=_MARKED, markersize=4, label=label)
    ax.set(xlabel="token id p", ylabel="row of T(p) (class number)")
    return finish(ax)


@style()
def draw_class_words(data: Data, *, ax: Axes | None = None, lines: int = 0) -> Axes:
    """Draw the words that share a row, each with its id below it, in reading order.

    Args:
        data: ``word`` (text) and ``token_id``, in the order to be read.
        ax: Where to draw.
        lines: Lines to leave room for, so that words keep their place when fewer are drawn.
    """
    ax = axes_or_new(ax)
    column = columns_of(data, "word", "token_id")
    for place, (word, token_id) in enumerate(zip(column["word"], column["token_id"], strict=True)):
        y, x = divmod(place, _ON_A_LINE)
        ax.text(x, y, legible(str(word)), fontsize=8, ha="center", va="center_baseline", parse_math=False)
        ax.text(x, y + 0.38, f"{token_id:,}", fontsize=6, color="0.35", ha="center", va="center_baseline")
    ax.set(xlim=(-0.5, _ON_A_LINE - 0.5), ylim=(max(lines, -(-len(column["word"]) // _ON_A_LINE)) - 0.3, -0.6))
    ax.set(xticks=[], yticks=[], xlabel="each above its token id", ylabel="words of one row")
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return ax
