"""Shape of a token table, trained or not: spectrum over ids, rank, isotropy and neighbours, in numbers.

A table is an array ``(V, d)``, row p the embedding of id p, for instance ``FourierEmbedding.to_table().weight``.
Functions return plain arrays or ``Columns`` (arrays of equal length by name), which :mod:`fourier_lab.plots` draws.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..columns import Columns, stack
from ..errors import ConfigError, DataError, brief
from .conditioning import singular_values
from .resolution import effective_number

_BLOCK = 2048  # rows compared at a time: bounds memory at 2048 x V similarities


def id_spectrum(table: ArrayLike, bands: int = 48) -> Columns:
    """Return how the variance of a table is spread over frequencies along the id axis.

    Each column, as a function of the id, is Fourier transformed over ids 0..V-2, one period M of the paper's basis, so
    that its harmonics fall on whole bins. The power of white noise is 1 at every frequency, whatever its variance.

    Args:
        table: Rows ``(V, d)``.
        bands: Number of logarithmic bands, each averaged; empty ones are left out. More bands show more noise.

    Returns:
        Columns: ``frequency`` (geometric centre of a band, cycles per vocabulary), ``power`` (mean, relative to white
        noise) and ``share`` (of all variance, up to the band's upper edge).

    Raises:
        DataError: If the table is constant over ids.
    """
    rows = as_rows(table)[:-1]
    power = (np.abs(np.fft.rfft(rows - rows.mean(axis=0), axis=0)) ** 2).sum(axis=1)[1:]
    if not power.sum() > 0:
        raise DataError("the table is the same for every id and has no spectrum. Check that it was trained or drawn.")
    frequency = np.arange(1, len(power) + 1)
    edges = np.unique(np.geomspace(1, len(power) + 1, bands + 1).astype(int))
    band = np.searchsorted(edges, frequency, side="right") - 1
    share = np.bincount(band, weights=power / power.sum())
    return {
        "frequency": np.sqrt(edges[:-1] * (edges[1:] - 1.0)),
        "power": share / np.bincount(band) * len(power),
        "share": np.cumsum(share),
    }


def effective_rank(table: ArrayLike) -> float:
    """Return the effective rank, between 1 and d: the exponential of the entropy of the scaled singular values.

    Source: Roy & Vetterli 2007, "The effective rank: a measure of effective dimensionality".
    """
    return effective_number(singular_values(as_rows(table)))


def mean_cosine(table: ArrayLike) -> float:
    """Return the mean cosine over all pairs of different rows: 0 if directions cancel, 1 if all rows point one way.

    Source: Ethayarajh 2019 (arXiv:1909.00512), there over sampled pairs; the sum of unit rows gives it exactly.
    """
    unit = _unit(as_rows(table))
    n = len(unit)
    return float((np.square(unit.sum(axis=0)).sum() - n) / (n * (n - 1)))


def pair_cosines(table: ArrayLike, n_pairs: int = 2000, seed: int = 0) -> Columns:
    """Return the cosines of random pairs of different rows, whose spread the mean hides: a cone, clusters, near copies.

    Returns:
        Columns: ``pair`` (number from 0) and ``cosine``, ``n_pairs`` of each.
    """
    unit = _unit(as_rows(table))
    rng = np.random.default_rng(seed)
    first = rng.integers(len(unit), size=n_pairs)
    second = (first + rng.integers(1, len(unit), size=n_pairs)) % len(unit)
    return {"pair": np.arange(n_pairs), "cosine": (unit[first] * unit[second]).sum(axis=1)}


def iso_score(table: ArrayLike) -> float:
    """Return the IsoScore: 1 if every direction has the same variance, near 0 if one direction has all of it.

    With the d variances along principal axes scaled to norm ``sqrt(d)``, the defect is their distance from all ones
    over the largest possible one, and the score the share of dimensions that this defect leaves in use, moved to [0,
    1].

    Source: Rudman, Gillman, Rayne & Eickhoff 2022 (arXiv:2108.07344), section 4.
    """
    rows = as_rows(table)
    d = rows.shape[1]
    variance = np.linalg.eigvalsh(np.cov(rows, rowvar=False))
    scaled = variance * np.sqrt(d) / np.linalg.norm(variance)
    defect = np.linalg.norm(scaled - 1) / np.sqrt(2 * (d - np.sqrt(d)))
    used = (d - defect**2 * (d - np.sqrt(d))) ** 2 / d**2
    return float((d * used - 1) / (d - 1))


def nearest_neighbours(
    table: ArrayLike, token_ids: ArrayLike, k: int = 10, among: ArrayLike | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the ``k`` ids whose rows have the largest cosine with each given id's row, itself left out.

    Args:
        table: Rows ``(V, d)``.
        token_ids: The ids asked about, ``(n,)``.
        k: Neighbours per id.
        among: Ids that may be neighbours; all by default.

    Returns:
        tuple: Neighbour ids int64 ``(n, k)``, nearest first, and their cosines ``(n, k)``. Equal cosines come in id
            order.

    Raises:
        ConfigError: If there are fewer than ``k`` other candidates, or an id is out of range.
    """
    unit = _unit(as_rows(table))
    asked = np.atleast_1d(np.asarray(token_ids, dtype=np.int64))
    candidates = np.arange(len(unit)) if among is None else np.unique(np.asarray(among, dtype=np.int64))
    if asked.size and not 0 <= asked.min() <= asked.max() < len(unit):
        raise ConfigError(
            f"token ids must lie in 0..{len(unit) - 1}, got {asked.min()}..{asked.max()}. Check the words."
        )
    if not 1 <= k < len(candidates):
        raise ConfigError(f"k ({k}) must lie in 1..{len(candidates) - 1}, one less than the candidates. Lower k.")
    ids, cosines = np.empty((len(asked), k), dtype=np.int64), np.empty((len(asked), k))
    pool = unit[candidates]
    for start in range(0, len(asked), _BLOCK):
        block = slice(start, start + _BLOCK)
        similarity = unit[asked[block]] @ pool.T
        similarity[asked[block, None] == candidates] = -np.inf
        rough = np.sort(np.argpartition(-similarity, k - 1, axis=1)[:, :k], axis=1)
        value = np.take_along_axis(similarity, rough, axis=1)
        order = np.argsort(-value, axis=1, kind="stable")
        ids[block] = candidates[np.take_along_axis(rough, order, axis=1)]
        cosines[block] = np.take_along_axis(value, order, axis=1)
    return ids, cosines


def nearest_with_label(labels: ArrayLike) -> float:
    """Return the median difference of ids (dimensionless) from an id to the nearest other one of its label.

    Args:
        labels: Integer label per id ``(V,)``; -1 marks ids that do not count. Labels of one id alone do not count either.

    Example:
        >>> nearest_with_label([7, 8, 7, -1, 8, 7])
        3.0
    """
    labels = np.asarray(labels)
    distances: list[float] = []
    for label in np.unique(labels[labels >= 0]):
        gaps = np.diff(np.flatnonzero(labels == label)).astype(float)
        distances += np.minimum([*gaps, np.inf], [np.inf, *gaps]).tolist() if gaps.size else []
    return float(np.median(distances))


def neighbour_purity(table: ArrayLike, labels: ArrayLike, k: int = 10, n_ids: int = 1000, seed: int = 0) -> Columns:
    """Measure how often a token's nearest neighbours carry its own label, such as the concept it names.

    Args:
        table: Rows ``(V, d)``.
        labels: Integers ``(V,)``; ids with a negative label take no part.
        k: Neighbours per id, among labelled ids.
        n_ids: Labelled ids asked about, drawn without replacement; all if there are fewer.
        seed: Seed of that draw; the same seed asks the same ids of every table.

    Returns:
        Columns: One row with ``value`` (mean share in [0, 1]), ``low`` and ``high`` (95 % bootstrap interval over the
        ids asked), ``chance`` (expected share for unrelated rows), ``k`` and ``n`` (ids asked).

    Raises:
        DataError: If no id has a label.
    """
    from scipy import stats

    label = np.asarray(labels)
    known = np.flatnonzero(label >= 0)
    if known.size == 0:
        raise DataError("no id has a label of 0 or more. Pass the concept of each id, -1 where there is none.")
    random = np.random.default_rng(seed)
    asked = np.sort(random.choice(known, size=min(n_ids, known.size), replace=False))
    neighbours, _ = nearest_neighbours(table, asked, k, among=known)
    same = (label[neighbours] == label[asked, None]).mean(axis=1)
    # A degenerate sample (all hits or none) has no spread to resample.
    low = high = same.mean()
    if np.ptp(same) > 0:
        interval = stats.bootstrap((same,), np.mean, method="percentile", n_resamples=1000, rng=random)
        low, high = interval.confidence_interval
    chance = (np.bincount(label[known])[label[asked]] - 1).mean() / (known.size - 1)
    row = {"value": same.mean(), "low": low, "high": high, "chance": chance, "k": k, "n": asked.size}
    return {name: np.array([number]) for name, number in row.items()}


def similarity_by_lag(table: ArrayLike, lags: ArrayLike | None = None) -> Columns:
    """Return the cosine between rows p and p + lag, over all p.

    Args:
        table: Rows ``(V, d)``.
        lags: Positive id differences; 40 from 1 to V/2, evenly on a logarithmic scale, by default.

    Returns:
        Columns: ``lag`` (ids), ``cosine`` (mean over p), ``low`` and ``high`` (5th and 95th percentile over p).
    """
    unit = _unit(as_rows(table))
    n = len(unit)
    chosen = np.unique(np.geomspace(1, n // 2, 40).astype(int)) if lags is None else np.asarray(lags)
    if chosen.size == 0 or not 1 <= chosen.min() <= chosen.max() < n:
        raise ConfigError(f"lags must lie in 1..{n - 1} ids for {n} rows, got {chosen}. Leave lags out.")
    cosines = [np.einsum("pd,pd->p", unit[:-lag], unit[lag:]) for lag in chosen]
    low, high = np.array([np.percentile(cosine, (5, 95)) for cosine in cosines]).T
    return {"lag": chosen, "cosine": np.array([cosine.mean() for cosine in cosines]), "low": low, "high": high}


def neighbour_table(
    tables: Mapping[str, ArrayLike], words: Sequence[str], chosen: Sequence[str], k: int = 5
) -> Columns:
    """List the nearest neighbours of some words in several tables, side by side.

    Args:
        tables: Tables ``(V, d)`` by series name, such as ``learned``; all use one vocabulary.
        words: The word of each id.
        chosen: Words to ask about.
        k: Neighbours per word and table.

    Returns:
        Columns: ``series``, ``word``, ``rank`` (1 is nearest), ``neighbour`` and ``cosine``.

    Raises:
        ConfigError: If a word is not in the vocabulary.
    """
    ids = [find_word(words, word) for word in chosen]
    names = np.asarray(words, dtype=object)
    series = {}
    for label, table in tables.items():
        neighbours, cosines = nearest_neighbours(table, ids, k)
        series[label] = {
            "word": np.repeat(np.asarray(chosen, dtype=object), k),
            "rank": np.tile(np.arange(1, k + 1), len(ids)),
            "neighbour": names[neighbours].ravel(),
            "cosine": cosines.ravel(),
        }
    return stack(series)


def find_word(words: Sequence[str], word: str) -> int:
    """Return the id of ``word``, or raise :class:`ConfigError` with the nearest spellings."""
    import difflib

    vocabulary = list(words)
    if word not in vocabulary:
        near = ", ".join(difflib.get_close_matches(word, vocabulary, n=3)) or vocabulary[-1]
        raise ConfigError(f"{brief(word)} is not a word of this vocabulary of {len(vocabulary)} words. Try {near}.")
    return vocabulary.index(word)


def as_rows(table: ArrayLike) -> NDArray[np.float64]:
    """Return the table as finite float64 ``(n, d)``."""
    rows = np.asarray(table, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 2 or not np.isfinite(rows).all():
        raise DataError(
            f"a table must be two-dimensional, finite and of at least 2 rows, got shape {rows.shape}. "
            "Pass to_table().weight.detach() of a token embedding."
        )
    return rows


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale rows to norm 1; a zero row, which has no direction, stays zero."""
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norm > 0, norm, 1.0)
