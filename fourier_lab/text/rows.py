"""Sentences as rows of ids that lie one after the other in one array, such as a file that is mapped into memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Rows = Sequence[np.ndarray]
_BLOCK = 2**16


def narrow(values: np.ndarray) -> np.ndarray:
    """Return integers from 0 in the smallest type that holds them, other numbers as they are.

    Example:
        >>> narrow(np.array([0, 300])).dtype, narrow(np.array([0.5])).dtype
        (dtype('uint16'), dtype('float64'))
    """
    whole = np.issubdtype(values.dtype, np.integer)
    return values.astype(np.min_scalar_type(values.max(initial=0))) if whole else values


@dataclass(frozen=True, eq=False)
class TokenRows(Sequence[np.ndarray]):
    """Rows of ids, each int64 ``(length,)``, cut out when it is asked for: ten million arrays would take gigabytes.

    Args:
        ids: Of all distinct rows, one after the other, of any integer type.
        ends: Where each distinct row ends in ``ids``, int64 ``(n_distinct,)``.
        number: Which of them each row is, ``(n,)``.

    Example:
        >>> rows = TokenRows(np.array([2, 7, 3, 2, 3], np.uint16), np.array([3, 5]), np.array([1, 0, 1]))
        >>> rows[1], len(rows[1:])
        (array([2, 7, 3]), 2)
    """

    ids: np.ndarray
    ends: np.ndarray
    number: np.ndarray

    @classmethod
    def of(cls, blocks: Iterable[list[np.ndarray]]) -> "TokenRows":
        """Return the rows of several lists, each row as distinct, in the smallest type that holds the ids."""
        ids, kind, lengths = bytearray(), np.dtype(np.uint8), [np.zeros(0, np.uint8)]
        for rows in blocks:
            block = narrow(np.concatenate(rows))
            if (wider := np.promote_types(kind, block.dtype)) != kind:
                ids, kind = bytearray(np.frombuffer(ids, kind).astype(wider)), wider
            ids += block.astype(kind).data  # grows where it is: no second copy of all is ever in memory
            lengths.append(narrow(np.fromiter(map(len, rows), np.int64, len(rows))))
        ends = np.cumsum(np.concatenate(lengths), dtype=np.int64)
        return cls(np.frombuffer(ids, kind), ends, np.arange(len(ends)))

    def __len__(self) -> int:
        return len(self.number)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return TokenRows(self.ids, self.ends, self.number[place])
        return self._row(int(self.number[place]))

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self._row, self.number.tolist())

    def __add__(self, other: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [*self, *other]

    def _row(self, number: int) -> np.ndarray:
        start = self.ends[number - 1] if number else 0
        return self.ids[start : self.ends[number]].astype(np.int64)

    def counts(self, vocab_size: int) -> np.ndarray:
        """Return how often each id occurs in all rows, int64 ``(vocab_size,)``."""
        times, found = np.bincount(self.number, minlength=len(self.ends)), np.zeros(vocab_size, np.int64)
        starts = np.concatenate(([0], self.ends[:-1]))
        for first in range(0, len(self.ends), _BLOCK):
            rows = slice(first, first + _BLOCK)
            ids = self.ids[starts[first] : self.ends[rows][-1]]
            found += np.bincount(ids, np.repeat(times[rows], (self.ends - starts)[rows]), vocab_size).astype(np.int64)
        return found

    def with_ids(self, new_id: np.ndarray) -> "TokenRows":
        """Return the same rows after replacing each id ``p`` by ``new_id[p]``."""
        return TokenRows(new_id[self.ids], self.ends, self.number)
