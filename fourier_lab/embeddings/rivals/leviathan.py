"""LEV: a continuous function of the digits of the id, by products of splines."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import ConfigError
from .coded import CodedEmbedding, gaussian
from .factors import digit_base


class LeviathanEmbedding(CodedEmbedding):
    """Sum heads of products of splines over a code of the digits, ``row(p) = sum_l M_l A_l``.

    With base-b digits ``i_1 .. i_k`` of the id: ``z = sum_r C_r[i_r]``; in each head ``u = sigmoid(LayerNorm(z W_l) / 2)``,
    ``phi = B(u) S_l`` with quadratic B-splines B on equal knots, and ``M_l = prod phi`` over the s numbers of the code.
    Parameters ``k b s + h (s² + 2 s + s K r + r d) + d``; stored bits: 32 for each.

    Args:
        num_embeddings, embedding_dim: V and d.
        digits: k; the base b is the smallest with ``b^k >= V``.
        seed_width: s, width of the code.
        heads: h.
        knots: K in [0, 1], at least 3; more make finer splines.
        rank: r, products of a head.

    Source: Batley & Saha 2026 (arXiv:2601.22040), Leviathan.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        digits: int = 3,
        seed_width: int = 64,
        heads: int = 4,
        knots: int = 16,
        rank: int = 8,
    ):
        counts = {"digits": digits, "seed_width": seed_width, "heads": heads, "knots": knots, "rank": rank}
        super().__init__(num_embeddings, embedding_dim, counts)
        if knots < 3:
            raise ConfigError(f"knots ({knots}) must be at least 3, as many as quadratic splines overlap. Try 16.")
        self.digits, self.knots = digits, knots
        self.codebooks = gaussian(digits, digit_base(num_embeddings, digits), seed_width)
        self.project = gaussian(heads, seed_width, seed_width, std=seed_width**-0.5)
        # Gains and biases of a norm are vectors, so that the optimiser decays none.
        self.gain = nn.Parameter(torch.ones(heads * seed_width))
        self.bias = nn.Parameter(torch.zeros(heads * seed_width))
        # A product of many numbers neither vanishes nor explodes if they start near 1; decay pulls them there.
        self.splines = gaussian(heads, seed_width, knots, rank, std=0.1)
        self.out = gaussian(heads, rank, embedding_dim, std=(heads * rank) ** -0.5)

    def basis(self, u: Tensor) -> Tensor:
        """Return the quadratic B-splines at ``u`` in [0, 1]: ``(..., knots)`` of sum 1, at most three above 0."""
        place = u * (self.knots - 1)
        nearest = place.detach().round()
        past = place - nearest
        three = torch.stack([0.5 * (0.5 - past) ** 2, 0.75 - past**2, 0.5 * (0.5 + past) ** 2], dim=-1)
        around = nearest.long().unsqueeze(-1) + torch.arange(-1, 2, device=u.device)
        inside = three * ((around >= 0) & (around < self.knots))
        inside = inside / inside.sum(-1, keepdim=True)
        return u.new_zeros(*u.shape, self.knots).scatter_add(-1, around.clamp(0, self.knots - 1), inside)

    def rows(self, token_ids: Tensor) -> Tensor:
        base = self.codebooks.shape[1]
        code = sum(
            F.embedding(token_ids // base ** (self.digits - 1 - r) % base, book)
            for r, book in enumerate(self.codebooks)
        )
        projected = torch.einsum("ns,hst->nht", code, self.project)
        gain, bias = (each.view(projected.shape[1:]) for each in (self.gain, self.bias))
        scaled = F.layer_norm(projected, projected.shape[-1:]) * gain + bias
        basis = self.basis(torch.sigmoid(scaled / 2).permute(1, 2, 0))  # (heads, seed_width, n, knots)
        products = (basis @ (1 + self.splines)).prod(dim=1)  # (heads, n, rank)
        return (products @ self.out).sum(dim=0)
