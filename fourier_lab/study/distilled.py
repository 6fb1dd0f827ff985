"""The teacher of distilled runs, scored by the same code on the same pairs as its students."""

from functools import partial

import numpy as np

from ..config import RunConfig
from ..errors import ConfigError
from ..evaluation.baselines import Baseline
from ..evaluation.breakdown import rarest, set_scores
from ..evaluation.metrics import sts_scores
from ..text.corpus import prepare, token_pairs
from ..text.fingerprints import recorded_text
from ..text.pairs import SCORED, SentencePairs, graded_name, load_pairs
from ..text.similarity_sets import load_set, seen_sentences
from ..training.teacher import Teacher, find_teacher, vectors


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


def teacher_similarity(teacher: Teacher, pairs: SentencePairs) -> np.ndarray:
    """Return the cosines of aligned pairs as a teacher has them, float64 ``(n,)``."""
    first, second = (vectors(teacher, partial(iter, side)).astype(np.float64) for side in (pairs.first, pairs.second))
    return (first * second).sum(1) / (np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1))
