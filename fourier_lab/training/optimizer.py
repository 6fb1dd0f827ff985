"""The optimiser of a run, and its rate at every step."""

from collections.abc import Iterable

import torch
from torch import nn

from ..config import RunConfig


def learning_rate_at(step: int, config: RunConfig) -> float:
    """Return the rate of step ``step`` (from 0): linear warm-up to the peak, then linear decay towards 0."""
    if step < config.warmup_steps:
        return config.peak_rate * (step + 1) / config.warmup_steps
    return config.peak_rate * (config.steps - step) / max(1, config.steps - config.warmup_steps)


def make_optimizer(modules: Iterable[nn.Module], weight_decay: float) -> torch.optim.AdamW:
    """Return a fused AdamW that decays matrices and tables, but no bias, norm or temperature."""
    parameters = [p for module in modules for p in module.parameters()]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, fused=True)
