"""What the pages are given says the same as the library, and says so where there is nothing."""

from fourier_lab.errors import ConfigError
from fourier_lab.site import page_data
from fourier_lab.tables.points import pooled_value, quantities, read_points
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
