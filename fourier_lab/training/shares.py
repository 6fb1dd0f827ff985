"""A batch computed by several ranks: each encodes its share, and all have the loss and the gradients of the whole.

All ranks draw the same global batch and gather the vectors of its sentences, so that each computes the whole loss. The
backward pass of the gathering adds up what every rank asks of a share: the number of ranks times its gradient. What the
objective itself learns, such as the scale, has its whole gradient on each rank. The mean over ranks is right for both.
In a single process every function here gives back what it is given.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..models.losses import at_least_float32
from .ranks import lost, rank, size


def share(index: np.ndarray) -> np.ndarray:
    """Return this rank's part of a batch ``(n,)``: the next ``n / size()`` after that of the rank before."""
    return np.split(index, size())[rank()]


def filled_up(n: int) -> np.ndarray:
    """Return the places 0..n-1 and, until all ranks have as many, the first of them again."""
    return np.resize(np.arange(n), -(-n // size()) * size())


def gathered(*vectors: Tensor) -> tuple[Tensor, ...]:
    """Return the vectors ``(n, d)`` of the whole batch for each of the shares ``(n / size(), d)``, with gradients."""
    if size() == 1:
        return vectors
    import torch.distributed._functional_collectives as functional

    gather = getattr(functional, "all_gather_single", None) or functional.all_gather_tensor_autograd  # before 2.13
    full = gather(at_least_float32(torch.cat(vectors, 1)), 0, cast(dist.ProcessGroup, dist.group.WORLD))
    return full.chunk(len(vectors), 1)


@torch.no_grad()
def averaged(parameters: Sequence[nn.Parameter], loss: float, stop: bool) -> tuple[float, bool]:
    """Average gradients over ranks, in place, and the loss; say whether any rank is to stop, or has lost torchrun.

    A gradient that is missing on some ranks counts as zero there; one that is missing on all stays so.
    """
    if size() == 1:
        return loss, stop
    own = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    words = [loss, float(stop or lost()), *(float(p.grad is not None) for p in parameters)]
    flat = torch.cat([*(each.flatten() for each in own), own[0].new_tensor(words)])
    dist.all_reduce(flat)
    *means, words = (flat / size()).split([*(p.numel() for p in parameters), len(words)])
    loss, stop, *found = words.tolist()
    for parameter, mean, there in zip(parameters, means, found, strict=True):
        parameter.grad = mean.view_as(parameter) if there else None
    return loss, stop > 0


def own_random_numbers(seed: int, step: int) -> None:
    """Let each rank draw other numbers in this step, as for dropout, whatever was drawn before."""
    if size() > 1:
        torch.manual_seed(int(np.random.SeedSequence((seed, step, rank())).generate_state(1)[0]))
