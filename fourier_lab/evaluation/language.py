"""How well a language model predicts a text: bits per byte, which no choice of tokens can flatter, and perplexity."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def bits_per_byte(losses: NDArray[np.floating], n_bytes: int) -> float:
    """Return losses in nats, ``(n,)``, as bits for each byte of the text."""
    return float(losses.astype(np.float64).sum() / math.log(2) / n_bytes)


def calibration_scores(confidence: NDArray[np.float64], right: NDArray[np.float64], n_bins: int = 10) -> dict[str, Any]:
    """Compare how sure a model was of its likeliest token with how often that came, in bins of as many tokens each.

    Args:
        confidence: Probability of the likeliest token, ``(n,)``.
        right: 1 where it was the next one, else 0, ``(n,)``.
        n_bins: Number of bins, in order of confidence.

    Returns:
        dict: The mean ``confidence`` and ``accuracy`` of each bin, 0 to 1, and the expected calibration ``error``, the mean
        over tokens of their bin's absolute difference; and how many ``tokens`` were scored.

    Example:
        >>> calibration_scores(np.array([0.9, 0.5, 0.3, 0.7]), np.array([1.0, 1.0, 0.0, 1.0]), n_bins=2)["accuracy"]
        [0.5, 1.0]

    Source: Guo et al. 2017 (arXiv:1706.04599), with bins of equal counts.
    """
    bins = np.array_split(np.argsort(confidence, kind="stable"), n_bins)
    sure, hits = ([float(values[own].mean()) for own in bins] for values in (confidence, right))
    error = sum(len(own) * abs(a - b) for own, a, b in zip(bins, sure, hits, strict=True)) / len(confidence)
    return {"error": float(error), "confidence": sure, "accuracy": hits, "tokens": len(confidence)}


def text_scores(
    losses: NDArray[np.floating], targets: NDArray[np.int64], token_bytes: NDArray[np.int64], counts: NDArray[np.int64]
) -> dict[str, Any]:
    """Score predicted tokens of a text.

    Args:
        losses: Cross-entropy of each token in nats, ``(n,)``.
        targets: The tokens, ids ``(n,)``.
        token_bytes: Bytes of text that each id stands for, ``(V,)``.
        counts: How often each id occurs in the training text, ``(V,)``.

    Returns:
        dict: ``bits_per_byte``; ``perplexity`` a token, the exponential of the mean loss; how many ``tokens`` and ``bytes``
        were predicted; and ``bands``, the perplexity of tokens by their rank in the training text, in decades: the 10 most
        frequent, those up to rank 100, up to 1,000 and so on.

    Example:
        >>> scores = text_scores(np.log([2.0, 8.0]), np.array([0, 1]), np.array([1, 3]), np.array([5, 2]))
        >>> scores["bits_per_byte"], round(scores["perplexity"], 6), scores["bytes"]
        (1.0, 4.0, 4)
    """
    losses = losses.astype(np.float64)
    n_bytes = int(token_bytes[targets].sum())
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(1, len(counts) + 1)
    ranks, bands = rank[targets], []
    for decade in range(math.ceil(math.log10(len(counts)))):
        first, last = 10**decade + 1 if decade else 1, min(10 ** (decade + 1), len(counts))
        inside = (ranks >= first) & (ranks <= last)
        if inside.any():
            perplexity = float(np.exp(losses[inside].mean()))
            bands.append({"first": first, "last": last, "tokens": int(inside.sum()), "perplexity": perplexity})
    return {
        "bits_per_byte": bits_per_byte(losses, n_bytes),
        "perplexity": float(np.exp(losses.mean())),
        "tokens": len(targets),
        "bytes": n_bytes,
        "bands": bands,
    }
