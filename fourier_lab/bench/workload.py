"""What the benchmarks measure on: size, machine, sentence pairs of SNLI's lengths, trainers and Zipf-distributed ids."""

import os
import platform
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from ..config import RunConfig
from ..provenance import commit, versions
from ..text.corpus import Corpus, TokenPairs
from ..text.pairs import ENTAILMENT, load_pairs
from ..text.tokenizer import load_tokenizer, tokenize, toy_tokenizer
from ..text.toy import SPECIAL_TOKENS
from ..training.trainer import Trainer

LEARNING_RATE = 1e-3

# Sentences per thousand that have 4, 5, 6, ... wordpieces, [CLS] and [SEP] included: premises (mean 16.7) and hypotheses
# (mean 9.9). Counted over 61,711 entailment pairs of SNLI's training split (Bowman et al. 2015).
PREMISE_LENGTHS = (
    0, 0, 1, 5, 15, 37, 55, 70, 78, 83, 84, 77, 71, 62, 54, 44, 37, 36, 30, 25, 24, 20, 15, 13, 11, 8, 7, 6, 4, 4, 4, 3, 2,
    2, 1, 2, 2, 1, 1, 1, 0, 1,
)  # fmt: skip
HYPOTHESIS_LENGTHS = (3, 16, 59, 131, 148, 174, 141, 93, 66, 46, 36, 27, 19, 11, 8, 6, 4, 2, 2, 2, 1, 1, 1)
# Zipf's exponent with which 128 such pairs hold about as many distinct ids, 710, as 128 pairs of SNLI do.
ZIPF_EXPONENT = 1.22


@dataclass(frozen=True)
class Size:
    """How much to measure; the defaults are the sizes that the targets speak of.

    Attributes:
        d_model: Width of encoder and embedding.
        vocab_size: V of embedding and encoder; with SNLI at hand the encoder has its tokenizer's.
        batch_size: Pairs a step.
        tokens: Ids in one look-up of the embedding benchmarks.
        large_vocab_size: V of the memory benchmark.
        large_d_model: Width of the memory benchmark.
        matmul: Edge of the plain square matmul.
        head_share: Divides vocabulary and width of the output layers.
        head_threads: Threads that these have.
        sentences: Most sentences that are encoded.
        attention_tokens: Tokens in all over which attention is measured, the longest text among them.
        feed_forward_tokens: Tokens of a step of a feed-forward alone.
        feed_forward_width: Largest width of one.
        repeats: Measurements of each side, after one warm-up.
        precision: What our side computes in, as in ``RunConfig``.
        arm: Token embedding that is measured against the learned table, as in ``RunConfig``.
        embedding_options: Its options.
        before: Source of an earlier build, for what is measured against one.
    """

    d_model: int = 256
    vocab_size: int = 30522
    batch_size: int = 128
    tokens: int = 8192
    large_vocab_size: int = 1_000_000
    large_d_model: int = 512
    matmul: int = 2048
    head_share: int = 1
    head_threads: int = 2
    sentences: int = 20_000
    attention_tokens: int = 4096
    feed_forward_tokens: int = 2048
    feed_forward_width: int = 1536
    repeats: int = 15
    precision: str = "float32"
    arm: str = "fourier"
    embedding_options: tuple[tuple[str, Any], ...] = ()
    before: Path | None = None


def machine() -> dict[str, Any]:
    """Return what the times depend on: processor, threads, load when asked, versions and commit."""
    return {
        "processor": platform.processor() or platform.machine(),
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "versions": versions(),
        "commit": commit(),
    }


@dataclass(frozen=True)
class Text:
    """Sentence pairs to train on, and where they come from."""

    tokenizer: Tokenizer
    first: list[str]
    second: list[str]
    source: str


@lru_cache(maxsize=1)
def text_for(size: Size) -> Text:
    """Return as many pairs as a benchmark uses: SNLI's own if there, else toy words in sentences of SNLI's lengths."""
    n = size.batch_size * (size.repeats + 1)
    folder = os.environ.get("FOURIER_LAB_DATA")
    if folder and (Path(folder).expanduser() / "snli" / "train.parquet").is_file():
        pairs = load_pairs("snli", "train", "folder")
        pairs = pairs.select(np.flatnonzero(pairs.label == ENTAILMENT)[:n])
        tokenizer = load_tokenizer(RunConfig(corpus="snli", source="folder"))
        return Text(tokenizer, pairs.first, pairs.second, "SNLI train, entailment pairs")
    tokenizer = toy_tokenizer(size.vocab_size)

    def sentences(weights: tuple[int, ...], seed: int) -> list[str]:
        lengths = 2 + np.random.default_rng(seed).choice(len(weights), size=n, p=np.array(weights) / sum(weights))
        ids = zipf_ids(int(lengths.sum()), size.vocab_size - len(SPECIAL_TOKENS), seed) + len(SPECIAL_TOKENS)
        return [tokenizer.decode(part.tolist(), skip_special_tokens=False) for part in ids.split(lengths.tolist())]

    return Text(tokenizer, sentences(PREMISE_LENGTHS, 0), sentences(HYPOTHESIS_LENGTHS, 1), "toy words, SNLI lengths")


def make_trainer(size: Size, kind: type[Trainer] = Trainer, **changes: Any) -> Trainer:
    """Return a trainer of a one-layer encoder on the text, ready to take steps."""
    text = text_for(size)
    config = RunConfig(
        d_model=size.d_model, batch_size=size.batch_size, learning_rate=LEARNING_RATE, steps=10_000, device="cpu",
        precision=size.precision,
    ).replace(**changes)  # fmt: skip
    first, second = (tokenize(text.tokenizer, side, config.max_seq_len) for side in (text.first, text.second))
    pairs = TokenPairs(first, second, np.zeros(len(first), np.int64))
    account = {"vocab_size": text.tokenizer.get_vocab_size(with_added_tokens=True)}
    order = np.arange(len(pairs))
    trainer = kind(config, Corpus(text.tokenizer, pairs, (order, order), {}, {}, account), Path())
    trainer.encoder.train()
    return trainer


def batches_of(size: Size) -> list[np.ndarray]:
    """Return the pair indices ``(batch_size,)`` of each round, the warm-up's first."""
    return np.split(np.arange(size.batch_size * (size.repeats + 1)), size.repeats + 1)


def zipf_ids(n: int, vocab_size: int, seed: int = 0) -> Tensor:
    """Draw int64 ids ``(n,)``: id r with a probability in proportion to ``(r + 1) ** -ZIPF_EXPONENT``."""
    weights = np.arange(1, vocab_size + 1) ** -ZIPF_EXPONENT
    return torch.from_numpy(np.random.default_rng(seed).choice(vocab_size, size=n, p=weights / weights.sum()))
