"""The explorers of sentences, results and live training, without a browser."""

import asyncio
import json
import logging
import shlex
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from made_up import METRICS

from fourier_lab import RunConfig, SentenceEncoder, expand, paths, widgets
from fourier_lab.cli import parser
from fourier_lab.embeddings.registry import EMBEDDINGS
from fourier_lab.errors import ConfigError, DataError, TrainingError
from fourier_lab.plots import results as result_plots
from fourier_lab.plots._marks import legible
from fourier_lab.tables import points as result_points
from fourier_lab.text.tokenizer import toy_tokenizer
from fourier_lab.training.records import write_record
from fourier_lab.widgets import explorer as explorer_widget
from fourier_lab.widgets import live as live_widget
from fourier_lab.widgets import sentences as sentence_widget

V = 300
WORDS = [toy_tokenizer(V).id_to_token(number) for number in range(10, 60)]
TOY = RunConfig(vocab_size=V, d_model=16)


def write_run(folder, config, *, score=50.0, weights=False, **metrics):
    """Write a finished record with made-up numbers."""
    torch.manual_seed(config.seed)
    one = {"value": score, "low": score - 2, "high": score + 2}
    graded = {"n": 100, "spearman": one, "pearson": one}
    content = {
        **METRICS, "digest": config.digest(), "scores": {"validation": graded, "test": graded},
        "held_out": {"toy/test": {"loss": 1.0, "accuracy": 0.5}},
        "parameters": {"total": 1000 * config.d_model, "embedding": 100, "with_gradient": 900}, **metrics,
    }  # fmt: skip
    history = [{"step": step, "loss": 1.0 / step, "validation_loss": 2.0 / step} for step in (1, config.steps)]
    tokenizer = toy_tokenizer(V)
    encoder = SentenceEncoder(config.model(V), tokenizer) if weights else None
    return write_record(folder, config, content, history, encoder)


@pytest.fixture
def rendered():
    """Ask for pictures to be rendered, which takes half a second each."""


@pytest.fixture(autouse=True)
def _interactive(monkeypatch, request):
    monkeypatch.delenv("FOURIER_LAB_HEADLESS", raising=False)
    if "rendered" not in request.fixturenames:
        monkeypatch.setattr(explorer_widget, "_png", lambda figure: b"")
    yield
    assert plt.get_fignums() == []


# Sentences


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for arm, score in (("fourier", 60), ("learned", 50)):
        write_run(folder / arm, TOY.replace(arm=arm), score=score, weights=True)
    english = TOY.replace(corpus="snli", source="folder")  # its words are the toy's, which nothing here minds
    write_run(folder / "english", english, weights=True)
    (folder / "half").mkdir()
    (folder / "half" / "checkpoint.npz").write_bytes(b"")
    write_run(folder / "other", TOY.replace(seed=9), weights=True)
    settings = json.loads((folder / "other" / "config.json").read_text()) | {"wavelets": 3}
    (folder / "other" / "config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture
def sentences(runs):
    return widgets.explore_sentences(" ".join(WORDS[:4]), " ".join(WORDS[2:7]), folders=[runs])


@pytest.mark.parametrize("setting", ["first", "second", "run", "stage"])
def test_each_control_of_the_sentence_lab_draws_a_new_picture(sentences, setting):
    control, figure = sentences.controls[setting], sentences.figure
    value = " ".join(WORDS[8:12]) if setting in ("first", "second") else control.options[-1]
    if value == control.value:
        value = control.options[0]
    control.value = value
    assert sentences.settings[setting] == value and sentences.figure is not figure and not sentences.message
    assert not getattr(control, "continuous_update", False)


def test_the_sentence_lab_shows_tokens_cosines_and_every_run_of_the_same_language(sentences):
    sentences.set(run=next(name for name in sentences.controls["run"].options if "toy" in name))
    assert f"First sentence: [CLS] 2 · {WORDS[0]} 10 · {WORDS[1]} 11" in sentences.text
    heat, _bar, left_out, pooled = sorted_axes(sentences.figure)
    assert heat.images[0].get_array().shape == (6, 7) and len(left_out.patches) == 4 + 5
    assert [label.get_text().split(",")[0] for label in pooled.get_yticklabels()] == ["fourier (harmonic)", "learned"]
    assert "half" in sentences.text and "wavelets" in sentences.text  # what could not be used, and why


def sorted_axes(figure):
    """Return heat map, its colour bar, bars, cosines: in the order of their labels' first letters."""
    by_label = {ax.get_xlabel().split(" ")[0] or "bar": ax for ax in figure.axes}
    return by_label["second"], by_label["bar"], by_label["change"], by_label["cosine"]


def test_examples_follow_the_language_of_the_run_and_own_text_does_not(runs):
    explorer = widgets.explore_sentences(folders=[runs])
    english, *_, toy = explorer.controls["run"].options
    assert "snli" in english and explorer.settings["first"].startswith("A man")
    explorer.controls["run"].value = toy
    assert set(explorer.settings["first"].split()) <= set(toy_tokenizer(V).get_vocab())
    assert explorer.controls["first"].value == explorer.settings["first"]
    explorer.set(first=WORDS[0])
    explorer.set(run=english)
    assert explorer.settings["first"] == WORDS[0]


@pytest.mark.parametrize("text", ["😀 שלום مرحبا 你好 $x_1$ 100 %", "x " * 3000, "x" * 3000, WORDS[0]])
def test_any_text_is_drawn(rendered, sentences, text):
    sentences.controls["first"].value = text
    assert not sentences.message and sentences.settings["first"] == text
    if text not in WORDS:
        assert "read as [UNK]" in sentences.text


def test_empty_text_says_what_to_do_and_the_picture_stays(sentences, caplog):
    figure = sentences.figure
    with caplog.at_level(logging.WARNING):
        sentences.controls["second"].value = "  "
    assert "Type at least one word" in sentences.message and sentences.figure is figure
    with pytest.raises(DataError, match="Type at least one word"):
        sentences.set(first="")
    with pytest.raises(ConfigError, match="unknown run 'mine'"):
        sentences.set(run="mine")


@pytest.mark.parametrize("breakage", ["damaged", "missing"])
def test_a_run_that_breaks_later_is_left_out_with_a_sentence(tmp_path, breakage):
    for arm, score in (("fourier", 60), ("learned", 50)):
        write_run(tmp_path / arm, TOY.replace(arm=arm, seed=3), score=score, weights=True)
    assert len(widgets.explore_sentences(folders=[tmp_path], limit=1).controls["run"].options) == 1
    sentence_widget._encoder.cache_clear()
    (tmp_path / "learned" / "tokenizer.json").unlink()
    if breakage == "damaged":
        (tmp_path / "learned" / "tokenizer.json").write_text("{")
    explorer = widgets.explore_sentences(folders=[tmp_path])
    assert len(sorted_axes(explorer.figure)[3].get_yticks()) == 1
    expected = "cannot load" if breakage == "damaged" else "has no tokenizer"
    assert any(expected in line for line in explorer.text.splitlines())
    learned = explorer.controls["run"].options[-1]
    explorer.controls["run"].value = learned
    assert expected in explorer.message and explorer.settings["run"] != learned


def test_no_run_at_all_says_how_to_get_one(tmp_path):
    with pytest.raises(ConfigError, match="no trained run.*fourier-lab train"):
        widgets.explore_sentences(folders=[tmp_path])


def test_characters_that_the_font_lacks_are_shown_as_code_points():
    assert legible("aéש 你") == "aéש [U+4F60]"


# Results


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for seed in (0, 1, 2, 100):  # the last one chose a setting and is not reported
        config = TOY.replace(seed=seed, threads=1)
        write_run(folder / "small" / config.digest(), config, score=40.0 + seed)
    learned = TOY.replace(arm="learned", d_model=32)
    write_run(folder / "small" / learned.digest(), learned, score=60.0)
    nli = TOY.replace(objective="nli", d_model=64)
    held_out = {"toy/test": {"loss": 1.0, "accuracy": 0.5, "low": 0.4, "high": 0.6, "n": 100}}
    write_run(folder / "nli" / nli.digest(), nli, held_out=held_out)
    damaged = TOY.replace(seed=7)
    write_run(folder / "nli" / damaged.digest(), damaged)
    (folder / "nli" / damaged.digest() / "metrics.json").write_text("{")
    return folder


@pytest.fixture
def explorer(results):
    return widgets.explore_results(results)


CHANGES = {
    "x": "steps",
    "y": "validation Pearson",
    "arm": "learned",
    "family": "nli",
    "budget": (32_000, 64_000),
    "point": "small: learned, d_model 32, seed 0",
}


@pytest.mark.parametrize("setting", CHANGES)
def test_each_control_of_the_results_draws_a_new_picture(explorer, setting):
    assert set(explorer.controls) == set(CHANGES)
    figure = explorer.figure
    explorer.controls[setting].value = CHANGES[setting]
    assert explorer.settings[setting] == CHANGES[setting] and explorer.figure is not figure and not explorer.message
    assert explorer.settings["point"] in explorer.controls["point"].options
    assert not getattr(explorer.controls[setting], "continuous_update", False)


def test_seeds_are_pooled_with_the_interval_that_is_said(results):
    points, skipped = result_points.read_points(results)
    assert [point.name for point in points] == [
        "nli: fourier (harmonic), seed 0",
        "small: fourier (harmonic), d_model 16, seeds 0, 1, 2",
        "small: learned, d_model 32, seed 0",
    ]
    assert len(skipped) == 1 and "damaged" in skipped[0]
    score = result_points.quantities(points)["test Spearman"]
    mean, low, high, seeds = result_points.pooled_value(points[1], score)
    half = 4.302653 / np.sqrt(3)  # t of 2 degrees of freedom, standard deviation 1
    assert (mean, low, high, seeds) == (41, pytest.approx(41 - half), pytest.approx(41 + half), 3)
    assert result_points.pooled_value(points[2], score) == (60, 58, 62, 1)


def test_a_click_marks_the_nearest_point(results):
    explorer = widgets.explore_results(results)
    explorer.figure.draw_without_rendering()
    (ax,) = explorer.figure.axes
    width, height = explorer.figure.bbox.size
    before = explorer.settings["point"]
    *drawn, _ring = ax.lines
    spots = [spot for line in drawn for spot in line.get_xydata()]
    marked = set()
    for spot in spots:
        x, y = ax.transData.transform(spot) + 3
        place = {"relativeX": x, "boundingRectWidth": width, "relativeY": height - y, "boundingRectHeight": height}
        marked.add(explorer._pick(x, y)["point"])
    explorer.on_click(place)
    assert marked == {point for point in explorer.controls["point"].options} and before in marked
    assert explorer.settings["point"] == explorer.controls["point"].value and explorer._pick(0, 0) == {}


def test_only_classifiers_have_an_accuracy(explorer):
    explorer.set(y="accuracy toy/test")
    assert explorer.controls["point"].options == ("nli: fourier (harmonic), seed 0",)
    assert "accuracy toy/test: 50 (40 to 60, 95 % over pairs)" in explorer.text


def test_the_marked_point_is_described(explorer):
    explorer.set(point="small: fourier (harmonic), d_model 16, seeds 0, 1, 2")
    assert "test Spearman: 41 (38.52 to 43.48, 95 % t interval over 3 seeds)" in explorer.text
    assert "\nfourier-lab train --d-model 16 --vocab-size 300 --threads 1 --seed 0,1,2" in explorer.text
    assert "Left out: the record in" in explorer.text
    (ring,) = [line for line in explorer.figure.axes[0].lines if line.get_markersize() == 13]
    assert ring.get_xdata() == pytest.approx(16_000) and ring.get_ydata() == [41]


def test_scores_that_do_not_compare_are_said_to(tmp_path):
    write_run(tmp_path / "a" / "toy", TOY)
    write_run(tmp_path / "b" / "english", TOY.replace(corpus="snli", source="folder"))
    explorer = widgets.explore_results(tmp_path)
    assert "do not compare" in explorer.text
    explorer.set(family="b")
    assert "do not compare" not in explorer.text


def test_filters_and_names_are_checked(explorer, results):
    with pytest.raises(ConfigError, match="no record has both quantities within this filter"):
        explorer.set(arm="learned", family="nli")
    with pytest.raises(ConfigError, match="unknown y 'height'"):
        explorer.set(y="height")
    with pytest.raises(ConfigError, match="no point 'none' is shown"):
        explorer.set(point="none")
    with pytest.raises(ConfigError, match="unknown quantity 'height'. Choose from parameters"):
        widgets.explore_results(results, x="height")


def test_no_record_at_all_says_how_to_get_one(tmp_path):
    with pytest.raises(ConfigError, match="no record below.*fourier-lab train"):
        widgets.explore_results(tmp_path)


def test_points_of_equal_place_do_not_cover_each_other():
    unknown = [np.nan] * 3
    data = {"point": ["a", "b", "c"], "series": ["learned", "learned", "fourier"], "seeds": [3, 1, 1]}
    data |= {"x": [10.0, 10.0, 40.0], "x_low": unknown, "x_high": unknown}
    data |= {"y": [1.0, 1.0, 2.0], "y_low": [0.0, 0.5, np.nan], "y_high": [2.0, 1.5, np.nan]}
    ax = result_plots.draw_points(data, x_label="size (count)", y_label="score (× 100)", log_x=True)
    places = [float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "o"]
    assert len(set(places)) == 2 and np.prod(places) == pytest.approx(100)
    assert "3 points" in ax.get_xlabel() and "one seed" in ax.get_xlabel()
    plt.close(ax.figure)


AWKWARD = [
    TOY.replace(frequencies=(1, 2, 3, 4, 5, 6, 7, 9), learning_rate=3e-4, period=127, seed=5),
    TOY.replace(departures=("padding_mean", "slow_rate"), dropout=0.1, precision="float32"),
    TOY.replace(objective="sts", pretraining={"steps": 40, "batch_size": 16, "learning_rate": 0.002}, steps=50),
    TOY.replace(corpus="snli+mnli", source="folder", id_order="within_64", train_pairs=1000),
]


def rebuilt(command, capsys):
    """Return the digests that ``fourier-lab train`` would run for a command, read by the command line itself."""
    program, *arguments = shlex.split(command)
    assert program == "fourier-lab" and parser.main([*arguments, "--dry-run", "--runs", "/nowhere"]) == 0
    return [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]


@pytest.mark.parametrize("config", AWKWARD)
def test_the_command_rebuilds_exactly_these_runs(config, capsys):
    configs = expand(config, seed=[5, 8])
    command = result_points.train_command(configs)
    assert rebuilt(command, capsys) == [config.digest() for config in configs]


def test_the_commands_of_the_committed_records_rebuild_them(capsys):
    points, skipped = result_points.read_points(paths.RESULTS)
    assert points and not skipped
    for point in points:
        configs = [record.config for record in point.records]
        command = result_points.train_command(configs)
        assert rebuilt(command, capsys) == [config.digest() for config in configs], point.name


def test_committed_records_are_drawn_whatever_the_axes(monkeypatch):
    monkeypatch.setenv("FOURIER_LAB_HEADLESS", "1")
    explorer = widgets.explore_results()
    for name in result_points.quantities(result_points.read_points()[0]):
        explorer.set(y=name)


# Live training


class Fake:
    """Stands in for LiveTraining: does what it is told at once."""

    made: list = []
    stopping = False

    def __init__(self, configs):
        self.configs, self.state, self.rows = configs, "ready", 0
        Fake.made.append(self)

    active = property(lambda self: self.state in ("running", "paused"))
    lines = property(lambda self: [f"{self.state}, row {self.rows}"])

    @property
    def records(self):
        history = [{"step": 1.0 + row, "loss": 1.0, "validation_loss": np.nan} for row in range(self.rows)]
        return [SimpleNamespace(config=config, history=history) for config in self.configs]

    def start(self):
        self.state = "running"

    resume = start

    def pause(self):
        self.state = "paused"

    def stop(self):
        self.state = "stopped"

    def close(self):
        self.state = "closed"


@pytest.fixture
def training(monkeypatch):
    monkeypatch.setattr(live_widget, "LiveTraining", Fake)
    Fake.made = []
    return widgets.explore_live_training()


def test_buttons_start_pause_resume_and_stop(training):
    for label, state in {"start": "running", "pause": "paused", "resume": "running", "stop": "stopped"}.items():
        training.buttons[label].click()
        assert Fake.made[0].state == state and state in training.text and not training.message
    training.buttons["start"].click()
    assert len(Fake.made) == 1  # it goes on
    arms = [(config.arm, config.frequencies) for config in Fake.made[0].configs]
    assert arms == [("fourier", "harmonic"), ("learned", "harmonic")]


@pytest.mark.parametrize("name", EMBEDDINGS.names())
def test_every_registered_embedding_can_be_trained_live(training, name):
    assert training.controls["arms"].options == ("both", *EMBEDDINGS.names())
    training.controls["arms"].value = name
    training.press("start")
    (config,) = Fake.made[-1].configs
    assert config.arm == name


def test_new_settings_make_a_new_training_but_not_while_one_is_at_work(training):
    training.press("start")
    training.controls["arms"].value = "fourier"
    assert "new settings hold from the next start" in training.text
    training.buttons["start"].click()
    assert "Press stop first" in training.message and len(Fake.made) == 1
    Fake.made[0].stopping = True
    training.buttons["start"].click()
    assert "still stopping" in training.message and len(Fake.made) == 1
    training.press("stop")
    training.set(frequencies="random", id_order="random", steps=20)
    training.press("start")
    (config,) = Fake.made[1].configs
    assert Fake.made[0].state == "closed"
    assert (config.arm, config.frequencies, config.id_order, config.steps) == ("fourier", "random", "random", 20)


def in_a_loop(notebook):
    """Run a coroutine function in an event loop of its own; browser tests may have left one running in this thread."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(notebook())).result()


def test_curves_grow_by_themselves_in_a_running_loop_and_by_refresh_elsewhere(training, monkeypatch):
    monkeypatch.setattr(live_widget, "PERIOD_S", 0.01)

    async def notebook():
        training.buttons["start"].click()
        figure = training.figure
        Fake.made[0].rows = 3
        await asyncio.sleep(0.5)
        assert training.figure is not figure and "row 3" in training.text
        figure = training.figure
        await asyncio.sleep(0.1)
        assert training.figure is figure  # nothing new, nothing drawn
        Fake.made[0].state = "finished"
        await training._task
        assert "finished" in training.text

    in_a_loop(notebook)
    Fake.made[0].rows = 5
    training.refresh()
    assert "row 5" in training.text
    assert len(training.figure.axes[0].lines[0].get_xdata()) == 5


def test_nothing_says_working_while_runs_are_paused_or_over_and_an_error_stays_to_be_read(training, monkeypatch):
    monkeypatch.setattr(live_widget, "PERIOD_S", 0.01)

    async def notebook():
        training.buttons["start"].click()
        training.buttons["pause"].click()
        await asyncio.sleep(0.1)
        assert training._message.value == ""
        training.controls["arms"].value = "fourier"
        training.buttons["start"].click()
        Fake.made[0].rows = 1
        await asyncio.sleep(0.1)
        assert "row 1" in training.text and "Press stop first" in training._message.value
        Fake.made[0].state = "finished"
        await training._task
        assert "finished" in training.text and "Press stop first" in training._message.value
        training.controls["arms"].value = "both"
        assert training._message.value == ""

    in_a_loop(notebook)


def test_an_error_while_drawing_is_shown_in_the_notebook(training, monkeypatch, caplog):
    monkeypatch.setattr(live_widget, "PERIOD_S", 0.01)

    async def notebook():
        training.start()
        monkeypatch.setattr(Fake, "records", property(lambda self: 1 / 0))
        Fake.made[0].rows = 1
        await asyncio.wait([training._task])
        assert isinstance(training._task.exception(), ZeroDivisionError)

    in_a_loop(notebook)
    assert "ZeroDivisionError" in training.message


def test_mistakes_say_what_to_do(training, monkeypatch):
    training.buttons["pause"].click()
    assert "Press start first" in training.message
    with pytest.raises(ConfigError, match="unknown arms 'none'"):
        training.set(arms="none")
    with pytest.raises(ConfigError, match="id_order must be one of"):
        training.set(id_order="sideways")

    def refuse(self):
        raise TrainingError("another live training is at work here. Stop it first.")

    training.set(steps=2000, id_order="within_64")
    assert (training.controls["steps"].value, training.controls["id_order"].value) == (2000, "within_64")
    monkeypatch.setattr(Fake, "start", refuse)
    training.buttons["start"].click()
    assert "Stop it first" in training.message


def test_headless_they_are_plain_pictures(rendered, monkeypatch, runs, results):
    monkeypatch.setenv("FOURIER_LAB_HEADLESS", "1")
    monkeypatch.setattr(live_widget, "SHIPPED", runs)
    for make in (
        lambda: widgets.explore_sentences(folders=[runs]),
        lambda: widgets.explore_results(results),
        widgets.explore_live_training,
    ):
        made = make()
        assert made.controls == {} and made.settings and set(made._repr_mimebundle_()) == {"image/png", "text/plain"}


def test_a_legend_of_many_series_names_the_embedding_alone():
    ours = ["fourier (random)", "fourier (log)", "learned"]
    series = [*ours, *(f"wide (n {k})" for k in range(20)), *(f"bloom (n {k})" for k in range(9)), "signature (n 1)"]
    n = len(series)
    data = {"point": series, "series": series, "seeds": [3] * n, "x": np.arange(1.0, n + 1), "y": np.arange(n)}
    data |= {f"{axis}_{end}": data[axis] for axis in "xy" for end in ("low", "high")}
    ax = result_plots.draw_points(data, x_label="size (count)", y_label="score (× 100)")
    (legend,) = ax.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [*ours, "wide", *series[23:]]
    plt.close(ax.figure)
