"""Scores: equal to scipy's, over all pairs, with intervals that cover; losses against hand computation."""

import numpy as np
import pytest
import torch
from scipy import stats

from fourier_lab.errors import DataError
from fourier_lab.evaluation import metrics
from fourier_lab.evaluation.metrics import mean_interval, scores_and_resamples, sts_scores
from fourier_lab.evaluation.similarity import cosine
from fourier_lab.models.losses import MAX_SCALE, ContrastiveLoss, NLIHead


def sample(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 26, n) / 5  # with ties, as in STS-B
    return label + rng.normal(0, 2, n), label


def test_correlations_equal_scipys():
    predicted, label = sample()
    scores = sts_scores(predicted, label)
    assert scores["n"] == 400
    assert scores["spearman"]["value"] == pytest.approx(100 * stats.spearmanr(predicted, label).statistic, abs=1e-3)
    assert scores["pearson"]["value"] == pytest.approx(100 * stats.pearsonr(predicted, label).statistic, abs=1e-3)
    bare = {name: {"value": scores[name]["value"]} for name in ("spearman", "pearson")}
    assert sts_scores(predicted, label, intervals=False) == bare | {"n": 400}


def test_interval_has_the_width_of_theory_and_is_repeatable():
    predicted, label = sample()
    scores = sts_scores(predicted, label)
    r = scores["pearson"]["value"] / 100
    fisher = 100 * np.tanh(np.arctanh(r) + np.array([-1.96, 1.96]) / np.sqrt(397))
    assert (scores["pearson"]["low"], scores["pearson"]["high"]) == pytest.approx(tuple(fisher), abs=1.5)
    assert scores == sts_scores(predicted, label) != sts_scores(predicted, label, seed=1)


def test_intervals_and_resamples_are_those_of_scipys_bootstrap():
    first, label = sample()
    scores, draws = scores_and_resamples(first, label)
    for name, statistic in (("spearman", stats.spearmanr), ("pearson", stats.pearsonr)):
        drawn = stats.bootstrap(
            (first, label), lambda a, b, of=statistic: of(a, b).statistic, paired=True, vectorized=False, n_resamples=1000,
            batch=100, method="percentile", rng=np.random.default_rng(0),
        )  # fmt: skip
        ends = 100 * np.array(drawn.confidence_interval)
        np.testing.assert_allclose([scores[name]["low"], scores[name]["high"]], ends, atol=1e-4)
        if name == "spearman":
            np.testing.assert_allclose(draws, 1e4 * drawn.bootstrap_distribution, atol=0.51)


def test_what_is_kept_of_two_methods_gives_the_interval_of_their_difference():
    first, label = sample()
    second = first + np.random.default_rng(9).normal(0, 0.5, len(label))  # errs on the same pairs
    (scores, draws), (_, others) = scores_and_resamples(first, label), scores_and_resamples(second, label)
    assert scores == sts_scores(first, label) and draws.shape == (1000,) and draws.dtype == np.int16
    ends = np.percentile(draws / 100, (2.5, 97.5))
    assert ends == pytest.approx((scores["spearman"]["low"], scores["spearman"]["high"]), abs=0.01)

    def gap(a, b, c):
        return stats.spearmanr(a, c).statistic - stats.spearmanr(b, c).statistic

    drawn = stats.bootstrap(
        (first, second, label), gap, n_resamples=1999, paired=True, vectorized=False, method="percentile", rng=1
    )
    low, high = np.percentile((draws - others.astype(int)) / 100, (2.5, 97.5))
    ours, theirs = high - low, 100 * np.ptp(drawn.confidence_interval)
    assert ours == pytest.approx(theirs, rel=0.15) and ours < np.ptp(ends) / 2


def test_scores_are_not_rounded_to_integers():
    predicted, label = sample()
    assert sts_scores(label, label)["spearman"]["value"] == 100
    assert sts_scores(np.floor(label), label)["spearman"]["value"] < 100


@pytest.mark.parametrize("n_values", [1, 4, 300])
def test_ranks_by_counting_are_those_by_sorting(n_values):
    places = np.random.default_rng(0).integers(n_values, size=(5, 200))
    np.testing.assert_array_equal(metrics._ranks(places), stats.rankdata(places, axis=-1))
    assert np.isnan(metrics._ranks(np.array([1.0, np.nan, 2.0]))).all()


@pytest.mark.parametrize(
    "sides", [(np.ones(9), np.arange(9.0)), (np.arange(9.0), np.ones(9)), (np.ones(2), np.ones(2))]
)
def test_undefined_correlations_are_named(sides):
    with pytest.raises(DataError, match="two varying sides"):
        sts_scores(*sides)


def test_mean_interval():
    assert mean_interval([1.0, 2.0, 3.0]) == pytest.approx((2, 2 - 2.48414, 2 + 2.48414), abs=1e-4)
    assert np.isnan(mean_interval([5.0])[1])
    for n in (2, 3, 4, 10):
        values = np.random.default_rng(n).normal(size=n)
        theirs = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
        assert mean_interval(values)[1:] == pytest.approx(theirs, rel=1e-12)


def test_cosine():
    a = torch.tensor([[1.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(cosine(a, torch.tensor([[2.0, 0.0], [4.0, -3.0]])), [1, 0], atol=1e-12)


def test_contrastive_loss_by_hand():
    loss = ContrastiveLoss()
    assert loss.scale.item() == pytest.approx(1 / 0.07)
    a, p = torch.randn(5, 8), torch.randn(5, 8)
    unit_a, unit_p = (x / x.norm(dim=1, keepdim=True) for x in (a, p))
    logits = unit_a @ unit_p.T / 0.07
    rows = -(logits.diag() - logits.logsumexp(1)).mean()
    columns = -(logits.diag() - logits.logsumexp(0)).mean()
    value, _ = loss(a, p, torch.zeros(5))
    torch.testing.assert_close(value, (rows + columns) / 2)
    value, accuracy = loss(a, a, torch.zeros(5))
    assert accuracy == 1 and value < 0.1
    same, _ = loss(torch.ones(5, 8), torch.ones(5, 8), torch.zeros(5))
    torch.testing.assert_close(same, torch.tensor(5.0).log())
    with torch.no_grad():
        loss.log_scale.fill_(50.0)
    assert loss.scale.item() == MAX_SCALE


def test_nli_head_features_and_accuracy():
    head = NLIHead(2)
    with torch.no_grad():
        head.classifier.weight.zero_()
        head.classifier.weight[2, 4:] = 5.0  # class 2 if |u - v| is large
        head.classifier.bias.copy_(torch.tensor([1.0, 0.0, 0.0]))
    u, v = torch.tensor([[1.0, 1.0], [1.0, 1.0]]), torch.tensor([[1.0, 1.0], [-1.0, 1.0]])
    loss, accuracy = head(u, v, torch.tensor([0, 2]))
    assert accuracy == 1 and loss < 0.6
    assert head(u, v, torch.tensor([2, 0]))[1] == 0


def vectors(noise: float, shared: float = 1.0, n: int = 500, d: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Two lists of float32 sentence embeddings: one vector for all, and noise of a given size."""
    generator = torch.Generator().manual_seed(0)
    centre = shared * torch.randn(d, generator=generator)
    return tuple(centre + noise * torch.randn(n, d, generator=generator) for _ in range(2))


@pytest.mark.parametrize("noise", [1e-7, 1e-6, 1e-5])
@pytest.mark.parametrize("intervals", [True, False])
def test_one_vector_for_all_sentences_is_told_as_collapsed(noise, intervals):
    label = np.random.default_rng(0).uniform(0, 5, 500)
    scores = sts_scores(cosine(*vectors(noise)), label, intervals=intervals)
    assert scores["collapsed"] is True and np.isfinite(scores["spearman"]["value"])


@pytest.mark.parametrize(
    "similarity", [cosine(*vectors(1e-2)), cosine(*vectors(1.0, shared=0.0)), cosine(*vectors(1e-3))]
)
def test_embeddings_that_differ_are_not(similarity):
    label = np.random.default_rng(0).uniform(0, 5, 500)
    for scale in (1.0, -1e-12, 1e9):  # a similarity has any unit
        assert "collapsed" not in sts_scores(scale * similarity, label, intervals=False)


def test_a_similarity_that_is_not_a_number_gives_a_score_that_is_none():
    similarity = cosine(*vectors(1.0))
    similarity[7] = np.nan
    scores = sts_scores(similarity, np.arange(500.0), intervals=False)
    assert np.isnan(scores["pearson"]["value"]) and "collapsed" not in scores


def test_few_pairs_have_an_interval_though_some_resamples_hold_one_value():
    scores = sts_scores(np.array([0.1] * 5 + [0.9]), np.array([0.0, 1, 2, 3, 4, 5]))["spearman"]
    assert -100 <= scores["low"] <= 0 < scores["value"] <= scores["high"] <= 100


@pytest.mark.parametrize("n", [2, 3, 5, 7, 8, 20])
def test_means_and_intervals_of_a_few_runs_are_numpys_to_the_last_bit(n):
    for values in np.random.default_rng(n).normal(50, 20, (200, n)):
        mean, low, high = mean_interval(values.tolist())
        half = metrics.t_quantile(n - 1) * float(values.std(ddof=1) / np.sqrt(n))
        assert (mean, low, high) == (float(values.mean()), mean - half, mean + half)
