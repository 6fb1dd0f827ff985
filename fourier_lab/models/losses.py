"""Training objectives over two batches of sentence embeddings: InfoNCE, 3-way NLI classification, grades, a teacher."""

import math
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

INITIAL_TEMPERATURE = 0.07
MAX_SCALE = 100.0
DISTIL_TEMPERATURE = 0.1
_NEVER = -1e4  # in place of -inf, whose products with 0 are no numbers


def at_least_float32(x: Tensor) -> Tensor:
    """Return ``x`` in float32, or as it is where it has more bits."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class ContrastiveLoss(nn.Module):
    """Symmetric in-batch cross-entropy on scaled cosines; row i of both batches is one pair, all others are negatives.

    The scale ``1 / temperature`` is learned as its logarithm, so it stays positive, and clamped at 100, so a confident
    batch cannot make it diverge. The two directions are averaged; an untrained encoder starts near ``log(batch)``.

    With hard negatives ``n_k``, every anchor ``a_i`` is told from those of all pairs as well. With scaled cosines ``s``, the
    loss of pair ``i`` is half of ``-log(exp s(a_i, p_i) / (sum_j exp s(a_i, p_j) + sum_k exp s(a_i, n_k)))`` plus half of
    ``-log(exp s(a_i, p_i) / sum_j exp s(a_j, p_i))``.

    Source: Ndubuaku & Talhi 2025 (loss of the CLIP form, Radford et al. 2021, arXiv:2103.00020), whose code learns a raw,
    unclamped temperature and sums the directions. Hard negatives: Gao et al. 2021 (arXiv:2104.08821), equation 5, who have
    the first direction alone, at a fixed temperature.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(INITIAL_TEMPERATURE)))

    @property
    def scale(self) -> Tensor:
        """Return the current ``1 / temperature``, at most 100."""
        return self.log_scale.exp().clamp(max=MAX_SCALE)

    def logits(self, anchors: Tensor, others: Tensor) -> Tensor:
        """Return scaled cosines ``(n_anchors, n_others)`` of two float tensors ``(..., d_model)``."""
        return self.scale * F.normalize(anchors, dim=-1) @ F.normalize(others, dim=-1).T

    def forward(
        self, anchors: Tensor, positives: Tensor, label: Tensor, negatives: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the mean loss (nats, scalar) and the share of anchors whose own positive ranks first (scalar).

        Hard negatives, float ``(n_negatives, d_model)``, may be of any number.
        """
        others = positives if negatives is None else torch.cat((positives, negatives))
        logits = self.logits(at_least_float32(anchors), at_least_float32(others))
        target = torch.arange(len(logits), device=logits.device)
        back = logits[:, : len(logits)].T
        loss = (F.cross_entropy(logits, target) + F.cross_entropy(back, target)) / 2
        return loss, (logits.argmax(1) == target).float().mean()


class NLIHead(nn.Module):
    """Linear 3-way classifier on ``(u, v, |u - v|)``; ``3 (3 d_model) + 3`` parameters outside the encoder.

    Args:
        d_model: Width of the sentence embeddings.

    Source: Conneau et al. 2017 (arXiv:1705.02364), without their hidden layer and product features.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(3 * d_model, 3)

    def forward(self, anchors: Tensor, positives: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean cross-entropy (nats, scalar) and the accuracy (scalar) for labels 0, 1, 2 ``(batch,)``."""
        u, v = at_least_float32(anchors), at_least_float32(positives)
        logits = self.classifier(torch.cat((u, v, (u - v).abs()), dim=-1))
        return F.cross_entropy(logits, label), (logits.argmax(1) == label).float().mean()


class STSLoss(nn.Module):
    """``1 - r``, Pearson's correlation within the batch between cosines and graded scores; no parameters.

    Source: Ndubuaku & Talhi 2025, the fine-tuning objective of their code.
    """

    def forward(self, anchors: Tensor, positives: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``1 - r`` (dimensionless, 0..2) and ``r`` (-1..1), both scalars, for scores ``(batch,)``."""
        cosine = F.cosine_similarity(at_least_float32(anchors), at_least_float32(positives))
        r = torch.corrcoef(torch.stack((cosine, label.to(cosine.dtype))))[0, 1]
        return 1 - r, r.detach()


class DistilLoss(nn.Module):
    """Divergence of a sentence's nearness to all others of its batch from what a teacher says of it; no parameters.

    The nearness of a sentence to the others is the softmax of its cosines with them over :data:`DISTIL_TEMPERATURE`. No map
    between the two spaces is needed, so their widths may differ. The divergence is that of Kullback and Leibler, a
    mean over sentences; other losses and temperatures were tried by r on held-out pairs.

    Source: relational distillation of similarities (Passalis & Tefas 2018, arXiv:1803.10837), on all sentences of a batch.
    """

    def forward(self, anchors: Tensor, positives: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss (nats, scalar) and Pearson's r between both cosines of the pairs; ``label (2, batch, width)``."""
        own = F.normalize(torch.cat((at_least_float32(anchors), at_least_float32(positives))), dim=-1)
        told = F.normalize(label.flatten(0, 1), dim=-1).to(own.dtype)
        itself = torch.eye(len(own), dtype=torch.bool, device=own.device)
        nearness, target = (
            (each @ each.T / DISTIL_TEMPERATURE).masked_fill(itself, _NEVER).log_softmax(1) for each in (own, told)
        )
        loss = F.kl_div(nearness, target, reduction="batchmean", log_target=True)
        pairs = torch.stack([(each[: len(anchors)] * each[len(anchors) :]).sum(-1) for each in (own.detach(), told)])
        return loss, torch.corrcoef(pairs)[0, 1]


OBJECTIVES: dict[str, Callable[[int], nn.Module]] = {
    "contrastive": lambda d_model: ContrastiveLoss(),
    "nli": NLIHead,
    "sts": lambda d_model: STSLoss(),
    "distil": lambda d_model: DistilLoss(),
    "language_model": lambda d_model: nn.Identity(),  # the loss is its head's
}


@runtime_checkable
class Penalised(Protocol):
    """A part of a model that adds something to its loss."""

    def penalty(self) -> Tensor:
        """Return what the last forward pass of training adds, float ``()``; asked for once after each."""
        ...


def penalised_parts(model: nn.Module) -> list[Penalised]:
    """Return the parts of a model that add something to its loss."""
    return [part for part in model.modules() if isinstance(part, Penalised)]
