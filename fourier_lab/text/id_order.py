"""Other orders of the same token ids: a Fourier embedding sees nothing of a token but its place in this order."""

import json

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers

from ..errors import ConfigError
from .tokenizer import token_words
from .vocabulary import bare, special_ids, start_mark


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


def first_word(tokenizer: Tokenizer) -> int:
    """Return the id of the first word; special tokens, unused slots and single characters come before it.

    It is 1996 in BERT's vocabulary and 5 in the toy language; 0 if there is no word.
    """
    special = special_ids(tokenizer)
    words = enumerate(token_words(tokenizer))
    return next((i for i, word in words if len(bare(word)) > 1 and i not in special), 0)


def last_special(tokenizer: Tokenizer) -> int:
    """Return the largest id of the special tokens and unused slots that come before the first word; 0 if none does.

    It is 998 in BERT's vocabulary. Those after the words, as in many vocabularies, would count every word among them.
    """
    return max((i for i in special_ids(tokenizer) if i < first_word(tokenizer)), default=0)


def most_used(tokenizer: Tokenizer, counts: np.ndarray, size: int) -> np.ndarray:
    """Return ``size`` ids, ascending: special tokens and ASCII characters, then those that occur most often.

    The characters (of a byte-level tokenizer: all bytes) let it spell every word of plain English that it has no token for.
    A token of byte pairs comes with the shorter ones that it is merged from.

    Raises:
        ConfigError: If ``size`` is too small to keep all of the first two kinds.
    """
    words, named = token_words(tokenizer), special_ids(tokenizer)
    spelling = set(pre_tokenizers.ByteLevel.alphabet()) if start_mark(words) == "Ġ" else {"▁", *map(chr, range(128))}
    kept = np.array([i in named or bare(word) in spelling for i, word in enumerate(words)])
    kept &= ~np.array([word.startswith("[unused") for word in words])
    if size < (least := int(kept.sum())):
        raise ConfigError(
            f"vocab_size ({size}) must be at least {least}: the special tokens and ASCII characters of this vocabulary, "
            "without which some words cannot be spelled."
        )
    by_use = np.lexsort((-counts, ~kept))
    if isinstance(tokenizer.model, models.BPE):
        by_use = _after_their_parts(by_use.tolist(), json.loads(tokenizer.to_str())["model"], words, size)
    return np.sort(by_use[:size])


def _after_their_parts(ids: list[int], model: dict, words: list[str], size: int) -> np.ndarray:
    """Return ids so that the two parts that a byte pair is merged from come before it, and ``size`` of them fit together."""
    number, prefix = {word: i for i, word in enumerate(words)}, model["continuing_subword_prefix"] or ""
    parts: dict[int, tuple[int, int]] = {}
    for a, b in model["merges"]:
        parts.setdefault(number[a + b.removeprefix(prefix)], (number[a], number[b]))
    chosen: dict[int, None] = {}
    for asked in ids:
        needed, waiting = [], [asked]
        while waiting:
            if (i := waiting.pop()) not in chosen and i not in needed:
                needed.append(i)
                waiting += parts.get(i, ())
        if len(chosen) + len(needed) <= size:
            chosen |= dict.fromkeys(needed)
    return np.array(list(chosen))


def reorder(tokenizer: Tokenizer, order: np.ndarray) -> Tokenizer:
    """Return a tokenizer with the token of old id ``order[i]`` under id ``i``; tokens that ``order`` lacks are dropped.

    Padding and truncation of its own are dropped as well.
    """
    words = token_words(tokenizer)
    new_id = {words[old]: new for new, old in enumerate(order)}
    state = json.loads(tokenizer.to_str())
    model = state["model"]
    if model["type"] == "Unigram":  # whose ids are places in a list
        score, unknown = dict(model["vocab"]), model["unk_id"]
        model["vocab"] = [[word, score.get(word, 0.0)] for word in new_id]
        model["unk_id"] = None if unknown is None else new_id[words[unknown]]
    else:
        model["vocab"] = new_id
    if model["type"] == "BPE":
        prefix = model["continuing_subword_prefix"] or ""
        model["merges"] = [[a, b] for a, b in model["merges"] if {a, b, a + b.removeprefix(prefix)} <= new_id.keys()]
    added = [each for each in state["added_tokens"] if each["content"] in new_id]
    state["added_tokens"] = [{**each, "id": new_id[each["content"]]} for each in added]
    state["post_processor"] = _renumbered(state["post_processor"], new_id)
    state["padding"] = state["truncation"] = None
    return Tokenizer.from_str(json.dumps(state))


def _renumbered(part: dict | None, new_id: dict[str, int]) -> dict | None:
    """Return a post-processor's state with the new ids of the tokens that it names."""
    if part is None:
        return None
    if part["type"] == "Sequence":
        return {**part, "processors": [_renumbered(each, new_id) for each in part["processors"]]}
    if part["type"] == "TemplateProcessing":
        named = part["special_tokens"].items()
        return {**part, "special_tokens": {k: {**v, "ids": [new_id[t] for t in v["tokens"]]} for k, v in named}}
    return {**part, **{side: [part[side][0], new_id[part[side][0]]] for side in ("cls", "sep") if side in part}}


def _shuffled(blocks: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    return [blocks[i] for i in rng.permutation(len(blocks))]
