"""Sizes that follow from a vocabulary and a width: bases of digits, factors of tensors; in plain Python."""

import math


def digit_base(vocab_size: int, n_digits: int) -> int:
    """Return the smallest base in which ``n_digits`` digits tell all ids apart.

    Example:
        >>> digit_base(30522, 3), digit_base(4096, 3)
        (32, 16)
    """
    base = max(1, round(vocab_size ** (1 / n_digits)) - 1)  # one below the root, because a root is rounded
    while base**n_digits < vocab_size:
        base += 1
    return base


def n_bits(vocab_size: int) -> int:
    """Return how many bits tell all ids apart: the smallest n with ``2^n >= vocab_size``."""
    return max(1, (vocab_size - 1).bit_length())


def tensor_shapes(vocab_size: int, width: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return three factors whose product is at least V, and three whose product is d, each about a cube root.

    The smallest stands in the middle, where the core of a tensor train has two ranks.

    Example:
        >>> tensor_shapes(30522, 256)
        ((32, 31, 31), (8, 4, 8))
    """
    first = digit_base(vocab_size, 3)
    last = digit_base(math.ceil(vocab_size / first), 2)
    middle = math.ceil(vocab_size / (first * last))
    triples = (
        (a, b, width // (a * b))
        for a in range(1, width + 1)
        if width % a == 0
        for b in range(a, width // a + 1)
        if width % (a * b) == 0 and b <= width // (a * b)
    )
    small, mean, large = min(triples, key=sum)
    return (first, middle, last), (mean, small, large)
