"""What works beside the paper claim about the rest of a small encoder, and what was measured here at this size."""

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .. import paths
from ..config import RunConfig
from ..errors import FourierLabError, RecordError, RecordWarning
from ..evaluation.metrics import mean_interval
from ..tables.summaries import difference_columns, score
from ..training.records import RunRecord
from . import thin, tuning, uncertain
from .cells import cells_name
from .claims import measured_in
from .lengths import read_lengths, tipping_rows
from .selection import sweep_records
from .verdicts import Measured

Named = Callable[[RunConfig], str]


@dataclass(frozen=True)
class Neighbour:
    """A claim of another work and the number that was held against it.

    Attributes:
        source: Its number on arXiv.
        claim: What it says, in our words.
        words: The verdict where the number is above 0, below 0, and not told from 0.
        difference: What the number is, with its unit.
        measure: Reads it off records that the project ships.
        lesson: Stem of the notebook that shows it; empty if only the results page does.
    """

    source: str
    claim: str
    words: tuple[str, str, str]
    difference: str
    measure: Callable[[], Measured]
    lesson: str = ""


def paired(
    sweep: str, group: Named, chosen: str, base: str, value: Callable[[RunRecord], float] | None = None
) -> Callable[[], Measured]:
    """Return the measure of one group of a sweep's runs minus another, by seed: Spearman on test if no value is named.

    Raises (when called):
        RecordError: If no finished run is of both groups.
    """

    def measure() -> Measured:
        records = [run for run in sweep_records(sweep, with_history=False) if group(run.config) in (chosen, base)]
        if {group(run.config) for run in records} != {chosen, base}:
            raise RecordError(f"results/{sweep} lacks runs of {chosen!r} or {base!r}. Run the sweep.")
        columns = difference_columns(records, value or score("test"), group, base, series=lambda config: "")
        return measured_in(columns, f"{{group}} minus {base}", "test")[0]

    return measure


def over_runs(kind: str, read: Callable[[dict], float]) -> Callable[[], Measured]:
    """Return the measure of a number of each report in ``results/cut_feed_forwards/text/test``: its mean, with its interval.

    Args:
        kind: ``moefy`` or ``prune``, the command that wrote the report.
        read: Reads the number off one.
    """

    def measure() -> Measured:
        files = sorted((folder := paths.RECORDS / "cut_feed_forwards/text/test").glob(f"{kind}-*.json"))
        if not files:
            raise RecordError(f"{folder} holds no report of 'fourier-lab {kind} RUN'.")
        values = [read(json.loads(file.read_text())) for file in files]
        return Measured(kind, "test", *mean_interval(values), len(values))

    return measure


def kept_share(report: dict, share: float = 0.25, router: str = "centroid", wanted: float = 95.0) -> float:
    """Return the percent of the dense score that experts keep at a share of the cells, minus what is claimed."""
    (row,) = (row for row in report["experts"] if row["router"] == router and row["share"] == share)
    return 100 * row["spearman"] / report["dense"]["spearman"] - wanted


def small_over_large(report: dict, share: float = 0.5) -> float:
    """Return the points that an encoder without its smallest neurons has more than one without its largest."""
    scores = {row["order"]: row["spearman"] for row in report["curves"] if row["share"] == share}
    return scores["smallest"] - scores["largest"]


def tipping_point() -> Measured:
    """Return by how many percent the measured tipping points differ from 6 d, the smallest and largest as bounds."""
    found = {d: row["detail"]["full_dearer_from"]["rest"] for d, row in tipping_rows(read_lengths()).items()}
    off = [100 * (n / (6 * d) - 1) for d, n in found.items() if n is not None]
    if not off:
        raise RecordError("at no measured length does full attention cost as much as the rest of a block.")
    return Measured("tipping point", "three widths", float(np.median(off)), min(off), max(off), len(off))


def neighbours_table(neighbours: Sequence[Neighbour], top: str = "") -> str:
    """Return the claims of other works as Markdown; ``top`` leads from the page to the project's folder.

    One whose records are not there says so in its row, and in a :class:`RecordWarning`.
    """
    lines = ["| work | claim | at this size | the number that decides | see |", "| --- | --- | --- | --- | --- |"]
    for each in neighbours:
        work = f"[{each.source}](https://arxiv.org/abs/{each.source})"
        page = f"notebooks/{each.lesson}.ipynb" if each.lesson else "results/README.md"
        link = f"[{each.lesson[:2] or 'results'}]({top}{page})"
        try:
            found = each.measure()
        except FourierLabError as error:
            warnings.warn(f"not answered: {each.claim}: {error}", RecordWarning, stacklevel=2)
            lines.append(f"| {work} | {each.claim} | not answered | {' '.join(str(error).split())} | {link} |")
            continue
        low, high = found.interval
        number = f"{found.value:+.1f} ({low:+.1f} to {high:+.1f}) {each.difference}; {found.split}"
        lines.append(f"| {work} | {each.claim} | {found.word(each.words)} | {number} | {link} |")
    return "\n".join(lines)


def _bits(record: RunRecord) -> float:
    return 100 * record.bits_per_byte("test")


def _head_width(config: RunConfig) -> str:
    return str(dict(dict(config.pretraining or ()).get("head_options", ())).get("width", "none"))


def _weights_and_layers(config: RunConfig) -> str:
    return f"{config.attention_weights}, {config.pooled_layers}"


def _thin(config: RunConfig) -> str:
    return f"{thin.kind(config)}, {thin.computed(config)}"


def _over_a_table(config: RunConfig) -> str:
    return uncertain.method_name(config) if config.arm == "learned" else "waves"


def _passes(config: RunConfig) -> str:
    return f"{config.latent} vectors, {config.steps * (config.inference_steps + 1 if config.latent else 1)} passes"


_LENGTH, _THIN, _TUNING, _LATENT = (
    "17_attention_and_length", "18_thin_feed_forwards", "19_thin_tuning", "20_uncertain_and_latent",
)  # fmt: skip
_HELPS, _AHEAD = ("helps", "costs", "not told"), ("ahead", "behind", "not told apart")
_WORSE = ("worse", "better", "not told")
NEIGHBOURS = (
    Neighbour("2010.12821", "A larger output table helps, though it is thrown away after masked pre-training", _HELPS,
              "points of STS-B fine-tuned, width 512 − 32", paired("decoupled", _head_width, "512", "32")),
    Neighbour("2407.09835", "Low rank with 63 % of a feed-forward's numbers costs little", _AHEAD,
              "points of STS-B, low rank with guidance − dense",
              paired("thin_feed_forwards_text", _thin, "low rank, guided, 124800", "dense, GeGLU, 197760"), _THIN),
    Neighbour("2305.13999", "Cells chosen by the mean of their keys beat a learned router",
              ("behind", "ahead", "not told apart"),
              "hundredths of bits per byte, mean of keys − router, blocks of 16",
              paired("language_model_memory", cells_name, "cells by average, blocks of 16",
                     "cells by router, blocks of 16", _bits), _THIN),
    Neighbour("2110.01786", "A quarter of a trained feed-forward's experts keeps 95 % of the score",
              ("holds", "less", "not told"),
              "% of the dense score − 95 (how little is lost without any: see there)", over_runs("moefy", kept_share)),
    Neighbour("2406.17167", "Neurons of small weights can go, those of large ones cannot", ("holds", "reversed", "not told"),
              "points without half of the neurons, smallest − largest gone",
              over_runs("prune", small_over_large)),
    Neighbour("2306.08667", "Full attention is dear only far above usual lengths: at 6 d tokens by the count",
              ("later", "earlier", "there"),
              "% of 6 d; smallest to largest", tipping_point, _LENGTH),
    Neighbour("2107.00653", "Weights of tokens in attention help", _HELPS, "points, idf weights − none",
              paired("attention_weights", _weights_and_layers, "idf, last", "none, last")),
    Neighbour("2107.00653", "All layers side by side before the mean help", _HELPS, "points, all layers − the last",
              paired("attention_weights", _weights_and_layers, "none, all", "none, last")),
    Neighbour("2312.00700", "One factor shared by all layers scores as LoRA does with more numbers", _AHEAD,
              "points of STS-B fine-tuned, GIFT − LoRA of rank 16",
              paired("thin_tuning", tuning.tuning_name, "GIFT, rank 16", "LoRA, rank 16"), _TUNING),
    Neighbour("2306.15706", "Prompts can be approximated by a small map of their own", _AHEAD,
              "points of STS-B fine-tuned, 16 approximated − 16 prompts",
              paired("thin_tuning", tuning.tuning_name, "APT, 16 prompts", "prompts, 16"), _TUNING),
    Neighbour("2102.04754", "A Gaussian feed-forward predicts better than a plain one on little text", _WORSE,
              "hundredths of bits per byte, Gaussian − plain, over a table",
              paired("uncertain", _over_a_table, "Bayesian feed-forward", "neither", _bits), _LATENT),
    Neighbour("2502.01567", "Latent vectors that are looked for in each text pay for their compute", _WORSE,
              "hundredths of bits per byte, bound with 4 steps − as many plain steps",
              paired("latent", _passes, "8 vectors, 500 passes", "0 vectors, 500 passes", _bits), _LATENT),
)  # fmt: skip
