"""What is left of a trained encoder's score if each token computes a few experts of its ReLU feed-forward."""

import copy
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ..bench.rows import alternate
from ..device import threads
from ..errors import ConfigError
from ..models.blocks import Block
from ..models.experts import ROUTERS, Experts, balanced_clusters, make_router, router_parameters
from ..models.feed_forwards import ReLUFeedForward
from ..models.sentence_encoder import SentenceEncoder
from .finished_runs import FinishedRun, markdown

_TRAINING_SENTENCES = 1000  # whose token states the MLP router learns from
_TIMED_TOKENS, _TIMES = 4096, 5


def moefy(
    run: FinishedRun,
    n_experts: int = 32,
    tops: Iterable[int] | None = None,
    routers: Sequence[str] = ROUTERS,
    *,
    split: str = "test",
    seed: int = 0,
) -> dict[str, Any]:
    """Cut each feed-forward of a run into experts and score the encoder with some of them.

    Args:
        run: With feed-forward ``relu``.
        n_experts: Of each feed-forward; a divisor of its hidden width.
        tops: Experts that a token computes; from one to all by powers of two if None.
        routers: Of :data:`fourier_lab.models.experts.ROUTERS`.
        split: Graded pairs to score on.
        seed: Of clusters and routers.

    Returns:
        dict: ``dense``, Spearman x 100 and milliseconds of the feed-forwards as trained; ``experts``, a row for each router
        and number of experts: ``share`` of the cells, ``computed``, the parameters a token is multiplied with in all
        feed-forwards, the router's among them, ``spearman``, and ``milliseconds`` of all feed-forwards over
        4,096 tokens on one thread.

    Raises:
        ConfigError: If the run has another feed-forward, or the experts do not fit it.
    """
    encoder = copy.deepcopy(run.encoder).eval()
    blocks = [cast(Block, block) for block in encoder.blocks]
    dense = [block.feed_forward for block in blocks]
    if not dense or not all(type(each) is ReLUFeedForward for each in dense):
        raise ConfigError(
            f"experts are cut out of a ReLU feed-forward, and {run.record.config.digest()} has "
            f"{run.record.config.feed_forward!r} in {len(dense)} layers. Train with --feed-forward relu."
        )
    wide = cast("list[ReLUFeedForward]", dense)
    clusters = [balanced_clusters(each.keys.weight.detach().numpy(), n_experts, seed) for each in wide]
    cells = [torch.from_numpy(each) for each in clusters]
    tops = (
        tuple(2**i for i in range(n_experts.bit_length()) if 2**i < n_experts) + (n_experts,) if tops is None else tops
    )
    states = _states_before(encoder, blocks, run.corpus.train.sentences[:_TRAINING_SENTENCES])
    timed = [each[:_TIMED_TOKENS] for each in states]
    rows = []
    for kind in routers:
        scorers = [make_router(kind, each, own, x, seed) for each, own, x in zip(wide, cells, states, strict=True)]
        for top in tops:
            experts = [Experts(each, own, top, s) for each, own, s in zip(wide, cells, scorers, strict=True)]
            for block, each in zip(blocks, experts, strict=True):
                block.feed_forward = each
            d, hidden = wide[0].keys.in_features, wide[0].keys.out_features
            kept = hidden * top // n_experts
            rows.append({
                "router": kind, "top": top, "share": top / n_experts,
                "computed": len(wide) * (2 * d * kept + kept + d + router_parameters(kind, d, n_experts)),
                "spearman": run.score(encoder, split), "milliseconds": _milliseconds(experts, timed),
            })  # fmt: skip
    for block, whole in zip(blocks, wide, strict=True):
        block.feed_forward = whole
    own = {"spearman": run.score(encoder, split), "milliseconds": _milliseconds(wide, timed)}
    own |= {"computed": sum(p.numel() for each in wide for p in each.parameters())}
    return {"split": split, "n_experts": n_experts, "timed_tokens": len(timed[0]), "dense": own, "experts": rows}


def expert_table(found: dict[str, Any]) -> str:
    """Return what :func:`moefy` found as Markdown: the score by share and router, and the time beside the dense one."""
    rows, dense = found["experts"], found["dense"]
    routers = list(dict.fromkeys(row["router"] for row in rows))
    head = ["experts", "share of the cells", *routers, "ms, " + routers[0], "ms, dense"]
    lines = []
    for top in dict.fromkeys(row["top"] for row in rows):
        own = {row["router"]: row for row in rows if row["top"] == top}
        first = own[routers[0]]
        scores = [f"{own[router]['spearman']:.1f}" for router in routers]
        times = [f"{first['milliseconds']:.1f}", f"{dense['milliseconds']:.1f}"]
        lines.append([f"{top} of {found['n_experts']}", f"{first['share']:.0%}", *scores, *times])
    return f"{markdown(head, lines)}\n\nSpearman x 100, {found['split']}; dense {dense['spearman']:.1f}."


@torch.no_grad()
def _states_before(encoder: SentenceEncoder, blocks: Sequence[Block], sentences: Sequence[np.ndarray]) -> list[Tensor]:
    """Return what each feed-forward is given for the tokens of some sentences, ``(n_tokens, d)`` each."""
    found: dict[int, list[Tensor]] = {}
    hooks = [
        block.feed_forward.register_forward_pre_hook(lambda _, given, i=i: found.setdefault(i, []).append(given[0]))
        for i, block in enumerate(blocks)
    ]
    try:
        encoder.encode_ids([*sentences])
    finally:
        for hook in hooks:
            hook.remove()
    return [torch.cat(found[i]) for i in range(len(blocks))]


def _milliseconds(feed_forwards: Sequence[torch.nn.Module], states: Sequence[Tensor]) -> float:
    """Return the median time of all feed-forwards over their states, a processor's, on one thread."""
    with torch.inference_mode(), threads(1):
        calls = [partial(each, x) for each, x in zip(feed_forwards, states, strict=True)]
        seconds = alternate({"all": lambda _: [call() for call in calls]}, _TIMES, time.process_time)
    return 1e3 * float(np.median(seconds["all"]))
