"""What a training step of an output layer costs: logits by FFT against a dense layer and adaptive softmax.

A step is forward, cross-entropy, backward and fused AdamW, in float32; times are on two threads. The hidden states want
their gradient, as in a model. Ids are Zipf-distributed, as adaptive softmax presumes. The head has K = d / 2 mixed
frequencies and a bias, the dense layer no bias.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..device import peak_memory_bytes, threads
from ..models.fourier_head import FourierHead
from ..training.optimizer import make_optimizer
from .rows import Row, alternate, compare, make_row, run_child
from .workload import LEARNING_RATE, Size, zipf_ids

# V, d, tokens, and how many times less time and memory than a dense layer's are aimed at.
CASES = ((30_522, 256, 256, 4, 2), (50_257, 256, 256, 3, 2), (128_256, 512, 64, 12, 6), (262_144, 1_024, 32, 25, 8))
_GROWTH = {  # two decades of one size, and the other one
    "V": (np.geomspace(2_000, 200_000, 5).astype(int).tolist(), 128),
    "d": (np.geomspace(16, 1_600, 5).astype(int).tolist(), 16_384),
}
_GROWTH_TOKENS = 64


def build(kind: str, vocab_size: int, d_model: int) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """Return an output layer, and its loss by hidden states ``(n, d)`` and targets ``(n,)``.

    Args:
        kind: ``fourier``, ``dense`` or ``adaptive``.
        vocab_size: V.
        d_model: d.
    """
    if kind == "fourier":
        head = FourierHead(vocab_size, d_model)
        return head, head.cross_entropy
    if kind == "dense":
        linear = nn.Linear(d_model, vocab_size, bias=False)
        return linear, lambda h, targets: F.cross_entropy(linear(h), targets)
    cutoffs = [vocab_size // 16, vocab_size // 4]
    adaptive = nn.AdaptiveLogSoftmaxWithLoss(d_model, vocab_size, cutoffs)
    return adaptive, lambda h, targets: adaptive(h, targets).loss


def make_step(kind: str, vocab_size: int, d_model: int, tokens: int) -> Callable[[int], None]:
    """Return a function that takes a training step of a new output layer."""
    module, loss_of = build(kind, vocab_size, d_model)
    optimizer = make_optimizer([module], weight_decay=0.01)
    for group in optimizer.param_groups:
        group["lr"] = LEARNING_RATE
    hidden = torch.randn(tokens, d_model, requires_grad=True)
    targets = zipf_ids(tokens, vocab_size)

    def step(_: int) -> None:
        loss_of(hidden, targets).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        hidden.grad = None

    return step


def _shapes(case: tuple[int, ...], size: Size) -> tuple[int, int, int]:
    v, d, tokens = case[:3]
    return v // size.head_share, d // size.head_share, tokens


def speed(size: Size, case: tuple[int, ...], rival: str, target: float) -> Row:
    """One step of a Fourier head against one of a rival."""
    v, d, tokens = _shapes(case, size)
    what = f"step of an output layer, V = {v:,}, d = {d}, {tokens} tokens: Fourier head against {rival}"
    with threads(size.head_threads):
        sides = {"ours": make_step("fourier", v, d, tokens), "theirs": make_step(rival.split()[0], v, d, tokens)}
        return compare(what, alternate(sides, size.repeats), target, threads=size.head_threads)


def memory(size: Size, case: tuple[int, ...], target: float) -> Row:
    """Peak memory that two steps of a dense layer and of a Fourier head add to a process of their own."""
    v, d, tokens = _shapes(case, size)
    code = f"from fourier_lab.bench.head import memory_case; print(memory_case({{!r}}, {v}, {d}, {tokens}))"
    ours, theirs = (int(run_child(code.format(kind))) for kind in ("fourier", "dense"))
    what = (
        f"peak memory that steps of an output layer add, V = {v:,}, d = {d}, {tokens} tokens: Fourier head, dense layer"
    )
    ratio = theirs / max(ours, 1)
    return make_row(what, ours / 1e6, theirs / 1e6, "MB", ratio, f">= {target:g}x", ratio >= target, {})


def memory_case(kind: str, vocab_size: int, d_model: int, tokens: int) -> int:
    """Take two steps; return the bytes of the peak above that of a small step before. To be called in a fresh process."""
    torch.set_num_threads(1)
    make_step(kind, 512, 16, 8)(0)  # what the process needs in any case: libraries, threads, their buffers
    device = torch.device("cpu")
    before = peak_memory_bytes(device)
    step = make_step(kind, vocab_size, d_model, tokens)
    for i in range(2):
        step(i)
    return peak_memory_bytes(device) - before


def growth(size: Size, axis: str) -> Row:
    """How the time of a step grows with V or with d: exponents fitted to the medians over two decades."""
    values, other = _GROWTH[axis]
    values, other = [max(8, value // size.head_share) for value in values], max(8, other // size.head_share)
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    with threads(size.head_threads):
        for value in values:
            v, d = (value, other) if axis == "V" else (other, value)
            kinds = {"ours": "fourier", "theirs": "dense"}
            sides = {side: make_step(kind, v, d, _GROWTH_TOKENS) for side, kind in kinds.items()}
            for side, times in alternate(sides, size.repeats).items():
                seconds[side].append(float(np.median(times)))
    ours, theirs = (float(np.polyfit(np.log(values), np.log(seconds[side]), 1)[0]) for side in ("ours", "theirs"))
    fixed = f"{'d' if axis == 'V' else 'V'} = {other:,}"
    what = (
        f"exponent of {axis} in the time of a step, {values[0]:,} to {values[-1]:,}, {fixed}, {_GROWTH_TOKENS} tokens"
    )
    detail = {axis: values, "seconds": seconds, "threads": size.head_threads}
    return make_row(f"{what}: Fourier head, dense", ours, theirs, f"power of {axis}", theirs / ours, "< 1x theirs",
                    ours < theirs, detail)  # fmt: skip


HEAD: dict[str, Callable[[Size], Row]] = {
    **{f"head_{c[0]}": partial(speed, case=c, rival="dense layer", target=c[3]) for c in CASES},
    **{f"head_memory_{c[0]}": partial(memory, case=c, target=c[4]) for c in CASES},
    **{f"head_adaptive_{c[0]}": partial(speed, case=c, rival="adaptive softmax", target=1) for c in CASES},
    "head_growth_v": partial(growth, axis="V"),
    "head_growth_d": partial(growth, axis="d"),
}
