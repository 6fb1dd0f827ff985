"""The memory that a training run needs, compared with what is there before any of it is taken."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ..config import RunConfig
from ..errors import TrainingError
from .costs import MASKED, head_width, mean_length, sides

_CGROUP = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")
# Limit, use, and what of the use is cached files that the kernel gives up, in both versions of control groups.
_VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_active_file", "total_inactive_file"))
_VERSION_2 = ("memory.max", "memory.current", ("active_file", "inactive_file"))
# Per weight: itself, its gradient and two moments of AdamW in float32, and twice itself while the record is written.
_WEIGHT_BYTES = 4 * 4 + 2 * 4
_WAYS_OUT = {
    "weights": "Lower d_model or n_layers, or vocab_size where a table is learned",
    "basis": "Use basis 'fourier', which keeps no table, or lower vocab_size",
    "positions": "Lower max_seq_len",
    "batch": "Lower batch_size, n_layers or d_model",
}


def needed_bytes(config: RunConfig, vocab_size: int) -> dict[str, int]:
    """Estimate what a run takes beyond its text, in bytes, by purpose.

    Args:
        config: The run. Of an embedding that is not the library's own nothing is known: it counts as none.
        vocab_size: V, number of ids of its tokenizer.

    Returns:
        dict: ``weights`` with gradients, optimiser state and a copy for the record; ``basis``, the table of polynomials;
        ``positions``; and ``batch``, the activations of one step and the logits of all its pairs or, in a language model,
        tokens, which a Fourier head does not keep.
    """
    d, layers = config.d_model, config.n_layers
    hidden = 4.0 if isinstance(config.feed_forward, str) else config.feed_forward  # of a named one nothing is known
    weights = d * d * (2 + layers * (4 + 3 * hidden)) + (vocab_size * d if config.arm == "learned" else 0)
    polynomials = config.arm == "fourier" and config.basis != "fourier"
    language = config.objective == "language_model"
    tokens = sides(config) * config.batch_size * mean_length(config)
    # What autograd keeps, with the temporary tensors of the backward pass; measured on runs of 1 and 3 layers.
    activations = 4 * tokens * d * (4 + layers * (10 + 8 * hidden))
    logits = {"contrastive": 8 * sides(config), "distil": 64}.get(config.objective, 0) * config.batch_size**2
    if language:  # kept with their gradient by a dense head
        weights += vocab_size * d if config.head == "learned" else 0
        logits = 8 * tokens * vocab_size
    if config.objective == "masked":
        weights += vocab_size * head_width(config)
        logits = int(8 * MASKED * tokens * vocab_size)
    return {
        "weights": int(_WEIGHT_BYTES * weights),
        "basis": 20 * vocab_size * d if polynomials else 0,  # computed in float64, kept in float32
        "positions": 20 * config.max_seq_len * (d // config.n_heads),
        "batch": int(activations + logits),
    }


def available_bytes(device: torch.device) -> int:
    """Return the memory that this process can still take: on the GPU, or of the machine and every limit set on it."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    import psutil

    return max(0, min([psutil.virtual_memory().available, *_below_limits()]))


def _below_limits() -> Iterator[int]:
    """Yield what is left below the limits of the control groups and of the address space."""
    if sys.platform == "win32":
        return
    import resource

    import psutil

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        yield limit - psutil.Process().memory_info().vms
    if not _OWN_CGROUPS.is_file():
        return
    for line in _OWN_CGROUPS.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _below_limits_of(_CGROUP, path, *_VERSION_2)
        elif "memory" in controllers.split(","):
            yield from _below_limits_of(_CGROUP / "memory", path, *_VERSION_1)


def _below_limits_of(root: Path, path: str, limit: str, use: str, cached: tuple[str, ...]) -> Iterator[int]:
    own = root / path.lstrip("/")
    for folder in (
        own,
        *own.parents,
    ):  # a group above may be the one with a limit; inside a container some are not seen
        try:
            most, used = (folder / limit).read_text().strip(), int((folder / use).read_text())
            entries = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue
        if most != "max":
            yield int(most) - used + sum(int(entries.get(name, 0)) for name in cached)


def check_memory(config: RunConfig, vocab_size: int, device: torch.device) -> None:
    """Raise :class:`TrainingError` if the run needs more memory than there is; names both, and the way out."""
    needed, available = needed_bytes(config, vocab_size), available_bytes(device)
    total, largest = sum(needed.values()), max(needed, key=lambda name: needed[name])
    if total > available:
        raise TrainingError(
            f"this run needs about {_size(total)} of memory, {_size(needed[largest])} of them for its {largest}, but only "
            f"{_size(available)} are available. {_WAYS_OUT[largest]}, or free memory."
        )


@contextmanager
def shortage_told() -> Iterator[None]:
    """Turn a failed request for memory inside the block into a :class:`TrainingError`."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "allocate memory" not in text:
            raise
        raise TrainingError(
            f"the memory of this machine was used up ({' '.join(text.split())}). Lower batch_size or d_model, or free "
            "memory; a run that had begun goes on from its last checkpoint."
        ) from error


def _size(count: int) -> str:
    if count >= 10**18:
        return f"{count:.1e} bytes"
    return f"{count:,} bytes ({count / 1024**3:,.1f} GiB)"
