"""Ids that are looked up word by word are those of the tokenizer itself, for every text and every kind of tokenizer."""

import random
import string

import numpy as np
import pytest

from fourier_lab.errors import ConfigError
from fourier_lab.text.plain_words import PlainWords
from fourier_lab.text.tokenizer import Cutter, toy_tokenizer, truncating, wordpiece_tokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "##ran", "ran", "##ing", *string.punctuation]
PIECES += [*string.ascii_lowercase, *(f"##{c}" for c in string.ascii_lowercase + string.digits), "caf", "中"]
CAPITALS = [*string.ascii_uppercase, *(f"##{c}" for c in string.ascii_uppercase), "Cat"]
TEXTS = [
    "The cats ran.", "", "  ", "don't - running_cat [CLS] [MASK]", "a\tb\nc", "nul\x00 in it", "caf\u00e9 中 \U0001f600",
    "I" * 101, "the " * 40, "cat's e.g. 12-34 $5.00 (a/b)", "x\u2028y", "soft\u00adhyphen", "0 1 2", "\x7f", "UNK [UNK] unk",
]  # fmt: skip


def wordpiece(tmp_path, capitals=False):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES + CAPITALS * capitals), encoding="utf-8")
    return wordpiece_tokenizer(path)


@pytest.fixture(params=["plain", "cased", "added", "short", "toy"])
def tokenizer(request, tmp_path):
    if request.param == "toy":
        return toy_tokenizer(500)
    made = wordpiece(tmp_path, capitals=request.param == "cased")
    if request.param == "added":
        made.add_tokens(["e.g.", "[MASK]"])
    if request.param == "short":  # words of more than two characters are unknown, whether they are pieces or not
        made.model.max_input_chars_per_word = 2
    return made


def drawn(n):
    """Sentences of signs, letters, digits and spaces at random, some with a letter that is not ASCII."""
    draw = random.Random(0)
    signs = string.ascii_letters * 2 + string.digits + string.punctuation + " " * 20 + "\u00e9"
    return ["".join(draw.choices(signs, k=draw.randrange(1, 60))) for _ in range(n)]


@pytest.mark.parametrize("longest", [5, 128])
def test_rows_are_those_of_the_tokenizer(tokenizer, longest):
    texts = TEXTS + drawn(300)
    expected = [encoding.ids for encoding in truncating(tokenizer, longest).encode_batch(texts)]
    cut = Cutter(tokenizer, longest)
    for _ in range(2):  # words not met before, and met
        found = cut(texts)
        assert [row.tolist() for row in found] == expected and {row.dtype for row in found} == {np.dtype(np.int64)}


def test_only_what_is_cut_at_spaces_and_signs_is_looked_up(tmp_path):
    words = PlainWords(wordpiece(tmp_path))
    known = [row is not None for row in words.rows(["The cats ran.", "caf\u00e9", "a\tb", ""])]
    assert known == [True, False, False, True] and {"the", "cats", "ran", "."} < {*words}
    assert [*PlainWords(toy_tokenizer(500)).rows(["a b"])] == [None]


def test_a_length_that_leaves_no_room_for_text_is_refused(tokenizer):
    assert [len(row) for row in Cutter(tokenizer, 3)(["the the the", ""])] == [3, 2]
    for longest in (0, 1, 2):
        with pytest.raises(ConfigError, match=f"max_seq_len .{longest}. leaves no room .* at least 3"):
            Cutter(tokenizer, longest)
