"""Every token embedding at one budget: what it is called, which family it is of, and what it is judged by."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..columns import Columns, from_rows
from ..config import RunConfig
from ..errors import RecordError
from ..evaluation.baselines import IDF_BAG
from ..evaluation.breakdown import RARE
from ..evaluation.metrics import mean_interval, plus_minus
from ..paths import records_folder
from ..series import series_name
from ..tables.beyond import beyond
from ..tables.score_tables import load_baselines
from ..tables.summaries import cases, score
from ..training.records import RunRecord, load_records

if TYPE_CHECKING:
    import pandas as pd

FAMILIES = {
    "table": ("learned",),
    "waves of the id": (
        "fourier", "wide_fourier", "learned_frequencies", "companded", "companded_by_counts", "sinusoidal", "dct",
    ),
    "shared rows": ("hashed", "hash_embeddings", "bloom", "canine", "signature", "robe", "quotient_remainder"),
    "products of small tables": ("factorised", "adaptive", "tensor_train", "word2ket"),
    "map of another code": ("deep_hash", "alone", "leviathan", "frozen_random", "frozen_binary"),
    "code of the spelling": ("byte_waves", "kronecker", "ngrams"),
}  # fmt: skip
_TOLD = {"learned": "table", "fourier": "Fourier"}


def family(config: RunConfig) -> str:
    """Return the family of a run's embedding, ``of one's own`` if it is none of the library's."""
    return next((name for name, arms in FAMILIES.items() if config.arm in arms), "of one's own")


def method(config: RunConfig) -> str:
    """Return what a run's embedding is called where all have one budget: its name, and its frequencies if it has some.

    Example:
        >>> method(RunConfig(frequencies="random")), method(RunConfig(arm="bloom", embedding_options={"buckets": 257}))
        ('Fourier, random', 'bloom')
    """
    name, _, details = series_name(config).partition(" (")
    if config.arm == "fourier":
        return f"{_TOLD[name]}, {details.rstrip(')')}"
    recoded = ", recoded" if dict(config.embedding_options).get("recoded") else ""
    return _TOLD.get(name, name.replace("_", " ")) + recoded


def line(config: RunConfig) -> str:
    """Return what a run's embedding is called where budgets differ: of waves their frequencies alone, else its method."""
    if config.arm not in ("fourier", "wide_fourier"):
        return method(config)
    return method(config.replace(arm="fourier", embedding_options=(), mlp="linear"))


def measure(name: str) -> Callable[[RunRecord], float]:
    """Return the function that reads a score beyond STS-B off a record, see :func:`fourier_lab.tables.beyond.beyond`."""
    return partial(_measure, name)


def _measure(name: str, record: RunRecord) -> float:
    found = beyond(record.metrics["scores"], record.evaluations)
    if name not in found:
        raise RecordError(
            f"the record in {record.folder} has no score {name!r} beyond STS-B. Run it with evaluated_on: [sick, sts12]."
        )
    return found[name]


SPLITS = {"validation": score("validation"), "test": score("test")}
MEAN = "mean of STS-B test, SICK and STS 2012"
BEYOND = {
    "SICK": measure("sick"),
    "STS 2012, mean of subsets": measure("sts12_subsets"),
    MEAN: measure("mean_of_sets"),
}
MATCHED = {
    f"{corpus} {split.rpartition('_')[2]}": measure(f"matched_{corpus.lower()}/{split}")
    for corpus, splits in {
        "SNLI": ("validation", "test"), "MNLI": ("validation_matched", "validation_mismatched"),
    }.items()
    for split in splits
}  # fmt: skip
THREE_SETS = "STS-B, SICK, STS 2012"
MEASURES: dict[str, Callable[[RunRecord], float]] = {
    "STS-B test": score("test"),
    THREE_SETS: measure("mean_of_sets"),
    "SNLI pairs matched": measure("matched_snli/test"),
}
BY_RAREST = {
    words: measure(f"matched_mnli/validation_mismatched_rarest_{low}")
    for low, words in zip(RARE, ("never", "1 to 9 times", "10 to 99 times", "100 to 999 times"), strict=False)
}  # of pairs without a rarer word there are few


def best_first(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Return the records with the embeddings in order of their mean over the test sets, the best first."""
    by_method: dict[str, list[RunRecord]] = {}
    for record in records:
        by_method.setdefault(method(record.config), []).append(record)
    ranked = sorted(by_method.values(), key=lambda runs: -np.mean([BEYOND[MEAN](run) for run in runs]))
    return [record for runs in ranked for record in runs]


def idf_floor(sweep: str) -> tuple[str, dict[str, float]]:
    """Return the name of the untrained idf bag and its scores by the names of :data:`MEASURES`, from beside the records.

    Raises:
        RecordError: If no baselines are kept there.
    """
    folder = records_folder(sweep)
    bag = next((each for each in load_baselines(folder) if each.name == IDF_BAG), None)
    if bag is None:
        raise RecordError(
            f"no untrained idf bag beside the records in {folder}. Run: fourier-lab table {sweep} --baselines --export "
            f"{folder}"
        )
    found = {"STS-B test": bag.scores["test"]["spearman"]["value"], **beyond(bag.scores, bag.evaluations)}
    keys = ("STS-B test", "mean_of_sets", "matched_snli/test")
    return f"{IDF_BAG}, untrained", dict(zip(MEASURES, (found[key] for key in keys), strict=True))


def ranking(records: Sequence[RunRecord]) -> "pd.DataFrame":
    """Return one row per embedding, best mean over the test sets first: family, numbers stored, costs and means over seeds.

    ``step, ms`` is the mean step of the fastest seed, ``peak, MB`` the mean peak of the whole process. Both are of the
    machine that ran it, beside other work: they say nothing against records of another one.
    """
    import pandas as pd

    rows = {}
    for name in dict.fromkeys(method(record.config) for record in records):
        runs = [record for record in records if method(record.config) == name]
        told: dict[str, Callable[[RunRecord], float]] = {**SPLITS, **BEYOND, **MATCHED}
        rows[name] = {
            "family": family(runs[0].config),
            "stored, kB": runs[0].stored_bits() / 8000,
            "rate × 1000": 1000 * runs[0].config.learning_rate,
            "seeds": len(runs),
            "step, ms": 1000 * min(run.metrics["duration_s"] / run.config.steps for run in runs),
            "peak, MB": np.mean([run.metrics["peak_memory_bytes"] for run in runs]) / 1e6,
            **{words: np.mean([value(run) for run in runs]) for words, value in told.items()},
        }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    return frame.sort_values(MEAN, ascending=False).round(1)


def budget_columns(records: Sequence[RunRecord]) -> Columns:
    """Return the mean over the test sets by the bits that are stored, of the table and of each embedding with several sizes.

    Returns:
        Columns: ``series`` (:func:`line`, in order of families), ``stored_bits`` (rising within a series), ``value``,
        ``low`` and ``high`` (Student's 95 % interval over seeds) and ``seeds``.
    """
    names = ("series", "stored_bits", "value", "low", "high", "seeds")
    order = [*FAMILIES]
    rows = [
        (order.index(family(runs[0].config)), line(runs[0].config), runs[0].stored_bits(),
         *mean_interval([BEYOND[MEAN](run) for run in runs]), len(runs))
        for runs in cases(records)
    ]  # fmt: skip
    sizes = Counter(row[1] for row in rows)
    return from_rows(names, [row[1:] for row in sorted(rows) if sizes[row[1]] > 1 or row[1] == _TOLD["learned"]])


def told_budgets(columns: Columns) -> list[str]:
    """Return a sentence on each series of :func:`budget_columns`: its least and its most bits, and what they score."""
    sentences = []
    for name in dict.fromkeys(columns["series"].tolist()):
        places = np.flatnonzero(columns["series"] == name)
        scores = [plus_minus(columns["value"][i], columns["high"][i]) for i in places]
        bits = [f"{columns['stored_bits'][i]:,}" for i in places]
        parts = dict.fromkeys(f"{score} with {count} bits" for score, count in zip(scores, bits, strict=True))
        sentences.append(f"{name}: {', '.join(parts)}")
    return sentences


def rates_by_judge(sweep: str = "bake_off_rates") -> "pd.DataFrame":
    """Return for each embedding the rate that the held-out loss chose, the one that STS-B would have, and its gain there."""
    import pandas as pd

    rows = []
    records = load_records(records_folder(sweep))
    for name in dict.fromkeys(method(record.config) for record in records):
        runs = [record for record in records if method(record.config) == name]
        by_loss = min(runs, key=lambda run: run.metrics["validation_loss"])
        by_score = max(runs, key=lambda run: run.score("validation"))
        rates = by_loss.config.learning_rate, by_score.config.learning_rate
        rows.append(
            (name, *(1000 * rate for rate in rates), by_score.score("validation") - by_loss.score("validation"))
        )
    return pd.DataFrame(rows, columns=["embedding", "rate by loss × 1000", "by STS-B", "points of STS-B validation"])
