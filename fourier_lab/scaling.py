"""What a training step of either arm costs, in time and memory, by vocabulary, width and depth, and why.

Times are ratios, learned over fourier: above 1 the Fourier arm is faster. Both arms, and every variant of them, take their
steps in turn in one process and on one thread, so that a busy moment falls on all. The clock counts the processor's seconds
of this process alone, which on one thread are those of an otherwise idle machine up to shared caches and memory. Each pair
of steps gives one ratio; reported are their median and its order-statistic interval. Text is synthetic: Zipf-distributed ids
in sentences of SNLI's lengths (mean 13.3 tokens), since a step's cost depends on counts of ids and tokens, not on what they
say.
"""

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from . import paths
from .batches import PackedSentences
from .bench import alternate, machine, run_child
from .bench_material import HYPOTHESIS_LENGTHS, LEARNING_RATE, PREMISE_LENGTHS, zipf_ids
from .config import ARMS, RunConfig
from .corpus import Corpus, TokenPairs
from .device import peak_memory_bytes
from .encoder import Block, SentenceEncoder, count_parameters
from .errors import ConfigError, RecordError
from .optimizer import make_optimizer
from .resolution import Columns
from .toy import SPECIAL_TOKENS
from .trainer import Trainer

Record = dict[str, Any]
Shape = tuple[int, int, int]  # vocab_size, d_model, n_layers

# What separates the published recipe from two arms that are alike but for the embedding; the value tells whom it changes.
PUBLISHED = {
    "dead feed-forward": ("fourier",),
    "dropout 0.1": ("learned",),
    "default AdamW": ARMS,
    "every position": ARMS,
    "padding": ARMS,
}
OPTIMISERS = {"foreach AdamW": ARMS, "sparse gradients": ("learned",)}
_CHANGES = PUBLISHED | OPTIMISERS

PUBLISHED_STEPS = 122_700
# Minutes of training in Table 1, (fourier, learned) by (d_model, n_layers).
# Source: Ndubuaku & Talhi 2025 (arXiv:2505.02266).
TABLE_1_MINUTES = {
    (256, 1): (37.88, 48.48),
    (512, 1): (60 * 1.349, 60 * 1.688),
    (256, 2): (60 * 1.009, 60 * 1.322),
    (512, 2): (60 * 2.27, 60 * 2.982),
}

_BATCHES = 4
_MOST_ROUNDS = 30
_STATES = 4  # float32 numbers per parameter: weight, gradient and Adam's two moments


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        shapes: Vocabulary, width and layers of the arms to time when they are alike but for the embedding.
        memory: The same of the steps whose peak memory to measure.
        causes: The shape at which the published recipe is taken apart.
        batch_size: Pairs a step.
        share: With padding, variants are timed on this fraction of the pairs and of the vocabulary, which leaves the weight
            of the table in a step about as it is.
        check_share: The fraction at which the published pair is timed once more, to see that the fraction does not matter.
        max_seq_len: Length that padding goes up to, tokens.
        rounds: Least steps of every variant, after one warm-up; 6 is the least that gives a 95 % interval.
        seconds: Quick variants take more steps, up to this long together.
    """

    shapes: tuple[Shape, ...]
    memory: tuple[Shape, ...]
    causes: Shape = (30_522, 256, 1)
    batch_size: int = 128
    share: int = 16
    check_share: int = 4
    max_seq_len: int = 128
    rounds: int = 6
    seconds: float = 3.0


PLANS = {
    "smoke": Plan(
        shapes=((5_000, 64, 1), (100_000, 64, 1)), memory=((100_000, 64, 1),), causes=(5_000, 64, 1), batch_size=32,
        share=4, check_share=1, max_seq_len=32, seconds=2.0,
    ),
    "full": Plan(
        shapes=(
            *((v, d, 1) for d in (128, 256) for v in (10_000, 30_522, 100_000, 1_000_000)),
            (30_522, 512, 1), (30_522, 256, 2),
        ),
        memory=(*((v, 256, 1) for v in (10_000, 30_522, 100_000, 1_000_000)), (1_000_000, 512, 1)),
        rounds=12,
    ),
}  # fmt: skip


def measure_scaling(
    size: str = "smoke", plan: Plan | None = None, report: Callable[[str], None] | None = None
) -> Record:
    """Measure a plan; nothing is written.

    Args:
        size: A key of :data:`PLANS`: ``smoke`` takes seconds, ``full`` minutes and up to 9 GB of memory.
        plan: Used in place of the named plan.
        report: Called with one line before each part.

    Returns:
        Record: JSON-ready. ``steps`` has a row per pair of arms with their ``seconds``, ``memory`` a row per arm and shape;
        ``plan`` and ``machine`` say what was measured and on what.

    Raises:
        ConfigError: If ``size`` is unknown.
    """
    if plan is None:
        if size not in PLANS:
            raise ConfigError(f"no size {size!r} to measure. Choose one of {', '.join(PLANS)}.")
        plan = PLANS[size]
    say = report or (lambda line: None)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {
            "size": size,
            "plan": json.loads(json.dumps(asdict(plan))),
            "machine": machine(),
            "steps": _measure_steps(plan, say),
            "memory": [measure_memory(arm, shape, plan) for shape in plan.memory for arm in ARMS],
        }
    finally:
        torch.set_num_threads(before)


def write_record(record: Record) -> Path:
    """Write a measurement to ``results/faster/SIZE.json``."""
    path = _record_path(record["size"])
    # One row a line: a few KB that a reader can compare.
    body = {key: value for key, value in record.items() if key not in ("steps", "memory")}
    rows = (f' "{key}": [\n  ' + ",\n  ".join(map(json.dumps, record[key])) + "\n ]" for key in ("steps", "memory"))
    paths.write_atomically(path, json.dumps(body, indent=1).removesuffix("\n}") + ",\n" + ",\n".join(rows) + "\n}\n")
    return path


def read_record(size: str = "full", otherwise: Record | None = None) -> Record:
    """Return the measurement kept in ``results/faster/SIZE.json``, or ``otherwise`` if there is none.

    Raises:
        RecordError: If there is neither.
    """
    path = _record_path(size)
    for kept in (path, paths.RECORDS / "faster" / path.name):  # one's own, then what the project ships
        if kept.is_file():
            return json.loads(kept.read_text(encoding="utf-8"))
    if otherwise is None:
        raise RecordError(f"{path} does not exist. Measure it: measure_scaling({size!r}), then write_record.")
    return otherwise


def _record_path(size: str) -> Path:
    return paths.RESULTS / "faster" / f"{size}.json"


def _measure_steps(plan: Plan, say: Callable[[str], None]) -> list[Record]:
    base = RunConfig(batch_size=plan.batch_size, learning_rate=LEARNING_RATE, steps=10_000, max_seq_len=plan.max_seq_len,
                     precision="float32", device="cpu")  # fmt: skip
    rows = []
    for v, d, layers in plan.shapes:
        say(f"step time: V = {v:,}, d = {d}, {layers} layer(s)")
        shape = base.replace(vocab_size=v, d_model=d, n_layers=layers, n_heads=layers)  # the paper's heads = layers
        rows += race({"alike": ()}, shape, plan, part="shapes")
    v, d, layers = plan.causes
    whole = base.replace(vocab_size=v, d_model=d, n_layers=layers, n_heads=layers)
    fraction, larger = (
        whole.replace(vocab_size=v // share, batch_size=plan.batch_size // share)
        for share in (plan.share, plan.check_share)
    )
    say("step time: one change to equal arms")
    alone = {name: (name,) for name in _CHANGES if name != "padding"}
    rows += race({"alike": (), **alone}, whole, plan, part="one change")
    say("step time: the published recipe, and without one of its parts")
    without = {f"without {name}": [other for other in PUBLISHED if other != name] for name in PUBLISHED}
    published = {"as published": tuple(PUBLISHED)}
    rows += race({**published, **without, "padding alone": ("padding",)}, fraction, plan, part="published")
    say("step time: the published recipe on a larger share")
    rows += race(published, larger, plan, part="check")
    say("peak memory, each case in a process of its own")
    return rows


def race(
    comparisons: Mapping[str, Collection[str]], config: RunConfig, plan: Plan, **labels: str
) -> list[dict[str, Any]]:
    """Time steps of both arms under several sets of changes, all in turn, so that pairs of one round compare fairly.

    Args:
        comparisons: Changes (of :data:`PUBLISHED` and :data:`OPTIMISERS`) by the name of the comparison.
        config: Shape, batch size and rate.
        plan: Its ``rounds`` and ``seconds`` say how many steps every variant takes.
        **labels: Added to each row.

    Returns:
        A row per comparison: labels, ``name``, ``changes``, shape, ``batch_size`` and ``seconds`` by arm. Comparisons
        in which an arm is the same share its times.
    """
    corpus = synthetic_corpus(config)
    batches = np.split(np.arange(len(corpus.train)), _BATCHES)
    sides = {
        name: {arm: (arm, *(c for c in changes if arm in _CHANGES[c])) for arm in ARMS}
        for name, changes in comparisons.items()
    }
    trainers = {side: make_variant(config, corpus, *side) for pair in sides.values() for side in pair.values()}

    def step(trainer: Trainer, i: int) -> None:
        trainer.update(batches[i % _BATCHES])

    steps = {side: partial(step, trainer) for side, trainer in trainers.items()}
    seconds = alternate(steps, plan.rounds, time.process_time)
    more = int(plan.rounds * (plan.seconds / sum(map(sum, seconds.values())) - 1))
    if more > 0:
        again = alternate(steps, min(more, _MOST_ROUNDS), time.process_time)
        seconds = {side: values + again[side] for side, values in seconds.items()}
    shape = {name: getattr(config, name) for name in ("vocab_size", "d_model", "n_layers", "batch_size")}
    return [
        {**labels, "name": name, "changes": list(comparisons[name]), **shape,
         "seconds": {arm: [round(s, 5) for s in seconds[side]] for arm, side in pair.items()}}
        for name, pair in sides.items()
    ]  # fmt: skip


def make_variant(config: RunConfig, corpus: Corpus, arm: str, *changes: str) -> Trainer:
    """Return a trainer of one arm with some of the changes, ready to take steps.

    ``dead feed-forward`` computes the feed-forward and drops its output, as published: the backward pass alone is saved.
    ``every position`` evaluates embedding and first projection at each position instead of once per distinct id.
    ``default AdamW`` leaves the choice of implementation to torch, which on a CPU loops over tensors with several passes
    each. ``sparse gradients`` updates only the rows of the table that a batch holds, by SparseAdam, unclipped, undecayed.
    """
    departures = [
        n for n, c in (("padding_mean", "padding"), ("dead_feed_forward", "dead feed-forward")) if c in changes
    ]
    config = config.replace(arm=arm, departures=departures, dropout=0.1 if "dropout 0.1" in changes else 0.0)
    with torch.random.fork_rng():
        trainer = Trainer(config, corpus, Path())
    encoder = trainer.encoder.train()
    if "dead feed-forward" in changes:
        for block in cast(Any, encoder.blocks):
            block.norm1.register_forward_hook(partial(_compute_in_vain, block))
    if "every position" in changes:
        _evaluate_every_position(encoder)
    groups = trainer.optimizer.param_groups
    if "default AdamW" in changes or "foreach AdamW" in changes:
        settings = [{"params": group["params"], "weight_decay": group["weight_decay"]} for group in groups]
        trainer.optimizer = torch.optim.AdamW(settings, foreach=True if "foreach AdamW" in changes else None)
    if "sparse gradients" in changes:
        cast(Any, trainer).optimizer = _SparseTable(trainer)
    return trainer


def _compute_in_vain(block: Block, _: nn.Module, __: tuple[Tensor, ...], x: Tensor) -> None:
    block.feed_forward(x)


def _evaluate_every_position(encoder: SentenceEncoder) -> None:
    model, pack = cast(Any, encoder), encoder.pack

    def pack_repeated(sentences: Sequence[np.ndarray]) -> PackedSentences:
        packed = pack(sentences)
        return replace(packed, distinct=packed.token_ids, places=torch.arange(len(packed.places)))

    model.pack = pack_repeated
    if encoder.config.arm == "fourier":
        model.embedding.forward = model.embedding.compute  # its own forward would look for distinct ids again


class _SparseTable:
    """SparseAdam for the table, whose gradient torch cannot clip, and fused AdamW for all else, as one optimiser."""

    def __init__(self, trainer: Trainer):
        embedding = cast(Any, trainer.encoder.embedding)
        embedding.table.sparse = True
        table = embedding.table.weight
        modules = (trainer.encoder, trainer.objective)
        others = nn.ParameterList(p for module in modules for p in module.parameters() if p is not table)
        self.rows = torch.optim.SparseAdam([table], lr=LEARNING_RATE)
        self.others = make_optimizer([others], trainer.config.weight_decay)
        self.param_groups = self.others.param_groups  # what the trainer clips and sets the rate of

    def zero_grad(self, set_to_none: bool) -> None:
        for part in (self.rows, self.others):
            part.zero_grad(set_to_none=set_to_none)

    def step(self) -> None:
        for part in (self.rows, self.others):
            part.step()


def synthetic_corpus(config: RunConfig) -> Corpus:
    """Return a few batches of pairs: premises and hypotheses of SNLI's lengths, of Zipf-distributed ids."""
    n, words = _BATCHES * config.batch_size, config.vocab_size - len(SPECIAL_TOKENS)
    start, end = (SPECIAL_TOKENS.index(token) for token in ("[CLS]", "[SEP]"))
    sides = []
    for seed, weights in enumerate((PREMISE_LENGTHS, HYPOTHESIS_LENGTHS)):
        share = np.array(weights) / sum(weights)
        lengths = 2 + np.random.default_rng(seed).choice(
            len(weights), size=n, p=share
        )  # without the two special tokens
        lengths = np.minimum(lengths, config.max_seq_len - 2)
        ids = len(SPECIAL_TOKENS) + zipf_ids(int(lengths.sum()), words, seed).numpy()
        sides.append([np.array([start, *part, end]) for part in np.split(ids, lengths.cumsum()[:-1])])
    pairs = TokenPairs(sides[0], sides[1], np.zeros(n, np.int64))
    account = {"vocab_size": config.vocab_size}
    return Corpus(cast(Any, None), pairs, (np.arange(n), np.arange(n)), {}, {}, account)  # a step needs no tokenizer


def measure_memory(arm: str, shape: Shape, plan: Plan) -> Record:
    """Return what :func:`memory_case` finds in a fresh process, with the settings that it was given."""
    v, d, layers = shape
    settings = {"arm": arm, "vocab_size": v, "d_model": d, "n_layers": layers, "n_heads": layers,
                "batch_size": plan.batch_size, "max_seq_len": plan.max_seq_len}  # fmt: skip
    code = f"import json; from fourier_lab.scaling import memory_case; print(json.dumps(memory_case(**{settings})))"
    return settings | json.loads(run_child(code))


def memory_case(**settings: Any) -> dict[str, int]:
    """Take two steps and return the peak memory of this process; to be called in a process of its own.

    Returns:
        ``peak_bytes``; ``before_bytes``, the peak before the encoder was built; ``states_bytes``, the computed size of
        weights, gradients and Adam's two moments; ``parameters``.
    """
    config = RunConfig(learning_rate=LEARNING_RATE, precision="float32", device="cpu", **settings)
    torch.set_num_threads(1)
    corpus, device = synthetic_corpus(config), torch.device("cpu")
    before = peak_memory_bytes(device)
    trainer = make_variant(config, corpus, config.arm)
    for batch in np.split(np.arange(len(corpus.train)), _BATCHES)[:2]:
        trainer.update(batch)
    parameters = count_parameters(trainer.encoder)
    return {"peak_bytes": peak_memory_bytes(device), "before_bytes": before, "states_bytes": 4 * _STATES * parameters,
            "parameters": parameters}  # fmt: skip


def median_interval(values: ArrayLike) -> tuple[float, float, float]:
    """Return the median and its interval of at least 95 % by order statistics; bounds are nan below 6 values.

    The interval assumes independent values and no distribution: the k-th smallest and k-th largest enclose the median unless
    fewer than k of n fall on one side of it.

    Example:
        >>> median_interval([5, 1, 2, 9, 4, 3])
        (3.5, 1.0, 9.0)
    """
    from scipy import stats

    ordered = np.sort(np.asarray(values, dtype=float))
    k = int(stats.binom.ppf(0.025, len(ordered), 0.5))  # the largest k with P(fewer than k) <= 0.025
    low, high = (ordered[k - 1], ordered[-k]) if k else (np.nan, np.nan)
    return float(np.median(ordered)), float(low), float(high)


def ratio_of(row: Mapping[str, Any]) -> tuple[float, float, float]:
    """Return median, low and high of learned over fourier seconds of a row, round by round."""
    return median_interval(np.divide(row["seconds"]["learned"], row["seconds"]["fourier"]))


def ratio_columns(record: Record) -> Columns:
    """Return ratios of step times: ``series`` (width and layers), ``vocab_size``, ``value``, ``low``, ``high``."""
    rows = _rows(record, "shapes")
    names = [f"d = {r['d_model']}" + (f", {r['n_layers']} layers" if r["n_layers"] > 1 else "") for r in rows]
    return _columns(("series", "vocab_size", "value", "low", "high"),
                    [(name, row["vocab_size"], *ratio_of(row)) for name, row in zip(names, rows, strict=True)])  # fmt: skip


def seconds_columns(record: Record, d_model: int) -> Columns:
    """Return seconds per step of one-layer arms: ``series`` (arm), ``vocab_size``, ``value``, ``low``, ``high``."""
    rows = [row for row in _rows(record, "shapes") if (row["d_model"], row["n_layers"]) == (d_model, 1)]
    return _columns(("series", "vocab_size", "value", "low", "high"),
                    [(arm, r["vocab_size"], *median_interval(r["seconds"][arm])) for arm in ARMS for r in rows])  # fmt: skip


def cause_columns(record: Record, *parts: str) -> Columns:
    """Return ratios of step times: ``name``, ``value``, ``low``, ``high``, ``rounds``, ``fourier_s``, ``learned_s``."""
    rows = _rows(record, *parts)
    cells = []
    for row in rows:
        pairs = f" ({row['batch_size']} pairs)" if row["part"] == "check" else ""
        seconds = [float(np.median(row["seconds"][arm])) for arm in ARMS]
        cells.append((row["name"] + pairs, *ratio_of(row), len(row["seconds"]["fourier"]), *seconds))
    return _columns(("name", "value", "low", "high", "rounds", "fourier_s", "learned_s"), cells)


def total_columns(record: Record, steps: int = PUBLISHED_STEPS) -> Columns:
    """Return training times computed as steps times the median step: a row per shape, hours and their ratio with interval.

    ``paper`` is the ratio of Table 1's training times where it has the shape, else nan.
    """
    cells = []
    for row in _rows(record, "shapes"):
        hours = [steps * float(np.median(row["seconds"][arm])) / 3600 for arm in ARMS]
        minutes = TABLE_1_MINUTES.get((row["d_model"], row["n_layers"])) if row["vocab_size"] == 30_522 else None
        paper = minutes[1] / minutes[0] if minutes else np.nan
        cells.append((row["vocab_size"], row["d_model"], row["n_layers"], *hours, *ratio_of(row), paper))
    return _columns(
        ("vocab_size", "d_model", "n_layers", "fourier_h", "learned_h", "ratio", "low", "high", "paper"), cells
    )


def memory_columns(record: Record, d_model: int | None = None) -> Columns:
    """Return memory by vocabulary in MB (10^6 bytes): ``series`` (arm), ``vocab_size``, ``d_model``, ``value``, ``formula``.

    ``value`` is the peak of a training step above that of the process before the encoder was built, ``formula`` the size of
    weights, gradients and Adam's two moments in float32; ``parameters`` are counted.
    """
    cells = [
        (row["arm"], row["vocab_size"], row["d_model"], (row["peak_bytes"] - row["before_bytes"]) / 1e6,
         row["states_bytes"] / 1e6, row["parameters"])
        for arm in ARMS for row in record["memory"] if row["arm"] == arm and d_model in (None, row["d_model"])
    ]  # fmt: skip
    return _columns(("series", "vocab_size", "d_model", "value", "formula", "parameters"), cells)


def finding(record: Record) -> str:
    """Return the claim, the measured answers with intervals, and what they do not show, in sentences."""
    v, d, layers = record["plan"]["causes"]
    alike, whole = _rows(record, "one change")[0], _rows(record, "check")[0]
    alive = next(row for row in _rows(record, "published") if row["name"] == "without dead feed-forward")
    plain = [row for row in _rows(record, "shapes") if (row["d_model"], row["n_layers"]) == (d, layers)]
    faster = [row["vocab_size"] for row in plain if ratio_of(row)[1] > 1]
    largest = memory_columns(record, d)
    largest = {key: column[largest["vocab_size"] == largest["vocab_size"].max()] for key, column in largest.items()}
    where = f"at {faster[0]:,} ids and above" if faster else "at no measured size"
    minutes = TABLE_1_MINUTES.get((d, layers), (np.nan, np.nan))
    return (
        f"the claim is that a Fourier embedding trains faster; Table 1 has {minutes[1] / minutes[0]:.2f} for learned over "
        f"fourier time. At V = {v:,}, d = {d}, {layers} layer, arms that are alike but for the embedding have "
        f"{_interval(ratio_of(alike))}.\n"
        f"- The published recipe has {_interval(ratio_of(whole))} ({whole['batch_size']} pairs, V reduced alike); with a "
        f"feed-forward that is trained in both arms it has {_interval(ratio_of(alive))} ({alive['batch_size']} pairs).\n"
        f"- Equal arms differ by the vocabulary: the interval lies above 1 {where}; at {plain[-1]['vocab_size']:,} ids the "
        f"ratio is {_interval(ratio_of(plain[-1]))}.\n"
        f"- Memory: at {largest['vocab_size'][0]:,} ids a step adds {largest['value'][0]:,.0f} MB to the process in the "
        f"Fourier arm and {largest['value'][1]:,.0f} MB in the learned one.\n"
        "- Not shown: a GPU, more threads, other batch sizes, and whether equal steps of both arms teach equally much."
    )


def _interval(values: tuple[float, float, float]) -> str:
    value, low, high = values
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def _rows(record: Record, *parts: str) -> list[Record]:
    return [row for part in parts for row in record["steps"] if row["part"] == part]


def _columns(names: Sequence[str], rows: Sequence[tuple]) -> Columns:
    return {name: np.array([row[place] for row in rows]) for place, name in enumerate(names)}
