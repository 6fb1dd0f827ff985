"""Scores beyond STS-B as quantities of a run or of an untrained method, ready for tables."""

from collections.abc import Collection, Mapping
from statistics import fmean
from typing import Any

from ..evaluation.breakdown import subset_mean


def beyond(scores: Mapping[str, Any], evaluations: Mapping[str, Any]) -> dict[str, float]:
    """Return what is known beyond STS-B, x 100, by name.

    Args:
        scores: On STS-B, by split.
        evaluations: As :func:`fourier_lab.evaluation.beyond.evaluations` gives them; nothing comes of none.

    Returns:
        For each set ``sick`` (all pairs), ``sick_unseen`` (those that share no sentence with STS-B or the training text),
        ``sts12_subsets`` (mean over its subsets, where it has some), and where the sentence pairs' rarest token decides,
        ``sick_rarest_10`` and so on; ``mean_of_sets``, over STS-B's test split and every set, by its subsets where it has
        some; ``matched_snli/test`` and so on, and ``matched_snli/test_rarest_10``: percent of pairs matched among 128.
    """
    sets = evaluations.get("sets", {})
    found: dict[str, float] = {}
    for name, parts in sets.items():
        found |= {name: _value(parts["all"])}
        found |= {f"{name}_unseen": _value(parts["unseen"])} if "unseen" in parts else {}
        found |= {f"{name}_subsets": subset_mean(parts)} if parts["subsets"] else {}
        found |= {f"{name}_rarest_{band}": _value(part) for band, part in parts["by_rarest"].items()}
    if sets:
        found["mean_of_sets"] = fmean([_value(scores["test"]), *map(subset_mean, sets.values())])
    for split, part in evaluations.get("matched", {}).items():
        found[f"matched_{split}"] = 100 * part["share"]
        found |= {f"matched_{split}_rarest_{band}": 100 * each["share"] for band, each in part["by_rarest"].items()}
    return found


def headline(names: Collection[str]) -> list[str]:
    """Return those of the names that a table shows: one for each set, their mean, and the test split of each corpus."""
    sets = [name.removesuffix("_unseen") for name in names if name.endswith("_unseen")]
    shown = [f"{name}_subsets" if f"{name}_subsets" in names else name for name in sets]
    whole = [n for n in names if n.startswith("matched_") and "_rarest_" not in n and not n.endswith(("_low", "_high"))]
    matched = {name.partition("/")[0]: name for name in whole}
    return [*shown, *(["mean_of_sets"] if "mean_of_sets" in names else []), *matched.values()]


def words(name: str) -> str:
    """Return the head of a column.

    Example:
        >>> words("sts12_subsets"), words("matched_snli/test")
        ('STS12, mean of subsets', 'matched of 128, snli/test')
    """
    if name.startswith("matched_"):
        return f"matched of 128, {name.removeprefix('matched_')}"
    if name == "mean_of_sets":
        return "mean of test sets"
    base, _, part = name.partition("_")
    return f"{base.upper()}, mean of {part}" if part == "subsets" else name.upper()


def _value(scores: Mapping[str, Any]) -> float:
    return float(scores["spearman"]["value"])
