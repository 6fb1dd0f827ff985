"""Every token embedding at one budget: what it is called, which family it is of, and what it is judged by."""

from collections.abc import Callable
from functools import partial

from ..config import RunConfig
from ..evaluation.breakdown import RARE
from ..series import series_name
from ..tables.beyond import beyond
from ..tables.summaries import score
from ..training.records import RunRecord

FAMILIES = {
    "table": ("learned",),
    "waves of the id": ("fourier", "learned_frequencies", "companded", "sinusoidal", "dct"),
    "shared rows": ("hashed", "hash_embeddings", "bloom", "canine", "signature", "robe", "quotient_remainder"),
    "products of small tables": ("factorised", "adaptive", "tensor_train", "word2ket"),
    "map of another code": ("deep_hash", "alone", "leviathan", "frozen_random", "frozen_binary"),
}
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


def measure(name: str) -> Callable[[RunRecord], float]:
    """Return the function that reads a score beyond STS-B off a record, see :func:`fourier_lab.tables.beyond.beyond`."""
    return partial(_measure, name)


def _measure(name: str, record: RunRecord) -> float:
    return beyond(record.metrics["scores"], record.evaluations)[name]


MEASURES: dict[str, Callable[[RunRecord], float]] = {
    "STS-B test": score("test"),
    "STS-B test, SICK, STS 2012: mean": measure("mean_of_sets"),
    "SNLI test: matched of 128, %": measure("matched_snli/test"),
}
BY_RAREST = {
    f"{low} to {high - 1:,} times" if high else f"{low:,} times or more": measure(
        f"matched_mnli/validation_mismatched_rarest_{low}"
    )
    for low, high in zip(RARE, (*RARE[1:], 0), strict=True)
    if low < 1000  # few pairs have no rarer word
}
