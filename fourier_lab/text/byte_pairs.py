"""Byte pairs trained on a text: a tokenizer of V ids that spells everything, the same whenever it is trained."""

import hashlib

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from .. import paths
from ..errors import ConfigError
from ..paths import write_atomically
from .id_order import reorder
from .streams import encode
from .tokenizer import token_words, tokenizer_from_file, vocabulary_hash


def byte_pairs(rows: list[str], vocab_size: int) -> Tokenizer:
    """Return the tokenizer of :func:`train_byte_pairs`, from the file ``runs/tokenizers/<text>-<V>-<vocabulary>.json``.

    A file whose contents are not of the vocabulary that its name says is written anew.
    """
    text = hashlib.sha256("\n".join(rows).encode()).hexdigest()[:12]
    folder = paths.RUNS / "tokenizers"
    for path in sorted(folder.glob(f"{text}-{vocab_size}-*.json")):
        tokenizer = tokenizer_from_file(path)
        if path.stem.endswith(f"-{vocabulary_hash(tokenizer)}"):
            return tokenizer
    tokenizer = train_byte_pairs(rows, vocab_size)
    write_atomically(folder / f"{text}-{vocab_size}-{vocabulary_hash(tokenizer)}.json", tokenizer.to_str())
    return tokenizer


def train_byte_pairs(rows: list[str], vocab_size: int) -> Tokenizer:
    """Train byte-level BPE, without special tokens; ids go by falling count in the text, then by the token's spelling.

    Args:
        rows: Paragraphs of the training text; a line feed is expected after each.
        vocab_size: V, at least 257: every byte and a pair. A short text gives fewer, if no further pair occurs twice.

    Raises:
        ConfigError: If V is smaller.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if vocab_size <= len(alphabet):
        raise ConfigError(f"vocab_size ({vocab_size}) must be at least 257, all bytes and a pair of them. Try 4096.")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        rows,
        trainers.BpeTrainer(
            vocab_size=vocab_size, min_frequency=2, show_progress=False, initial_alphabet=alphabet, special_tokens=[]
        ),
    )
    words = token_words(tokenizer)
    counts = np.bincount(encode(tokenizer, rows), minlength=len(words))
    return reorder(tokenizer, np.array(sorted(range(len(words)), key=lambda i: (-counts[i], words[i]))))
