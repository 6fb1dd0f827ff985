"""A trained encoder on anybody's graded pairs, beside a bag of tokens that was never trained."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ConfigError, check_kind
from ..evaluation.baselines import IDF_BAG, idf_weights, of_bag
from ..evaluation.beyond import of_encoder
from ..evaluation.breakdown import part_scores, subset_mean
from ..evaluation.metrics import scores_and_resamples
from ..models.pretrained import shipped_encoders
from ..models.sentence_encoder import SentenceEncoder
from ..text.corpus import token_pairs
from ..text.similarity_sets import COLUMNS, SimilaritySet, read_set
from ..text.tables import Reading
from ..training.records import load_encoder


def score_file(
    encoder: str, file: Path, columns: Sequence[str] | None, score_range: Sequence[float], runs: Path
) -> tuple[str, bool]:
    """Score graded pairs of a file.

    Args:
        encoder: Folder of a finished run with its weights, or the start of its name in ``runs``; or what
            :meth:`fourier_lab.SentenceEncoder.from_pretrained` takes.
        file: The pairs.
        columns: Of the first sentence, the second, the score and, if there is one, the subset; the usual names if None.
        score_range: Lowest and highest possible score.
        runs: Folder of run folders.

    Returns:
        A Markdown table with what it does not show below, and whether the encoder told the sentences apart.

    Raises:
        ConfigError, DataError, RecordError: If one of them is missing or malformed.
    """
    name, model = open_encoder(encoder, runs)
    low, high = score_range
    if not low < high:
        raise ConfigError(f"--range must rise, got {low:g} {high:g}. Give the lowest and the highest possible score.")
    graded = read_set(file, _reading(columns), low, high)
    assert model.tokenizer is not None  # which every run has
    pairs = token_pairs(model.tokenizer, graded.pairs, model.config.max_seq_len)
    idf = idf_weights(pairs.sentences, model.config.vocab_size)
    similarities = {
        name: of_encoder(model).aligned(pairs),
        f"{IDF_BAG} of the file": of_bag(idf).aligned(pairs),
    }
    scored = {name: scores_and_resamples(values, graded.pairs.label) for name, values in similarities.items()}
    head = ["method", "Spearman", "95 % interval", "Pearson", "95 % interval"]
    rows = [head, ["---"] * len(head)]
    for name, (scores, _) in scored.items():
        told = f"{name} (collapsed)" if scores.get("collapsed") else name
        rows.append([told, *(cell for measure in ("spearman", "pearson") for cell in _cells(scores[measure]))])
    (first, drawn), (second, others) = scored.values()
    ends = np.percentile((drawn.astype(float) - others) / 100, (2.5, 97.5))
    difference = first["spearman"]["value"] - second["spearman"]["value"]
    lines = [
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        f"{len(pairs):,} pairs with scores from {graded.pairs.label.min():g} to {graded.pairs.label.max():g} on 0..5; "
        f"encoder minus bag: {difference:+.1f} [{ends[0]:+.1f}, {ends[1]:+.1f}] Spearman x 100, 95 % over pairs.",
        *_subset_line(graded, similarities),
    ]
    return "\n".join(lines), not first.get("collapsed", False)


def open_encoder(encoder: str, runs: Path) -> tuple[str, SentenceEncoder]:
    """Return an encoder with its name.

    Args:
        encoder, runs: As for :func:`score_file`.

    Raises:
        ConfigError, RecordError: If it is missing, damaged, or a language model.
    """
    name, model = _load(encoder, runs)
    remedy = "Name the run of a sentence encoder; the scores of a language model are in its record."
    check_kind(model, SentenceEncoder, f"sentences have no vectors in {name}", remedy)
    return name, model


def find_run(run: str, runs: Path) -> Path | None:
    """Return the folder of a finished run with its weights; None if ``run`` names a saved or shipped encoder.

    Args:
        run, runs: As ``encoder`` and ``runs`` for :func:`score_file`.

    Raises:
        ConfigError: If there is none, or several begin so.
    """
    folder = Path(run).expanduser()
    if run in shipped_encoders() or (folder / "model.safetensors").is_file():
        return None
    if folder.is_dir():
        return folder.absolute()
    found = [path for path in sorted(Path(runs).glob("*/weights.safetensors")) if path.parent.name.startswith(run)]
    if len(found) != 1:
        several = (
            f"{len(found)} runs begin so: {', '.join(path.parent.name for path in found)}" if found else "none does"
        )
        raise ConfigError(
            "the encoder must be the folder of a finished run with its weights or of a saved encoder, or the start of a "
            f"run's name in {runs}, got {run!r} ({several}). 'fourier-lab train' prints the names."
        )
    return found[0].parent


def _load(encoder: str, runs: Path) -> tuple[str, Any]:
    run, folder = find_run(encoder, runs), Path(encoder).expanduser()
    if run is not None:
        return run.name, load_encoder(run)
    return folder.absolute().name, SentenceEncoder.from_pretrained(folder if folder.is_dir() else encoder)


def _reading(columns: Sequence[str] | None) -> Reading:
    if columns is None:
        return COLUMNS
    if len(columns) not in (3, 4):
        raise ConfigError(
            f"--columns takes the names of first sentence, second sentence and score, and of the subset if there is one, "
            f"got {' '.join(columns)}."
        )
    named = tuple((name,) for name in columns[:3])
    return Reading(named, subset=columns[3]) if len(columns) == 4 else Reading(named)


def _cells(score: dict[str, float]) -> tuple[str, str]:
    return f"{score['value']:.1f}", f"{score['low']:.1f} to {score['high']:.1f}"


def _subset_line(graded: SimilaritySet, similarities: dict[str, np.ndarray]) -> list[str]:
    """Say what the mean over subsets is, which can order methods another way than all pairs together do."""
    found = {
        method: part_scores(values, graded.pairs.label, graded.subsets(), least=3)
        for method, values in similarities.items()
    }
    numbers = {len(parts) for parts in found.values()}
    if numbers == {0}:
        return []
    told = (f"{method} {subset_mean({'subsets': parts}):.1f}" for method, parts in found.items())
    return [f"Mean Spearman over {numbers.pop()} subsets: {', '.join(told)}."]
