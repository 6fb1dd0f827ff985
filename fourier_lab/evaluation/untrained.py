"""The methods of the ladder that need no training, scored: shared tokens, fixed vectors, encoders at their start."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from ..columns import Columns, stack
from ..config import PUBLISHED_PERIOD, RunConfig
from ..embeddings.basis import fourier_basis
from ..embeddings.frequencies import FREQUENCY_SETS
from ..errors import DataError, leave_out
from ..models.sentence_encoder import SentenceEncoder
from ..series import series_name
from ..text.corpus import Corpus, TokenPairs
from .baselines import IDF_BAG, bag_similarity, id_weights, jaccard_similarity, mean_similarity, untrained_encoder
from .metrics import scores_and_resamples
from .rung import KINDS, Rung
from .similarity import embedding_similarity

_WEIGHT_BANDS = 30


def untrained_rungs(configs: Sequence[RunConfig], corpus: Corpus, idf: np.ndarray) -> Iterator[Rung]:
    """Yield every method that needs no training, scored on all graded pairs of a corpus, in order of :data:`KINDS`.

    One without a score, since it finds all pairs equally alike, is left out with a ``RecordWarning``.

    Args:
        configs: As :func:`fourier_lab.study.ladder.ladder` takes them.
        corpus: What they share.
        idf: Weights by id, ``(vocab_size,)``.
    """
    first, (tokens, vectors, encoders, _) = configs[0], KINDS
    vocab_size, d = corpus.account["vocab_size"], first.d_model
    seeds = sorted({config.seed for config in configs})

    def rung(
        kind: str, name: str, similarity: Callable[[TokenPairs], np.ndarray], numbers: int = 0, seed: int | None = None
    ) -> Iterator[Rung]:
        try:
            found = {split: scores_and_resamples(similarity(p), p.label) for split, p in corpus.graded.items()}
        except DataError as error:  # all pairs have for instance no token in common
            leave_out(f"{name}: {error}")
            return
        resampled = np.stack([draws for _, draws in found.values()]) if kind == tokens else None
        yield Rung(name, kind, numbers, seed, {split: scores for split, (scores, _) in found.items()}, resampled)

    def bag(weights: np.ndarray) -> Callable[[TokenPairs], np.ndarray]:
        return lambda pairs: bag_similarity(pairs, weights)

    def mean(table: np.ndarray) -> Callable[[TokenPairs], np.ndarray]:
        return lambda pairs: mean_similarity(pairs, table)

    def features(**options: Any) -> Callable[[TokenPairs], np.ndarray]:
        return mean(fourier_basis(torch.arange(vocab_size), vocab_size, d, **options).numpy())

    equal, by_id = id_weights(corpus.tokenizer).items()
    yield from rung(tokens, equal[0], bag(equal[1]))
    yield from rung(tokens, "Jaccard of tokens", jaccard_similarity)
    yield from rung(tokens, by_id[0], bag(by_id[1]))
    yield from rung(tokens, IDF_BAG, bag(idf), numbers=vocab_size)
    for seed in seeds:
        table = np.random.default_rng(seed).normal(size=(vocab_size, d))
        yield from rung(vectors, "mean of random vectors", mean(table), seed=seed)
    for name in FREQUENCY_SETS:
        draws: Sequence[int | None] = seeds if name == "random" else (None,)
        for draw in draws:
            yield from rung(vectors, f"mean of T(p), {name}", features(frequencies=name, seed=draw or 0), seed=draw)
    yield from rung(vectors, f"mean of T(p), period {PUBLISHED_PERIOD}", features(period=PUBLISHED_PERIOD))
    for config in configs:
        encode = partial(_encoded, untrained_encoder(config, corpus))
        yield from rung(encoders, series_name(config), encode, seed=config.seed)


def _encoded(encoder: SentenceEncoder, pairs: TokenPairs) -> np.ndarray:
    return embedding_similarity(encoder, pairs.first, pairs.second)


def weight_columns(idf: np.ndarray, by_id: np.ndarray, first_word: int) -> Columns:
    """Describe two weightings of the words that occur in the training text, in logarithmic bands of ids.

    Args:
        idf: Weights by id, ``(vocab_size,)``, in nats.
        by_id: Those that the id order alone gives, ``(vocab_size,)``.
        first_word: Smaller ids are left out.

    Returns:
        Columns: ``series``, ``token_id`` (mean of a band), ``value``, ``low`` and ``high`` (mean, 5th and 95th percentile of
        the band, over the mean of the bands).
    """
    used = np.flatnonzero(idf < idf.max())  # a word that never occurs has the highest idf, whatever its id
    edges = np.unique(np.geomspace(max(first_word, 1), len(idf), _WEIGHT_BANDS + 1).astype(int))
    bands = [
        ids
        for low, high in zip(edges[:-1], edges[1:], strict=True)
        if (ids := used[(used >= low) & (used < high)]).size
    ]
    series = {}
    for name, weights in {"idf, counted in the training text": idf, "√id, known beforehand": by_id}.items():
        mean = np.array([weights[band].mean() for band in bands])
        low, high = np.array([np.percentile(weights[band], (5, 95)) for band in bands]).T
        centre, scale = np.array([band.mean() for band in bands]), mean.mean()
        series[name] = {"token_id": centre, "value": mean / scale, "low": low / scale, "high": high / scale}
    return stack(series)
