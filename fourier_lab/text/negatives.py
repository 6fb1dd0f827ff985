"""Hard negatives of entailment pairs: hypotheses that contradict the same premise."""

import numpy as np


def contradictions(premises: np.ndarray, hypotheses: np.ndarray, n: int) -> np.ndarray:
    """Return for each of the first ``n`` pairs a hypothesis that contradicts its premise, or its own where none does.

    The j-th hypothesis that a premise entails gets the j-th that contradicts it, in order of the text, and after the last
    one the first again.

    Args:
        premises: Number of the premise of each pair, ``(n_pairs,)``; equal sentences have one number.
        hypotheses: The same of the hypotheses.
        n: Number of pairs that entail; all after them contradict.

    Returns:
        np.ndarray: Numbers of sentences ``(n,)``.

    Example:
        >>> contradictions(np.array([0, 0, 1, 0]), np.array([2, 3, 4, 5]), 3)
        array([5, 5, 4])

    Source: Gao et al. 2021 (arXiv:2104.08821), who draw one of several contradictions, and leave out pairs without any.
    """
    entailed, others = premises[:n], np.argsort(premises[n:], kind="stable")
    first, after = (np.searchsorted(premises[n:][others], entailed, side=side) for side in ("left", "right"))
    order = np.argsort(entailed, kind="stable")
    turn = np.empty(n, np.int64)  # of a pair among those of its premise
    turn[order] = np.arange(n) - np.searchsorted(entailed[order], entailed[order])
    found, some = hypotheses[:n].copy(), after > first
    found[some] = hypotheses[n:][others[(first + turn % np.maximum(after - first, 1))[some]]]
    return found
