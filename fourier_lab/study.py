"""Which runs a comparison consists of, and what is known about the tokens of a corpus."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from .basis import FREQUENCY_SETS
from .config import ID_ORDERS, RunConfig
from .errors import ConfigError
from .toy import ROLES, SPECIAL_TOKENS, toy_language

SERIES = ("learned", *FREQUENCY_SETS)
_REAL_WORDS = ("dog", "guitar", "running", "red")


def with_series(config: RunConfig, name: str) -> RunConfig:
    """Return ``config`` for one compared series: ``learned``, or the ``fourier`` arm with the named frequency set.

    Raises:
        ConfigError: If the name is unknown.
    """
    if name not in SERIES:
        raise ConfigError(f"unknown series {name!r}. Choose from {', '.join(SERIES)}.")
    if name == "learned":
        return config.replace(arm="learned", frequencies="harmonic")  # not read by this arm; one name, one run
    return config.replace(arm="fourier", frequencies=name)


def comparison(config: RunConfig, series: str, id_orders: str = "", n_seeds: int = 1) -> list[RunConfig]:
    """List the runs that compare series with equal settings, id order by id order, seeds innermost.

    Args:
        config: What all runs share; its seed is the first one.
        series: Comma-separated names of :data:`SERIES`.
        id_orders: Comma-separated id orders of the toy language; on real text, which has its own, always one.
        n_seeds: Seeds per case, counted up from ``config.seed``.

    Raises:
        ConfigError: If a name is unknown.

    Example:
        >>> [c.arm for c in comparison(RunConfig(), "learned,random")]
        ['learned', 'fourier']
    """
    orders = _names(id_orders) if id_orders and config.corpus == "toy" else (config.id_order,)
    if unknown := set(orders) - set(ID_ORDERS):
        raise ConfigError(f"unknown id order {', '.join(sorted(unknown))}. Choose from {', '.join(ID_ORDERS)}.")
    seeds = range(config.seed, config.seed + n_seeds)
    return [
        with_series(config.replace(id_order=order, seed=seed), name)
        for order in orders
        for name in _names(series)
        for seed in seeds
    ]


def token_classes(config: RunConfig, tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """Return what is known about each id, ``(vocab_size,)`` arrays by name.

    The toy language knows the ``concept`` (integers, -1 for special tokens) and the ``kind`` (its role) of every word;
    WordPiece knows the ``kind`` only: whole word, word piece, or other (special, unused, single character).
    """
    words = token_words(tokenizer)
    if config.corpus == "toy":
        language = toy_language(config.vocab_size)
        concept = dict(zip(language.words, language.concept.tolist(), strict=True))
        role = dict(zip(language.words, language.role.tolist(), strict=True))
        return {
            "kind": np.array(["special" if w in SPECIAL_TOKENS else ROLES[role[w]] for w in words]),
            "concept": np.array([concept.get(w, -1) for w in words]),
        }
    return {"kind": np.array([_piece_kind(word) for word in words])}


def token_words(tokenizer: Tokenizer) -> list[str]:
    """Return the token of every id, in order."""
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    return sorted(vocabulary, key=vocabulary.__getitem__)


def example_words(config: RunConfig, tokenizer: Tokenizer, chosen: str = "") -> list[str]:
    """Return the words to look up: the comma-separated ``chosen`` ones, else a few frequent ones of the corpus."""
    if chosen:
        return list(_names(chosen))
    words = token_words(tokenizer)
    if config.corpus != "toy":
        return [word for word in _REAL_WORDS if word in words]
    language = toy_language(config.vocab_size)
    frequent = np.argsort(-language.probability, kind="stable")
    roles = language.role[frequent]
    return [language.words[frequent[np.flatnonzero(roles == role)[0]]] for role in range(3)]


def _piece_kind(word: str) -> str:
    if word.startswith("##"):
        return "word piece"
    return "whole word" if len(word) > 1 and word.isalpha() else "other"


def _names(text: str) -> Sequence[Any]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
