"""What training did to a token embedding, in numbers: how far rows moved, bandwidth, rank, and the tokens it tells apart.

An embedding is followed through stages: the basis T(p), the rows at the start of training, the trained rows before the
norm, and the trained rows as the encoder reads them. Each stage is a table ``(V, d)``, row p for id p.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from .. import paths
from ..config import RunConfig
from ..embeddings.fourier import FourierEmbedding, LearnedEmbedding
from ..embeddings.interface import rows_of
from ..errors import ConfigError
from ..evaluation.baselines import untrained_encoder
from ..evaluation.similarity import embedding_similarity
from ..models.sentence_encoder import SentenceEncoder
from ..provenance import commit, versions
from ..series import series_name
from ..text.corpus import Corpus, TokenPairs, prepare
from ..text.fingerprints import text_at_hand
from ..text.id_order import first_word
from ..text.pairs import SCORED
from ..training.folders import numbers_file
from ..training.train import train
from . import token_table
from .effect_records import OCCURRENCES, STAGES, Effects, read_effects
from .smoothness import SHARES, bandwidths, relative_steps, sign_changes, step_bound

BIN_SIZES = (1, 2, 8, 32, 64, 119, 237)  # ids; 119 and 237 are V/d of BERT's vocabulary at d = 256 and 128
LAGS = (1, 2, 4, 8, 16, 32, 64, 119, 237, 512, 1024, 4096)

_measured: dict[tuple[Any, ...], Effects] = {}  # by this process: run, text and weights to numbers


def training_effects(
    configs: Iterable[RunConfig], folder: Path | None = None, report: Callable[[str], None] | None = None
) -> list[Effects]:
    """Measure what training did in each run; finished runs are loaded, others trained.

    Args:
        configs: The runs.
        folder: Numbers are read from the run's file here, see :func:`fourier_lab.training.folders.numbers_file`, without any
            weights, where it exists; else they are computed and written there. With None they are kept in memory alone.
        report: Called with a line of text at the end of each run.

    Raises:
        RecordError: If a file is damaged or of another run.
    """
    effects = []
    for config in configs:
        path = None if folder is None else numbers_file(Path(folder), config)
        kept = path is not None and path.is_file()
        effects.append(
            read_effects(path, config) if path is not None and kept else _measured_once(config, train(config).encoder)
        )
        if path is not None and not kept:
            content = {"digest": config.digest(), "config": config.to_dict(), **effects[-1].numbers}
            paths.write_atomically(path, json.dumps(_rounded(content), ensure_ascii=False) + "\n")
        if report is not None:
            report(f"{config.digest()} {series_name(config)}, seed {config.seed}: {'read' if kept else 'measured'}")
    return effects


def _measured_once(config: RunConfig, encoder: SentenceEncoder) -> Effects:
    text, weights = text_at_hand(config), hashlib.sha256()
    for value in encoder.state_dict().values():
        weights.update(value.numpy())
    key = config, None if text is None else tuple(text.items()), weights.hexdigest()
    if key not in _measured:
        _measured[key] = measure(config, encoder)
    return _measured[key]


def measure(config: RunConfig, encoder: SentenceEncoder) -> Effects:
    """Compute all numbers of one trained run.

    Args:
        config: The run; its start is drawn again from its seed, its text is read again for the scores.
        encoder: The trained encoder.
    """
    corpus = prepare(config)
    start = untrained_encoder(config, corpus)
    tables = stage_tables(start, encoder)
    counts = corpus.train.counts(len(tables[STAGES[3]]))
    numbers = {
        "moved": angles_moved(tables[STAGES[1]], tables[STAGES[3]], counts),
        "restored": restored_scores(encoder, start, corpus),
        **coordinates(encoder.embedding),
        "stages": {name: stage_numbers(table) for name, table in tables.items()},
        "classes": class_scores(encoder, corpus, first_word(corpus.tokenizer)),
        "versions": versions(),
        "commit": commit(),
    }
    return Effects(config, numbers)


@torch.no_grad()
def before_norm(embedding: nn.Module) -> NDArray[np.float64]:
    """Return the rows before the final norm, float64 ``(V, d)``: MLP(T(p)) + T(p), or the raw table.

    Of another embedding, whose inside is not known, they are its rows.
    """
    if isinstance(embedding, LearnedEmbedding):
        return embedding.table.weight.double().numpy()
    if not isinstance(embedding, FourierEmbedding):
        return rows_of(embedding).double().numpy()
    basis = embedding.basis(torch.arange(embedding.num_embeddings))
    rows = basis if embedding.mlp is None else embedding.mlp(basis) + basis
    return rows.double().numpy()


def stage_tables(start: SentenceEncoder, trained: SentenceEncoder) -> dict[str, NDArray[np.float64]]:
    """Return the stages of :data:`STAGES` that an embedding has, float64 ``(V, d)`` each; a learned table has no T(p)."""
    tables = {}
    if isinstance(trained.embedding, FourierEmbedding):
        tables[STAGES[0]] = trained.embedding.basis(torch.arange(trained.embedding.num_embeddings)).double().numpy()
    tables[STAGES[1]] = rows_of(start.embedding).double().numpy()
    tables[STAGES[2]] = before_norm(trained.embedding)
    tables[STAGES[3]] = rows_of(trained.embedding).double().numpy()
    return tables


def angles_moved(start: ArrayLike, trained: ArrayLike, counts: ArrayLike) -> dict[str, float]:
    """Return the mean angle between a row at the start and the same row trained, in degrees; 90 is unrelated.

    Args:
        start: Rows ``(V, d)``.
        trained: Rows ``(V, d)``.
        counts: Occurrences of each id in the training text, ``(V,)``.

    Returns:
        ``all ids``, ``text`` (each id counted as often as it occurs), and the classes of :data:`OCCURRENCES` that have ids.
    """
    a, b, n = (np.asarray(values, dtype=np.float64) for values in (start, trained, counts))
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    angle = np.degrees(np.arccos(np.clip(np.einsum("pd,pd->p", a, b) / norms, -1, 1)))
    place = np.searchsorted([limit for limit in OCCURRENCES.values() if limit is not None], n)
    by_class = {name: angle[place == number] for number, name in enumerate(OCCURRENCES)}
    return {
        "all ids": float(angle.mean()),
        "text": float(angle @ n / n.sum()),
        **{name: float(angles.mean()) for name, angles in by_class.items() if angles.size},
    }


def coordinates(embedding: nn.Module) -> dict[str, dict[str, float | None]]:
    """Hold each coordinate before the norm against what its degree allows.

    With a linear MLP, or none, each coordinate is a trigonometric polynomial whose degree is the highest frequency: K = d/2
    for the harmonic set. Then steps obey :func:`step_bound`, provided that the ids go all the way round one period, and one
    period holds at most twice the degree in sign changes.

    Returns:
        ``steps`` (relative, see :func:`relative_steps`) and ``sign_changes``, each with ``worst`` and ``median`` over the
        coordinates and the ``bound``, None if there is none: a learned table, or an MLP that is not linear.
    """
    rows = before_norm(embedding)
    constant: NDArray[np.float64] | float = 0.0
    bounds: tuple[float | None, float | None] = (None, None)
    if isinstance(embedding, FourierEmbedding):
        rows = rows[: embedding.period + 1]
        if embedding.polynomials is None and (embedding.mlp is None or isinstance(embedding.mlp, nn.Linear)):
            degree = int(embedding.frequencies.max())
            whole = len(rows) > embedding.period  # else a peak between the last id and the first may be out of sight
            bounds = step_bound(degree, embedding.period) if whole else None, min(2 * degree, len(rows) - 1)
        if isinstance(embedding.mlp, nn.Linear):
            constant = embedding.mlp.bias.detach().double().numpy()
    measured = {"steps": relative_steps(rows, constant), "sign_changes": sign_changes(rows)}
    return {
        name: {"worst": float(values.max()), "median": float(np.median(values)), "bound": bound}
        for (name, values), bound in zip(measured.items(), bounds, strict=True)
    }


def stage_numbers(table: ArrayLike) -> dict[str, Any]:
    """Return effective rank, bandwidths, spectrum and cosines at :data:`LAGS` of one stage, as JSON-ready values."""
    rows = np.asarray(table)
    lags = [lag for lag in LAGS if lag < len(rows)]
    similarity = token_table.similarity_by_lag(rows, lags)
    columns = {
        "spectrum": token_table.id_spectrum(rows),
        "similarity": {key: similarity[key] for key in ("lag", "cosine")},
    }
    return {
        "effective_rank": token_table.effective_rank(rows),
        "mean_cosine": token_table.mean_cosine(rows),
        **{f"bandwidth_{share}": width for share, width in zip(SHARES, bandwidths(rows), strict=True)},
        **{name: {key: values.tolist() for key, values in column.items()} for name, column in columns.items()},
    }


def merged_ids(vocab_size: int, first_word: int, size: int) -> NDArray[np.int64]:
    """Return for each id the one that stands for it, ``(vocab_size,)``: the middle of its bin of ``size`` ids.

    Args:
        vocab_size: V.
        first_word: Smaller ids, which are no words, stand for themselves.
        size: Ids in a bin; 1 merges nothing. The last bin may be shorter.

    Example:
        >>> merged_ids(8, first_word=2, size=3)
        array([0, 1, 3, 3, 3, 6, 6, 6])
    """
    if size < 1 or not 0 <= first_word < vocab_size:
        raise ConfigError(
            f"bins of {size} ids from id {first_word} on do not fit {vocab_size} ids. Use size >= 1 and first_word < V."
        )
    ids = np.arange(vocab_size)
    start = first_word + (ids - first_word) // size * size
    middle = (start + np.minimum(start + size, vocab_size) - 1) // 2
    return np.where(ids < first_word, ids, middle)


def class_scores(
    encoder: SentenceEncoder, corpus: Corpus, first_word: int, sizes: Sequence[int] = BIN_SIZES
) -> list[dict[str, float]]:
    """Score an encoder after merging neighbouring ids into classes: which differences between tokens does it use?

    Args:
        encoder: Trained.
        corpus: Its graded pairs are scored.
        first_word: First id that is merged.
        sizes: Ids in a class.

    Returns:
        For each size ``size``, ``classes`` (of words in the vocabulary), ``used`` (ids that are left in the graded text) and
        Spearman x 100 for ``validation`` and ``test``.
    """
    vocab_size, rows = corpus.account["vocab_size"], []
    for size in sizes:
        stands_for = merged_ids(vocab_size, first_word, size)
        row: dict[str, float] = {"size": size, "classes": math.ceil((vocab_size - first_word) / size)}
        merged = {split: corpus.graded[split].with_ids(stands_for) for split in SCORED}
        row["used"] = len(np.unique(np.concatenate([s for p in merged.values() for s in p.sentences])))
        rows.append({**row, **_spearman(encoder, merged)})
    return rows


def restored_scores(trained: SentenceEncoder, start: SentenceEncoder, corpus: Corpus) -> dict[str, float]:
    """Return Spearman x 100 by split of a trained encoder with its untrained embedding put back.

    What is lost is no bound on what training the embedding is worth: the layers above were trained with the other one.
    """
    embedding = trained.embedding
    trained.embedding = start.embedding
    try:
        return _spearman(trained, corpus.graded)
    finally:
        trained.embedding = embedding


def _spearman(encoder: SentenceEncoder, graded: dict[str, TokenPairs]) -> dict[str, float]:
    from scipy import stats

    # Not metrics.sts_scores, which refuses a constant: ids merged into one class leave nothing to correlate.
    return {
        split: 100
        * float(stats.spearmanr(embedding_similarity(encoder, pairs.first, pairs.second), pairs.label).statistic)
        for split, pairs in graded.items()
    }


def _rounded(value: Any) -> Any:
    """Keep six significant digits, so that files stay small and free of the last bits of one processor."""
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
