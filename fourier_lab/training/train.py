"""Train one encoder from a ``RunConfig``: resumable, seeded, recorded."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..config import RunConfig
from ..device import reset_peak_memory, resolve_device, threads
from ..errors import ConfigError, TrainingError, check_kind, list_of
from ..evaluation.beyond import check_sets
from ..evaluation.metrics import sts_scores
from ..evaluation.similarity import embedding_similarity
from ..locks import run_lock
from ..models.sentence_encoder import SentenceEncoder
from ..paths import RUNS, as_path
from ..processes import deferred_interrupts
from ..series import IN_SERIES_NAME, series_name, setting, varying_settings
from ..text.corpus import TokenPairs, prepare
from ..text.language import prepare_language
from ..text.tokenizer import vocabulary_hash
from . import ranks
from .evaluations import are_complete, evaluate
from .folders import load_run, run_folder
from .language_trainer import LanguageTrainer
from .masked_trainer import MaskedTrainer
from .memory import check_memory, shortage_told
from .records import RunRecord, is_trained, load_encoder, write_record
from .teacher import taught
from .trainer import Progress, Trainer


@dataclass(frozen=True)
class TrainResult:
    """A finished run and its encoder, or its language model.

    Attributes:
        record: Configuration, metrics and history, as on disk.
        encoder: Final step's weights, in eval mode, with tokenizer.
    """

    record: RunRecord
    encoder: Any

    @property
    def config(self) -> RunConfig:
        """Return the run's configuration."""
        return self.record.config

    @property
    def metrics(self) -> dict[str, Any]:
        """Return the run's metrics."""
        return self.record.metrics

    @property
    def history(self) -> Sequence[dict[str, float]]:
        """Return the run's history rows."""
        return self.record.history


def train(
    config: RunConfig, *, callback: Callable[[Progress], None] | None = None, runs: Path | None = None
) -> TrainResult:
    """Train, score and record one run; load it instead if its record exists; resume it if it was interrupted.

    A run is its settings and its text: once the contents of the data folder have changed, it is another one, with a folder
    of its own (:mod:`fourier_lab.training.folders`). Where no data folder is at hand, a finished run is returned as it is.

    Args:
        config: What to run.
        callback: Called with a :class:`Progress` about a hundred times.
        runs: Folder of run folders; :data:`fourier_lab.paths.RUNS` if None.

    Returns:
        TrainResult: The record and the encoder with the final step's weights; the best on a reported split only under the
        departure ``selected_checkpoint``.

    Raises:
        TrainingError: If the loss is not finite or the gradient vanishes (the last checkpoint stays), another thread of this
            process is training, or the run needs more memory than there is, before it is taken.
        RecordError: If a checkpoint or record is damaged, belongs to other settings or data, or cannot be written.
        ConfigError: If this machine lacks the device, or the pretraining reads its text with other token ids.
        DataError: If the corpus cannot be read.
    """
    remedy = "Write RunConfig(...), RunConfig.from_dict(settings), or train_all for several."
    check_kind(config, RunConfig, "train takes one RunConfig", remedy)
    ranks.check(config)
    folder = run_folder(RUNS if runs is None else as_path(runs), config)
    if ranks.size() == 1 and (found := _finished(folder, config)) is not None and are_complete(folder, config):
        return found
    # If another process is at this run, its result is found once it is done.
    with nullcontext() if ranks.rank() else run_lock(folder):
        if ranks.told("finished" if is_trained(folder) else ""):
            return _evaluated(_loaded(folder, config), folder, config)
        check_sets(config)  # before hours of training
        with _alone_in_the_process(config), threads(config.threads), shortage_told():
            return _evaluated(_train(config, folder, callback, runs), folder, config)


def _finished(folder: Path, config: RunConfig) -> TrainResult | None:
    return _loaded(folder, config) if is_trained(folder) else None


def _loaded(folder: Path, config: RunConfig) -> TrainResult:
    return TrainResult(load_run(folder, config), load_encoder(folder))


def _evaluated(found: TrainResult, folder: Path, config: RunConfig) -> TrainResult:
    """Score a finished run on the sets that it lacks; its record holds what was there when it was read."""
    if ranks.rank() or are_complete(folder, config):
        return found
    evaluate(folder, config, found.encoder)
    return TrainResult(load_run(folder, config), found.encoder)


_training = threading.RLock()  # held again by the thread that has it, for a first stage


@contextmanager
def _alone_in_the_process(config: RunConfig) -> Iterator[None]:
    """Refuse to train beside another thread: torch's random state and threads belong to the process."""
    if not _training.acquire(blocking=False):
        raise TrainingError(
            f"run {config.digest()} cannot train while another thread of this process does: both would draw from one random "
            "state and give other numbers. Train one after the other, or in processes, such as 'fourier-lab sweep "
            "--workers 2'."
        )
    try:
        yield
    finally:
        _training.release()


def _train(
    config: RunConfig, folder: Path, callback: Callable[[Progress], None] | None, runs: Path | None
) -> TrainResult:
    if "integer_scores" in config.departures:
        return _scored_as_published(config, folder, callback, runs)
    start = None if config.pretraining is None else train(config.pretrained(), callback=callback, runs=runs).encoder
    with torch.random.fork_rng():
        device = resolve_device(config.device)
        reset_peak_memory(device)
        if config.corpus == "toy":  # whose number of ids is known before they are made
            check_memory(config, config.vocab_size, device)
        language = config.objective == "language_model"
        with ranks.first_alone():  # whose token ids the others map
            corpus: Any = (prepare_language if language else prepare)(config)
            corpus = corpus if config.teacher is None else taught(config, corpus)
        check_memory(config, corpus.account["vocab_size"], device)
        trainer = {"language_model": LanguageTrainer, "masked": MaskedTrainer}.get(config.objective, Trainer)(
            config, corpus, folder
        )
        if start is not None:
            if start.tokenizer is None or vocabulary_hash(start.tokenizer) != corpus.account["vocabulary"]:
                raise ConfigError(
                    f"pretraining ({config.pretrained().digest()}) reads its text with other token ids than this run, so "
                    "that its embeddings would be of other tokens. An order or choice of ids by the training text differs "
                    "between the two: use id_order 'frequency' and the whole vocabulary in both."
                )
            trainer.start_from(start.state_dict())
        trainer.resume()
        if ranks.size() > 1:
            if trainer.penalised:
                raise ConfigError(
                    f"{type(trainer.penalised[0]).__name__} may add to the loss what it counts over a whole batch, of which "
                    "each process has but a share. Train in one process, or set another feed_forward than "
                    f"{config.feed_forward!r}, and bayesian 'none'."
                )
            ranks.same("settings, text, weights or checkpoint", trainer.start())
        with deferred_interrupts() as pressed:
            trainer.run(callback, pressed)
        if pressed:  # while the last checkpoint was being written
            raise KeyboardInterrupt
        with ranks.first_alone():
            if ranks.rank():
                return _loaded(folder, config)
            return TrainResult(trainer.finish(), trainer.encoder)


def _scored_as_published(
    config: RunConfig, folder: Path, callback: Callable[[Progress], None] | None, runs: Path | None
) -> TrainResult:
    """Score the same weights once more, the published way; only a choice by score needs training of its own."""
    others = tuple(name for name in config.departures if name != "integer_scores")
    exact = train(config.replace(departures=others), callback=callback, runs=runs)
    with ranks.first_alone():
        if ranks.rank():
            return _loaded(folder, config)
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


def train_all(configs: Iterable[RunConfig], *, report: Callable[[str], None] | None = None) -> list[TrainResult]:
    """Run :func:`train` for each configuration in order; finished ones are loaded.

    Args:
        configs: What to run.
        report: Called with a line of text at the end of each run.
    """
    remedy = "Write train_all([config]), or train(config)."
    configs = list_of(configs, RunConfig, "train_all takes a list of RunConfigs", remedy)
    results, started = [], time.perf_counter()
    told = [name for name in varying_settings(configs) if name not in IN_SERIES_NAME] + ["seed"]
    for number, config in enumerate(configs, start=1):
        results.append(train(config))
        if report is not None:
            left = (time.perf_counter() - started) / number * (len(configs) - number)
            words = ", ".join([series_name(config), *(f"{name} {setting(config, name)}" for name in told)])
            report(
                f"[{number}/{len(configs)}] {config.digest()} {words}: "
                f"{results[-1].record.in_words('validation')}; about {left:.0f} s left"
            )
    return results
