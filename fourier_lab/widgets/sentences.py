"""Two sentences as trained encoders read them: tokens, similarities, what each token adds, and all runs at hand."""

import functools
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ..columns import Columns
from ..config import RunConfig
from ..errors import ConfigError, FourierLabError
from ..geometry import sentences
from ..models.sentence_encoder import SentenceEncoder
from ..plots import sentences as plots
from ..plots.figure import new_figure, style
from ..series import series_name
from ..text.toy import toy_language
from ..training.records import RunRecord, load_encoder
from .at_hand import left_out, runs_at_hand
from .controls import choice, entry
from .explorer import Explorer, View, closed

_ENGLISH = ("A man is playing a guitar on stage.", "Someone is playing an instrument.")


def explore_sentences(
    first: str | None = None, second: str | None = None, *, folders: Sequence[Path | str] | None = None, limit: int = 4
) -> Explorer:
    """Explore two sentences: tokens and ids, token by token cosines, the pooled cosine in every run, leaving tokens out.

    Args:
        first: A sentence; an example in the language of the first run if None.
        second: Another.
        folders: Run folders, or folders of them; the runs that ship with the library and ``runs/`` if None.
        limit: At most this many runs per kind of text, the shipped ones first.

    Returns:
        Explorer: Its settings are ``first``, ``second``, ``run`` (whose tokens and bars are shown) and ``stage``.

    Raises:
        ConfigError: If no trained run is at hand, or ``limit`` is below 1.
    """
    if limit < 1:
        raise ConfigError(f"limit must be at least 1 run, got {limit}. Leave it out for 4.")
    at_hand, problems = runs_at_hand(folders)
    records = sentences.handful(at_hand, limit)
    notes = left_out(problems)
    if len(at_hand) > len(records):
        notes.append(f"{len(at_hand) - len(records)} more runs are at hand; explore_sentences(limit=...) takes more.")
    one_of_each = {sentences.kind_of_text(record): record for record in records.values()}
    examples = {kind: _example(record.config) for kind, record in one_of_each.items()}

    def settle(chosen: dict[str, Any], _: Set[str]) -> dict[str, Any]:
        if chosen["run"] not in records:
            raise ConfigError(f"unknown run {chosen['run']!r}. Choose from {'; '.join(records)}.")
        if (chosen["first"], chosen["second"]) in examples.values():  # nobody's own text: follows the run's language
            first, second = examples[sentences.kind_of_text(records[chosen["run"]])]
            return {**chosen, "first": first, "second": second}
        return chosen

    def draw(first: str, second: str, run: str, stage: str) -> View:
        kind = sentences.kind_of_text(records[run])
        encoder = _encoder(records[run].folder)
        said = []
        for side, sentence in {"First": first, "Second": second}.items():
            reading = sentences.read_sentence(encoder, sentence)
            said += [f"{side} sentence: {line}" for line in reading.lines]
        rows = []
        for record in records.values():
            if sentences.kind_of_text(record) == kind:
                try:
                    value = sentences.pooled_cosine(_encoder(record.folder), first, second)
                    rows.append((_label(record), series_name(record.config), value))
                except FourierLabError as error:
                    said.append(str(error))
        figure = _draw(
            sentences.token_similarity(encoder, first, second, stage),
            sentences.contributions(encoder, first, second),
            dict(zip(("run", "series", "cosine"), map(list, zip(*rows, strict=True)), strict=True)),
            title=f"{_label(records[run])}: {stage}",
        )
        return View(figure, "\n".join(said + notes))

    def make_controls() -> dict[str, Any]:
        return {
            "first": entry("first", settings["first"]),
            "second": entry("second", settings["second"]),
            "run": choice("run", tuple(records), settings["run"]),
            "stage": choice("stage", sentences.STAGES, settings["stage"]),
        }

    run = next(iter(records))
    example = examples[sentences.kind_of_text(records[run])]
    settings = {
        "first": example[0] if first is None else first,
        "second": example[1] if second is None else second,
        "run": run,
        "stage": sentences.STAGES[-1],
    }
    return Explorer(draw, settings, make_controls, settle=settle)


@style()
def _draw(similarity: Columns, contributions: Columns, cosines: dict[str, list], title: str) -> Figure:
    tokens = max(similarity["row"].max() + 1, len(contributions["token"]))
    heights = (2.4 + 0.13 * min(tokens, 40), 0.7 + 0.2 * len(cosines["run"]))
    figure, ax = new_figure(height=sum(heights))
    ax.remove()
    parts: Any = figure.subfigures(2, 1, height_ratios=heights)  # margins of their own: run names are long
    upper, lower = parts
    left, right = upper.subplots(1, 2, width_ratios=(1.3, 1))
    plots.draw_token_similarity(similarity, ax=left)
    left.set_title(title)
    plots.draw_contributions(contributions, ax=right)
    plots.draw_pooled_cosines(cosines, ax=lower.subplots())
    return closed(figure)


def _label(record: RunRecord) -> str:
    config = record.config
    return f"{series_name(config)}, d = {config.d_model}, seed {config.seed}, {config.digest()}"


@functools.cache
def _example(config: RunConfig) -> tuple[str, str]:
    """Return two sentences in the language that a run reads."""
    if config.corpus != "toy":
        return _ENGLISH
    first, second, _ = toy_language(config.vocab_size).sts("test", 1)
    return first[0], second[0]


@functools.lru_cache(maxsize=12)
def _encoder(folder: Path) -> SentenceEncoder:
    return load_encoder(folder)
