"""Encoders of either arm with one or several parts of the published recipe, and synthetic text for their steps."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from ..config import ARMS, RunConfig
from ..models.blocks import Block
from ..models.sentence_encoder import SentenceEncoder
from ..text.batches import PackedSentences
from ..text.corpus import Corpus, TokenPairs
from ..text.toy import SPECIAL_TOKENS
from ..training.optimizer import make_optimizer
from ..training.trainer import Trainer
from .workload import HYPOTHESIS_LENGTHS, LEARNING_RATE, PREMISE_LENGTHS, zipf_ids

# What separates the published recipe from two arms that are alike but for the embedding; the value tells whom it changes.
PUBLISHED = {
    "dead feed-forward": ("fourier",),
    "dropout 0.1": ("learned",),
    "default AdamW": ARMS,
    "every position": ARMS,
    "padding": ARMS,
}
OPTIMISERS = {"foreach AdamW": ARMS, "sparse gradients": ("learned",)}
CHANGES = PUBLISHED | OPTIMISERS
BATCHES = 4  # of synthetic text


def make_variant(config: RunConfig, corpus: Corpus, arm: str, *changes: str) -> Trainer:
    """Return a trainer of one arm with some of the changes, ready to take steps.

    ``dead feed-forward`` computes the feed-forward and drops its output, as published: the backward pass alone is saved.
    ``every position`` evaluates embedding and first projection at each position instead of once per distinct id.
    ``default AdamW`` leaves the choice of implementation to torch, which on a CPU loops over tensors with several passes
    each. ``sparse gradients`` updates only the rows of the table that a batch holds, by SparseAdam, unclipped, undecayed.
    """
    departures = [
        n for n, c in (("padding_mean", "padding"), ("dead_feed_forward", "dead feed-forward")) if c in changes
    ]
    config = config.replace(arm=arm, departures=departures, dropout=0.1 if "dropout 0.1" in changes else 0.0)
    with torch.random.fork_rng():
        trainer = Trainer(config, corpus, Path())
    encoder = trainer.encoder.train()
    if "dead feed-forward" in changes:
        for block in cast(Any, encoder.blocks):
            block.norm1.register_forward_hook(partial(_compute_in_vain, block))
    if "every position" in changes:
        _evaluate_every_position(encoder)
    groups = trainer.optimizer.param_groups
    if "default AdamW" in changes or "foreach AdamW" in changes:
        settings = [{"params": group["params"], "weight_decay": group["weight_decay"]} for group in groups]
        trainer.optimizer = torch.optim.AdamW(settings, foreach=True if "foreach AdamW" in changes else None)
    if "sparse gradients" in changes:
        cast(Any, trainer).optimizer = _SparseTable(trainer)
    return trainer


def _compute_in_vain(block: Block, _: nn.Module, __: tuple[Tensor, ...], x: Tensor) -> None:
    block.feed_forward(x)


def _evaluate_every_position(encoder: SentenceEncoder) -> None:
    model, pack = cast(Any, encoder), encoder.pack

    def pack_repeated(sentences: Sequence[np.ndarray]) -> PackedSentences:
        packed = pack(sentences)
        return replace(packed, distinct=packed.token_ids, places=torch.arange(len(packed.places)))

    model.pack = pack_repeated
    if encoder.config.arm == "fourier":
        model.embedding.forward = model.embedding.compute  # its own forward would look for distinct ids again


class _SparseTable:
    """SparseAdam for the table, whose gradient torch cannot clip, and fused AdamW for all else, as one optimiser."""

    def __init__(self, trainer: Trainer):
        embedding = cast(Any, trainer.encoder.embedding)
        embedding.table.sparse = True
        table = embedding.table.weight
        modules = (trainer.encoder, trainer.objective)
        others = nn.ParameterList(p for module in modules for p in module.parameters() if p is not table)
        self.rows = torch.optim.SparseAdam([table], lr=LEARNING_RATE)
        self.others = make_optimizer([others], trainer.config.weight_decay)
        self.param_groups = self.others.param_groups  # what the trainer clips and sets the rate of

    def zero_grad(self, set_to_none: bool) -> None:
        for part in (self.rows, self.others):
            part.zero_grad(set_to_none=set_to_none)

    def step(self) -> None:
        for part in (self.rows, self.others):
            part.step()


def synthetic_corpus(config: RunConfig) -> Corpus:
    """Return a few batches of pairs: premises and hypotheses of SNLI's lengths, of Zipf-distributed ids."""
    n, words = BATCHES * config.batch_size, config.vocab_size - len(SPECIAL_TOKENS)
    start, end = (SPECIAL_TOKENS.index(token) for token in ("[CLS]", "[SEP]"))
    sides = []
    for seed, weights in enumerate((PREMISE_LENGTHS, HYPOTHESIS_LENGTHS)):
        share = np.array(weights) / sum(weights)
        lengths = 2 + np.random.default_rng(seed).choice(
            len(weights), size=n, p=share
        )  # without the two special tokens
        lengths = np.minimum(lengths, config.max_seq_len - 2)
        ids = len(SPECIAL_TOKENS) + zipf_ids(int(lengths.sum()), words, seed).numpy()
        sides.append([np.array([start, *part, end]) for part in np.split(ids, lengths.cumsum()[:-1])])
    pairs = TokenPairs(sides[0], sides[1], np.zeros(n, np.int64))
    account = {"vocab_size": config.vocab_size}
    return Corpus(cast(Any, None), pairs, (np.arange(n), np.arange(n)), {}, {}, account)  # a step needs no tokenizer
