"""Whole figures of the study, and our runs beside published ones."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_up import record

from fourier_lab import paths, plots
from fourier_lab.series import series_name
from fourier_lab.study import beside_paper, comparisons, figures
from fourier_lab.tables import summaries
from fourier_lab.tables.paper import BERT, TABLE_1, TABLE_2
from fourier_lab.training.records import load_records

RECORDS = [
    record(70 + gain + seed, 60 + seed, seed=seed, arm=arm, d_model=256)
    for arm, gain in (("learned", 2), ("fourier", 0))
    for seed in range(3)
]


@pytest.fixture(autouse=True)
def no_open_figures():
    yield
    plt.close("all")


@pytest.fixture
def figures_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "FIGURES", tmp_path)
    return tmp_path


def test_means_and_differences_are_drawn_and_saved_with_their_numbers(figures_folder):
    path = figures.mean_figure(RECORDS, beside_paper.size_name, "04_x/arms", title="Scores", alt="Dots with bars.")
    assert path == figures_folder / "04_x" / "arms.png" and path.stat().st_size > 5000
    rows = path.with_suffix(".csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 2 and "1 x 256" in rows[1]
    assert json.loads(path.with_suffix(".json").read_text())["alt"] == "Dots with bars."
    narrow = [record(68 + seed, 60 + seed, seed=seed, arm="fourier", d_model=128) for seed in range(3)]
    path = figures.difference_figure([*RECORDS, *narrow], "d_model", "256", "04_x/narrow", title="Narrow", alt="Dots.")
    assert "validation,128,fourier (harmonic),-2," in path.with_suffix(".csv").read_text()


def test_the_picture_of_the_idea_holds_test_scores_and_stored_numbers_of_the_records(figures_folder):
    records = load_records(paths.RECORDS / "snli_mnli")
    path = figures.idea_figure(records, "04_x/idea", title="Idea", alt="A table and waves.")
    assert path == figures_folder / "snli_mnli" / "04_x" / "idea.png"
    drawn = pd.read_csv(path.with_suffix(".csv"))
    assert drawn["series"].tolist() == ["learned", "fourier (harmonic)", "fourier (log)", "fourier (random)"] * 2
    for (_, rows), value in zip(
        drawn.groupby("panel", sort=False), (summaries.score("test"), comparisons.MATCHING["SNLI test"]), strict=True
    ):
        for row in rows.itertuples():
            own = [record for record in records if series_name(record.config) == row.series]
            assert row.value == pytest.approx(np.mean([value(record) for record in own])) and row.seeds == len(own) == 3
            assert {row.stored} == {record.metrics["parameters"]["embedding"] for record in own}
            assert row.low < row.value < row.high


def test_a_single_group_names_no_axis(figures_folder, monkeypatch):
    monkeypatch.setattr(plots, "save_figure", lambda figure, *rest, **words: figure)
    labels = {}
    for groups in ("objective", "arm"):  # one value among the records, and two
        figure = figures.mean_figure(RECORDS, groups, "04_x/one", title="One", alt="Dots.")
        labels[groups] = figure.axes[0].get_ylabel()
    assert labels == {"objective": "", "arm": "arm"}


def test_a_table_of_means_says_what_was_lost_from_validation_to_test():
    frame = comparisons.mean_table(RECORDS, beside_paper.size_name, comparisons.DROP)
    assert frame.columns.tolist() == ["group", "model", "validation", "test", "lost"]
    assert frame["model"].tolist() == ["learned", "fourier (harmonic)"]
    assert frame["lost"].tolist() == ["12.0 ± 0.0", "10.0 ± 0.0"] and frame["test"][0] == "61.0 ± 2.5"


def test_rows_of_a_size_stand_beside_the_papers():
    frame = beside_paper.table_1(RECORDS)
    assert frame["model"].tolist() == ["learned", "fourier (harmonic)"]
    assert frame["Spearman validation"].tolist() == ["73.0 ± 2.5", "71.0 ± 2.5"]
    assert frame["paper, Spearman validation"].tolist() == [77.01, 74.93] and frame["paper, minutes"].tolist() == [
        48.48,
        37.88,
    ]


def test_fine_tuned_rows_say_which_split_a_figure_belongs_to():
    frame = beside_paper.table_2(RECORDS).set_index("model")
    assert frame.loc["BERT-Tiny, reported", "Spearman test"] == "73.6"
    assert frame.loc["BERT-Tiny, reported", "Spearman validation"] == "–"
    assert (
        frame.loc["PETE 58k, reported", "Spearman validation"] == "69.5"
        and frame.loc["PETE 58k, reported", "Spearman test"] == "–"
    )


def test_quality_holds_ours_theirs_and_untrained_scores():
    points = beside_paper.quality_by_parameters(RECORDS, "validation")
    assert {"learned", "fourier (harmonic)", "paper, fourier", "paper, learned", "others", "no training"} == set(
        points["series"]
    )
    untrained = points["value"][points["parameters"] == 0]
    np.testing.assert_allclose(untrained, [77.1, 72.5], atol=0.06)
    ax = plots.draw_quality(points, label="Spearman × 100")
    assert ax.get_xscale() == "log" and ax.get_legend() is not None


def test_published_counts_equal_the_architecture():
    # Layer: 16 d² + 15 d; embedding norm and pooler d² + 2 d; the Fourier MLP d² + d; a table 30,522 d.
    for row in TABLE_1:
        d, layers = row.d_model, row.n_layers
        embedding = d * d + d if row.arm == "fourier" else 30_522 * d
        assert row.parameters == layers * (16 * d * d + 15 * d) + d * d + 2 * d + embedding
    for row in TABLE_2:
        d, layers = row.d_model, row.n_layers
        assert row.parameters == (4 + 10 * layers) * d * d + (5 + 12 * layers) * d
    assert {row.split for row in (*TABLE_1, *TABLE_2)} == {"validation"} and {row.split for row in BERT[:3]} == {"test"}
    assert np.isclose(TABLE_1[1].minutes / TABLE_1[0].minutes, 1.28, atol=0.005)
