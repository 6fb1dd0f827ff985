"""Weights of tokens in attention, and layers side by side before the mean: plain at weights of one, else as defined."""

import sys

import numpy as np
import pytest
import torch

from fourier_lab import ModelConfig, RunConfig, SentenceEncoder, load_encoder, train
from fourier_lab.errors import ConfigError, MissingPackageError
from fourier_lab.evaluation.baselines import idf_weights
from fourier_lab.models.attentions import FullAttention, LinearAttention, LocalAttention
from fourier_lab.models.blocks import count_parameters
from fourier_lab.models.export import PaddedEncoder
from fourier_lab.models.sizes import count_by_formula
from fourier_lab.text.corpus import prepare
from fourier_lab.text.speech import CLASSES, parts_of_speech
from fourier_lab.text.tokenizer import token_words

V, D = 60, 16
ROWS = [np.arange(n) for n in (3, 9, 9, 12)]


def encoder(**settings):
    torch.manual_seed(0)
    return SentenceEncoder(
        ModelConfig(**{"arm": "learned", "vocab_size": V, "d_model": D, "n_layers": 2, "n_heads": 2, **settings})
    )


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        ({"attention_weights": "learned"}, V),
        ({"pooled_layers": "all"}, 2 * D * D),
        ({"token_weights": "idf", "attention_weights": "idf"}, 2 * V),
        ({"attention_weights": "speech"}, 12),
    ],
)
def test_parameters_are_those_derived_by_hand(settings, more):
    """A number for each id or part of speech, for all layers; a pooler that reads the embeddings and both layers."""
    built = encoder(**settings)
    assert count_parameters(built) == count_parameters(encoder()) + more == count_by_formula(built.config)


@pytest.mark.parametrize("attention", ["full", "local", "linear"])
@pytest.mark.parametrize("n_heads", [1, 2])
def test_weights_of_one_are_plain_attention(attention, n_heads):
    settings = {"attention": attention, "n_heads": n_heads}
    plain, weighted = encoder(**settings), encoder(attention_weights="learned", **settings)
    torch.testing.assert_close(weighted.encode_ids(ROWS), plain.encode_ids(ROWS), atol=1e-6, rtol=0)
    weighted.attention_weights.start(torch.rand(V) + 0.1)
    assert (weighted.encode_ids(ROWS) - plain.encode_ids(ROWS)).abs().max() > 1e-4


def test_a_heavy_token_is_all_that_the_others_read():
    built = encoder(attention_weights="learned", n_layers=1)
    packed = built.pack(ROWS[2:])
    attention, n = built.blocks[0].attention, len(packed.places)
    qkv = torch.randn(n, 3 * D, generator=torch.Generator().manual_seed(0))
    weights = torch.where(packed.token_ids == 4, 1e3, 0.0)
    cosine, sine = built.rotary[:, packed.positions].unsqueeze(2)
    found = attention(qkv, packed, cosine, sine, weights)
    read = [attention.out(qkv[start + 4, 2 * D :]) for start in (0, 9)]
    torch.testing.assert_close(
        found, torch.cat([each.expand(size, -1) for each, size in zip(read, (9, 12), strict=True)])
    )


@pytest.mark.parametrize("attention", [FullAttention(4), LocalAttention(4, 2), LinearAttention(4)])
def test_gradients_of_weights(attention):
    q, k, v = torch.randn(3, 1, 1, 5, 2, generator=torch.Generator().manual_seed(0)).double()
    bias = torch.linspace(-1, 1, 5).view(1, 1, 1, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda bias: attention(q, k, v, bias), (bias,))


def test_layers_side_by_side_are_the_last_one_where_the_pooler_reads_no_other():
    plain, all_layers = encoder(), encoder(pooled_layers="all")
    with torch.no_grad():
        all_layers.pooler.weight.zero_()
        all_layers.pooler.weight[:, 2 * D :] = plain.pooler.weight
        all_layers.pooler.bias.copy_(plain.pooler.bias)
    torch.testing.assert_close(all_layers.encode_ids(ROWS), plain.encode_ids(ROWS), atol=1e-6, rtol=0)
    with torch.no_grad():
        all_layers.pooler.weight[:, :D] = torch.eye(D)
    means = torch.stack([plain.embedding(torch.from_numpy(row)).mean(0) for row in ROWS])
    expected = torch.tanh(plain.encode_ids(ROWS).atanh() + means)
    torch.testing.assert_close(all_layers.encode_ids(ROWS), expected.detach(), atol=1e-5, rtol=1e-5)


def test_the_graph_of_padded_text_reads_neither_padding_nor_other_layers():
    built = encoder(attention_weights="learned", pooled_layers="all").eval()
    built.attention_weights.start(torch.rand(V) + 0.1)
    ids = torch.arange(22).view(2, 11)
    mask = (torch.arange(11) < torch.tensor([[5], [11]])).long()
    torch.testing.assert_close(PaddedEncoder(built)(ids, mask), built(ids, mask), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"attention_weights": "pos"}, "attention_weights must be one of none, learned, idf, speech"),
        ({"token_weights": "speech"}, "token_weights must be one of none, learned, idf"),
        (
            {"attention_weights": "idf", "departures": ["padding_mean"]},
            "attention_weights 'idf' weigh tokens, and the dep",
        ),
        ({"attention_weights": "learned", "n_layers": 0}, "in the layers of a sentence encoder, got n_layers 0"),
        ({"pooled_layers": "all", "pooler": "none"}, "a pooler that is one linear map, got pooler 'none'"),
        ({"pooled_layers": "all", "projections": "silu"}, "one linear map, got pooler 'tanh' and projections 'silu'"),
        ({"pooled_layers": "all", "objective": "language_model", "head": "tied"}, "a setting of sentence encoders"),
    ],
)
def test_what_cannot_be_built_is_refused(changes, told):
    with pytest.raises(ConfigError, match=told):
        RunConfig(**changes)


def test_idf_is_where_the_weights_start_and_training_moves_them(tmp_path):
    config = RunConfig(
        d_model=16, vocab_size=2000, steps=6, warmup_steps=1, batch_size=16, train_pairs=600, learning_rate=3e-3, threads=1,
        attention_weights="idf", pooled_layers="all",
    )  # fmt: skip
    found = train(config, runs=tmp_path)
    start = torch.from_numpy(idf_weights(prepare(config).train.sentences, 2000)).float().clamp(min=1e-3)
    ratio = found.encoder.attention_weights(torch.arange(2000)).detach() / start
    assert 0.5 < ratio.min() < 0.99 < 1.01 < ratio.max() < 2
    loaded = load_encoder(found.record.folder)
    assert (loaded.encode(["the red dog runs"]) == found.encoder.encode(["the red dog runs"])).all()
    assert RunConfig(attention_weights="none", pooled_layers="last").digest() == RunConfig().digest()


def test_tokens_of_a_class_share_their_weight():
    built = encoder(attention_weights="speech")
    by_id = encoder(attention_weights="learned")
    classes = torch.arange(V) % 12
    built.attention_weights.set_classes(classes)
    torch.testing.assert_close(built.encode_ids(ROWS), by_id.encode_ids(ROWS), atol=1e-6, rtol=0)  # all 1 at the start
    weights = torch.arange(1.0, 13.0)
    built.attention_weights.start(weights)
    by_id.attention_weights.start(weights[classes])
    torch.testing.assert_close(built.encode_ids(ROWS), by_id.encode_ids(ROWS), atol=1e-6, rtol=0)
    with pytest.raises(ConfigError, match=r"one class per token id, 60, got \(12,\)"):
        built.attention_weights.set_classes(classes[:12])


def test_a_run_knows_the_parts_of_speech_and_keeps_them(tmp_path):
    config = RunConfig(
        d_model=16, vocab_size=2000, steps=6, warmup_steps=1, batch_size=16, train_pairs=600, learning_rate=3e-3, threads=1,
        attention_weights="speech",
    )  # fmt: skip
    found = train(config, runs=tmp_path)
    tokens = token_words(prepare(config).tokenizer)
    classes = found.encoder.attention_weights.classes
    assert (classes.numpy() == parts_of_speech(tokens)).all()
    assert list(CLASSES)[classes[tokens.index("[CLS]")]] == "other"
    moved = found.encoder.attention_weights.logarithm != 0
    assert moved[list(CLASSES).index("noun")] and not moved[list(CLASSES).index("modal")], (
        "classes that occur are learned"
    )
    loaded = load_encoder(found.record.folder)
    assert (loaded.encode(["the red dog runs"]) == found.encoder.encode(["the red dog runs"])).all()


def test_the_package_is_asked_for_where_it_is_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "textblob.en", None)
    with pytest.raises(
        MissingPackageError, match=r"textblob, which is not installed. Write pip install 'fourier-lab\[speech\]'"
    ):
        parts_of_speech(["the"])
