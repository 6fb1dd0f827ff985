"""The frequency sets themselves, and the choice of one by name or as a list; in numpy, for whoever only reads records."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from .frequencies import FREQUENCIES, check_width, is_integer, resolve_period

_INT64 = 2**63


def harmonic(vocab_size: int, n_frequencies: int) -> NDArray[np.int64]:
    """Return 1..K, the paper's set: a low-pass filter over the id axis; goes on above half of the vocabulary."""
    return np.arange(1, n_frequencies + 1)


def log(vocab_size: int, n_frequencies: int) -> NDArray[np.int64]:
    """Return K integers spaced about geometrically from 1 to below half of the vocabulary."""
    highest = _highest(vocab_size, n_frequencies, "log")
    places = np.arange(n_frequencies)
    spaced = np.rint(np.geomspace(1, highest, n_frequencies)).astype(np.int64)
    # Rounding repeats the lowest integers: push each value above its predecessor, then back under the ceiling.
    ascending = np.maximum.accumulate(spaced - places) + places
    return np.minimum(ascending, highest - places[::-1])


def random(vocab_size: int, n_frequencies: int, seed: int = 0) -> NDArray[np.int64]:
    """Return K distinct integers drawn below half of the vocabulary, ascending: a nearly white code."""
    highest = _highest(vocab_size, n_frequencies, "random")
    return np.sort(np.random.default_rng(seed).choice(highest, size=n_frequencies, replace=False) + 1)


def mixed(vocab_size: int, n_frequencies: int, seed: int = 0) -> NDArray[np.int64]:
    """Return the lowest K / 4 harmonics and, drawn from those above, distinct others: smooth and separable at once."""
    highest, low = _highest(vocab_size, n_frequencies, "mixed"), n_frequencies // 4
    drawn = np.random.default_rng(seed).choice(highest - low, size=n_frequencies - low, replace=False)
    return np.concatenate([np.arange(1, low + 1), low + 1 + np.sort(drawn)])


def _highest(vocab_size: int, n_frequencies: int, name: str) -> int:
    # Strictly below M/2 = (V - 1) / 2: at M/2 itself the sine is zero at every id.
    highest = (vocab_size - 2) // 2
    if n_frequencies > highest:
        raise ConfigError(
            f"{name!r} needs {n_frequencies} distinct frequencies but only 1..{highest} are below half the period. "
            f"Lower n_frequencies, or d_model / 2 where it sets them, to at most {highest}, or use 'harmonic'."
        )
    return highest


def choose_frequencies(
    frequencies: str | Sequence[int], vocab_size: int, d_model: int, period: int | None = None, seed: int = 0
) -> NDArray[np.int64]:
    """Return the K = ``d_model / 2`` distinct integers that :func:`fourier_lab.frequency_set` describes, int64 ``(K,)``."""
    check_width(d_model)
    if not is_integer(seed) or seed < 0:
        raise ConfigError(f"the seed of frequencies must be an integer from 0, got {seed!r}. Try 0.")
    k, m = d_model // 2, resolve_period(vocab_size, period)
    if not isinstance(frequencies, str):
        given = getattr(frequencies, "tolist", lambda: frequencies)()  # of an array or tensor
        return _check_list(list(given) if isinstance(given, Iterable) else [given], k, "a list of frequencies")
    FREQUENCIES.check_name(frequencies)
    # A set knows of no period: it fills a vocabulary as long as one.
    chosen = FREQUENCIES.build(frequencies, (m + 1, k), FREQUENCIES.settings_of(frequencies)(), int(seed))
    return _check_list(np.asarray(chosen).tolist(), k, f"the frequency set {frequencies!r}")


def _check_list(values: list, k: int, what: str) -> NDArray[np.int64]:
    if len(values) != k or any(not is_integer(f) or not 1 <= f < _INT64 for f in values) or len(set(values)) != k:
        raise ConfigError(
            f"{what} needs d_model / 2 = {k} distinct integers >= 1, got {len(values)} values: {values[:8]}. "
            "Change them or d_model."
        )
    return np.array(values, dtype=np.int64)
