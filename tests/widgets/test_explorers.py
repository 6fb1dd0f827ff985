"""Explorers of the basis, of the released normaliser and of trained tokens: what they say is true, errors say a way out."""

import itertools
import json
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from made_up import METRICS

from fourier_lab import RunConfig, SentenceEncoder, fourier_basis, paths, plots, widgets
from fourier_lab.errors import ConfigError, DataError, RecordError
from fourier_lab.geometry import projections, resolution, stages, token_table
from fourier_lab.text.batches import pack
from fourier_lab.text.tokenizer import token_words, toy_tokenizer
from fourier_lab.training.records import load_encoder, write_record
from fourier_lab.widgets import at_hand, explorer, tokens

V = 500
WORDS = [f"w{number}" for number in range(40)]
TABLES = {
    "learned": np.random.default_rng(0).normal(size=(40, 6)),
    "fourier (harmonic)": np.random.default_rng(1).normal(size=(40, 6)),
}
FREQUENCY = "frequency (log10 of the share)"


@pytest.fixture(autouse=True)
def _interactive(monkeypatch):
    monkeypatch.delenv("FOURIER_LAB_HEADLESS", raising=False)
    # Pictures are drawn but not rendered, which is most of the time; test_pictures_render does it once each.
    numbers = itertools.count()
    monkeypatch.setattr(explorer, "_png", lambda figure: str(next(numbers)).encode())
    yield
    assert plt.get_fignums() == []
    plt.close("all")


def write_run(root, arm, **changes):
    """Write the folder of a run that was never trained."""
    config = RunConfig(arm=arm, vocab_size=V, d_model=16, **changes)
    torch.manual_seed(0)
    encoder = SentenceEncoder(config.model(V), toy_tokenizer(V))
    metrics = {**METRICS, "digest": config.digest()}
    history = [{"step": config.steps, "loss": 1.0}]
    return write_record(root / config.digest(), config, metrics, history, encoder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    write_run(root, "learned")
    write_run(root, "fourier", n_layers=2)
    write_run(root, "fourier", seed=7)
    return root


def geometry_of_runs(root, **options):
    return widgets.explore_geometry(runs=[root], n_ids=30, **options)


def by_arm(root, text):
    (name,) = (name for name in at_hand.runs_at_hand([root])[0] if text in name)
    return name


def change_controls(made, changes):
    """Set each control; nothing may go wrong, and each is a new picture."""
    for name, value in changes.items():
        before = bytes(made._image.value)
        made.controls[name].value = value
        assert not made.message, made.message
        assert made.settings[name] == value and bytes(made._image.value) != before
    assert {name: control.value for name, control in made.controls.items()} == made.settings


def test_every_control_answers(runs):
    basis = widgets.explore_basis(V, 16, token_id=100, other_id=103)
    changes = {"vocab_size": 600, "d_model": 32, "frequencies": "random", "period": 127, "token_id": 7, "other_id": 5}
    assert set(changes) == set(basis.controls)
    change_controls(basis, changes)
    release = widgets.explore_release(toy_tokenizer(V))
    change_controls(release, {"normaliser": 499, "class_number": 400, "word": token_words(toy_tokenizer(V))[9]})
    geometry = geometry_of_runs(runs)
    changes = {"run": by_arm(runs, "2 x 16"), "stage": "after layer 1", "projection": "tsne", "colour": "kind"}
    change_controls(geometry, {**changes, "word": token_words(toy_tokenizer(V))[30]})


def test_pictures_render(runs, monkeypatch):
    monkeypatch.undo()
    monkeypatch.delenv("FOURIER_LAB_HEADLESS", raising=False)
    for made in (widgets.explore_basis(V, 16), widgets.explore_release(toy_tokenizer(V)), geometry_of_runs(runs)):
        assert bytes(made._image.value).startswith(b"\x89PNG")


def test_headless_is_the_same_picture_without_controls(runs, monkeypatch):
    monkeypatch.setenv("FOURIER_LAB_HEADLESS", "1")
    for made in (widgets.explore_basis(V, 16), widgets.explore_release(toy_tokenizer(V)), geometry_of_runs(runs)):
        assert not made.controls and made.figure.axes and made.text


# The basis


def test_ids_follow_a_smaller_vocabulary_but_ids_outside_it_are_refused():
    made = widgets.explore_basis(V, 16, token_id=480, other_id=3)
    made.set(vocab_size=100)
    assert made.settings["token_id"] == 99 == made.controls["token_id"].max and made.settings["other_id"] == 3
    made.set(vocab_size=V)
    assert made.controls["token_id"].max == V - 1
    with pytest.raises(ConfigError, match=r"token ids must lie in 0..499 .*got 3..500"):
        made.set(token_id=500)
    with pytest.raises(ConfigError, match="token ids must lie in 0..99"):
        widgets.explore_basis(100, 16, token_id=100)
    made.on_change("d_model", {"new": 15})
    assert "must be even" in made.message and made.settings["d_model"] == 16


@pytest.mark.parametrize(("frequencies", "period"), [("harmonic", 0), ("harmonic", 127), ("random", 60), ("log", 100)])
def test_the_colliding_ids_are_those_with_equal_features(frequencies, period):
    made = widgets.explore_basis(V, 8, frequencies, period or None, token_id=0, other_id=3, tokenizer=toy_tokenizer(V))
    rows = fourier_basis(torch.arange(V), V, 8, frequencies, period or None).numpy()
    words = token_words(toy_tokenizer(V))
    for token_id in (0, 3):
        same = np.flatnonzero(np.abs(rows - rows[token_id]).max(axis=1) < 1e-6)
        others = same[same != token_id]
        (line,) = (line for line in made.text.splitlines() if f"row of {token_id} " in line)
        if not others.size:
            assert line.startswith("No other id")
        else:
            assert line.startswith(f"{others.size} other")
            assert all(f"{i} {words[i]!r}" in line for i in others[:8])
            assert line.endswith(f" and {others.size - 8} more.") == (others.size > 8)
    assert f"{len(np.unique(rows.round(5), axis=0))} distinct rows" in made.text


def test_without_a_vocabulary_of_that_size_collisions_are_counted():
    made = widgets.explore_basis(V, 16, token_id=0, other_id=1, tokenizer=toy_tokenizer(600))
    assert "1 other id has exactly the row of 0." in made.text
    assert "the tokenizer has 600 ids, not 500" in made.text
    made.set(vocab_size=600)
    assert f"{token_words(toy_tokenizer(600))[599]!r}" in made.text


def test_cells_are_those_of_the_text_or_of_a_law_that_is_named():
    counts = np.zeros(V)
    counts[:2] = 5
    made = widgets.explore_basis(V, 16, token_id=1, other_id=2, counts=counts)
    assert "10 tokens of text" in made.text and "serve like 1.0 equally full" in made.text
    made.set(vocab_size=V - 1)  # counts of another vocabulary say nothing here
    assert "a Zipf law" in made.text
    effective = resolution.effective_number(resolution.cell_mass(resolution.zipf_mass(V - 1), 16))
    assert f"{effective:.1f} equally full" in made.text
    assert [label.get_text() for label in made.figure.axes[0].get_yticklabels()] == ["1", "2"]
    with pytest.raises(DataError, match="token counts must be 500 numbers"):
        widgets.explore_basis(V, 16, counts=counts[1:])


def test_two_ids_in_falling_order_are_labelled_as_given():
    figure = widgets.explore_basis(vocab_size=500, d_model=16, token_id=103, other_id=100).figure
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["103", "100"]


# The released normaliser


def test_the_numbers_of_the_release_are_counted_from_the_rows():
    made = widgets.explore_release(toy_tokenizer(V), d_model=16, normaliser=127, class_number=5)
    rows = fourier_basis(torch.arange(V), V, 16, period=127)
    classes = resolution.collision_classes(rows)
    words = token_words(toy_tokenizer(V))
    assert f"{classes.max() + 1} distinct rows" in made.text and "3 or 4 of them on each" in made.text
    own = [words[i] for i in np.flatnonzero(classes == classes[5])]
    (line,) = (line for line in made.text.splitlines() if line.startswith("Class 5 "))
    assert f"holds {len(own)} of the words" in line and all(word in line for word in own)
    mass = resolution.zipf_mass(V)
    lost = 1 - sum(mass[classes == c].max() for c in range(127))
    assert f"{100 * lost:.1f} % of the text" in made.text


def test_a_word_chooses_its_class_and_a_class_empties_the_word():
    words = token_words(toy_tokenizer(V))
    made = widgets.explore_release(toy_tokenizer(V), word=words[300])
    assert made.settings["class_number"] == 300 % 127 == made.controls["class_number"].value
    made.controls["normaliser"].value = 499
    assert made.settings == {"normaliser": 499, "class_number": 300, "word": words[300]}
    made.controls["class_number"].value = 400
    assert made.settings["word"] == "" == made.controls["word"].value
    made.controls["normaliser"].value = 127
    assert made.settings["class_number"] == 400 % 127 and made.controls["class_number"].max == 126
    made.controls["word"].value = "nosuchword"
    assert "'nosuchword' is not a word of this vocabulary of 500 words. Try" in made.message
    assert made.settings["word"] == ""


def test_a_click_into_the_folded_ids_shows_the_words_of_that_class():
    made = widgets.explore_release(toy_tokenizer(V))
    made.figure.draw_without_rendering()
    folded = made.figure.axes[1]
    width, height = made.figure.bbox.size
    x, y = folded.transData.transform((200, 42.3))
    made.on_click({"relativeX": x, "boundingRectWidth": width, "relativeY": height - y, "boundingRectHeight": height})
    assert made.settings["class_number"] == made.controls["class_number"].value == 42
    made.on_click({"relativeX": 1, "boundingRectWidth": width, "relativeY": 1, "boundingRectHeight": height})
    assert made.settings["class_number"] == 42


def test_the_normaliser_runs_from_the_paper_to_the_release_and_takes_others():
    made = widgets.explore_release(toy_tokenizer(V))
    offered = [value for _, value in made.controls["normaliser"].options]
    assert offered[0] == V - 1 and offered[-1] == 127 and offered == sorted(offered, reverse=True)
    made.set(normaliser=64)
    assert made.controls["normaliser"].value == 64 and "64 distinct rows" in made.text
    with pytest.raises(ConfigError, match=r"class_number \(64\) must lie in 0..63"):
        made.set(class_number=64)
    with pytest.raises(ConfigError, match=r"period \(0\) must be a positive number"):
        made.set(normaliser=0)


def test_pictures_of_the_release_hold_their_numbers():
    ax = plots.draw_collapse(resolution.fold_columns(resolution.zipf_mass(V), [127, 499]), chosen=127)
    assert ax.lines[0].get_ydata().tolist() == [127, 499] and ax.get_xlabel() and ax.get_ylabel()
    ax = plots.draw_folding({"token_id": [0, 1, 2], "row": [0, 1, 0], "marked": [True, False, True]})
    assert ax.lines[1].get_xdata().tolist() == [0, 2] and "2 ids" in ax.get_legend().texts[0].get_text()
    ax = plots.draw_class_words({"word": ["$5", "犬"], "token_id": [3, 1300]})
    assert [text.get_text() for text in ax.texts] == ["$5", "3", "[U+72AC]", "1,300"]
    plt.close("all")


# Trained tokens


def test_both_arms_stand_side_by_side_at_stages_that_compare(runs):
    made = geometry_of_runs(runs, word=token_words(toy_tokenizer(V))[30])
    deep = by_arm(runs, "2 x 16")
    made.set(run=deep)
    assert list(made.controls["stage"].options) == ["basis T(p)", "after MLP E(p)", "after layer 1", "after layer 2"]
    for stage, other in {
        "basis T(p)": "learned table",
        "after MLP E(p)": "learned table",
        "after layer 2": "after layer 1",
    }.items():
        made.set(stage=stage)
        assert f"in fourier (harmonic), {stage}: " in made.text and f"in learned, {other}: " in made.text
    made.set(run=by_arm(runs, "learned"))
    assert made.settings["stage"] == "after layer 1" and list(made.controls["stage"].options)[0] == "learned table"


def test_the_rows_of_a_stage_are_the_encoders_own(runs):
    encoder = load_encoder(at_hand.runs_at_hand([runs])[0][by_arm(runs, "2 x 16")].folder)
    assert stages.stage_table(encoder, "basis T(p)").shape == (V, 16)
    np.testing.assert_array_equal(
        stages.stage_table(encoder, "after MLP E(p)"), encoder.embedding.to_table().weight.detach()
    )
    cls, sep = (encoder.tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    table = stages.stage_table(encoder, "after layer 2")
    for token_id in (0, 77, V - 1):
        states = encoder.hidden_states(pack([np.array([cls, token_id, sep])]))
        np.testing.assert_allclose(table[token_id], states[2].detach()[1], atol=1e-5)
    with pytest.raises(ConfigError, match="no stage 'learned table'. Choose one of basis"):
        stages.stage_table(encoder, "learned table")
    encoder.tokenizer = None
    with pytest.raises(ConfigError, match="needs the ids around a sentence"):
        stages.stage_table(encoder, "after layer 1")


def test_colours_know_kinds_and_frequencies(runs):
    record = at_hand.runs_at_hand([runs])[0][by_arm(runs, "learned")]
    assert tokens.run_tokens(record).colours.keys() >= {"token id", "kind", "concept", FREQUENCY}
    counts = np.arange(V)
    colour = tokens.run_tokens(record, counts).colours[FREQUENCY]
    np.testing.assert_allclose(10 ** colour[1:], counts[1:] / counts.sum())
    assert np.isfinite(colour[0]) and colour[0] < colour[1:].min()
    path = record.folder / tokens.TOKEN_COUNTS
    np.save(path, counts[:-1])
    with pytest.raises(RecordError, match="token_counts.npy: token counts must be 500 numbers"):
        tokens.run_tokens(record)
    path.unlink()


def test_a_projection_is_computed_once_and_tables_need_no_run(monkeypatch):
    from fourier_lab.widgets import geometry

    calls, project = [], geometry.project
    monkeypatch.setattr(geometry, "project", lambda *given: calls.append(given) or project(*given))
    made = widgets.explore_geometry(TABLES, WORDS, {"role": ["a", "b"] * 20}, word="w3")
    made.set(colour="role", word="w5")
    assert len(calls) == 1
    made.set(run="fourier (harmonic)")
    assert len(calls) == 2 and made.text.startswith("Nearest to 'w5' in fourier (harmonic): ")
    assert "in learned: " in made.text


def test_a_word_that_is_not_drawn_is_marked_at_the_nearest_that_is():
    table = np.random.default_rng(0).normal(size=(40, 6))
    with pytest.raises(ConfigError, match="tables is empty"):
        widgets.explore_geometry({}, WORDS)
    made = widgets.explore_geometry({"learned": table}, WORDS, n_ids=10)
    drawn = np.sort(np.random.default_rng(0).choice(40, size=10, replace=False))
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    asked = next(i for i in range(40) if i not in drawn)
    made.set(word=WORDS[asked])
    nearest = drawn[(unit[drawn] @ unit[asked]).argmax()]
    assert f"its mark is at the nearest one, 'w{nearest}'" in made.text
    made.set(word=WORDS[drawn[0]])
    assert "its mark" not in made.text


def test_bad_requests_of_the_geometry_are_sentences(runs):
    made = geometry_of_runs(runs)
    for setting, value, sentence in (
        ("word", "nosuchword", "'nosuchword' is not a word of this vocabulary of 500 words. Try"),
        ("run", "mine", "unknown run 'mine'. Choose one of "),
        ("stage", "after layer 9", "unknown stage 'after layer 9'. Choose one of "),
        ("colour", "taste", "unknown colour 'taste'. Choose one of token id"),
        ("projection", "umap2", "unknown projection 'umap2'. Choose one of pca"),
    ):
        figure = made.figure
        made.on_change(setting, {"new": value})
        assert sentence in made.message and made.figure is figure and made.settings[setting] != value
    with pytest.raises(ConfigError, match=r"n_ids \(2000\) must lie in 5..1000"):
        widgets.explore_geometry(runs=[runs], n_ids=2000)
    with pytest.raises(DataError, match="the table 'learned' has 40 rows but"):
        widgets.explore_geometry(TABLES, WORDS[1:])


def test_a_run_without_a_counterpart_says_so(tmp_path):
    write_run(tmp_path, "learned")
    assert "There is no run of the other arm" in geometry_of_runs(tmp_path).text


def test_no_runs_at_all_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "RUNS", tmp_path / "nothing")
    monkeypatch.setattr(at_hand, "SHIPPED", tmp_path / "none")
    with pytest.raises(ConfigError, match="no trained run in .*none or .*nothing. Train one first.*fourier-lab train"):
        widgets.explore_geometry()


def test_folders_that_cannot_be_used_are_left_out_with_their_reason(tmp_path):
    good = write_run(tmp_path, "learned")
    broken = {
        name: write_run(tmp_path, "fourier", seed=seed).folder
        for seed, name in enumerate(("unfinished", "cut", "bare", "other"))
    }
    (broken["unfinished"] / "metrics.json").unlink()
    weights = broken["cut"] / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    (broken["bare"] / "weights.safetensors").unlink()
    config = json.loads((broken["other"] / "config.json").read_text())
    (broken["other"] / "config.json").write_text(json.dumps({**config, "from_the_future": 1}))
    (tmp_path / "notes").mkdir()  # not a run
    found, problems = at_hand.runs_at_hand([tmp_path])
    assert [record.folder for record in found.values()] == [good.folder]
    reasons = {"unfinished": "no finished run", "cut": "cut short or of another version", "bare": "no weights at"}
    reasons["other"] = "damaged or of another version"
    for name, reason in reasons.items():
        (problem,) = (problem for problem in problems if str(broken[name]) in problem)
        assert reason in problem and problem.endswith(("run again.", "run resumes.", "omit weights."))
    assert len(problems) == 4
    made = geometry_of_runs(tmp_path)
    assert "Run folders left out: " in made.text and "And 1 more." in made.text


def test_a_folder_damaged_after_it_was_found_is_shown_and_the_picture_stays(tmp_path):
    for arm, seed in (("fourier", 0), ("learned", 0), ("fourier", 1), ("learned", 1)):
        write_run(tmp_path, arm, seed=seed)
    made = widgets.explore_geometry(runs=[tmp_path], n_ids=20)
    records, figure, settings = at_hand.runs_at_hand([tmp_path])[0], made.figure, made.settings
    loaded = tokens.compared_with(records, settings["run"])
    nameless, cut = (name for name in records if name not in loaded)  # what has been loaded needs its folder no more
    (records[nameless].folder / "tokenizer.json").unlink()
    (records[cut].folder / "weights.safetensors").write_bytes(b"")
    for name, sentence in {nameless: "no tokenizer.json in ", cut: "cut short or of another version"}.items():
        made.controls["run"].value = name
        assert sentence in made.message and str(records[name].folder) in made.message
        assert made.figure is figure and made.settings == settings


# The whole vocabulary


def test_a_selection_is_listed_and_linked_and_points_move_with_the_tables():
    made = widgets.explore_clouds(TABLES, WORDS, word="w7")
    left, right = made.scene._clouds
    (near,), _ = token_table.nearest_neighbours(TABLES["learned"], [7], k=8)
    assert made.scene.selected.tolist() == [7, *near] == right.selection().tolist()
    assert f"Nearest to 'w7' in learned: {', '.join(WORDS[i] for i in near)}." in made.text
    right.widget.selection = np.array([3, 30], dtype=np.uint32)  # as a lasso in the browser sets it
    assert made.scene.selected.tolist() == [3, 30] and "2 selected: w3, w30." in made.scene._list.value
    right.widget.hovering = 11
    assert left.widget.hovering == 11
    places = projections.project(TABLES["fourier (harmonic)"])
    assert not np.allclose(left.widget.points[:, :2], right.widget.points[:, :2])
    made.controls["left"].value = "fourier (harmonic)"
    for cloud in (left, right):
        np.testing.assert_allclose(cloud.widget.points[:, :2], places / np.abs(places).max() / 1.3, atol=1e-6)
    made.controls["word"].value = "none such"
    assert "is not a word of this vocabulary" in made.message and made.settings["word"] == "w7"


def test_clouds_of_runs_are_their_stages_and_a_figure_without_a_front_end(runs, monkeypatch):
    monkeypatch.setenv("FOURIER_LAB_HEADLESS", "1")
    made = widgets.explore_clouds(runs=[runs])
    assert made.scene is None and not made.controls
    assert {made.settings[side].partition(":")[0] for side in ("left", "right")} == {"learned", "fourier (harmonic)"}
    for ax in made.figure.axes:
        assert len(ax.collections[0].get_offsets()) == V
    made.set(left="fourier (harmonic): after layer 2")
    with pytest.raises(ConfigError, match="unknown table 'after layer 2'"):
        made.set(left="after layer 2")
    with pytest.raises(ConfigError, match="tables is empty"):
        widgets.explore_clouds({})


def test_without_the_package_of_clouds_there_is_a_figure_and_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "jscatter", None)
    made = widgets.explore_clouds(TABLES, WORDS)
    assert "pip install jupyter-scatter" in made.notice and not made.controls and len(made.figure.axes) == 2
