"""Codes of the spelling are what their papers' formulas say, and follow the words of a tokenizer wherever weights go."""

import numpy as np
import pytest
import torch
from scipy.stats import zscore

import fourier_lab as fl
from fourier_lab import RunConfig
from fourier_lab.embeddings.interface import rows_of
from fourier_lab.embeddings.rivals.spelling import (
    ByteWavesEmbedding,
    KroneckerEmbedding,
    NgramsEmbedding,
    SpellingEmbedding,
    fnv_hash,
)
from fourier_lab.errors import ConfigError, RecordError
from fourier_lab.study import bake_off
from fourier_lab.text.tokenizer import token_words, toy_tokenizer

WORDS = ["[PAD]", "cat", "cats", "act", "##s", "naïve", "incomprehensibilities", "a"]
V, D = len(WORDS), 8
IDS = torch.arange(V)
KINDS = {"byte_waves": ByteWavesEmbedding, "kronecker": KroneckerEmbedding, "ngrams": NgramsEmbedding}


def with_words(kind, words=WORDS, d=D, **settings):
    torch.manual_seed(0)
    embedding = kind(len(words), d, **settings)
    embedding.set_words(words)
    return embedding


def test_byte_waves_are_bound_phases_bundled_over_the_bytes():
    embedding = with_words(ByteWavesEmbedding, n_phases=5, seed=3)
    a, b = np.random.default_rng(3).uniform(-np.pi, np.pi, (2, 5))
    for word, row in zip(WORDS, embedding.rows(IDS).detach().numpy(), strict=True):
        spelled = word.encode()
        code = sum(np.exp(1j * a * byte) * np.exp(1j * b * place) for place, byte in enumerate(spelled))
        code *= np.sqrt(2 / len(spelled))
        expected = np.concatenate([code.real, code.imag]) @ embedding.map.detach().numpy()
        np.testing.assert_allclose(row, expected, atol=1e-5)


def test_byte_waves_without_a_map_are_the_code_and_words_of_like_spelling_are_alike():
    embedding = with_words(ByteWavesEmbedding, d=4096, n_phases=2048, mapped=False)
    assert [name for name, _ in embedding.named_parameters()] == ["norm.weight"]
    code = embedding.rows(IDS).double()
    alike = torch.nn.functional.cosine_similarity(code[1], code, dim=-1)
    # Bytes that two words share at the same place, over the root of the product of their lengths.
    assert alike[2].item() == pytest.approx(3 / 12**0.5, abs=0.05) and alike[3].item() == pytest.approx(1 / 3, abs=0.05)
    assert torch.allclose(code.square().mean(-1), torch.ones(V).double(), atol=0.1)


def test_kronecker_is_the_z_normalised_product_of_one_hot_codes_under_a_map():
    embedding = with_words(KroneckerEmbedding, positions=6)
    for word, row in zip(WORDS, embedding.rows(IDS).detach().numpy(), strict=True):
        spelled = word.encode()[:6]
        code = np.zeros((256, 6))
        for place, byte in enumerate(spelled):
            code += np.outer(np.eye(256)[byte], np.eye(6)[place]) / np.sqrt(len(spelled))
        expected = zscore(code.T.flatten()) @ embedding.map.detach().numpy()
        np.testing.assert_allclose(row, expected, atol=1e-4)


def test_ngrams_are_those_of_fasttext_in_shared_rows():
    embedding = with_words(NgramsEmbedding, buckets=50, shortest=3, longest=4)
    grams = {"cat": ["<ca", "cat", "at>", "<cat", "cat>", "<cat>"], "a": ["<a>"]}
    grams["naïve"] = [*["<na", "naï", "aïv", "ïve", "ve>"], *["<naï", "naïv", "aïve", "ïve>"], "<naïve>"]
    for word, parts in grams.items():
        row = embedding.rows(IDS[[WORDS.index(word)]])[0]
        expected = sum(embedding.table[fnv_hash(part) % 50] for part in parts) / len(parts) ** 0.5
        torch.testing.assert_close(row, expected)


@pytest.mark.parametrize(
    "text, value",  # FNV's own test vectors
    [("", 0x811C9DC5), ("a", 0xE40C292C), ("foobar", 0xBF9CF968)],
)
def test_the_hash_is_fnv_1a(text, value):
    assert fnv_hash(text) == value


def test_bytes_beyond_ascii_are_signed_in_the_hash_as_in_fasttext():
    value = 0x811C9DC5
    for byte in (0xFFFFFFC3, 0xFFFFFFA9):
        value = ((value ^ byte) * 0x01000193) % 2**32
    assert fnv_hash("é") == value


@pytest.mark.parametrize("kind", KINDS.values())
def test_rows_follow_the_spelling_and_not_the_id(kind):
    moved = [WORDS[i] for i in (3, 0, 7, 5, 1, 2, 6, 4)]
    first, other = with_words(kind), with_words(kind, moved)
    assert issubclass(kind, SpellingEmbedding)
    torch.testing.assert_close(rows_of(other), rows_of(first)[[WORDS.index(word) for word in moved]])


@pytest.mark.parametrize("kind", KINDS.values())
def test_without_words_or_with_others_nothing_is_computed(kind):
    embedding = kind(V, D)
    with pytest.raises(ConfigError, match="does not know yet how its ids are spelled.*set_words"):
        embedding(IDS)
    with pytest.raises(ConfigError, match=f"has {V} ids but was given 3 words"):
        embedding.set_words(["a", "b", "c"])
    weights = with_words(kind).state_dict()
    for other in (embedding, with_words(kind, WORDS[::-1])):
        with pytest.raises(RecordError, match=r"with .*words \w{12}.*; this one has .*words (\w{12}|not known)"):
            other.load_state_dict(weights)


@pytest.mark.parametrize("name", KINDS)
def test_words_come_with_the_tokenizer_and_stay_through_saving(name, tmp_path):
    config = RunConfig(
        arm=name, vocab_size=500, d_model=16, batch_size=16, steps=4, warmup_steps=1, threads=1, train_pairs=64
    )
    result = fl.train(config, runs=tmp_path)
    told = rows_of(result.encoder.embedding)
    by_hand = KINDS[name](500, 16)
    by_hand.set_words(token_words(toy_tokenizer(500)))
    by_hand.load_state_dict(result.encoder.embedding.state_dict())
    torch.testing.assert_close(rows_of(by_hand), told)
    torch.testing.assert_close(rows_of(fl.load_encoder(result.record.folder).embedding), told)
    folder = result.encoder.save_pretrained(tmp_path / "saved")
    torch.testing.assert_close(rows_of(fl.SentenceEncoder.from_pretrained(folder).embedding), told)
    assert bake_off.family(config) == "code of the spelling"


@pytest.mark.parametrize("kind", KINDS.values())
def test_a_graph_without_sizes_that_depend_on_ids_gives_the_same_rows(kind):
    embedding = with_words(kind)
    ids = torch.tensor([3, 0, 6, 3])

    class Rows(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = embedding

        def forward(self, token_ids):
            return self.embedding.rows(token_ids)

    graph = torch.export.export(Rows(), (ids,), dynamic_shapes=({0: torch.export.Dim("n")},)).module()
    torch.testing.assert_close(graph(IDS), embedding.rows(IDS))
