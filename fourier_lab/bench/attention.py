"""From which length on attention costs more than all else in a block, and from which another attention costs less.

All lengths have as many tokens in all, so that what is not attention takes as long for each. That rest are the maps of a
block with a ReLU feed-forward, ``24 d^2`` operations a token; full attention takes ``4 n d``, as much at ``n = 6 d``. Times
are a processor's, of forward passes in float32 on one thread; memory is of a forward and a backward pass in a fresh process.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..config import ModelConfig
from ..device import peak_memory_bytes, threads
from ..models.blocks import Block, build_attention
from .rows import Row, alternate, make_row, run_child
from .workload import Size

WIDTHS = (128, 256, 512)
LENGTHS = tuple(2**i for i in range(4, 13))
WINDOW = 64
_HEAD_WIDTH = 64
_REPEATS = 5


def shape(kind: str, d_model: int) -> ModelConfig:
    """Return the shape of a block with attention ``full``, ``local`` or ``linear``, heads 64 wide or one narrower."""
    options = (("window", WINDOW),) if kind == "local" else ()
    return ModelConfig(
        "fourier", 100, d_model, n_heads=max(1, d_model // _HEAD_WIDTH), feed_forward="relu", attention=kind,
        attention_options=options, max_seq_len=LENGTHS[-1],
    )  # fmt: skip


def parts(kind: str, d_model: int, length: int, tokens: int) -> tuple[Tensor, Callable[[], Tensor]]:
    """Return random queries, keys and values ``(3, count, heads, length, width)``, and the attention over them."""
    config = shape(kind, d_model)
    qkv = torch.randn(3, max(1, tokens // length), config.n_heads, length, d_model // config.n_heads)
    attention = build_attention(config)
    return qkv, lambda: attention(*qkv)


def rest(d_model: int, tokens: int) -> Callable[[], Tensor]:
    """Return all that a block computes apart from the attention itself: the projections and the feed-forward."""
    block, x = Block(shape("full", d_model)), torch.randn(tokens, d_model)
    return lambda: block.feed_forward(block.attention.out(block.attention.qkv(x)[:, :d_model]))


def crossing(lengths: Sequence[int], first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return the length from which on ``first`` takes longer than ``second``, by interpolation of logarithms.

    Where it does at every length, that is the first; None if it does not at the last.

    Example:
        >>> crossing([16, 64], [1.0, 4.0], [2.0, 2.0])
        32.0
    """
    gap = np.log(first) - np.log(second)
    below = np.flatnonzero(gap < 0)
    if not len(below):
        return float(lengths[0])
    i = int(below[-1])
    if i + 1 == len(lengths):
        return None
    share = gap[i] / (gap[i] - gap[i + 1])
    return float(round(lengths[i] * (lengths[i + 1] / lengths[i]) ** share, 6))


def tipping_point(size: Size, d_model: int) -> Row:
    """The length at which full attention takes as long as the rest of a block, against the count of operations, 6 d."""
    lengths = [n for n in LENGTHS if n <= size.attention_tokens]
    seconds: dict[str, list[float]] = {"full": [], "local": [], "linear": [], "rest": []}
    with threads(1), torch.inference_mode():
        for n in lengths:
            kinds = {kind: parts(kind, d_model, n, size.attention_tokens)[1] for kind in ("full", "local", "linear")}
            calls = kinds | {"rest": rest(d_model, size.attention_tokens)}
            sides = {name: partial(_call, call) for name, call in calls.items()}
            for name, times in alternate(sides, min(_REPEATS, size.repeats), time.process_time).items():
                seconds[name].append(float(np.median(times)))
    measured = {other: crossing(lengths, seconds["full"], seconds[other]) for other in ("rest", "local", "linear")}
    what = f"tokens at which full attention takes as long as the rest of its block, d = {d_model}: measured, 6 d"
    detail = {
        "lengths": lengths, "seconds": seconds, "tokens": size.attention_tokens, "window": WINDOW, "threads": 1,
        "full_dearer_from": measured,
    }  # fmt: skip
    found, predicted = measured["rest"], 6.0 * d_model
    if found is None:
        detail["missing"] = f"full attention stays below up to {lengths[-1]} tokens"
        return make_row(what, None, predicted, "tokens", None, "within 2x", None, detail)
    return make_row(
        what, found, predicted, "tokens", found / predicted, "within 2x", 0.5 <= found / predicted <= 2, detail
    )


def _call(call: Callable[[], Tensor], _: int) -> None:
    call()


def memory(size: Size, d_model: int) -> Row:
    """Peak memory that a forward and a backward pass over one long text add: linear attention against full attention."""
    n = min(LENGTHS[-1], size.attention_tokens)
    code = f"from fourier_lab.bench.attention import memory_case; print(memory_case({{!r}}, {d_model}, {n}))"
    added = {kind: int(run_child(code.format(kind))) / 1e6 for kind in ("full", "local", "linear")}
    ratio = added["full"] / max(added["linear"], 1e-6)
    what = f"peak memory that attention over {n:,} tokens adds, forward and backward, d = {d_model}: linear, full"
    return make_row(what, added["linear"], added["full"], "MB", ratio, "< full", ratio > 1, {"MB": added})


def memory_case(kind: str, d_model: int, length: int) -> int:
    """Return the bytes of the peak above that of a short text before. To be called in a fresh process."""
    torch.set_num_threads(1)
    device = torch.device("cpu")
    _learn(kind, d_model, 2 * WINDOW)  # what the process needs in any case
    before = peak_memory_bytes(device)
    _learn(kind, d_model, length)
    return peak_memory_bytes(device) - before


def _learn(kind: str, d_model: int, length: int) -> None:
    qkv, attend = parts(kind, d_model, length, length)
    qkv.requires_grad_()
    attend().sum().backward()


ATTENTION: dict[str, Callable[[Size], Row]] = {
    **{f"attention_{d}": partial(tipping_point, d_model=d) for d in WIDTHS},
    **{f"attention_memory_{d}": partial(memory, d_model=d) for d in WIDTHS},
}
