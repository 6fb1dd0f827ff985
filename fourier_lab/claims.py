"""The paper's claims, what was measured of each, and the verdict that the intervals allow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .paper import BERT
from .readings import accuracy
from .runs import RunRecord
from .study import sweep_records
from .summaries import Columns, difference_columns, mean_columns, score, series_name

HARMONIC = "fourier (harmonic)"


@dataclass(frozen=True)
class Measured:
    """One number with the 95 % t interval over seeds of its mean; bounds are nan for a single seed."""

    what: str
    value: float
    low: float
    high: float
    seeds: int

    def __str__(self) -> str:
        if np.isnan(self.low):
            return f"{self.what} {self.value:+.1f} (one seed)"
        return f"{self.what} {self.value:+.1f} ± {self.high - self.value:.1f} ({self.seeds} seeds)"


@dataclass(frozen=True)
class Claim:
    """A claim and how it is put to the test.

    Attributes:
        text: What the paper says, in our words.
        notebook: Stem of the notebook that shows it.
        figure: The figure that shows it, ``notebook/figure`` below ``figures/``.
        sweep: The sweep whose records decide; all its settings are in ``sweeps/``.
        measure: Reads differences off the records; the first two decide, on validation and on test.
        words: The verdict where a difference is above 0, below 0, and not told from 0.
        not_shown: What the measurement leaves open.
    """

    text: str
    notebook: str
    figure: str
    sweep: str
    measure: Callable[[Sequence[RunRecord]], list[Measured]]
    words: tuple[str, str, str]
    not_shown: str

    def answer(self, records: Sequence[RunRecord] | None = None) -> list[Measured]:
        """Measure on ``records``, the shipped ones if None."""
        return self.measure(sweep_records(self.sweep) if records is None else records)

    def verdict(self, measured: Sequence[Measured]) -> str:
        """Return the verdict in words, for validation and test."""
        dev, test = (self._word(each) for each in measured[:2])
        return f"{dev} (dev and test)" if dev == test else f"{dev} (dev); {test} (test)"

    def _word(self, measured: Measured) -> str:
        above, below, unclear = self.words
        if np.isnan(measured.low):
            return "one seed only"
        return above if measured.low > 0 else below if measured.high < 0 else unclear


def say(key: str, records: Sequence[RunRecord] | None = None) -> str:
    """Return claim, verdict, measurement and what it does not show, as lines of text."""
    claim = CLAIMS[key]
    measured = claim.answer(records)
    lines = [f"{claim.verdict(measured)}.", f"- Claim: {claim.text}", *(f"- Measured: {each}" for each in measured)]
    return "\n".join([*lines, f"- Not shown: {claim.not_shown}"])


def claims_table() -> str:
    """Return all claims as Markdown: claim, verdict, evidence."""
    lines = ["| claim | verdict | evidence |", "| --- | --- | --- |"]
    for claim in CLAIMS.values():
        measured = claim.answer()
        numbers = "; ".join(map(str, measured[:2]))
        link = f"[{claim.notebook}](notebooks/{claim.notebook}.ipynb), [figure](figures/{claim.figure}.png)"
        lines.append(f"| {claim.text} | {claim.verdict(measured)} | {numbers}; {link} |")
    return "\n".join(lines)


def _measured(columns: Columns, what: str) -> list[Measured]:
    names = zip(columns["group"], columns["series"], strict=True)
    numbers = zip(columns["value"], columns["low"], columns["high"], columns["seeds"], strict=True)
    return [
        Measured(what.format(group=group, series=series), float(value), float(low), float(high), int(seeds))
        for (group, series), (value, low, high, seeds) in zip(names, numbers, strict=True)
    ]


def _both_splits(measure: Callable[[str], list[Measured]]) -> list[Measured]:
    """Interleave the measurements of validation and test, so that the first two decide."""
    return [each for pair in zip(measure("validation"), measure("test"), strict=True) for each in pair]


def between_arms(records: Sequence[RunRecord], size: Callable[[RunRecord], str]) -> list[Measured]:
    """Return Fourier minus learned, by size, on validation and test."""
    sizes = {record.config.digest(): size(record) for record in records}

    def measure(split: str) -> list[Measured]:
        columns = difference_columns(
            records, score(split), series_name, "learned", series=lambda config: sizes[config.digest()]
        )
        return _measured(columns, f"{{group}} minus learned, {{series}}, {split}")

    return _both_splits(measure)


def of_setting(
    name: str, base: str, chosen: str, series: str = HARMONIC
) -> Callable[[Sequence[RunRecord]], list[Measured]]:
    """Return the measure of changing one setting from ``base`` to ``chosen``, first in ``series``, then in the others."""

    def measure(records: Sequence[RunRecord]) -> list[Measured]:
        def split_measure(split: str) -> list[Measured]:
            columns = difference_columns(records, score(split), name, base)
            all_of = _measured(columns, f"{{group}} minus {base}, {{series}}, {split}")
            places = [i for i, group in enumerate(columns["group"]) if group == chosen]
            places.sort(key=lambda i: columns["series"][i] != series)
            return [all_of[i] for i in places]

        return _both_splits(split_measure)

    return measure


def _size(record: RunRecord) -> str:
    return f"{record.config.n_layers} x {record.config.d_model}"


def _nli(records: Sequence[RunRecord]) -> list[Measured]:
    splits = list(records[0].metrics["held_out"])
    found = []
    for split in splits:
        columns = difference_columns(records, accuracy(split), series_name, "learned", series=lambda config: "accuracy")
        found.append(_measured(columns, f"{{group}} minus learned, {split}"))
    return [each for row in zip(*found, strict=True) for each in row]


def _against_bert_tiny(records: Sequence[RunRecord]) -> list[Measured]:
    parameters = {record.config.digest(): f"{record.metrics['parameters']['total']:,}" for record in records}

    def measure(split: str) -> list[Measured]:
        def above(record: RunRecord) -> float:
            return record.score(split) - BERT[0].spearman

        columns = mean_columns(records, above, lambda config: parameters[config.digest()])
        return _measured(columns, f"{{group}} parameters, {split}, minus BERT-Tiny's test score")

    return _both_splits(measure)


CLAIMS = {
    "table_1": Claim(
        "Table 1: at equal layers and width, a Fourier embedding scores about as well as a table",
        "04_table_1", "snli_mnli/04_table_1/arms", "table_1", lambda records: between_arms(records, _size),
        ("Fourier ahead", "Fourier behind", "not told apart"),
        "one pass over a part of the training text, not the paper's 50 over all of it; d = 512 has one seed.",
    ),
    "table_2": Claim(
        "Table 2: fine-tuned with 58,432 parameters it comes near BERT-Tiny's 4.4 million",
        "05_table_2", "snli_mnli/05_table_2/sizes", "table_2", _against_bert_tiny,
        ("above", "below", "level"),
        "BERT-Tiny's figure is one run from the GLUE server; ours are means over seeds on the same test pairs.",
    ),
    "departures": Claim(
        "The published experiment is the network of the paper",
        "06_paper_and_code", "snli_mnli/06_paper_and_code/departures", "departures",
        of_setting("departures", "none", "dead_feed_forward"),
        ("the dead feed-forward gains", "the dead feed-forward costs", "the dead feed-forward moves nothing we can see"),
        "short runs at d = 128; what 50 epochs at 2e-5 would add to either arm.",
    ),
    "id_order": Claim(
        "The embedding exploits structure in the order of the token ids",
        "07_id_order", "snli_mnli/07_id_order/orders", "id_order", of_setting("id_order", "frequency", "random"),
        ("the order hurts", "the order helps", "order not told from shuffled"),
        "one vocabulary in order of frequency; an order by meaning exists in the toy language only.",
    ),
    "dropout": Claim(
        "A Fourier embedding needs no dropout",
        "08_dropout", "snli_mnli/08_dropout/scores", "dropout", of_setting("dropout", "0.0", "0.1"),
        ("dropout helps", "dropout hurts", "dropout changes nothing we can see"),
        "ten epochs of 5,120 pairs at d = 128; longer training may over-fit more.",
    ),
    "nli": Claim(
        "As a classifier of entailment it is as accurate as a table",
        "11_nli_accuracy", "snli_mnli/11_nli_accuracy/accuracy", "nli", _nli,
        ("Fourier ahead", "Fourier behind", "not told apart"),
        "500 steps at d = 128; published accuracies come from pre-trained vectors and many epochs.",
    ),
}  # fmt: skip
