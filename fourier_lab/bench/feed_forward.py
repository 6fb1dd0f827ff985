"""From which width on a feed-forward of low rank saves time in training, beside what its operations promise.

Times are a processor's, of a forward and a backward pass in float32 on one thread.
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import nn

from ..device import threads
from ..embeddings.fourier import GeGLU
from ..models.feed_forwards import LowRankFeedForward
from .attention import crossing
from .rows import Row, alternate, make_row
from .workload import Size

WIDTHS = (64, 128, 256, 512, 1024, 1536)
SHARES = (0.63, 0.32)  # of the dense parameters, the authors'
_RATIO = 4
_REPEATS = 5


def rank_of(share: float, d_model: int) -> int:
    """Return the rank at which the two products have about a share of a GeGLU's numbers.

    A GeGLU of ratio 4 has 12 d^2, its products have 14 d a rank.

    Example:
        >>> rank_of(0.32, 128)
        35
    """
    return round(share * 12 * d_model / 14)


def times_by_width(size: Size) -> Row:
    """The width from which on a dense feed-forward trains slower than one of low rank, the authors' 1,536 beside it."""
    widths = [d for d in WIDTHS if d <= size.feed_forward_width]
    names = {share: f"low rank, {100 * share:.0f} %" for share in SHARES}
    seconds: dict[str, list[float]] = {"dense": [], **{name: [] for name in names.values()}}
    with threads(1):
        for d in widths:
            sides: dict[str, nn.Module] = {"dense": GeGLU(d, _RATIO * d)}
            sides |= {names[share]: LowRankFeedForward(d, _RATIO, rank_of(share, d)) for share in SHARES}
            x = torch.randn(size.feed_forward_tokens, d, requires_grad=True)
            calls = {name: partial(_learn, each, x) for name, each in sides.items()}
            for name, times in alternate(calls, min(_REPEATS, size.repeats), time.process_time).items():
                seconds[name].append(float(np.median(times)))
    slower = {name: crossing(widths, seconds["dense"], times) for name, times in seconds.items() if name != "dense"}
    detail = {
        "widths": widths, "seconds": seconds, "tokens": size.feed_forward_tokens, "threads": 1, "dense_dearer_from": slower,
    }  # fmt: skip
    what = (
        "width from which on a dense feed-forward trains slower than one of low rank, 32 % of its numbers: here, theirs"
    )
    found, theirs = slower[names[SHARES[-1]]], 1536.0
    if found is None:
        detail["missing"] = f"the dense one is not slower up to {widths[-1]}"
        return make_row(what, None, theirs, "width", None, "none", None, detail)
    return make_row(what, found, theirs, "width", theirs / found, "none", None, detail)


def _learn(feed_forward: nn.Module, x: torch.Tensor, _: int) -> None:
    feed_forward(x).sum().backward()


FEED_FORWARD: dict[str, Callable[[Size], Row]] = {"feed_forward": times_by_width}
