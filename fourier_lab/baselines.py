"""Sentence similarity without any training: weighted bags of token ids."""

from dataclasses import dataclass

import numpy as np

from .config import RunConfig
from .metrics import sts_scores
from .training import TokenPairs, prepare

# Ids below this are special tokens, unused slots and single characters in BERT's vocabulary; words follow by frequency.
BERT_FIRST_WORD = 995
TOY_FIRST_WORD = 4


@dataclass(frozen=True)
class Baseline:
    """Scores of an untrained method, by split, in the form of :func:`fourier_lab.metrics.sts_scores`."""

    name: str
    corpus: str
    scores: dict[str, dict]


def bag_similarity(pairs: TokenPairs, weights: np.ndarray) -> np.ndarray:
    """Return cosines in [0, 1], float64 ``(n,)``, of weighted bags of token ids.

    Args:
        pairs: n tokenised pairs; the first and last token of each sentence ([CLS], [SEP]) are left out.
        weights: float ``(vocab_size,)``, one non-negative weight per id.
    """
    return np.array([_cosine(a[1:-1], b[1:-1], weights) for a, b in zip(pairs.first, pairs.second, strict=True)])


def sqrt_id_weights(vocab_size: int, first_word: int) -> np.ndarray:
    """Return ``sqrt(max(p - first_word, 0))`` per id: with ids in order of frequency, rare words count more.

    Source: measured on BERT's vocabulary with ``first_word`` = 995 by the reference notes of this study.
    """
    return np.sqrt(np.maximum(np.arange(vocab_size) - first_word, 0.0))


def zero_parameter_baselines(config: RunConfig) -> list[Baseline]:
    """Score the untrained baselines on the graded pairs of a run's corpus: equal weights, and ``sqrt(p - first word)``."""
    corpus = prepare(config)
    vocab_size = corpus.account["vocab_size"]
    first_word = TOY_FIRST_WORD if config.corpus == "toy" else BERT_FIRST_WORD
    weights = {
        "bag of tokens": np.ones(vocab_size),
        f"bag of tokens, √(id − {first_word})": sqrt_id_weights(vocab_size, first_word),
    }
    return [
        Baseline(
            name,
            config.corpus,
            {split: sts_scores(bag_similarity(pairs, each), pairs.label) for split, pairs in corpus.graded.items()},
        )
        for name, each in weights.items()
    ]


def _cosine(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> float:
    ids_a, counts_a = np.unique(a, return_counts=True)
    ids_b, counts_b = np.unique(b, return_counts=True)
    va, vb = counts_a * weights[ids_a], counts_b * weights[ids_b]
    _, in_a, in_b = np.intersect1d(ids_a, ids_b, assume_unique=True, return_indices=True)
    norm = np.sqrt((va**2).sum() * (vb**2).sum())
    return float(va[in_a] @ vb[in_b] / norm) if norm else 0.0
