"""Explorers without a browser: every control is set, callbacks are called, and no error is swallowed."""

import json
import logging
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from fourier_lab import RunConfig, RunRecord, widgets
from fourier_lab.errors import ConfigError

WORDS = [f"w{number}" for number in range(40)]
TABLES = {
    "learned": np.random.default_rng(0).normal(size=(40, 6)),
    "fourier (harmonic)": np.random.default_rng(1).normal(size=(40, 6)),
}
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

EXPLORERS = {
    "basis": lambda: widgets.explore_basis(vocab_size=500, d_model=16, token_id=100, other_id=103),
    "training": lambda: widgets.explore_training(RECORDS),
    "geometry": lambda: widgets.explore_geometry(TABLES, WORDS, {"role": ["a", "b"] * 20}, word="w3"),
}
CHANGES = {
    "basis": {
        "vocab_size": 600,
        "d_model": 32,
        "frequencies": "random",
        "period": 127,
        "token_id": 7,
        "other_id": 5,
    },
    "training": {"series": "fourier (harmonic)", "id_order": "semantic", "quantity": "scale"},
    "geometry": {"series": "fourier (harmonic)", "projection": "tsne", "colour": "role", "word": "w30"},
}
ALL_CHANGES = [(name, setting) for name, changes in CHANGES.items() for setting in changes]


@pytest.fixture(autouse=True)
def _interactive(monkeypatch):
    monkeypatch.delenv("FOURIER_LAB_HEADLESS", raising=False)
    yield
    plt.close("all")


def test_every_control_has_a_change_here():
    for name, make in EXPLORERS.items():
        assert set(make().controls) == set(CHANGES[name])


@pytest.mark.parametrize(("name", "setting"), ALL_CHANGES)
def test_setting_a_control_draws_a_new_picture(name, setting):
    explorer = EXPLORERS[name]()
    before, picture = explorer.figure, bytes(explorer._image.value)
    explorer.controls[setting].value = CHANGES[name][setting]
    assert explorer.value[setting] == CHANGES[name][setting]
    assert explorer.figure is not before and bytes(explorer._image.value) != picture
    assert bytes(explorer._image.value).startswith(b"\x89PNG") and not explorer._message.value


@pytest.mark.parametrize("name", EXPLORERS)
def test_update_without_a_browser_moves_the_controls(name):
    explorer = EXPLORERS[name]()
    explorer.update(**CHANGES[name])
    assert explorer.value == CHANGES[name]
    assert {setting: control.value for setting, control in explorer.controls.items()} == CHANGES[name]


@pytest.mark.parametrize(("name", "setting"), ALL_CHANGES)
def test_controls_wait_for_the_end_of_typing(name, setting):
    control = EXPLORERS[name]().controls[setting]
    assert not getattr(control, "continuous_update", False)


def test_an_error_is_shown_logged_and_raised_and_the_picture_stays(caplog):
    explorer = EXPLORERS["basis"]()
    figure, value = explorer.figure, dict(explorer.value)
    with caplog.at_level(logging.ERROR), pytest.raises(ConfigError, match=r"d_model \(15\) must be even"):
        explorer.on_change("d_model", {"new": 15})
    assert "must be even" in explorer._message.value and "failed" in caplog.text
    assert explorer.figure is figure and explorer.value == value
    explorer.on_change("d_model", {"new": 20})
    assert not explorer._message.value and explorer.value["d_model"] == 20


def test_an_error_reaches_whoever_sets_the_control(caplog):
    explorer = EXPLORERS["geometry"]()
    with pytest.raises(ConfigError, match="'w99' is not a word"):
        explorer.controls["word"].value = "w99"
    assert "w99" in explorer._message.value


def test_an_unknown_setting_is_refused():
    with pytest.raises(ConfigError, match="unknown setting width. Choose from vocab_size"):
        EXPLORERS["basis"]().update(width=3)


def test_a_series_without_runs_in_an_order_is_named():
    with pytest.raises(ConfigError, match="no run of 'learned' has id order 'semantic'"):
        EXPLORERS["training"]().update(series="learned", id_order="semantic")
    with pytest.raises(ConfigError, match="no run records"):
        widgets.explore_training([])


@pytest.mark.parametrize("name", EXPLORERS)
def test_headless_gives_a_plain_picture_and_no_control(name, monkeypatch):
    monkeypatch.setenv("FOURIER_LAB_HEADLESS", "1")
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # not even imported
    explorer = EXPLORERS[name]()
    assert explorer.controls == {} and set(explorer.value) == set(CHANGES[name])
    bundle = explorer._repr_mimebundle_()
    assert set(bundle) == {"image/png", "text/plain"}
    explorer.update(**CHANGES[name])
    assert explorer.value == CHANGES[name]


@pytest.mark.parametrize("name", EXPLORERS)
def test_missing_ipywidgets_says_what_to_do(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ImportError, match="pip install ipywidgets.*FOURIER_LAB_HEADLESS=1"):
        EXPLORERS[name]()


def test_in_a_notebook_the_controls_are_shown():
    bundle = EXPLORERS["basis"]()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in json.dumps(bundle[0] if isinstance(bundle, tuple) else bundle)


def test_pictures_are_not_left_with_pyplot():
    EXPLORERS["geometry"]()
    assert plt.get_fignums() == []


def test_the_same_projection_is_computed_once(monkeypatch):
    from fourier_lab import geometry

    calls, project = [], geometry.project
    monkeypatch.setattr(geometry, "project", lambda *given: calls.append(given) or project(*given))
    explorer = EXPLORERS["geometry"]()
    explorer.update(colour="role")
    assert len(calls) == 1
    explorer.update(series="fourier (harmonic)")
    assert len(calls) == 2


def test_two_ids_in_falling_order_are_labelled_as_given():
    figure = widgets.explore_basis(vocab_size=500, d_model=16, token_id=103, other_id=100).figure
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["103", "100"]
