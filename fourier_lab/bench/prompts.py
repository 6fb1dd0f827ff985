"""What prompts cost an encoder's layer: as tokens, as keys and values beside the tokens, and approximated.

Times are a processor's, of a forward and a backward pass in float32 on one thread.
"""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from ..config import ModelConfig
from ..device import threads
from ..models.sentence_encoder import SentenceEncoder
from .rows import Row, alternate, make_row
from .workload import Size

COUNTS = (16, 64, 256)  # prompts a layer
TOKENS = 16  # of a sentence, about the mean of STS-B with its special tokens
_WIDTH, _LAYERS, _REPEATS = 128, 2, 5


def times_by_prompts(size: Size) -> Row:
    """How many times longer a training step takes with 16 prompts that are tokens than with 16 approximated ones."""
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, size.vocab_size, TOKENS) for _ in range(2 * size.batch_size)]
    seconds: dict[str, list[float]] = {}
    with threads(1):
        for count in COUNTS:
            longer = [np.concatenate((rng.integers(0, size.vocab_size, count), row)) for row in rows]
            calls: dict[str, Callable[[int], object]] = {
                "none": partial(_learn, _encoder(size), rows),
                "as tokens": partial(_learn, _encoder(size), longer),
                "keys and values": partial(_learn, _encoder(size, "prompts", count), rows),
                "approximated": partial(_learn, _encoder(size, "apt", count), rows),
            }
            for name, times in alternate(calls, min(_REPEATS, size.repeats), time.process_time).items():
                seconds.setdefault(name, []).append(float(np.median(times)))
    detail = {"prompts": list(COUNTS), "seconds": seconds, "tokens": TOKENS, "sentences": len(rows), "width": _WIDTH,
              "layers": _LAYERS, "threads": 1}  # fmt: skip
    ours, theirs = (1e3 * seconds[name][0] for name in ("approximated", "as tokens"))
    return make_row("training step with 16 approximated prompts a layer, with 16 that are tokens", ours, theirs, "ms",
                    theirs / ours, "none", None, detail)  # fmt: skip


def _encoder(size: Size, attention: str = "full", prompts: int | None = None) -> SentenceEncoder:
    options = () if prompts is None else (("prompts", prompts),)
    return SentenceEncoder(
        ModelConfig("fourier", size.vocab_size, _WIDTH, n_layers=_LAYERS, n_heads=2, frequencies="random",
                    max_seq_len=TOKENS + max(COUNTS), attention=attention, attention_options=options)
    )  # fmt: skip


def _learn(encoder: SentenceEncoder, rows: list[np.ndarray], _: int) -> None:
    encoder.encode_packed(encoder.pack(rows)).square().sum().backward()


PROMPTS: dict[str, Callable[[Size], Row]] = {"prompts": times_by_prompts}
