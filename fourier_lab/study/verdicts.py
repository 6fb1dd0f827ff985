"""A claim, the numbers that decide it, and the verdict that their intervals allow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..evaluation.metrics import with_pairs


@dataclass(frozen=True)
class Measured:
    """One number with the 95 % t interval over seeds of its mean; bounds are nan for a single seed.

    ``pairs_low`` and ``pairs_high`` bound it over the scored pairs, by a bootstrap; nan where that is not known.
    """

    what: str
    split: str
    value: float
    low: float
    high: float
    seeds: int
    pairs_low: float = np.nan
    pairs_high: float = np.nan

    def __str__(self) -> str:
        if np.isnan(self.low):
            return f"{self.split} {self.value:+.1f} (one seed)"
        if not np.isclose(self.high - self.value, self.value - self.low, atol=0.05):  # of a median
            return f"{self.split} {self.value:+.1f} ({self.low:+.1f} to {self.high:+.1f})"
        return f"{self.split} {with_pairs(self.value, self.high, self.pairs_low, self.pairs_high)}"

    @property
    def interval(self) -> tuple[float, float]:
        """Return what covers both intervals."""
        return float(np.fmin(self.low, self.pairs_low)), float(np.fmax(self.high, self.pairs_high))

    def word(self, words: tuple[str, str, str]) -> str:
        """Return the word for above 0, below 0 or not told from 0."""
        above, below, unclear = words
        if np.isnan(self.low):
            return "one seed only"
        low, high = self.interval
        return above if low > 0 else below if high < 0 else unclear


@dataclass(frozen=True)
class Claim:
    """A claim and how it is put to the test.

    Attributes:
        text: What the paper says, in our words, or a question of ours.
        notebook: Stem of the notebook that shows it.
        figure: The figure that shows it, ``notebook/figure`` below ``figures/``.
        records: Reads what decides: the shipped records of a sweep, whose settings are all in ``sweeps/``, or a file
            below ``results/``.
        measure: Reads differences off the records; the first two decide, most often on validation and on test.
        words: The verdict where a difference is above 0, below 0, and not told from 0.
        not_shown: What the measurement leaves open.
        shown: How many of the measurements the table of claims has.
    """

    text: str
    notebook: str
    figure: str
    records: Callable[[], Any]
    measure: Callable[[Any], list[Measured]]
    words: tuple[str, str, str]
    not_shown: str
    shown: int = 2

    def answer(self, records: Any = None) -> list[Measured]:
        """Measure on ``records``, the shipped ones if None."""
        return self.measure(self.records() if records is None else records)

    def verdict(self, measured: Sequence[Measured]) -> str:
        """Return the verdict in words, for the two measurements that decide."""
        (dev, here), (test, there) = ((each.word(self.words), each.split) for each in measured[:2])
        return f"{dev} ({here} and {there})" if dev == test else f"{dev} ({here}); {test} ({there})"
