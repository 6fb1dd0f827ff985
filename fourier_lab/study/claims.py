"""The paper's claims, what was measured of each, and the verdict that the intervals allow."""

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from .. import paths
from ..bench import scaling
from ..errors import FourierLabError, RecordError, RecordWarning
from ..geometry.effect_records import Effects, read_effects
from ..series import series_name
from ..tables.paper import BERT
from ..tables.summaries import Columns, difference_columns, mean_columns, pairs_interval, score
from ..training.records import RunRecord, load_records
from . import bake_off, effect_tables
from .beside_paper import overlap_resamples, parameter_name, size_name, word_overlap
from .comparisons import MATCHING, accuracy, gap_columns
from .selection import sweep_records
from .verdicts import Claim, Measured

HARMONIC = "fourier (harmonic)"
SPLITS = ("validation", "test")
MATCHED = ", entailment pairs matched among 128, points"


def say(key: str, records: Any = None) -> str:
    """Return claim, verdict, measurement and what it does not show, as lines of text."""
    claim = CLAIMS[key]
    records = claim.records() if records is None else records
    measured = claim.answer(records)
    rows = [f"- {line}" for line in [*_lines(measured), *_collapsed(records)]]
    lines = [f"{claim.verdict(measured)}.", f"- Tested: {claim.text}", *rows]
    return "\n".join([*lines, f"- Not shown: {claim.not_shown}"])


def _lines(measured: Sequence[Measured]) -> list[str]:
    groups = itertools.groupby(measured, lambda each: each.what)
    return [f"{what}: {', '.join(map(str, group))}" for what, group in groups]


def _collapsed(records: Any) -> list[str]:
    """Return a line about runs whose scores are noise, because all sentences got one vector; none if there are none."""
    runs = [record for record in records if isinstance(record, RunRecord)]
    noise = [run.config.digest() for run in runs if any(map(run.is_collapsed, SPLITS))]
    return (
        [f"collapsed, so that its scores are noise: {', '.join(noise)} ({len(noise)} of {len(runs)} runs)"]
        if noise
        else []
    )


def answered(claim: Claim) -> tuple[list[Measured], str]:
    """Return what was measured of a claim, and which runs collapsed; nothing and why, also in a :class:`RecordWarning`."""
    try:
        records = claim.records()
        return claim.answer(records), "; ".join(_collapsed(records))
    except FourierLabError as error:
        warnings.warn(f"not answered: {claim.text}: {error}", RecordWarning, stacklevel=3)
        return [], " ".join(str(error).split())


def claims_table(top: str = "") -> str:
    """Return all claims as Markdown: claim, verdict, evidence; ``top`` leads from the page to the project's folder.

    One whose records are not there says so in its row, and in a :class:`RecordWarning`.
    """
    lines = ["| claim | verdict | evidence |", "| --- | --- | --- |"]
    for claim in CLAIMS.values():
        measured, note = answered(claim)
        verdict = claim.verdict(measured) if measured else "not answered"
        numbers = "; ".join([*_lines(measured[: claim.shown]), *([note] if note else [])])
        link = f"[{claim.notebook}]({top}notebooks/{claim.notebook}.ipynb), [figure]({top}figures/{claim.figure}.png)"
        lines.append(f"| {claim.text} | {verdict} | {numbers}; {link} |")
    return "\n".join(lines)


def measured_in(columns: Columns, what: str, split: str) -> list[Measured]:
    """Return a measurement for each row of the columns, called ``what`` with its ``{group}`` and ``{series}``."""
    names = zip(columns["group"], columns["series"], strict=True)
    unknown = np.full(len(columns["value"]), np.nan)
    pairs = [columns.get(f"pairs_{end}", unknown) for end in ("low", "high")]
    numbers = zip(columns["value"], columns["low"], columns["high"], columns["seeds"], *pairs, strict=True)
    return [
        Measured(
            what.format(group=group, series=series), split, float(v), float(lo), float(hi), int(n), float(a), float(b)
        )
        for (group, series), (v, lo, hi, n, a, b) in zip(names, numbers, strict=True)
    ]


def _by_split(measure: Callable[[str], list[Measured]], *splits: str) -> list[Measured]:
    """Interleave the measurements of the splits, so that the first two of the list decide."""
    return [each for row in zip(*map(measure, splits), strict=True) for each in row]


def between_arms(records: Sequence[RunRecord]) -> list[Measured]:
    """Return Fourier minus learned, by size: scores on validation and test, then pairs matched on the trained task."""

    def measure(value: Callable[[RunRecord], float], what: str, split: str) -> list[Measured]:
        columns = difference_columns(records, value, series_name, "learned", series=size_name)
        return measured_in(columns, "{group} minus learned, {series}" + what, split)

    scores = _by_split(lambda split: measure(score(split), "", split), *SPLITS)
    matched = _by_split(lambda split: measure(MATCHING[split], MATCHED, split), *MATCHING)
    return scores[:2] + matched[:2] + scores[2:] + matched[2:]


def of_setting(name: str, base: str, chosen: str) -> Callable[[Sequence[RunRecord]], list[Measured]]:
    """Return the measure of changing one setting from ``base``: ``chosen`` in the harmonic arm first, then in others."""

    def measure(records: Sequence[RunRecord], split: str) -> list[Measured]:
        columns = difference_columns(records, score(split), name, base)
        measured = measured_in(columns, f"{{series}}, {name} {{group}} minus {base}", split)
        what = f"{HARMONIC}, {name} {chosen} minus {base}"
        if all(each.what != what for each in measured):
            raise RecordError(f"no finished run answers '{what}'. Run the sweep that has it.")
        return sorted(measured, key=lambda each: (each.what != what, f" {chosen} minus" not in each.what))

    return lambda records: _by_split(lambda split: measure(records, split), *SPLITS)


def _of_departures(records: Sequence[RunRecord]) -> list[Measured]:
    """Return what departures do to scores, the dead feed-forward's first, and then to the gap between the arms."""
    gaps = [row for row in zip(*gap_columns(records).values(), strict=True) if row[1] != "none"]
    changes = [
        Measured(f"learned minus fourier, {name} minus none", split, float(value), float(low), float(high), int(seeds))
        for split, name, _, _, _, seeds, value, low, high in sorted(gaps, key=lambda row: (row[1], -len(row[0])))
    ]
    return of_setting("departures", "none", "dead_feed_forward")(records) + changes


def _of_shuffling(records: Sequence[RunRecord]) -> list[Measured]:
    """Return what other id orders do to scores, and after the first what shuffling does to the trained task."""
    scores = of_setting("id_order", "frequency", "random")(records)
    chosen = [record for record in records if series_name(record.config) == HARMONIC]

    def measure(split: str) -> list[Measured]:
        columns = difference_columns(chosen, MATCHING[split], "id_order", "frequency")
        measured = measured_in(columns, "{series}, id_order {group} minus frequency" + MATCHED, split)
        return [each for each in measured if "id_order random" in each.what]

    return scores[:2] + _by_split(measure, *MATCHING) + scores[2:]


def _nli(records: Sequence[RunRecord]) -> list[Measured]:
    def measure(split: str) -> list[Measured]:
        columns = difference_columns(records, accuracy(split), series_name, "learned", series=lambda config: "accuracy")
        return measured_in(columns, "{group} minus learned, points of {series}", split)

    return _by_split(measure, *records[0].metrics["held_out"])


def _against_bert_tiny(records: Sequence[RunRecord]) -> list[Measured]:
    theirs = {"spearman": BERT[0].spearman, "pearson": BERT[0].pearson or np.nan}

    def measure(name: str) -> list[Measured]:
        def above(record: RunRecord) -> float:
            return record.score("test", name) - theirs[name]  # theirs is a test score, so ours is too

        columns = mean_columns(records, above, parameter_name)
        return measured_in(columns, "{group} parameters minus BERT-Tiny", f"test {name.capitalize()}")

    return _by_split(measure, *theirs)


def _above_untrained(records: Sequence[RunRecord]) -> list[Measured]:
    smallest = [record for record in records if size_name(record.config) == "1 x 256"]

    def measure(split: str) -> list[Measured]:
        found = []
        for name, floor in word_overlap(split).items():
            columns = mean_columns(smallest, score(split), "n_layers")
            columns |= {end: columns[end] - floor for end in ("value", "low", "high")}
            found += [
                _with_pairs(each, smallest, name) for each in measured_in(columns, f"{{series}} minus {name}", split)
            ]
        return sorted(found, key=lambda each: HARMONIC not in each.what)

    return _by_split(measure, *SPLITS)


def _with_pairs(measured: Measured, records: Sequence[RunRecord], bag: str) -> Measured:
    """Add the interval over pairs of a mean score minus that of a bag of tokens."""
    value, theirs = score(measured.split), overlap_resamples(measured.split).get(bag, np.empty(0))
    ours = [value.resampled(record) for record in records if measured.what.startswith(series_name(record.config))]
    low, high = pairs_interval(ours, [theirs])
    return replace(measured, pairs_low=low, pairs_high=high)


def _of_sweep(name: str) -> Callable[[], list[RunRecord]]:
    return partial(sweep_records, name, with_history=False)


def _between_embeddings(records: Sequence[RunRecord]) -> list[Measured]:
    """Return each embedding minus the table, mixed waves first: on STS-B, on other sets, and in pairs matched."""

    def measure(values: Mapping[str, Callable[[RunRecord], float]], what: str) -> list[Measured]:
        def of_split(split: str) -> list[Measured]:
            columns = difference_columns(records, values[split], bake_off.method, "table", series=lambda config: "")
            found = measured_in(columns, "{group} minus table" + what, split)
            return sorted(found, key=lambda each: not each.what.startswith("Fourier, mixed "))

        return _by_split(of_split, *values)

    scores, beyond = measure(bake_off.SPLITS, ""), measure(bake_off.BEYOND, "")
    matched = measure(bake_off.MATCHED, MATCHED)
    ours = [len(each) for each in (bake_off.SPLITS, bake_off.BEYOND, bake_off.MATCHED)]
    every = (scores, beyond, matched)
    first = [each for found, n in zip(every, ours, strict=True) for each in found[:n]]
    return first + [each for found, n in zip(every, ours, strict=True) for each in found[n:]]


def _longer_steps(record: dict[str, Any]) -> list[Measured]:
    def percent(row: dict[str, Any], split: str) -> Measured:
        value, low, high = (100 * (ratio - 1) for ratio in scaling.ratio_of(row))
        return Measured(
            "% that a step of the learned arm takes longer", split, value, low, high, len(row["seconds"]["learned"])
        )

    alike = next(row for row in record["steps"] if row["part"] == "one change")
    published = {row["name"]: row for row in record["steps"] if row["part"] == "published"}
    return [
        percent(alike, "arms alike"),
        percent(published["without dead feed-forward"], "published, feed-forward trained"),
        percent(published["as published"], "as published"),
    ]


def _put_back(measured: Sequence[Effects]) -> list[Measured]:
    columns = effect_tables.put_back_columns(measured)
    found = _by_split(
        lambda split: measured_in(columns[split], "{series}, embedding put back to its start", split), *SPLITS
    )
    return sorted(found, key=lambda each: HARMONIC not in each.what)


def _shipped_effects() -> list[Effects]:
    folder = paths.RECORDS / "what_training_did"
    wanted = load_records(paths.RECORDS / "snli_mnli")
    kept = [record.config for record in wanted if (folder / f"{record.config.digest()}.json").is_file()]
    if not kept:
        raise RecordError(
            f"{folder} holds no numbers of a run in {wanted[0].folder.parent if wanted else paths.RECORDS / 'snli_mnli'}. "
            "Run notebook 12 on them with -p results what_training_did."
        )
    return [read_effects(folder / f"{config.digest()}.json", config) for config in kept]


CLAIMS = {
    "table_1": Claim(
        "Table 1: at equal layers and width, a Fourier embedding scores about as well as a table",
        "04_table_1", "snli_mnli/04_table_1/arms", _of_sweep("table_1"),
        between_arms,
        ("Fourier ahead", "Fourier behind", "not told apart"),
        "one pass over a part of the training text, not the paper's 50 over all of it.",
        shown=4,
    ),
    "table_2": Claim(
        "Table 2: fine-tuned with 58,432 parameters it comes near BERT-Tiny's 4.4 million",
        "05_table_2", "snli_mnli/05_table_2/sizes", _of_sweep("table_2"), _against_bert_tiny,
        ("above", "below, at this budget", "level"),
        "BERT-Tiny's figure is one run from the GLUE server; ours are means over seeds on the same test pairs, after 600 "
        "steps of pre-training and 15 epochs of fine-tuning, which leave them below the paper's own validation scores.",
    ),
    "departures": Claim(
        "The published experiment is the network of the paper",
        "06_paper_and_code", "snli_mnli/06_paper_and_code/departures", _of_sweep("departures"),
        _of_departures,
        ("the dead feed-forward gains", "the dead feed-forward costs", "the dead feed-forward moves nothing we can see"),
        "short runs at d = 128; what 50 epochs at 2e-5 would add to either arm.",
    ),
    "id_order": Claim(
        "The embedding exploits structure in the order of the token ids",
        "07_id_order", "snli_mnli/07_id_order/orders", _of_sweep("id_order"),
        _of_shuffling,
        ("the order hurts STS-B", "the order helps STS-B", "on STS-B not told from shuffled"),
        "one vocabulary in order of frequency; an order by meaning exists in the toy language only.",
        shown=4,
    ),
    "dropout": Claim(
        "A Fourier embedding needs no dropout",
        "08_dropout", "snli_mnli/08_dropout/scores", _of_sweep("dropout"), of_setting("dropout", "0.0", "0.1"),
        ("dropout helps harmonic", "dropout hurts harmonic", "harmonic with dropout not told from without"),
        "ten epochs of 5,120 pairs at d = 128; longer training may over-fit more.",
        shown=4,
    ),
    "faster": Claim(
        "It trains faster: Table 1's learned arm takes 28 % longer",
        "09_faster", "09_faster/causes", scaling.read_record, _longer_steps,
        ("Fourier faster", "Fourier slower", "no difference told"),
        "a GPU, nor the published recipe in full: its parts were timed on a sixteenth of pairs and ids. "
        "At a million ids the table is slower by far, and the optimiser decides how far (notebook 09).",
    ),
    "from_zero": Claim(
        "Our question: does training beat words in common?",
        "10_from_zero", "snli_mnli/10_from_zero/ladder", _of_sweep("table_1"), _above_untrained,
        ("the harmonic encoder beats idf overlap", "idf overlap beats the harmonic encoder", "not told from idf overlap"),
        "idf counts the same training text; it has seen which words are rare, but no pair.",
    ),
    "nli": Claim(
        "Our question: does it classify entailment as accurately as a table?",
        "11_nli_accuracy", "snli_mnli/11_nli_accuracy/accuracy", _of_sweep("nli"), _nli,
        ("Fourier ahead", "Fourier behind", "not told apart"),
        "500 steps at d = 128; published accuracies come from pre-trained vectors and many epochs.",
    ),
    "bake_off": Claim(
        "Our question: in a weighted bag of tokens, does a Fourier embedding do as well as a table 118 times as large?",
        "13_bake_off", "snli_mnli/13_bake_off/ranking", _of_sweep("bake_off"), _between_embeddings,
        ("mixed waves ahead", "mixed waves behind", "not told apart"),
        "rates were chosen by the loss on held-out NLI pairs, and the table's is four times as high, which costs it points "
        "of STS-B (the next claim); encoders with layers.",
        shown=9,
    ),
    "bake_off_one_rate": Claim(
        "Our question: does it do as well if both train at one rate, 0.002?",
        "13_bake_off", "snli_mnli/13_bake_off/one_rate", _of_sweep("bake_off_one_rate"), _between_embeddings,
        ("mixed waves ahead", "mixed waves behind", "not told apart"),
        "0.002 is the rate that the held-out loss chose for the waves; for the table it chose 0.008.",
        shown=9,
    ),
    "training": Claim(
        "Our question: what does a trained encoder lose if its embedding is put back to its start?",
        "12_what_training_did", "snli_mnli/12_what_training_did/put_back", _shipped_effects, _put_back,
        ("it gains", "it loses", "not told from nothing"),
        "the layers above were trained with the trained embedding; an encoder whose embedding never learned was not run.",
    ),
}  # fmt: skip
