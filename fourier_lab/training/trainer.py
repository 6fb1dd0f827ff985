"""One run from its first step to its record: steps, checkpoints, validation, scores."""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..config import ModelConfig, RunConfig
from ..device import about_bfloat16, peak_memory_bytes, random_states, resolve_device, set_random_states
from ..embeddings.interface import ReadsCounts, stored_bits
from ..embeddings.kept_settings import with_settings_of
from ..errors import RecordError, TrainingError
from ..evaluation.baselines import idf_weights
from ..evaluation.metrics import proportion_interval, scores_and_resamples, sts_scores
from ..evaluation.similarity import embedding_similarity
from ..field_rules import packages_of
from ..models.blocks import count_parameters
from ..models.losses import OBJECTIVES, ContrastiveLoss, penalised_parts
from ..models.sentence_encoder import SentenceEncoder
from ..models.token_weights import ClassWeights
from ..models.tuning import merge, tune
from ..provenance import commit, versions
from ..text.batches import batch_stream
from ..text.corpus import Corpus, TokenPairs
from ..text.pairs import SCORED
from ..text.speech import parts_of_speech
from ..text.tokenizer import token_words
from . import ranks
from .checkpoints import FORMER, read_checkpoint, write_checkpoint
from .optimizer import learning_rate_at, make_optimizer
from .records import CHECKPOINT, RunRecord, write_record
from .shares import averaged, filled_up, gathered, own_random_numbers, share

CHECKPOINT_SECONDS = 30.0
HISTORY_POINTS, VALIDATION_POINTS = 100, 10
VALIDATION_PAIRS, VALIDATION_BATCH = 1024, 128


@dataclass(frozen=True)
class Progress:
    """What a callback is told at each history point.

    Attributes:
        config: The run.
        step: Steps done, of ``config.steps``.
        row: The newest history row.
        pairs_per_s: Training pairs, or windows of a language model, a second since the run (or its resumption) started.
        remaining_s: Estimated seconds to the last step.
    """

    config: RunConfig
    step: int
    row: dict[str, float]
    pairs_per_s: float
    remaining_s: float


class Trainer:
    """State of one run between its first step and its record; drawing the start seeds torch's generator.

    Args:
        config: The run.
        corpus: What it reads; ``account["vocab_size"]`` is the number of ids.
        folder: Where checkpoint and record go.
    """

    def __init__(self, config: RunConfig, corpus: Corpus, folder: Path):
        torch.manual_seed(config.seed)
        self.config, self.corpus, self.folder = config, corpus, folder
        self.checkpoint = folder / CHECKPOINT  # holds the state until the record is written
        self.device = resolve_device(config.device)
        self.precision = getattr(torch, config.precision)
        if self.precision == torch.bfloat16:
            logging.getLogger(__name__).warning("%s: %s.", config.digest(), about_bfloat16(self.device))
        model = config.model(corpus.account["vocab_size"])
        self.encoder = self.build(model).to(self.device)
        self.objective = self.build_objective(model).to(self.device)
        self.penalised = penalised_parts(self.encoder)
        self.optimizer = make_optimizer((self.encoder, self.objective), config.weight_decay)
        self.step, self.seconds = 0, 0.0
        self.history: list[dict[str, float]] = []
        self.losses: list[float] = []  # of the steps since the last history row
        self.best: tuple[float, dict[str, Tensor]] | None = None  # score and weights of the best look so far
        self.frozen: list[nn.Parameter] = []  # while few numbers are tuned
        self.pressed: Sequence[int] = ()  # signals that ask this process to stop
        self.stop = False  # whether one had come to any process before the last step

    def build(self, model: ModelConfig) -> Any:
        """Return what is trained, at its start."""
        encoder = SentenceEncoder(model, self.corpus.tokenizer)
        if isinstance(encoder.embedding, ReadsCounts):
            encoder.embedding.set_counts(torch.from_numpy(self.corpus.train.counts(model.vocab_size)))
        for name in ("token_weights", "attention_weights"):
            if getattr(self.config, name) == "idf":
                idf = idf_weights(self.corpus.train.sentences, model.vocab_size)
                getattr(encoder, name).start(torch.from_numpy(idf))
        if isinstance(encoder.attention_weights, ClassWeights):
            speech = parts_of_speech(token_words(self.corpus.tokenizer))
            encoder.attention_weights.set_classes(torch.from_numpy(speech))
        return encoder

    def build_objective(self, model: ModelConfig) -> nn.Module:
        """Return what turns what the encoder gives into a loss, and is trained with it."""
        return OBJECTIVES[self.config.objective](model.d_model)

    def start_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the weights of another run; what a tuning adds to them starts as it was drawn."""
        self.encoder.load_state_dict({**self.encoder.state_dict(), **weights})
        if self.config.tuning != "full":
            self.frozen = tune(self.encoder, self.config.tuning, self.config.tuning_options)
            self.optimizer = make_optimizer((self.encoder, self.objective), self.config.weight_decay)

    def parts(self) -> dict[str, nn.Module]:
        """Return the parts whose size the record tells beside the whole."""
        return {"embedding": self.encoder.embedding}

    def throughput(self) -> dict[str, float]:
        """Return what was read a second, under its name."""
        return {"pairs_per_s": round(self.config.steps * self.config.batch_size / self.seconds, 1)}

    def _identity(self) -> dict[str, Any]:
        """Return what a checkpoint must share with this run to be resumed."""
        account = self.corpus.account
        identity = {"data": account["train"], "vocabulary": account["vocabulary"], "precision": str(self.precision)}
        identity |= {name: account[name] for name in ("teacher",) if name in account}
        return {"digest": self.config.digest(), **identity}

    def save(self) -> None:
        """Write the checkpoint whole or not at all."""
        if ranks.rank():
            return
        state = {
            **self._identity(),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "losses": self.losses,
            "best": self.best,
            "encoder": self.encoder.state_dict(),
            "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            **random_states(self.device),
        }
        try:
            write_checkpoint(self.checkpoint, state)
        except OSError as error:
            raise RecordError(
                f"cannot write {self.checkpoint} ({error}); the previous checkpoint, if any, is intact. "
                "Free disk space and run again: training resumes."
            ) from error

    def resume(self) -> None:
        """Continue from the checkpoint, if there is one."""
        if (former := self.folder / FORMER).is_file():
            raise RecordError(
                f"{former} is a checkpoint of an older version, a pickle, which may hold code and is not opened. Delete it "
                "to start over, or finish the run with that version."
            )
        if not self.checkpoint.is_file():
            return
        try:
            # On the CPU, from where each value is copied to its place: a GPU need not hold all of it twice.
            state = read_checkpoint(self.checkpoint)
            identity = self._identity()
            same = all(state[key] == value for key, value in identity.items())
            if same:
                self.encoder.load_state_dict(with_settings_of(self.encoder, state["encoder"]))
                self.objective.load_state_dict(state["objective"])
                self.optimizer.load_state_dict(state["optimizer"])
                self.step, self.seconds = state["step"], state["seconds"]
                self.history, self.losses = state["history"], state["losses"]
                self.best = state.get("best")
                set_random_states(state, self.device)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # a truncated file fails in many ways inside zip, numpy and torch
            raise RecordError(
                f"the checkpoint {self.checkpoint} is damaged ({type(error).__name__}: {error}). "
                "Delete it to start over."
            ) from error
        if not same:
            raise RecordError(
                f"{self.checkpoint} belongs to other settings, data, vocabulary or precision. Delete it to start over."
            )

    def start(self) -> str:
        """Return what all processes of a run share before their first step, in one word."""
        weights = (value.cpu().numpy().tobytes() for value in self.encoder.state_dict().values())
        return hashlib.sha256(b"".join([repr((self._identity(), self.step)).encode(), *weights])).hexdigest()

    def loss(self, pairs: TokenPairs, index: np.ndarray) -> tuple[Tensor, Tensor]:
        """Return loss and accuracy of the chosen pairs; both sides are encoded as one packed batch.

        In training each process encodes its share of the pairs alone, and of their hard negatives, if there are any.
        """
        shared = self.encoder.training
        own = share(index) if shared else index
        sentences = [pairs.first[i] for i in own] + [pairs.second[i] for i in own]
        hard = () if pairs.negatives is None else pairs.hard_negatives(index, self.corpus.keys)
        sentences += [hard[i] for i in (share(filled_up(len(hard))) if shared else range(len(hard)))]
        packed = self.encoder.pack(sentences).to(self.device)
        label = torch.from_numpy(pairs.label[index])
        label = (label.float() if label.is_floating_point() else label).to(self.device)  # mps has no float64
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            vectors = self.encoder.encode_packed(packed)
        (anchors, positives), negatives = vectors[: 2 * len(own)].chunk(2), vectors[2 * len(own) :]
        if shared:
            anchors, positives = gathered(anchors, positives)
        if not len(hard):
            return self.objective(anchors, positives, label)
        (negatives,) = gathered(negatives) if shared else (negatives,)
        return self.objective(anchors, positives, label, negatives[: len(hard)])

    def update(self, index: np.ndarray) -> float:
        """Take one optimiser step and return its loss: in nats, or 1 - r when fine-tuning on graded pairs."""
        rate = learning_rate_at(self.step, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        own_random_numbers(self.config.seed, self.step)
        loss, _ = self.loss(self.corpus.train, index)
        self.optimizer.zero_grad(set_to_none=True)
        sum((part.penalty() for part in self.penalised), start=loss).backward()
        parameters = [p for g in self.optimizer.param_groups for p in g["params"]]
        value, self.stop = averaged(parameters, loss.item(), bool(self.pressed))
        norm = float(nn.utils.clip_grad_norm_(parameters, self.config.clip_norm))
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
        # Of each corpus the first: MNLI's second, the mismatched one, stands in for a test split.
        first: dict[str, TokenPairs] = {}
        for name, pairs in self.corpus.held_out.items():
            corpus, split = name.split("/")
            if split.startswith("validation"):
                first.setdefault(corpus, pairs)
        return float(np.mean([self.validate(pairs)[0] for pairs in first.values()]))

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

    def graded(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the present weights' similarity, and the score given, of all pairs of a graded split."""
        pairs = self.corpus.graded[split]
        return embedding_similarity(self.encoder, pairs.first, pairs.second), pairs.label

    def scored(self) -> tuple[dict[str, Any], np.ndarray | None]:
        """Return the scores of the weights, of graded and of held-out pairs, and the resamples of the former."""
        if self.config.objective == "nli":
            held_out = {name: self.accuracy(pairs) for name, pairs in self.corpus.held_out.items()}
        else:
            means = {name: self.validate(pairs) for name, pairs in self.corpus.held_out.items()}
            held_out = {name: {"loss": loss, "accuracy": accuracy} for name, (loss, accuracy) in means.items()}
        self.encoder.eval()
        scores, resampled = zip(*(scores_and_resamples(*self.graded(split)) for split in SCORED), strict=True)
        return {"scores": dict(zip(SCORED, scores, strict=True)), "held_out": held_out}, np.stack(resampled)

    def look(self) -> None:
        """Keep the present weights if they score best so far on the reported validation split, as published."""
        score = sts_scores(*self.graded("validation"), intervals=False)["spearman"]["value"]
        if self.best is None or score > self.best[0]:
            self.best = (score, {name: value.clone() for name, value in self.encoder.state_dict().items()})

    def run(self, callback: Callable[[Progress], None] | None, pressed: Sequence[int] = ()) -> None:
        """Train to the last step, recording history and saving checkpoints; an interruption saves one too.

        It stops after the step in which ``pressed`` is no longer empty.
        """
        config, self.pressed = self.config, pressed
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
                    due = not ranks.rank() and (self.step % validate_every == 0 or self.step == config.steps)
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
                if self.stop if ranks.size() > 1 else pressed:  # in the same step everywhere
                    raise KeyboardInterrupt
            if self.step > first_step:
                self.save()  # whatever stops the scoring then costs no training
        except KeyboardInterrupt:
            # Inside a step, weights and counters may disagree: then the last periodic checkpoint is the one to resume.
            if between_steps:
                self.save()
            raise

    def finish(self) -> RunRecord:
        """Score the final weights or the best look's, write the record, drop the checkpoint; the encoder ends on the CPU."""
        states = (self.optimizer.state.get(parameter) for parameter in self.encoder.parameters())
        live = sum(int(torch.count_nonzero(state["exp_avg_sq"])) for state in states if state)
        if self.best is not None:
            self.encoder.load_state_dict(self.best[1])
        tuned = {"tuned": count_parameters(self.encoder)} if self.frozen else {}
        merge(self.encoder, self.frozen)
        self.encoder.eval()
        found, resampled = self.scored()
        parts = self.parts()
        metrics = {
            "digest": self.config.digest(),
            "scores": found["scores"],
            "validation_loss": self.validation_loss() if self.best else self.history[-1]["validation_loss"],
            "held_out": found["held_out"],
            "parameters": {
                "total": count_parameters(self.encoder),
                **{name: count_parameters(part) for name, part in parts.items()},
                "with_gradient": live,
                **tuned,
            },
            "stored_bits": {
                "total": stored_bits(self.encoder),
                **{name: stored_bits(part) for name, part in parts.items()},
            },
            "duration_s": round(self.seconds, 3),
            **self.throughput(),
            "peak_memory_bytes": peak_memory_bytes(self.device),
            "precision": str(self.precision).removeprefix("torch."),
            "device": self.device.type,
            "threads": torch.get_num_threads(),
            "data": self.corpus.account,
            "versions": versions(),
            "commit": commit(),
        }
        if ranks.size() > 1:
            metrics["ranks"] = ranks.size()
        if packages := packages_of(self.config):
            metrics["packages"] = packages
        encoder = self.encoder.cpu()
        record = write_record(self.folder, self.config, metrics, self.history, encoder, resampled)
        self.checkpoint.unlink(missing_ok=True)
        return record
