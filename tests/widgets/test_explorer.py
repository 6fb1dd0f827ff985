"""The base of all explorers and the training curves, without a browser: no error is swallowed, controls follow."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from fourier_lab import RunConfig, RunRecord, widgets
from fourier_lab.errors import ConfigError
from fourier_lab.plots.figure import new_figure
from fourier_lab.widgets import explorer as base
from fourier_lab.widgets.controls import choice, entry, slider, steps
from fourier_lab.widgets.explorer import Explorer, View, closed

RECORDS = [
    RunRecord(
        Path("runs/x"),
        RunConfig(arm=arm, id_order=order),
        {},
        [{"step": step, **dict.fromkeys(("loss", "validation_loss", "scale", "learning_rate", "seconds"), 1.0 / step)}
         for step in (1, 2)],
    )
    for arm, order in (("fourier", "frequency"), ("learned", "frequency"), ("fourier", "semantic"))
]  # fmt: skip


@pytest.fixture(autouse=True)
def _interactive(monkeypatch):
    monkeypatch.delenv("FOURIER_LAB_HEADLESS", raising=False)
    yield
    assert plt.get_fignums() == []  # a figure left with pyplot would be shown twice
    plt.close("all")


class Toy:
    """An explorer of a dot at (x, y): y must not exceed ``top``, which pushes it down."""

    def __init__(self):
        self.drawn, self.pressed = [], []

    def draw(self, top, y, name, kind):
        self.drawn.append((top, y, name, kind))
        if not 0 <= y <= top:
            raise ConfigError(f"y ({y}) must lie in 0..{top}. Lower it.")
        if name == "broken":
            raise RuntimeError("a fault of <the> program")
        figure, ax = new_figure(height=1)
        ax.plot(0, y, "o")
        return View(
            closed(figure), f"y is {y}\n<b>{name}</b>", {"y": {"max": top}, "kind": {"options": ["a", "b", name]}}
        )

    def settle(self, settings, changed):
        return settings if "y" in changed else {**settings, "y": min(settings["y"], settings["top"])}

    def press(self):
        self.pressed.append(True)
        if len(self.pressed) > 1:
            raise ConfigError("it can be pressed once. Stop.")

    def controls(self):
        return {
            "top": steps("top", [2, 5, 10], 10),
            "y": slider("y", 7, 0, 10),
            "name": entry("name", "n"),
            "kind": choice("kind", ["a", "b", "n"], "a"),
        }

    def make(self):
        first = {"top": 10, "y": 7, "name": "n", "kind": "a"}
        return Explorer(self.draw, first, self.controls, {"press": self.press}, self.settle)


def values(explorer):
    return {name: control.value for name, control in explorer.controls.items()}


def test_a_control_draws_a_new_picture_with_its_text():
    explorer = Toy().make()
    before, picture = explorer.figure, bytes(explorer._image.value)
    explorer.controls["y"].value = 3
    assert explorer.settings == {"top": 10, "y": 3, "name": "n", "kind": "a"} == explorer.value
    assert explorer.figure is not before and bytes(explorer._image.value) != picture
    assert bytes(explorer._image.value).startswith(b"\x89PNG") and not explorer.message
    assert explorer.text == "y is 3\n<b>n</b>" and "&lt;b&gt;n" in explorer._words.value


def test_settings_are_a_copy():
    explorer = Toy().make()
    explorer.settings["y"] = 1
    assert explorer.settings["y"] == 7


def test_code_moves_controls_their_ranges_and_options_and_draws_once():
    toy = Toy()
    explorer = toy.make()
    explorer.set(top=5, name="m", kind="m")
    assert explorer.settings == {"top": 5, "y": 5, "name": "m", "kind": "m"} == values(explorer)
    assert explorer.controls["y"].max == 5 and list(explorer.controls["kind"].options) == ["a", "b", "m"]
    assert len(toy.drawn) == 2


def test_what_a_control_cannot_hold_changes_nothing():
    explorer = Toy().make()
    before = values(explorer), explorer.settings, explorer.figure, bytes(explorer._image.value)
    with pytest.raises(ConfigError, match="a control cannot show .*'top': 3"):
        explorer.set(top=3)
    assert before == (values(explorer), explorer.settings, explorer.figure, bytes(explorer._image.value))
    explorer.set(y=1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: widgets.explore_basis(frequencies="x"),
        lambda: widgets.explore_basis(vocab_size=0),
        lambda: widgets.explore_live_training(arms="nobody"),
        lambda: widgets.explore_sentences(limit=0),
    ],
)
def test_bad_first_settings_are_named_by_their_rule(make):
    with pytest.raises(ConfigError):
        make()


def test_a_control_pushes_another_one():
    explorer = Toy().make()
    explorer.controls["top"].value = 2
    assert explorer.settings["y"] == explorer.controls["y"].value == explorer.controls["y"].max == 2


def test_a_broken_rule_is_shown_logged_and_the_picture_stays(caplog):
    explorer = Toy().make()
    figure, settings = explorer.figure, explorer.settings
    with caplog.at_level(logging.INFO):
        explorer.on_change("y", {"new": 12})
    assert explorer.message == "y (12) must lie in 0..10. Lower it." and "must lie in" in caplog.text
    assert explorer.message in explorer._message.value and "alert" in explorer._message.value
    assert explorer.figure is figure and explorer.settings == settings
    explorer.controls["y"].value = 4
    assert not explorer.message and not explorer._message.value and explorer.settings["y"] == 4


def test_taking_a_refused_value_back_takes_its_message_back():
    explorer = Toy().make()
    explorer.on_change("y", {"new": 12})
    assert explorer._message.value
    explorer.on_change("y", {"new": 7})
    assert not explorer.message and not explorer._message.value


def test_a_fault_of_the_program_is_shown_and_raised(caplog):
    explorer = Toy().make()
    with pytest.raises(RuntimeError, match="a fault"):
        explorer.controls["name"].value = "broken"
    assert explorer.message == "RuntimeError: a fault of <the> program"
    assert "&lt;the&gt;" in explorer._message.value and "Traceback" in caplog.text
    assert explorer.settings["name"] == "n"


def test_a_picture_that_cannot_be_rendered_leaves_the_previous_one(monkeypatch):
    explorer = Toy().make()
    figure, text, picture = explorer.figure, explorer.text, bytes(explorer._image.value)

    def fail(figure):
        raise ValueError("no glyph")

    monkeypatch.setattr(base, "_png", fail)
    with pytest.raises(ValueError, match="no glyph"):
        explorer.controls["y"].value = 3
    assert "no glyph" in explorer._message.value and explorer.settings["y"] == 7
    assert (explorer.figure, explorer.text, bytes(explorer._image.value)) == (figure, text, picture)


def test_a_click_chooses_what_its_place_stands_for():
    toy = Toy()
    explorer = toy.make()
    box = {"boundingRectWidth": 200, "boundingRectHeight": 100}
    drawn = explorer.figure
    explorer.on_click({**box, "relativeX": 10, "relativeY": 10})
    assert explorer.figure is drawn  # there is nothing to choose
    width, height = drawn.bbox.size
    asked = []

    def pick(x, y):
        asked.append((x / width, y / height))
        return {"y": 7} if x < width / 2 else {"y": -1}

    explorer._pick = pick
    explorer.on_click({**box, "relativeX": 50, "relativeY": 10})
    assert asked == [(0.25, pytest.approx(0.9))] and explorer.settings["y"] == explorer.controls["y"].value == 7
    explorer._pick = pick
    explorer.on_click({**box, "relativeX": 150, "relativeY": 10})
    assert "must lie in" in explorer.message and explorer.settings["y"] == 7


def test_code_gets_the_error_itself():
    explorer = Toy().make()
    with pytest.raises(ConfigError, match="must lie in"):
        explorer.set(y=-1)
    for wrong in (None, "3", 2.0, True):
        with pytest.raises(ConfigError, match=rf"y must be a whole number, such as \d+, got {wrong!r}\."):
            explorer.set(y=wrong)
    with pytest.raises(ConfigError, match="unknown setting width. Choose from top, y, name, kind"):
        explorer.set(width=3)


def test_buttons_act_draw_again_and_show_errors():
    toy = Toy()
    explorer = toy.make()
    explorer.buttons["press"].click()
    assert toy.pressed == [True] and len(toy.drawn) == 2
    explorer.buttons["press"].click()
    assert explorer.message == "it can be pressed once. Stop." and len(toy.drawn) == 2
    with pytest.raises(ConfigError, match="pressed once"):
        explorer.press("press")
    with pytest.raises(ConfigError, match="unknown button 'pull'. Choose from press"):
        explorer.press("pull")


@pytest.mark.parametrize(("seconds", "follows"), [(0.01, True), (0.2, False)])
def test_only_cheap_pictures_follow_a_slider_while_it_moves(monkeypatch, seconds, follows):
    ticks = iter(range(1000))
    monkeypatch.setattr(base.time, "perf_counter", lambda: seconds * next(ticks))
    explorer = Toy().make()
    pace = {name: control.continuous_update for name, control in explorer.controls.items() if name != "kind"}
    assert pace == {"top": follows, "y": follows, "name": False}  # half a word is no word


def test_headless_gives_a_plain_picture_and_no_control(monkeypatch):
    monkeypatch.setenv("FOURIER_LAB_HEADLESS", "1")
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # not even imported
    explorer = Toy().make()
    assert explorer.controls == {} and explorer.box is None
    bundle = explorer._repr_mimebundle_()
    assert set(bundle) == {"image/png", "text/plain"} and "y is 7" in bundle["text/plain"]
    explorer.set(y=2)
    explorer.press("press")
    explorer.on_change("y", {"new": 99})  # a front end may still be connected to nothing
    assert explorer.settings["y"] == 2 and "must lie in" in explorer.message


def test_missing_ipywidgets_is_said_beside_a_plain_picture(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    explorer = Toy().make()
    bundle = explorer._repr_mimebundle_()
    for form in ("text/html", "text/plain"):
        assert "pip install ipywidgets" in bundle[form]
    assert bundle["image/png"] in bundle["text/html"] and "&lt;b&gt;n" in bundle["text/html"]
    explorer.set(y=1)
    assert explorer.settings["y"] == 1


def test_the_package_is_imported_without_ipywidgets():
    code = "import sys; sys.modules['ipywidgets'] = None; from fourier_lab.widgets import *; print(explore_basis)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "explore_basis" in done.stdout, done.stderr


def test_in_a_notebook_the_controls_are_shown():
    bundle = Toy().make()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in json.dumps(bundle[0] if isinstance(bundle, tuple) else bundle)


def test_the_package_names_what_it_has():
    assert widgets.explore_training.__name__ in widgets.__all__ and set(widgets.__all__) <= set(dir(widgets))
    with pytest.raises(AttributeError, match="no attribute 'explore_everything'"):
        widgets.explore_everything  # noqa: B018


def test_training_curves_answer_every_control():
    explorer = widgets.explore_training(RECORDS)
    for name, value in {"id_order": "semantic", "series": "fourier (harmonic)", "quantity": "scale"}.items():
        before = explorer.figure
        explorer.controls[name].value = value
        assert explorer.figure is not before and explorer.settings[name] == value and not explorer.message


def test_a_series_without_runs_in_an_order_is_named():
    explorer = widgets.explore_training(RECORDS)
    with pytest.raises(ConfigError, match="no run of 'learned' has id order 'semantic'"):
        explorer.set(series="learned", id_order="semantic")
    with pytest.raises(ConfigError, match="no run records"):
        widgets.explore_training([])
