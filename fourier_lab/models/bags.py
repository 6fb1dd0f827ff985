"""Vectors of sentences whose order of words is not read: sums of the rows of their tokens, each row computed once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..embeddings.basis import check_token_ids

if TYPE_CHECKING:
    from .sentence_encoder import SentenceEncoder


class BagVectors:
    """Encode bags of tokens with an encoder without layers; float32 on the CPU.

    It holds the weighted rows of the ids seen so far, ``V d`` numbers at most, and no longer than the encoder's weights stay
    as they are: make one for each call.

    Args:
        encoder: One with ``n_layers`` 0, without the departure ``padding_mean``, in eval mode.
    """

    def __init__(self, encoder: "SentenceEncoder"):
        self.encoder, size = encoder, encoder.config.vocab_size
        self.rows = torch.empty(size, encoder.config.d_model)
        self.weights = torch.ones(size)
        self.known = np.zeros(size, dtype=bool)

    @torch.no_grad()
    def __call__(self, sentences: Sequence[np.ndarray]) -> Tensor:
        """Return the vectors ``(n, d)`` of arrays of integer ids, each with at least one id of the vocabulary."""
        ids = torch.from_numpy(np.concatenate(sentences).astype(np.int64, copy=False))
        check_token_ids(ids, self.encoder.config.vocab_size)
        self._learn(ids.numpy())
        starts = torch.from_numpy(np.cumsum([0, *(len(s) for s in sentences[:-1])]))
        sums = F.embedding_bag(ids, self.rows, starts, mode="sum")
        weights = np.add.reduceat(self.weights[ids].numpy(), starts.numpy())
        means = sums / torch.from_numpy(weights).unsqueeze(1)
        return self.encoder.finish(means.to(next(self.encoder.parameters()).device)).float().cpu()

    def _learn(self, ids: np.ndarray) -> None:
        """Compute the rows of ids that were not seen before."""
        occurs = np.zeros_like(self.known)
        occurs[ids] = True
        new = torch.from_numpy(np.flatnonzero(occurs & ~self.known))
        if not len(new):
            return
        at = new.to(next(self.encoder.parameters()).device)
        rows = self.encoder.embedding(at).float()
        if self.encoder.token_weights is not None:
            weights = self.encoder.token_weights(at)
            rows, self.weights[new] = rows * weights.unsqueeze(1), weights.cpu()
        self.rows[new] = rows.cpu()
        self.known |= occurs
