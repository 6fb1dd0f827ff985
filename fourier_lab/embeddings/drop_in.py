"""What the library's embeddings take over from ``torch.nn.Embedding``, and what they refuse of it."""

from typing import Any

import torch
from torch import nn

from ..errors import ConfigError
from .frequencies import is_integer, resolve_period

_OF_A_TABLE = {"max_norm": None, "norm_type": 2.0, "scale_grad_by_freq": False, "sparse": False}


class DropIn(nn.Module):
    """Base of embeddings that stand where ``torch.nn.Embedding`` stood.

    Args:
        num_embeddings: V.
        padding_idx: Id whose row is zero and gets no gradient; counted from the end if negative.
        dtype: Floating-point type of the weights; torch's default if None.
        others: Further arguments by name; those of a table pass if they are at their default.

    Raises:
        ConfigError: If one of them breaks its rule, or asks for what a table alone can do.
    """

    def __init__(self, num_embeddings: int, padding_idx: int | None, dtype: torch.dtype | None, others: dict[str, Any]):
        super().__init__()
        for name, value in others.items():
            if name not in _OF_A_TABLE:
                raise TypeError(f"{type(self).__name__}() got an unexpected keyword argument {name!r}")
            if value != _OF_A_TABLE[name]:
                raise ConfigError(
                    f"{type(self).__name__} has no {name} (got {value!r}): its rows are normalised, and are not weights "
                    "themselves. Leave it out, or use torch.nn.Embedding."
                )
        resolve_period(num_embeddings)
        self.num_embeddings = v = int(num_embeddings)
        if padding_idx is not None and not (is_integer(padding_idx) and -v <= padding_idx < v):
            raise ConfigError(
                f"padding_idx ({padding_idx}) must be an integer id in 0..{v - 1}, or count from the end down to {-v}. "
                "Pass the id of the tokenizer's padding token."
            )
        self.padding_idx = None if padding_idx is None else int(padding_idx) % v
        if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
            raise ConfigError(f"dtype ({dtype}) must be one of torch's floating-point types. Try torch.float32.")

    def __prepare_scriptable__(self) -> nn.Module:
        raise ConfigError(
            f"{type(self).__name__} cannot be compiled by torch.jit.script, because it looks at the values of ids. Use "
            "torch.export, torch.compile or torch.jit.trace, or script the torch.nn.Embedding that to_table() returns."
        )
