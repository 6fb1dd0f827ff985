"""Saved figures: four files that agree, the same bytes on every rebuild, nothing lost on failure."""

import hashlib
import json
import os
import subprocess
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from fourier_lab import RunConfig, paths, plots, provenance
from fourier_lab.errors import ConfigError, DataError

DATA = {"series": ["harmonic"] * 3, "lag": [0, 1, 2], "cosine": [1.0, 0.5, 1 / 3]}
WORDS = {"title": "A kernel", "alt": "A line that falls."}
CONFIG = RunConfig(seed=3)

REBUILD = """
import sys
from pathlib import Path
from fourier_lab import RunConfig, paths, plots
from fourier_lab.geometry import projections
import numpy as np
paths.FIGURES = Path(sys.argv[1])
rows = np.random.default_rng(0).normal(size=(60, 8))
x, y = projections.project(rows, "tsne").T
data = {"x": x, "y": y, "colour": np.arange(60)}
fig, axes = plots.new_figure(1, 2, titles=["one", "two"])
for ax in axes:
    plots.draw_projection(data, method="tsne", ax=ax, colour_label="token id")
plots.save_figure(fig, "00_test/plane", data, RunConfig(), title="t", alt="a")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "FIGURES", tmp_path / "figures")
    monkeypatch.delenv("FOURIER_LAB_NOTEBOOK", raising=False)
    yield tmp_path / "figures"
    plt.close("all")


def save(name="01_test/kernel", data=DATA, config=CONFIG, **words):
    return plots.save_figure(plots.draw_kernel(DATA).figure, name, data, config, **{**WORDS, **words})


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def test_four_files_agree_with_each_other(folder):
    png = save()
    assert png == folder / "01_test" / "kernel.png"
    assert sorted(path.name for path in png.parent.iterdir()) == [f"kernel.{e}" for e in ("csv", "json", "png", "svg")]
    table = pd.read_csv(png.with_suffix(".csv"))
    assert table.columns.tolist() == list(DATA) and np.allclose(table["cosine"], DATA["cosine"], atol=1e-9)
    record = json.loads(png.with_suffix(".json").read_text())
    assert (record["title"], record["alt"], record["notebook"]) == ("A kernel", "A line that falls.", "01_test")
    assert record["config"] == CONFIG.to_dict() and record["digest"] == CONFIG.digest() and record["seed"] == 3
    assert record["versions"]["matplotlib"] == mpl.__version__ and record["commit"] == provenance.commit()
    for ending, expected in record["sha256"].items():
        assert hashlib.sha256(png.with_suffix(f".{ending}").read_bytes()).hexdigest() == expected


def test_saving_twice_gives_the_same_bytes(folder):
    save()
    first = contents(folder)
    save()
    assert contents(folder) == first
    figure = plots.draw_kernel(DATA).figure
    for _ in range(2):  # also the same figure, whose stamp must not pile up
        plots.save_figure(figure, "01_test/kernel", DATA, CONFIG, **WORDS)
    assert contents(folder) == first


def test_another_process_gives_the_same_bytes(tmp_path, monkeypatch):
    here, there = tmp_path / "here", tmp_path / "there"
    monkeypatch.setattr(sys, "argv", ["-c", str(here)])
    exec(REBUILD, {})
    environment = {**os.environ, "PYTHONHASHSEED": "2", "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", REBUILD, there], check=True, env=environment)
    assert contents(there) == contents(here) and len(contents(here)) == 4


def test_no_file_holds_a_date_or_program(folder):
    png = save()
    assert b"<dc:date>" not in png.with_suffix(".svg").read_bytes()
    assert b"Software" not in png.read_bytes() and b"Creation" not in png.read_bytes()


def test_alternative_text_travels_in_the_pictures(folder):
    png = save()
    assert b"A line that falls." in png.read_bytes() and b"A line that falls." in png.with_suffix(".svg").read_bytes()


def test_the_picture_bears_title_and_stamp():
    figure = plots.draw_kernel(DATA).figure
    plots.save_figure(figure, "01_test/kernel", DATA, CONFIG, **WORDS)
    assert figure.get_suptitle() == "A kernel"
    _title, stamp = figure.texts
    assert stamp.get_text() == f"fourier_lab {provenance.version()} · {CONFIG.digest()} · seed 3"
    assert stamp.get_fontsize() == 6
    figure.canvas.draw()
    assert stamp.get_window_extent().y1 <= figure.axes[0].get_tightbbox().y0  # below the axis label, not on it


def test_a_readers_matplotlibrc_does_not_matter(folder):
    save()
    first = contents(folder)
    with mpl.rc_context({"font.size": 20, "savefig.dpi": 30, "svg.hashsalt": "other", "axes.facecolor": "black"}):
        save()
    assert contents(folder) == first


def test_the_commit_stays_while_the_bytes_do(folder, monkeypatch):
    record = save().with_suffix(".json")
    first = record.read_text()
    monkeypatch.setattr(provenance, "commit", lambda: "0" * 40)
    save()
    assert record.read_text() == first
    save(title="Another title")
    assert json.loads(record.read_text())["commit"] == "0" * 40
    record.write_text("{damaged")
    save()
    assert json.loads(record.read_text())["title"] == "A kernel"


def test_real_text_has_its_own_folder(folder):
    config = RunConfig(corpus="snli+mnli", source="folder")
    assert save(config=config) == folder / "snli_mnli" / "01_test" / "kernel.png"


def test_the_notebook_may_come_from_the_environment(folder, monkeypatch):
    with pytest.raises(ConfigError, match="names no notebook. Write '01_frequency_bases/kernel'"):
        save("kernel")
    monkeypatch.setenv("FOURIER_LAB_NOTEBOOK", "02_other")
    assert save("kernel") == folder / "02_other" / "kernel.png"
    assert save() == folder / "01_test" / "kernel.png"
    monkeypatch.setenv("FOURIER_LAB_NOTEBOOK", "01_test-small")
    assert save() == folder / "01_test-small" / "kernel.png"


@pytest.mark.parametrize("name", ["../out/kernel", "a/b/kernel", "01_test/", "01_test/ker nel", "/etc/kernel"])
def test_odd_names_are_refused(name, folder):
    with pytest.raises(ConfigError, match="figure name"):
        save(name)
    assert not folder.exists()


def test_a_figure_without_a_configuration_says_only_the_version(folder):
    record = json.loads(save(config=None).with_suffix(".json").read_text())
    assert record["config"] is record["digest"] is record["seed"] is None


@pytest.mark.parametrize("data", [{}, {"a": []}, {"a": [1, 2], "b": [1]}])
def test_unequal_or_empty_columns_are_refused(data, folder):
    with pytest.raises(DataError, match="one length above 0"):
        save(data=data)
    assert not folder.exists()


def test_a_full_disk_leaves_the_old_files_whole(folder, monkeypatch):
    save()
    first = contents(folder)

    def full(path, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        save(title="Another title")
    assert contents(folder) == first


def test_panel_titles_match_the_panels():
    figure, axes = plots.new_figure(1, 2, titles=["left", "right"])
    assert [ax.get_title(loc="left") for ax in axes] == ["left", "right"]
    with pytest.raises(ValueError, match="shorter"):
        plots.new_figure(1, 2, titles=["left"])
