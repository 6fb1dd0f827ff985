"""The whole vocabulary as two clouds of points, linked by the word: one table or stage beside another."""

import functools
import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import plots
from ..columns import Columns
from ..errors import ConfigError
from ..geometry import token_table
from ..geometry.projections import project
from ..plots.figure import new_figure, style
from .at_hand import left_out, runs_at_hand
from .controls import choice, entry
from .explorer import Explorer, View, closed
from .geometry import one_of
from .tokens import given_tokens, run_tokens

_NEAR = 8  # nearest tokens that are named
_LISTED = 200  # words of a selection that are written out
_HEIGHT = 420  # pixels of a cloud
_GLIDE_MS = 900
_WHOLE = (-1.3, 1.3)  # of places from -1 to 1: a picture that is narrower than high shows less of x than of y
_SELECTED = "#D55E00"


def explore_clouds(
    tables: Mapping[str, ArrayLike] | None = None,
    words: Sequence[str] | None = None,
    *,
    runs: Sequence[Path | str] | None = None,
    left: str | None = None,
    right: str | None = None,
    word: str | None = None,
) -> Explorer:
    """Explore every token of a vocabulary in two tables side by side, each by its two principal components.

    Drag to pan, turn the wheel to zoom, point at a dot for its word. The lasso, a button beside the picture,
    selects tokens in both clouds and lists their words; a word that is typed is selected with its nearest tokens of the left
    table. Headless, the two clouds are a plain picture.

    Args:
        tables: Tables ``(V, d)`` by series name, shown in place of runs; all use one vocabulary.
        words: The word of each id of the tables.
        runs: Run folders, or folders that hold them; the shipped runs and those of the project if None. Shown are the
            stages of the first, and of all others with its vocabulary.
        left: The table shown first, or ``series: stage`` of a run; the first by default. Points glide to the places of the
            next one that is chosen, so that stages one after the other are an animation.
        right: The same of the right side; the last by default.
        word: The first word looked up; the one in the middle of the ids by default.

    Returns:
        Explorer: Its settings are ``left``, ``right`` and ``word``; where there are controls, ``explorer.scene.selected``
        are the ids selected last.

    Raises:
        ConfigError: If there is nothing to show, or a name or the word is unknown.
    """
    problems: list[str] = []
    if tables is None:
        rows, known, problems = _of_runs(runs)
    elif tables:
        # Given tables have one stage.
        made = {name: given_tokens(name, table, words or [], {}) for name, table in tables.items()}
        rows = {name: functools.partial(tokens.table, "table") for name, tokens in made.items()}
        known = list(words or [])
    else:
        raise ConfigError("tables is empty. Pass at least one table of embeddings by name, or leave it out.")
    names = list(rows)
    table = functools.lru_cache(8)(lambda name: np.asarray(rows[one_of(names, name, "table")]()))
    places = functools.cache(lambda name: project(table(name)))
    near = functools.lru_cache(64)(lambda name, word: _nearest(table(name), known, word))

    def draw(left: str, right: str, word: str) -> View:
        shown = list(dict.fromkeys((left, right)))
        said = [
            f"Nearest to {word!r} in {name}: {', '.join(known[i] for i in near(name, word)[1:])}." for name in shown
        ]
        marked = np.where(np.arange(len(known)) == near(left, word)[0], word, "")
        figure = _draw_clouds({name: places(name) for name in shown}, marked)
        return View(figure, "\n".join([*said, *left_out(problems)]))

    first = {
        "left": names[0] if left is None else left,
        "right": names[-1] if right is None else right,
        "word": known[len(known) // 2] if word is None else word,
    }

    def make_controls() -> dict[str, Any]:
        menus = {side: choice(side, names, first[side]) for side in ("left", "right")}
        return menus | {"word": entry("word", first["word"])}

    return Explorer(draw, first, make_controls, make_scene=lambda: LinkedClouds(known, places, near))


class LinkedClouds:
    """Two clouds in a browser, drawn by jupyter-scatter; what is selected or pointed at in one is so in the other.

    Args:
        words: The word of each id.
        places: Returns the places ``(V, 2)`` of a table, by its name.
        near: Returns a word's id and its nearest ids in a table, by the names of both.

    Attributes:
        box: The widget to display.
    """

    def __init__(
        self,
        words: Sequence[str],
        places: Callable[[str], NDArray[np.float64]],
        near: Callable[[str, str], Sequence[int]],
    ) -> None:
        import ipywidgets
        import jscatter
        import pandas as pd

        self._words, self._places, self._near = words, places, near
        ids = np.arange(len(words))
        tokens = pd.DataFrame({"id": ids, "word": list(words), "rank": np.log1p(ids), "x": 0.0, "y": 0.0})
        self._clouds = [
            jscatter.Scatter(
                data=tokens.copy(), x="x", y="y", x_scale=_WHOLE, y_scale=_WHOLE, height=_HEIGHT, axes=False,
                size=3, opacity_unselected=0.4, color_by="rank", color_map="viridis", color_selected=_SELECTED,
                tooltip=True, tooltip_properties=["id", "word"], tooltip_histograms=False,
                transition_points=True, transition_points_duration=_GLIDE_MS,
            )
            for _ in range(2)
        ]  # fmt: skip
        self._titles = [ipywidgets.HTML() for _ in self._clouds]
        self._list = ipywidgets.HTML()
        pair = jscatter.compose(self._clouds, sync_selection=True, sync_hover=True, row_height=_HEIGHT)
        # Of two, for what is selected on the right is selected on the left as well.
        self._clouds[0].widget.observe(lambda change: self._tell(), names="selection")
        half = {"width": "50%"}
        for title in self._titles:
            title.layout = half
        self.box = ipywidgets.VBox([ipywidgets.HBox(self._titles), pair, self._list])
        self._shown: dict[str, str] = {}

    @property
    def selected(self) -> NDArray[np.int64]:
        """Return the ids selected last, by a lasso or by a word."""
        return np.asarray(self._clouds[0].selection(), dtype=np.int64)

    def show(self, settings: Mapping[str, str]) -> None:
        """Move the points to the places of the chosen tables, and select the chosen word with its nearest on the left."""
        before, self._shown = self._shown, dict(settings)
        for cloud, title, side in zip(self._clouds, self._titles, ("left", "right"), strict=True):
            if before.get(side) != (name := settings[side]):
                x, y = (self._places(name) / np.abs(self._places(name)).max()).T
                cloud.xy(x, y, _WHOLE, _WHOLE, animate=bool(before))  # or each axis would be stretched to fill it
                title.value = f"<b>{html.escape(name)}</b>, {len(self._words):,} tokens"
        if before.get("word") != settings["word"] or before.get("left") != settings["left"]:
            self._clouds[0].selection(self._near(settings["left"], settings["word"]))

    def _tell(self) -> None:
        chosen = self.selected.tolist()
        more = f" and {len(chosen) - _LISTED:,} more" if len(chosen) > _LISTED else ""
        words = html.escape(", ".join(self._words[i] for i in chosen[:_LISTED]))
        self._list.value = f"<div role='status'>{len(chosen):,} selected: {words}{more}.</div>" if chosen else ""


def _of_runs(
    folders: Sequence[Path | str] | None,
) -> tuple[dict[str, Callable[[], NDArray[Any]]], list[str], list[str]]:
    """Return what computes each stage of runs of one vocabulary by ``series: stage``, its words, and what was left out."""
    records, problems = runs_at_hand(folders)
    (first, *_) = records.values()
    rows: dict[str, Callable[[], NDArray[Any]]] = {}
    words: list[str] = []
    for record in records.values():
        if record.metrics["data"].get("vocabulary") != first.metrics["data"].get("vocabulary"):
            continue
        tokens = run_tokens(record)
        words = words or list(tokens.words)
        for stage in tokens.stages:
            name = f"{tokens.series}: {stage}"
            rows[name if name not in rows else f"{name}, {record.config.digest()}"] = functools.partial(
                tokens.table, stage
            )
    return rows, words, problems


def _nearest(table: NDArray[Any], words: Sequence[str], word: str) -> list[int]:
    asked = token_table.find_word(words, word)
    ids, _ = token_table.nearest_neighbours(table, [asked], k=min(_NEAR, len(words) - 1))
    return [asked, *ids[0].tolist()]


@style()
def _draw_clouds(places: Mapping[str, NDArray[np.float64]], marked: NDArray[Any]) -> Any:
    figure, axes = new_figure(1, len(places), height=3.6, titles=list(places))
    for ax, spots in zip(np.atleast_1d(axes), places.values(), strict=True):
        dots: Columns = {"x": spots[:, 0], "y": spots[:, 1], "colour": np.log1p(np.arange(len(spots))), "word": marked}
        plots.draw_projection(dots, method="pca", ax=ax, legend=False)
    return closed(figure)
