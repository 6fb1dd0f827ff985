"""Checkpoints that can hold no code and are never half right: arrays and JSON in a zip, whose checksums are read too.

A member of the archive is the bytes of a tensor; the member ``state`` is JSON that says where each belongs. Nothing of it is
pickled, so that a checkpoint of somebody else's runs nothing; a bit that has turned over is found by the zip's CRC-32.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..paths import replacing

FORMER = "checkpoint.pt"  # of older versions: a pickle, which is not opened any more


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state of tensors, numbers and text in dicts, lists and tuples, whole or not at all.

    Raises:
        OSError: If the disk is full or the folder must not be written to.
    """
    arrays: list[np.ndarray] = []
    text = json.dumps(_packed(state, arrays)).encode()
    members: dict[str, Any] = {str(number): array for number, array in enumerate(arrays)}
    with replacing(path) as stream:
        np.savez(stream, state=np.frombuffer(text, np.uint8), **members)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the state in a file, its tensors on the CPU; a damaged file fails in many ways inside zip and numpy."""
    with open(path, "rb") as stream, np.load(stream) as archive:
        return _unpacked(json.loads(archive["state"].tobytes()), archive)


def _packed(value: Any, arrays: list[np.ndarray]) -> Any:
    """Return ``value`` as JSON can write it, after adding the bytes of its tensors to ``arrays``."""
    if isinstance(value, Tensor):
        plain = value.detach().cpu().contiguous()
        arrays.append(plain.reshape(-1).view(torch.uint8).numpy())  # bytes: numpy does not know every type
        return {"tensor": len(arrays) - 1, "dtype": str(plain.dtype).removeprefix("torch."), "shape": [*plain.shape]}
    if isinstance(value, dict):  # whose keys may be numbers
        return {"dict": [[key, _packed(each, arrays)] for key, each in value.items()]}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_packed(each, arrays) for each in value]}
    return value


def _unpacked(value: Any, archive: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        tensor = torch.empty(value["shape"], dtype=getattr(torch, value["dtype"]))
        tensor.view(-1).view(torch.uint8).copy_(torch.from_numpy(archive[str(value["tensor"])]))
        return tensor
    if "dict" in value:
        return {key: _unpacked(each, archive) for key, each in value["dict"]}
    ((kind, values),) = value.items()
    return {"list": list, "tuple": tuple}[kind](_unpacked(each, archive) for each in values)
