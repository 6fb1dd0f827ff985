"""Distilled runs beside their teacher: its own scores, and how near a student is to it on text of other sources."""

from functools import partial

import numpy as np
import torch

from ..config import RunConfig
from ..errors import ConfigError
from ..evaluation.baselines import Baseline
from ..evaluation.breakdown import rarest, set_scores
from ..evaluation.metrics import sts_scores
from ..models.losses import DistilLoss
from ..models.sentence_encoder import SentenceEncoder
from ..text.corpus import prepare, token_pairs
from ..text.fingerprints import recorded_text
from ..text.pairs import SCORED, SentencePairs, graded_name, load_pairs
from ..text.similarity_sets import load_set, seen_sentences
from ..training.teacher import Teacher, find_teacher, vectors
from ..training.trainer import VALIDATION_BATCH


def teacher_baseline(config: RunConfig, parameters: int) -> Baseline:
    """Score the teacher of a run on what the run is scored on, as a row of its table; pairs matched are left out.

    Its vectors are kept as those of the training text are. It may have met any of these sentences.

    Args:
        config: The run.
        parameters: How many numbers the teacher has.

    Raises:
        ConfigError: If the run has no teacher, or as :func:`fourier_lab.training.teacher.find_teacher`.
    """
    if config.teacher is None:
        raise ConfigError(f"run {config.digest()} has no teacher. Give a run of objective 'distil'.")
    teacher, corpus = find_teacher(config.teacher), prepare(config)
    graded = {
        split: load_pairs(graded_name(config.corpus), split, config.source, vocab_size=config.vocab_size)
        for split in SCORED
    }
    scores = {split: sts_scores(teacher_similarity(teacher, pairs), pairs.label) for split, pairs in graded.items()}
    counts, sets = corpus.train.counts(corpus.account["vocab_size"]), {}
    for name in config.evaluated_on:
        graded_set = load_set(name, config.source)
        seen = seen_sentences(config, recorded_text(config, corpus.account))
        tokens = token_pairs(corpus.tokenizer, graded_set.pairs, config.max_seq_len)
        similarity = teacher_similarity(teacher, graded_set.pairs)
        sets[name] = set_scores(similarity, graded_set, graded_set.unseen(seen), rarest(tokens, counts))
    return Baseline(f"teacher, {teacher.name}", config.corpus, scores, parameters, {"sets": sets} if sets else {})


def nearness(encoder: SentenceEncoder, teacher: Teacher, pairs: SentencePairs) -> dict[str, float]:
    """Return how near an encoder is to a teacher on pairs of any text, in batches of 128 as held-out pairs are.

    Args:
        encoder: With a tokenizer.
        teacher: Reads the pairs if its vectors of them are not kept.
        pairs: At least 128; a last, incomplete batch is left out.

    Returns:
        ``loss`` (nats) and ``r``, as :class:`fourier_lab.models.losses.DistilLoss` gives them, and ``pairs``, their number.
    """
    own = np.stack([encoder.encode(side) for side in (pairs.first, pairs.second)])
    told = np.stack([vectors(teacher, partial(iter, side)) for side in (pairs.first, pairs.second)])
    starts, each = range(0, len(pairs) - VALIDATION_BATCH + 1, VALIDATION_BATCH), DistilLoss()
    parts = [
        each(*torch.from_numpy(own[:, i : i + VALIDATION_BATCH]), torch.from_numpy(told[:, i : i + VALIDATION_BATCH]))
        for i in starts
    ]
    loss, r = (float(torch.stack(column).mean()) for column in zip(*parts, strict=True))
    return {"loss": loss, "r": r, "pairs": VALIDATION_BATCH * len(starts)}


def teacher_similarity(teacher: Teacher, pairs: SentencePairs) -> np.ndarray:
    """Return the cosines of aligned pairs as a teacher has them, float64 ``(n,)``."""
    first, second = (vectors(teacher, partial(iter, side)).astype(np.float64) for side in (pairs.first, pairs.second))
    return (first * second).sum(1) / (np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1))
