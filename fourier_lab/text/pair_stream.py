"""Sentence pairs of which a block is in memory at a time: their files are read each time that they are gone through."""

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, compress, islice

import numpy as np

BLOCK = 2**16  # sentences in memory at a time


@dataclass(frozen=True)
class Side:
    """The first, or the second, sentences of pairs.

    Attributes:
        parts: Where they come from, one after the other.
        keep: Which of those belong to the pairs, bool, shorter where the last ones do not; all if None.
    """

    parts: tuple[Iterable[str], ...]
    keep: np.ndarray | None = None

    def __iter__(self) -> Iterator[str]:
        every = chain.from_iterable(self.parts)
        return every if self.keep is None else compress(every, self.keep.tobytes())

    def select(self, keep: np.ndarray) -> "Side":
        """Return those of the sentences at which ``keep``, bool ``(n,)``, is true."""
        places = np.flatnonzero(keep) if self.keep is None else np.flatnonzero(self.keep)[keep]
        kept = np.zeros(places.max(initial=-1) + 1, bool)
        kept[places] = True
        return Side(self.parts, kept)


@dataclass(frozen=True)
class PairStream:
    """Aligned sentence pairs of one split, as :class:`fourier_lab.SentencePairs` has them in lists.

    Attributes:
        name, split, label, fingerprint: As there.
        first, second: Sentences to go through, any number of times.
    """

    name: str
    split: str
    first: Iterable[str]
    second: Iterable[str]
    label: np.ndarray
    fingerprint: str

    def __len__(self) -> int:
        return len(self.label)

    def select(self, keep: np.ndarray) -> "PairStream":
        """Return the pairs at which ``keep``, bool ``(n,)``, is true; the fingerprint stays that of the source."""
        first, second = (side if isinstance(side, Side) else Side((side,)) for side in (self.first, self.second))
        first, second = first.select(keep), second.select(keep)
        return dataclasses.replace(self, first=first, second=second, label=self.label[keep])


def distinct(first: Iterable[str], second: Iterable[str], n_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each sentence of two sides, those of the first before the others, and where one is met first.

    Equal sentences have one number, counted from 0 in order of appearance. What is compared are 128 bits of a hash of each:
    that two of 20 million share them has a chance of 10^-24.

    Returns:
        tuple: Numbers int64 ``(2 n_pairs,)``, and bool ``(2 n_pairs,)``.
    """
    n = 2 * n_pairs
    halves = np.empty((2, n), np.uint64)
    sentences, done = chain(first, second), 0
    while block := list(islice(sentences, BLOCK)):
        hashed = b"".join(blake2b(s.encode("utf-8", "surrogatepass"), digest_size=16).digest() for s in block)
        halves[:, done : done + len(block)] = np.frombuffer(hashed, np.uint64).reshape(-1, 2).T
        done += len(block)
    order = np.lexsort(halves)  # equal ones side by side, each in order of appearance
    new = np.ones(n, bool)
    new[1:] = False
    for half in halves:
        ordered = half[order]
        new[1:] |= ordered[1:] != ordered[:-1]
    del halves, ordered
    starts = np.flatnonzero(new)
    met_first = np.zeros(n, bool)
    met_first[order[starts]] = True
    numbers = (np.cumsum(met_first) - 1)[order[starts]]
    number = np.empty(n, np.int64)
    number[order] = np.repeat(numbers, np.diff(starts, append=n))
    return number, met_first
