"""What the page that trains is given: the toy language in small, and where the library's own runs start and what they read.

The page computes the rest, so that its curves are those of :func:`fourier_lab.train` but for rounding.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..config import ARMS, RunConfig
from ..embeddings.basis import frequency_set
from ..embeddings.frequencies import FREQUENCY_SETS
from ..models.losses import INITIAL_TEMPERATURE, MAX_SCALE
from ..plots.palette import colour_of
from ..tables.points import train_command
from ..text.batches import batch_stream
from ..text.corpus import TokenPairs, prepare
from ..text.tokenizer import TOY_ORDERS, token_words
from ..training.trainer import HISTORY_POINTS, VALIDATION_BATCH, VALIDATION_PAIRS, VALIDATION_POINTS, Trainer
from .packing import packed

# The smallest encoder: a sentence is the mean of its tokens' rows.
SMALL = RunConfig(
    vocab_size=500, d_model=32, n_layers=0, pooler="none", train_pairs=2000, batch_size=64, steps=300, warmup_steps=30
)
SEEDS = (0, 1, 2)


def training() -> dict[str, Any]:
    """Return corpus, starts and batches of :data:`SMALL`, arrays in base64 with the low byte first.

    Returns:
        dict: ``arms``; ``settings`` of the run and of its history; ``command`` that all runs begin with; ``colours`` by
            series; ``orders``, new id of each id of the first order, uint16 ``(V,)``; ``frequencies`` by set and seed;
            ``train``, ``validation`` and ``graded`` pairs (see :func:`_pairs`; of the graded also ``places``, of their
            grades in order); ``starts`` and ``batches`` (uint16, pairs of one step after the other) by seed.
    """
    corpora = {order: prepare(SMALL.replace(id_order=order)) for order in TOY_ORDERS}
    first = corpora[TOY_ORDERS[0]]
    words = token_words(first.tokenizer)
    (validation,) = (pairs for name, pairs in first.held_out.items() if name.endswith("/validation"))
    graded = first.graded["validation"]
    n_looked_at = min(len(validation), VALIDATION_PAIRS)
    return {
        "arms": ARMS,
        "settings": {
            "V": SMALL.vocab_size, "d": SMALL.d_model, "batch": SMALL.batch_size, "steps": SMALL.steps,
            "decay": SMALL.weight_decay, "clip": SMALL.clip_norm, "temperature": INITIAL_TEMPERATURE,
            "maxScale": MAX_SCALE, "points": HISTORY_POINTS, "looks": VALIDATION_POINTS, "lookBatch": VALIDATION_BATCH,
        },
        "command": train_command([SMALL]).removesuffix(f" --seed {SMALL.seed}"),
        "colours": {name: colour_of(name) for name in ("learned", *FREQUENCY_SETS)},
        "orders": {
            order: packed(np.argsort([words.index(word) for word in token_words(corpus.tokenizer)]), "<u2")
            for order, corpus in corpora.items()
        },
        "frequencies": {
            name: [frequency_set(name, SMALL.vocab_size, SMALL.d_model, seed=seed).tolist() for seed in SEEDS]
            for name in FREQUENCY_SETS
        },
        "train": _pairs(first.train, len(first.train)),
        "validation": _pairs(validation, n_looked_at),
        "graded": {**_pairs(graded), "places": packed(np.unique(graded.label, return_inverse=True)[1], "<u2")},
        "starts": [_starts(seed) for seed in SEEDS],
        "batches": [
            packed(np.concatenate([*batch_stream(first.keys, SMALL.batch_size, seed, 0, SMALL.steps)]), "<u2")
            for seed in SEEDS
        ],
    }  # fmt: skip


def _pairs(pairs: TokenPairs, n: int | None = None) -> dict[str, Any]:
    """Return the first n pairs: ``ids`` of all first sentences, then of all second ones, and the ``lengths`` of each."""
    sentences = [*pairs.first[:n], *pairs.second[:n]]
    return {"ids": packed(np.concatenate(sentences), "<u2"), "lengths": packed([*map(len, sentences)], "u1")}


def _starts(seed: int) -> dict[str, str]:
    """Return the first weights of both arms, float32, by their names in the encoder."""
    found: dict[str, str] = {}
    for arm in ARMS:
        config = SMALL.replace(arm=arm, seed=seed)
        with torch.random.fork_rng():
            encoder = Trainer(config, prepare(config), Path()).encoder
        weights = {name: value for name, value in encoder.named_parameters() if not name.endswith("norm.weight")}
        found |= {name: packed(value.detach().numpy(), "<f4") for name, value in weights.items()}
    return found
