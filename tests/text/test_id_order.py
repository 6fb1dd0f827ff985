"""Orders of the token ids: permutations of the stated kind, carried by the tokenizer."""

import numpy as np
import pytest
from tokenizers import Tokenizer, models

from fourier_lab import RunConfig, train
from fourier_lab.errors import ConfigError
from fourier_lab.text.corpus import prepare
from fourier_lab.text.id_order import first_word, last_special, most_used, order_ids, reorder
from fourier_lab.text.tokenizer import token_words, toy_tokenizer, wordpiece_tokenizer

TOKENS = [chr(97 + i * 7 % 26) + str(i) for i in range(100)]
COUNTS = np.arange(100) * 37 % 100
ORDERS = ["frequency", "random", "shuffle_words", "by_count", "reversed", "alphabetical", "within_8", "blocks_8"]


def order(name, seed=0):
    return order_ids(name, TOKENS, COUNTS, 10, seed)


@pytest.mark.parametrize("name", ORDERS)
def test_every_order_is_a_permutation_drawn_by_its_seed(name):
    assert sorted(order(name)) == list(range(100))
    np.testing.assert_array_equal(order(name), order(name))
    drawn = name in ("random", "shuffle_words", "within_8", "blocks_8")
    assert np.array_equal(order(name, 0), order(name, 1)) != drawn


def test_each_order_is_what_its_name_says():
    np.testing.assert_array_equal(order("shuffle_words")[:10], np.arange(10))
    assert (np.diff(COUNTS[order("by_count")]) <= 0).all()
    assert [TOKENS[i] for i in order("alphabetical")] == sorted(TOKENS)
    np.testing.assert_array_equal(order("reversed"), np.arange(100)[::-1])
    # Within blocks no id leaves its block, and some move; of whole blocks the insides stay.
    assert (order("within_8") // 8 == np.arange(100) // 8).all() and (order("within_8") != np.arange(100)).any()
    steps = np.diff(order("blocks_8"))
    assert (steps == 1).sum() >= 100 - 13 and (steps != 1).any()


def test_a_reordered_tokenizer_gives_the_same_tokens_new_ids(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "##s", "dog", "sat"]))
    for tokenizer, text in ((wordpiece_tokenizer(path), "A cats sat"), (toy_tokenizer(2000), "unheard of")):
        words = token_words(tokenizer)
        new = reorder(tokenizer, np.random.default_rng(0).permutation(len(words)))
        before, after = tokenizer.encode(text), new.encode(text)
        assert before.tokens == after.tokens and before.ids != after.ids
        assert [new.token_to_id(token) for token in after.tokens] == after.ids


def test_corpus_and_tokenizer_of_a_run_agree():
    config = RunConfig(id_order="by_count", d_model=16)
    plain, corpus = prepare(config.replace(id_order="frequency")), prepare(config)
    words, new = token_words(plain.tokenizer), token_words(corpus.tokenizer)
    for a, b in zip(plain.train.first[:50], corpus.train.first[:50], strict=True):
        assert [words[i] for i in a] == [new[i] for i in b]
    counts = corpus.train.counts(len(new))
    assert (np.diff(counts) <= 0).all()
    assert corpus.account["vocabulary"] != plain.account["vocabulary"]


def test_a_trained_run_encodes_text_with_its_own_order(tmp_path):
    config = RunConfig(id_order="random", d_model=16, steps=4, warmup_steps=1, batch_size=16)
    assert prepare(config).account == train(config, runs=tmp_path).metrics["data"]
    mirrored = train(config.replace(id_order="reversed"), runs=tmp_path)
    sentence = " ".join(token_words(mirrored.encoder.tokenizer)[:3])
    assert mirrored.encoder.encode([sentence]).shape == (1, 16)


@pytest.mark.parametrize("name", ["alphabetic", "within_0", "blocks_x", "within_"])
def test_unknown_orders_are_refused(name):
    with pytest.raises(ConfigError, match=r"id_order must be one of .*within_N"):
        RunConfig(id_order=name)


def test_real_text_has_no_semantic_order():
    with pytest.raises(ConfigError, match="dial of the toy language"):
        RunConfig(corpus="snli", source="hub", id_order="semantic")


def test_a_smaller_vocabulary_keeps_characters_and_the_most_used_tokens():
    words = ["[PAD]", "[unused1]", "[CLS]", "a", "##a", "é", "cat", "dog", "sat"]
    counts = np.array([0, 0, 9, 0, 0, 7, 1, 5, 3])
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[PAD]"))
    kept = most_used(tokenizer, counts, 7)
    assert [words[i] for i in kept] == ["[PAD]", "[CLS]", "a", "##a", "é", "dog", "sat"]
    with pytest.raises(ConfigError, match=r"vocab_size \(3\) must be at least 4"):
        most_used(tokenizer, counts, 3)


def test_the_first_word_comes_after_special_tokens_and_characters():
    def ends(tokens, special=()):
        tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(tokens)}, unk_token=tokens[-1]))
        tokenizer.add_special_tokens(list(special))
        return first_word(tokenizer), last_special(tokenizer)

    assert ends(["[PAD]", "[unused0]", "!", "[", "the", "##s", "of"]) == (4, 1)
    assert ends(["<s>", "<pad>", "</s>", "<unk>", ",", "▁the", "▁of", "<mask>"]) == (5, 3)
    assert ends(["BEGIN", "END", "the", "of"], special=["BEGIN", "END"]) == (2, 1)  # whatever they are called
    assert ends(["the", "of", "[CLS]", "[SEP]"]) == (0, 0)  # after the words they take no word's place
    assert first_word(toy_tokenizer(500)) == 5 and last_special(toy_tokenizer(500)) == 4
    assert ends(["a", "b"]) == (0, 0)


def test_a_smaller_vocabulary_spells_what_it_dropped(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"cats", "##c", "##a", "##t", "##s", "cat", "sat"]))
    tokenizer = wordpiece_tokenizer(path)
    words = token_words(tokenizer)
    small = reorder(tokenizer, np.array([i for i, word in enumerate(words) if word != "cat"]))
    assert small.get_vocab_size(with_added_tokens=True) == len(words) - 1
    assert small.encode("cat sat").tokens == ["[CLS]", "c", "##a", "##t", "sat", "[SEP]"]
