"""Experts cut out of a trained feed-forward: of one size, equal to it when all are read, chosen as they are said to be."""

import numpy as np
import pytest
import torch

from fourier_lab.errors import ConfigError
from fourier_lab.models.experts import (
    ROUTERS,
    Experts,
    activations,
    balanced_clusters,
    make_router,
    router_parameters,
)
from fourier_lab.models.feed_forwards import ReLUFeedForward

D, N = 8, 4
X = torch.randn(50, D, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def dense():
    torch.manual_seed(0)
    return ReLUFeedForward(D, ratio=3.0).requires_grad_(False)


@pytest.fixture
def cells(dense):
    return torch.from_numpy(balanced_clusters(dense.keys.weight.numpy(), N))


def test_clusters_are_of_one_size_and_hold_what_is_near():
    rows = np.repeat(np.eye(3) * 10, 4, axis=0) + np.random.default_rng(0).normal(size=(12, 3))
    order = np.random.default_rng(1).permutation(12)
    found = balanced_clusters(rows[order], 3)
    assert found.shape == (3, 4) and sorted(found.ravel()) == [*range(12)]
    assert {tuple(sorted(order[each])) for each in found} == {(0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11)}
    uneven = np.array([[0.0], [0.1], [0.2], [9.0]])  # two near and two far, though three are near
    assert {tuple(sorted(each)) for each in balanced_clusters(uneven, 2)} == {(0, 1), (2, 3)}
    with pytest.raises(
        ConfigError, match="24 cells cannot be cut into 7 experts of one size. Name a divisor, such as 8"
    ):
        balanced_clusters(np.zeros((24, 2)), 7)


@pytest.mark.parametrize("kind", ROUTERS)
def test_all_experts_are_the_dense_feed_forward(dense, cells, kind):
    experts = Experts(dense, cells, N, make_router(kind, dense, cells, X))
    torch.testing.assert_close(experts(X), dense(X), atol=1e-6, rtol=0)


def test_a_token_reads_the_experts_with_the_highest_scores_alone(dense, cells):
    experts = Experts(dense, cells, 2, make_router("oracle", dense, cells, X))
    for x, found in zip(X, experts(X), strict=True):
        fired = torch.relu(dense.keys.weight @ x + dense.keys.bias)
        sums = [float(fired[own].sum()) for own in cells]
        best = torch.cat([cells[i] for i in np.argsort(sums)[-2:]])
        torch.testing.assert_close(found, dense.values.weight[:, best] @ fired[best] + dense.values.bias)
    with pytest.raises(ConfigError, match="a token reads 1 to 4 of 4 experts, got 5"):
        Experts(dense, cells, 5, torch.nn.Identity())


def test_routers_score_by_what_they_are_named_after(dense, cells):
    means = torch.stack([dense.keys.weight[own].mean(0) for own in cells])
    torch.testing.assert_close(make_router("centroid", dense, cells, X)(X), X @ means.T)
    true = activations(dense, cells, X).argmax(-1)
    agree = {kind: float((make_router(kind, dense, cells, X)(X).argmax(-1) == true).float().mean()) for kind in ROUTERS}
    assert agree["oracle"] == 1 and agree["mlp"] > 0.9 > agree["random"]
    with pytest.raises(ConfigError, match="a router is one of centroid, mlp, oracle, random, got 'best'"):
        make_router("best", dense, cells, X)


def test_parameters_of_routers(dense, cells):
    network = make_router("mlp", dense, cells, X)
    by_hand = (8 * 4 + 4) + (4 * 4 + 4)
    assert sum(p.numel() for p in network.parameters()) == by_hand == router_parameters("mlp", D, N)
    assert router_parameters("centroid", D, N) == 8 * 4 and router_parameters("oracle", D, N) == 0
