"""The page itself: a tab for each explorer, built when it is first looked at, and the study's main figures."""

import base64
import html
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets

from .. import paths, widgets
from ..errors import FourierLabError, RecordError, records_left_out
from ..headless import gallery
from ..training.records import load_records

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tab:
    """One tab.

    Attributes:
        title: What the tab says.
        guide: What to do in it.
        build: Makes its content, a widget or an explorer.
    """

    title: str
    guide: str
    build: Callable[[], Any]


class Page:
    """Tabs that are built when first selected, the first one at once.

    Attributes:
        box: The widget to display.
    """

    def __init__(self, tabs: Sequence[Tab]) -> None:
        self._tabs = tabs
        self._places = [ipywidgets.VBox([_words(tab.guide), _words("Working ...")]) for tab in tabs]
        self.box = ipywidgets.Tab(children=self._places, titles=[tab.title for tab in tabs])
        self._built: set[int] = set()
        self.box.observe(lambda change: self.show(change["new"]), names="selected_index")
        self.box.selected_index = 0
        self.show(0)

    def show(self, number: int | None) -> None:
        """Build a tab unless it is there already; what fails says so in its place, and is tried again next time.

        Records that are left out of it are named above it.
        """
        if number is None or number in self._built:
            return
        tab, place, left_out = self._tabs[number], self._places[number], []
        try:
            with records_left_out() as left_out:
                built = tab.build()
            content = getattr(built, "box", built)  # of an explorer, all that it shows
            self._built.add(number)
        except FourierLabError as error:
            content = _alert(str(error))
        except Exception as error:  # a fault in one tab must not take the others along
            _log.exception("building the tab %r failed", tab.title)
            content = _alert(f"This tab failed with {type(error).__name__}: {error}")
        place.children = (place.children[0], *map(_alert, left_out), content)


def study_tabs() -> list[Tab]:
    """Return a tab for each explorer and one for the main figures."""
    return [
        Tab(
            "Basis",
            "Move the two ids apart: from which distance on do their features differ? Then change width and frequencies.",
            ipywidgets.HTML,  # the template of the page has it already, below the tabs
        ),
        Tab(
            "Release",
            "Slide the period up from 127: words stop sharing a row. Which words are told apart at last?",
            lambda: _of_site("release"),
        ),
        Tab(
            "Geometry",
            "Follow a word through the stages of a run. Are its neighbours the same with a table and without?",
            widgets.explore_geometry,
        ),
        Tab(
            "Sentences",
            "Type two sentences and press Enter. Which tokens make them alike, and do the runs agree?",
            widgets.explore_sentences,
        ),
        Tab(
            "Language",
            "Type a beginning. Slide the waves down: how few still choose the word that all of them choose?",
            widgets.explore_language,
        ),
        Tab(
            "Train",
            "Press start: both embeddings train before your eyes. Then choose semantic ids, start again: what turns over?",
            widgets.explore_live_training,
        ),
        Tab(
            "Results",
            "Every run on record. Click a point for its settings and for the command that repeats it.",
            widgets.explore_results,
        ),
        Tab(
            "Bake-off",
            "Every embedding without a table at one budget. Which match pairs as trained, and still order other sentences?",
            lambda: widgets.explore_results(x="matched of 128, snli/test", y="mean of test sets", family="bake_off"),
        ),
        Tab(
            "Curves",
            "Training curves of the runs on real text. Which embedding learns faster, and does it stay ahead?",
            lambda: widgets.explore_training(load_records(paths.RECORDS / "snli_mnli")),
        ),
        Tab("Figures", "The figures that the front page and the page of results refer to.", _figures),
    ]


def _of_site(name: str) -> ipywidgets.Widget:
    """Show an explorer of the site, which the server has under its name."""
    return ipywidgets.HTML(f"<iframe src='site/{name}' title='{name} explorer' onload='fit(this)'></iframe>")


def _figures() -> ipywidgets.Widget:
    pages = [paths.PROJECT / "README.md", paths.PROJECT / "results" / "README.md"]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages if page.is_file())
    pictures = gallery.main_pictures(gallery.read_pictures(), text)
    if not pictures:
        raise RecordError(
            f"no figure that {pages[0]} refers to is in {paths.FIGURES}. Run 'make figures' in a checkout of the "
            "source first."
        )
    return ipywidgets.HTML("".join(map(_figure, pictures)))


def _figure(picture: gallery.Picture) -> str:
    data = base64.b64encode(picture.png.read_bytes()).decode()
    return (
        f"<figure><img alt='{html.escape(picture.alt)}' src='data:image/png;base64,{data}'>"
        f"<figcaption><b>{html.escape(picture.title)}.</b> {html.escape(picture.alt)}</figcaption></figure>"
    )


def _words(text: str) -> ipywidgets.Widget:
    return ipywidgets.HTML(f"<p class='guide'>{html.escape(text)}</p>")


def _alert(text: str) -> ipywidgets.Widget:
    return ipywidgets.HTML(f"<div role='alert' class='alert'>{html.escape(text)}</div>")
