"""What the pages are given says the same as the library, and says so where there is nothing."""

import subprocess
import sys

import pytest
import torch

from fourier_lab import fourier_basis, paths
from fourier_lab.errors import ConfigError
from fourier_lab.geometry import token_table
from fourier_lab.geometry.stages import BASIS, stage_names
from fourier_lab.series import series_name
from fourier_lab.site import page_data
from fourier_lab.site.clouds import NEAR, read_whole_vocabulary
from fourier_lab.site.explorers import explorer_page
from fourier_lab.tables.points import pooled_value, quantities, read_points
from fourier_lab.training.records import load_record
from fourier_lab.widgets.results import _number


def test_every_point_has_the_numbers_of_its_records():
    found, _ = read_points()
    known, given = quantities(found), page_data.points()
    assert [point["name"] for point in given["points"]] == [point.name for point in found]
    for point, told in zip(found, given["points"], strict=True):
        for name, quantity in known.items():
            *ends, seeds = pooled_value(point, quantity)
            assert (name in told["values"]) == (ends[0] == ends[0])  # nan is not itself
            for end, shown in zip(ends, told["values"].get(name, ()), strict=False):
                assert shown is None if end != end else _number(shown) == _number(end), (point.name, name)
            assert seeds in (0, told["seeds"])


def test_without_records_the_page_says_what_to_do(monkeypatch):
    def none():
        raise ConfigError("there is no record. Train runs.")

    monkeypatch.setattr(page_data, "read_points", none)
    assert page_data.points() == {"quantities": {}, "points": [], "skipped": ["there is no record. Train runs."]}


def test_the_whole_vocabulary_is_that_of_committed_records_and_its_waves_are_the_librarys():
    words, views = read_whole_vocabulary()
    assert len(words) == 30522 and words[101] == "[CLS]" and len({view.name for view in views}) == len(views)
    for view in views:
        (config, *_) = [load_record(folder).config for folder in paths.RECORDS.glob(f"*/{view.digest}-*")]
        series, stage = view.name.split(f" of {len(words):,}: ")
        assert series == series_name(config) and stage in stage_names(config.model(len(words)))
        assert view.places.shape == (len(words), 2) and abs(view.places.astype(int)).max() == 32767
        if stage == BASIS:
            basis = fourier_basis(torch.arange(len(words)), len(words), config.d_model, config.frequencies)
            near, _ = token_table.nearest_neighbours(basis, asked := [0, 2000, 30521], k=NEAR)
            for own, right in zip(view.near[asked].tolist(), near.tolist(), strict=True):
                assert set(own) == set(right)  # ids at equal distances come in any order


def test_a_page_that_needs_no_other_file_is_made_without_torch():
    code = """
import sys
from fourier_lab.site.explorers import EXPLORERS, explorer_page
for name in ("basis", "release"):
    page = explorer_page(name)
    assert EXPLORERS[name].title in page and "src=" not in page.partition("<script>")[0]
    # Of words with a sign that could end a script, none is left as it is.
    assert page.count("</script>") == len(EXPLORERS[name].scripts) and "</main>" in page
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_page_whose_data_are_large_does_not_stand_alone():
    with pytest.raises(ConfigError, match="no page 'train' stands alone. Choose from basis, release."):
        explorer_page("train")
