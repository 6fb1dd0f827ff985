"""Batches of token ids without padding: sentences sorted by length and laid end to end."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

import numpy as np
import torch
from torch import Tensor

from ..errors import ConfigError, DataError

_BLOCK = 2**16


@dataclass(frozen=True)
class PackedSentences:
    """Sentences laid end to end, in order of length, so that no position is padding.

    Attributes:
        distinct: int64 ``(n_distinct,)``, the ids that occur, ascending.
        places: int64 ``(n_tokens,)``; ``distinct[places]`` are the ids of all sentences, one after the other.
        positions: int64 ``(n_tokens,)``, place of each token in its sentence, from 0.
        groups: ``(count, length)`` per distinct length; consecutive sentences of one length form a dense block.
        restore: int64 ``(n_sentences,)``; ``packed_rows[restore]`` puts per-sentence rows back into the given order.
        mask: bool ``(n_sentences, length)``, False on padding, if all were padded to one length; else None.
    """

    distinct: Tensor
    places: Tensor
    positions: Tensor
    groups: tuple[tuple[int, int], ...]
    restore: Tensor
    mask: Tensor | None = None

    @property
    def token_ids(self) -> Tensor:
        """Ids of all sentences one after the other, int64 ``(n_tokens,)``."""
        return self.distinct[self.places]

    @property
    def sizes(self) -> list[int]:
        """Number of tokens in each group."""
        return [count * length for count, length in self.groups]

    def blocks(self, values: Tensor) -> tuple[Tensor, ...]:
        """Cut values ``(n_tokens, ...)`` into one part for each group; a single group stays whole, as graphs need it."""
        return (values,) if len(self.groups) == 1 else values.split(self.sizes)

    def to(self, device: torch.device) -> "PackedSentences":
        """Return the same batch on ``device``."""
        distinct, places, positions, restore = (
            t.to(device) for t in (self.distinct, self.places, self.positions, self.restore)
        )
        mask = None if self.mask is None else self.mask.to(device)
        return PackedSentences(distinct, places, positions, self.groups, restore, mask)


def check_length(longest: int, max_seq_len: int) -> None:
    """Raise :class:`ConfigError` if the longest sentence has more tokens than the encoder has positions."""
    if longest > max_seq_len:
        raise ConfigError(f"a sentence has {longest} tokens, more than max_seq_len ({max_seq_len}). Truncate it.")


def pack_padded(sentences: Sequence[np.ndarray], length: int, pad_id: int) -> PackedSentences:
    """Pack int64 id arrays after padding each to ``length`` with ``pad_id``, as the published code does.

    Raises:
        ConfigError: If a sentence is longer.
        DataError: As :func:`pack`.
    """
    check_length(max(map(len, sentences), default=0), length)
    missing = [length - len(s) for s in sentences]
    packed = pack([np.pad(s, (0, n), constant_values=pad_id) for s, n in zip(sentences, missing, strict=True)])
    mask = torch.arange(length) < length - torch.tensor(missing).unsqueeze(1)
    return dataclasses.replace(packed, mask=mask)  # equal lengths keep their order


def check_rows(sentences: Sequence[np.ndarray]) -> np.ndarray:
    """Return the lengths ``(n_sentences,)`` of id arrays.

    Raises:
        DataError: If there is no sentence, or one has no token.
        ConfigError: If ids are no integers.
    """
    lengths = np.array([len(s) for s in sentences])
    if wrong := {str(kind) for kind in {s.dtype for s in sentences} if not np.issubdtype(kind, np.integer)}:
        raise ConfigError(f"token ids must be integers, got {', '.join(sorted(wrong))}. Use .astype(int).")
    if not len(lengths) or not lengths.min():
        raise DataError("cannot batch an empty list or a sentence without tokens. Drop empty sentences first.")
    return lengths


def pack(sentences: Sequence[np.ndarray]) -> PackedSentences:
    """Pack int64 id arrays, each ``(length,)`` with length >= 1.

    Raises:
        DataError, ConfigError: As :func:`check_rows`.
    """
    lengths = check_rows(sentences)
    order = np.argsort(lengths, kind="stable")
    counts = np.unique(lengths, return_counts=True)
    sorted_lengths = lengths[order]
    starts = np.repeat(np.cumsum(sorted_lengths) - sorted_lengths, sorted_lengths)
    token_ids = np.concatenate([sentences[i] for i in order]).astype(np.int64, copy=False)
    distinct, places = np.unique(token_ids, return_inverse=True)
    return PackedSentences(
        distinct=torch.from_numpy(distinct),
        places=torch.from_numpy(places),
        positions=torch.from_numpy(np.arange(len(token_ids)) - starts),
        groups=tuple((int(count), int(length)) for length, count in zip(*counts, strict=True)),
        restore=torch.from_numpy(np.argsort(order)),
    )


def epoch_batches(keys: tuple[np.ndarray, np.ndarray], batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Shuffle pair indices into batches in which no sentence occurs twice.

    A repeated sentence would be its own false negative. A pair whose sentence is already in the open batch waits for a
    later one; pairs left over at the end, fewer than a batch or all repeating each other, are left out this epoch.

    Args:
        keys: Two int arrays ``(n_pairs,)``: equal numbers mean equal sentences, across both sides.
        batch_size: Pairs in each batch.
        seed: Seed of the run.
        epoch: Number of this pass over the pairs; another epoch is another shuffle.

    Returns:
        Arrays ``(batch_size,)`` of pair indices, the same for the same arguments.

    Raises:
        DataError: If no whole batch of distinct sentences can be formed.
    """
    left = len(keys[0])
    upcoming = _shuffled(keys, np.random.default_rng((seed, epoch)))
    waiting: list[tuple[int, int, int]] = []
    batches: list[np.ndarray] = []
    while left >= batch_size:
        batch: list[int] = []
        held: list[tuple[int, int, int]] = []
        seen: set[int] = set()
        earlier = iter(waiting)
        for pair in chain(earlier, upcoming):
            i, first, second = pair
            if first in seen or second in seen:
                held.append(pair)
                continue
            seen.update((first, second))
            batch.append(i)
            if len(batch) == batch_size:
                break
        if len(batch) < batch_size:
            break
        batches.append(np.array(batch))
        waiting, left = [*held, *earlier], left - batch_size
    if not batches:
        raise DataError(
            f"{len(keys[0])} pairs hold no batch of {batch_size} pairs with distinct sentences. "
            "Lower batch_size or use more pairs."
        )
    return batches


def _shuffled(keys: tuple[np.ndarray, np.ndarray], rng: np.random.Generator) -> Iterator[tuple[int, int, int]]:
    """Yield the pairs in a random order, each with its two keys, a block of them in memory as Python's numbers."""
    order = rng.permutation(len(keys[0]))
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        yield from zip(block.tolist(), keys[0][block].tolist(), keys[1][block].tolist(), strict=True)


def batch_stream(
    keys: tuple[np.ndarray, np.ndarray],
    batch_size: int,
    seed: int,
    start: int,
    stop: int,
    parts: Sequence[int] = (),
) -> Iterator[np.ndarray]:
    """Yield the batches of steps ``start..stop-1``; a stream started later yields the same batches for the same steps.

    With ``parts``, sizes of consecutive stretches of the pairs, each epoch visits one stretch after the other.
    """
    ends = np.cumsum(parts or (len(keys[0]),))
    stretches = [slice(end - size, end) for end, size in zip(ends, parts or ends, strict=True)]
    step = epoch = 0
    while max(start, step) < stop:
        batches = [
            stretch.start + batch
            for stretch in stretches
            for batch in epoch_batches((keys[0][stretch], keys[1][stretch]), batch_size, seed, epoch)
        ]
        yield from batches[max(0, start - step) : stop - step]
        step, epoch = step + len(batches), epoch + 1


def chunk_by_tokens(lengths: Sequence[int], max_tokens: int) -> list[np.ndarray]:
    """Split sentence indices, longest apart from shortest, into chunks of about ``max_tokens`` tokens.

    A chunk ends with the sentence that reaches a multiple of ``max_tokens``, so it may hold one sentence's tokens more.
    """
    order = np.argsort(lengths, kind="stable")
    chunk_of = [total // max_tokens for total in accumulate(int(lengths[i]) for i in order)]
    return np.split(order, np.flatnonzero(np.diff(chunk_of)) + 1) if len(order) else []
