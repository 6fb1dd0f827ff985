"""Where a run computes, in which precision, and how much memory that took."""

import resource
import sys
from pathlib import Path

import torch


def resolve_device(name: str) -> torch.device:
    """Return the torch device for ``auto`` (the fastest present), ``cpu``, ``cuda`` or ``mps``."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the compute type: ``auto`` is bfloat16 where the hardware multiplies it, else float32."""
    if name != "auto":
        return getattr(torch, name)
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported()
    else:
        fast = device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return torch.bfloat16 if fast else torch.float32


def peak_memory_bytes(device: torch.device) -> int:
    """Return the highest memory use so far: of this process on the CPU, of torch's allocator on a GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage also counts the parent's peak at the start of this process
        return 1024 * int(status.read_text().split("VmHWM:")[1].split()[0])
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
