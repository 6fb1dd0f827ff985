"""What a training step costs: steps of both arms timed in turn, and their peak memory, for every case of a plan."""

import json
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from ..config import ARMS, RunConfig
from ..device import peak_memory_bytes
from ..models.blocks import count_parameters
from ..training.trainer import Trainer
from .ablations import BATCHES, CHANGES, PUBLISHED, make_variant, synthetic_corpus
from .rows import alternate, run_child
from .workload import LEARNING_RATE

Record = dict[str, Any]
Shape = tuple[int, int, int]  # vocab_size, d_model, n_layers

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
        share=4, check_share=1, max_seq_len=32, seconds=1.0,
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


def measure_steps(plan: Plan, say: Callable[[str], None]) -> list[Record]:
    """Return the rows of :func:`race` for every comparison of a plan; ``say`` is told of each."""
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
    alone = {name: (name,) for name in CHANGES if name != "padding"}
    rows += race({"alike": (), **alone}, whole, plan, part="one change")
    say("step time: the published recipe, and without one of its parts")
    without = {f"without {name}": [other for other in PUBLISHED if other != name] for name in PUBLISHED}
    published = {"as published": tuple(PUBLISHED)}
    rows += race({**published, **without, "padding alone": ("padding",)}, fraction, plan, part="published")
    say("step time: the published recipe on a larger share")
    rows += race(published, larger, plan, part="check")
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
    batches = np.split(np.arange(len(corpus.train)), BATCHES)
    sides = {
        name: {arm: (arm, *(c for c in changes if arm in CHANGES[c])) for arm in ARMS}
        for name, changes in comparisons.items()
    }
    trainers = {side: make_variant(config, corpus, *side) for pair in sides.values() for side in pair.values()}

    def step(trainer: Trainer, i: int) -> None:
        trainer.update(batches[i % BATCHES])

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


def measure_memory(arm: str, shape: Shape, plan: Plan) -> Record:
    """Return what :func:`memory_case` finds in a fresh process, with the settings that it was given."""
    v, d, layers = shape
    settings = {"arm": arm, "vocab_size": v, "d_model": d, "n_layers": layers, "n_heads": layers,
                "batch_size": plan.batch_size, "max_seq_len": plan.max_seq_len}  # fmt: skip
    code = f"import json; from fourier_lab.bench.step_costs import memory_case; print(json.dumps(memory_case(**{settings})))"
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
    for batch in np.split(np.arange(len(corpus.train)), BATCHES)[:2]:
        trainer.update(batch)
    parameters = count_parameters(trainer.encoder)
    return {"peak_bytes": peak_memory_bytes(device), "before_bytes": before, "states_bytes": 4 * _STATES * parameters,
            "parameters": parameters}  # fmt: skip
