"""Blocks of cells are told and drawn against a dense feed-forward of as many cells as they read."""

from dataclasses import replace

import pytest
from made_up import record

from fourier_lab import paths
from fourier_lab.study import cells

RELU = {"feed_forward": "relu", "d_model": 16}
MEMORY = {"feed_forward": "memory", "d_model": 16}


def language_record(bits, **changes):
    made = record(0, 0, objective="language_model", head="tied", **changes)
    return replace(
        made, metrics=made.metrics | {"scores": {each: {"bits_per_byte": bits} for each in ("validation", "test")}}
    )


RECORDS = [
    language_record(bits + 0.01 * seed, seed=seed, **settings)
    for bits, settings in (
        (2.0, RELU | {"feed_forward_options": {"ratio": 1.0}}),
        (1.9, RELU | {"feed_forward_options": {"ratio": 4.0}}),
        (1.8, MEMORY | {"feed_forward_options": {"block": 4, "top": 4, "selector": "ids"}}),
        (2.1, MEMORY | {"feed_forward_options": {"block": 1, "top": 16, "selector": "ids"}}),
        (2.0, MEMORY | {"feed_forward_options": {"block": 4, "top": 4, "selector": "router"}}),
    )
    for seed in range(3)
]


def test_each_is_compared_with_the_dense_one_of_as_many_cells():
    found = cells.percent(RECORDS)
    assert list(found) == [
        "dense, 64 cells", "cells by ids, blocks of 4", "cells by ids, blocks of 1", "cells by router, blocks of 4",
    ]  # fmt: skip
    assert found["cells by ids, blocks of 4"][0] == pytest.approx(-9.95, abs=0.01)  # -10, -9.95 and -9.9
    columns = cells.cells_columns(RECORDS)
    assert columns["series"].tolist() == ["cells by ids", "cells by ids", "cells by router"]
    assert columns["block"].tolist() == [1, 4, 4]
    assert columns["value"].tolist() == pytest.approx([4.98, -9.95, 0], abs=0.01)


def test_title_and_lines_are_of_the_records(monkeypatch, tmp_path):
    assert cells.headline(RECORDS) == "Cells by ids, in blocks of 4: -10.0 % bits per byte"
    assert cells.told(RECORDS)[3] == "cells by router, blocks of 4: +0.0 ± 0.0 % on test, +0.0 ± 0.0 % on validation"
    monkeypatch.setattr(paths, "FIGURES", tmp_path)
    drawn = cells.cells_figure(RECORDS, "x/cells", title="Cells", alt="Bits by block.")
    assert drawn.is_file() and "dense, 64 cells" in drawn.with_suffix(".svg").read_text()
