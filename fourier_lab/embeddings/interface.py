"""What a token embedding is, whoever wrote it: the check that it keeps the rules, its rows, its stored bits."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ..errors import ConfigError, check_kind

_BLOCK = 8192  # ids evaluated at a time
_SMALL = 2**24  # numbers of a table that a check may compute
_PARAMETER_BITS = 32


@runtime_checkable
class TokenEmbedding(Protocol):
    """A module from token ids ``(...)`` to vectors ``(..., embedding_dim)``.

    Attributes:
        num_embeddings: V; ids lie in ``0..V-1``, which the encoder checks before each call.
        embedding_dim: d.

    A class may also have ``to_table() -> torch.nn.Embedding``, where a table exists, and ``extra_bits``: the bits that it
    stores beside its parameters and persistent buffers, such as codes, permutations and hash seeds.
    """

    num_embeddings: int
    embedding_dim: int

    def forward(self, token_ids: Tensor) -> Tensor:
        """Return the embedding of each id."""


@runtime_checkable
class ReadsWords(Protocol):
    """A token embedding whose rows follow from how tokens are spelled; an encoder gives it those of its tokenizer.

    One that others add is checked before that, so it must have rows without words as well.
    """

    def set_words(self, words: Sequence[str]) -> None:
        """Take over the token of every id, in order."""


@runtime_checkable
class ReadsCounts(Protocol):
    """A token embedding whose rows follow from how often tokens occur; a run gives it the counts of its training text.

    It keeps them among its weights, and has rows without them as well.
    """

    def set_counts(self, counts: Tensor) -> None:
        """Take over how often each id occurs, integers ``(V,)``."""


@torch.no_grad()
def check_embedding(embedding: nn.Module) -> nn.Module:
    """Raise unless a module keeps the rules of a token embedding; return it otherwise.

    It must have V and d, take int64 ids of any shape, the last one included, give finite floating-point vectors of width d
    and the same vector for the same id, whatever stands beside it and however often it is asked in eval mode, and a table,
    if it has one, with these very rows. Random numbers drawn in the check leave torch's state as it was.

    Args:
        embedding: Anything that should be used as a token embedding.

    Raises:
        ConfigError: If a rule is broken; names it, and what was seen.

    Example:
        >>> check_embedding(torch.nn.Embedding(100, 16))
        Embedding(100, 16)
    """
    name = type(embedding).__name__
    if not isinstance(embedding, nn.Module) or not isinstance(embedding, TokenEmbedding):
        raise ConfigError(
            f"{name} is no token embedding: it must be a torch.nn.Module with num_embeddings, embedding_dim and "
            "forward(token_ids). Set the two numbers in __init__."
        )
    v, d = embedding.num_embeddings, embedding.embedding_dim
    if any(parameter.is_meta for parameter in embedding.parameters()):
        return embedding  # has no numbers to look at yet
    was_training = embedding.training
    device = next((parameter.device for parameter in embedding.parameters()), torch.device("cpu"))
    embedding.eval()
    try:
        with torch.random.fork_rng():
            _check_rows(embedding, name, v, d, device)
    finally:
        embedding.train(was_training)
    return embedding


def _check_rows(embedding: nn.Module, name: str, v: int, d: int, device: torch.device) -> None:
    ids = torch.tensor([0, 1, v // 2, v - 1, v // 3, 1], device=device)
    try:
        rows, again, grid, single = (embedding(each) for each in (ids, ids, ids.view(2, 3), ids[3]))
    except Exception as error:  # whatever a stranger's code raises
        raise ConfigError(
            f"{name} fails on ids of 0..{v - 1}, of shapes (6,), (2, 3) and (): {type(error).__name__}: {error}. It must "
            "take int64 ids of any shape, up to num_embeddings - 1."
        ) from error
    for what, given, shape in (("(6,)", rows, (6, d)), ("(2, 3)", grid, (2, 3, d)), ("()", single, (d,))):
        if not isinstance(given, Tensor) or tuple(given.shape) != shape:
            found = tuple(given.shape) if isinstance(given, Tensor) else type(given).__name__
            raise ConfigError(f"{name} must turn ids of shape {what} into vectors of shape {shape}, got {found}.")
    if not rows.is_floating_point():
        raise ConfigError(f"{name} must give floating-point vectors, got {rows.dtype}. Write .float().")
    if not bool(rows.isfinite().all()):
        raise ConfigError(f"{name} must give finite vectors, got nan or infinity among ids {ids.tolist()}.")
    if not torch.equal(rows, again):
        raise ConfigError(
            f"{name} must give the same vectors twice in eval mode, got others the second time. Draw random numbers in "
            "__init__, and only while self.training otherwise."
        )
    if not (_same(rows, grid.flatten(0, 1)) and _same(rows[3], single) and _same(rows[1], rows[5])):
        raise ConfigError(
            f"{name} must give an id the same vector wherever it stands; it differs with the ids beside it."
        )
    if hasattr(embedding, "to_table") and v * d <= _SMALL:
        build: Any = embedding.to_table
        weight = getattr(build(), "weight", None)
        if not isinstance(weight, Tensor) or tuple(weight.shape) != (v, d) or not _same(weight[ids], rows):
            raise ConfigError(
                f"to_table of {name} must return the torch.nn.Embedding({v}, {d}) with the rows that forward gives. Correct "
                "it, or leave it out: the rows are then computed id by id."
            )


def _same(first: Tensor, second: Tensor) -> bool:
    return torch.allclose(first.double(), second.double(), rtol=1e-4, atol=1e-6)


@torch.no_grad()
def rows_of(embedding: Any) -> Tensor:
    """Return the rows of all ids, ``(V, d)`` on the embedding's device: its table, or each id computed in eval mode."""
    if hasattr(embedding, "to_table"):
        return embedding.to_table().weight.detach()
    was_training = embedding.training
    device = next((parameter.device for parameter in embedding.parameters()), torch.device("cpu"))
    embedding.eval()
    try:
        ids = torch.arange(embedding.num_embeddings, device=device)
        return torch.cat([embedding(block) for block in ids.split(_BLOCK)])
    finally:
        embedding.train(was_training)


def stored_bits(embedding: nn.Module) -> int:
    """Return the bits that must be kept to have this embedding again: parameters at 32, buffers at their own width.

    Frozen parameters count, and so do persistent buffers and ``extra_bits``, if the class names any: codes, permutations,
    and seeds, which are not in the state dict. What is computed from the sizes alone, such as harmonic frequencies, is free.

    Example:
        >>> stored_bits(torch.nn.Embedding(100, 16)) == 32 * 100 * 16
        True
    """
    remedy = "Pass a token embedding, or a whole encoder."
    check_kind(embedding, nn.Module, "stored_bits takes a torch.nn.Module", remedy)
    numbers = sum(parameter.numel() for parameter in embedding.parameters())
    kept = sum(
        8 * buffer.numel() * buffer.element_size()
        for module in embedding.modules()
        for name, buffer in module.named_buffers(recurse=False)
        if name not in module._non_persistent_buffers_set
    )
    extra = sum(int(getattr(module, "extra_bits", 0)) for module in embedding.modules())
    return _PARAMETER_BITS * numbers + kept + extra
