"""Shape of trained tokens, stage by stage: a projection, and the neighbours of a word in both arms."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import plots
from ..columns import Columns
from ..errors import ConfigError
from ..geometry import stages, token_table
from ..geometry.projections import PROJECTIONS, available_projections, project
from ..plots.figure import new_figure, style
from .at_hand import left_out, runs_at_hand
from .controls import choice, entry
from .explorer import Explorer, View, closed
from .tokens import TrainedTokens, compared_with, given_tokens, run_tokens

_KEPT_MODELS, _KEPT_TABLES = 4, 8  # 30 MB each for the largest vocabulary


def explore_geometry(
    tables: Mapping[str, ArrayLike] | None = None,
    words: Sequence[str] | None = None,
    classes: Mapping[str, ArrayLike] | None = None,
    *,
    runs: Sequence[Path | str] | None = None,
    counts: ArrayLike | None = None,
    word: str | None = None,
    n_ids: int = 500,
    seed: int = 0,
) -> Explorer:
    """Explore trained tokens: a projection of one run at one stage, and a word's nearest neighbours in both arms.

    Without tables it shows the runs at hand, from the basis to the state after each layer. What a run and a stage give
    is computed once: t-SNE, and the layers of a large vocabulary, take seconds the first time.

    Args:
        tables: Tables ``(V, d)`` by series name, shown in place of runs; all use one vocabulary.
        words: The word of each id of the tables.
        classes: What dots of the tables may be coloured by besides the token id: labels ``(V,)`` by name.
        runs: Run folders, or folders that hold them; the shipped runs and those of the project if None.
        counts: How often each id occurs in a text ``(V,)``, for runs whose vocabulary has this size; a file
            ``token_counts.npy`` in a run's folder serves as well.
        word: The first word looked up; the one in the middle of the ids by default.
        n_ids: Ids projected, 5 to 1000, drawn once; t-SNE needs seconds per thousand.
        seed: Seed of that draw and of the projections.

    Returns:
        Explorer: Its settings are ``run``, ``stage``, ``projection``, ``colour`` and ``word``.

    Raises:
        ConfigError: If there is no run, the word is unknown, or ``n_ids`` out of range.
    """
    if not 5 <= n_ids <= 1000:
        raise ConfigError(f"n_ids ({n_ids}) must lie in 5..1000, as a projection of more takes too long. Try 500.")
    problems: list[str] = []
    makers: dict[str, Callable[[], TrainedTokens]]
    compared: Callable[[str], list[str]]
    if tables is not None:
        if not tables:
            raise ConfigError("tables is empty. Pass at least one table of embeddings by name, or leave it out.")
        makers = {
            name: functools.partial(given_tokens, name, table, words or [], classes or {})
            for name, table in tables.items()
        }
        compared = functools.partial(_all, list(makers))
    else:
        records, problems = runs_at_hand(runs)
        makers = {name: functools.partial(run_tokens, record, counts) for name, record in records.items()}
        compared = functools.partial(compared_with, records)
    source = _Source(makers, n_ids, seed)

    def settle(settings: dict[str, Any], changed: Set[str]) -> dict[str, Any]:
        if "run" in changed:
            model = source.model(settings["run"])
            if "stage" not in changed:
                settings["stage"] = model.counterpart(settings["stage"])
            if "colour" not in changed and settings["colour"] not in model.colours:
                settings["colour"] = next(iter(model.colours))
            if "word" not in changed and settings["word"] not in model.words:
                settings["word"] = model.example
        return settings

    def draw(run: str, **settings: str) -> View:
        view = _draw_geometry(source, compared(one_of(makers, run, "run")), **settings)
        return View(view.figure, "\n".join([view.text, *left_out(problems)]), view.controls)

    run = next(iter(makers))
    start = source.model(run)
    first = {
        "run": run,
        "stage": start.counterpart(stages.LEARNED),
        "projection": PROJECTIONS[0],
        "colour": next(iter(start.colours)),
        "word": start.example if word is None else word,
    }

    def make_controls() -> dict[str, Any]:
        options: dict[str, Iterable[str]] = {
            "run": makers,
            "stage": start.stages,
            "projection": available_projections(),
            "colour": start.colours,
        }
        menus = {name: choice(name, list(values), first[name]) for name, values in options.items()}
        return menus | {"word": entry("word", first["word"])}

    return Explorer(draw, first, make_controls, settle=settle)


class _Source:
    """Models, their rows and projections, each computed when first asked for and kept while it is likely needed again."""

    def __init__(self, makers: Mapping[str, Callable[[], TrainedTokens]], n_ids: int, seed: int) -> None:
        self._makers, self._n_ids, self._seed = makers, n_ids, seed
        self._model = functools.lru_cache(_KEPT_MODELS)(lambda run: makers[run]())
        self.rows = functools.lru_cache(_KEPT_TABLES)(lambda run, stage: self.model(run).table(stage))
        self.places = functools.cache(self._places)

    def model(self, run: str) -> TrainedTokens:
        return self._model(one_of(self._makers, run, "run"))

    def sample(self, run: str) -> NDArray[np.int64]:
        """Return the ids projected, the same at every stage."""
        size = len(self.model(run).words)
        random = np.random.default_rng(self._seed)
        return np.sort(random.choice(size, size=min(self._n_ids, size), replace=False))

    def _places(self, run: str, stage: str, projection: str) -> NDArray[np.float64]:
        return project(self.rows(run, stage)[self.sample(run)], projection, self._seed)


def _all(names: list[str], first: str) -> list[str]:
    return [first, *(name for name in names if name != first)]


def one_of(known: Iterable[str], name: str, what: str) -> str:
    """Return ``name`` if it is known, or raise :class:`ConfigError` with what there is."""
    if name not in (names := list(known)):
        raise ConfigError(f"unknown {what} {name!r}. Choose one of {'; '.join(names[:8])}.")
    return name


@style()
def _draw_geometry(
    source: _Source, compared: Sequence[str], stage: str, projection: str, colour: str, word: str
) -> View:
    """Draw the first of the compared models, and the neighbours of the word in all of them."""
    run, model = compared[0], source.model(compared[0])
    one_of(model.stages, stage, "stage")
    colours = model.colours[one_of(model.colours, colour, "colour")]
    asked, ids = token_table.find_word(model.words, word), source.sample(run)
    shown, note = _place_of(asked, ids, source.rows(run, stage), model.words)
    near, missing = _neighbours(source, compared, stage, word)
    names = list(dict.fromkeys(near["series"].tolist()))

    x, y = source.places(run, stage, projection).T
    dots = {"x": x, "y": y, "colour": colours[ids], "word": np.where(np.arange(len(ids)) == shown, word, "")}
    figure, (top, bottom) = new_figure(2, 1, height=6.4, height_ratios=(3, 1 + 0.3 * len(names)))
    plots.draw_projection(dots, method=projection, ax=top, colour_label=colour)
    top.set_title(f"{len(ids)} ids: {model.series}, {stage}")
    plots.draw_neighbours(near, ax=bottom)
    said = [
        f"Nearest to {word!r} in {name}: ".replace("\n", ", ")
        + ", ".join(f"{n} ({c:.2f})" for n, c in zip(near["neighbour"][own], near["cosine"][own], strict=True))
        + "."
        for name in names
        for own in (near["series"] == name,)
    ]
    if len(compared) == 1:
        missing = ["There is no run of the other arm on this corpus to compare with. Train one with the same settings."]
    follow = {"stage": {"options": list(model.stages)}, "colour": {"options": list(model.colours)}}
    return View(closed(figure), "\n".join([*said, *note, *missing]), follow)


def _place_of(asked: int, ids: NDArray[np.int64], rows: NDArray[Any], words: Sequence[str]) -> tuple[int, list[str]]:
    """Return which of the projected ids stands for the one asked for: itself, or the nearest of them with a note."""
    found = np.flatnonzero(ids == asked)
    if found.size:
        return int(found[0]), []
    neighbour = int(token_table.nearest_neighbours(rows, [asked], k=1, among=ids)[0][0, 0])
    note = (
        f"{words[asked]!r} is not among the {len(ids)} ids drawn; its mark is at the nearest one, {words[neighbour]!r}."
    )
    return int(np.flatnonzero(ids == neighbour)[0]), [note]


def _neighbours(source: _Source, compared: Sequence[str], stage: str, word: str) -> tuple[Columns, list[str]]:
    """Return the neighbours of a word in each model at the stage that compares, and a note where it has no such word."""
    parts, notes = [], []
    for name in compared:
        model = source.model(name)
        own = model.counterpart(stage)
        if word not in model.words:
            notes.append(f"{word!r} is not in the vocabulary of {name}.")
            continue
        label = model.series if len(model.stages) == 1 else f"{model.series}\n{own}"  # two lines beside the table
        parts.append(token_table.neighbour_table({label: source.rows(name, own)}, model.words, [word]))
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}, notes
