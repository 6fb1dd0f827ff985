"""This build of the library against an earlier one, whose source is in ``bench builds --before FOLDER``."""

import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..errors import ConfigError
from ..paths import PROJECT
from .encode import sentences
from .rows import Row, compare, make_row, run_child
from .workload import Size, text_for

_ROUNDS = 5
# What a process of either build runs; it prints the seconds of the processor, and names only what both builds have.
_ENCODE = """
import json, time, torch
from tokenizers import Tokenizer
from fourier_lab import ModelConfig, SentenceEncoder
torch.set_num_threads(1)
tokenizer = Tokenizer.from_file({tokenizer!r})
encoder = SentenceEncoder(ModelConfig("fourier", tokenizer.get_vocab_size(), d_model={width}), tokenizer).eval()
texts = json.load(open({texts!r}))
encoder.encode(texts[:500])
start = time.process_time()
encoder.encode(texts)
print(time.process_time() - start)
"""
_STEP = """
import tempfile
from fourier_lab import RunConfig, train
with tempfile.TemporaryDirectory() as folder:
    config = RunConfig(d_model={width}, batch_size={batch}, steps={steps}, warmup_steps=1, precision={precision!r},
                       threads=1, device="cpu", vocab_size={vocab_size})
    print(train(config, runs=folder).metrics["duration_s"] / {steps})
"""


def encode(size: Size) -> Row:
    """Sentences a second of an encoder of one layer, untrained, tokenising included, one thread."""
    texts = sentences(size.sentences)
    with tempfile.TemporaryDirectory() as folder:
        files = {"texts": str(Path(folder, "texts.json")), "tokenizer": str(Path(folder, "tokenizer.json"))}
        Path(files["texts"]).write_text(json.dumps(texts), encoding="utf-8")
        text_for(size).tokenizer.save(files["tokenizer"])
        what = f"encoding {len(texts):,} sentences by one layer, {size.d_model} wide: this build against an earlier one"
        return _race(what, _ENCODE.format(width=size.d_model, **files), size, 2.0, len(texts))


def step(size: Size, precision: str, target: float) -> Row:
    """A training step of an encoder of one layer on the toy language, one thread."""
    code = _STEP.format(width=size.d_model, batch=size.batch_size, steps=2 * size.repeats, precision=precision,
                        vocab_size=size.vocab_size)  # fmt: skip
    return _race(f"a training step in {precision}: this build against an earlier one", code, size, target, None)


def _race(what: str, code: str, size: Size, target: float, counted: int | None) -> Row:
    if size.before is None:
        missing = {"missing": "it needs the source of an earlier build: --before FOLDER"}
        return make_row(what, None, None, "", None, f">= {target:g}x", None, missing)
    if not (size.before / "fourier_lab" / "__init__.py").is_file():
        raise ConfigError(
            f"{size.before} holds no build: no fourier_lab/__init__.py is there. Name a checkout's folder."
        )
    seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(min(_ROUNDS, size.repeats)):
        for side, source in (("ours", PROJECT), ("theirs", size.before.resolve())):
            # Without the folder one stands in, which may hold a build of its own.
            environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONSAFEPATH": "1"}
            seconds[side].append(float(run_child(code, environment).split()[-1]))
    return compare(what, seconds, target, pairs=counted, of="sentences")


BUILDS: dict[str, Callable[[Size], Row]] = {
    "builds_encode": encode,
    "builds_step": partial(step, precision="float32", target=1.0),
    "builds_step_bfloat16": partial(step, precision="bfloat16", target=1.5),
}
