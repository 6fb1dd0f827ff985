"""Where a run computes, in which precision, and how much memory that took."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from .errors import ConfigError


def resolve_device(name: str) -> torch.device:
    """Return the torch device for ``auto`` (the fastest present), ``cpu``, ``cuda`` or ``mps``.

    Raises:
        ConfigError: If this machine has no such device.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, here in present.items() if here))
    if not present.get(name, True):
        raise ConfigError(f"device {name!r} is not available to torch here. Set device to 'auto' or 'cpu'.")
    return torch.device(name)


def multiplies_bfloat16(device: torch.device) -> bool:
    """Say whether the hardware itself multiplies numbers in bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def about_bfloat16(device: torch.device) -> str:
    """Say what the precision ``bfloat16`` would gain on ``device``, and what it moves."""
    gain = (
        "multiplies matrices 2 to 3.5 times faster here"
        if multiplies_bfloat16(device)
        else "is emulated here, 3 to 14 times slower than float32"
    )
    return (
        f"bfloat16 {gain}; it keeps 8 bits of each number, so that all scores move (after 150 "
        "steps of the toy language by up to 0.03 points): its runs are never pooled with others, and the study is in float32"
    )


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Let torch compute with ``count`` processor threads inside the block; None leaves their number alone."""
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count is not None:
            torch.set_num_threads(before)


def random_states(device: torch.device) -> dict[str, Any]:
    """Return the states of torch's generators that a run on ``device`` draws from, for a checkpoint."""
    return {
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "random_mps": torch.mps.get_rng_state() if device.type == "mps" else None,
    }


def set_random_states(states: Mapping[str, Any], device: torch.device) -> None:
    """Restore what :func:`random_states` returned; a run may go on on a device that it did not begin on."""
    torch.set_rng_state(states["random"].cpu())
    if device.type == "cuda" and states["random_cuda"] is not None:
        torch.cuda.set_rng_state(states["random_cuda"].cpu(), device)
    if device.type == "mps" and states["random_mps"] is not None:
        torch.mps.set_rng_state(states["random_mps"].cpu())


def target_device(move: Callable[[torch.Tensor], torch.Tensor], constant: torch.Tensor) -> torch.device:
    """Return where ``move``, the function that ``nn.Module._apply`` gets, puts tensors.

    Constants that a module computes from its arguments are attributes and no buffers: a buffer would be overwritten with
    whatever the memory holds when a model is built on the ``meta`` device and then loaded. So they never go there.
    """
    device = move(torch.empty(0, device=constant.device)).device
    return constant.device if device.type == "meta" else device


def reset_peak_memory(device: torch.device) -> None:
    """Let :func:`peak_memory_bytes` count from now, on a GPU and, where the kernel permits it, on Linux."""
    if device.type == "cuda":
        torch.cuda.init()
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_bytes(device: torch.device) -> int:
    """Return the highest memory use since :func:`reset_peak_memory`: of this process, or of torch's allocator on a GPU.

    On a CPU without Linux it is the highest since the process began.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage also counts the parent's peak at the start of this process
        return 1024 * int(status.read_text().split("VmHWM:")[1].split()[0])
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
