"""Every draw function: labelled axes, the numbers it was given, the study's colours, and no state left behind."""

import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from fourier_lab import plots
from fourier_lab.errors import DataError
from fourier_lab.geometry import resolution, token_table
from fourier_lab.plots import palette
from fourier_lab.study import bake_off

LAGS = np.arange(1, 50)
WORDS = [f"w{number}" for number in range(60)]
TABLES = {"learned": np.random.default_rng(0).normal(size=(60, 8)), "fourier (random)": np.eye(60, 8) + 0.1}
SCORES = {
    "group": ["frequency", "frequency", "random", "random"],
    "series": ["fourier (harmonic)", "learned"] * 2,
    "value": [40.0, 60.0, 41.0, 59.0],
    "low": [38.0, 58.0, 39.0, 57.0],
    "high": [42.0, 62.0, 43.0, 61.0],
    "seeds": [3] * 4,
    "pairs": [2000] * 4,
    "interval": ["95 % t interval over seeds"] * 4,
    "parameters": [300_000, 4_000_000] * 2,
}
BUDGETS = {
    "series": ["table", "bloom", "bloom", "random"],
    "stored_bits": [250_000_000, 2_113_600, 8_400_000, 2_113_536],
    **{key: SCORES[key] for key in ("value", "low", "high")},
}
KERNEL = resolution.stack(
    {
        name: {"lag": LAGS, "cosine": resolution.cosine_kernel(frequencies, 100, LAGS)}
        for name, frequencies in {"harmonic": [1, 2, 3], "random": [3, 17, 40]}.items()
    }
)
CURVES = resolution.stack(
    {
        name: {"seed": np.repeat([0, 1], 5), "step": np.tile(np.arange(5), 2), "value": np.arange(10.0) + start}
        for name, start in {"fourier (harmonic)": 0, "learned": 3}.items()
    }
)
PLANE = {"x": [0.0, 1.0, 2.0], "y": [0.0, 1.0, 0.5], "colour": [1, 2, 3], "word": ["", "cat", ""]}

DRAWINGS = {
    "features": lambda ax: plots.draw_features(resolution.feature_columns([5, 9], np.eye(2, 4)), ax=ax),
    "kernel": lambda ax: plots.draw_kernel(KERNEL, cell=12.0, dots="random", log_lag=True, legend="above", ax=ax),
    "distance": lambda ax: plots.draw_distance({"series": ["d = 8"] * 2, "lag": [1, 2], "distance": [0.1, 0.2]}, ax=ax),
    "cells": lambda ax: plots.draw_cells({"series": ["d = 2"] * 2, "cells": [1, 2], "mass": [0.7, 1.0]}, ax=ax),
    "conditioning": lambda ax: plots.draw_conditioning(
        {"basis": ["fourier", "hermite"], "d_model": [16, 16], "condition": [1.0, 1e15], "at_least": [False, True]},
        ax=ax,
    ),
    "precision": lambda ax: plots.draw_precision(resolution.phase_errors([1, 2, 4], 100), ax=ax),
    "curves": lambda ax: plots.draw_curves(CURVES, label="loss (nats)", ax=ax),
    "scores": lambda ax: plots.draw_scores(SCORES, label="Spearman × 100", ax=ax),
    "parameters": lambda ax: plots.draw_parameters(SCORES, label="Spearman × 100", ax=ax),
    "budgets": lambda ax: plots.draw_budgets(BUDGETS, label="Spearman × 100", ax=ax, floor=("bag of tokens", 50.0)),
    "quantity": lambda ax: plots.draw_quantity(
        {"series": ["learned", "learned", "fourier"], "value": [3.0, 5.0, 2.0]},
        label="time (s)",
        reference=4.0,
        reference_label="budget",
        ax=ax,
    ),
    "spectrum": lambda ax: plots.draw_spectrum(
        resolution.stack({name: token_table.id_spectrum(table) for name, table in TABLES.items()}), cutoff=4, ax=ax
    ),
    "spectrum total": lambda ax: plots.draw_spectrum(
        resolution.stack({name: token_table.id_spectrum(table) for name, table in TABLES.items()}), total=True, ax=ax
    ),
    "singular values": lambda ax: plots.draw_singular_values(
        {"series": ["learned"] * 2, "rank": [1, 2], "share": [0.7, 0.3]}, ax=ax
    ),
    "cosines": lambda ax: plots.draw_cosines(
        resolution.stack({name: token_table.pair_cosines(table) for name, table in TABLES.items()}), width=8, ax=ax
    ),
    "projection": lambda ax: plots.draw_projection(PLANE, method="pca", colour_label="token id", ax=ax),
    "projection of classes": lambda ax: plots.draw_projection(
        {**PLANE, "colour": ["agent", "object", "agent"]}, method="tsne", colour_label="role", ax=ax
    ),
    "neighbours": lambda ax: plots.draw_neighbours(token_table.neighbour_table(TABLES, WORDS, ["w3", "w4"]), ax=ax),
}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize("name", DRAWINGS)
def test_axes_are_labelled_and_nothing_global_changes(name):
    before = dict(mpl.rcParams)
    figure, ax = plt.subplots()
    drawn = DRAWINGS[name](ax)
    figure.canvas.draw()
    assert drawn is ax and plt.get_fignums() == [figure.number]
    assert ax.get_xlabel() and ax.get_ylabel()
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", DRAWINGS)
def test_without_axes_a_figure_of_house_width_is_made(name):
    ax = DRAWINGS[name](None)
    assert ax.figure.get_figwidth() == pytest.approx(7.2)
    assert ax.xaxis.label.get_fontsize() == 9


@pytest.mark.parametrize("name", DRAWINGS)
def test_labels_name_a_unit_only_where_there_is_one(name):
    ax = DRAWINGS[name](None)
    said = f"{ax.get_xlabel()} {ax.get_ylabel()}"
    assert not re.search(r"\((dimensionless|count|index|ids|rank|in order)\)", said)
    if name in ("cells", "precision", "spectrum"):
        assert re.search(r"\((%|cycles [^)]*)\)", said)


def test_lines_hold_the_numbers_given_and_the_colours_of_the_study():
    ax = plots.draw_kernel(KERNEL)
    lines = {line.get_label(): line for line in ax.lines}
    for name in ("harmonic", "random"):
        np.testing.assert_array_equal(lines[name].get_xdata(), LAGS)
        np.testing.assert_array_equal(lines[name].get_ydata(), KERNEL["cosine"][KERNEL["series"] == name])
        assert to_hex(lines[name].get_color()).upper() == palette.FREQUENCY_COLOURS[name]


def test_curves_show_mean_and_range_over_seeds():
    ax = plots.draw_curves(CURVES, label="loss (nats)")
    line = next(line for line in ax.lines if line.get_label() == "learned, 2 seeds")
    np.testing.assert_allclose(line.get_ydata(), 3 + np.arange(5) + 2.5)
    assert to_hex(line.get_color()).upper() == palette.ARM_COLOURS["learned"]
    band = ax.collections[1].get_paths()[0].get_extents()
    assert (band.y0, band.y1) == (3, 12)


def test_curves_leave_missing_values_out():
    data = {"series": ["a"] * 4, "seed": [0] * 4, "step": [1, 2, 3, 4], "value": [np.nan, 2.0, np.nan, 4.0]}
    (line,) = plots.draw_curves(data, label="validation loss (nats)").lines
    assert line.get_xdata().tolist() == [2, 4]


def test_series_stand_at_their_number_of_parameters_unless_they_share_it():
    sizes = {"learned": 4_000_000, "fourier (harmonic)": 300_000, "fourier (random)": 300_000}
    data = {
        "series": [*sizes],
        "parameters": [*sizes.values()],
        "value": [1.0, 2.0, 3.0],
        "low": [0.5] * 3,
        "high": [4.0] * 3,
    }
    ax = plots.draw_parameters(data, label="Spearman × 100")
    learned, *shared = (bar[0].get_xdata()[0] for bar in ax.containers)
    assert learned == 4_000_000
    assert shared[0] < 300_000 < shared[1] and np.prod(shared) == pytest.approx(300_000**2)


def test_lines_over_stored_bits_stand_apart_where_sizes_are_nearly_the_same():
    ax = plots.draw_budgets(BUDGETS, label="Spearman × 100", floor=("bag of tokens", 50.0))
    table, bloom, random = (bar[0].get_xdata() for bar in ax.containers)
    assert table.tolist() == [250_000_000] and len(bloom) == 2 and bloom[1] == 8_400_000
    assert bloom[0] < 2_113_536 < random[0] and random[0] / bloom[0] < 1.3
    (line,) = [line for line in ax.lines if line.get_label() == "bag of tokens"]
    assert list(line.get_ydata()) == [50.0, 50.0] and ax.get_xscale() == "log"


def test_scores_state_n_and_what_the_bars_are():
    label = plots.draw_scores(SCORES, label="Spearman × 100").get_xlabel()
    assert "95 % t interval over seeds" in label and "2,000 pairs, 3 seeds" in label


ENDING = {"series": ["low", "high", "low, too", "off"] * 2, "seed": [0] * 8, "step": [1] * 4 + [2] * 4,
          "value": [1.0, 9.0, 1.1, 0.9, 1.0, 9.0, 1.1, 1.05]}  # fmt: skip


def test_lines_are_named_where_they_end_in_their_order_apart_and_in_their_colours():
    figure, ax = plots.new_figure()
    plots.draw_curves(ENDING, label="loss", ax=ax)
    names = sorted(ax.texts, key=lambda text: text.xy[1])
    assert [text.get_text().split(", 1")[0] for text in names] == ["low", "off", "low, too", "high"]
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in names]
    assert all(below.y1 <= above.y0 for below, above in zip(boxes, boxes[1:], strict=False))
    assert all(box.x0 > ax.get_window_extent().x1 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert ax.get_legend() is None and all(0 <= text.xy[1] <= 1 for text in names[1:])
    hues = [np.argsort(mpl.colors.to_rgb(text.get_color())).tolist() for text in ax.texts]
    assert hues == [np.argsort(mpl.colors.to_rgb(line.get_color())).tolist() for line in ax.lines]


def test_beside_other_panels_lines_have_a_legend():
    _, (left, right) = plots.new_figure(1, 2)
    for ax in (left, right):
        assert not plots.draw_curves(ENDING, label="loss", ax=ax).texts and ax.get_legend() is not None


ONE_GROUP = {key: values[:2] for key, values in SCORES.items()}  # the group "frequency" alone


@pytest.mark.parametrize(("data", "named"), [(SCORES, ["frequency", "random"]), (ONE_GROUP, [])], ids=["two", "one"])
@pytest.mark.parametrize("draw", [plots.draw_scores, plots.draw_differences, plots.draw_means])
def test_a_single_group_is_no_axis(draw, data, named):
    ax = draw(data, label="Spearman × 100")
    axis = ax.xaxis if draw is plots.draw_scores else ax.yaxis
    assert [tick.get_text() for tick in axis.get_ticklabels()] == named and len(axis.get_ticklocs()) == len(named)
    assert ("id order" in ax.get_xlabel()) == (draw is plots.draw_scores and bool(named))
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"fourier (harmonic)", "learned"}


def test_the_idea_reads_the_waves_at_the_id_and_counts_what_is_stored():
    figure, above, (below,) = plots.new_idea(["score"])
    plots.draw_idea({"learned": 3000, "fourier": 250}, above, word="cat", token_id=25, vocab_size=101)
    words = [text.get_text() for text in above.texts]
    assert words.count("“cat”\nid 25") == 2
    assert "stores 3,000 numbers" in words and "stores 250 numbers, 12 times fewer" in words
    waves = [line for line in above.lines if len(line.get_xdata()) == 200]
    dots = [line for line in above.lines if to_hex(line.get_color()).upper() == palette.ARM_COLOURS["fourier"]]
    dots = [line for line in dots if len(line.get_xdata()) == 1]
    assert len(waves) == len(dots) == 4
    for number, (wave, dot) in enumerate(zip(waves, dots, strict=True), start=1):
        (x,), (y,) = dot.get_data()
        assert x == pytest.approx(np.quantile(wave.get_xdata(), 0.25))
        assert y == pytest.approx(np.interp(x, *wave.get_data()), abs=0.01)
        middle, height = np.mean(wave.get_ydata()), np.ptp(wave.get_ydata()) / 2
        assert (y - middle) / height == pytest.approx(np.sin(number * np.pi * -0.5), abs=0.02)  # x(p) = -1/2


def test_ranks_are_measured_against_the_first_row():
    columns = {key: values[:2] for key, values in SCORES.items()} | {"name": ["waves", "table"]}
    _, _, (ax,) = plots.new_idea(["score"])
    plots.draw_ranks(columns, label="Spearman × 100", ax=ax)
    assert ax.lines[0].get_xdata() == [40.0, 40.0] and "3 trainings" in ax.get_xlabel()
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["waves", "table"]
    assert [text.get_text() for text in ax.texts] == ["40.0", "60.0"]
    assert [to_hex(text.get_color()).upper() for text in ax.texts] == [*palette.ARM_COLOURS.values()]


def test_numbers_beyond_float64_are_held_at_the_limit_and_hollow():
    ax = DRAWINGS["conditioning"](None)
    filled, hollow, _limit = ax.lines
    assert filled.get_xdata().tolist() == [1] and hollow.get_xdata().tolist() == [1e15]
    assert "geq 10^{15}" in _limit.get_label()
    assert str(hollow.get_markerfacecolor()) == "none" != str(filled.get_markerfacecolor())


def test_tsne_says_what_it_does_not_show():
    assert "carry no meaning" in DRAWINGS["projection of classes"](None).get_xlabel()


def test_a_data_frame_draws_the_same_picture():
    first, second = (plots.draw_kernel(data).lines[1].get_ydata() for data in (KERNEL, pd.DataFrame(KERNEL)))
    np.testing.assert_array_equal(first, second)


def test_one_colour_per_arm_and_frequency_set():
    assert palette.colour_of("fourier (random)") == palette.colour_of("random, 3 seeds")
    assert palette.colour_of("fourier (period 127)") == palette.FREQUENCY_COLOURS["period"]
    assert palette.colour_of("learned") == palette.ARM_COLOURS["learned"] != palette.colour_of("fourier")
    assert palette.colour_of("fourier (harmonic, geglu)") == palette.ARM_COLOURS["fourier"]
    assert palette.colour_of("Fourier, random") == palette.colour_of("fourier (random)")
    assert palette.colour_of("table") == palette.colour_of("learned") and palette.marker_of("table", 3) == "o"
    assert set(palette.FAMILY_LOOKS) == set(bake_off.FAMILIES)
    assert palette.colour_of("d = 64") is None
    # Two series that would share a colour get a ramp instead.
    assert len(set(map(str, palette.colours_of(["fourier", "harmonic"])))) == 2
    assert len(set(palette.class_colours(8))) == 8 and len(palette.class_colours(20)) == 20


def test_arms_stay_apart_for_colour_blind_readers():
    # Luminance differs, so that the arms differ even in grey.
    red, green, blue = np.array([mpl.colors.to_rgb(c) for c in palette.ARM_COLOURS.values()]).T
    first, second = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert abs(first - second) > 0.05


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"series": ["a"], "lag": [1]}, "columns cosine are missing; got series, lag"),
        ({"series": ["a"], "lag": [1, 2], "cosine": [1, 2]}, "one length above 0"),
        ({"series": [], "lag": [], "cosine": []}, "one length above 0"),
    ],
)
def test_wrong_columns_are_named(data, message):
    with pytest.raises(DataError, match=message):
        plots.draw_kernel(data)


def test_an_incomplete_grid_is_refused():
    with pytest.raises(DataError, match="3 values do not fill 2 ids x 2 columns"):
        plots.draw_features({"token_id": [1, 1, 2], "column": [0, 1, 0], "value": [0, 0, 0]})
