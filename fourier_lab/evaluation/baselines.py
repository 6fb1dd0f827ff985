"""Sentence similarity without any training: weighted bags of token ids, means of fixed vectors, an encoder at its start."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..config import RunConfig
from ..errors import DataError, leave_out
from ..text.corpus import Corpus, TokenPairs, prepare
from ..text.id_order import last_special
from .beyond import Method, evaluations
from .metrics import sts_scores

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

    from ..models.sentence_encoder import SentenceEncoder

# Subtracted from an id of BERT's before the root is taken: about the last special token. It was chosen on the scored pairs:
# Spearman x 100 on STS-B validation / test is 70.1 / 61.9 with 0, 72.5 / 63.3 with 995 and 73.1 / 64.1 with 1995.
BERT_OFFSET = 995
IDF_BAG = "bag of tokens, idf"


@dataclass(frozen=True)
class Baseline:
    """An untrained method, scored.

    Attributes:
        name: What it is called.
        corpus: The training corpus whose graded pairs it is scored on.
        scores: By split, in the form of :func:`fourier_lab.evaluation.metrics.sts_scores`.
        numbers: How many numbers it takes from text, by counting.
        evaluations: Scores beyond, in the form of :func:`fourier_lab.evaluation.beyond.evaluations`.
    """

    name: str
    corpus: str
    scores: dict[str, dict]
    numbers: int = 0
    evaluations: dict[str, Any] = field(default_factory=dict)


def bag_similarity(pairs: TokenPairs, weights: np.ndarray) -> np.ndarray:
    """Return cosines in [0, 1], float64 ``(n,)``, of weighted bags of token ids.

    Args:
        pairs: n tokenised pairs; what the tokenizer puts around each sentence ([CLS], [SEP]) is left out.
        weights: float ``(vocab_size,)``, one non-negative weight per id.
    """
    return np.array([_cosine(a, b, weights) for a, b in zip(*pairs.texts, strict=True)])


def of_bag(weights: np.ndarray) -> Method:
    """Return a bag of tokens as a method: cosines of the counts of its tokens times their weights, ``(vocab_size,)``."""
    from scipy import sparse

    def rows(words: list[np.ndarray]) -> "sparse.csr_array":
        ids, ends = np.concatenate(words), np.cumsum([0, *map(len, words)])
        counts = sparse.csr_array((weights[ids], ids, ends), shape=(len(words), len(weights)))
        counts.sum_duplicates()
        lengths = np.sqrt(counts.multiply(counts).sum(1))
        return sparse.diags_array(1 / np.where(lengths > 0, lengths, 1)) @ counts

    def crossed(pairs: TokenPairs, index: np.ndarray) -> np.ndarray:
        first, second = (rows([side[i] for i in index]) for side in pairs.texts)
        return (first @ second.T).toarray()

    return Method(partial(bag_similarity, weights=weights), crossed)


def jaccard_similarity(pairs: TokenPairs) -> np.ndarray:
    """Return distinct ids in common over distinct ids in all, in [0, 1], float64 ``(n,)``; [CLS] and [SEP] left out."""
    sets = [(set(a.tolist()), set(b.tolist())) for a, b in zip(*pairs.texts, strict=True)]
    return np.array([len(a & b) / len(a | b) if a | b else 0.0 for a, b in sets])


def mean_similarity(pairs: TokenPairs, table: np.ndarray) -> np.ndarray:
    """Return cosines in [-1, 1], float64 ``(n,)``, of the mean vectors of the tokens; [CLS] and [SEP] left out.

    Args:
        pairs: n tokenised pairs.
        table: float ``(vocab_size, d)``, one vector per id.
    """
    import torch
    import torch.nn.functional as F

    from .similarity import cosine

    rows = torch.from_numpy(np.asarray(table, dtype=np.float64))

    def means(words: Sequence[np.ndarray]) -> "torch.Tensor":
        offsets = np.cumsum([0, *(len(each) for each in words[:-1])])
        return F.embedding_bag(torch.from_numpy(np.concatenate(words)), rows, torch.from_numpy(offsets), mode="mean")

    first, second = pairs.texts
    return cosine(means(first), means(second))


def sqrt_id_weights(vocab_size: int, offset: int) -> np.ndarray:
    """Return ``sqrt(max(p - offset, 0))`` per id: with ids in order of frequency, rare words count more."""
    return np.sqrt(np.maximum(np.arange(vocab_size) - offset, 0.0))


def idf_weights(sentences: Iterable[np.ndarray], vocab_size: int) -> np.ndarray:
    """Return ``ln((n + 1) / (n_p + 1))`` per id, in nats: ``n_p`` of the n distinct sentences hold id p.

    Args:
        sentences: Id arrays; repetitions count once.
        vocab_size: Length of the result, the numbers that this weighting stores.

    Raises:
        DataError: If there is no sentence to count in.

    Example:
        >>> idf_weights([np.array([0, 1]), np.array([0, 0])], vocab_size=3).round(2)
        array([0.  , 0.41, 1.1 ])
    """
    distinct = {sentence.tobytes(): sentence for sentence in sentences}
    if not distinct:
        raise DataError("there is no sentence to count tokens in. Pass the training sentences.")
    holding = np.bincount(np.concatenate([np.unique(s) for s in distinct.values()]), minlength=vocab_size)
    return np.log((len(distinct) + 1) / (holding + 1))


def untrained_encoder(config: RunConfig, corpus: Corpus) -> "SentenceEncoder":
    """Return the encoder of a run as it is before the first training step, in eval mode."""
    import torch

    from ..embeddings.interface import ReadsCounts
    from ..models.sentence_encoder import SentenceEncoder

    with torch.random.fork_rng():
        torch.manual_seed(config.seed)  # as training does
        encoder = SentenceEncoder(config.model(corpus.account["vocab_size"]), corpus.tokenizer)
    if isinstance(encoder.embedding, ReadsCounts):
        encoder.embedding.set_counts(torch.from_numpy(corpus.train.counts(corpus.account["vocab_size"])))
    return encoder.eval()


def id_weights(tokenizer: "Tokenizer") -> dict[str, np.ndarray]:
    """Return the weights per id that know no text, by name: equal ones, and those of the id order."""
    offset, vocab_size = min(last_special(tokenizer), BERT_OFFSET), tokenizer.get_vocab_size(with_added_tokens=True)
    return {
        "bag of tokens": np.ones(vocab_size),
        f"bag of tokens, √(id − {offset})": sqrt_id_weights(vocab_size, offset),
    }


def zero_parameter_baselines(config: RunConfig) -> list[Baseline]:
    """Score bags of tokens on what a run is scored on: equal weights, ``sqrt(p - offset)``, and idf of the training text.

    One that has no score, since all pairs have for instance no token in common, is left out with a ``RecordWarning``.
    """
    corpus = prepare(config)
    vocab_size = corpus.account["vocab_size"]
    weights = id_weights(corpus.tokenizer)
    weights[IDF_BAG] = idf_weights(corpus.train.sentences, vocab_size)
    found = []
    for name, each in weights.items():
        numbers = vocab_size if name == IDF_BAG else 0
        try:
            scores = {s: sts_scores(bag_similarity(pairs, each), pairs.label) for s, pairs in corpus.graded.items()}
            found.append(Baseline(name, config.corpus, scores, numbers, evaluations(config, of_bag(each))))
        except DataError as error:
            leave_out(f"{name}: {error}")
    return found


def _cosine(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> float:
    ids_a, counts_a = np.unique(a, return_counts=True)
    ids_b, counts_b = np.unique(b, return_counts=True)
    va, vb = counts_a * weights[ids_a], counts_b * weights[ids_b]
    _, in_a, in_b = np.intersect1d(ids_a, ids_b, assume_unique=True, return_indices=True)
    norm = np.sqrt((va**2).sum() * (vb**2).sum())
    return float(va[in_a] @ vb[in_b] / norm) if norm else 0.0
