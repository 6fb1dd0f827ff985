"""MurmurHash3 of token ids, the hash function of every rival that needs one."""

import torch
from torch import Tensor

# Constants of MurmurHash3, as the signed integers that torch has.
_C1 = 0x87C37B91114253D5 - 2**64
_C2 = 0x4CF5AD432745937F
_MIX1 = 0xFF51AFD7ED558CCD - 2**64
_MIX2 = 0xC4CEB9FE1A85EC53 - 2**64
_LENGTH = 8  # bytes of an id
_WORD = 2**32


def hash_words(token_ids: Tensor, n: int, seed: int) -> Tensor:
    """Return ``n`` hash values of each id: int64 ``(..., n)`` in ``0..2^32-1``.

    The first four are the 128 bits of MurmurHash3_x64_128 of the id as 8 little-endian bytes, in words of 32; the next four
    are those of ``seed + 1``, and so on. thinc's HashEmbed has the same four.

    Args:
        token_ids: int64 ``(...)``.
        n: Number of values.
        seed: 0..2^32-1.

    Source: Appleby's MurmurHash3, public domain.
    """
    seeds = (seed + torch.arange(-(-n // 4), device=token_ids.device)) % _WORD
    tail = token_ids.unsqueeze(-1) * _C1
    tail = ((tail << 31) | _shift(tail, 33)) * _C2
    second = (seeds ^ _LENGTH).expand(*token_ids.shape, -1)
    first = (tail ^ second) + second
    second = second + first
    first, second = _mix(first), _mix(second)
    first = first + second
    second = second + first
    words = torch.stack([first, _shift(first, 32), second, _shift(second, 32)], dim=-1) & (_WORD - 1)
    return words.flatten(-2)[..., :n]


def hash_buckets(token_ids: Tensor, n: int, buckets: int, seed: int) -> Tensor:
    """Return ``n`` buckets of each id, int64 ``(..., n)`` in ``0..buckets-1``."""
    return hash_words(token_ids, n, seed) % buckets


def _shift(x: Tensor, bits: int) -> Tensor:
    """Shift to the right and fill with zeros, where torch repeats the sign."""
    return (x >> bits) & (2 ** (64 - bits) - 1)


def _mix(x: Tensor) -> Tensor:
    x = (x ^ _shift(x, 33)) * _MIX1
    x = (x ^ _shift(x, 33)) * _MIX2
    return x ^ _shift(x, 33)
