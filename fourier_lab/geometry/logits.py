"""What a language model says next: the most probable words, and a Fourier head's logits wave by wave."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from ..columns import Columns, from_rows, stack
from ..errors import ConfigError
from ..models.causal_lm import CausalLM
from ..models.fourier_head import ComputedHead


def next_words(models: Mapping[str, CausalLM], prompt: str, n_words: int = 8) -> Columns:
    """Return what each model takes for the most probable next tokens.

    Args:
        models: By name, with a tokenizer each.
        prompt: What they read.
        n_words: How many tokens of each.

    Returns:
        Columns: ``series``, ``word``, ``probability`` (in [0, 1], falling in each series).
    """
    rows = []
    for name, model in models.items():
        with torch.no_grad():
            shares = model.head(model.state_after(prompt)).softmax(-1)
        for share, token in zip(*(each.tolist() for each in shares.topk(min(n_words, len(shares)))), strict=True):
            rows.append((name, model.tokenizer.decode([token]) if model.tokenizer else str(token), share))
    return from_rows(("series", "word", "probability"), rows)


def wave_columns(head: ComputedHead, state: Tensor) -> Columns:
    """Return how far each wave of a computed head moves the logits after one hidden state ``(d,)``.

    Returns:
        Columns: ``frequency`` (cycles per period, rising), ``nats`` (half of the wave's swing before any scale of the ids).
    """
    frequencies, order = head.frequencies.cpu().sort()
    return {"frequency": frequencies.numpy(), "nats": _strengths(head, state)[order].numpy()}


def logit_columns(head: ComputedHead, state: Tensor, n_waves: Sequence[int]) -> Columns:
    """Return the logits of all ids after one hidden state ``(d,)``, from the strongest waves alone.

    Args:
        head: A Fourier head of K waves.
        state: What it reads.
        n_waves: How many of the waves to add up, each in 0..K; 0 leaves the bias.

    Returns:
        Columns: ``series`` (``64 waves`` and so on), ``waves``, ``token_id``, ``logit`` (nats) and ``probability``.

    Raises:
        ConfigError: If there are not so many waves.
    """
    strongest = _strengths(head, state).argsort(descending=True)
    if bad := [n for n in n_waves if not 0 <= n <= len(strongest)]:
        raise ConfigError(f"{bad[0]} waves of {len(strongest)} cannot be added up. Choose from 0 to {len(strongest)}.")
    found: dict[str, Columns] = {}
    for n in n_waves:
        with torch.no_grad():
            kept = torch.zeros(len(strongest), 1).index_fill_(0, strongest[:n], 1.0)
            amplitudes = head.amplitudes(state).unflatten(-1, (-1, 2)) * kept.to(state.device)
            logits = head.sum_waves(amplitudes.flatten()).cpu()
        found[f"{n} wave{'s' * (n != 1)}"] = {
            "waves": np.full(len(logits), n),
            "token_id": np.arange(len(logits)),
            "logit": logits.numpy(),
            "probability": logits.softmax(-1).numpy(),
        }
    return stack(found)


@torch.no_grad()
def _strengths(head: ComputedHead, state: Tensor) -> Tensor:
    return head.amplitudes(state).unflatten(-1, (-1, 2)).norm(dim=-1).cpu()
