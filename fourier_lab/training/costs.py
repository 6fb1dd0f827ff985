"""What a training run will cost, estimated from runs that were timed."""

import statistics
from collections.abc import Iterable
from dataclasses import fields

from ..config import RunConfig
from ..embeddings.registry import FEED_FORWARDS, DecoupledHeadSettings

# Mean tokens of a training sentence, special tokens included: the toy language's, and that of SNLI with MNLI.
_TOKENS = {"toy": 6, "text": 15}
# Seconds before the first step: importing, reading and tokenising the corpus (one core).
_START_S = {"toy": 4.0, "text": 20.0}
# All scoring of a run encodes about 30,000 pairs forward only, a third of the cost of training on them.
_SCORING_PAIRS = 10_000
# Of a language model it reads 32,768 tokens of each of about six splits.
_SCORING_TOKENS = 65_000
MASKED = 0.15  # of all tokens, those that a masked language model guesses
# A run says how long another takes only if it was long enough for its first, slower steps not to count, and its steps are
# large enough beside the other's: most of the time of a tiny step is not spent on multiplications.
_LEAST_STEPS = 20
_LEAST_SHARE = 1 / 8
# Fields that leave the cost alone, or whose effect the formula holds.
_SCALED = {"seed", "steps", "batch_size", "learning_rate", "warmup_steps", "weight_decay", "clip_norm", "id_order",
           "left_out", "hard_negatives"}  # fmt: skip


def mean_length(config: RunConfig) -> int:
    """Return about how many tokens a training sentence has as the run reads it."""
    if "padding_mean" in config.departures or config.objective == "language_model":
        return config.max_seq_len
    return min(config.max_seq_len, _TOKENS["toy" if config.corpus == "toy" else "text"])


def sides(config: RunConfig) -> int:
    """Return how many sentences of each pair a step encodes, with hard negatives at most; of a window there is one."""
    return 1 if config.objective == "language_model" else 2 + (config.hard_negatives != "none")


def step_work(config: RunConfig) -> float:
    """Return the work of one training step in multiply-adds, up to a constant factor.

    Per token a layer multiplies ``(4 + 3 feed_forward) d_model^2`` weights (four projections, three of the GeGLU) and
    attends to ``2 length d_model``; embedding and pooler add ``2 d_model^2``. A learned table adds ``10 V d_model`` a step,
    whatever the batch: its gradient is dense and the optimiser visits every row. Padding to ``max_seq_len`` counts as text.
    """
    d, length = config.d_model, mean_length(config)
    width = _feed_forward_width(config)
    per_token = d * d * (2 + config.n_layers * (4 + 3 * width)) + 2 * config.n_layers * length * d
    table = 10 * config.vocab_size * d if config.arm == "learned" else 0
    if config.objective == "language_model":  # a window each, and logits of all ids, however they are computed
        return config.batch_size * length * 3 * (per_token + config.vocab_size * head_width(config)) + table
    if config.objective == "masked":
        per_token += MASKED * config.vocab_size * head_width(config)
    return sides(config) * config.batch_size * length * 3 * per_token + table


def head_width(config: RunConfig) -> int:
    """Return the width of the rows that a head's logits are products with: the model's, or a decoupled table's own."""
    if config.head != "decoupled":
        return config.d_model
    return DecoupledHeadSettings(**dict(config.head_options)).width


def _feed_forward_width(config: RunConfig) -> float:
    """Return the hidden width of the GeGLU that has as many parameters, in units of d; of a stranger's 4 is taken."""
    if not isinstance(config.feed_forward, str):
        return config.feed_forward
    if config.feed_forward not in FEED_FORWARDS.settings:
        return 4.0
    settings = config.model(config.vocab_size).feed_forward_settings()
    return settings.parameters(config.d_model) / (3 * config.d_model**2)


class Estimator:
    """Durations of unseen runs, scaled from the most similar of the known ones."""

    def __init__(self, known: Iterable[tuple[RunConfig, float]] = ()):
        self._known = list(known)

    def __len__(self) -> int:
        return len(self._known)

    def add(self, config: RunConfig, seconds: float) -> None:
        """Learn that training (without start and scoring) of ``config`` took ``seconds``."""
        self._known.append((config, seconds))

    def seconds(self, config: RunConfig) -> float | None:
        """Return the expected seconds of a whole run, or None if no known run says anything about it.

        Runs of a few steps, or of far smaller ones, are passed over. Of the others those count that differ from ``config``
        in the fewest settings; the median of their seconds per unit of :func:`step_work` times steps is taken, so that one
        slow run on a busy machine does not decide.
        """
        work, steps = step_work(config), min(config.steps, _LEAST_STEPS)
        telling = [
            (known, seconds)
            for known, seconds in self._known
            if known.steps >= steps and step_work(known) >= _LEAST_SHARE * work
        ]
        if not telling:
            return None
        distances = [_distance(config, known) for known, _ in telling]
        rates = [
            seconds / (known.steps * step_work(known))
            for (known, seconds), distance in zip(telling, distances, strict=True)
            if distance == min(distances)
        ]
        scoring_steps = _SCORING_PAIRS / config.batch_size
        if config.objective == "language_model":
            scoring_steps = _SCORING_TOKENS / (config.batch_size * mean_length(config))
        start = _START_S["toy" if config.corpus == "toy" else "text"]
        return start + statistics.median(rates) * (config.steps + scoring_steps) * work


def _distance(first: RunConfig, second: RunConfig) -> int:
    names = (field.name for field in fields(RunConfig) if field.name not in _SCALED)
    return sum(getattr(first, name) != getattr(second, name) for name in names)
