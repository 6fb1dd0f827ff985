"""An output layer that spells each id by a few hashed codes and predicts them one after the other, in small softmaxes."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..embeddings.basis import check_token_ids
from ..embeddings.rivals.hashing import unique_signatures
from .heads import reduced

_MOST_STATES = 2**24  # numbers of hidden states of all prefixes that are held at a time
_BUFFERS = ("allowed", "prefix", "first")  # of each code


class HashCascadeHead(nn.Module):
    """Log-probabilities ``sum_i log p(c_i | h, c_1 .. c_{i-1})`` of the signature c of each id, no two alike.

    Each factor is a softmax over those of the B codes that some id goes on with, so that the probabilities of the V ids
    add up to 1. It reads ``h + GELU(M_i h + e(c_1) + ... )``, where e(c) is the row of the code's own softmax.
    Parameters ``H B (d + 1) + (H - 1) d (d + 1)``; the signatures are computed from the seed.

    Args:
        vocab_size: V.
        d_model: Width d of h.
        buckets: B, values of a code; ``B^H`` is at least ``2 V``.
        hashes: H, codes of an id.
        seed: Seed of the hashes.

    Raises:
        ConfigError: If there are too few signatures, and on bad ids in a call.

    Source: the hash decoder of Xue, Yamaguchi & Aletras 2026 (arXiv:2606.28057), of whose network only the cascade is known.
    """

    extra_bits = 64  # of the seed
    signatures: Tensor

    def __init__(self, vocab_size: int, d_model: int, buckets: int = 64, hashes: int = 4, seed: int = 0):
        super().__init__()
        self.vocab_size, self.d_model = vocab_size, d_model
        self.register_buffer("signatures", unique_signatures(vocab_size, buckets, hashes, seed), persistent=False)
        bound = d_model**-0.5  # as nn.Linear's
        self.tables = nn.Parameter(torch.empty(hashes, buckets, d_model).uniform_(-bound, bound))
        self.biases = nn.Parameter(torch.zeros(hashes, buckets))
        self.maps = nn.ModuleList(nn.Linear(d_model, d_model) for _ in range(hashes - 1))
        for i in range(hashes):
            for name, buffer in zip(_BUFFERS, _children(self.signatures, i, buckets), strict=True):
                self.register_buffer(f"{name}_{i}", buffer, persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        """Return the log-probabilities of all ids, ``(..., V)``, for hidden states ``(..., d)``; not fast."""
        flat = h.reshape(-1, self.d_model)
        rows = max(1, _MOST_STATES // (self.vocab_size * self.d_model))
        parts = [self._all_ids(flat[i : i + rows]) for i in range(0, len(flat), rows)]
        return torch.cat(parts).view(*h.shape[:-1], self.vocab_size)

    def cross_entropy(self, h: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Return the cross-entropy in nats: its ``mean`` or ``sum``, or ``none`` for that of each token."""
        check_token_ids(targets, self.vocab_size)
        return reduced(-self._of_ids(h.reshape(-1, self.d_model), targets.flatten().long()), targets, reduction)

    @torch.no_grad()
    def start_at_counts(self, counts: Tensor) -> None:
        """Let the bias of each code start at the logarithm of its share of a text, counts ``(V,)`` of ids plus one."""
        for bias, code in zip(self.biases, self.signatures.T, strict=True):
            found = torch.zeros_like(bias).index_add_(0, code, counts.to(bias) + 1.0)
            bias.copy_(found.clamp(min=1).div(found.sum()).log())

    def _of_ids(self, h: Tensor, ids: Tensor) -> Tensor:
        total = h.new_zeros(len(ids))
        for i, (_, prefix, _), code in self._levels():
            logs = self._log_softmax(i, h, self.signatures[ids], prefix[ids])
            total = total + logs.gather(-1, code[ids, None]).squeeze(-1)
        return total

    def _all_ids(self, h: Tensor) -> Tensor:
        total = h.new_zeros(len(h), self.vocab_size)
        for i, (allowed, prefix, first), code in self._levels():
            every = torch.arange(len(allowed), device=h.device)
            logs = self._log_softmax(i, h.unsqueeze(1), self.signatures[first], every)  # (n, prefixes, B)
            total = total + logs[:, prefix, code]
        return total

    def _levels(self) -> Iterator[tuple[int, tuple[Tensor, Tensor, Tensor], Tensor]]:
        for i in range(len(self.tables)):
            allowed, prefix, first = (getattr(self, f"{name}_{i}") for name in _BUFFERS)
            yield i, (allowed, prefix, first), self.signatures[:, i]

    def _log_softmax(self, i: int, h: Tensor, signatures: Tensor, prefix: Tensor) -> Tensor:
        """Return log p of each value of code i, ``(..., B)``, after the codes before it."""
        if i:
            before = self.maps[i - 1](h)
            for j in range(i):
                before = before + F.embedding(signatures[:, j], self.tables[j])
            h = h + F.gelu(before)
        logits = F.linear(h, self.tables[i], self.biases[i]).float()
        return logits.masked_fill(~getattr(self, f"allowed_{i}")[prefix], -torch.inf).log_softmax(-1)


def _children(signatures: Tensor, i: int, buckets: int) -> tuple[Tensor, Tensor, Tensor]:
    """Say how signatures go on after their first i codes.

    Returns:
        Which values code i takes after each of the P prefixes there are, bool ``(P, B)``; the prefix of each id, ``(V,)``;
        an id of each prefix, ``(P,)``.
    """
    prefix = signatures.new_zeros(len(signatures))  # the empty one
    if i:
        prefix = torch.unique(signatures[:, :i], dim=0, return_inverse=True)[1]
    n = int(prefix.max()) + 1
    allowed = torch.zeros(n, buckets, dtype=torch.bool, device=signatures.device)
    allowed[prefix, signatures[:, i]] = True
    first = signatures.new_zeros(n).index_copy_(0, prefix, torch.arange(len(prefix), device=signatures.device))
    return allowed, prefix, first
