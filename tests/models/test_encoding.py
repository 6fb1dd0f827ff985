"""Sentences as people have them become arrays: one or many, empty ones, and bad ones that name themselves."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models

from fourier_lab import ModelConfig, SentenceEncoder
from fourier_lab.errors import ConfigError, DataError
from fourier_lab.text.tokenizer import tokenize, toy_tokenizer

TOKENIZER = toy_tokenizer(500)
WORDS = [TOKENIZER.id_to_token(i) for i in range(10, 60)]
SENTENCES = [" ".join(WORDS[i : i + 1 + i % 9]) for i in range(40)]
torch.manual_seed(0)
ENCODER = SentenceEncoder(ModelConfig("fourier", 500, d_model=16), TOKENIZER).eval()


def without_ends():
    """An encoder whose tokenizer puts nothing around a sentence, and drops what it does not know."""
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1}, []))
    return SentenceEncoder(ModelConfig("learned", 2, d_model=8), tokenizer).eval()


@pytest.mark.parametrize("batch_size", [1, 7, 40, 4096])
def test_a_block_has_any_size(batch_size):
    expected = ENCODER.encode_ids(tokenize(TOKENIZER, SENTENCES, 128)).numpy()
    found = ENCODER.encode(SENTENCES, batch_size=batch_size)
    assert found.dtype == np.float32 and type(found) is np.ndarray
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


def test_no_more_than_a_block_is_tokenised_at_a_time(monkeypatch):
    sizes, encode_ids = [], SentenceEncoder.encode_ids
    monkeypatch.setattr(
        SentenceEncoder, "encode_ids", lambda self, rows: sizes.append(len(rows)) or encode_ids(self, rows)
    )
    ENCODER.encode(SENTENCES, batch_size=16)
    assert sizes == [16, 16, 8]


def test_one_sentence_is_one_vector():
    np.testing.assert_allclose(ENCODER.encode(SENTENCES[3]), ENCODER.encode(SENTENCES)[3], atol=1e-6)
    assert ENCODER.encode([]).shape == (0, 16) and ENCODER.encode(SENTENCES[:1]).shape == (1, 16)


def test_what_else_holds_sentences_is_read():
    expected = ENCODER.encode(SENTENCES)
    for given in (tuple(SENTENCES), np.array(SENTENCES), iter(SENTENCES)):
        np.testing.assert_array_equal(ENCODER.encode(given), expected)


def test_vectors_have_norm_one_if_asked():
    plain, unit = ENCODER.encode(SENTENCES), ENCODER.encode(SENTENCES, normalize=True)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(unit, plain / np.linalg.norm(plain, axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("nothing", ["", " \t\n"])
def test_the_empty_sentence_is_what_the_tokenizer_puts_around_every_sentence(nothing):
    ends = ENCODER.encode_ids([np.array(TOKENIZER.encode("").ids)])[0].numpy()
    found = ENCODER.encode([SENTENCES[0], nothing, SENTENCES[1]])
    np.testing.assert_allclose(found[1], ends, atol=1e-6)
    np.testing.assert_allclose(found[[0, 2]], ENCODER.encode(SENTENCES[:2]), atol=1e-6)


@pytest.mark.parametrize("normalize", [False, True])
def test_the_empty_sentence_is_zero_where_the_tokenizer_puts_nothing(normalize):
    found = without_ends().encode(["ab", "", "z", "a"], normalize=normalize)
    assert not found[1:3].any() and found[[0, 3]].any(axis=1).all()
    assert not without_ends().encode("").any()


@pytest.mark.parametrize(
    ("bad", "told"), [(None, "None"), (3.5, "3.5"), (float("nan"), "nan"), (b"a", "b'a'"), (["a"], r"\['a'\]")]
)
def test_a_bad_row_names_itself(bad, told):
    with pytest.raises(DataError, match=f"sentence 38 is {told}; every sentence must be text"):
        ENCODER.encode([*SENTENCES[:38], bad, "a"], batch_size=4)


def test_half_a_character_names_itself():
    with pytest.raises(DataError, match="sentence 1 .* half of a character"):
        ENCODER.encode(["a", "\ud83d"])


@pytest.mark.parametrize("given", [None, 3, b"a", {"a": 1}])
def test_what_is_no_list_of_sentences_is_refused(given):
    with pytest.raises(DataError, match="a sentence or a list of them"):
        ENCODER.encode(given)


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, True])
def test_a_block_has_at_least_one_sentence(batch_size):
    with pytest.raises(ConfigError, match="positive number of sentences"):
        ENCODER.encode(SENTENCES, batch_size=batch_size)


def test_progress_is_drawn_if_asked(capsys):
    ENCODER.encode(SENTENCES, show_progress=True)
    assert "40/40" in capsys.readouterr().err
    ENCODER.encode(SENTENCES)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("weights", ["none", "learned"])
@pytest.mark.parametrize("pooler", ["none", "tanh"])
def test_a_bag_is_the_mean_of_its_tokens(weights, pooler):
    torch.manual_seed(0)
    config = ModelConfig("fourier", 500, d_model=16, n_layers=0, token_weights=weights, pooler=pooler)
    bag = SentenceEncoder(config, TOKENIZER).eval()
    if bag.token_weights is not None:
        bag.token_weights.start(torch.rand(500))
    rows = tokenize(TOKENIZER, SENTENCES, 128)
    with torch.no_grad():
        expected = bag.encode_packed(bag.pack(rows))
        torch.testing.assert_close(bag.encode_ids(rows), expected)
        assert np.abs(bag.encode(SENTENCES, batch_size=7) - expected.numpy()).max() < 1e-6
        bag.embedding.norm.weight.mul_(2)  # no row outlives the weights that it is made of
        torch.testing.assert_close(bag.encode_ids(rows), bag.encode_packed(bag.pack(rows)))


def test_a_bag_refuses_what_an_encoder_refuses():
    bag = SentenceEncoder(ModelConfig("fourier", 500, d_model=16, n_layers=0, max_seq_len=8), TOKENIZER).eval()
    refused = {
        "500": ([500], ConfigError),
        "integers": ([1.5], ConfigError),
        "without tokens": (np.array([], dtype=int), DataError),
        "9 tokens": ([1] * 9, ConfigError),
    }
    for words, (ids, error) in refused.items():
        with pytest.raises(error, match=words):
            bag.encode_ids([[1], ids])
    for kind in (np.int32, np.uint8, np.uint16, np.uint64):
        torch.testing.assert_close(bag.encode_ids([np.array([5, 7], kind)]), bag.encode_ids([[5, 7]]))
    assert bag.encode_ids([]).shape == (0, 16) and bag.encode("").shape == (16,)
