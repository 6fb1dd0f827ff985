"""One configuration for notebooks, command line and batch runs: ``RunConfig``, and the ``ModelConfig`` it implies."""

import dataclasses
import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Self

from .embeddings.frequencies import FREQUENCIES, check_polynomials, check_width
from .embeddings.registry import ATTENTIONS, EMBEDDINGS, FEED_FORWARDS, TUNINGS, FourierSettings
from .errors import ConfigError, check_kind
from .field_rules import ARMS as ARMS  # choices are looked for beside the configuration
from .field_rules import (
    CORPORA,
    DEPARTURES,
    OPTIONS,
    OWN_CORPUS,
    TEXT_CORPORA,
    defaults,
    describe,
    idle_fields,
    kinds_of,
    normalise,
    reject_unknown,
)
from .field_rules import ID_ORDERS as ID_ORDERS
from .plugins import allow, check_options

PUBLISHED_PERIOD = 127  # the longest sentence of the released code, 128 tokens, less 1
PUBLISHED_RATE = 2e-5
_OUTSIDE_BRACES = re.compile(r"\s+(?![^{]*})")  # of options, which may hold spaces
# What is read where sentences are encoded, or pairs of them compared.
PAIRS_ONLY = (
    "token_weights", "pooler", "attention_weights", "pooled_layers", "departures", "left_out", "pretraining", "tuning",
    "evaluated_on", "tokenizer",
)  # fmt: skip
PROMPTS = ("prompts", "apt")  # tunings that are attentions
# Settings of the run, whatever embedding reads them.
EXPANSION = tuple(f.name for f in dataclasses.fields(FourierSettings))


@dataclass(frozen=True)
class ModelConfig:
    """Shape of one sentence encoder.

    Attributes:
        arm: The token embedding. ``fourier`` computes it from the id; ``learned`` looks it up in a trained table; else the
            name of an installed one, or one of your own as ``module:Class``.
        vocab_size: V, number of ids = length of the tokenizer.
        d_model: Width of embeddings and encoder; even.
        n_layers: Encoder layers; 0 leaves the mean of the token embeddings and the pooler.
        n_heads: Attention heads; divides ``d_model`` into even head widths. The paper sets heads = layers.
        basis: ``fourier``, or a polynomial family for the ``fourier`` arm.
        frequencies: ``harmonic`` (paper), ``log``, ``random``, or ``d_model / 2`` integers.
        period: Period of the id normaliser in ids; ``vocab_size - 1`` if None (paper), always for polynomials; the released
            code used 127.
        mlp: MLP on T(p): ``none``, ``linear`` (what Table 1 trained), ``geglu`` (x4, the paper's text), ``geglu_quarter``,
            ``silu`` (d -> d -> d, what Table 2 trained).
        frequency_seed: Seed of the ``random`` frequency set.
        projections: ``linear`` with a GeGLU feed-forward (Table 1), or ``silu``: every projection, the feed-forward and the
            pooler is a SiLU MLP d -> d -> d (the network whose parameter counts Table 2 reports).
        feed_forward: Hidden width of the GeGLU feed-forward in units of ``d_model``, 4 in the paper, 0.25 in small models;
            or the name of another feed-forward; or one of your own, ``module:Class``, called with ``d_model``.
        attention: Which tokens a token mixes with: all of its sentence with ``full`` (paper); those fewer than ``window``
            places away with ``local``; all, by a sum that grows with the length alone, with ``linear``; all and learned keys
            and values beside them with ``prompts`` or ``apt``, which tunings of these names add; or one of your own,
            ``module:Class``, called with ``d_model``. That of a language model looks back alone.
        dropout: Probability in [0, 1) after embedding, attention and feed-forward; the paper has 0 (fourier), 0.1 (learned).
        bayesian: Which matrices of a language model are learned as Gaussians, ``N(mean, sigma^2)`` for each number:
            ``none``; those of the first ``feed_forward``; the ``embedding_map``, d x d, of the ``fourier`` arm with a
            ``linear`` MLP; or ``both``. A training step draws them once and pays their divergence from the prior; means are
            scored.
        prior_width: Standard deviation of that prior, ``N(0, prior_width^2)``; each sigma starts at a tenth of it.
        latent: Number of latent vectors, of width d, that every block of a language model reads by cross-attention; 0: none.
        max_seq_len: Longer sentences are cut to this many tokens, special tokens included.
        token_weights: How much each token counts in the mean over a sentence: all alike with ``none`` (paper), one learned
            number for each of the V ids with ``learned``, or with ``idf``, where it starts at the idf of the training text.
        pooler: ``tanh``, a linear map and tanh after the mean (paper); or ``none``, the mean itself.
        attention_weights: How much each token counts in every attention beside its score, as ``token_weights`` in the mean:
            the logarithm of its weight is added to the scores of its key. With ``speech``, one learned number for each part
            of speech (needs textblob where it is trained).
        pooled_layers: What is averaged into a sentence: the states of the ``last`` layer (paper), or of ``all`` side by
            side, the embeddings among them, which the pooler maps back to ``d_model``.
        head: Output layer of a language model, whose attention is causal: ``tied``, the rows of the token embedding;
            ``learned``, a table of its own; ``fourier``, computed; ``decoupled``, a table of another width; ``adaptive``,
            torch's adaptive softmax; ``hash_cascade``, small softmaxes of hashed codes; or one of your own as
            ``module:Class``. A sentence encoder has ``none``, but while it guesses masked tokens.
        norm: Where a language model's blocks normalise: ``post``, each result (paper), or ``pre``, each input.
        embedding_options: Options of an embedding that has some, e.g. ``{"buckets": 1024}``; those called ``frequencies``,
            ``basis``, ``period`` and ``mlp`` are settings above.
        feed_forward_options: The same of a named feed-forward.
        attention_options: The same of an attention, e.g. ``{"window": 8}``.
        head_options: The same of a head, e.g. ``{"n_frequencies": 480}``; here ``frequencies`` and ``period`` are its own.
        departures: Names of :data:`DEPARTURES`: where to follow the published code instead of the paper.

    Raises:
        ConfigError: If a value breaks its rule.
    """

    arm: str
    vocab_size: int
    d_model: int
    n_layers: int = 1
    n_heads: int = 1
    basis: str = "fourier"
    frequencies: str | tuple[int, ...] = "harmonic"
    period: int | None = None
    mlp: str = "linear"
    frequency_seed: int = 0
    projections: str = "linear"
    feed_forward: float | str = 4.0
    dropout: float = 0.0
    bayesian: str = "none"
    prior_width: float = 0.1
    latent: int = 0
    max_seq_len: int = 128
    departures: tuple[str, ...] = ()
    embedding_options: tuple[tuple[str, Any], ...] = ()
    feed_forward_options: tuple[tuple[str, Any], ...] = ()
    attention: str = "full"
    attention_options: tuple[tuple[str, Any], ...] = ()
    token_weights: str = "none"
    pooler: str = "tanh"
    attention_weights: str = "none"
    pooled_layers: str = "last"
    head: str = "none"
    head_options: tuple[tuple[str, Any], ...] = ()
    norm: str = "post"

    def __post_init__(self) -> None:
        normalise(self)
        _normalise_options(self)
        check_width(self.d_model)
        if self.n_heads < 1 or self.d_model % (2 * self.n_heads):
            raise ConfigError(
                f"n_heads ({self.n_heads}) must divide d_model ({self.d_model}) into even head widths (rotary positions "
                "turn pairs). Try n_heads 1 or 2."
            )
        if isinstance(self.feed_forward, str) and self.projections == "silu":
            raise ConfigError(
                f"projections 'silu' makes the feed-forward a SiLU MLP, so that feed_forward {self.feed_forward!r} has no "
                "place. Drop one."
            )
        if not isinstance(self.feed_forward, str) and self.feed_forward * self.d_model < 1:
            raise ConfigError(f"feed_forward ({self.feed_forward}) times d_model must be at least 1. The paper uses 4.")
        if isinstance(self.feed_forward, str) and self.feed_forward in FEED_FORWARDS.settings:
            self.feed_forward_settings().parameters(self.d_model)
        for name in ("token_weights", "attention_weights"):
            if "padding_mean" in self.departures and getattr(self, name) != "none":
                raise ConfigError(
                    f"{name} {getattr(self, name)!r} weigh tokens, and the departure 'padding_mean' averages padding with "
                    "them. Drop one."
                )
        if self.attention_weights != "none" and (self.n_layers == 0 or self.head != "none"):
            raise ConfigError(
                f"attention_weights {self.attention_weights!r} weigh tokens in the layers of a sentence encoder, got "
                f"n_layers {self.n_layers} and head {self.head!r}. Leave them out."
            )
        if self.pooled_layers == "all" and (self.pooler == "none" or self.projections == "silu"):
            raise ConfigError(
                f"pooled_layers 'all' need a pooler that is one linear map, got pooler {self.pooler!r} and projections "
                f"{self.projections!r}. Drop one."
            )
        self._check_uncertain()
        if self.attention in ATTENTIONS.settings:
            self.attention_settings()
        if self.attention in PROMPTS and self.head != "none":
            raise ConfigError(
                f"attention {self.attention!r} has learned keys, which come before no token, and a language model (head "
                f"{self.head!r}) looks back. Use attention 'full'."
            )
        if "padding_mean" in self.departures and self.attention != "full":
            raise ConfigError(
                f"attention {self.attention!r} has no place for padding, which the departure 'padding_mean' reads. Drop one."
            )
        for name in self.departures:
            if DEPARTURES[name] == ("fourier",) and self.arm != "fourier":
                raise ConfigError(f"departure {name!r} is of the fourier arm; {self.arm!r} has none. Drop it.")
        if self.period is not None and "period_127" in self.departures:
            raise ConfigError(f"period ({self.period}) and the departure 'period_127' exclude each other. Drop one.")
        if self.arm == "fourier" and self.basis != "fourier":
            check_polynomials(self.basis, self.vocab_size, self.id_period)
        elif self.arm == "fourier" and (
            not isinstance(self.frequencies, str) or FREQUENCIES.is_at_hand(self.frequencies)
        ):
            _check_frequencies(self.frequencies, self.vocab_size, self.d_model, self.id_period, self.frequency_seed)

    def _check_uncertain(self) -> None:
        if not self.prior_width > 0:
            raise ConfigError(f"prior_width ({self.prior_width}) must be above 0. Try 0.1.")
        if (self.bayesian != "none" or self.latent) and (self.head == "none" or self.n_layers == 0):
            raise ConfigError(
                f"bayesian {self.bayesian!r} and latent {self.latent} are of the blocks of a language model, got head "
                f"{self.head!r} and n_layers {self.n_layers}. Leave them out."
            )
        if self.bayesian != "none" and self.latent:
            raise ConfigError(f"bayesian {self.bayesian!r} and latent {self.latent} are not known together. Drop one.")
        if self.bayesian in ("embedding_map", "both") and (self.arm, self.mlp) != ("fourier", "linear"):
            raise ConfigError(
                f"bayesian {self.bayesian!r} needs the one map of arm 'fourier' with mlp 'linear', got arm {self.arm!r} "
                f"and mlp {self.mlp!r}. Try bayesian 'feed_forward'."
            )
        if self.bayesian in ("feed_forward", "both") and (
            isinstance(self.feed_forward, str) or self.projections == "silu"
        ):
            raise ConfigError(
                f"bayesian {self.bayesian!r} is of the GeGLU feed-forward, got feed_forward {self.feed_forward!r} and "
                f"projections {self.projections!r}. Give feed_forward a number, such as 4."
            )

    @property
    def id_period(self) -> int | None:
        """Period of the id normaliser, that of the release under the departure ``period_127``."""
        return PUBLISHED_PERIOD if "period_127" in self.departures else self.period

    def embedding_settings(self) -> Any:
        """Return the settings of the token embedding as the frozen dataclass of its class.

        Raises:
            ConfigError: If the embedding is code that nobody named, see :mod:`fourier_lab.plugins`.
        """
        settings = EMBEDDINGS.settings_of(self.arm)
        expansion = {f.name: getattr(self, f.name) for f in dataclasses.fields(settings) if f.name in EXPANSION}
        if "period" in expansion:
            expansion["period"] = self.id_period
        return settings(**expansion, **dict(self.embedding_options))

    def feed_forward_settings(self) -> Any:
        """Return the settings of a named feed-forward as the frozen dataclass of its class.

        Raises:
            ConfigError: If the feed-forward is code that nobody named, see :mod:`fourier_lab.plugins`.
        """
        return FEED_FORWARDS.settings_of(str(self.feed_forward))(**dict(self.feed_forward_options))

    def attention_settings(self) -> Any:
        """Return the settings of the attention as the frozen dataclass of its class.

        Raises:
            ConfigError: If the attention is code that nobody named, see :mod:`fourier_lab.plugins`.
        """
        return ATTENTIONS.settings_of(self.attention)(**dict(self.attention_options))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-ready values."""
        return dataclasses.asdict(self) | {n: dict(getattr(self, n)) for n in OPTIONS if hasattr(self, n)}


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides the numbers of one training run, flat, so that one name is one option everywhere.

    Attributes:
        arm, basis, frequencies, period, mlp, d_model, n_layers, n_heads, projections, feed_forward, attention, dropout,
            bayesian, prior_width, latent, max_seq_len, token_weights, pooler, attention_weights, pooled_layers, head, norm:
            As in :class:`ModelConfig`; ``seed`` draws the ``random`` frequency set.
        embedding_options, feed_forward_options, attention_options, head_options: As in :class:`ModelConfig`.
        inference_steps: Steps of Adam that look for the latent vectors of each window, before every step of the model and
            whenever a window is scored. 0 leaves them at their prior, N(0, 1) each number; 16 is their authors'.
        inference_rate: Rate of these steps; their authors use 0.3.
        departures: As in :class:`ModelConfig`; further ones change data, rate and scoring. A list; order does not matter.
            ``dead_feed_forward``: its output is overwritten. ``period_127``: ids are normalised by 127. ``padding_mean``:
            sentences are padded to ``max_seq_len`` and the mean runs over the padding too. ``published_rotary``: the
            rotation that distorts norms. ``all_pairs``: neutral and contradicting pairs count as positives.
            ``corpora_in_turn``: each epoch visits one corpus after the other. ``slow_rate``: the peak rate is 2e-5.
            ``integer_scores``: graded scores are cut to integers, and the last, incomplete batch of shuffled pairs is not
            scored. ``selected_checkpoint``: weights of the best of about ten looks at the validation score, by the exact
            scores even with ``integer_scores``.
        corpus: ``toy`` (built in, offline), ``snli``, ``mnli`` or ``snli+mnli``, or with source ``folder`` one that
            ``NAME.yaml`` describes there (:mod:`fourier_lab.text.own`); scored on the graded pairs that belong to it (the
            toy language's own, STS-B, or those described). A language model reads ``toy`` or, from a folder, ``books``.
        source: Where text comes from: ``builtin``, ``folder`` (files under FOURIER_LAB_DATA) or ``hub``.
        vocab_size: Number of ids of the toy language; on real text, keep at most so many tokens of the tokenizer's: special
            ones, ASCII characters and those most used in the training text. Of ``books``, the number of byte pairs trained.
        tokenizer: Of real text: the one ``given`` with it, in the folder or by the hub; or WordPiece of ``vocab_size`` ids,
            ``trained`` on all training pairs that ``left_out`` leaves, never on graded ones.
        id_order: Order of the token ids. ``frequency``: the tokenizer's own. ``semantic``: toy language only, neighbours
            share a concept. ``random``: all shuffled. ``shuffle_words``: shuffled above special tokens and characters.
            ``by_count``: by falling count in the training text. ``by_company``: neighbours occur among the same tokens of
            the training pairs, see :mod:`fourier_lab.text.company`. ``reversed``, ``alphabetical``. ``within_N``: shuffled
            within blocks of N neighbours. ``blocks_N``: the blocks shuffled, their insides kept. ``seed`` draws the
            shuffles, except ``random`` in the toy language: one fixed shuffle of its words, the same for every seed.
        left_out: Which pairs of real training text are left out: ``graded``, those with a sentence of any split of STS-B, so
            that scores are zero-shot in the strict sense; ``scored``, those with one of its validation or test split. Toy
            text has none of either; ``sts`` trains on STS-B itself, and reads NLI pairs only in its pretraining.
        train_pairs: Use this many NLI or toy training pairs, evenly over the corpora, or of a language model this many
            windows, evenly over the text; all if None.
        hard_negatives: What a ``contrastive`` step tells a premise from beside the hypotheses of other pairs: ``none``, or
            ``contradictions``, those that contradict a premise of the batch, one for each that has any in the training text.
        objective: ``contrastive`` (symmetric InfoNCE on entailment pairs), ``nli`` (3-way classification) or ``sts`` (1 -
            Pearson's r within a batch of graded pairs: fine-tuning on the training split of what is scored), or
            ``masked``: hidden tokens of the sentences from all others, under a head that is thrown away afterwards; or
            ``language_model``: each token from those before it, in windows of ``max_seq_len`` tokens; or ``distil``: the
            cosines that a ``teacher`` gives the sentences of a batch, pairs of any label.
        teacher: The encoder that objective ``distil`` learns from: a shipped one such as ``fourier-100k``, a folder of
            ``save_pretrained`` or of sentence-transformers, by its path or its name in the folder of FOURIER_LAB_DATA, or
            ``module:function``, which turns a list of sentences into vectors ``(n, width)``. It reads the text once.
        pretraining: Settings of the run whose final weights this one starts from, where they differ from this run's, e.g.
            ``{"steps": 600, "batch_size": 128}``, ``contrastive`` if no objective is named; random weights if None.
        tuning: What of the pretrained encoder moves. ``full``: all. ``head``: the pooler, and weights of tokens in the mean.
            ``lora``: a change of low ``rank`` to the queries' and the values' map, each layer its own. ``gift``: the same as
            one factor that all layers share. Both with ``of: embedding``: the embedding's map instead. ``prompts``: learned
            keys and values in each layer, beside those of the tokens. ``apt``: the same, attended to apart. Changes of low
            rank are merged into the weights at the end; prompts stay, as an attention.
        tuning_options: Options of a tuning, e.g. ``{"rank": 4}``, ``{"rank": 16, "of": "embedding"}``, ``{"prompts": 16}``.
        steps: Optimiser steps.
        batch_size: Pairs a step; windows of a language model.
        learning_rate: Peak rate of AdamW, per step. The paper's 2e-5 hardly trains from scratch.
        warmup_steps: Linear warm-up from 0; then linear decay to 0 at ``steps``.
        weight_decay: Decoupled decay of matrices and tables, dimensionless.
        clip_norm: Largest global gradient norm; larger gradients are scaled down.
        precision: Forward and backward in ``float32``, on every machine, or in ``bfloat16``: faster on hardware that has it
            and several times slower elsewhere, with other rounding that moves every number.
        seed: Seeds weights, batches, dropout and the ``random`` frequency set. Runs with 100 or above choose settings;
            tables leave them out beside others.
        evaluated_on: Similarity sets that the trained encoder is scored on besides STS-B (``sick``, ``sts12`` to ``sts16``),
            with the share of held-out entailment pairs that it matches among 128. Nothing is chosen by these scores. Not
            part of the digest: a finished run is scored on sets that it lacks.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``. Not part of the digest.
        threads: Processor threads; torch's default if None. Not part of the digest.

    Raises:
        ConfigError: If a value has the wrong type or breaks its rule.

    Example:
        >>> RunConfig(arm="learned", steps=10, warmup_steps=2).digest() == RunConfig(arm="fourier").digest()
        False
    """

    arm: str = "fourier"
    basis: str = "fourier"
    frequencies: str | tuple[int, ...] = "harmonic"
    period: int | None = None
    mlp: str = "linear"
    d_model: int = 128
    n_layers: int = 1
    n_heads: int = 1
    projections: str = "linear"
    feed_forward: float | str = 4.0
    dropout: float = 0.0
    bayesian: str = "none"
    prior_width: float = 0.1
    latent: int = 0
    inference_steps: int = 16
    inference_rate: float = 0.3
    max_seq_len: int = 128
    token_weights: str = "none"
    pooler: str = "tanh"
    attention_weights: str = "none"
    pooled_layers: str = "last"
    head: str = "none"
    norm: str = "post"
    departures: tuple[str, ...] = ()
    embedding_options: tuple[tuple[str, Any], ...] = ()
    feed_forward_options: tuple[tuple[str, Any], ...] = ()
    attention: str = "full"
    attention_options: tuple[tuple[str, Any], ...] = ()
    head_options: tuple[tuple[str, Any], ...] = ()
    corpus: str = "toy"
    source: str = "builtin"
    vocab_size: int = 30522
    tokenizer: str = "given"
    id_order: str = "frequency"
    left_out: str = "graded"
    train_pairs: int | None = None
    hard_negatives: str = "none"
    objective: str = "contrastive"
    teacher: str | None = None
    pretraining: tuple[tuple[str, Any], ...] | None = None
    tuning: str = "full"
    tuning_options: tuple[tuple[str, Any], ...] = ()
    steps: int = 300
    batch_size: int = 256
    learning_rate: float = 1e-3
    warmup_steps: int = 30
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    precision: str = "float32"
    seed: int = 0
    evaluated_on: tuple[str, ...] = field(default=(), metadata={"digest": False})
    device: str = field(default="auto", metadata={"digest": False})
    threads: int | None = field(default=None, metadata={"digest": False})

    def __post_init__(self) -> None:
        normalise(self)
        _normalise_options(self)
        self._shape_before(self.vocab_size)
        if self.batch_size < 2:
            raise ConfigError(f"batch_size ({self.batch_size}) must be at least 2: the other pairs are the negatives.")
        if not 0 <= self.warmup_steps <= self.steps:
            raise ConfigError(f"warmup_steps ({self.warmup_steps}) must lie in 0..steps ({self.steps}). Lower it.")
        for name in ("learning_rate", "clip_norm", "inference_rate"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} ({getattr(self, name)}) must be above 0. Try {defaults(type(self))[name]}.")  # type: ignore[arg-type]
        if self.weight_decay < 0:
            raise ConfigError(f"weight_decay ({self.weight_decay}) must not be negative. Try 0.01.")
        if (self.objective in ("masked", "language_model")) != (self.head != "none"):
            raise ConfigError(
                f"head {self.head!r} does not go with objective {self.objective!r}: 'language_model' and 'masked' need a "
                "head, such as 'tied', and nothing else has one."
            )
        if (self.objective == "distil") != (self.teacher is not None):
            raise ConfigError(
                f"teacher {self.teacher!r} does not go with objective {self.objective!r}: 'distil' needs one, such as "
                "'fourier-100k' or a folder, and nothing else has one."
            )
        if self.objective == "distil" and "all_pairs" in self.departures:
            raise ConfigError(
                "objective 'distil' reads pairs of all labels without the departure 'all_pairs'. Drop it."
            )
        if self.objective == "language_model":
            self._check_language_model()
        elif self.norm != "post":
            raise ConfigError(f"norm {self.norm!r} is a setting of objective 'language_model'. Leave it out.")
        own = self.source == "folder" and OWN_CORPUS.fullmatch(self.corpus)
        if self.corpus not in CORPORA and not own:
            raise ConfigError(
                f"corpus must be one of {', '.join(CORPORA)}, or with source 'folder' a corpus of your own named by "
                f"letters, digits, - and _, got {self.corpus!r} with source {self.source!r}."
            )
        if (self.corpus == "toy") != (self.source == "builtin"):
            raise ConfigError(
                f"corpus {self.corpus!r} cannot come from source {self.source!r}: 'toy' is 'builtin'; real text comes "
                "from a 'folder' of Parquet files or the 'hub'."
            )
        if self.corpus == "toy" and self.evaluated_on:
            raise ConfigError(
                f"evaluated_on ({', '.join(self.evaluated_on)}) is for encoders of real text; the toy language has graded "
                "pairs of its own. Leave it out."
            )
        if self.corpus != "toy" and self.id_order == "semantic":
            raise ConfigError("id_order 'semantic' is a dial of the toy language; real text has no known concepts.")
        if self.hard_negatives != "none":
            self._check_hard_negatives()
        if self.corpus == "toy" and self.tokenizer != "given":
            raise ConfigError(
                f"tokenizer {self.tokenizer!r} is for real text; the toy language has words. Leave it out."
            )
        if "pretraining" in dict(self.pretraining or ()):
            raise ConfigError("pretraining must not have a pretraining of its own. Leave it out of those settings.")
        if self.tuning != "full":
            self._check_tuning()
            self.replace(tuning="full", tuning_options=())  # the shape of the pretraining is checked there
        elif self.pretraining is not None and self.pretrained().encoder(self.vocab_size) != self.encoder(
            self.vocab_size
        ):
            raise ConfigError(
                "pretraining must not change the shape of the model, nor its seed. Leave those settings out."
            )

    def _check_language_model(self) -> None:
        if unread := sorted(self.changes().keys() & set(PAIRS_ONLY)):
            raise ConfigError(
                f"{unread[0]} is a setting of sentence encoders; objective 'language_model' does not read it. Leave it out."
            )
        if self.id_order == "by_company":
            raise ConfigError(
                "id_order 'by_company' reads training pairs, which objective 'language_model' lacks. Leave it out."
            )
        if self.corpus not in TEXT_CORPORA or (self.corpus != "toy" and self.source != "folder"):
            raise ConfigError(
                f"objective 'language_model' reads one of {', '.join(TEXT_CORPORA)}, real text from source 'folder', got "
                f"corpus {self.corpus!r} from source {self.source!r}."
            )

    def _check_hard_negatives(self) -> None:
        if self.objective != "contrastive":
            problem = f"are of objective 'contrastive', got {self.objective!r}"
        elif self.corpus == "toy":
            problem = "contradict a premise that entails another sentence, and the toy language says each premise once"
        elif "all_pairs" in self.departures:
            problem = "would be positives too under the departure 'all_pairs'"
        else:
            return
        raise ConfigError(f"hard_negatives {self.hard_negatives!r} {problem}. Set hard_negatives 'none'.")

    def _check_tuning(self) -> None:
        if self.pretraining is None:
            raise ConfigError(
                f"tuning {self.tuning!r} moves few numbers of an encoder that another run has trained, which is named by "
                "pretraining. Set it, such as {steps: 600}, or tuning 'full'."
            )
        options = TUNINGS.settings[self.tuning](**dict(self.tuning_options))
        low_rank, linear = self.tuning in ("lora", "gift"), self.n_layers > 0 and self.projections == "linear"
        if low_rank and options.rank > self.d_model:
            problem = f"has the rank {options.rank} above d_model ({self.d_model})"
        elif low_rank and options.of == "encoder" and not linear:
            problem = (
                f"needs layers with linear maps, got n_layers {self.n_layers} and projections {self.projections!r}"
            )
        elif (
            low_rank
            and options.of == "embedding"
            and (self.arm, self.mlp) != ("fourier", "linear")
            and self.arm != "wide_fourier"
        ):
            problem = (
                "needs an embedding with one linear map, fourier with mlp 'linear' or wide_fourier, got arm "
                f"{self.arm!r} and mlp {self.mlp!r}"
            )
        elif self.tuning in PROMPTS and (self.n_layers == 0 or self.attention != "full"):
            problem = f"puts prompts into full attention, got attention {self.attention!r} in {self.n_layers} layers"
        elif self.tuning == "head" and self.pooler == self.token_weights == "none":
            problem = "moves the pooler and the weights of tokens, got pooler 'none' and token_weights 'none'"
        else:
            self.model(self.vocab_size)
            return
        raise ConfigError(f"tuning {self.tuning!r} {problem}. Change one of them, or set tuning 'full'.")

    def model(self, vocab_size: int) -> ModelConfig:
        """Return the model's shape for a tokenizer of ``vocab_size`` ids."""
        shape = self._shape_before(vocab_size)
        if self.tuning not in PROMPTS:
            return shape
        return dataclasses.replace(shape, attention=self.tuning, attention_options=self.tuning_options)

    def _shape_before(self, vocab_size: int) -> ModelConfig:
        """Return the shape before anything was added by the tuning."""
        shared = {name: getattr(self, name) for name in defaults(ModelConfig) if hasattr(self, name)}
        return _shape(**{**shared, "vocab_size": vocab_size, "frequency_seed": self.seed})

    def encoder(self, vocab_size: int) -> ModelConfig:
        """Return the shape of what is kept of a run for a tokenizer of ``vocab_size`` ids: masked ones lose their head."""
        model = self.model(vocab_size)
        return model if self.objective != "masked" else dataclasses.replace(model, head="none", head_options=())

    def pretrained(self) -> Self:
        """Return the run whose final weights this one starts from."""
        stated = dict(self.pretraining or ())
        whole: dict[str, Any] = {"objective": "contrastive", "tuning": "full", "tuning_options": ()}
        if stated.get("objective") != "distil":
            whole["teacher"] = None
        return self.replace(**{**whole, **stated, "pretraining": None})

    @property
    def peak_rate(self) -> float:
        """Peak learning rate, the paper's under the departure ``slow_rate``."""
        return PUBLISHED_RATE if "slow_rate" in self.departures else self.learning_rate

    def replace(self, **changes: Any) -> Self:
        """Return a copy with ``changes``, validated again."""
        reject_unknown(type(self), changes)
        return dataclasses.replace(self, **changes)

    def as_read(self) -> Self:
        """Return the same run with the settings that nothing in it reads at their default, so that it has one name.

        Example:
            >>> RunConfig(arm="learned", frequencies="log").as_read() == RunConfig(arm="learned")
            True
        """
        unread = {
            *(EXPANSION if self.arm == "learned" else ()),
            *(("frequencies",) if self.arm == "fourier" and self.basis != "fourier" else ()),
            *(("feed_forward",) if self.projections == "silu" else ()),
            *(("left_out",) if self.corpus == "toy" else ()),
            *(("prior_width",) if self.bayesian == "none" else ()),
            *(() if self.latent else ("inference_steps", "inference_rate")),
        }
        changed = self.changes().keys() & unread
        return (
            self.replace(**{name: value for name, value in defaults(type(self)).items() if name in changed})  # type: ignore[arg-type]
            if changed
            else self
        )

    def changes(self) -> dict[str, Any]:
        """Return the settings that are not at their default."""
        return dict(self._changes)

    @cached_property
    def _changes(self) -> dict[str, Any]:
        own, usual = vars(self), defaults(type(self))  # type: ignore[arg-type]
        return {name: own[name] for name, value in usual.items() if own[name] != value}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-ready values, every field."""
        values = json.loads(json.dumps(dataclasses.asdict(self)))
        values |= {name: dict(values[name]) for name in OPTIONS}
        if self.pretraining is None:
            return values
        settings = {name: dict(value) if name in OPTIONS else value for name, value in values["pretraining"]}
        return values | {"pretraining": settings}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build from a mapping; unknown names and wrong types raise :class:`ConfigError`."""
        if not isinstance(values, Mapping):
            raise ConfigError(f"settings must be a mapping of names to values, got {values!r}. Try {{'steps': 600}}.")
        reject_unknown(cls, map(str, values))
        return cls(**values)

    @classmethod
    def recalled(cls, changes: Mapping[str, Any], digest: str) -> Self:
        """Build from what :meth:`changes` and :meth:`digest` of a run were, back from JSON; nothing is checked again."""
        config = object.__new__(cls)
        known = {name: _as_tuples(value) for name, value in changes.items()}
        vars(config).update({**defaults(cls), **known, "_changes": known, "_digest": digest})  # type: ignore[arg-type]
        return config

    @classmethod
    def parse(cls, name: str, text: str) -> Any:
        """Turn the command-line ``text`` of option ``name`` into a typed value.

        Lists are space-separated, ``pretraining`` is written ``"steps=600 batch_size=128"``, options are YAML such as
        ``"{buckets: 1024}"``. Code that is named as ``module:name`` may be imported from now on.
        """
        reject_unknown(cls, (name,))
        allow((text,))
        if name in OPTIONS:
            return _read_options(name, text)
        kinds = kinds_of(cls)[name]  # type: ignore[arg-type]  # mypy asks the class for the hash of its objects
        if text == "None" and type(None) in kinds:
            return None
        if name in ("departures", "evaluated_on"):
            return tuple(text.split())
        if name == "pretraining":
            parts = [part.partition("=") for part in _OUTSIDE_BRACES.split(text.strip())]
            if bare := [part for part, equals, _ in parts if not equals]:
                raise ConfigError(
                    f"pretraining is written NAME=VALUE, got {bare[0]!r}. Example: 'steps=600 batch_size=128'."
                )
            return {key: cls.parse(key, value) for key, _, value in parts}
        if tuple in kinds and text.replace(",", " ").replace(" ", "").isdecimal():
            return tuple(int(part) for part in text.replace(",", " ").split())
        if str in kinds and float not in kinds:
            return text
        try:
            return int(text) if int in kinds else float(text)
        except ValueError:
            if str in kinds:
                return text
            raise ConfigError(f"{name} must be {describe(kinds)}, got {text!r}.") from None

    def digest(self, *without: str, **stated: Any) -> str:
        """Return 10 hexadecimal digits that name this run: a hash of the fields that decide its numbers.

        Fields at their default are left out: a field added later leaves the names of finished runs alone if its default
        is what they did.

        Args:
            *without: Fields to leave out as well, such as ``seed`` for a name that runs of other seeds share.
            **stated: Values to count though they are a default, such as one that was none in a former version.
        """
        return self._name(without, stated) if without or stated else self._digest

    @cached_property
    def _digest(self) -> str:
        return self._name((), {})

    def _name(self, without: Iterable[str], stated: Mapping[str, Any]) -> str:
        idle = idle_fields(type(self)).union(without)  # type: ignore[arg-type]
        decisive = {name: value for name, value in self.changes().items() if name not in idle}
        return hashlib.sha256(json.dumps(decisive | {**stated}, sort_keys=True).encode()).hexdigest()[:10]


@lru_cache(maxsize=512)
def _shape(**settings: Any) -> ModelConfig:
    """Return the checked shape that many runs of a table have in common."""
    return ModelConfig(**settings)


@lru_cache(maxsize=512)
def _check_frequencies(
    frequencies: str | tuple[int, ...], vocab_size: int, d_model: int, period: int | None, seed: int
) -> None:
    """Raise :class:`ConfigError` if there is no such set; the runs of a sweep share what they found."""
    from .embeddings.frequency_sets import choose_frequencies  # numpy, which the command line's help can do without

    choose_frequencies(frequencies, vocab_size, d_model, period, seed)


def _normalise_options(config: ModelConfig | RunConfig) -> None:
    """Put options of plug-ins into one order, without those at their default."""
    for name, (owner, kind) in OPTIONS.items():
        if not hasattr(config, name):  # of a run alone
            continue
        options, part = getattr(config, name), getattr(config, owner)
        if not isinstance(part, str) or (name == "head_options" and part == "none"):
            if options:
                raise ConfigError(f"{name} are of a named {kind.noun}; {owner} is {part}. Name one or leave them out.")
            continue
        elsewhere = () if name == "head_options" else EXPANSION
        if taken := sorted({key for key, _ in options} & set(elsewhere)):
            raise ConfigError(f"{taken[0]} is a setting of its own. Write {taken[0]}=..., not as one of {name}.")
        object.__setattr__(config, name, check_options(kind, part, options, set_elsewhere=elsewhere))


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _read_options(name: str, text: str) -> dict[str, Any]:
    import yaml

    try:
        options = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name} must be YAML such as '{{buckets: 1024}}', got {text!r} ({error}).") from None
    if not isinstance(options, dict):
        raise ConfigError(f"{name} must map options to values, such as '{{buckets: 1024}}', got {text!r}.")
    return options


def check_config(config: object, taker: str) -> None:
    """Raise :class:`ConfigError` unless what the function ``taker`` was given is a ``RunConfig``."""
    check_kind(
        config, RunConfig, f"{taker} takes a RunConfig", "Write RunConfig(...), or RunConfig.from_dict(settings)."
    )


def expand(config: RunConfig, **axes: Iterable[Any]) -> list[RunConfig]:
    """Return the grid of ``config`` over ``axes``, the last axis fastest, each run once.

    Settings that a run does not read, such as the frequencies of a learned table, make no further run of it.

    Raises:
        ConfigError: If ``config`` is no ``RunConfig``, or an axis no list of values.

    Example:
        >>> [c.arm + str(c.seed) for c in expand(RunConfig(), arm=["fourier", "learned"], seed=[0, 1])]
        ['fourier0', 'fourier1', 'learned0', 'learned1']
    """
    check_config(config, "expand")
    names = list(axes)
    for name, values in axes.items():
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise ConfigError(f"the axis {name!r} must be a list of values, got {values!r}. Write {name}=[{values!r}].")
    grid = itertools.product(*axes.values())
    points = (config.replace(**dict(zip(names, point, strict=True))).as_read() for point in grid)
    return list({point.digest(): point for point in points}.values())
