"""What the study asks of a set of runs: which to compare, what is known of their tokens, how to say what was found."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from . import geometry, paths
from .basis import FREQUENCY_SETS
from .config import ID_ORDERS, RunConfig
from .errors import ConfigError, RecordError
from .projections import PROJECTION_NAMES, PROJECTIONS, project
from .runs import load_records
from .summaries import TUNING_SEED, series_name
from .sweep_file import load_sweep
from .tokenizer import token_words
from .toy import ROLES, SPECIAL_TOKENS, toy_language

if TYPE_CHECKING:
    import pandas as pd

    from .corpus import Corpus
    from .runs import RunRecord
    from .training import TrainResult

SERIES = ("learned", *FREQUENCY_SETS)
_REAL_WORDS = ("dog", "guitar", "running", "red")


def sweep_records(name: str, *, smoke: bool = False, report: Callable[[str], None] | None = None) -> list["RunRecord"]:
    """Return the runs of a sweep: at smoke size trained now, at full size the finished ones that the project ships.

    Args:
        name: Stem of a file in ``sweeps/``.
        smoke: Train the sweep's smoke size on the built-in corpus; finished runs are loaded.
        report: Called with a line of text at the end of each training run.

    Raises:
        ConfigError: If there is no such sweep.
        RecordError: If no run of it is finished.
    """
    from .training import train_all

    sweep = load_sweep(paths.SWEEPS / f"{name}.yaml", smoke=smoke)
    configs = [config for config in sweep.configs if config.seed < TUNING_SEED]
    if smoke:
        return [result.record for result in train_all(configs, report=report)]
    finished = {record.config.digest(): record for record in load_records(paths.RECORDS / name)}
    records = [finished[config.digest()] for config in configs if config.digest() in finished]
    if not records:
        raise RecordError(
            f"no finished run of {name} among the {len(finished)} records in {paths.RECORDS / name}. "
            f"Run: fourier-lab sweep sweeps/{name}.yaml"
        )
    return records


def with_series(config: RunConfig, name: str) -> RunConfig:
    """Return ``config`` for one compared series: ``learned``, or the ``fourier`` arm with the named frequency set.

    Raises:
        ConfigError: If the name is unknown.
    """
    if name not in SERIES:
        raise ConfigError(f"unknown series {name!r}. Choose from {', '.join(SERIES)}.")
    if name == "learned":
        return config.replace(arm="learned", frequencies="harmonic")  # not read by this arm; one name, one run
    return config.replace(arm="fourier", frequencies=name)


def comparison(config: RunConfig, series: str, id_orders: str = "", n_seeds: int = 1) -> list[RunConfig]:
    """List the runs that compare series with equal settings, id order by id order, seeds innermost.

    Args:
        config: What all runs share; its seed is the first one.
        series: Comma-separated names of :data:`SERIES`.
        id_orders: Comma-separated id orders of the toy language; on real text, which has its own, always one.
        n_seeds: Seeds per case, counted up from ``config.seed``.

    Raises:
        ConfigError: If a name is unknown.

    Example:
        >>> [c.arm for c in comparison(RunConfig(), "learned,random")]
        ['learned', 'fourier']
    """
    orders = _names(id_orders) if id_orders and config.corpus == "toy" else (config.id_order,)
    if unknown := set(orders) - set(ID_ORDERS):
        raise ConfigError(f"unknown id order {', '.join(sorted(unknown))}. Choose from {', '.join(ID_ORDERS)}.")
    seeds = range(config.seed, config.seed + n_seeds)
    return [
        with_series(config.replace(id_order=order, seed=seed), name)
        for order in orders
        for name in _names(series)
        for seed in seeds
    ]


def token_classes(config: RunConfig, tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """Return what is known about each id, ``(vocab_size,)`` arrays by name.

    The toy language knows the ``concept`` (integers, -1 for special tokens) and the ``kind`` (its role) of every word;
    WordPiece knows the ``kind`` only: whole word, word piece, or other (special, unused, single character).
    """
    words = token_words(tokenizer)
    if config.corpus == "toy":
        language = toy_language(config.vocab_size)
        concept = dict(zip(language.words, language.concept.tolist(), strict=True))
        role = dict(zip(language.words, language.role.tolist(), strict=True))
        return {
            "kind": np.array(["special" if w in SPECIAL_TOKENS else ROLES[role[w]] for w in words]),
            "concept": np.array([concept.get(w, -1) for w in words]),
        }
    return {"kind": np.array([_piece_kind(word) for word in words])}


def example_words(config: RunConfig, tokenizer: Tokenizer, chosen: str = "") -> list[str]:
    """Return the words to look up: the comma-separated ``chosen`` ones, else a few frequent ones of the corpus."""
    if chosen:
        return list(_names(chosen))
    words = token_words(tokenizer)
    if config.corpus != "toy":
        return [word for word in _REAL_WORDS if word in words]
    language = toy_language(config.vocab_size)
    frequent = np.argsort(-language.probability, kind="stable")
    roles = language.role[frequent]
    return [language.words[frequent[np.flatnonzero(roles == role)[0]]] for role in range(3)]


def _piece_kind(word: str) -> str:
    if word.startswith("##"):
        return "word piece"
    return "whole word" if len(word) > 1 and word.isalpha() else "other"


def _names(text: str) -> Sequence[Any]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def embedding_tables(results: Sequence["TrainResult"]) -> dict[str, np.ndarray]:
    """Return the trained token table of each run, float32 ``(vocab_size, d_model)``, by series name."""
    return {
        series_name(result.config): result.encoder.embedding.to_table().weight.detach().numpy() for result in results
    }


def table_shape(table: np.ndarray) -> dict[str, float]:
    """Return what one table's cloud of points looks like: effective rank, mean cosine and IsoScore."""
    return {
        "effective rank": geometry.effective_rank(table),
        "mean cosine": geometry.mean_cosine(table),
        "IsoScore": geometry.iso_score(table),
    }


def purity_labels(classes: dict[str, np.ndarray], corpus: "Corpus", n: int = 1000) -> tuple[str, np.ndarray]:
    """Return the name and integer labels of the finest known classes: concepts if known, else kinds.

    Only the ``n`` most frequent tokens of the training text keep their label; all others get -1.
    """
    name = "concept" if "concept" in classes else "kind"
    labels = classes[name] if name == "concept" else np.unique(classes[name], return_inverse=True)[1]
    counts = corpus.train.counts(len(labels))
    frequent = np.argsort(-counts, kind="stable")[:n]
    return name, np.where(np.isin(np.arange(len(labels)), frequent), labels, -1)


def projections(tables: dict[str, np.ndarray], token_ids: np.ndarray, seed: int) -> dict[str, dict[str, Any]]:
    """Place the rows of some ids in the plane, every table by PCA and by t-SNE, coloured by id."""
    panels = {}
    for name, table in tables.items():
        for method in PROJECTIONS:
            x, y = project(table[token_ids], method, seed).T
            title = f"{name}: {PROJECTION_NAMES[method]}"
            panels[title] = {"x": x, "y": y, "colour": token_ids, "method": np.full(len(x), method)}
    return panels


def finding(summary: "pd.DataFrame") -> str:
    """Say in lines of text, from a table of :func:`fourier_lab.tables.summarise`, who won where and by how much."""
    trained = summary[summary["seeds"] > 0]
    lines = []
    for order in trained["id_order"].drop_duplicates().sort_values(key=lambda column: column.map(_place)):
        rows = trained[trained["id_order"] == order]
        said = [
            f"{row.model} {row.test_spearman:.1f}"
            + (f" ± {row.test_spearman_high - row.test_spearman:.1f}" if row.seeds > 1 else "")
            for row in rows.sort_values("test_spearman", ascending=False).itertuples()
        ]
        lines.append(f"ids in order of {order}: {', '.join(said)}")
    untrained = summary[summary["seeds"] == 0]
    lines.append(", ".join(f"{row.model} {row.test_spearman:.1f}" for row in untrained.itertuples()) + " untrained")
    sizes = trained.drop_duplicates("model")
    lines.append(", ".join(f"{row.model} {row.parameters:,.0f} parameters" for row in sizes.itertuples()))
    seeds = int(trained["seeds"].max())
    head = f"test Spearman x 100 ({f'mean ± 95 % t interval over {seeds} seeds' if seeds > 1 else 'one seed'}): "
    return head + "; ".join(lines[:1]) + "".join(f"\n- {line}" for line in lines[1:])


def _place(id_order: str) -> int:
    return ID_ORDERS.index(id_order) if id_order in ID_ORDERS else len(ID_ORDERS)


def geometry_finding(
    lag_one: dict[str, float], shape: "pd.DataFrame", purity: dict[str, np.ndarray], label_name: str
) -> str:
    """Say in lines of text how near neighbouring ids are, how many directions are used and how pure neighbours are."""
    near = ", ".join(f"{name} {value:.2f}" for name, value in lag_one.items())
    rank = ", ".join(f"{name} {value:.1f}" for name, value in shape["effective rank"].items())
    pure = ", ".join(
        f"{name} {100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
        for name, value, low, high in zip(purity["series"], purity["value"], purity["low"], purity["high"], strict=True)
    )
    return (
        f"cosine of neighbouring ids after training: {near}.\n- Effective rank: {rank}.\n"
        f"- Ten nearest neighbours of the same {label_name}: {pure}; chance {100 * purity['chance'][0]:.1f} %."
    )
