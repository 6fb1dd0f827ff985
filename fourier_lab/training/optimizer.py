"""The optimiser of a run, and its rate at every step."""

import inspect
from collections.abc import Iterable

import torch
from torch import nn

from ..config import RunConfig


def learning_rate_at(step: int, config: RunConfig) -> float:
    """Return the rate of step ``step`` (from 0): linear warm-up to the peak, then linear decay towards 0."""
    if step < config.warmup_steps:
        return config.peak_rate * (step + 1) / config.warmup_steps
    return config.peak_rate * (config.steps - step) / max(1, config.steps - config.warmup_steps)


class _AdamW(torch.optim.AdamW):
    """AdamW as it is, without the marks for torch's compiler around its methods.

    They import the compiler when the first optimiser is made, which takes seconds of each process; no step here is compiled.
    """

    add_param_group = inspect.unwrap(torch.optim.AdamW.add_param_group)
    load_state_dict = inspect.unwrap(torch.optim.AdamW.load_state_dict)
    state_dict = inspect.unwrap(torch.optim.AdamW.state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))
    zero_grad = inspect.unwrap(torch.optim.AdamW.zero_grad)


def plain_adam(parameters: list[torch.Tensor], rate: float) -> torch.optim.AdamW:
    """Return Adam without decay, for what is no weight of a model."""
    return _AdamW(parameters, lr=rate, weight_decay=0.0)


def make_optimizer(modules: Iterable[nn.Module], weight_decay: float) -> torch.optim.AdamW:
    """Return a fused AdamW of what is trained, that decays matrices and tables, but no bias, norm or temperature."""
    parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return _AdamW(groups, lr=0.0, fused=True)
