"""Other orders of the same token ids: a Fourier embedding sees nothing of a token but its place in this order."""

import json

import numpy as np
from tokenizers import Tokenizer

from ..errors import ConfigError
from .tokenizer import token_words, with_special_tokens


def order_ids(id_order: str, tokens: list[str], counts: np.ndarray, first_word: int, seed: int) -> np.ndarray:
    """Return the old ids in their new order, int64 ``(vocab_size,)``; token ``result[i]`` gets id ``i``.

    Args:
        id_order: As in :class:`fourier_lab.config.RunConfig`; ``frequency`` leaves the order alone.
        tokens: The token of each old id.
        counts: How often each old id occurs in the training text, ``(vocab_size,)``.
        first_word: ``shuffle_words`` leaves smaller ids alone.
        seed: Seed of the shuffles.

    Example:
        >>> order_ids("reversed", ["a", "b", "c"], np.zeros(3), 0, seed=0)
        array([2, 1, 0])
    """
    ids, rng = np.arange(len(tokens)), np.random.default_rng((seed, 0x1D))
    kind, _, size = id_order.rpartition("_")
    if kind in ("within", "blocks"):
        blocks = np.split(ids, ids[int(size) :: int(size)])
        shuffled = [rng.permutation(block) for block in blocks] if kind == "within" else _shuffled(blocks, rng)
        return np.concatenate(shuffled)
    if id_order == "random":
        return rng.permutation(ids)
    if id_order == "shuffle_words":
        return np.concatenate((ids[:first_word], rng.permutation(ids[first_word:])))
    if id_order == "by_count":
        return np.argsort(-counts, kind="stable")
    if id_order == "reversed":
        return ids[::-1].copy()
    if id_order == "alphabetical":
        return np.array(sorted(ids, key=tokens.__getitem__))
    return ids


def first_word(tokens: list[str]) -> int:
    """Return the id of the first word; special tokens, unused slots and single characters come before it.

    It is 1996 in BERT's vocabulary and 5 in the toy language; 0 if there is no word.
    """
    return next((i for i, token in enumerate(tokens) if len(token) > 1 and not _is_special(token)), 0)


def last_special(tokens: list[str]) -> int:
    """Return the largest id of a special token or unused slot, 998 in BERT's vocabulary; 0 if there is none."""
    return max((i for i, token in enumerate(tokens) if _is_special(token)), default=0)


def most_used(tokens: list[str], counts: np.ndarray, size: int) -> np.ndarray:
    """Return ``size`` ids, ascending: special tokens and ASCII characters, then those that occur most often.

    The characters let a WordPiece tokenizer spell every word of plain English that it has no token for.

    Raises:
        ConfigError: If ``size`` is too small to keep all of the first two kinds.
    """
    kept = [_is_special(t) or (t.isascii() and len(t.removeprefix("##")) == 1) for t in tokens]
    kept = np.array(kept) & ~np.array([t.startswith("[unused") for t in tokens])
    if size < (least := int(kept.sum())):
        raise ConfigError(
            f"vocab_size ({size}) must be at least {least}: the special tokens and ASCII characters of this vocabulary, "
            "without which some words cannot be spelled."
        )
    return np.sort(np.lexsort((-counts, ~kept))[:size])


def reorder(tokenizer: Tokenizer, order: np.ndarray) -> Tokenizer:
    """Return a tokenizer with the token of old id ``order[i]`` under id ``i``; tokens that ``order`` lacks are dropped."""
    words = token_words(tokenizer)
    new_id = {words[old]: new for new, old in enumerate(order)}
    state = json.loads(tokenizer.to_str())
    state["model"]["vocab"] = new_id
    state["added_tokens"] = [{**each, "id": new_id[each["content"]]} for each in state["added_tokens"]]
    state["post_processor"] = None  # it holds ids of its own
    return with_special_tokens(Tokenizer.from_str(json.dumps(state)))


def _is_special(token: str) -> bool:
    return len(token) > 1 and token.startswith("[") and token.endswith("]")


def _shuffled(blocks: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    return [blocks[i] for i in rng.permutation(len(blocks))]
