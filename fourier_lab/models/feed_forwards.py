"""Thinner feed-forwards than the dense one: products of low rank, and memory cells of which each token reads a few."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..embeddings.feed_forward_settings import LowRankSettings, MemorySettings, ReLUSettings
from ..embeddings.fourier import GeGLU
from ..embeddings.rivals.murmur import hash_words


class ReLUFeedForward(nn.Module):
    """Map ``W2 ReLU(W1 x)``, ``(..., d) -> (..., d)``: sums of values, each weighed by how well its key fits."""

    def __init__(self, d_model: int, ratio: float = 4.0):
        super().__init__()
        hidden = ReLUSettings(ratio).hidden(d_model)
        self.keys, self.values = nn.Linear(d_model, hidden), nn.Linear(hidden, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.values(F.relu(self.keys(x)))


class LowRankLinear(nn.Module):
    """A linear map whose matrix is a product, ``W = U V`` with V ``(rank, n_in)`` and U ``(n_out, rank)``.

    It starts as the best product of its rank for the matrix of ``like``. With guidance the output begins as that of a whole
    matrix, ``a W x + (1 - a) U V x``, where ``a`` falls from 1 to 0 along half a cosine in the first ``guided_steps``
    training steps.

    Source: Wei et al. 2024 (arXiv:2407.09835), self-guided training.
    """

    step: Tensor

    def __init__(self, like: nn.Linear, rank: int, guided_steps: int = 0):
        super().__init__()
        u, s, v = torch.linalg.svd(like.weight.detach(), full_matrices=False)
        root = s[:rank].sqrt()
        self.down = nn.Parameter(root.unsqueeze(-1) * v[:rank])
        self.up = nn.Parameter(u[:, :rank] * root)
        self.bias = nn.Parameter(like.bias.detach().clone())
        self.guide = nn.Parameter(like.weight.detach().clone()) if guided_steps else None
        self.guided_steps = guided_steps
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))  # a checkpoint goes on where it was

    def forward(self, x: Tensor) -> Tensor:
        product = F.linear(F.linear(x, self.down), self.up, self.bias)
        if self.guide is None or (step := int(self.step)) >= self.guided_steps:
            return product
        share = (1 + math.cos(math.pi * step / self.guided_steps)) / 2
        if self.training:
            self.step += 1
        return share * F.linear(x, self.guide, self.bias) + (1 - share) * product

    def matrix(self) -> Tensor:
        """Return the product ``(n_out, n_in)``, which few rows are multiplied with sooner than with its factors."""
        return self.up @ self.down


class LowRankFeedForward(GeGLU):
    """GeGLU with products of low rank in place of its matrices, ``(..., d) -> (..., d)``, see :class:`LowRankLinear`.

    Args:
        d_model: Width in and out.
        ratio: Hidden width in units of ``d_model``.
        rank: Of each of the two matrices.
        guided_steps: Steps at the start in which whole matrices guide; they count as parameters. 0: none.
    """

    def __init__(self, d_model: int, ratio: float = 4.0, rank: int = 32, guided_steps: int = 0):
        settings = LowRankSettings(ratio, rank, guided_steps)
        settings.computed(d_model)
        super().__init__(d_model, settings.hidden(d_model))
        first, second = self.w1, self.w2
        self.w1 = LowRankLinear(first, rank, guided_steps)  # type: ignore[assignment]
        self.w2 = LowRankLinear(second, rank, guided_steps)  # type: ignore[assignment]

    def merged(self) -> GeGLU:
        """Return the equal dense feed-forward."""
        dense = GeGLU(self.w2.bias.shape[0], self.w1.bias.shape[0] // 2)
        with torch.no_grad():
            for ours, whole in ((self.w1, dense.w1), (self.w2, dense.w2)):
                whole.weight.copy_(ours.matrix())  # type: ignore[operator]
                whole.bias.copy_(ours.bias)
        return dense


class MemoryFeedForward(ReLUFeedForward):
    """ReLU cells in blocks, of which each token reads the ``top`` best: ``sum of ReLU(x . k) v`` over their cells.

    Args:
        d_model: Width in and out.
        ratio: Number of cells in units of ``d_model``.
        block: Cells in a block.
        top: Blocks that a token reads; all of them make the dense feed-forward.
        selector: What ranks the blocks. ``average``: x times the mean of a block's keys, no parameter. ``router``: a
            softmax of a learned map, which also weighs what was read, with a penalty for blocks that are read too often.
            ``ids``: a hash of the token's id. ``random``: a fixed random map.

    Cells that are not read are computed all the same and then left out: this shows what they are worth, not the time.

    Source: Liu et al. 2023 (arXiv:2305.13999); the router and its penalty by Fedus et al. 2021 (arXiv:2101.03961), ids by
    Roller et al. 2021 (arXiv:2106.04426).
    """

    def __init__(self, d_model: int, ratio: float = 4.0, block: int = 16, top: int = 8, selector: str = "average"):
        super().__init__(d_model, ratio)
        settings = MemorySettings(ratio, block, top, selector)
        self.block, self.top, self.selector, self.n_blocks = block, top, selector, settings.blocks(d_model)
        self.reads_ids = selector == "ids"
        self.router = nn.Linear(d_model, self.n_blocks, bias=False) if selector == "router" else None
        if selector == "random":
            generator = torch.Generator().manual_seed(0)
            self.register_buffer("directions", torch.randn(self.n_blocks, d_model, generator=generator))
        self._load: Tensor | None = None

    def scores(self, x: Tensor, token_ids: Tensor | None = None) -> Tensor:
        """Return how each block ranks for each token, ``(n_tokens, n_blocks)``; ids int64 ``(n_tokens,)``."""
        if self.selector == "ids":
            assert token_ids is not None
            return hash_words(token_ids, self.n_blocks, seed=0).double()  # 32 bits, which no shorter type tells apart
        if self.router is not None:
            return self.router(x).softmax(-1)
        directions = (
            self.directions
            if self.selector == "random"
            else self.keys.weight.unflatten(0, (self.n_blocks, self.block)).mean(1)
        )
        return F.linear(x, directions)  # type: ignore[arg-type]

    def forward(self, x: Tensor, token_ids: Tensor | None = None) -> Tensor:
        scores = self.scores(x, token_ids)
        kept = torch.zeros_like(scores, dtype=x.dtype).scatter(-1, scores.topk(self.top, dim=-1).indices, 1.0)
        weights = kept
        if self.router is not None:
            weights = kept * scores
            # Of training alone, and until it is asked for: a graph that stays cannot be copied with the model.
            self._load = None if not self.training else (kept.mean(0) * scores.mean(0)).sum() * self.n_blocks / self.top
        read = F.relu(self.keys(x)).unflatten(-1, (self.n_blocks, self.block)) * weights.unsqueeze(-1)
        return self.values(read.flatten(-2))

    def penalty(self) -> Tensor:
        """Return a hundredth of the balance of the last tokens: 1 if blocks were read alike, at most ``n_blocks / top``."""
        load, self._load = self._load, None
        return self.values.weight.new_zeros(()) if load is None else 0.01 * load
