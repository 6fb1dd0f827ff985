"""What the lessons on language models tell is what their records hold."""

import numpy as np
import pytest

from fourier_lab.embeddings.basis import frequency_set
from fourier_lab.geometry.resolution import margin_columns
from fourier_lab.paths import RECORDS
from fourier_lab.study import language
from fourier_lab.training.records import load_records

AGAINST = "learned -> tied"


@pytest.fixture(scope="module")
def records():
    return load_records(RECORDS / "language_model")


def test_a_price_is_the_mean_over_seeds_of_percent_of_bits(records):
    frame = language.prices(records, AGAINST)
    assert {*frame.index} == {language.name_of(record) for record in records} - {AGAINST}
    by_name = {}
    for record in records:
        by_name.setdefault(language.name_of(record), {})[record.config.seed] = record.bits_per_byte("test")
    for name, row in frame.iterrows():
        percent = [100 * by_name[name][seed] / bits - 100 for seed, bits in by_name[AGAINST].items()]
        assert row["percent more"].startswith(f"{np.mean(percent):+.1f} ±")
    few = next(record for record in records if language.name_of(record) == "learned -> fourier")
    assert frame.loc["learned -> fourier", "output"] == f"{few.metrics['parameters']['head']:,}"


def test_titles_say_the_best_small_output_and_the_range_of_all_inputs(records):
    small = {"learned -> fourier (n frequencies 480)", "learned -> fourier", "learned -> decoupled (width 15)"}
    assert small == {language.name_of(r) for r in records if r.metrics["parameters"]["head"] < 2**17} - {AGAINST}
    told = language.prices(records, AGAINST)["percent more"]
    best = min(small, key=lambda name: float(told[name].split()[0]))
    percent = told[best].split()[0]
    title = f"{best.split(' -> ')[1]} costs {percent} % bits per byte at 25 % of the numbers"
    assert language.output_headline(records, AGAINST) == title and len(title) <= 85
    large = [r for r in records if language.name_of(r) in (AGAINST, "learned -> learned")]
    assert language.output_headline(large, AGAINST).startswith("Every output here holds more than half")
    grid = load_records(RECORDS / "language_model_grid")
    costs = [float(cell.split()[0]) for cell in language.input_prices(grid).to_numpy().ravel()]
    assert language.input_headline(grid) == (
        f"A computed input costs {min(costs):+.1f} to {max(costs):+.1f} % bits per byte, by output"
    )


def test_a_grid_has_the_cost_of_every_input_with_every_output_and_the_largest_outputs_first():
    grid = load_records(RECORDS / "language_model_grid")
    by_sides = {}
    for record in grid:
        sides = language.input_words(record.config), language.output_name(record.config)
        by_sides.setdefault(sides, {})[record.config.seed] = record
    head, _, *rows = [line.strip("| ").split(" | ") for line in language.grid_table(grid).splitlines()]
    assert head == ["output", "numbers in it", "table", "32 mixed waves", "32 random waves", "256 random waves"]
    sizes = [int(row[1].replace(",", "")) for row in rows]
    assert sizes == sorted(sizes, reverse=True) and len(rows) == 9
    tied = by_sides["table", "tied"]
    for output, size, *cells in rows:
        for name, cell in zip(head[2:], cells, strict=True):
            runs = by_sides[name, output]
            assert size == f"{runs[0].metrics['parameters']['head']:,}"
            gaps = [
                100 * run.bits_per_byte("test") / tied[seed].bits_per_byte("test") - 100 for seed, run in runs.items()
            ]
            assert cell == "–" if runs is tied else float(cell.split(" ±")[0]) == pytest.approx(np.mean(gaps), abs=0.06)


def test_the_best_change_of_a_computed_output_is_the_title():
    changed = load_records(RECORDS / "language_model_gap")
    by_name = {}
    for record in changed:
        by_name.setdefault(language.variant_name(record.config), {})[record.config.seed] = record.bits_per_byte("test")
    assert len(by_name) == 10 and all(len(each) == 3 for each in by_name.values())
    tied = by_name.pop("tied")
    costs = {n: np.mean([100 * b / tied[seed] - 100 for seed, b in each.items()]) for n, each in by_name.items()}
    best = min(costs, key=costs.get)
    assert best == "fourier (n frequencies 480), ids alphabetical"
    title = f"{best}: {costs[best]:+.1f} % bits per byte against tied"
    assert language.variant_headline(changed) == title and len(title) <= 85


def test_the_price_of_an_input_is_told_for_each_output_alone():
    records = load_records(RECORDS / "language_model_grid")
    frame = language.input_prices(records)
    by_name = {}
    for record in records:
        sides = language.input_name(record.config), language.output_name(record.config)
        assert language.name_of(record) == " -> ".join(sides)
        by_name.setdefault(sides, {})[record.config.seed] = record.bits_per_byte("test")
    assert len(frame.index) == 9 and {*by_name} == {(n, o) for n in ("learned", *frame.columns) for o in frame.index}
    for output, row in frame.iterrows():
        for name, told in row.items():
            base = by_name["learned", output]
            percent = [100 * bits / base[seed] - 100 for seed, bits in by_name[name, output].items()]
            assert len(percent) == 3 and told.startswith(f"{np.mean(percent):+.1f} ±")


def test_only_waves_whose_number_is_known_are_called_so():
    waves = language.TOY.replace(arm="fourier", frequencies="random")
    wide = waves.replace(arm="wide_fourier")
    assert language.input_words(wide.replace(embedding_options={"n_frequencies": 1200})) == "1,200 random waves"
    for other in (
        wide,
        waves.replace(mlp="geglu"),
        waves.replace(basis="legendre"),
        waves.replace(frequencies=(*range(1, 17),)),
    ):
        assert language.input_words(other) == language.input_name(other) != "16 random waves"


def test_bands_are_means_over_seeds(records):
    frame = language.by_band(records)
    first = [r.metrics["scores"]["test"]["bands"][0] for r in records if language.name_of(r) == AGAINST]
    assert frame.loc[AGAINST, "1 to 10"] == pytest.approx(np.mean([band["perplexity"] for band in first]))
    assert [*frame.columns][-1] == "1,001 to 4,096"


def test_margins_grow_where_codes_are_near():
    sets = {name: frequency_set(name, 512, 64, 512).numpy() for name in ("harmonic", "random")}
    columns = margin_columns(sets, [1, 2, 100], 512)
    by_lag = columns["norm"].reshape(2, 3)
    assert by_lag[0, 0] == pytest.approx(2 * by_lag[0, 1], rel=0.1) and by_lag[0, 0] > 4 * by_lag[1, 0]
    assert np.allclose(by_lag[:, 2], 1 / np.sqrt(64), rtol=0.3)  # unrelated codes of norm sqrt(32)
