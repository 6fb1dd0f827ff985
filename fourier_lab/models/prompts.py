"""Attention with learned keys and values beside those of the tokens: deep prompts, and what approximates them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..embeddings.tuning_settings import PromptSettings


class PromptAttention(nn.Module):
    """Full attention to the tokens and to m learned keys and values, ``2 m d`` parameters a layer.

    Prompts are no tokens: they are not queried, normalised or fed forward, and no position turns their keys. Their values
    stand where a layer mixes: after the output map if there is one head, else before it. Keys start as N(0, 1), values as 0.

    Source: Li & Liang 2021 (arXiv:2101.00190), prefixes of keys and values, without their network that makes them.
    """

    def __init__(self, d_model: int, prompts: int = 16):
        super().__init__()
        count = PromptSettings(prompts).prompts
        self.keys = nn.Parameter(torch.randn(count, d_model))
        self.values = nn.Parameter(torch.zeros(count, d_model))

    def prompts(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values for queries ``(count, heads, length, width)``, each ``(count, heads, m, width)``."""
        shape = (len(q), -1, -1, -1)
        k, v = (each.unflatten(-1, (q.shape[1], -1)).transpose(0, 1).to(q.dtype) for each in (self.keys, self.values))
        return k.expand(shape), v.expand(shape)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, causal: bool = False) -> Tensor:
        keys, values = self.prompts(q)
        bias = None if bias is None else F.pad(bias, (keys.shape[-2], 0))
        return F.scaled_dot_product_attention(q, torch.cat((keys, k), -2), torch.cat((values, v), -2), attn_mask=bias)

    def share(self, q: Tensor, k: Tensor) -> Tensor:
        """Return lambda, the share of the tokens in what each query attends to, ``(count, heads, length, 1)``.

        Attention to both is ``lambda attention to the tokens + (1 - lambda) attention to the prompts``.
        """
        sums = [(q @ each.mT / q.shape[-1] ** 0.5).logsumexp(-1, keepdim=True) for each in (k, self.prompts(q)[0])]
        return torch.sigmoid(sums[0] - sums[1])


class ApproximatedPromptAttention(PromptAttention):
    """Attention to the tokens, plus that to the prompts: both shares of :meth:`share` are taken for 1.

    It starts as attention to the tokens alone, because the values of prompts start as 0.

    Source: Wu et al. 2023 (arXiv:2306.15706), whose abstract alone was read: the effect of prompts as an independent step.
    """

    def forward(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, causal: bool = False) -> Tensor:
        own = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return own + F.scaled_dot_product_attention(q, *self.prompts(q))
