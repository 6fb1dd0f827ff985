"""Word pieces trained on a text: a vocabulary in BERT's manner, of V ids, the same whenever it is trained."""

from itertools import chain

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from .id_order import most_used, reorder
from .tokenizer import UNKNOWN, bert_tokenizer, id_blocks, token_words

SPECIAL = ("[PAD]", UNKNOWN, "[CLS]", "[SEP]", "[MASK]")
_WITHIN = "##"
_UNCUT = 2**20  # tokens, more than any sentence has


def train_word_pieces(sentences: list[str], vocab_size: int) -> Tokenizer:
    """Train lower-cased WordPiece; ids are special tokens, then pieces by falling count in the text, then by spelling.

    Pairs of pieces are merged until there are twice as many as asked for. Of these the V most used are kept, with all ASCII
    characters, counted where words are cut into the longest pieces first. Of pairs with equal counts the one of smaller
    numbers is merged first; the library's own training of WordPiece numbers the characters within words in any order, which
    here is fixed before.

    Args:
        sentences: The training text.
        vocab_size: V; a short text gives fewer, if no further pair occurs twice.

    Raises:
        ConfigError: If V is too small for special tokens and ASCII characters.
    """
    normalizer, words = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    seen = {*chain.from_iterable(sentences), *map(chr, range(128))}
    characters = sorted({*"".join(normalizer.normalize_str("".join(sorted(seen))).split())})
    within = [_WITHIN + c for c in characters if len(words.pre_tokenize_str(f"a{c}")) == 1]
    trained = Tokenizer(models.BPE(continuing_subword_prefix=_WITHIN))
    trained.normalizer, trained.pre_tokenizer = normalizer, words
    trainer = trainers.BpeTrainer(
        vocab_size=2 * vocab_size,
        min_frequency=2,
        show_progress=False,
        continuing_subword_prefix=_WITHIN,
        special_tokens=[*SPECIAL, *characters, *within],
    )
    trained.train_from_iterator(sentences, trainer)
    every = bert_tokenizer(trained.get_vocab(), normalizer)
    kept = reorder(every, most_used(every, _counts(every, sentences), vocab_size))
    counts, pieces = _counts(kept, sentences), token_words(kept)
    order = sorted(range(len(SPECIAL), len(pieces)), key=lambda i: (-counts[i], pieces[i]))
    return reorder(kept, np.array([*range(len(SPECIAL)), *order]))


def _counts(tokenizer: Tokenizer, sentences: list[str]) -> np.ndarray:
    size = tokenizer.get_vocab_size(with_added_tokens=True)
    blocks = id_blocks(tokenizer, sentences, _UNCUT)
    return sum((np.bincount(np.concatenate(rows), minlength=size) for rows in blocks), np.zeros(size, np.int64))
