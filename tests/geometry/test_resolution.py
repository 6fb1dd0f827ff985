"""What T(p) resolves: kernels against rows and closed forms, and the study's reference figures."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fourier_lab import columns, fourier_basis, frequency_set
from fourier_lab.errors import ConfigError, DataError
from fourier_lab.geometry import conditioning, resolution


@pytest.mark.parametrize("name", ["harmonic", "log", "random"])
@pytest.mark.parametrize("period", [None, 127])
def test_cosine_kernel_equals_the_cosine_of_rows(name, period):
    vocab_size, d_model = 500, 16
    rows = fourier_basis(torch.arange(vocab_size), vocab_size, d_model, name, period).double().numpy()
    m = vocab_size - 1 if period is None else period
    kernel = resolution.cosine_kernel(frequency_set(name, vocab_size, d_model, period), m, np.arange(vocab_size))
    for p in (0, 7, 250):
        np.testing.assert_allclose(rows[p:] @ rows[p] / (d_model / 2), kernel[: vocab_size - p], atol=1e-6)


@given(st.integers(1, 40), st.integers(2, 400), st.lists(st.integers(-1000, 1000), min_size=1, max_size=20))
def test_dirichlet_kernel_is_the_harmonic_kernel(n_harmonics, period, lags):
    # Also where K exceeds M, as with the released code's period of 127 at d = 256.
    kernel = resolution.cosine_kernel(np.arange(1, n_harmonics + 1), period, lags)
    np.testing.assert_allclose(resolution.dirichlet_kernel(n_harmonics, period, lags), kernel, atol=1e-9)


@pytest.mark.parametrize(
    ("d_model", "cosine", "distance"),
    # Small-lag expansion: distance = θ sqrt((K+1)(2K+1)/6) with θ = 2π/30521, cosine = 1 - distance² / 2.
    [(64, 0.999992, 0.0039), (128, 0.999970, 0.0077), (256, 0.999883, 0.0153), (512, 0.999534, 0.0305)],
)
def test_neighbours_of_the_paper(d_model, cosine, distance):
    summary = resolution.kernel_summary(frequency_set("harmonic", 30522, d_model), 30522)
    assert summary["neighbour_cosine"] == pytest.approx(cosine, abs=1e-6)
    assert summary["smallest_distance"] == pytest.approx(distance, abs=5e-5)
    k, theta = d_model / 2, 2 * np.pi / 30521
    assert summary["smallest_distance"] == pytest.approx(theta * np.sqrt((k + 1) * (2 * k + 1) / 6), rel=1e-3)


def test_random_frequencies_are_a_code_and_harmonics_a_smoother():
    harmonic, code = (
        resolution.kernel_summary(frequency_set(name, 30522, 256), 30522) for name in ("harmonic", "random")
    )
    assert harmonic["share_above_0.9"] == pytest.approx(0.0019, abs=1e-4)
    assert code["share_above_0.9"] == 0 and code["largest_cosine"] < 0.25 and code["smallest_distance"] > 1.2


def test_period_127_leaves_127_rows_and_the_paper_all_but_one():
    ids = torch.arange(2000)
    classes = resolution.collision_classes(fourier_basis(ids, 2000, 64, period=127))
    np.testing.assert_array_equal(classes, np.arange(2000) % 127)
    paper = resolution.collision_classes(fourier_basis(ids, 2000, 64))
    assert paper.max() + 1 == 1999 and paper[0] == paper[1999]
    assert resolution.kernel_summary(frequency_set("harmonic", 2000, 64, 127), 2000, 127)["smallest_distance"] == 0


def test_negative_zero_is_no_other_row():
    assert resolution.collision_classes([[0.0, 1.0], [-0.0, 1.0]]).tolist() == [0, 0]


def test_effective_number_of_cells():
    assert resolution.effective_number(np.ones(7)) == pytest.approx(7)
    assert resolution.effective_number([0, 3, 0]) == pytest.approx(1)
    mass = resolution.cell_mass(np.ones(100), 10)
    np.testing.assert_allclose(mass, 0.1)
    zipf = resolution.zipf_mass(1000)
    assert zipf.sum() == pytest.approx(1) and zipf[0] / zipf[9] == pytest.approx(10)
    assert resolution.effective_number(resolution.cell_mass(zipf, 100)) < 30
    with pytest.raises(ConfigError, match=r"n_cells \(11\) must lie in 1..10"):
        resolution.cell_mass(np.ones(10), 11)


def test_fourier_columns_are_a_tight_frame():
    # V rows hold one whole period and the repeated row of id 0: condition sqrt(1 + d / M).
    table = fourier_basis(torch.arange(1000), 1000, 64)
    assert conditioning.condition_number(table) == pytest.approx(np.sqrt(1 + 64 / 999), rel=1e-3)


@pytest.mark.parametrize("published", [True, False])
def test_bare_hermite_and_laguerre_are_ill_conditioned_and_ours_are_not(published):
    columns = conditioning.conditioning(2000, (16,), published)
    by_basis = dict(zip(columns["basis"], columns["condition"], strict=True))
    assert by_basis["fourier"] < 1.01 and by_basis["legendre"] < 1.1 and by_basis["chebyshev"] < 4
    assert (by_basis["hermite"] > 1e9 and by_basis["laguerre"] > 1e14) == published
    assert (max(by_basis.values()) < 5) != published


def test_unknown_polynomials_are_refused():
    with pytest.raises(ConfigError, match="unknown polynomial family 'fourier'"):
        conditioning.published_polynomials("fourier", 100, 4)


def test_condition_number_of_known_matrices():
    assert conditioning.condition_number(np.eye(4)) == pytest.approx(1)
    assert conditioning.condition_number([[1, 1], [0, 1e-3]]) > 1e3
    assert conditioning.condition_number([[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]) == conditioning.MEASURABLE


def test_integer_phases_stay_exact_where_naive_float32_drifts():
    errors = conditioning.phase_errors(frequency_set("harmonic", 30522, 256)[::16], 30522)
    worst = {name: errors["error"][errors["series"] == name] for name in np.unique(errors["series"])}
    assert worst["integer phase"].max() < 1e-6
    assert worst["naive float64"].max() < 1e-11
    assert worst["naive float32"][-1] > 1e-5 > worst["naive float32"][0]


def test_stack_joins_series_and_repeats_single_numbers():
    table = columns.stack({"a": {"x": [1, 2], "n": 5}, "b": {"x": 3, "n": 6}})
    assert {key: column.tolist() for key, column in table.items()} == {
        "series": ["a", "a", "b"],
        "x": [1, 2, 3],
        "n": [5, 5, 6],
    }
    with pytest.raises(DataError, match="no series"):
        columns.stack({})


def test_kernel_columns_hold_one_row_per_series_and_lag():
    columns = resolution.kernel_columns({"a": [1, 2], "b": [3, 4]}, [0, 1, 5], 20)
    assert columns["series"].tolist() == ["a"] * 3 + ["b"] * 3 and columns["lag"].tolist() == [0, 1, 5] * 2
    np.testing.assert_allclose(columns["cosine"][3:], resolution.cosine_kernel([3, 4], 20, [0, 1, 5]))
    np.testing.assert_allclose(columns["distance"] ** 2, 2 - 2 * columns["cosine"], atol=1e-12)


def test_feature_columns_lay_out_a_grid():
    columns = resolution.feature_columns([4, 9], np.array([[1.0, 2.0], [3.0, 4.0]]), [0, 6])
    assert columns["token_id"].tolist() == [4, 4, 9, 9]
    assert columns["column"].tolist() == [0, 6, 0, 6] and columns["value"].tolist() == [1, 2, 3, 4]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=4, unique=True), st.integers(1, 60))
def test_rows_repeat_after_the_row_period_and_not_before(frequencies, period):
    repeat = resolution.row_period(frequencies, period)
    kernel = resolution.cosine_kernel(frequencies, period, np.arange(1, 2 * period + 1))
    np.testing.assert_array_equal(np.flatnonzero(kernel > 1 - 1e-9)[:2] + 1, [repeat, 2 * repeat])


def test_folding_a_vocabulary_adds_up_what_shares_a_row():
    counts = np.array([4.0, 3, 2, 1, 6])
    np.testing.assert_allclose(resolution.folded_mass(counts, 2), np.array([12, 4]) / 16)
    np.testing.assert_allclose(resolution.folded_mass(counts, 9), counts / 16)
    columns = resolution.fold_columns(counts, [2, 9])
    assert columns["rows"].tolist() == [2, 5] and columns["largest"].tolist() == [3, 1]
    np.testing.assert_allclose(columns["lost"], [1 - (6 + 3) / 16, 0], atol=1e-12)


def test_token_mass_says_where_it_comes_from():
    mass, source = resolution.token_mass(3, [1, 0, 3])
    assert mass.tolist() == [0.25, 0, 0.75] and source == "4 tokens of text"
    assert "Zipf" in resolution.token_mass(3)[1]
    for bad in ([1, 2], [-1, 1, 1], [0, 0, 0], [np.nan, 1, 1]):
        with pytest.raises(DataError, match="token counts must be 3 numbers"):
            resolution.token_mass(3, bad)
