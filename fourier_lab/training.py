"""Train one encoder from a ``RunConfig``: resumable, seeded, recorded."""

import math
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .batches import batch_stream
from .config import RunConfig
from .corpus import Corpus, TokenPairs, prepare
from .encoder import SentenceEncoder, count_parameters
from .errors import RecordError, TrainingError
from .losses import OBJECTIVES, ContrastiveLoss
from .metrics import embedding_similarity, proportion_interval, sts_scores
from .paths import RUNS
from .processes import deferred_interrupts
from .provenance import commit, versions
from .runs import RunRecord, is_complete, load_encoder, load_record, run_lock, write_record
from .summaries import series_name

CHECKPOINT_SECONDS = 30.0
HISTORY_POINTS = 100
VALIDATION_POINTS = 10
VALIDATION_PAIRS = 1024
VALIDATION_BATCH = 128


@dataclass(frozen=True)
class Progress:
    """What a callback is told at each history point.

    Attributes:
        config: The run.
        step: Steps done, of ``config.steps``.
        row: The newest history row.
        pairs_per_s: Training pairs a second since the run (or its resumption) started.
        remaining_s: Estimated seconds to the last step.
    """

    config: RunConfig
    step: int
    row: dict[str, float]
    pairs_per_s: float
    remaining_s: float


@dataclass(frozen=True)
class TrainResult:
    """A finished run and its encoder.

    Attributes:
        record: Configuration, metrics and history, as on disk.
        encoder: Final step's weights, in eval mode, with tokenizer.
    """

    record: RunRecord
    encoder: SentenceEncoder

    @property
    def config(self) -> RunConfig:
        """Return the run's configuration."""
        return self.record.config

    @property
    def metrics(self) -> dict[str, Any]:
        """Return the run's metrics."""
        return self.record.metrics

    @property
    def history(self) -> list[dict[str, float]]:
        """Return the run's history rows."""
        return self.record.history


def train(
    config: RunConfig, *, callback: Callable[[Progress], None] | None = None, runs: Path | None = None
) -> TrainResult:
    """Train, score and record one run; load it instead if its record exists; resume it if it was interrupted.

    Args:
        config: What to run. The digest names the folder ``runs/<digest>``.
        callback: Called with a :class:`Progress` about a hundred times.
        runs: Folder of run folders; :data:`fourier_lab.paths.RUNS` if None.

    Returns:
        TrainResult: The record and the encoder with the final step's weights, never the best on a reported split.

    Raises:
        TrainingError: If the loss is not finite or the gradient vanishes; the last checkpoint stays.
        RecordError: If a checkpoint or record is damaged or belongs to other settings or data.
        DataError: If the corpus cannot be read.
    """
    folder = (RUNS if runs is None else Path(runs)) / config.digest()
    if (found := _finished(folder)) is not None:
        return found
    with run_lock(folder):  # if another process is at this run, its result is found once it is done
        return _finished(folder) or _train(config, folder, callback, runs)


def _finished(folder: Path) -> TrainResult | None:
    complete = is_complete(folder) and (folder / "weights.safetensors").is_file()
    return TrainResult(load_record(folder), load_encoder(folder)) if complete else None


def _train(
    config: RunConfig, folder: Path, callback: Callable[[Progress], None] | None, runs: Path | None
) -> TrainResult:
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    if "integer_scores" in config.departures:
        return _scored_as_published(config, folder, callback, runs)
    start = None if config.pretraining is None else train(config.pretrained(), callback=callback, runs=runs).encoder
    with torch.random.fork_rng():
        trainer = _Trainer(config, prepare(config), folder)
        if start is not None:
            trainer.encoder.load_state_dict(start.state_dict())
        trainer.resume()
        with deferred_interrupts() as pressed:
            trainer.run(callback, pressed)
        return trainer.finish()


def _scored_as_published(
    config: RunConfig, folder: Path, callback: Callable[[Progress], None] | None, runs: Path | None
) -> TrainResult:
    """Score the same weights once more, the published way; only a choice by score needs training of its own."""
    others = tuple(name for name in config.departures if name != "integer_scores")
    exact = train(config.replace(departures=others), callback=callback, runs=runs)
    graded = prepare(config).graded
    scores = {split: published_scores(exact.encoder, pairs, config) for split, pairs in graded.items()}
    metrics = {**exact.metrics, "digest": config.digest(), "scores": scores}
    return TrainResult(write_record(folder, config, metrics, exact.history, exact.encoder), exact.encoder)


def published_scores(encoder: SentenceEncoder, pairs: TokenPairs, config: RunConfig) -> dict:
    """Score graded pairs as published: scores cut to integers, pairs shuffled, the last incomplete batch left out."""
    whole = len(pairs) - len(pairs) % min(config.batch_size, len(pairs))
    kept = np.random.default_rng(config.seed).permutation(len(pairs))[:whole]
    similarity = embedding_similarity(encoder, pairs.first, pairs.second)
    return sts_scores(similarity[kept], np.floor(pairs.label[kept]))


def train_all(
    configs: Iterable[RunConfig], *, report: Callable[[str], None] | None = None, runs: Path | None = None
) -> list[TrainResult]:
    """Run :func:`train` for each configuration in order; finished ones are loaded.

    Args:
        configs: What to run.
        report: Called with a line of text at the end of each run.
        runs: As in :func:`train`.
    """
    configs, results, started = list(configs), [], time.perf_counter()
    for number, config in enumerate(configs, start=1):
        results.append(train(config, runs=runs))
        if report is not None:
            left = (time.perf_counter() - started) / number * (len(configs) - number)
            score = results[-1].record.score("validation")
            report(
                f"[{number}/{len(configs)}] {config.digest()} {series_name(config)}, id order {config.id_order}, "
                f"seed {config.seed}: validation Spearman {score:.1f}; about {left:.0f} s left"
            )
    return results


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


def learning_rate_at(step: int, config: RunConfig) -> float:
    """Return the rate of step ``step`` (from 0): linear warm-up to the peak, then linear decay towards 0."""
    if step < config.warmup_steps:
        return config.peak_rate * (step + 1) / config.warmup_steps
    return config.peak_rate * (config.steps - step) / max(1, config.steps - config.warmup_steps)


def make_optimizer(modules: Iterable[nn.Module], weight_decay: float) -> torch.optim.AdamW:
    """Return a fused AdamW that decays matrices and tables, but no bias, norm or temperature."""
    parameters = [p for module in modules for p in module.parameters()]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, fused=True)


class _Trainer:
    """State of one run between its first step and its record."""

    def __init__(self, config: RunConfig, corpus: Corpus, folder: Path):
        torch.manual_seed(config.seed)
        self.config, self.corpus, self.folder = config, corpus, folder
        self.device = resolve_device(config.device)
        self.precision = resolve_precision(config.precision, self.device)
        model = config.model(corpus.account["vocab_size"])
        self.encoder = SentenceEncoder(model, corpus.tokenizer).to(self.device)
        self.objective = OBJECTIVES[config.objective](config.d_model).to(self.device)
        self.optimizer = make_optimizer((self.encoder, self.objective), config.weight_decay)
        self.step, self.seconds = 0, 0.0
        self.history: list[dict[str, float]] = []
        self.losses: list[float] = []  # of the steps since the last history row
        self.best: tuple[float, dict[str, Tensor]] | None = None  # score and weights of the best look so far

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def save(self) -> None:
        """Write the checkpoint whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.checkpoint.with_suffix(f".{os.getpid()}.tmp")
        try:
            torch.save(
                {
                    "digest": self.config.digest(),
                    "data": self.corpus.account["train"],
                    "step": self.step,
                    "seconds": self.seconds,
                    "history": self.history,
                    "losses": self.losses,
                    "best": self.best,
                    "encoder": self.encoder.state_dict(),
                    "objective": self.objective.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "random": torch.get_rng_state(),
                },
                temporary,
            )
            with open(temporary, "rb") as stream:
                os.fsync(stream.fileno())  # or a power cut may leave the new name on an empty file
            os.replace(temporary, self.checkpoint)
        except (OSError, RuntimeError) as error:
            raise RecordError(
                f"cannot write {self.checkpoint} ({error}); the previous checkpoint, if any, is intact. "
                "Free disk space and run again: training resumes."
            ) from error
        finally:
            temporary.unlink(missing_ok=True)

    def resume(self) -> None:
        """Continue from the checkpoint, if there is one."""
        if not self.checkpoint.is_file():
            return
        try:
            state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
            same = state["digest"] == self.config.digest() and state["data"] == self.corpus.account["train"]
            if same:
                self.encoder.load_state_dict(state["encoder"])
                self.objective.load_state_dict(state["objective"])
                self.optimizer.load_state_dict(state["optimizer"])
                self.step, self.seconds = state["step"], state["seconds"]
                self.history, self.losses = state["history"], state["losses"]
                self.best = state.get("best")
                torch.set_rng_state(state["random"].cpu())
        except Exception as error:  # a truncated file fails in many ways inside zip, pickle and torch
            raise RecordError(
                f"the checkpoint {self.checkpoint} is damaged ({type(error).__name__}: {error}). "
                "Delete it to start over."
            ) from error
        if not same:
            raise RecordError(f"{self.checkpoint} belongs to other settings or other data. Delete it to start over.")

    def loss(self, pairs: TokenPairs, index: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return loss and accuracy of the chosen pairs; both sides are encoded as one packed batch."""
        sentences = [pairs.first[i] for i in index] + [pairs.second[i] for i in index]
        packed = self.encoder.pack(sentences).to(self.device)
        label = torch.from_numpy(pairs.label[index]).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            anchors, positives = self.encoder.encode_packed(packed).chunk(2)
        return self.objective(anchors, positives, label)

    def update(self, index: np.ndarray) -> float:
        """Take one optimiser step and return its loss in nats."""
        rate = learning_rate_at(self.step, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss, _ = self.loss(self.corpus.train, index)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_([p for g in self.optimizer.param_groups for p in g["params"]],
                                              self.config.clip_norm))  # fmt: skip
        value = loss.item()
        if not math.isfinite(value) or not math.isfinite(norm):
            raise TrainingError(
                f"step {self.step}: loss {value}, gradient norm {norm}; both must be finite. "
                f"Lower learning_rate ({self.config.learning_rate:g}) or set precision to float32."
            )
        if norm == 0.0:
            raise TrainingError(
                f"step {self.step}: the gradient is exactly zero, so nothing can be learned any more. "
                f"Lower learning_rate ({self.config.learning_rate:g}); saturated tanh outputs are the usual cause."
            )
        self.optimizer.step()
        self.step += 1
        return value

    @torch.no_grad()
    def validate(self, pairs: TokenPairs) -> tuple[float, float]:
        """Return mean loss and accuracy over the first pairs of a held-out split, in fixed batches, in eval mode."""
        self.encoder.eval()
        n = min(len(pairs), VALIDATION_PAIRS)  # enough for a loss; accuracies are counted over all pairs at the end
        # Fixed batch size whatever the training batch, so that losses of all runs are comparable.
        parts = [self.loss(pairs, index) for index in np.array_split(np.arange(n), max(1, n // VALIDATION_BATCH))]
        self.encoder.train()
        loss, accuracy = (float(torch.stack(column).mean()) for column in zip(*parts, strict=True))
        return loss, accuracy

    def validation_loss(self) -> float:
        """Return the mean loss over the validation split of each corpus (not the test split)."""
        splits = [pairs for name, pairs in self.corpus.held_out.items() if name.split("/")[1].startswith("validation")]
        return float(np.mean([self.validate(pairs)[0] for pairs in splits[:2]]))

    @torch.no_grad()
    def accuracy(self, pairs: TokenPairs) -> dict[str, float]:
        """Return loss and accuracy of a classifier over all pairs of a split, with its 95 % Wilson interval."""
        self.encoder.eval()
        batches = np.array_split(np.arange(len(pairs)), max(1, len(pairs) // VALIDATION_BATCH))
        parts = [(len(index), *self.loss(pairs, index)) for index in batches]
        loss = sum(n * float(value) for n, value, _ in parts) / len(pairs)
        right = round(sum(n * float(share) for n, _, share in parts))
        low, high = proportion_interval(right, len(pairs))
        return {"loss": loss, "accuracy": right / len(pairs), "low": low, "high": high, "n": len(pairs)}

    def graded_scores(self, split: str) -> dict:
        """Score all pairs of a graded split with the present weights."""
        pairs = self.corpus.graded[split]
        return sts_scores(embedding_similarity(self.encoder, pairs.first, pairs.second), pairs.label)

    def look(self) -> None:
        """Keep the present weights if they score best so far on the reported validation split, as published."""
        score = self.graded_scores("validation")["spearman"]["value"]
        if self.best is None or score > self.best[0]:
            self.best = (score, {name: value.clone() for name, value in self.encoder.state_dict().items()})

    def run(self, callback: Callable[[Progress], None] | None, pressed: Sequence[int] = ()) -> None:
        """Train to the last step, recording history and saving checkpoints; an interruption saves one too.

        It stops after the step in which ``pressed`` is no longer empty.
        """
        config = self.config
        every = max(1, config.steps // HISTORY_POINTS)
        validate_every = every * (HISTORY_POINTS // VALIDATION_POINTS)
        in_turn = "corpora_in_turn" in config.departures
        parts = [part["used"] for part in self.corpus.account["train"].values()] if in_turn else ()
        stream = batch_stream(self.corpus.keys, config.batch_size, config.seed, self.step, config.steps, parts)
        first_step, started, saved = self.step, time.perf_counter(), time.perf_counter()
        self.encoder.train()
        between_steps = True
        try:
            for index in stream:
                begun, between_steps = time.perf_counter(), False
                self.losses.append(self.update(index))
                self.seconds += time.perf_counter() - begun
                if self.step % every == 0 or self.step == config.steps:
                    due = self.step % validate_every == 0 or self.step == config.steps
                    scale = self.objective.scale.item() if isinstance(self.objective, ContrastiveLoss) else math.nan
                    row = {
                        "step": self.step,
                        "loss": float(np.mean(self.losses)),
                        "validation_loss": self.validation_loss() if due else math.nan,
                        "scale": scale,
                        "learning_rate": learning_rate_at(self.step - 1, config),
                        "seconds": self.seconds,
                    }
                    self.history.append(row)
                    self.losses = []
                    if due and "selected_checkpoint" in config.departures:
                        self.look()
                between_steps = True
                if callback is not None and not self.losses:
                    rate = (self.step - first_step) / (time.perf_counter() - started)
                    remaining = (config.steps - self.step) / rate
                    callback(Progress(config, self.step, self.history[-1], rate * config.batch_size, remaining))
                if time.perf_counter() - saved > CHECKPOINT_SECONDS:
                    self.save()
                    saved = time.perf_counter()
                if pressed:
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            # Inside a step, weights and counters may disagree: then the last periodic checkpoint is the one to resume.
            if between_steps:
                self.save()
            raise

    def finish(self) -> TrainResult:
        """Score the final weights, write the record, drop the checkpoint."""
        live = sum(
            int((self.optimizer.state[p]["exp_avg_sq"] > 0).sum())
            for p in self.encoder.parameters()
            if p in self.optimizer.state
        )
        if self.best is not None:
            self.encoder.load_state_dict(self.best[1])
        if self.config.objective == "nli":
            held_out = {name: self.accuracy(pairs) for name, pairs in self.corpus.held_out.items()}
        else:
            means = {name: self.validate(pairs) for name, pairs in self.corpus.held_out.items()}
            held_out = {name: {"loss": loss, "accuracy": accuracy} for name, (loss, accuracy) in means.items()}
        self.encoder.eval()
        scores = {split: self.graded_scores(split) for split in self.corpus.graded}
        metrics = {
            "digest": self.config.digest(),
            "scores": scores,
            "validation_loss": self.history[-1]["validation_loss"],
            "held_out": held_out,
            "parameters": {
                "total": count_parameters(self.encoder),
                "embedding": count_parameters(self.encoder.embedding),
                "with_gradient": live,
            },
            "duration_s": round(self.seconds, 3),
            "pairs_per_s": round(self.config.steps * self.config.batch_size / self.seconds, 1),
            "peak_memory_bytes": peak_memory_bytes(self.device),
            "precision": str(self.precision).removeprefix("torch."),
            "device": self.device.type,
            "threads": torch.get_num_threads(),
            "data": self.corpus.account,
            "versions": versions(),
            "commit": commit(),
        }
        encoder = self.encoder.cpu()
        record = write_record(self.folder, self.config, metrics, self.history, encoder)
        self.checkpoint.unlink(missing_ok=True)
        return TrainResult(record, encoder)


def peak_memory_bytes(device: torch.device) -> int:
    """Return the highest memory use so far: of this process on the CPU, of torch's allocator on a GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage also counts the parent's peak at the start of this process
        return 1024 * int(status.read_text().split("VmHWM:")[1].split()[0])
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
