"""One method of the ladder from zero parameters, scored: what a rung is, whoever climbs it."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

KINDS = ("shared tokens", "fixed vectors", "untrained encoder", "trained encoder")


@dataclass(frozen=True)
class Rung:
    """One method, scored once.

    Attributes:
        name: What it is; rungs of one kind and name differ in the seed alone.
        kind: One of :data:`KINDS`.
        numbers: How many numbers it takes from text, by counting or by training.
        seed: Seed of what is drawn at random; None if nothing is.
        scores: By split, as :func:`fourier_lab.evaluation.metrics.sts_scores` gives them.
        resampled: Of shared tokens, Spearman of the resamples of both splits, as in a run's record.
    """

    name: str
    kind: str
    numbers: int
    seed: int | None
    scores: dict[str, dict]
    resampled: NDArray[np.int16] | None = field(default=None, compare=False)
