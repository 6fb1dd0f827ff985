"""Which few numbers of a pretrained encoder move, and how the tuned encoder becomes a plain one again."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..embeddings.registry import TUNINGS
from .sentence_encoder import SentenceEncoder


class LoRA(nn.Module):
    """``W + B A`` in place of some of the maps that a weight holds one below the other; B starts as 0.

    Args:
        weight: ``(parts * n_out, n_in)``.
        rank: r. A is ``(r, n_in)``, B ``(n_out, r)`` for each map that moves: ``r (n_in + n_out)`` parameters.
        parts: Maps in the weight.
        moved: Places of those that move.

    Source: Hu et al. 2021 (arXiv:2106.09685), with a scale of 1, A drawn from N(0, 1 / n_in).
    """

    def __init__(self, weight: Tensor, rank: int, parts: int = 1, moved: Sequence[int] = (0,)):
        super().__init__()
        self.parts, self.moved = parts, tuple(moved)
        n_in = weight.shape[1]
        self.b = nn.Parameter(weight.new_zeros(len(moved), self.height(weight), rank))
        self.a = nn.Parameter(weight.new_empty(len(moved), rank, n_in).normal_(std=n_in**-0.5))

    def height(self, weight: Tensor) -> int:
        """Return the rows of B."""
        return weight.shape[0] // self.parts

    def changes(self, maps: Tensor) -> Tensor:
        """Return what is added to the maps that move, ``(moved, n_out, n_in)``."""
        return self.b @ self.a

    def forward(self, weight: Tensor) -> Tensor:
        maps = [*weight.unflatten(0, (self.parts, -1))]
        for place, change in zip(self.moved, self.changes(torch.stack([maps[i] for i in self.moved])), strict=True):
            maps[place] = maps[place] + change
        return torch.cat(maps)


class GIFT(LoRA):
    """``W (I + phi psi)``, phi ``(n_in, r)`` and psi ``(r, n_in)``, which layers may share: ``2 r n_in`` parameters a map.

    phi is called ``b`` and starts as 0, psi ``a``.

    Source: Savadikar et al. 2023 (arXiv:2312.00700).
    """

    def height(self, weight: Tensor) -> int:
        return weight.shape[1]

    def changes(self, maps: Tensor) -> Tensor:
        return maps @ self.b @ self.a


def tune(encoder: SentenceEncoder, tuning: str, options: Iterable[tuple[str, Any]]) -> list[nn.Parameter]:
    """Freeze an encoder but for what a ``tuning`` of :class:`fourier_lab.RunConfig` moves, which is added if need be.

    Returns:
        list: What was frozen, for :func:`merge`.
    """
    before = [p for p in encoder.parameters() if p.requires_grad]
    encoder.requires_grad_(False)
    for part in _moved(encoder, tuning, TUNINGS.settings[tuning](**dict(options))):
        part.requires_grad_(True)
    return [p for p in before if not p.requires_grad]


def merge(encoder: nn.Module, frozen: Iterable[nn.Parameter]) -> None:
    """Put changes of low rank into the weights that they are of, and let what was ``frozen`` move again."""
    for part in [*encoder.modules()]:
        if parametrize.is_parametrized(part, "weight") and isinstance(_changes(part)[0], LoRA):
            parametrize.remove_parametrizations(part, "weight")
    for parameter in frozen:
        parameter.requires_grad_(True)


def _moved(encoder: SentenceEncoder, tuning: str, settings: Any) -> list[nn.Module]:
    """Return the parts that move, after adding those of low rank."""
    attentions = [cast(Any, block).attention for block in encoder.blocks]
    if tuning == "head":
        return [part for part in (encoder.pooler, encoder.token_weights) if part is not None]
    if tuning not in ("lora", "gift"):
        return [attention.mix for attention in attentions]
    if settings.of == "embedding":
        maps = [getattr(encoder.embedding, "map", None) or cast(Any, encoder.embedding).mlp]
    else:  # queries, keys and values are one map
        maps = [attention.qkv for attention in attentions]
    place: tuple[int, tuple[int, ...]] = (1, (0,)) if settings.of == "embedding" else (3, (0, 2))
    kind = GIFT if tuning == "gift" else LoRA
    shared = kind(maps[0].weight, settings.rank, *place)
    for each in maps:
        change = shared if tuning == "gift" else kind(each.weight, settings.rank, *place)
        parametrize.register_parametrization(each, "weight", change)
    return [_changes(each)[0] for each in maps]


def _changes(part: nn.Module) -> nn.ModuleList:
    return cast(Any, part).parametrizations.weight
