"""How much each token counts in the mean over a sentence, or in attention."""

import torch
from torch import Tensor, nn

from ..errors import ConfigError

_SCALE = (
    10.0  # AdamW moves every number by about the rate: so a weight moves ten times as fast as its logarithm's parameter
)
_LEAST = 1e-3  # of a weight to start with: its logarithm is learned


class TokenWeights(nn.Module):
    """One positive weight per token id, ``exp(10 s_p)``, V numbers in all; all 1 until :meth:`start`.

    Args:
        vocab_size: V.

    Source: weighted means of word vectors (Arora et al. 2017, "A simple but tough-to-beat baseline for sentence
    embeddings"), with weights that are learned.
    """

    def __init__(self, vocab_size: int):
        super().__init__()
        self.logarithm = nn.Parameter(torch.zeros(vocab_size))

    @torch.no_grad()
    def start(self, weights: Tensor) -> None:
        """Set the weights, non-negative ``(V,)``; those below 0.001 become 0.001."""
        if weights.shape != self.logarithm.shape:
            raise ConfigError(
                f"there must be one weight per token id, {len(self.logarithm)}, got {tuple(weights.shape)}."
            )
        self.logarithm.copy_(weights.clamp(min=_LEAST).log() / _SCALE)

    def forward(self, token_ids: Tensor) -> Tensor:
        """Return the weights of int64 ids ``(n,)``, positive ``(n,)``."""
        return self.log_of(token_ids).exp()

    def log_of(self, token_ids: Tensor) -> Tensor:
        """Return the logarithms of the weights of int64 ids ``(n,)``."""
        return _SCALE * self.logarithm[token_ids]


class ClassWeights(TokenWeights):
    """One positive weight per class of tokens, all 1 at the start; the classes ``(V,)`` are no parameters but kept.

    Args:
        vocab_size: V.
        n_classes: Numbers that are learned.
    """

    classes: Tensor

    def __init__(self, vocab_size: int, n_classes: int):
        super().__init__(n_classes)
        self.register_buffer("classes", torch.zeros(vocab_size, dtype=torch.int64))

    @torch.no_grad()
    def set_classes(self, classes: Tensor) -> None:
        """Set the class of each id, int64 ``(V,)`` in ``0..n_classes-1``."""
        if classes.shape != self.classes.shape:
            raise ConfigError(f"there must be one class per token id, {len(self.classes)}, got {tuple(classes.shape)}.")
        self.classes.copy_(classes)

    def log_of(self, token_ids: Tensor) -> Tensor:
        """Return the logarithms of the weights of the classes of int64 ids ``(n,)``."""
        return super().log_of(self.classes[token_ids])
