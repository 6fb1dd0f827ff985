"""What training changed in a run's matrices, and what its neurons are worth: those of small and those of large weights.

Theory of a one-layer transformer says that the change is of low rank, as many directions as there are patterns that matter,
and that neurons of small weights can go while those of large ones cannot.
Source: Li et al. 2024 (arXiv:2406.17167).
"""

import copy
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from ..embeddings.fourier import GeGLU
from ..errors import ConfigError
from ..models.feed_forwards import ReLUFeedForward
from ..models.sentence_encoder import SentenceEncoder
from ..training.trainer import Trainer
from .finished_runs import FinishedRun, markdown

MEASURES = ("magnitude", "change")
ORDERS = ("smallest", "largest", "random")
SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_MOST = 0.9  # share of the squared singular values that a rank is to hold


def start_of(run: FinishedRun) -> SentenceEncoder:
    """Return the encoder of a run as it was before its first step, which its seed draws again.

    Raises:
        ConfigError: If it started from the weights of another run.
    """
    config = run.record.config
    if config.pretraining is not None:
        raise ConfigError(
            f"{config.digest()} started from the weights of its pretraining, {config.pretrained().digest()}, and not from a "
            "seed. Name that run."
        )
    with torch.random.fork_rng():
        return Trainer(config.replace(device="cpu"), run.corpus, run.record.folder).encoder.eval()


def change_rows(start: nn.Module, trained: nn.Module) -> list[dict[str, Any]]:
    """Return how training changed each matrix, queries, keys and values apart.

    Returns:
        list: Per matrix ``name``, ``shape``, ``change`` (its norm over the start's), and of the change, the start and the
        trained matrix the number of singular values that hold 90 % of their squares, ``rank_change`` and so on.
    """
    before, rows = start.state_dict(), []
    for name, after in trained.state_dict().items():
        if after.dim() != 2:
            continue
        parts = (
            zip(before[name].chunk(3), after.chunk(3), "qkv", strict=True)
            if name.endswith("attention.qkv.weight")
            else ()
        )
        for old, new, part in parts or ((before[name], after, ""),):
            own = {"change": new - old, "start": old, "trained": new}
            ranks = {f"rank_{key}": effective_rank(matrix) for key, matrix in own.items()}
            told = name.removesuffix(".weight").replace("attention.qkv", f"attention.{part}")
            size = float((new - old).norm() / old.norm()) if old.any() else np.inf
            rows.append({"name": told, "shape": [*new.shape], "change": size, **ranks})
    return rows


def effective_rank(matrix: Tensor) -> int:
    """Return how many singular values hold 90 % of the sum of their squares; 0 of a matrix of zeros.

    Example:
        >>> effective_rank(torch.diag(torch.tensor([4.0, 1.0, 0.1])))
        1
    """
    squares = torch.linalg.svdvals(matrix.double()).square().cumsum(0)
    return 0 if squares[-1] == 0 else int((squares < _MOST * squares[-1]).sum()) + 1


def prune_curves(
    run: FinishedRun, by: str = "magnitude", shares: Sequence[float] = SHARES, *, split: str = "test", seed: int = 0
) -> list[dict[str, Any]]:
    """Score a run's encoder without a share of the neurons of each feed-forward.

    Args:
        run: With the GeGLU or a ReLU feed-forward.
        by: What ranks the neurons: the norm of the weights into them, ``magnitude``, or of their ``change`` in training.
        shares: Of the neurons that go.
        split: Graded pairs to score on.
        seed: Of the order ``random``.

    Returns:
        list: Per order, ``smallest``, ``largest`` or ``random`` first, and share ``order``, ``share`` and ``spearman``.

    Raises:
        ConfigError: If there is no such measure, or the feed-forward has no single neurons.
    """
    if by not in MEASURES:
        raise ConfigError(f"neurons are ranked by {' or '.join(MEASURES)}, got {by!r}.")
    start = _feed_forwards(start_of(run)) if by == "change" else None
    trained = _feed_forwards(run.encoder)
    if not trained or not all(type(each) in (GeGLU, ReLUFeedForward) for each in trained):
        raise ConfigError(
            f"feed_forward {run.record.config.feed_forward!r} in {len(trained)} layers has no neurons to prune one by one. "
            "Name a run with a width, such as 4.0, or with relu."
        )
    rng, orders = np.random.default_rng(seed), []
    for i, each in enumerate(trained):
        weights = neurons(each) - (0 if start is None else neurons(start[i]))
        smallest = weights.norm(dim=1).argsort().numpy()
        orders.append(
            {"smallest": smallest, "largest": smallest[::-1].copy(), "random": rng.permutation(len(smallest))}
        )
    rows = []
    for order in ORDERS:
        for share in shares:
            pruned = copy.deepcopy(run.encoder)
            for each, own in zip(_feed_forwards(pruned), orders, strict=True):
                drop(each, torch.from_numpy(own[order][: round(share * len(own[order]))]))
            rows.append({"order": order, "share": share, "spearman": run.score(pruned, split)})
    return rows


def neurons(feed_forward: nn.Module) -> Tensor:
    """Return the weights into each neuron, a row each: ``(hidden, d)``, of gate and value side by side ``(hidden, 2 d)``."""
    if isinstance(feed_forward, GeGLU):
        return torch.cat(feed_forward.w1.weight.detach().chunk(2), dim=1)
    return cast(ReLUFeedForward, feed_forward).keys.weight.detach()


@torch.no_grad()
def drop(feed_forward: nn.Module, which: Tensor) -> None:
    """Cut neurons off: nothing that follows reads them any more."""
    last = feed_forward.w2 if isinstance(feed_forward, GeGLU) else cast(ReLUFeedForward, feed_forward).values
    last.weight[:, which] = 0.0


def pruning_table(changes: Sequence[dict[str, Any]], curves: Sequence[dict[str, Any]]) -> str:
    """Return both as Markdown: ranks of the matrices, then scores by what went first."""
    head = ["matrix", "shape", "change", "rank of the change", "of the start", "of the trained"]
    lines = [
        [row["name"], " x ".join(map(str, row["shape"])), f"{row['change']:.2f}",
         *(str(row[f"rank_{key}"]) for key in ("change", "start", "trained"))]
        for row in changes
    ]  # fmt: skip
    shares = list(dict.fromkeys(row["share"] for row in curves))
    scores = {(row["order"], row["share"]): f"{row['spearman']:.1f}" for row in curves}
    pruned = [
        [order, *(scores[order, share] for share in shares)] for order in dict.fromkeys(r["order"] for r in curves)
    ]
    told = (
        f"Ranks hold {_MOST:.0%} of the squared singular values. Below: Spearman x 100 without a share of the neurons."
    )
    return "\n\n".join([markdown(head, lines), told, markdown(["first to go", *(f"{s:.0%}" for s in shares)], pruned)])


def _feed_forwards(encoder: SentenceEncoder) -> list[nn.Module]:
    return [cast(nn.Module, block.feed_forward) for block in encoder.blocks]
