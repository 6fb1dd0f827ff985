"""What is known of the tokens of a run, and of the tables that it trained, ready to be drawn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from ..config import RunConfig
from ..embeddings.interface import rows_of
from ..geometry import token_table
from ..geometry.projections import PROJECTION_NAMES, PROJECTIONS, project
from ..series import series_name
from ..text.tokenizer import token_words
from ..text.toy import ROLES, SPECIAL_TOKENS, toy_language
from ..text.vocabulary import bare, start_mark, within_word
from .selection import names_in

if TYPE_CHECKING:
    from ..text.corpus import Corpus
    from ..training.train import TrainResult

_REAL_WORDS = ("dog", "guitar", "running", "red")


def token_classes(config: RunConfig, tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """Return what is known about each id, ``(vocab_size,)`` arrays by name.

    The toy language knows the ``concept`` (integers, -1 for special tokens) and the ``kind`` (its role) of every word;
    Tokenizers of real text know the ``kind`` only: whole word, word piece, or other (special, unused, single character).
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
    start = start_mark(words)
    return {"kind": np.array([_piece_kind(word, start) for word in words])}


def example_words(config: RunConfig, tokenizer: Tokenizer, chosen: str = "") -> list[str]:
    """Return the words to look up: the comma-separated ``chosen`` ones, else a few frequent ones of the corpus."""
    if chosen:
        return list(names_in(chosen))
    words = token_words(tokenizer)
    if config.corpus != "toy":
        return [start_mark(words) + word for word in _REAL_WORDS if start_mark(words) + word in words]
    language = toy_language(config.vocab_size)
    frequent = np.argsort(-language.probability, kind="stable")
    roles = language.role[frequent]
    return [language.words[frequent[np.flatnonzero(roles == role)[0]]] for role in range(3)]


def _piece_kind(token: str, start: str) -> str:
    if within_word(token, start):
        return "word piece"
    return "whole word" if len(bare(token)) > 1 and bare(token).isalpha() else "other"


def embedding_tables(results: Sequence["TrainResult"]) -> dict[str, np.ndarray]:
    """Return the trained token table of each run, float32 ``(vocab_size, d_model)``, by series name."""
    return {series_name(result.config): rows_of(result.encoder.embedding).numpy() for result in results}


def table_shape(table: np.ndarray) -> dict[str, float]:
    """Return what one table's cloud of points looks like: effective rank, mean cosine and IsoScore."""
    return {
        "effective rank": token_table.effective_rank(table),
        "mean cosine": token_table.mean_cosine(table),
        "IsoScore": token_table.iso_score(table),
    }


def purity_labels(classes: dict[str, np.ndarray], corpus: "Corpus", n: int = 1000) -> tuple[str, np.ndarray]:
    """Return the name and integer labels of the finest known classes: concepts if known, else kinds.

    Only the ``n`` most frequent tokens of the training text keep their label; all others get -1.
    """
    name = "concept" if "concept" in classes else "kind"
    labels = classes[name] if name == "concept" else np.unique(classes[name], return_inverse=True)[1]
    counts = corpus.train.counts(len(labels))
    frequent = np.argsort(-counts, kind="stable")[:n]
    return name, np.where(np.isin(np.arange(len(labels)), frequent), labels, -1)


def projections(tables: dict[str, np.ndarray], token_ids: np.ndarray, seed: int) -> dict[str, dict[str, Any]]:
    """Place the rows of some ids in the plane, every table by PCA and by t-SNE, coloured by id."""
    panels = {}
    for name, table in tables.items():
        for method in PROJECTIONS:
            x, y = project(table[token_ids], method, seed).T
            title = f"{name}: {PROJECTION_NAMES[method]}"
            panels[title] = {"x": x, "y": y, "colour": token_ids, "method": np.full(len(x), method)}
    return panels
