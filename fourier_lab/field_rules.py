"""What a single field of a configuration may be: its type, its choices, its range."""

import dataclasses
import functools
import math
import re
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from .embeddings.frequencies import BASES, FREQUENCIES
from .embeddings.registry import ATTENTIONS, EMBEDDINGS, FEED_FORWARDS, HEADS, TUNINGS
from .errors import ConfigError
from .plugins import kinds_of_hint

ARMS = ("fourier", "learned")  # the arms that the paper compares; a run may name any registered token embedding
MLPS = ("none", "linear", "geglu", "geglu_quarter", "silu")
PROJECTIONS = ("linear", "silu")
TOKEN_WEIGHTS = ("none", "learned", "idf")
ATTENTION_WEIGHTS = (*TOKEN_WEIGHTS, "speech")
POOLERS = ("tanh", "none")
POOLED_LAYERS = ("last", "all")
NORMS = ("post", "pre")
BAYESIAN = ("none", "feed_forward", "embedding_map", "both")
CORPORA = ("toy", "snli", "mnli", "snli+mnli")
TEXT_CORPORA = ("toy", "books")  # what a language model can be trained on
OWN_CORPUS = re.compile("[A-Za-z0-9][A-Za-z0-9_-]*")  # names of described corpora, which name files and folders
SOURCES = ("builtin", "folder", "hub")
TOKENIZERS = ("given", "trained")
SIMILARITY_SETS = ("sick", *(f"sts{year}" for year in range(12, 17)))  # graded pairs to score on besides STS-B
ID_ORDERS = ("frequency", "semantic", "random", "shuffle_words", "by_count", "by_company", "reversed", "alphabetical")
BLOCK_ORDERS = ("within", "blocks")
OBJECTIVES = ("contrastive", "nli", "sts", "distil", "masked", "language_model")
LEFT_OUT = ("graded", "scored")
HARD_NEGATIVES = ("none", "contradictions")
# What the published code does and the paper does not say; the value tells which arms have it. Any other embedding has what
# both have.
DEPARTURES = {
    "dead_feed_forward": ("fourier",),
    "period_127": ("fourier",),
    "padding_mean": ARMS,
    "published_rotary": ARMS,
    "all_pairs": ARMS,
    "corpora_in_turn": ARMS,
    "slow_rate": ARMS,
    "integer_scores": ARMS,
    "selected_checkpoint": ARMS,
}
PRECISIONS = ("float32", "bfloat16")
DEVICES = ("auto", "cpu", "cuda", "mps")

_CHOICES = {
    "basis": BASES, "mlp": MLPS, "projections": PROJECTIONS, "token_weights": TOKEN_WEIGHTS, "pooler": POOLERS,
    "attention_weights": ATTENTION_WEIGHTS, "pooled_layers": POOLED_LAYERS,
    "bayesian": BAYESIAN, "norm": NORMS, "source": SOURCES, "objective": OBJECTIVES, "left_out": LEFT_OUT,
    "hard_negatives": HARD_NEGATIVES, "tokenizer": TOKENIZERS,
    "precision": PRECISIONS, "tuning": tuple(TUNINGS.settings), "device": DEVICES,
}  # fmt: skip
_PLUGINS = {
    "arm": EMBEDDINGS, "frequencies": FREQUENCIES, "feed_forward": FEED_FORWARDS, "attention": ATTENTIONS, "head": HEADS,
}  # fmt: skip
OPTIONS = {
    "embedding_options": ("arm", EMBEDDINGS),
    "feed_forward_options": ("feed_forward", FEED_FORWARDS),
    "attention_options": ("attention", ATTENTIONS),
    "head_options": ("head", HEADS),
    "tuning_options": ("tuning", TUNINGS),
}
# A sentence has at least [CLS], one token and [SEP].
_LEAST = {
    "vocab_size": 2, "n_layers": 0, "n_heads": 1, "max_seq_len": 3, "steps": 1, "batch_size": 1, "period": 1,
    "train_pairs": 1, "threads": 1, "latent": 0, "inference_steps": 0,
}  # fmt: skip
# Beyond any text and any processor: larger ones would fail in words of others, or never end.
_MOST = {"max_seq_len": 2**20, "threads": 1024}


@functools.cache  # here and below: a page of results makes hundreds of configurations
def defaults(cls: type) -> dict[str, Any]:
    """Return the default of each field, in order."""
    return {f.name: f.default for f in dataclasses.fields(cls)}


@functools.cache
def idle_fields(cls: type) -> frozenset[str]:
    """Return the fields that no number depends on, such as the device."""
    return frozenset(f.name for f in dataclasses.fields(cls) if not f.metadata.get("digest", True))


def reject_unknown(cls: type, names: Iterable[str]) -> None:
    """Raise :class:`ConfigError` unless ``cls`` has fields of these names."""
    known = defaults(cls)
    if unknown := sorted(set(names) - known.keys()):
        raise ConfigError(f"unknown parameter {', '.join(unknown)}. Known: {', '.join(sorted(known))}.")


@functools.cache
def kinds_of(cls: type) -> dict[str, tuple[type, ...]]:
    """Map each field to its accepted Python types."""
    return {name: kinds_of_hint(hint) for name, hint in typing.get_type_hints(cls).items()}


def describe(kinds: tuple[type, ...]) -> str:
    """Return accepted types in words."""
    words = {int: "an integer", float: "a number", str: "text", tuple: "a list", type(None): "None"}
    return " or ".join(words[kind] for kind in kinds)


def recall_parts(settings: Mapping[str, Any], packages: Mapping[str, str]) -> None:
    """Let the settings of a record name parts that are not installed here; ``packages`` says where each came from."""
    for name, kind in _PLUGINS.items():
        if isinstance(part := settings.get(name), str) and part != "none":
            kind.recall(part, packages.get(part, ""))


def packages_of(config: Any) -> dict[str, str]:
    """Return the installed package of each part that a configuration names and that is not the library's own."""
    parts = {part: kind for name, kind in _PLUGINS.items() if isinstance(part := getattr(config, name), str)}
    return {part: package for part, kind in parts.items() if (package := kind.package_of(part))}


def is_of_library(config: Any) -> bool:
    """Say whether every part that a configuration names is the library's own."""
    named = {name: part for name in _PLUGINS if isinstance(part := getattr(config, name), str) and part != "none"}
    return all(part in _PLUGINS[name].built_in for name, part in named.items())


def _check_id_order(value: Any) -> None:
    kind, _, size = str(value).rpartition("_")
    if str(value) not in ID_ORDERS and not (kind in BLOCK_ORDERS and re.fullmatch("[1-9][0-9]*", size)):
        known = ", ".join((*ID_ORDERS, *(f"{kind}_N" for kind in BLOCK_ORDERS)))
        raise ConfigError(f"id_order must be one of {known} (N: block size in ids), got {value!r}.")


def in_one_order(cls: type, name: str, value: Any) -> Any:
    """Return ``departures``, or settings of ``pretraining``, checked and in one order, so that equal sets are one run."""
    if name == "pretraining" and isinstance(value, (Mapping, tuple)):
        try:
            settings = dict(value)
        except (TypeError, ValueError):
            raise ConfigError(f"pretraining must map settings to values, got {value!r}. Try {{steps: 600}}.") from None
        reject_unknown(cls, map(str, settings))
        if idle := settings.keys() & idle_fields(cls):
            raise ConfigError(f"pretraining must not set {', '.join(sorted(idle))}: both stages have it of the run.")
        real = {key for key, kinds in kinds_of(cls).items() if float in kinds and int not in kinds}
        settings = {key: float(v) if key in real and type(v) is int else v for key, v in settings.items()}
        settings |= {key: in_one_order(cls, key, settings[key]) for key in settings.keys() & OPTIONS.keys()}
        value = tuple(sorted((key, tuple(v) if isinstance(v, list) else v) for key, v in settings.items()))
    if name in OPTIONS:
        try:
            value = tuple(sorted((key, tuple(v) if isinstance(v, list) else v) for key, v in dict(value).items()))
        except (TypeError, ValueError):
            raise ConfigError(f"{name} must map options to values, got {value!r}. Try {{buckets: 1024}}.") from None
    if name == "evaluated_on" and isinstance(value, tuple):
        if unknown := [each for each in value if each not in SIMILARITY_SETS]:
            raise ConfigError(f"unknown similarity set {unknown[0]!r}. Choose from {', '.join(SIMILARITY_SETS)}.")
        value = tuple(each for each in SIMILARITY_SETS if each in value)
    if name == "departures" and isinstance(value, tuple):
        if unknown := [each for each in value if not isinstance(each, str) or each not in DEPARTURES]:
            raise ConfigError(f"unknown departure {unknown[0]!r}. Choose from {', '.join(DEPARTURES)}.")
        value = tuple(each for each in DEPARTURES if each in value)
    return value


def normalise(config: Any) -> None:
    """Check every field of a new ``RunConfig`` or ``ModelConfig`` for itself: its type, choice and range.

    Lists become tuples and integers floats where due; departures and settings of pretraining get one order.

    Raises:
        ConfigError: If a value breaks its rule.
    """
    cls = type(config)
    usual, own = defaults(cls), vars(config)  # type: ignore[arg-type]
    for name, kinds in kinds_of(cls).items():  # type: ignore[arg-type]  # mypy asks the class for the hash of its objects
        value: Any = own[name]
        if type(value) is type(usual[name]) and value == usual[name]:  # it keeps its rule, and most values are defaults
            continue
        if getattr(value, "ndim", None) == 0:  # a number of numpy or torch
            value = value.item()
        elif tuple in kinds and (isinstance(value, range) or getattr(value, "ndim", None) == 1):
            value = [*value]
        if tuple in kinds and isinstance(value, list | tuple):
            value = tuple(getattr(each, "item", lambda each=each: each)() for each in value)  # numpy's integers as well
        if name in ("pretraining", "departures", "evaluated_on", *OPTIONS):
            value = in_one_order(cls, name, value)
        if name == "id_order":
            _check_id_order(value)
        if float in kinds and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        fits = isinstance(value, kinds) and not isinstance(value, bool)
        if not fits:
            hint = f" Write {int(value)}." if isinstance(value, float) and value.is_integer() else ""
            raise ConfigError(f"{name} must be {describe(kinds)}, got {value!r} ({type(value).__name__}).{hint}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{name} must be finite, got {value}. Try {defaults(cls)[name]}.")  # type: ignore[arg-type]
        if name in _CHOICES and value not in _CHOICES[name]:
            raise ConfigError(f"{name} must be one of {', '.join(_CHOICES[name])}, got {value!r}.")
        if name in _LEAST and value is not None and value < _LEAST[name]:
            raise ConfigError(f"{name} must be at least {_LEAST[name]}, got {value}.")
        if name in _MOST and value is not None and value > _MOST[name]:
            raise ConfigError(f"{name} must be at most {_MOST[name]}, got {value}.")
        if name in _PLUGINS and isinstance(value, str):
            _PLUGINS[name].check_name(value, name)
        if name == "dropout" and not 0 <= value < 1:
            raise ConfigError(f"dropout must lie in [0, 1), got {value}. The paper uses 0 or 0.1.")
        if name == "seed" and not 0 <= value < 2**32:
            raise ConfigError(f"seed must lie in 0..2**32-1, got {value}.")
        object.__setattr__(config, name, value)
