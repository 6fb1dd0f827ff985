"""Text as one stream of token ids, cut into windows.

A stream is the paragraphs of a text in order, each with a line feed (in the toy language [SEP]) at its end. A window is a
number of tokens and the one after them, which is the first of the next window: each token but the first of a text is
predicted once, from those of its own window alone.
"""

import numpy as np
from tokenizers import Tokenizer

from ..errors import ConfigError, DataError
from .tokenizer import token_words
from .vocabulary import roles

_CHUNK = 5000  # rows tokenised at a time


def encode(tokenizer: Tokenizer, rows: list[str]) -> np.ndarray:
    """Return the ids of paragraphs as one stream, int64 ``(n,)``, with :func:`line_end` after each."""
    end = line_end(tokenizer)
    chunks = (rows[i : i + _CHUNK] for i in range(0, len(rows), _CHUNK))
    encoded = (each.ids for chunk in chunks for each in tokenizer.encode_batch_fast(chunk, add_special_tokens=False))
    return np.concatenate([np.array((*ids, *end), np.int64) for ids in encoded])


def line_end(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the ids that end a paragraph: what the tokenizer puts after each text, such as [SEP], else a line feed's.

    Raises:
        ConfigError: If it has neither.
    """
    last = roles(tokenizer).last or tuple(tokenizer.encode("\n", add_special_tokens=False).ids)
    if not last:
        raise ConfigError("this tokenizer has no token for the end of a paragraph. Use one of byte pairs.")
    return last


def token_bytes(tokenizer: Tokenizer) -> np.ndarray:
    """Return how many bytes of text each id stands for, int64 ``(V,)``.

    A token of byte pairs spells each byte as one character. A word of the toy language comes with the space, or the line
    feed, after it; its special tokens stand for nothing.
    """
    last, words = roles(tokenizer).last, token_words(tokenizer)
    if not last:
        return np.array([len(word) for word in words])
    return np.array([0 if word.startswith("[") else len(word.encode()) + 1 for word in words])


def windows_of(ids: np.ndarray, length: int, name: str) -> np.ndarray:
    """Cut a stream into windows ``(n, length + 1)``, each of which begins with the last id of the one before.

    Raises:
        DataError: If it is too short for one; ``name`` says which text it is.

    Example:
        >>> windows_of(np.arange(6), 2, "a text").tolist()
        [[0, 1, 2], [2, 3, 4]]
    """
    if len(ids) <= length:
        raise DataError(f"{name} has {len(ids)} tokens, too few for a window of max_seq_len ({length}). Lower it.")
    return np.lib.stride_tricks.sliding_window_view(ids, length + 1)[::length]
