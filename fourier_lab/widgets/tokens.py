"""Tokens of a trained model for the explorers: their words, what they may be coloured by, their rows at each stage."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..config import RunConfig
from ..errors import DataError, RecordError
from ..geometry import resolution, stages
from ..series import series_name
from ..study import token_tables
from ..text.tokenizer import token_words
from ..text.toy import toy_language
from ..training.records import RunRecord, load_encoder

TOKEN_COUNTS = "token_counts.npy"  # beside a run's weights: how often each id occurs in its training text, (V,)

_FREQUENCY = "frequency (log10 of the share)"


@dataclass(frozen=True)
class TrainedTokens:
    """The tokens of one trained model.

    Attributes:
        series: Name in pictures, such as ``fourier (harmonic)``.
        words: The word of each id.
        colours: Numbers or labels ``(V,)`` by name.
        stages: Names of the stages, first to last.
        table: Returns the rows ``(V, d)`` at a stage.
        counterpart: Returns the stage here that compares with a stage of another model.
        example: A word to begin with.
    """

    series: str
    words: Sequence[str]
    colours: Mapping[str, NDArray[Any]]
    stages: Sequence[str]
    table: Callable[[str], NDArray[Any]]
    counterpart: Callable[[str], str]
    example: str


def given_tokens(
    series: str, table: ArrayLike, words: Sequence[str], classes: Mapping[str, ArrayLike]
) -> TrainedTokens:
    """Return the tokens of a table ``(V, d)`` that was computed elsewhere: its only stage is the table.

    Raises:
        DataError: If there is not one word and one label for each row.
    """
    rows = np.asarray(table)
    colours = {"token id": np.arange(len(rows)), **{name: np.asarray(labels) for name, labels in classes.items()}}
    lengths = {len(words), *map(len, colours.values())} - {len(rows)}
    if lengths:
        raise DataError(
            f"the table {series!r} has {len(rows)} rows but {min(lengths)} words or labels. Pass one for each."
        )
    example = words[len(words) // 2]
    return TrainedTokens(series, words, colours, ("table",), lambda stage: rows, lambda stage: "table", example)


def run_tokens(record: RunRecord, counts: ArrayLike | None = None) -> TrainedTokens:
    """Return the tokens of a run, after loading its weights; a stage is computed when it is asked for.

    Args:
        record: A finished run with weights.
        counts: How often each id occurs in a text, used if they are ``vocab_size`` numbers; otherwise the run's own,
            if its folder holds them.

    Raises:
        RecordError: If weights, tokenizer or counts are missing, damaged, or do not fit each other.
    """
    encoder, config = load_encoder(record.folder), record.config
    if encoder.tokenizer is None:
        raise RecordError(f"no tokenizer.json in {record.folder}, so its ids have no words. Run it again.")
    words = token_words(encoder.tokenizer)
    colours = {"token id": np.arange(len(words)), **token_tables.token_classes(config, encoder.tokenizer)}
    share = _share(record.folder, config, words, counts)
    if share is not None:
        rarest = share[share > 0].min()  # has a logarithm, where a token that never occurs has none
        colours[_FREQUENCY] = np.log10(np.maximum(share, rarest / 2))
    return TrainedTokens(
        series_name(config),
        words,
        colours,
        stages.stage_names(encoder.config),
        functools.partial(stages.stage_table, encoder),
        functools.partial(stages.nearest_stage, encoder.config),
        next(iter(token_tables.example_words(config, encoder.tokenizer)), words[len(words) // 2]),
    )


def compared_with(records: Mapping[str, RunRecord], name: str) -> list[str]:
    """Return the name of a run, and of the other arm's run on the same corpus that differs from it in fewest settings."""
    config = records[name].config
    own = config.to_dict()
    differences = {
        other: sum(value != own[key] for key, value in record.config.to_dict().items())
        for other, record in records.items()
        if record.config.arm != config.arm and record.config.corpus == config.corpus
    }
    return [name, *sorted(differences, key=differences.__getitem__)[:1]]


def _share(
    folder: Path, config: RunConfig, words: Sequence[str], counts: ArrayLike | None
) -> NDArray[np.float64] | None:
    """Return the share of each token in the training text ``(V,)``, or None where it is not known."""
    if counts is not None and len(np.asarray(counts)) == len(words):
        return resolution.token_mass(len(words), counts)[0]
    path = folder / TOKEN_COUNTS
    if path.is_file():
        try:
            return resolution.token_mass(len(words), np.load(path))[0]
        except (OSError, ValueError, EOFError) as error:
            raise RecordError(f"cannot use {path}: {error} Delete it.") from error
    if config.corpus == "toy":
        language = toy_language(config.vocab_size)
        known = dict(zip(language.words, language.probability.tolist(), strict=True))
        return np.array([known.get(word, 0.0) for word in words])
    return None
