"""The ladder from zero parameters: what each method scores on graded pairs, from shared words up to trained encoders."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from . import paths
from .baselines import (
    BERT_FIRST_WORD,
    bag_similarity,
    id_weights,
    idf_weights,
    jaccard_similarity,
    mean_similarity,
    untrained_encoder,
)
from .basis import FREQUENCY_SETS, fourier_basis
from .config import RunConfig
from .corpus import Corpus, TokenPairs, prepare
from .encoder import SentenceEncoder
from .errors import RecordError
from .id_order import FIRST_WORD
from .metrics import embedding_similarity, mean_interval, sts_scores
from .provenance import commit, versions
from .resolution import Columns, stack
from .runs import RunRecord, is_complete, load_record
from .summaries import series_name
from .training import train

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("shared tokens", "fixed vectors", "untrained encoder", "trained encoder")
RELEASED_PERIOD = 127
# (dev, test) Spearman x 100 on STS-B, measured with other code than this library's by the reference notes of this study.
REFERENCE = {
    "bag of tokens": (58.0, 47.0),
    "Jaccard of tokens": (64.7, 54.8),
    f"bag of tokens, √(id − {BERT_FIRST_WORD})": (72.5, 63.3),
    "bag of tokens, idf": (75.7, 65.4),  # idf of 25,741 sentences of SNLI's validation and test splits
    "mean of random vectors": (57.7, 45.1),
    "mean of T(p), harmonic": (40.7, 32.5),
    "mean of T(p), period 127": (58.1, 46.7),
}

_SPLITS = {"dev": "validation", "test": "test"}
_ENOUGH_SEEDS = 3
_WEIGHT_BANDS = 30


@dataclass(frozen=True)
class Rung:
    """One method, scored once.

    Attributes:
        name: What it is; rungs of one kind and name differ in the seed alone.
        kind: One of :data:`KINDS`.
        numbers: How many numbers it takes from text, by counting or by training.
        seed: Seed of what is drawn at random; None if nothing is.
        scores: By split, as :func:`fourier_lab.metrics.sts_scores` gives them.
    """

    name: str
    kind: str
    numbers: int
    seed: int | None
    scores: dict[str, dict]


@dataclass(frozen=True)
class Ladder:
    """The rungs that need no training, on one corpus.

    Attributes:
        rungs: In order of :data:`KINDS`.
        weights: Columns ``series``, ``token_id``, ``value``, ``low``, ``high``: the weights of ids, see :func:`ladder`.
        account: Runs, data, versions and commit behind the numbers.
    """

    rungs: list[Rung]
    weights: Columns
    account: dict[str, Any]


def ladder(configs: Sequence[RunConfig], folder: Path | None = None) -> Ladder:
    """Score everything that needs no training, on the graded pairs of the corpus that the runs share.

    Args:
        configs: Runs that differ in series and seed only. They decide the corpus, the width and the seeds of the fixed
            vectors, and each gives the untrained encoder that it starts from.
        folder: Read the ladder from ``<digest of the first run>.json`` here if that file is of the same runs; otherwise
            compute it and write it there. With None it is computed and not kept.

    Returns:
        Ladder: Rungs with random numbers come once a seed. ``weights`` holds mean idf (with its 5th and 95th percentile)
        and √id of the words that occur in the training text, in bands of ids, each over its mean.

    Raises:
        RecordError: If the file is damaged.
    """
    digests = [config.digest() for config in configs]
    path = None if folder is None else Path(folder) / f"{digests[0]}.json"
    if path is not None and path.is_file() and (kept := read_ladder(path)).account["runs"] == digests:
        return kept
    first = configs[0]
    corpus = prepare(first)
    vocab_size = corpus.account["vocab_size"]
    *_, by_id = id_weights(first, vocab_size).values()
    idf = idf_weights(corpus.train.first + corpus.train.second, vocab_size)
    first_word = FIRST_WORD["toy" if first.corpus == "toy" else "bert"]
    account = {
        "runs": digests, "config": first.to_dict(), "data": corpus.account, "versions": versions(), "commit": commit(),
    }  # fmt: skip
    made = Ladder(list(_untrained(configs, corpus, idf)), _weight_columns(idf, by_id, first_word), account)
    if path is not None:
        paths.write_atomically(path, json.dumps(_plain(made), indent=1, ensure_ascii=False) + "\n")
    return made


def records_of(configs: Iterable[RunConfig], report: Callable[[str], None] | None = None) -> list[RunRecord]:
    """Return the record of each run: a finished one of ``runs/`` or ``results/*/``, and trained only where there is none.

    Args:
        configs: What to look up.
        report: Called with a line of text for each run.
    """
    records = []
    for config in configs:
        folders = [paths.RUNS / config.digest(), *sorted(paths.RESULTS.glob(f"*/{config.digest()}"))]
        finished = next(filter(is_complete, folders), None)
        records.append(train(config).record if finished is None else load_record(finished))
        if report is not None:
            state = "trained" if finished is None else "finished before"
            report(f"{config.digest()} {series_name(config)}, seed {config.seed}: {state}")
    return records


def trained_rungs(records: Iterable[RunRecord]) -> list[Rung]:
    """Return finished runs as the top of the ladder."""
    return [
        Rung(series_name(r.config), KINDS[3], r.metrics["parameters"]["total"], r.config.seed, r.metrics["scores"])
        for r in records
    ]


def ladder_columns(rungs: Iterable[Rung], split: str = "validation", measure: str = "spearman") -> Columns:
    """Pool rungs of one name over their seeds, in order of appearance.

    Args:
        rungs: Of one corpus.
        split: ``validation`` or ``test``.
        measure: ``spearman`` or ``pearson``, x 100.

    Returns:
        Columns: ``series`` (the name), ``kind``, ``numbers``, ``value`` (mean), ``low`` and ``high`` (95 % bootstrap over
        pairs, mean over seeds), ``seeds_low`` and ``seeds_high`` (95 % t interval over seeds; nan with fewer than two),
        ``seeds`` (0 if nothing is random) and ``pairs``.
    """
    pooled: dict[tuple[str, str], list[Rung]] = {}
    for rung in rungs:
        pooled.setdefault((rung.kind, rung.name), []).append(rung)
    rows = {}
    for number, ((kind, name), same) in enumerate(pooled.items()):
        scores = [rung.scores[split][measure] for rung in same]
        value, seeds_low, seeds_high = mean_interval([score["value"] for score in scores])
        low, high = (float(np.mean([score[end] for score in scores])) for end in ("low", "high"))
        rows[number] = {
            "series": name, "kind": kind, "numbers": same[0].numbers, "value": value, "low": low, "high": high,
            "seeds_low": seeds_low, "seeds_high": seeds_high, "seeds": 0 if same[0].seed is None else len(same),
            "pairs": same[0].scores[split]["n"],
        }  # fmt: skip
    columns = stack(rows, "row")
    del columns["row"]
    return columns


def ladder_table(rungs: Sequence[Rung], corpus: str) -> "pd.DataFrame":
    """Return the pooled scores as a table, a row per method; on real text beside the :data:`REFERENCE` figures."""
    import pandas as pd

    columns = ladder_columns(rungs)
    table = pd.DataFrame({name: columns[name] for name in ("kind", "numbers", "seeds")}, index=columns["series"])
    for place, (short, split) in enumerate(_SPLITS.items()):
        columns = ladder_columns(rungs, split)
        table[f"{short} Spearman"] = columns["value"].round(1)
        ends = zip(columns["low"], columns["high"], strict=True)
        table[f"{short}, 95 % over pairs"] = [f"{low:.1f} to {high:.1f}" for low, high in ends]
        table[f"{short} Pearson"] = ladder_columns(rungs, split, "pearson")["value"].round(1)
        if corpus != "toy":
            table[f"{short} reference"] = [REFERENCE.get(name, (np.nan, np.nan))[place] for name in table.index]
    return table


def gain_columns(rungs: Iterable[Rung], split: str = "test") -> Columns:
    """Return each trained series beside the encoders it started from, in the columns that ``plots.draw_scores`` takes."""
    columns = ladder_columns((rung for rung in rungs if rung.kind in KINDS[2:]), split)
    over_seeds = columns["seeds"].min() >= _ENOUGH_SEEDS
    ends = ("seeds_low", "seeds_high") if over_seeds else ("low", "high")
    interval = "95 % t interval over seeds" if over_seeds else "95 % bootstrap over pairs"
    return {
        "group": np.char.replace(columns["series"], " (", "\n("),
        "series": np.where(columns["kind"] == KINDS[3], "trained", "at its start"),
        "interval": np.full(len(columns["value"]), interval),
        **{name: columns[name] for name in ("value", "seeds", "pairs")},
        **{name: columns[end] for name, end in zip(("low", "high"), ends, strict=True)},
    }


def gains(rungs: Sequence[Rung], split: str = "test") -> dict[str, tuple[float, float, float]]:
    """Return what training adds to each series' own start, seed by seed: mean and 95 % t interval of Spearman x 100."""
    by_seed: dict[tuple[str, str], dict[int | None, float]] = {}
    for rung in rungs:
        by_seed.setdefault((rung.name, rung.kind), {})[rung.seed] = rung.scores[split]["spearman"]["value"]
    pairs = {
        name: (by_seed[name, KINDS[2]], scores)
        for (name, kind), scores in by_seed.items()
        if kind == KINDS[3] and (name, KINDS[2]) in by_seed
    }
    return {
        name: mean_interval([after[seed] - before[seed] for seed in after if seed in before])
        for name, (before, after) in pairs.items()
    }


def finding(rungs: Sequence[Rung]) -> str:
    """Say in lines of text how much of the trained score is there before training, and what training adds to its start.

    The best method of a kind is the best one on validation, for both splits.
    """
    chosen = ladder_columns(rungs)
    free, trained = (_best(chosen, keep) for keep in (chosen["numbers"] == 0, chosen["kind"] == KINDS[3]))
    counted = int(np.flatnonzero(chosen["numbers"] > 0)[0])
    lines = []
    for short, split in _SPLITS.items():
        value = ladder_columns(rungs, split)["value"]
        lines.append(
            f"{short}: {value[free]:.1f} with no number from text ({chosen['series'][free]}), {value[counted]:.1f} with one "
            f"per id ({chosen['series'][counted]}), {value[trained]:.1f} trained ({chosen['series'][trained]}, "
            f"{chosen['numbers'][trained]:,.0f} numbers)"
        )
    added = [
        f"{name} {mean:+.1f}" + ("" if np.isnan(low) else f" ± {mean - low:.1f}")
        for name, (mean, low, _) in gains(rungs).items()
    ]
    lines.append(f"training adds to its own start on test: {', '.join(added)}")
    return "Spearman × 100 on " + "\n- ".join(lines)


def _best(columns: Columns, keep: np.ndarray) -> int:
    """Return the place of the highest value among those kept."""
    return int(np.argmax(np.where(keep, columns["value"], -np.inf)))


def _untrained(configs: Sequence[RunConfig], corpus: Corpus, idf: np.ndarray) -> Iterator[Rung]:
    first, (tokens, vectors, encoders, _) = configs[0], KINDS
    vocab_size, d = corpus.account["vocab_size"], first.d_model
    seeds = sorted({config.seed for config in configs})

    def rung(
        kind: str, name: str, similarity: Callable[[TokenPairs], np.ndarray], numbers: int = 0, seed: int | None = None
    ) -> Rung:
        scores = {split: sts_scores(similarity(pairs), pairs.label) for split, pairs in corpus.graded.items()}
        return Rung(name, kind, numbers, seed, scores)

    def bag(weights: np.ndarray) -> Callable[[TokenPairs], np.ndarray]:
        return lambda pairs: bag_similarity(pairs, weights)

    def mean(table: np.ndarray) -> Callable[[TokenPairs], np.ndarray]:
        return lambda pairs: mean_similarity(pairs, table)

    def features(**options: Any) -> Callable[[TokenPairs], np.ndarray]:
        return mean(fourier_basis(torch.arange(vocab_size), vocab_size, d, **options).numpy())

    equal, by_id = id_weights(first, vocab_size).items()
    yield rung(tokens, equal[0], bag(equal[1]))
    yield rung(tokens, "Jaccard of tokens", jaccard_similarity)
    yield rung(tokens, by_id[0], bag(by_id[1]))
    yield rung(tokens, "bag of tokens, idf", bag(idf), numbers=vocab_size)
    for seed in seeds:
        table = np.random.default_rng(seed).normal(size=(vocab_size, d))
        yield rung(vectors, "mean of random vectors", mean(table), seed=seed)
    for name in FREQUENCY_SETS:
        draws: Sequence[int | None] = seeds if name == "random" else (None,)
        for draw in draws:
            yield rung(vectors, f"mean of T(p), {name}", features(frequencies=name, seed=draw or 0), seed=draw)
    yield rung(vectors, f"mean of T(p), period {RELEASED_PERIOD}", features(period=RELEASED_PERIOD))
    for config in configs:
        encode = partial(_encoded, untrained_encoder(config, corpus))
        yield rung(encoders, series_name(config), encode, seed=config.seed)


def _encoded(encoder: SentenceEncoder, pairs: TokenPairs) -> np.ndarray:
    return embedding_similarity(encoder, pairs.first, pairs.second)


def _weight_columns(idf: np.ndarray, by_id: np.ndarray, first_word: int) -> Columns:
    """Describe two weightings of the words that occur in the training text, in logarithmic bands of ids."""
    used = np.flatnonzero(idf < idf.max())  # a word that never occurs has the highest idf, whatever its id
    edges = np.unique(np.geomspace(first_word, len(idf), _WEIGHT_BANDS + 1).astype(int))
    bands = [
        ids
        for low, high in zip(edges[:-1], edges[1:], strict=True)
        if (ids := used[(used >= low) & (used < high)]).size
    ]
    series = {}
    for name, weights in {"idf, counted in the training text": idf, "√id, known beforehand": by_id}.items():
        mean = np.array([weights[band].mean() for band in bands])
        low, high = np.array([np.percentile(weights[band], (5, 95)) for band in bands]).T
        centre, scale = np.array([band.mean() for band in bands]), mean.mean()
        series[name] = {"token_id": centre, "value": mean / scale, "low": low / scale, "high": high / scale}
    return stack(series)


def _plain(made: Ladder) -> dict[str, Any]:
    """Return JSON-ready values; weights keep six digits."""
    weights = {
        name: column.tolist() if column.dtype.kind == "U" else [float(f"{value:.6g}") for value in column]
        for name, column in made.weights.items()
    }
    return {**made.account, "rungs": [asdict(rung) for rung in made.rungs], "weights": weights}


def read_ladder(path: Path) -> Ladder:
    """Read a ladder that :func:`ladder` kept; a damaged file raises ``RecordError``."""
    try:
        account = json.loads(path.read_text(encoding="utf-8"))
        rungs = [Rung(**entry) for entry in account.pop("rungs")]
        weights = {name: np.array(column) for name, column in account.pop("weights").items()}
        account["runs"]  # noqa: B018 (must be there)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RecordError(f"{path} is damaged ({error!r}). Delete it; it is computed again from the text.") from error
    return Ladder(rungs, weights, account)
