"""Speed and memory as ratios, both sides measured in one run: what ``fourier-lab bench`` prints and writes.

A ratio survives a change of machine better than a time does. The two sides take turns in one process, so that a busy moment
falls on both, and the ratio is that of their medians. Imports and memory are measured in fresh processes.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ..config import ModelConfig
from ..device import multiplies_bfloat16
from ..embeddings.fourier import FourierEmbedding
from ..errors import ConfigError
from ..models.blocks import build_embedding
from ..paths import write_atomically
from ..text.tokenizer import tokenize
from ..training.optimizer import make_optimizer
from ..training.trainer import Trainer
from .attention import ATTENTION
from .builds import BUILDS
from .encode import ENCODE
from .feed_forward import FEED_FORWARD
from .head import HEAD
from .page import PAGE
from .prompts import PROMPTS
from .rivals import INSTALL, PublishedTrainer, race_sentence_transformers
from .rows import Row, Seconds, alternate, compare, make_row, run_child
from .workload import LEARNING_RATE, Size, batches_of, machine, make_trainer, text_for, zipf_ids

HEAVY = ("datasets", "ipywidgets", "matplotlib", "pandas", "scipy")


def run_benchmarks(
    names: Sequence[str] = (),
    out: Path | None = None,
    *,
    size: Size | None = None,
    report: Callable[[str], None] | None = None,
) -> list[Row]:
    """Run benchmarks one after the other.

    Args:
        names: Keys of :data:`BENCHMARKS`, which are all run if there is none; of ``BFLOAT16``, ``BUILDS``, ``HEAD``,
            ``ENCODE``, ``ATTENTION``, ``FEED_FORWARD``, ``PROMPTS`` and ``PAGE``, or ``bfloat16``, ``builds``, ``head``,
            ``encode``, ``attention`` and ``page`` for all of these.
        out: Where to write rows and machine as JSON; nowhere if None.
        size: Other sizes than the default.
        report: Called with one line before each benchmark.

    Returns:
        A row per name: ``name``, ``what``, ``ours``, ``theirs``, ``unit`` (of both), ``ratio`` (how many times better ours
        is), ``target``, ``met`` and ``detail``. What could not be measured has None for numbers and says why in
        ``detail["missing"]``.

    Raises:
        ConfigError: If a name is unknown, or ``out`` is a folder.
    """
    groups = {"head": HEAD, "encode": ENCODE, "attention": ATTENTION, "page": PAGE, "bfloat16": BFLOAT16,
              "builds": BUILDS}  # fmt: skip
    benchmarks = {**BENCHMARKS, **BFLOAT16, **BUILDS, **HEAD, **ENCODE, **ATTENTION, **FEED_FORWARD, **PROMPTS, **PAGE}
    if unknown := sorted(set(names) - set(benchmarks) - set(groups)):
        raise ConfigError(f"no benchmark {', '.join(unknown)}. Known: {', '.join([*benchmarks, *groups])}.")
    size = size or Size()
    if out is not None and Path(out).is_dir():
        raise ConfigError(f"{out} is a folder. Name the file that the measurements are to be written to.")
    rows = []
    for name in [each for asked in names or BENCHMARKS for each in groups.get(asked, [asked])]:
        if report is not None:
            report(f"measuring {name}")
        rows.append({"name": name, **benchmarks[name](size)})
        if out is not None:  # after each, so that an interruption loses one
            write_atomically(Path(out), json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    return rows


def table(rows: Sequence[Row]) -> str:
    """Return rows as an aligned text table, then what each of them compares."""
    columns: tuple[str, ...] = ("name", "ours", "theirs", "unit", "ratio", "target", "met")
    cells = [columns, *(tuple(_cell(row[column]) for column in columns) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]
    notes = [f"{row['name']}: {row['what']}" + (f" ({row['detail']['missing']})" if "missing" in row["detail"] else "")
             for row in rows]  # fmt: skip
    return "\n".join([*lines, "", *notes])


def recipe(size: Size) -> Row:
    """Training against the published recipe."""
    ours, theirs = make_trainer(size), make_trainer(size, PublishedTrainer, precision="float32")
    pairs, first = ours.corpus.train, batches_of(size)[0]
    return compare(
        "training, against the same encoder padded to 128, float32, features at every position",
        _race(ours, theirs, size), 20.0, pairs=size.batch_size, text=text_for(size).source, dtype=str(ours.precision),
        pieces_per_pair=sum(map(len, pairs.sentences)) / len(pairs),
        padded_pieces_per_pair=2 * theirs.config.max_seq_len,
        operations_ratio=_operations(theirs, first) / _operations(ours, first),
    )  # fmt: skip


def sentence_transformers(size: Size, dropout: float, target: float = 2.0) -> Row:
    """Training against sentence-transformers' trainer of a BERT with this dropout; ours has none."""
    what = "training, against sentence-transformers' trainer and a BERT of one layer and the same width; both tokenise"
    what += f"; its dropout is {dropout:g}"
    if find_spec("sentence_transformers") is None:
        return make_row(what, None, None, "pairs/s", None, f">= {target:g}x", None, {"missing": INSTALL})
    trainer, batches, text = make_trainer(size), batches_of(size), text_for(size)

    def ours(i: int) -> None:
        # We tokenise a corpus once and not every epoch; done at each step here, as theirs is.
        sentences = [side[j] for side in (text.first, text.second) for j in batches[i]]
        tokenize(text.tokenizer, sentences, trainer.config.max_seq_len)
        trainer.update(batches[i])

    seconds, account = race_sentence_transformers(
        ours, text.tokenizer, (text.first, text.second), size.batch_size, size.repeats, size.d_model,
        trainer.precision == torch.bfloat16, dropout,
    )  # fmt: skip
    return compare(
        what, seconds, target, pairs=size.batch_size, text=text.source, dtype=str(trainer.precision), **account
    )


def arms(size: Size, published: bool) -> Row:
    """One step of the Fourier arm, or of another embedding, against one of the learned arm."""
    ours = make_trainer(size, arm=size.arm, embedding_options=size.embedding_options)
    theirs = make_trainer(size, arm="learned", dropout=0.1 if published else 0.0)
    how = "alike but for the embedding"
    if published:
        how = "as published: dropout 0.1 in the learned arm alone, torch.optim.AdamW's default in both"
        for trainer in (ours, theirs):
            parameters = [p for group in trainer.optimizer.param_groups for p in group["params"]]
            trainer.optimizer = torch.optim.AdamW(parameters)
    what = f"one training step, {size.arm} against learned arm, one layer, {how}"
    return compare(what, _race(ours, theirs, size), 1.28, dtype=str(ours.precision))


def embedding(size: Size, fused: bool) -> Row:
    """Forward, backward and AdamW of the embedding alone, against ``torch.nn.Embedding``."""
    ids = zipf_ids(size.tokens, size.vocab_size).view(-1, 32)
    shape = ModelConfig(size.arm, size.vocab_size, size.d_model, embedding_options=size.embedding_options)
    modules = build_embedding(shape), nn.Embedding(size.vocab_size, size.d_model)
    ours, theirs = (_embedding_step(module, ids, fused) for module in modules)
    seconds = alternate({"ours": ours, "theirs": theirs}, 4 * size.repeats)
    optimiser = "fused AdamW" if fused else "AdamW as torch.optim.AdamW has it by default"
    what = f"{size.arm} embedding forward, backward and {optimiser}, against nn.Embedding, {size.tokens} Zipf ids"
    return compare(what, seconds, 5.0, distinct_ids=len(ids.unique()))


def memory(size: Size) -> Row:
    """Peak memory of a training step of a large embedding."""
    v, d = size.large_vocab_size, size.large_d_model
    what = (
        f"peak memory of a process that takes one step of the embedding, V = {v:,}, d = {d}, against the computed size of a "
        "table, its gradient and Adam's two moments"
    )
    status = Path("/proc/self/status")
    if not status.exists():
        return make_row(what, None, None, "MB", None, "< 600 MB", None, {"missing": f"needs Linux's {status}"})
    show = f"\nprint(open('{status}').read())"
    code = f"from fourier_lab.bench.suite import memory_step; memory_step({v}, {d}, {size.tokens})" + show
    # The high-water mark of the process itself: getrusage reports the parent's to a child, where that was higher.
    ours, torch_alone = (
        1024 * int(run_child(c).split("VmHWM:")[1].split()[0]) / 1e6 for c in (code, "import torch" + show)
    )
    theirs = 4 * 4 * v * d / 1e6
    detail = {"above_import_torch_MB": ours - torch_alone}
    return make_row(what, ours, theirs, "MB", theirs / ours, "< 600 MB", ours < 600, detail)


def memory_step(vocab_size: int, d_model: int, tokens: int) -> None:
    """Take one step of a Fourier embedding; run in a process of its own."""
    ids = zipf_ids(tokens, min(vocab_size, Size.vocab_size)).view(-1, 32)
    _embedding_step(FourierEmbedding(vocab_size, d_model), ids, fused=True)(0)


def matmul(size: Size, target: float = 0.35) -> Row:
    """Rate of the training step's matrix products, against a plain product."""
    trainer, batches = make_trainer(size), batches_of(size)
    left, right = torch.randn(2, size.matmul, size.matmul).to(trainer.precision)
    seconds = alternate({"ours": lambda i: trainer.update(batches[i]), "theirs": lambda i: left @ right}, size.repeats)
    operations = [_operations(trainer, batch) for batch in batches[1 : size.repeats + 1]]
    ours = float(np.median(np.divide(operations, seconds["ours"]))) / 1e9
    theirs = 2 * size.matmul**3 / float(np.median(seconds["theirs"])) / 1e9
    what = "matrix products of the whole training step (attention scores not counted), against one plain square matmul"
    detail = {"dtype": str(trainer.precision), "operations_per_step": float(np.median(operations))}
    return make_row(what, ours, theirs, "GFLOP/s", ours / theirs, f">= {target:g}", ours / theirs >= target, detail)


def step(size: Size) -> Row:
    """One training step in the precision of ``size`` against one in float32."""
    ours, theirs = make_trainer(size), make_trainer(size, precision="float32")
    what = f"one training step in {size.precision} against one in float32"
    return compare(what, _race(ours, theirs, size), 1.0, dtype=str(ours.precision))


def in_bfloat16(size: Size, of: Callable[[Size], Row]) -> Row:
    """Measure with our side in bfloat16, where the processor multiplies that itself."""
    if not multiplies_bfloat16(torch.device("cpu")):
        missing = {
            "missing": "this processor emulates bfloat16; one with avx512_bf16 or AMX units multiplies it itself"
        }
        return make_row("training in bfloat16", None, None, "", None, "", None, missing)
    return of(replace(size, precision="bfloat16"))


def import_time(size: Size) -> Row:
    """Seconds that ``import fourier_lab`` adds to ``import torch``."""
    code = (
        "import sys, time; a = time.perf_counter(); import torch; b = time.perf_counter(); import fourier_lab; "
        "c = time.perf_counter(); [getattr(fourier_lab, name) for name in fourier_lab.__all__]; d = time.perf_counter(); "
        f"print(b - a, c - b, d - b, *(m for m in {HEAVY} if m in sys.modules))"
    )
    answers = [run_child(code).split() for _ in range(min(5, size.repeats))]
    theirs, ours, everything = (float(np.median([float(answer[i]) for answer in answers])) for i in range(3))
    heavy = sorted({module for answer in answers for module in answer[3:]})
    detail = {"every_public_name_s": everything, "heavy_modules": heavy, "repeats": len(answers)}
    met, what = ours < 0.2 and not heavy, "import fourier_lab, against import torch before it"
    return make_row(what, ours, theirs, "s", theirs / ours, "< 0.2 s", met, detail)


BENCHMARKS: dict[str, Callable[[Size], Row]] = {
    "recipe": recipe,
    "sentence_transformers": partial(sentence_transformers, dropout=0.0),
    "sentence_transformers_dropout": partial(sentence_transformers, dropout=0.1),
    "arms": partial(arms, published=False),
    "arms_as_published": partial(arms, published=True),
    "embedding": partial(embedding, fused=True),
    "embedding_plain_adamw": partial(embedding, fused=False),
    "memory": memory,
    "matmul": matmul,
    "import": import_time,
}
_STEPS: dict[str, Callable[[Size], Row]] = {
    "step": step,
    "recipe": recipe,
    "sentence_transformers": partial(sentence_transformers, dropout=0.0, target=3.0),
    "sentence_transformers_dropout": partial(sentence_transformers, dropout=0.1, target=3.0),
    "matmul": partial(matmul, target=0.55),
}
BFLOAT16: dict[str, Callable[[Size], Row]] = {
    f"bfloat16_{name}": partial(in_bfloat16, of=of) for name, of in _STEPS.items()
}


def _operations(trainer: Trainer, batch: np.ndarray) -> int:
    """Count the operations of a step's matrix products; the counter knows no attention scores on a CPU."""
    with FlopCounterMode(display=False) as counter:
        trainer.loss(trainer.corpus.train, batch)[0].backward()
    return counter.get_total_flops()


def _race(ours: Trainer, theirs: Trainer, size: Size) -> Seconds:
    """Time steps of two trainers on the same batches."""
    batches = batches_of(size)
    return alternate(
        {"ours": lambda i: ours.update(batches[i]), "theirs": lambda i: theirs.update(batches[i])}, size.repeats
    )


def _embedding_step(module: nn.Module, ids: Tensor, fused: bool) -> Callable[[int], None]:
    optimizer = make_optimizer([module], weight_decay=0.01) if fused else torch.optim.AdamW(module.parameters())
    for group in optimizer.param_groups:
        group["lr"] = LEARNING_RATE
    gradient = torch.randn_like(module(ids))

    def step(_: int) -> None:
        module(ids).backward(gradient)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "-"}[value]
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
