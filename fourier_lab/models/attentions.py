"""How queries meet keys: all with all, within a window, or through a kernel whose cost grows with the length alone.

An attention maps queries, keys and values, each ``(count, heads, length, width)`` of ``count`` sentences of one length, to
mixed values of that shape. ``bias``, float ``(count, 1, 1, length)``, is added to the scores of each key; ``causal`` lets a
token see itself and those before it alone. Each token's weights are positive and sum to 1.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..embeddings.attention_settings import LocalSettings

_CHUNK = 64  # tokens that causal linear attention mixes at a time


def _softmax_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, causal: bool = False) -> Tensor:
    """Mix values by the softmax of ``q . k + bias``; on a processor in float32 under autocast too.

    There the gradient of torch 2.13 takes 4 times as long in bfloat16 for sentences of 12 tokens, and no less for 256.
    """
    if q.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias, is_causal=causal)
    bias = bias.float() if bias is not None and bias.is_floating_point() else bias
    with torch.autocast("cpu", enabled=False):
        return F.scaled_dot_product_attention(q.float(), k.float(), v.float(), attn_mask=bias, is_causal=causal)


class FullAttention(nn.Module):
    """Softmax attention of all with all: ``4 n^2 d`` operations for n tokens of width d."""

    def __init__(self, d_model: int):
        super().__init__()

    def forward(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, causal: bool = False) -> Tensor:
        return _softmax_attention(q, k, v, bias, causal)


class LocalAttention(nn.Module):
    """Softmax attention to tokens fewer than ``window`` places away: ``12 n w d`` operations, causal ``8 n w d``.

    The tokens are cut into blocks of ``window``; each block attends to itself and to its neighbours, of which it sees what
    is near. A sentence no longer than the window is attended to as a whole.

    Source: Beltagy et al. 2020 (arXiv:2004.05150), sliding windows, without dilation and global tokens.
    """

    def __init__(self, d_model: int, window: int = 16):
        super().__init__()
        self.window = LocalSettings(window).window

    def forward(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, causal: bool = False) -> Tensor:
        n, w = q.shape[-2], self.window
        if n <= w:
            return _softmax_attention(q, k, v, bias, causal)
        n_blocks, after = -(-n // w), 0 if causal else w
        missing, reach = n_blocks * w - n, 2 * w + after
        seen = [F.pad(t, (0, 0, w, missing + after)).unfold(-2, reach, w).transpose(-1, -2) for t in (k, v)]
        parts = [
            F.pad(q, (0, 0, 0, missing)).unflatten(-2, (n_blocks, w)),
            *seen,
        ]  # (count, heads, blocks, w or reach, width)
        distance = torch.arange(reach, device=q.device) - torch.arange(w, 2 * w, device=q.device).unsqueeze(-1)
        near = (distance > -w) & (distance < (1 if causal else w))  # (w, reach)
        scores = q.new_zeros(1, 1, n) if bias is None else bias.squeeze(-2)
        scores = F.pad(scores, (w, missing + after), value=-torch.inf).unfold(-1, reach, w).unsqueeze(-2)
        scores = scores.masked_fill(~near, -torch.inf).expand(len(q), -1, -1, -1, -1)  # (count, 1, blocks, w, reach)
        # Each block as a sentence of its own, which torch mixes fastest.
        queries, keys, values, scores = (t.transpose(1, 2).flatten(0, 1) for t in (*parts, scores))
        mixed = _softmax_attention(queries, keys, values, scores)
        return mixed.unflatten(0, (len(q), n_blocks)).transpose(1, 2).flatten(2, 3)[:, :, :n]


class LinearAttention(nn.Module):
    """Weights ``f(q) . f(k)`` with ``f(x) = elu(x) + 1``, divided by their sum: ``4 n d^2`` operations per head of width d.

    Queries and keys come turned by their positions, so that the weights are positive but read positions not only as
    distances. A causal model sums up chunk by chunk what lies before.

    Source: Katharopoulos et al. 2020 (arXiv:2006.16236).
    """

    def __init__(self, d_model: int):
        super().__init__()

    def forward(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, causal: bool = False) -> Tensor:
        q, k = F.elu(q) + 1, F.elu(k) + 1
        if bias is not None:
            k = k * bias.transpose(-1, -2).exp()
        v = torch.cat((v, torch.ones_like(v[..., :1])), dim=-1)  # its last column sums the weights
        mixed = _causal(q, k, v) if causal else q @ (k.transpose(-1, -2) @ v)
        return mixed[..., :-1] / mixed[..., -1:]


def _causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Return the sums over keys up to each query of ``(q . k) v``, ``(..., n, width of v)``."""
    n, chunk = q.shape[-2], min(_CHUNK, q.shape[-2])
    q, k, v = (F.pad(t, (0, 0, 0, -n % chunk)).unflatten(-2, (-1, chunk)) for t in (q, k, v))
    sums = k.transpose(-1, -2) @ v  # of each chunk, (..., chunks, width, width of v)
    before = sums.cumsum(-3) - sums
    return (q @ before + (q @ k.transpose(-1, -2)).tril() @ v).flatten(-3, -2)[..., :n, :]
