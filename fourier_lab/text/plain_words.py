"""Token ids of plain text, word by word: each distinct word is cut by the tokenizer once and looked up afterwards."""

import string
from collections.abc import Iterator

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from .vocabulary import around

_END = "\0"  # between sentences, which hold none: only printable ones come here


class PlainWords(dict[str, int]):
    """Number of each word met so far, with the ids that it is cut into.

    Known are sentences of printable ASCII characters, without an added token, for WordPiece in BERT's manner: there, words
    are cut one by one, at spaces and signs. Their ids are those of the tokenizer, several times as fast.

    Args:
        tokenizer: Of any kind; for others than WordPiece, no sentence is known.
    """

    def __init__(self, tokenizer: Tokenizer):
        super().__init__()
        self.tokenizer = tokenizer
        normalizer = tokenizer.normalizer
        self.applies = (
            isinstance(tokenizer.model, models.WordPiece)
            and isinstance(normalizer, normalizers.BertNormalizer)
            and isinstance(tokenizer.pre_tokenizer, pre_tokenizers.BertPreTokenizer)
        )
        self.lowercase = isinstance(normalizer, normalizers.BertNormalizer) and normalizer.lowercase
        self.added = [token.content.lower() for token in tokenizer.get_added_tokens_decoder().values()]
        self.longest = tokenizer.model.max_input_chars_per_word if self.applies else 0  # of what is cut at all
        self.first, self.last = around(tokenizer)
        self.ids = [(*self.last, -1, *self.first)]
        self[_END] = 0

    def __missing__(self, word: str) -> int:
        # A whole word that is a piece itself stays one: the longest piece comes first.
        whole = self.tokenizer.token_to_id(word) if len(word) <= self.longest else None
        ids = self.tokenizer.encode(word, add_special_tokens=False).ids if whole is None else (whole,)
        self.ids.append(tuple(ids))
        self[word] = len(self.ids) - 1
        return self[word]

    def rows(self, sentences: list[str]) -> Iterator[np.ndarray | None]:
        """Return the int64 ids of each sentence, uncut, or None where only the tokenizer itself knows them."""
        if not self.applies:
            return iter([None] * len(sentences))
        plain = [self._is_plain(sentence) for sentence in sentences]
        text = _END.join(sentence for ok, sentence in zip(plain, sentences, strict=True) if ok)
        rows = iter(self._cut(text.lower() if self.lowercase else text))
        return (next(rows) if ok else None for ok in plain)

    def _is_plain(self, sentence: str) -> bool:
        if not (sentence.isascii() and sentence.isprintable()):
            return False
        return not self.added or not any(token in sentence.lower() for token in self.added)

    def _cut(self, text: str) -> list[np.ndarray]:
        """Return the rows of sentences that are joined by the end sign."""
        for sign in (*string.punctuation, _END):
            if sign in text:
                text = text.replace(sign, f" {sign} ")
        words = text.split()
        numbers = np.fromiter(map(self.__getitem__, words), np.int64, len(words))
        used, places = np.unique(numbers, return_inverse=True)
        parts = [self.ids[number] for number in used.tolist()]
        sizes = np.array([len(part) for part in parts], dtype=np.int64)
        flat, starts = np.array([i for part in parts for i in part], dtype=np.int64), np.cumsum(sizes) - sizes
        # The ids of every word, one after the other: from its start in the flat list, as many as it has.
        length = sizes[places]
        within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        ids = np.concatenate((self.first, flat[np.repeat(starts[places], length) + within], self.last)).astype(np.int64)
        ends = np.flatnonzero(ids < 0).tolist()
        return [ids[a:b] for a, b in zip([0, *(end + 1 for end in ends)], [*ends, len(ids)], strict=True)]
