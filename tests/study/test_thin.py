"""Thin feed-forwards: what a token computes is counted, and told and drawn as the records hold it."""

import numpy as np
import pytest
from made_up import record

from fourier_lab import RunConfig, paths
from fourier_lab.errors import RecordError
from fourier_lab.models.sentence_encoder import SentenceEncoder
from fourier_lab.study import thin
from fourier_lab.training.records import load_records

TIMES = {"rows": [{"detail": {
    "widths": [64, 128], "tokens": 8, "seconds": {"dense": [1.0, 4.0], "low rank, 32 %": [2.0, 1.6]},
    "dense_dearer_from": {"low rank, 32 %": 90.0},
}}]}  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, "dense, GeGLU"),
        ({"feed_forward": 0.5, "n_layers": 3}, "dense, GeGLU"),
        ({"feed_forward": "relu"}, "dense, ReLU"),
        ({"feed_forward": "low_rank", "feed_forward_options": {"rank": 4}}, "low rank"),
    ],
)
def test_a_token_computes_all_of_what_is_not_read_in_part(settings, kind):
    config = RunConfig(vocab_size=50, d_model=16, **settings)
    blocks = SentenceEncoder(config.model(50)).blocks
    size = sum(p.numel() for block in blocks for p in block.feed_forward.parameters())
    assert thin.computed(config) == size and thin.kind(config) == kind


def test_cells_that_are_not_read_are_not_counted_and_a_guide_is_not():
    config = RunConfig(
        d_model=16, feed_forward="memory", feed_forward_options={"block": 8, "top": 2, "selector": "ids"}
    )
    assert thin.kind(config) == "cells by ids" and thin.computed(config) == 2 * 16 * 16 + 16 + 16
    options = {"rank": 4, "guided_steps": 10}
    guided = RunConfig(d_model=16, feed_forward="low_rank", feed_forward_options=options)
    alone = guided.replace(feed_forward_options={"rank": 4})
    assert thin.kind(guided) == "low rank, guided" and thin.computed(guided) == thin.computed(alone)


def test_lines_and_title_are_means_of_the_records():
    records = [
        record(50 + rise + seed, 40 + rise + seed, seed=seed, d_model=16, **settings)
        for rise, settings in (
            (9, {}),
            (3, {"feed_forward": 1.0}),
            (6, {"feed_forward": "low_rank", "feed_forward_options": {"rank": 4}}),
        )
        for seed in range(3)
    ]
    columns = thin.thin_columns(records)
    assert columns["series"].tolist() == ["dense, GeGLU", "dense, GeGLU", "low rank"]
    assert columns["value"].tolist() == [44, 50, 47] and columns["computed"][0] < columns["computed"][1]
    share = 100 * columns["computed"][2] / columns["computed"][1]
    assert thin.headline(records) == f"Best below two thirds of the numbers: low rank, -3.0 points for {share:.0f} %"
    assert thin.told(records)[0].startswith(f"dense, GeGLU, {columns['computed'][0]:,} numbers: test 44.0 ±")


def test_times_are_told_as_they_were_measured(monkeypatch, tmp_path):
    assert thin.told_times(TIMES) == ["low rank, 32 %: 2.5 times as fast at d = 128, faster from d = 90 on"]
    assert thin.time_headline(TIMES) == "Low rank, 32 %, is faster from d = 90 on: 2.5 times at d = 128"
    detail = thin.read_times()["rows"][0]["detail"]
    assert all(len(times) == len(detail["widths"]) for times in detail["seconds"].values())
    monkeypatch.setattr(paths, "RECORDS", tmp_path)
    with pytest.raises(RecordError, match="Run: fourier-lab bench feed_forward --out"):
        thin.read_times()


def test_the_shipped_records_are_three_seeds_of_each_kind():
    records = load_records(paths.RECORDS / "thin_feed_forwards")
    assert {thin.kind(each.config) for each in records} == {
        "dense, GeGLU", "dense, ReLU", "low rank", "low rank, guided",
        *(f"cells by {selector}" for selector in ("average", "router", "ids", "random")),
    }  # fmt: skip
    assert np.unique([each.config.seed for each in records], return_counts=True)[1].tolist() == [14, 14, 14]
