"""What happens to a vocabulary when ids are normalised by the sentence length instead of the vocabulary's size."""

from collections.abc import Set
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from tokenizers import Tokenizer

from .. import plots
from ..config import PUBLISHED_PERIOD
from ..embeddings.frequencies import check_width, resolve_period
from ..errors import ConfigError
from ..geometry import resolution, token_table
from ..plots.figure import new_figure, style
from ..text.tokenizer import token_words, toy_tokenizer
from ..text.vocabulary import bare, start_mark, within_word
from .controls import entry, slider, steps
from .explorer import Explorer, View, closed

_STEPS = 24
_SHOWN = 30  # words of a class in the picture, of as many as there are
_TEETH = 8  # times that the ids may run through all rows in the picture: more would be a blot


def explore_release(
    tokenizer: Tokenizer | None = None,
    *,
    d_model: int = 256,
    normaliser: int = PUBLISHED_PERIOD,
    class_number: int = 0,
    word: str = "",
    counts: ArrayLike | None = None,
) -> Explorer:
    """Explore the released normaliser: slide it from V - 1 to 127 and watch tokens collapse onto shared rows.

    With harmonic frequencies and exact arithmetic, ids that differ by a multiple of the normaliser have one row.

    Args:
        tokenizer: Any tokenizer; that of the toy language if None.
        d_model: Width of T(p), even; decides how alike *different* rows are, not which ids share one.
        normaliser: M in ids; V - 1 in the paper, 127 in the released code.
        class_number: The row whose words are shown, in 0..M-1.
        word: A word whose row is shown instead.
        counts: How often each id occurs in a text ``(V,)``; a Zipf law over the ids if None.

    Returns:
        Explorer: Its settings are ``normaliser``, ``class_number`` and ``word``; a new class empties ``word``, a word
        chooses its class, and so does a click into the picture of the folded ids.

    Raises:
        ConfigError: If the word is unknown, or the class or the normaliser out of range.
        DataError: If the counts are not one for each id.
    """
    words = token_words(toy_tokenizer() if tokenizer is None else tokenizer)
    vocab_size = len(words)
    start = start_mark(words)
    whole = ["" if within_word(word, start) else bare(word) for word in words]
    plain = [len(word) > 1 and word.isascii() and word.isalpha() for word in whole]
    check_width(d_model)
    mass, source = resolution.token_mass(vocab_size, counts)
    first = {"normaliser": normaliser, "class_number": class_number, "word": word}

    def settle(settings: dict[str, Any], changed: Set[str]) -> dict[str, Any]:
        m = resolve_period(vocab_size, settings["normaliser"])
        if "class_number" in changed and "word" not in changed:
            settings["word"] = ""
        if settings["word"]:
            settings["class_number"] = token_table.find_word(words, settings["word"]) % m
        elif "class_number" not in changed and "normaliser" in changed:
            settings["class_number"] %= m  # the same id, where it now lies
        return settings

    @style()
    def draw(normaliser: int, class_number: int, word: str) -> View:
        n_rows = min(vocab_size, normaliser)
        if not 0 <= class_number < n_rows:
            raise ConfigError(
                f"class_number ({class_number}) must lie in 0..{n_rows - 1}, one for each distinct row. Lower it."
            )
        ids = np.arange(vocab_size)
        own = ids[class_number::normaliser]
        # What a reader can judge comes first: the word asked for, then plain words, then the most frequent.
        telling = sorted(own.tolist(), key=lambda i: (words[i] != word, not plain[i], -mass[i]))[:_SHOWN]
        near = ids[: _TEETH * normaliser]
        normalisers = _normalisers(vocab_size, normaliser)
        folds = resolution.fold_columns(mass, normalisers)
        figure, axes = new_figure(2, 2, height=6.2)
        grid = axes[1, 0].get_gridspec()
        for ax in axes[1]:
            ax.remove()
        plots.draw_collapse(folds, ax=axes[0, 0], chosen=normaliser)
        folding = {"token_id": near, "row": near % normaliser, "marked": np.isin(near, own)}
        plots.draw_folding(folding, ax=axes[0, 1])
        axes[0, 1].set_title(f"the first {len(near):,} of {vocab_size:,} ids")
        shown = {"token_id": np.array(telling), "word": np.array([words[i] for i in telling], dtype=object)}
        lowest = plots.draw_class_words(shown, ax=figure.add_subplot(grid[1, :]), lines=5)
        lowest.set_title(f"class {class_number:,}: {len(telling)} of its {len(own):,} words")
        at = normalisers.index(normaliser)
        text = [
            f"Normaliser {normaliser:,}: {n_rows:,} distinct rows for {vocab_size:,} ids, "
            f"{_range_text(vocab_size // n_rows, folds['largest'][at])} on each.",
            f"With {source}, {100 * folds['lost'][at]:.1f} % of the text shares its row with a more frequent token.",
            f"Class {class_number:,} holds {len(own):,} of the words{f', {word!r} among them' if word else ''}: "
            f"{', '.join(words[i] for i in telling)}{' ...' if len(own) > len(telling) else '.'}",
            f"Neighbouring rows have cosine {_next_cosine(normaliser, d_model):.4f} (d = {d_model}).",
        ]

        def pick(x: float, y: float) -> dict[str, Any]:
            row = axes[0, 1].transData.inverted().transform((x, y))[1]
            return {"class_number": min(max(0, round(row)), n_rows - 1)} if axes[0, 1].bbox.contains(x, y) else {}

        controls: dict[str, dict[str, Any]] = {
            "normaliser": {"options": _options(normalisers)},
            "class_number": {"max": n_rows - 1},
        }
        return View(closed(figure), "\n".join(text), controls, pick)

    def make_controls() -> dict[str, Any]:
        settled = settle(dict(first), set())
        rows = min(vocab_size, normaliser)
        return {
            "normaliser": steps("normaliser", _options(_normalisers(vocab_size, normaliser)), normaliser),
            "class_number": slider("class", min(settled["class_number"], rows - 1), 0, rows - 1),
            "word": entry("word", word),
        }

    return Explorer(draw, first, make_controls, settle=settle)


def _normalisers(vocab_size: int, chosen: int) -> list[int]:
    """Return normalisers from V - 1 down to the released one in even ratios, and the chosen one among them."""
    spaced = np.geomspace(vocab_size - 1, min(PUBLISHED_PERIOD, vocab_size - 1), _STEPS).round().astype(int).tolist()
    return sorted({*spaced, chosen}, reverse=True)


def _options(normalisers: list[int]) -> list[tuple[str, int]]:
    return [(f"{m:,}", m) for m in normalisers]


def _range_text(fewest: int, most: int) -> str:
    return f"{most:,} of them" if fewest == most else f"{fewest:,} or {most:,} of them"


def _next_cosine(normaliser: int, d_model: int) -> float:
    return float(resolution.cosine_kernel(np.arange(1, d_model // 2 + 1), normaliser, 1))
