"""Output layers of a language model, from token states ``(..., d)`` to the logits of all ids ``(..., V)``.

Any module called with V, d and its options is a head. One that has a cheaper way to its loss than through all logits has a
method ``cross_entropy(h, targets, reduction)``, as :class:`fourier_lab.FourierHead` has; one whose bias is not one number an
id may have ``start_at_counts(counts)``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import ModelConfig
from ..embeddings.fourier import FourierEmbedding
from ..embeddings.registry import HEADS
from ..errors import ConfigError
from .fourier_head import FourierHead


def learned_head(vocab_size: int, d_model: int, bias: bool = True) -> nn.Linear:
    """Return a table of its own: ``V d`` parameters, and V of the bias."""
    return nn.Linear(d_model, vocab_size, bias)


def decoupled_head(vocab_size: int, d_model: int, width: int = 32, bias: bool = True) -> nn.Sequential:
    """Return a linear map to ``width`` e and a table of that width: ``e (d + 1) + e V`` parameters, and V of the bias.

    Source: Chung et al. 2020 (arXiv:2010.12821), output embeddings decoupled from the input's.
    """
    if width < 1:
        raise ConfigError(f"width ({width}) of the head 'decoupled' must be at least 1. Try 32.")
    return nn.Sequential(nn.Linear(d_model, width), nn.Linear(width, vocab_size, bias))


class TiedHead(nn.Module):
    """Logits ``h · E(p) + bias(p)``, where E are the rows of the token embedding, computed anew in every call.

    The embedding's parameters stay its own: the head has the bias alone.
    """

    def __init__(self, embedding: nn.Module, vocab_size: int, bias: bool = True):
        super().__init__()
        self._shared = (embedding,)  # in a tuple, which torch does not look into
        self.vocab_size = vocab_size
        self.bias = nn.Parameter(torch.zeros(vocab_size)) if bias else None

    def forward(self, h: Tensor) -> Tensor:
        return F.linear(h, self._shared[0](torch.arange(self.vocab_size, device=h.device)), self.bias)


class AdaptiveHead(nn.Module):
    """Log-probabilities by torch's adaptive softmax: ids from a cutoff on share one entry of the head, and are narrower.

    Args:
        vocab_size: V.
        d_model: d.
        cutoffs: Rising ids below V; the ids are expected in order of falling count.
        div_value: Each next cluster is this many times narrower.

    Source: Grave et al. 2017 (arXiv:1609.04309).
    """

    def __init__(self, vocab_size: int, d_model: int, cutoffs: tuple[int, ...] = (1000,), div_value: float = 4.0):
        super().__init__()
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(d_model, vocab_size, list(cutoffs), div_value)

    def forward(self, h: Tensor) -> Tensor:
        return self.softmax.log_prob(h.flatten(0, -2)).unflatten(0, h.shape[:-1])

    def cross_entropy(self, h: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
        """Return the cross-entropy in nats: its ``mean`` or ``sum``, or ``none`` for that of each token."""
        losses = -self.softmax(h.flatten(0, -2), targets.flatten()).output
        return reduced(losses, targets, reduction)


def build_head(config: ModelConfig, embedding: nn.Module) -> nn.Module:
    """Return the output layer that ``config.head`` names; a tied one shares ``embedding``.

    To a :class:`FourierEmbedding` it is tied by FFT, see :class:`fourier_lab.models.fourier_head.TiedFourierHead`.

    Raises:
        ConfigError: If its options do not fit the sizes, or the embedding cannot be shared.
    """
    settings = HEADS.settings_of(config.head)(**dict(config.head_options))
    if config.head != "tied":
        return HEADS.build(config.head, (config.vocab_size, config.d_model), settings, config.frequency_seed)
    if type(embedding) is FourierEmbedding:  # one that moves ids, or learns frequencies, is no sum over whole ones
        return FourierHead.tied_to(embedding, settings.bias)
    return TiedHead(embedding, config.vocab_size, settings.bias)


def cross_entropy(head: nn.Module, h: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """Return the cross-entropy in nats of token states ``(..., d)`` and the ids ``(...)`` that follow them."""
    own = getattr(head, "cross_entropy", None)
    if own is not None:
        return own(h, targets, reduction)
    losses = F.cross_entropy(head(h).flatten(0, -2), targets.flatten(), reduction=reduction)
    return losses.view(targets.shape) if reduction == "none" else losses


def reduced(losses: Tensor, targets: Tensor, reduction: str) -> Tensor:
    """Return the ``mean`` or ``sum`` of the losses of flattened targets, or with ``none`` each in the targets' shape."""
    if reduction == "none":
        return losses.view(targets.shape)
    return losses.mean() if reduction == "mean" else losses.sum()


@torch.no_grad()
def start_at_counts(head: nn.Module, counts: Tensor) -> None:
    """Let the bias start at the logarithm of each id's share of the training text, counts plus one; if there is a bias.

    A step of AdamW moves a bias by no more than the rate: from 0 a short run would end before it knew which ids are rare.

    Args:
        head: The output layer.
        counts: How often each id occurs, ``(V,)``.
    """
    own = getattr(head, "start_at_counts", None)
    if own is not None:
        own(counts)
        return
    bias = getattr(head[-1] if isinstance(head, nn.Sequential) else head, "bias", None)
    if bias is not None:
        bias.copy_(((counts + 1.0) / (counts + 1.0).sum()).log())
