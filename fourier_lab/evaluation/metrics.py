"""Scores of similarities against human judgements, with intervals; in numpy, for whoever only reads records."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np

from ..errors import DataError

RESAMPLES = 1000
_BATCH = 100  # resamples at a time: bounds memory
_FLOAT32_STEP = float(np.finfo(np.float32).eps)  # relative distance of one float32 to the next


def sts_scores(similarity: np.ndarray, label: np.ndarray, seed: int = 0, *, intervals: bool = True) -> dict:
    """Correlate predicted similarities with graded scores over all pairs.

    Args:
        similarity: float ``(n,)``, any monotone scale.
        label: float ``(n,)``, human scores; never rounded.
        seed: Seed of the bootstrap.
        intervals: Bootstrap the intervals; they take far longer than the values.

    Returns:
        ``{"spearman": {"value", "low", "high"}, "pearson": {...}, "n"}``, correlations x 100, with the percentile
        bootstrap 95 % interval over pairs (1,000 resamples). Without intervals ``value`` alone. Further
        ``"collapsed": True`` if all similarities are one number in float32, in which encoders compute: their order is then
        noise, and so is the score.

    Raises:
        DataError: If there are fewer than 3 pairs, or one side is constant, so that no correlation exists; if the sides are
            no numbers or not one for one.
    """
    return _scores(similarity, label, seed, intervals)[0]


def scores_and_resamples(similarity: np.ndarray, label: np.ndarray, seed: int = 0) -> tuple[dict, np.ndarray]:
    """Return :func:`sts_scores` and the Spearman correlation of each resample, int16 ``(1000,)`` in hundredths of a point.

    As many pairs and the same seed draw the same resamples. So what is kept of two methods gives, resample by resample, the
    interval over pairs of their difference.
    """
    scores, resamples = _scores(similarity, label, seed, True)
    return scores, np.rint(10_000 * resamples).astype(np.int16)


def _scores(similarity: np.ndarray, label: np.ndarray, seed: int, intervals: bool) -> tuple[dict, np.ndarray]:
    try:
        similarity, label = np.asarray(similarity, dtype=float), np.asarray(label, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"similarities and scores must be numbers ({error}). Convert them first.") from error
    if similarity.ndim != 1 or similarity.shape != label.shape:
        raise DataError(
            f"there must be one similarity for each score, got the shapes {similarity.shape} and {label.shape}. Pass two "
            "rows of equal length."
        )
    if len(label) < 3 or np.ptp(similarity) == 0 or np.ptp(label) == 0:
        raise DataError(
            f"a correlation needs at least 3 pairs and two varying sides, got {len(label)} pairs with ranges "
            f"{np.ptp(similarity) if len(label) else 0:.3g} and {np.ptp(label) if len(label) else 0:.3g}. "
            "Check that sentences differ in what is compared: their vectors, their tokens."
        )
    scores: dict = {"n": len(label)}
    if np.ptp(similarity) <= _FLOAT32_STEP * np.abs(similarity).max():
        scores["collapsed"] = True
    sides = similarity, label
    places = sides if np.isnan(sides).any() else tuple(np.unique(side, return_inverse=True)[1] for side in sides)
    measures = {"spearman": (_spearman, places), "pearson": (_pearson, sides)}
    drawn = _resampled(measures, len(label), seed) if intervals else {}
    for name, (measure, (a, b)) in measures.items():
        values = {"value": measure(a, b)}
        if intervals:
            values["low"], values["high"] = np.quantile(drawn[name], (0.025, 0.975))
        scores[name] = {key: round(100 * float(v), 4) for key, v in values.items()}
    return scores, drawn.get("spearman", np.empty(0))


def _resampled(
    measures: Mapping[str, tuple[Callable, tuple[np.ndarray, ...]]], n: int, seed: int
) -> dict[str, np.ndarray]:
    """Return each measure on 1,000 resamples of ``n`` pairs, all on the same ones.

    They are those of ``scipy.stats.bootstrap`` with batches of 100; importing it takes longer than this.
    """
    rng, drawn = np.random.default_rng(seed), {name: np.empty(RESAMPLES) for name in measures}
    for start in range(0, RESAMPLES, _BATCH):
        index = rng.integers(n, size=(min(_BATCH, RESAMPLES - start), n))
        for name, (measure, (a, b)) in measures.items():
            drawn[name][start : start + _BATCH] = measure(a[index], b[index])
    return drawn


def _pearson(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    """Correlate along an axis; scipy's ``pearsonr`` takes five times as long, and its ``spearmanr`` one sample at a time.

    A resample of few pairs may hold one value alone: it tells no order, and counts as 0.
    """
    a, b = a - a.mean(axis, keepdims=True), b - b.mean(axis, keepdims=True)
    lengths = np.sqrt((a**2).sum(axis) * (b**2).sum(axis))
    return np.divide((a * b).sum(axis), lengths, out=np.zeros_like(lengths), where=lengths != 0)


def _spearman(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    return _pearson(_ranks(a), _ranks(b), axis)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Rank along the last axis, ties in the middle.

    Integers are places among distinct values, from 0: counting them takes a fifth of the time of ``rankdata``, which sorts.
    """
    if not np.issubdtype(values.dtype, np.integer):
        from scipy.stats import rankdata

        return rankdata(values, axis=-1)
    rows = values.reshape(-1, values.shape[-1])
    n_places = int(rows.max()) + 1
    counted = (rows + n_places * np.arange(len(rows))[:, None]).ravel()
    counts = np.bincount(counted, minlength=n_places * len(rows)).reshape(len(rows), n_places)
    return (counts.cumsum(-1) - (counts - 1) / 2).ravel()[counted].reshape(values.shape)


def mean_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """Return mean and 95 % Student t interval ``(mean, low, high)`` over runs; the bounds are nan for a single run."""
    values = [float(value) for value in values]
    middle, n = mean(values), len(values)
    if n < 2:
        return middle, math.nan, math.nan
    deviation = math.sqrt(_sum([(value - middle) * (value - middle) for value in values]) / (n - 1))
    half = t_quantile(n - 1) * (deviation / math.sqrt(n))
    return middle, middle - half, middle + half


def mean(values: Sequence[float]) -> float:
    """Return the mean of numbers, to the last bit that of numpy, whose functions take a few numbers ten times as long."""
    return _sum(values) / len(values) if len(values) else math.nan


def _sum(values: Sequence[float]) -> float:
    if len(values) > 7:  # which numpy adds in another order
        return float(np.sum(values, dtype=float))
    total = 0.0
    for value in values:  # not sum, which later versions of Python correct for rounding
        total += value
    return total


@lru_cache
def t_quantile(degrees: int) -> float:
    """Return the 97.5 % quantile of Student's t."""
    if (
        degrees == 2
    ):  # three seeds, as nearly everywhere: a closed form, without the fifth of a second of scipy's import
        return 0.95 * math.sqrt(2 / (1 - 0.95**2))
    from scipy.special import stdtrit  # the quantile itself: scipy.stats takes a second

    return float(stdtrit(degrees, 0.975))


def plus_minus(mean: float, high: float, form: str = ".1f") -> str:
    """Return ``mean ± half`` as text, where ``high`` is the upper bound of a symmetric interval; nan is left out.

    A signed mean that rounds to its half width gets a further decimal, so that one sees whether the interval holds 0.

    Example:
        >>> plus_minus(75.81, 76.2), plus_minus(-1.4, float("nan"), "+.1f")
        ('75.8 ± 0.4', '-1.4')
        >>> plus_minus(-1.54, -0.08, "+.1f")
        '-1.54 ± 1.46'
    """
    if math.isnan(high):
        return f"{mean:{form}}"
    if form == "+.1f" and f"{abs(mean):.1f}" == f"{high - mean:.1f}" != "0.0":
        form = "+.2f"
    return f"{mean:{form}} ± {high - mean:{form.lstrip('+')}}"


def with_pairs(mean: float, high: float, pairs_low: float, pairs_high: float) -> str:
    """Return a difference with its interval over seeds, as :func:`plus_minus`, and over pairs, in brackets if it is known.

    Example:
        >>> with_pairs(-1.5, -0.9, -2.9, -0.2), with_pairs(-1.5, -0.9, float("nan"), float("nan"))
        ('-1.5 ± 0.6 [-2.9, -0.2]', '-1.5 ± 0.6')
    """
    over_pairs = "" if np.isnan(pairs_low) else f" [{pairs_low:+.1f}, {pairs_high:+.1f}]"
    return plus_minus(mean, high, "+.1f") + over_pairs


def proportion_interval(right: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval, in [0, 1], of a share of ``right`` in ``n``."""
    from scipy import stats

    interval = stats.binomtest(right, n).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
