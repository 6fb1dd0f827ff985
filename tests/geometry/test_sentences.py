"""Numbers of the sentence lab: what is read, what is not, and that every cosine is the one it claims to be."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fourier_lab import ModelConfig, RunConfig, RunRecord, SentenceEncoder
from fourier_lab.errors import ConfigError, DataError
from fourier_lab.geometry import sentences
from fourier_lab.text.tokenizer import tokenize, toy_tokenizer, wordpiece_tokenizer

V = 300
TOKENIZER = toy_tokenizer(V)
WORDS = [TOKENIZER.id_to_token(number) for number in range(10, 60)]
FIRST, SECOND = " ".join(WORDS[:4]), " ".join(WORDS[2:9])


def make_encoder(**changes):
    torch.manual_seed(0)
    shape = {"arm": "fourier", "vocab_size": V, "d_model": 16, "max_seq_len": 12, **changes}
    return SentenceEncoder(ModelConfig(**shape), toy_tokenizer(V)).eval()


ENCODER = make_encoder()


@pytest.fixture
def wordpiece(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text(
        "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "man", "play", "##s", "ש", "."]), encoding="utf-8"
    )
    return SentenceEncoder(ModelConfig("learned", 10, d_model=8), wordpiece_tokenizer(path))


def test_a_sentence_is_read_as_in_training():
    reading = sentences.read_sentence(ENCODER, FIRST)
    np.testing.assert_array_equal(reading.ids, tokenize(TOKENIZER, [FIRST], 12)[0])
    assert reading.tokens == ["[CLS]", *WORDS[:4], "[SEP]"]
    assert reading.content.tolist() == [False, True, True, True, True, False]
    assert reading.labels[1] == f"{WORDS[0]} 10" and len(reading.lines) == 1


def test_what_is_not_in_the_vocabulary_is_named_once(wordpiece):
    reading = sentences.read_sentence(wordpiece, "A man plays 😀 😀 مرحبا ש.")
    assert reading.unknown == ["😀", "مرحبا"]
    assert reading.tokens == ["[CLS]", "a", "man", "play", "##s", "[UNK]", "[UNK]", "[UNK]", "ש", ".", "[SEP]"]
    assert "read as [UNK]: 😀, مرحبا." in reading.lines[1]


def test_what_is_cut_is_counted():
    reading = sentences.read_sentence(ENCODER, " ".join(WORDS[:1] * 50))
    assert (len(reading.ids), reading.n_cut) == (12, 40)
    assert "Cut to 12 tokens (max_seq_len): 40 more are not read." in reading.lines


def test_huge_text_is_not_even_tokenised_to_its_end():
    reading = sentences.read_sentence(ENCODER, "x " * 500_000)
    assert reading.n_unread == 1_000_000 - sentences.MAX_CHARACTERS
    assert any("990,000 were not" in line for line in reading.lines)
    assert max(map(len, sentences.read_sentence(ENCODER, "x" * 1_000_000).lines)) < 200


@pytest.mark.parametrize("sentence", ["", "  \n", None, 3])
def test_no_text_is_refused(sentence):
    with pytest.raises(DataError, match="must be non-empty text.*Type at least one word"):
        sentences.read_sentence(ENCODER, sentence)


def test_text_without_a_token_is_refused(wordpiece):
    with pytest.raises(DataError, match="holds no token"):
        sentences.read_sentence(wordpiece, "\x00\x01")


def test_half_a_surrogate_pair_is_read_as_unknown(wordpiece):
    assert sentences.read_sentence(wordpiece, "man \ud83d").unknown == ["?"]


def test_an_encoder_without_tokenizer_is_named():
    with pytest.raises(ConfigError, match="tokenizer.json"):
        sentences.read_sentence(SentenceEncoder(ModelConfig("fourier", V, d_model=16)), "a")


@pytest.mark.parametrize("changes", [{}, {"arm": "learned"}, {"n_layers": 0}, {"departures": ("padding_mean",)}])
def test_token_cosines_are_those_of_the_states(changes):
    encoder = make_encoder(**changes)
    ids = [sentences.read_sentence(encoder, side).ids for side in (FIRST, SECOND)]
    table = encoder.embedding.to_table().weight.detach()
    expected = F.normalize(table[ids[0]], dim=1) @ F.normalize(table[ids[1]], dim=1).T
    found = sentences.token_similarity(encoder, FIRST, SECOND, "embeddings")
    np.testing.assert_allclose(found["cosine"].reshape(expected.shape), expected, atol=1e-5)
    last = sentences.token_similarity(encoder, FIRST, FIRST)
    np.testing.assert_allclose(last["cosine"].reshape(6, 6).diagonal(), 1, atol=1e-5)
    assert last["first"][6] == f"{WORDS[0]} 10" and last["row"][6] == 1 and last["column"][7] == 1


def test_the_last_layer_is_what_is_pooled():
    states = sentences.token_states(ENCODER, FIRST, "last layer")
    with torch.no_grad():
        pooled = torch.tanh(ENCODER.pooler(states.mean(0, keepdim=True)))
    np.testing.assert_allclose(pooled.numpy(), ENCODER.encode([FIRST]), atol=1e-5, rtol=0)
    assert not torch.allclose(states, sentences.token_states(ENCODER, FIRST, "embeddings"))
    with pytest.raises(ConfigError, match="unknown stage 'middle'"):
        sentences.token_states(ENCODER, FIRST, "middle")


def test_the_pooled_cosine_is_that_of_the_encoder():
    a, b = torch.from_numpy(ENCODER.encode([FIRST, SECOND]))
    found = sentences.pooled_cosine(ENCODER, FIRST, SECOND)
    assert found == pytest.approx(float(F.cosine_similarity(a, b, dim=0)), abs=1e-5)
    assert sentences.pooled_cosine(ENCODER, FIRST, FIRST) == pytest.approx(1)


def test_leaving_a_token_out_is_leaving_its_word_out():
    found = sentences.contributions(ENCODER, FIRST, SECOND)
    whole, expected = sentences.pooled_cosine(ENCODER, FIRST, SECOND), []
    for side, other in ((FIRST, SECOND), (SECOND, FIRST)):
        words = side.split()
        for place in range(len(words)):
            rest = " ".join(words[:place] + words[place + 1 :])
            expected.append(sentences.pooled_cosine(ENCODER, rest, other) - whole)
    np.testing.assert_allclose(found["change"], expected, atol=1e-5)
    assert found["series"].tolist() == ["first"] * 4 + ["second"] * 7
    assert found["place"].tolist() == [1, 2, 3, 4, *range(1, 8)]


def test_a_single_word_can_be_left_out():
    found = sentences.contributions(ENCODER, WORDS[0], WORDS[1])
    assert np.isfinite(found["change"]).all() and len(found["change"]) == 2


def record(folder, score, **settings):
    metrics = {"scores": {"validation": {"spearman": {"value": score}}}}
    return RunRecord(Path(folder), RunConfig(**settings), metrics, [])


def test_a_handful_takes_earlier_folders_then_the_best_of_each_series():
    english = {"corpus": "snli", "source": "folder"}
    records = {
        "shipped": record("shipped/a", 10, arm="learned", **english),
        "second": record("runs/b", 50, arm="learned", seed=1, **english),
        "best": record("runs/c", 70, arm="learned", seed=2, **english),
        "other": record("runs/d", 60, **english),
        "toy": record("runs/e", 90),
    }
    assert list(sentences.handful(records, 3)) == ["shipped", "best", "other", "toy"]
    assert list(sentences.handful(records)) == ["shipped", "best", "other", "second", "toy"]
