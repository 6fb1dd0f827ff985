"""The ladder from zero parameters: what each method scores on graded pairs, from shared words up to trained encoders."""

import io
import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import paths
from ..columns import Columns, from_rows
from ..config import RunConfig
from ..errors import ConfigError, RecordError, leave_out, list_of
from ..evaluation.baselines import BERT_OFFSET, id_weights, idf_weights
from ..evaluation.metrics import mean_interval
from ..evaluation.rung import KINDS, Rung
from ..evaluation.untrained import untrained_rungs, weight_columns
from ..provenance import commit, versions
from ..series import series_name
from ..text.corpus import prepare
from ..text.fingerprints import text_at_hand
from ..text.id_order import first_word
from ..training.folders import load_run, numbers_file, run_folder
from ..training.records import RunRecord, is_complete
from ..training.train import train
from .ladder_records import Ladder, read_ladder

if TYPE_CHECKING:
    import pandas as pd

# Spearman x 100 on STS-B, validation and test, measured by the authors of this project with other code, not kept here.
REFERENCE = {
    "bag of tokens": (58.0, 47.0),
    "Jaccard of tokens": (64.7, 54.8),
    f"bag of tokens, √(id − {BERT_OFFSET})": (72.5, 63.3),
    "bag of tokens, idf": (75.7, 65.4),  # idf of 25,741 sentences of SNLI's validation and test splits
    "mean of random vectors": (57.7, 45.1),
    "mean of T(p), harmonic": (40.7, 32.5),
    "mean of T(p), period 127": (58.1, 46.7),
}

_SPLITS = ("validation", "test")
_ENOUGH_SEEDS = 3


def ladder(configs: Sequence[RunConfig], folder: Path | None = None) -> Ladder:
    """Score everything that needs no training, on the graded pairs of the corpus that the runs share.

    Args:
        configs: Runs that differ in series and seed only. They decide the corpus, the width and the seeds of the fixed
            vectors, and each gives the untrained encoder that it starts from.
        folder: Read the ladder from the file of the first run here if that is of the same runs; otherwise
            compute it and write it there. With None it is kept in memory alone.

    Returns:
        Ladder: Rungs with random numbers come once a seed. ``weights`` holds mean idf (with its 5th and 95th percentile)
        and √id of the words that occur in the training text, in bands of ids, each over its mean.

    Raises:
        RecordError: If the file is damaged.
    """
    configs = list_of(configs, RunConfig, "ladder takes a list of RunConfigs", "Write ladder([config]).")
    if not configs:
        raise ConfigError("ladder takes at least one RunConfig, got none. Write ladder([config]).")
    digests, first = [config.digest() for config in configs], configs[0]
    path = None if folder is None else numbers_file(paths.as_path(folder), first)
    if path is not None and path.is_file() and (kept := read_ladder(path)).account["runs"] == digests:
        return kept
    text = text_at_hand(first)
    made = _made(tuple(configs), None if text is None else tuple(text.items()))
    if path is not None:
        content = io.BytesIO()
        resampled: dict[str, Any] = {rung.name: rung.resampled for rung in made.rungs if rung.resampled is not None}
        np.savez_compressed(content, **resampled)
        paths.write_atomically(path.with_suffix(".npz"), content.getvalue())
        paths.write_atomically(path, json.dumps(_plain(made), indent=1, ensure_ascii=False) + "\n")
    return made


@lru_cache(maxsize=4)
def _made(configs: tuple[RunConfig, ...], _text: tuple[tuple[str, str], ...] | None) -> Ladder:
    """Compute a ladder; ``_text`` only tells one state of the data folder from another."""
    first, corpus = configs[0], prepare(configs[0])
    vocab_size = corpus.account["vocab_size"]
    *_, by_id = id_weights(corpus.tokenizer).values()
    idf = idf_weights(corpus.train.sentences, vocab_size)
    account = {
        "runs": [config.digest() for config in configs], "config": first.to_dict(), "data": corpus.account,
        "versions": versions(), "commit": commit(),
    }  # fmt: skip
    return Ladder(
        list(untrained_rungs(configs, corpus, idf)), weight_columns(idf, by_id, first_word(corpus.tokenizer)), account
    )


def records_of(configs: Iterable[RunConfig], report: Callable[[str], None] | None = None) -> list[RunRecord]:
    """Return the record of each run: a finished one of ``runs/``, ``results/*/`` or the project, else a newly trained one.

    A damaged record is left out with a :class:`RecordWarning`, and so is its run if it is the one in ``runs/``, which is
    not trained again before it is deleted, and no other place has the run.

    Args:
        configs: What to look up.
        report: Called with a line of text for each run.

    Raises:
        RecordError: If every run is left out.
    """
    records = []
    configs = list_of(configs, RunConfig, "records_of takes a list of RunConfigs", "Write records_of([config]).")
    for config in configs:
        text = text_at_hand(config)
        exported = (path for root in (paths.RESULTS, paths.RECORDS) for path in sorted(root.glob("*/")))
        folders = (run_folder(root, config, text) for root in (paths.RUNS, *exported))
        state = "trained"
        for folder in filter(is_complete, folders):
            try:
                records.append(load_run(folder, config))
                state = "finished before"
                break
            except RecordError as error:
                leave_out(error)
                state = "left out" if folder.parent == paths.RUNS else state
        if state == "trained":
            records.append(train(config).record)
        if report is not None:
            report(f"{config.digest()} {series_name(config)}, seed {config.seed}: {state}")
    if configs and not records:
        raise RecordError(
            f"every run asked for has a damaged record in {paths.RUNS}. Delete those folders and run again."
        )
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
    rows = []
    for (kind, name), same in pooled.items():
        scores = [rung.scores[split][measure] for rung in same]
        value, seeds_low, seeds_high = mean_interval([score["value"] for score in scores])
        low, high = (float(np.mean([score[end] for score in scores])) for end in ("low", "high"))
        seeds, pairs = 0 if same[0].seed is None else len(same), same[0].scores[split]["n"]
        rows.append((name, kind, same[0].numbers, value, low, high, seeds_low, seeds_high, seeds, pairs))
    names = ("series", "kind", "numbers", "value", "low", "high", "seeds_low", "seeds_high", "seeds", "pairs")
    return from_rows(names, rows)


def ladder_table(rungs: Sequence[Rung], corpus: str) -> "pd.DataFrame":
    """Return the pooled scores as a table, a row per method; on real text beside the :data:`REFERENCE` figures."""
    import pandas as pd

    columns = ladder_columns(rungs)
    table = pd.DataFrame({name: columns[name] for name in ("kind", "numbers", "seeds")}, index=columns["series"])
    for place, split in enumerate(_SPLITS):
        columns = ladder_columns(rungs, split)
        table[f"{split} Spearman"] = columns["value"].round(1)
        ends = zip(columns["low"], columns["high"], strict=True)
        table[f"{split}, 95 % over pairs"] = [f"{low:.1f} to {high:.1f}" for low, high in ends]
        table[f"{split} Pearson"] = ladder_columns(rungs, split, "pearson")["value"].round(1)
        if corpus != "toy":
            table[f"{split} reference"] = [REFERENCE.get(name, (np.nan, np.nan))[place] for name in table.index]
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
    counted = np.flatnonzero((chosen["numbers"] > 0) & (chosen["kind"] == KINDS[0]))[:1]
    lines = []
    for split in _SPLITS:
        value = ladder_columns(rungs, split)["value"]
        lines.append(
            f"{split}: {value[free]:.1f} with no number from text ({chosen['series'][free]}), "
            + "".join(f"{value[i]:.1f} with one per id ({chosen['series'][i]}), " for i in counted)
            + f"{value[trained]:.1f} trained ({chosen['series'][trained]}, "
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


def _plain(made: Ladder) -> dict[str, Any]:
    """Return JSON-ready values; weights keep six digits."""
    weights = {
        name: column.tolist() if column.dtype.kind == "U" else [float(f"{value:.6g}") for value in column]
        for name, column in made.weights.items()
    }
    return {**made.account, "rungs": [_entry(rung) for rung in made.rungs], "weights": weights}


def _entry(rung: Rung) -> dict[str, Any]:
    return {name: value for name, value in vars(rung).items() if name != "resampled"}
