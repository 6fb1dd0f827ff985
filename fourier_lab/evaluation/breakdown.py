"""One method beyond its headline score: on further similarity sets, on unseen pairs alone, by subset, by rarest word."""

from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from ..text.corpus import TokenPairs
from ..text.similarity_sets import SimilaritySet
from .metrics import proportion_interval, sts_scores

MATCHED_AMONG = 128
# Bands of pairs by how often the rarest token of both sentences stands in the training text: from 0, from 1, from 10, ...
RARE = (0, 1, 10, 100, 1000)
_LEAST_PAIRS = 30  # of a correlation that is told


def rarest(pairs: TokenPairs, counts: np.ndarray) -> np.ndarray:
    """Return how often the rarest token of each pair stands in the training text, int64 ``(n,)``.

    Args:
        pairs: n tokenised pairs; what the tokenizer puts around each sentence is left out.
        counts: Occurrences of each id, ``(vocab_size,)``.
    """
    first, second = pairs.texts
    return np.array(
        [counts[np.concatenate(pair)].min(initial=counts.max()) for pair in zip(first, second, strict=True)]
    )


def bands(rarity: np.ndarray) -> dict[str, np.ndarray]:
    """Return the bands of :data:`RARE` by name, as masks ``(n,)``; a band goes up to the next one."""
    ends = (*RARE[1:], np.inf)
    return {str(low): (rarity >= low) & (rarity < high) for low, high in zip(RARE, ends, strict=True)}


def set_scores(similarity: np.ndarray, graded: SimilaritySet, unseen: np.ndarray, rarity: np.ndarray) -> dict[str, Any]:
    """Score similarities on one set.

    Args:
        similarity: float ``(n,)``.
        graded: The set.
        unseen: Which pairs share no sentence with STS-B or the training text, bool ``(n,)``.
        rarity: :func:`rarest` of the pairs.

    Returns:
        ``all`` and ``unseen`` with scores and intervals as :func:`fourier_lab.evaluation.metrics.sts_scores` gives them;
        ``subsets`` and ``by_rarest`` with the scores of parts, without intervals. Parts of fewer than 30 pairs are left out.
    """
    label = graded.pairs.label
    parts = {
        "subsets": graded.subsets(),
        "by_rarest": bands(rarity),
    }
    found: dict[str, Any] = {"fingerprint": graded.pairs.fingerprint, "all": sts_scores(similarity, label)}
    if unseen.sum() >= _LEAST_PAIRS:
        found["unseen"] = sts_scores(similarity[unseen], label[unseen])
    for name, masks in parts.items():
        found[name] = part_scores(similarity, label, masks)
    return found


def part_scores(
    similarity: np.ndarray, label: np.ndarray, masks: Mapping[str, np.ndarray], least: int = _LEAST_PAIRS
) -> dict[str, Any]:
    """Return the scores, without intervals, of the parts of a set that have ``least`` pairs or more."""
    return {
        name: sts_scores(similarity[mask], label[mask], intervals=False)
        for name, mask in masks.items()
        if mask.sum() >= least
    }


def matches(similarity: Callable[[np.ndarray], np.ndarray], n: int) -> np.ndarray:
    """Say of each of n pairs whether its own second sentence is nearest to its first among about 128, bool ``(n,)``.

    Pairs stand in batches of neighbours, as where training validates; the first of equally near sentences counts.

    Args:
        similarity: Gives the similarities ``(batch, batch)`` of all first sentences with all second ones of the pairs at the
            given indices.
        n: Number of pairs.
    """
    batches = np.array_split(np.arange(n), max(1, n // MATCHED_AMONG))
    return np.concatenate([similarity(index).argmax(1) == np.arange(len(index)) for index in batches])


def matched_scores(hits: np.ndarray, rarity: np.ndarray) -> dict[str, Any]:
    """Return the share of matched pairs with its 95 % Wilson interval, and the shares by rarest token."""
    low, high = proportion_interval(int(hits.sum()), len(hits))
    return {
        "share": float(hits.mean()), "low": low, "high": high, "n": len(hits),
        "by_rarest": {
            name: {"share": float(hits[mask].mean()), "n": int(mask.sum())}
            for name, mask in bands(rarity).items() if mask.any()
        },
    }  # fmt: skip


def subset_mean(scores: dict[str, Any], measure: str = "spearman") -> float:
    """Return the mean correlation x 100 over the subsets of a set, or that of the whole set if it has none."""
    parts: Sequence[dict[str, Any]] = [*scores["subsets"].values()] or [scores["all"]]
    return fmean(part[measure]["value"] for part in parts)
