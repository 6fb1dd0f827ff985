"""Experts cut out of a trained ReLU feed-forward: cells with like keys together, of which a token computes the best few.

Nothing is trained but one kind of router. All experts together are the feed-forward that they were cut from.
Source: Zhang et al. 2022 (arXiv:2110.01786), MoEfication, with clusters of keys; without their graph of co-activations.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ConfigError
from .feed_forwards import ReLUFeedForward

ROUTERS = ("centroid", "mlp", "oracle", "random")
_ROUNDS = 20  # of k-means; it has mostly settled before
_MLP_STEPS, _MLP_BATCH, _MLP_RATE = 300, 512, 1e-2


def balanced_clusters(rows: np.ndarray, n_clusters: int, seed: int = 0) -> np.ndarray:
    """Cut rows into clusters of one size by k-means, each round an optimal assignment.

    Args:
        rows: float ``(n, d)``.
        n_clusters: A divisor of n.
        seed: Of the first centres, which are rows.

    Returns:
        np.ndarray: int64 ``(n_clusters, n / n_clusters)``, the rows of each cluster.

    Raises:
        ConfigError: If the clusters could not be of one size.
    """
    from scipy.optimize import linear_sum_assignment  # here, since nothing else of the models needs scipy
    from scipy.spatial.distance import cdist

    size, left = divmod(len(rows), n_clusters) if n_clusters >= 1 else (0, 1)
    if left:
        raise ConfigError(
            f"{len(rows)} cells cannot be cut into {n_clusters} experts of one size. Name a divisor, such as "
            f"{next(n for n in (32, 16, 8, 4, 2, 1) if len(rows) % n == 0)}."
        )
    centres = rows[np.random.default_rng(seed).choice(len(rows), n_clusters, replace=False)]
    place = np.full(len(rows), -1)
    for _ in range(_ROUNDS):
        cost = np.repeat(cdist(rows, centres, "sqeuclidean"), size, axis=1)  # a column for each free seat
        found = linear_sum_assignment(cost)[1] // size
        if (found == place).all():
            break
        place = found
        centres = np.stack([rows[place == cluster].mean(0) for cluster in range(n_clusters)])
    return np.argsort(place, kind="stable").reshape(n_clusters, size)


class Experts(nn.Module):
    """The cells of a ReLU feed-forward as experts, ``(n_tokens, d) -> (n_tokens, d)``; what is not read is not computed.

    Args:
        dense: The trained feed-forward.
        cells: int64 ``(n_experts, size)``, its cells expert by expert.
        top: Experts that a token reads, by the highest scores.
        router: From token states ``(n_tokens, d)`` to scores ``(n_tokens, n_experts)``.
    """

    def __init__(self, dense: ReLUFeedForward, cells: Tensor, top: int, router: Callable[[Tensor], Tensor]):
        super().__init__()
        if not 1 <= top <= len(cells):
            raise ConfigError(f"a token reads 1 to {len(cells)} of {len(cells)} experts, got {top}. Try {len(cells)}.")
        self.top, self.router = top, router
        self.keys, self.key_bias = dense.keys.weight.detach()[cells], dense.keys.bias.detach()[cells]
        self.values = dense.values.weight.detach().T[cells].contiguous()  # (n_experts, size, d)
        self.bias = dense.values.bias.detach()

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        chosen = self.router(x).topk(self.top, dim=-1).indices.flatten()
        tokens = (chosen.argsort(stable=True) // self.top).split(chosen.bincount(minlength=len(self.keys)).tolist())
        out = self.bias.repeat(len(x), 1)
        for expert, own in enumerate(tokens):
            if len(own):
                cells = F.relu(F.linear(x[own], self.keys[expert], self.key_bias[expert]))
                out.index_add_(0, own, cells @ self.values[expert])
        return out


def activations(dense: ReLUFeedForward, cells: Tensor, x: Tensor) -> Tensor:
    """Return the sum of the positive activations of each expert for each token, ``(n_tokens, n_experts)``."""
    return F.relu(dense.keys(x))[:, cells].sum(-1)


def make_router(
    kind: str, dense: ReLUFeedForward, cells: Tensor, states: Tensor, seed: int = 0
) -> Callable[[Tensor], Tensor]:
    """Return a router to experts.

    Args:
        kind: ``centroid``: the token state times an expert's mean key. ``mlp``: a small network, trained here on what the
            oracle says. ``oracle``: the true sums of activations, which takes all that the experts save. ``random``: times
            directions that mean nothing.
        dense, cells: As in :class:`Experts`.
        states: Token states to train on, ``(n, d)``.
        seed: Of the directions, and of the network.

    Raises:
        ConfigError: If there is no such router.
    """
    generator, (n, d) = torch.Generator().manual_seed(seed), (len(cells), dense.keys.in_features)
    if kind == "centroid":
        return _linear(dense.keys.weight.detach()[cells].mean(1))
    if kind == "random":
        return _linear(torch.randn(n, d, generator=generator))
    if kind == "oracle":
        return lambda x: activations(dense, cells, x)
    if kind != "mlp":
        raise ConfigError(f"a router is one of {', '.join(ROUTERS)}, got {kind!r}.")
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(d, n), nn.Tanh(), nn.Linear(n, n))
        optimizer = torch.optim.Adam(network.parameters(), _MLP_RATE)
        wanted = activations(dense, cells, states).detach()
        wanted = wanted / wanted.amax(-1, keepdim=True).clamp(min=1e-9)
        for _ in range(_MLP_STEPS):
            batch = torch.randint(len(states), (_MLP_BATCH,), generator=generator)
            F.binary_cross_entropy_with_logits(network(states[batch]), wanted[batch]).backward()
            optimizer.step()
            optimizer.zero_grad()
    return network.requires_grad_(False)


def router_parameters(kind: str, d: int, n_experts: int) -> int:
    """Return the parameters that a token is multiplied with before its experts are known; the oracle's are not told."""
    return {"centroid": n_experts * d, "random": n_experts * d, "oracle": 0}.get(
        kind, n_experts * d + n_experts + n_experts * (n_experts + 1)
    )


def _linear(rows: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: F.linear(x, rows)
