"""What T(p) tells apart: features of two ids, the kernel between them, and the cells it cuts a text into."""

import functools
from collections.abc import Set
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from tokenizers import Tokenizer

from .. import plots
from ..embeddings.basis import fourier_basis, frequency_set
from ..embeddings.frequencies import FREQUENCY_SETS, resolve_period
from ..geometry import resolution
from ..plots.figure import new_figure, style
from ..text.tokenizer import token_words
from .controls import choice, slider
from .explorer import Explorer, View, closed

_LARGEST = {"vocab_size": 65536, "d_model": 512}  # ends of sliders; code may go beyond, and the slider follows
_NAMED = 8  # colliding ids named before the others are counted


def explore_basis(
    vocab_size: int = 30522,
    d_model: int = 256,
    frequencies: str = "harmonic",
    period: int | None = None,
    token_id: int | None = None,
    other_id: int | None = None,
    seed: int = 0,
    *,
    counts: ArrayLike | None = None,
    tokenizer: Tokenizer | None = None,
) -> Explorer:
    """Explore what T(p) tells apart: features of two ids, kernel and distances around them, cells over a text.

    Args:
        vocab_size: V, the number of ids.
        d_model: Width, even. More columns make the kernel narrower.
        frequencies: ``harmonic``, ``log`` or ``random``.
        period: M in ids; None, shown as 0, is ``vocab_size - 1``.
        token_id: The first id; a sixth of the way through the vocabulary if None.
        other_id: The second id; the next one, or at the end the one before, if None.
        seed: Seed of the ``random`` set.
        counts: How often each of ``vocab_size`` ids occurs in a text; a Zipf law over the ids if None, and while the
            vocabulary has another size.
        tokenizer: Names the ids while the vocabulary has its size.

    Returns:
        Explorer: Its settings are the first six arguments; ``period`` 0 stands for ``vocab_size - 1``.

    Raises:
        ConfigError: If an argument breaks its rule, such as an id outside the vocabulary.
        DataError: If the counts are not one for each id.
    """
    mass, source = resolution.token_mass(vocab_size, counts)
    words = [] if tokenizer is None else token_words(tokenizer)
    if token_id is None:
        token_id = vocab_size // 6
    if other_id is None:
        other_id = token_id + (1 if token_id + 1 < vocab_size else -1)
    first: dict[str, Any] = {
        "vocab_size": vocab_size,
        "d_model": d_model,
        "frequencies": frequencies,
        "period": period or 0,
        "token_id": token_id,
        "other_id": other_id,
    }

    def draw(vocab_size: int, **settings: Any) -> View:
        known = counts is not None and vocab_size == len(mass)
        share, name = (mass, source) if known else resolution.token_mass(vocab_size)
        return _draw_basis(vocab_size, **settings, seed=seed, share=share, source=name, words=words)

    def make_controls() -> dict[str, Any]:
        ranges = _ranges(first)
        return {
            name: choice(name, FREQUENCY_SETS, value)
            if name == "frequencies"
            else slider(name, value, 2 if name in _LARGEST else 0, ranges[name]["max"], 1 + (name == "d_model"))
            for name, value in first.items()
        }

    return Explorer(draw, first, make_controls, settle=_keep_ids)


def _keep_ids(settings: dict[str, Any], changed: Set[str]) -> dict[str, Any]:
    """Move the ids into a vocabulary that has become smaller; an id asked for outside it stays and is refused."""
    if "vocab_size" in changed:
        for name in {"token_id", "other_id"} - changed:
            settings[name] = max(0, min(settings[name], settings["vocab_size"] - 1))
    return settings


def _ranges(settings: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Return how far each slider goes."""
    vocab_size = settings["vocab_size"]
    sizes = {name: {"max": max(largest, settings[name])} for name, largest in _LARGEST.items()}
    ids = {name: {"max": vocab_size - 1} for name in ("token_id", "other_id")}
    return sizes | ids | {"period": {"max": max(vocab_size, settings["period"])}}


@style()
def _draw_basis(
    vocab_size: int,
    d_model: int,
    frequencies: str,
    period: int,
    token_id: int,
    other_id: int,
    *,
    seed: int,
    share: np.ndarray,
    source: str,
    words: list[str],
) -> View:
    m = resolve_period(vocab_size, period or None)
    chosen = frequency_set(frequencies, vocab_size, d_model, m, seed)
    ids = torch.tensor([token_id, other_id])
    features = fourier_basis(ids, vocab_size, d_model, frequencies, m, seed).numpy()
    cosine = float(resolution.cosine_kernel(chosen, m, token_id - other_id))
    cell = max(1, vocab_size // d_model)
    # Four cells, or four times as far as the ids are apart; beyond four periods there is nothing new, only a blot.
    apart = abs(token_id - other_id)
    reach = np.arange(max(2, min(vocab_size, 4 * max(cell, apart), 4 * m)))
    kernel = resolution.kernel_columns({frequencies: chosen}, reach, m)
    folded = resolution.folded_mass(share, m) if period else share  # ids a period apart are in one cell
    cells = resolution.cell_mass(folded, min(d_model, len(folded)))
    effective = resolution.effective_number(cells)

    # Two lines of pixels, drawn in the order given even if the second id is the smaller one.
    pair = resolution.feature_columns([0, 1], features)
    figure, axes = new_figure(2, 2, height=5.6)
    (top, kernels), (distances, masses) = axes
    plots.draw_features(pair, ax=top, colour_bar=False)
    top.set_yticks([0, 1], [f"{token_id:,}", f"{other_id:,}"])
    top.set_title(f"T({token_id:,}) and T({other_id:,}): cosine {cosine:.5f}")
    plots.draw_kernel(kernel, ax=kernels, cell=vocab_size / d_model)
    kernels.plot(apart if apart < len(reach) else apart % m, cosine, "o", color="black", zorder=3)
    plots.draw_distance({name: column[1:] for name, column in kernel.items()}, ax=distances)  # lag 0 has no logarithm
    filled = {"series": np.full(len(cells), frequencies), "cells": 1 + np.arange(len(cells)), "mass": np.cumsum(cells)}
    plots.draw_cells(filled, ax=masses)
    masses.set_title(f"{effective:.1f} effective cells of {len(cells)}")

    distance = float(resolution.relative_distance(cosine))
    repeat = resolution.row_period(chosen, m)
    harmonic = "" if frequencies == "harmonic" else " (cells are those of the harmonic set at this width)"
    text = [
        f"T({_named(token_id, words, vocab_size)}) and T({_named(other_id, words, vocab_size)}): cosine {cosine:.6f}, "
        f"distance {distance:.4f} of their norm.",
        f"{len(cells)} cells of {len(folded) / len(cells):.1f} ids; with {source} they serve like {effective:.1f} "
        f"equally full ones{harmonic}.",
        f"{min(vocab_size, repeat):,} distinct rows for {vocab_size:,} ids.",
        *(_collisions(i, repeat, vocab_size, words) for i in dict.fromkeys((token_id, other_id))),
    ]
    if words and len(words) != vocab_size:
        text.append(f"Ids have no words here: the tokenizer has {len(words):,} ids, not {vocab_size:,}.")
    ranges = _ranges({"vocab_size": vocab_size, "d_model": d_model, "period": period})
    return View(closed(figure), "\n".join(text), ranges)


def _named(token_id: int, words: list[str], vocab_size: int) -> str:
    return f"{token_id:,} {words[token_id]!r}" if len(words) == vocab_size else f"{token_id:,}"


def _collisions(token_id: int, repeat: int, vocab_size: int, words: list[str]) -> str:
    """Say which ids have the same features as this one: those a multiple of ``repeat`` away."""
    name = functools.partial(_named, words=words, vocab_size=vocab_size)
    same = [i for i in range(token_id % repeat, vocab_size, repeat) if i != token_id]
    if not same:
        return f"No other id shares the row of {name(token_id)}."
    more = f" and {len(same) - _NAMED:,} more" if len(same) > _NAMED else ""
    listed = ", ".join(map(name, same[:_NAMED])) if len(words) == vocab_size else ""
    noun = "id has" if len(same) == 1 else "ids have"
    return f"{len(same):,} other {noun} exactly the row of {name(token_id)}" + (f": {listed}{more}." if listed else ".")
