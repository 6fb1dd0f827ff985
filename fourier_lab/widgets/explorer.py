"""A picture with settings: drawn by a plain function, with controls where a front end is at hand, a figure elsewhere."""

import base64
import functools
import html
import io
import logging
import numbers
import os
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..errors import ConfigError, FourierLabError, brief
from ..plots.figure import style

_log = logging.getLogger(__name__)

_KINDS: dict[str, Any] = {
    "true or false": bool,
    "a whole number": numbers.Integral,
    "a number": numbers.Real,
    "text": str,
    "a list": (tuple, list),
}
CHEAP_SECONDS = 0.05  # what redraws faster than this may follow a slider while it is dragged


@dataclass(frozen=True)
class View:
    """What drawing some settings gives.

    Attributes:
        figure: The picture.
        text: Sentences and numbers below it, plain text; a line break starts a new line.
        controls: Traits of controls that had to follow, by setting, such as ``{"token_id": {"max": 499}}``.
        pick: Returns the settings that a click chooses, given its place in pixels of the figure from the lower left
            corner; none where there is nothing to choose.
    """

    figure: Figure
    text: str = ""
    controls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    pick: Callable[[float, float], Mapping[str, Any]] = lambda x, y: {}


class Scene(Protocol):
    """A picture that lives in the browser, in place of one that is drawn anew for all settings."""

    box: Any  # the widget that shows it

    def show(self, settings: Mapping[str, Any]) -> None:
        """Follow the settings."""


class Explorer:
    """A picture with settings, and controls for them where a front end is at hand.

    Sliders follow the mouse while the picture takes less than 50 ms, and wait for its release otherwise.

    Args:
        draw: Returns a new figure, or a :class:`View`, for the settings, given by name.
        settings: The first settings.
        make_controls: Returns one ipywidgets control per setting, by name.
        actions: What buttons do, by their label; the picture is drawn again afterwards.
        settle: Given all settings and the names of those just changed (none at first), returns the settings to draw,
            such as an id moved into a smaller vocabulary. Controls follow.
        make_scene: Returns what is shown in place of the picture where there are controls.

    Attributes:
        settings: The settings of the present picture.
        controls: The controls by setting; empty where there are none.
        figure: The present picture.
        text: The sentences below it.
        message: What went wrong with the last change, as a sentence; empty if nothing did.
        box: The widget that shows all of it, to be placed in a page; None where there are no controls.
        scene: What is shown in place of the picture; None if that is the picture.

    Raises:
        FourierLabError: If the first settings cannot be drawn.
    """

    def __init__(
        self,
        draw: Callable[..., Figure | View],
        settings: Mapping[str, Any],
        make_controls: Callable[[], dict[str, Any]],
        actions: Mapping[str, Callable[[], Any]] | None = None,
        settle: Callable[[dict[str, Any], Set[str]], Mapping[str, Any]] | None = None,
        make_scene: Callable[[], Scene] | None = None,
    ) -> None:
        self._draw, self._actions, self._settle = draw, dict(actions or {}), settle
        self._settings = dict(settings)
        self._following = False  # true while code moves the controls, which must not answer
        self.controls: dict[str, Any] = {}
        self.buttons: dict[str, Any] = {}
        self.message = self.notice = ""
        self.box: Any = None
        self.scene: Any = None
        first = self._prepare({})  # before there are controls, which would name a bad setting in their own words
        if os.environ.get("FOURIER_LAB_HEADLESS") != "1":
            self._settings = first[0]
            self._build(make_controls, make_scene)
        self._show(*first, {})

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings of the present picture; changing this dictionary changes nothing."""
        return dict(self._settings)

    @property
    def value(self) -> dict[str, Any]:
        """Return :attr:`settings`, under the name that controls have for it."""
        return self.settings

    def set(self, **settings: Any) -> Figure:
        """Change settings, draw again and return the figure; on an error the previous picture and settings stay.

        Raises:
            ConfigError: If a setting does not exist or breaks its rule.
        """
        if unknown := sorted(settings.keys() - self._settings.keys()):
            raise ConfigError(f"unknown setting {', '.join(unknown)}. Choose from {', '.join(self._settings)}.")
        for name, value in settings.items():
            kind, found = _kind(self._settings[name]), _kind(value)
            if kind and found != kind and (kind, found) != ("a number", "a whole number"):
                raise ConfigError(f"{name} must be {kind}, such as {self._settings[name]!r}, got {brief(value)}.")
        return self._show(*self._prepare(settings), settings)

    def _prepare(self, settings: Mapping[str, Any]) -> tuple[dict[str, Any], View, float]:
        """Return all settings after a change, their picture, and when the work began; nothing has changed yet."""
        start = time.perf_counter()
        chosen = self._settings | dict(settings)
        if self._settle is not None:
            chosen = dict(self._settle(chosen, settings.keys()))
        drawn = self._draw(**chosen)
        return chosen, drawn if isinstance(drawn, View) else View(drawn), start

    def _show(self, chosen: dict[str, Any], view: View, start: float, changed: Mapping[str, Any]) -> Figure:
        png = _png(view.figure) if self.controls and self.scene is None else b""  # rendering may fail as well
        before, self._settings = self._settings, chosen
        try:
            self._follow(view.controls)
        except Exception as error:  # of traitlets, in the words of a programmer
            self._settings = before
            self._follow({})
            raise ConfigError(
                f"a control cannot show {brief(changed)}: {error}. Choose from what it offers."
            ) from error
        self.figure, self.text, self.message, self._pick = view.figure, view.text, "", view.pick
        if self.controls:
            if self.scene is None:
                self._image.value = png
            else:
                self.scene.show(chosen)
            self._show_words()
            self._pace(changed or self.controls, time.perf_counter() - start)
        return self.figure

    def press(self, label: str) -> None:
        """Do what the button of this label does, then draw again.

        Raises:
            ConfigError: If there is no such button.
        """
        if label not in self._actions:
            raise ConfigError(f"unknown button {label!r}. Choose from {', '.join(self._actions) or 'none'}.")
        self._actions[label]()
        self.set()

    def on_change(self, name: str, change: Mapping[str, Any]) -> None:
        """Answer a control: draw with its new value, and show what goes wrong above the picture, which then stays."""
        if self._following:
            return
        if change["new"] != self._settings[name]:
            self._answer(functools.partial(self.set, **{name: change["new"]}), f"{name} = {change['new']!r}")
        elif self.message:  # a refused value was taken back
            self.message = ""
            self._show_words()

    def on_click(self, event: Mapping[str, Any]) -> None:
        """Answer a click into the picture: change what its place stands for."""
        width, height = self.figure.bbox.size
        x, y = event["relativeX"] / event["boundingRectWidth"], event["relativeY"] / event["boundingRectHeight"]
        if chosen := self._pick(x * width, (1 - y) * height):
            self._answer(functools.partial(self.set, **chosen), f"a click on {chosen}")

    def show_error(self, error: Exception) -> None:
        """Show an error above the picture, which stays, until the next change succeeds."""
        known = isinstance(error, FourierLabError)
        self.message = str(error) if known else f"{type(error).__name__}: {error}"
        self._show_words()

    def _answer(self, work: Callable[[], Any], what: str) -> None:
        if self.controls:
            self._message.value = "Working ..."  # seen if it takes long; the new words or the error replace it
        self._attempt(work, what)

    def _attempt(self, work: Callable[[], Any], what: str) -> None:
        """Do something that nobody may be there to catch errors of: they are shown and logged."""
        try:
            work()
        except FourierLabError as error:  # an input outside its rule: its sentence is all there is to say
            self.show_error(error)
            _log.info("%s: %s", what, error)  # a warning would be printed once more below the cell
        except Exception as error:  # a fault of the program: shown as well, and raised for whoever looks for it
            self.show_error(error)
            _log.exception("%s failed", what)
            raise

    def _build(self, make_controls: Callable[[], dict[str, Any]], make_scene: Callable[[], Scene] | None) -> None:
        try:
            import ipyevents
            import ipywidgets

            self.scene = make_scene and make_scene()
        except ImportError as error:
            package = {"jscatter": "jupyter-scatter"}.get(error.name or "", error.name)
            self.notice = (
                f"This picture has no controls, because {package} is not installed. Install it with 'pip install "
                f"{package}' and start the kernel again, or change settings by explorer.set(...)."
            )
            return
        self.controls = make_controls()
        self.buttons = {label: ipywidgets.Button(description=label) for label in self._actions}
        self._image = ipywidgets.Image(format="png", layout={"max_width": "100%", "object_fit": "contain"})
        if self.scene is None:
            self._clicks = ipyevents.Event(source=self._image, watched_events=["click"])
            self._clicks.on_dom_event(self.on_click)
        self._words, self._message = ipywidgets.HTML(), ipywidgets.HTML()
        inputs = ipywidgets.Box([*self.controls.values(), *self.buttons.values()], layout={"flex_flow": "row wrap"})
        # The message stands above the picture: below it, a reader who typed something wrong would not see it.
        picture = self._image if self.scene is None else self.scene.box
        self.box = ipywidgets.VBox([inputs, self._message, picture, self._words])
        for name, control in self.controls.items():
            control.observe(functools.partial(self.on_change, name), names="value")
        for label, button in self.buttons.items():
            button.on_click(lambda _, label=label: self._answer(functools.partial(self.press, label), label))

    def _show_words(self) -> None:
        if not self.controls:
            return
        self._words.value = _paragraphs(self.text)
        self._message.value = self.message and f"<div role='alert' style='color:#a00'>{html.escape(self.message)}</div>"

    def _follow(self, traits: Mapping[str, Mapping[str, Any]]) -> None:
        """Move the controls to the settings, after giving them the ranges and options that the settings need."""
        self._following = True
        try:
            for name, control in self.controls.items():
                for trait, value in traits.get(name, {}).items():
                    setattr(control, trait, value)
                if control.value != self._settings[name]:
                    control.value = self._settings[name]
        finally:
            self._following = False

    def _pace(self, names: Mapping[str, Any], seconds: float) -> None:
        import ipywidgets

        sliders = (ipywidgets.IntSlider, ipywidgets.FloatSlider, ipywidgets.SelectionSlider)
        for name in names:
            if isinstance(self.controls[name], sliders):
                self.controls[name].continuous_update = seconds < CHEAP_SECONDS

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the controls and the picture, or the picture alone where there are none."""
        if self.controls:
            return self.box._repr_mimebundle_(**options)
        png = base64.b64encode(_png(self.figure)).decode()
        lines = [line for line in (self.notice, f"settings: {self._settings}", self.text) if line]
        bundle = {"image/png": png, "text/plain": "\n".join(lines)}
        if self.notice:  # a front end shows the richest form alone, which then has to hold the sentence
            picture = f"<img alt='{html.escape(self.text, quote=True)}' src='data:image/png;base64,{png}'>"
            bundle["text/html"] = _paragraphs(self.notice) + picture + _paragraphs(self.text)
        return bundle


def closed(figure: Figure) -> Figure:
    """Take the figure out of pyplot's list, so that a notebook shows it once; it can still be saved."""
    import matplotlib.pyplot as plt

    plt.close(figure)
    return figure


def _kind(value: Any) -> str:
    """Return in words what a setting is; no words for what may become anything."""
    return next((words for words, kind in _KINDS.items() if isinstance(value, kind)), "")


def _paragraphs(text: str) -> str:
    return "".join(f"<p style='margin:0.3em 0'>{html.escape(line)}</p>" for line in text.splitlines())


def _png(figure: Figure) -> bytes:
    """Return what ``figure.savefig(dpi=100)`` writes, without drawing all of it a first time that nobody sees."""
    buffer, canvas, dpi = io.BytesIO(), FigureCanvasAgg(figure), figure.dpi
    figure.dpi = 100
    try:
        with style():
            canvas.print_png(buffer, metadata={"Software": None})
    finally:
        figure.dpi = dpi
    return buffer.getvalue()
