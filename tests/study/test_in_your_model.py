"""Shipped encoders are those of their records, chosen without a similarity score, and as small as their names say."""

import json

import numpy as np
import pytest

from fourier_lab import SentenceEncoder, paths
from fourier_lab.models.pretrained import shipped_encoders
from fourier_lab.series import varying_settings
from fourier_lab.study import bake_off, in_your_model
from fourier_lab.training.records import load_records

RUNS, SEARCH = (load_records(paths.RECORDS / name) for name in ("shipped", "shipped_search"))
DISTILLED, DISTILLED_NAME = load_records(paths.RECORDS / "distilled_wide"), "fourier-1m-distilled"
EACH = pytest.mark.parametrize("name", [*in_your_model.SIZES, DISTILLED_NAME])


@EACH
def test_an_encoder_is_that_of_its_record_and_stores_no_more_than_its_name_says(name):
    encoder = SentenceEncoder.from_pretrained(name)
    runs = DISTILLED if name == DISTILLED_NAME else RUNS
    (record,) = [run for run in runs if run.config.seed == 0 and name.startswith(in_your_model.size_name(run.config))]
    assert encoder.config == record.config.model(encoder.config.vocab_size)
    numbers = sum(p.numel() for p in encoder.parameters())
    most = in_your_model.SIZES[name.removesuffix("-distilled")]
    assert 0.98 * most < numbers <= most
    assert (paths.SHIPPED_ENCODERS / name / "model.safetensors").stat().st_size <= 4_000_000
    settings = json.loads((paths.SHIPPED_ENCODERS / name / "config.json").read_text())
    assert settings["vocabulary"] == record.metrics["data"]["vocabulary"]
    card = (paths.SHIPPED_ENCODERS / name / "README.md").read_text()
    assert record.config.digest() in card and f"| {record.score('test'):.1f} |" in card and "cc-by-sa-4.0" in card


@EACH
def test_an_encoder_knows_what_is_alike(name):
    texts = ["A man is playing a guitar.", "Someone plays music on a guitar.", "The stock market fell on Monday.", ""]
    vectors = SentenceEncoder.from_pretrained(name).encode(texts, normalize=True)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2] and np.isfinite(vectors).all()


def test_settings_were_chosen_by_held_out_pairs_alone():
    assert {*shipped_encoders()} == {*in_your_model.SIZES, DISTILLED_NAME} and {run.config.seed for run in SEARCH} == {
        100
    }
    for name, best in in_your_model.chosen(SEARCH).items():
        runs = [run.config for run in RUNS if in_your_model.size_name(run.config) == name]
        assert {config.seed for config in runs} == {0, 1, 2}
        assert varying_settings([best.config.replace(seed=0), *(config.replace(seed=0) for config in runs)]) == []
        rivals = [run for run in SEARCH if in_your_model.size_name(run.config) == name]
        assert all(in_your_model.judged(best) >= in_your_model.judged(run) for run in rivals) and len(rivals) >= 3


def test_points_over_the_bag_are_those_of_the_records():
    frame = in_your_model.over_bag(RUNS, "shipped")
    assert {*frame.index} == {*in_your_model.SIZES} and [*frame.columns] == [*bake_off.MEASURES]
    three = [row.split()[0] for row in frame[bake_off.THREE_SETS]]
    title = f"From {three[0]} to {three[-1]} points over an untrained idf bag ({bake_off.THREE_SETS})"
    assert in_your_model.bag_headline(RUNS, "shipped") == title
    runs = [run for run in RUNS if in_your_model.size_name(run.config) == "fourier-100k"]
    mean = np.mean([run.score("test") for run in runs])
    assert frame.loc["fourier-100k", "STS-B test"].startswith(
        f"{mean - bake_off.idf_floor('shipped')[1]['STS-B test']:+.1f} ±"
    )


def test_tiny_models_of_transformers_come_back_with_the_same_numbers():
    frame = in_your_model.tiny_models(2)
    assert frame.equals(in_your_model.tiny_models(2))  # drawn alike
    assert len(frame) == 6 and (frame["after loading"] == 0).all() and (frame["first loss"] > 8).all()
    for model, table in frame.xs("table", level="embedding").iterrows():
        both = frame.loc[(model, "random waves on both sides")]
        assert both["numbers"] < 0.3 * table["numbers"]
    assert frame.attrs["source"].startswith(("measured now", "committed ones"))
