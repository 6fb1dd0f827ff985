"""Latent vectors of a text: how token states read them."""

import torch
from torch import Tensor, nn


class LatentReader(nn.Module):
    """Cross-attention of token states to the latent vectors of their window, ``x + gate * attention(norm(x), z)``.

    Each latent vector comes with a learned one that says which it is. At gate 0 token states are left as they are.
    Parameters: ``4 d^2 + 5 d`` of attention and norm, ``vectors * d``, and the gate.

    Args:
        d_model: Width d of token states and of latent vectors.
        n_heads: Attention heads.
        vectors: Latent vectors of a window.

    Source: after Kong et al. 2025 (arXiv:2502.01567), of whom an abstract and summaries were read: there each layer has
    vectors of its own.
    """

    def __init__(self, d_model: int, n_heads: int, vectors: int):
        super().__init__()
        self.norm = nn.RMSNorm(d_model)
        self.attention = nn.MultiheadAttention(d_model, n_heads, batch_first=True)
        self.places = nn.Parameter(torch.randn(vectors, d_model) * d_model**-0.5)
        self.gate = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, latents: Tensor) -> Tensor:
        """Return states like ``x (n_tokens, d)`` of windows of one length, for their latents ``(n_windows, vectors, d)``."""
        queries, keys = self.norm(x).unflatten(0, (len(latents), -1)), latents + self.places
        read, _ = self.attention(queries, keys, keys, need_weights=False)
        return x + self.gate * read.flatten(0, 1)
