"""Methods scored beyond STS-B, trained or not: on further similarity sets, and by how many held-out pairs they match."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..config import RunConfig
from ..provenance import commit, versions
from ..text.corpus import Corpus, TokenPairs, prepare, token_pairs
from ..text.fingerprints import recorded_text
from ..text.similarity_sets import load_set, seen_sentences
from .breakdown import matched_scores, matches, rarest, set_scores

if TYPE_CHECKING:
    from ..models.sentence_encoder import SentenceEncoder


@dataclass(frozen=True)
class Method:
    """What is scored: similarities of aligned pairs ``(n,)``, and of all with all, ``(n, n)``."""

    aligned: Callable[[TokenPairs], np.ndarray]
    crossed: Callable[[TokenPairs, np.ndarray], np.ndarray]


def of_encoder(encoder: "SentenceEncoder") -> Method:
    """Return a trained encoder as a method: the cosines of its sentence embeddings."""
    import torch
    import torch.nn.functional as F

    from .similarity import embedding_similarity

    @torch.no_grad()
    def crossed(pairs: TokenPairs, index: np.ndarray) -> np.ndarray:
        sides = ([side[i] for i in index] for side in (pairs.first, pairs.second))
        first, second = (F.normalize(encoder.encode_ids(side).float(), dim=-1) for side in sides)
        return (first @ second.T).cpu().numpy()

    return Method(lambda pairs: embedding_similarity(encoder, pairs.first, pairs.second), crossed)


def evaluations(config: RunConfig, method: Method, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """Score a method on the sets that a run is evaluated on, and on its held-out entailment pairs.

    Args:
        config: The run; its text decides which pairs are unseen and which tokens are rare.
        method: What is scored.
        known: Earlier evaluations; sets that they hold, of the same pairs, are not scored again.

    Returns:
        ``sets`` (by name, see :func:`fourier_lab.evaluation.breakdown.set_scores`), ``matched`` (by held-out split, see
        :func:`fourier_lab.evaluation.breakdown.matched_scores`) and what they were made with.

    Raises:
        DataError: If a set is missing or malformed.
    """
    corpus = prepare(config)
    counts = corpus.train.counts(corpus.account["vocab_size"])
    found = dict((known or {}).get("sets", {}))
    for name in config.evaluated_on:
        graded = load_set(name, config.source)
        if found.get(name, {}).get("fingerprint") != graded.pairs.fingerprint:
            seen = seen_sentences(config, recorded_text(config, corpus.account))
            pairs = token_pairs(corpus.tokenizer, graded.pairs, config.max_seq_len)
            found[name] = set_scores(method.aligned(pairs), graded, graded.unseen(seen), rarest(pairs, counts))
    matched = (known or {}).get("matched", {})
    if config.objective != "sts":  # whose held-out pairs have grades
        matched = matched or _matched(corpus, method, counts)
    return {"sets": found, "matched": matched, "versions": versions(), "commit": commit()}


def _matched(corpus: Corpus, method: Method, counts: np.ndarray) -> dict[str, Any]:
    found = {}
    for name, pairs in corpus.held_out.items():
        positive = _entailed(pairs)
        if not len(positive):
            continue
        hits = matches(partial(method.crossed, positive), len(positive))
        found[name] = matched_scores(hits, rarest(positive, counts))
    return found


def _entailed(pairs: TokenPairs) -> TokenPairs:
    """Return the entailment pairs of a held-out split, which a contrastive run holds alone."""
    keep = np.flatnonzero(pairs.label == 0).tolist()
    return TokenPairs([pairs.first[i] for i in keep], [pairs.second[i] for i in keep], pairs.label[keep], pairs.ends)


def check_sets(config: RunConfig) -> dict[str, str]:
    """Return the fingerprint of each set that a run is evaluated on.

    Raises:
        DataError: If one is missing or malformed.
    """
    return {name: load_set(name, config.source).pairs.fingerprint for name in config.evaluated_on}
