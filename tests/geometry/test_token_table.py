"""Shape of tables: each measure on tables whose answer is known by hand."""

import numpy as np
import pytest
import torch

from fourier_lab import fourier_basis
from fourier_lab.errors import ConfigError, DataError
from fourier_lab.geometry import projections, resolution, token_table

RANDOM = np.random.default_rng(0)
NOISE = RANDOM.normal(size=(2001, 16))


def test_spectrum_of_white_noise_is_one_everywhere():
    spectrum = token_table.id_spectrum(5 * NOISE, bands=12)
    assert np.abs(spectrum["power"][4:] - 1).max() < 0.25
    assert spectrum["share"][-1] == pytest.approx(1) and np.all(np.diff(spectrum["share"]) > 0)


def test_spectrum_of_the_basis_ends_at_its_last_harmonic():
    table = fourier_basis(torch.arange(2001), 2001, 64).numpy()
    spectrum = token_table.id_spectrum(table, bands=200)
    inside = spectrum["frequency"] < 32.5
    assert spectrum["power"][inside].min() > 10 and spectrum["power"][~inside].max() < 1e-9
    assert spectrum["share"][inside][-1] == pytest.approx(1)


def test_spectrum_refuses_a_table_that_is_the_same_for_every_id():
    with pytest.raises(DataError, match="no spectrum"):
        token_table.id_spectrum(np.ones((10, 4)))


def test_effective_rank_counts_directions_in_use():
    assert token_table.effective_rank(np.eye(6)) == pytest.approx(6)
    assert token_table.effective_rank(np.outer(np.arange(1, 9), np.ones(5))) == pytest.approx(1)
    # Singular values 3, 1: entropy of (3/4, 1/4).
    assert token_table.effective_rank(np.diag([3.0, 1.0])) == pytest.approx(
        np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    )


def test_mean_cosine_is_exact_over_pairs():
    rows = NOISE[:50] + 1
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    pairs = (unit @ unit.T)[np.triu_indices(50, 1)]
    assert token_table.mean_cosine(rows) == pytest.approx(pairs.mean())
    assert token_table.mean_cosine(np.ones((4, 3))) == pytest.approx(1)
    assert token_table.mean_cosine([[1, 0], [-1, 0]]) == pytest.approx(-1)


def test_sampled_pairs_are_of_different_rows_and_stand_for_all():
    assert not token_table.pair_cosines(np.eye(3), 500)["cosine"].any()
    cosines = token_table.pair_cosines(NOISE[:50] + 1, 5000)["cosine"]
    assert cosines.mean() == pytest.approx(
        token_table.mean_cosine(NOISE[:50] + 1), abs=4 * cosines.std() / np.sqrt(5000)
    )


def test_iso_score_of_its_two_extremes_and_between():
    corners = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    assert token_table.iso_score(corners) == pytest.approx(1)
    line = np.outer(np.linspace(-1, 1, 50), [1.0, 2.0, -1.0])
    assert token_table.iso_score(line) == pytest.approx(0, abs=1e-9)
    # Half of the directions in use scores (n / 2 - 1) / (n - 1) in dimension n, as the paper states for k of n.
    half = corners @ np.eye(3, 6)
    assert token_table.iso_score(half) == pytest.approx((3 - 1) / (6 - 1))
    turned = half @ np.linalg.qr(RANDOM.normal(size=(6, 6)))[0]
    assert token_table.iso_score(turned) == pytest.approx(token_table.iso_score(half))


def test_nearest_neighbours_match_a_full_search():
    asked = [3, 700, 2000]
    ids, cosines = token_table.nearest_neighbours(NOISE, asked, k=5)
    unit = NOISE / np.linalg.norm(NOISE, axis=1, keepdims=True)
    for row, (p, found, cosine) in enumerate(zip(asked, ids, cosines, strict=True)):
        similarity = unit @ unit[p]
        similarity[p] = -np.inf
        np.testing.assert_array_equal(found, np.argsort(-similarity)[:5])
        np.testing.assert_allclose(cosine, similarity[found])
        assert p not in ids[row]


def test_nearest_neighbours_among_some_ids_and_ties_in_id_order():
    table = np.array([[1, 0], [2, 0], [3, 0], [0, 1], [4, 0]])
    ids, cosines = token_table.nearest_neighbours(table, 2, k=3)
    assert ids.tolist() == [[0, 1, 4]] and cosines[0] == pytest.approx([1, 1, 1])
    assert token_table.nearest_neighbours(table, [2], k=2, among=[3, 4, 1])[0].tolist() == [[1, 4]]


@pytest.mark.parametrize(
    ("ids", "k", "message"), [([9], 2, "0..4"), ([-1], 2, "0..4"), ([0], 5, r"k \(5\)"), ([0], 0, "k")]
)
def test_nearest_neighbours_refuse_bad_requests(ids, k, message):
    with pytest.raises(ConfigError, match=message):
        token_table.nearest_neighbours(np.eye(5), ids, k)


def test_purity_is_one_for_clusters_and_chance_for_noise():
    labels = np.repeat(np.arange(20), 100)
    centres = RANDOM.normal(size=(20, 16))
    clusters = centres[labels] + 0.05 * RANDOM.normal(size=(2000, 16))
    purity = token_table.neighbour_purity(clusters, labels, n_ids=200)
    assert purity["value"] == pytest.approx([1.0]) and purity["low"] <= purity["value"]
    noise = token_table.neighbour_purity(NOISE[:2000], labels, n_ids=500)
    assert noise["chance"] == pytest.approx([99 / 1999])
    assert noise["low"] < noise["chance"] < noise["high"] and noise["n"] == 500
    repeated = token_table.neighbour_purity(NOISE[:2000], labels, n_ids=500)
    assert all(np.array_equal(noise[key], repeated[key]) for key in noise)


def test_purity_leaves_unlabelled_ids_out():
    labels = np.array([-1, -1, 0, 0, 1, 1])
    table = np.array([[1, 0], [1, 0.1], [1, 0], [1, 0.2], [0, 1], [0.1, 1]])
    assert token_table.neighbour_purity(table, labels, k=1)["value"] == pytest.approx([1.0])
    with pytest.raises(DataError, match="no id has a label"):
        token_table.neighbour_purity(table, -np.ones(6))


def test_pca_keeps_the_plane_of_flat_data():
    plane = NOISE[:40, :2] @ RANDOM.normal(size=(2, 8))
    placed = projections.project(plane, "pca")
    distances = [np.linalg.norm(rows[:, None] - rows, axis=-1) for rows in (plane, placed)]
    np.testing.assert_allclose(*distances, atol=1e-9)


def test_tsne_is_repeatable_and_keeps_clusters_together():
    labels = np.repeat([0, 1], 30)
    table = NOISE[:60] + 20 * labels[:, None]
    placed = projections.project(table, "tsne", seed=1)
    np.testing.assert_array_equal(placed, projections.project(table, "tsne", seed=1))
    ids, _ = token_table.nearest_neighbours(placed - placed.mean(axis=0), np.arange(60), k=1)
    assert np.mean(labels[ids[:, 0]] == labels) > 0.9


def test_projection_refuses_bad_requests():
    with pytest.raises(ConfigError, match="unknown projection 'umap'. Choose one of pca, tsne"):
        projections.project(NOISE, "umap")
    with pytest.raises(ConfigError, match="at least 5 rows, got 3"):
        projections.project(NOISE[:3])


def test_similarity_by_lag_of_the_basis_is_its_kernel():
    table = fourier_basis(torch.arange(1001), 1001, 32).numpy()
    columns = token_table.similarity_by_lag(table)
    kernel = resolution.dirichlet_kernel(16, 1000, columns["lag"])
    for key in ("cosine", "low", "high"):  # one value for all p
        np.testing.assert_allclose(columns[key], kernel, atol=1e-5)
    assert columns["lag"][0] == 1 and columns["lag"][-1] == 500
    with pytest.raises(ConfigError, match="lags must lie in 1..1000"):
        token_table.similarity_by_lag(table, [0, 3])


def test_neighbour_table_lists_every_series_word_and_rank():
    words = [f"w{number}" for number in range(len(NOISE))]
    columns = token_table.neighbour_table({"learned": NOISE, "fourier": NOISE[::-1]}, words, ["w7", "w9"], k=3)
    assert columns["series"].tolist() == ["learned"] * 6 + ["fourier"] * 6
    assert columns["word"].tolist() == (["w7"] * 3 + ["w9"] * 3) * 2 and columns["rank"].tolist() == [1, 2, 3] * 4
    nearest = token_table.nearest_neighbours(NOISE, [7], k=1)[0][0, 0]
    assert columns["neighbour"][0] == f"w{nearest}"
    with pytest.raises(ConfigError, match="'w70000' is not a word .* Try w"):
        token_table.find_word(words, "w70000")


@pytest.mark.parametrize("table", [np.ones(4), np.ones((1, 4)), np.full((3, 3), np.nan)])
def test_tables_must_be_finite_and_two_dimensional(table):
    with pytest.raises(DataError, match="two-dimensional, finite"):
        token_table.mean_cosine(table)
