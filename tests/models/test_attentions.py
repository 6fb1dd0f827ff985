"""Local and linear attention: equal to what they are defined as, blind to padding and to what comes later, and trained."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fourier_lab import CausalLM, ModelConfig, RunConfig, SentenceEncoder, load_encoder, train
from fourier_lab.errors import ConfigError
from fourier_lab.models.attentions import FullAttention, LinearAttention, LocalAttention
from fourier_lab.models.blocks import count_parameters

LOCAL = {"attention": "local", "attention_options": (("window", 3),)}
LINEAR = {"attention": "linear"}


def qkv(length: int, width: int = 4) -> torch.Tensor:
    return torch.randn(3, 2, 2, length, width, generator=torch.Generator().manual_seed(length)).double()


def encoder(cls=SentenceEncoder, **settings):
    torch.manual_seed(0)
    return cls(
        ModelConfig(**{"arm": "learned", "vocab_size": 60, "d_model": 16, "n_layers": 2, "n_heads": 2, **settings})
    )


def places(length: int) -> torch.Tensor:
    """Return how far before the query each key lies, ``(length, length)``."""
    return torch.arange(length).unsqueeze(-1) - torch.arange(length)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("length, window", [(1, 1), (7, 1), (9, 3), (10, 3), (11, 4), (5, 5), (5, 9)])
def test_local_attention_is_full_attention_to_what_is_near(length, window, causal):
    q, k, v = qkv(length)
    bias = None if causal else torch.linspace(-1, 1, 2 * length).view(2, 1, 1, length).double()
    before = places(length)
    seen = (before < window) & (before >= 0 if causal else before > -window)
    scores = (q @ k.mT / 2 + (0 if bias is None else bias)).masked_fill(~seen, -math.inf)
    found = LocalAttention(8, window)(q, k, v, bias, causal)
    torch.testing.assert_close(found, scores.softmax(-1) @ v, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("length", [1, 7, 64, 130])
def test_linear_attention_weighs_by_its_kernel(length, causal):
    q, k, v = qkv(length)
    bias = torch.linspace(-1, 1, 2 * length).view(2, 1, 1, length).double()
    weights = (F.elu(q) + 1) @ (F.elu(k) + 1).mT * bias.exp()
    weights = weights.tril() if causal else weights
    found = LinearAttention(8)(q, k, v, bias, causal)
    torch.testing.assert_close(found, weights / weights.sum(-1, keepdim=True) @ v, atol=1e-12, rtol=1e-9)


def test_a_window_of_the_longest_sentence_is_full_attention():
    rows = [np.arange(n) for n in (3, 9, 9, 12)]
    full, local = encoder(), encoder(attention="local", attention_options=(("window", 12),))
    torch.testing.assert_close(local.encode_ids(rows), full.encode_ids(rows), atol=1e-6, rtol=0)
    narrow = encoder(**LOCAL).encode_ids(rows)
    assert torch.allclose(narrow[0], full.encode_ids(rows)[0], atol=1e-6) and not torch.allclose(
        narrow[3], local.encode_ids(rows)[3]
    )


@pytest.mark.parametrize("settings", [LOCAL, LINEAR])
def test_no_attention_has_parameters_and_padding_is_not_read(settings):
    built, plain = encoder(**settings), encoder()
    assert count_parameters(built) == count_parameters(plain) and built.state_dict().keys() == plain.state_dict().keys()
    ids = torch.arange(22).view(2, 11)
    mask = torch.arange(11) < torch.tensor([[5], [11]])
    found = built(ids, mask)
    torch.testing.assert_close(found[:1], built(ids[:1, :5]), atol=1e-6, rtol=0)
    torch.testing.assert_close(found[1:], built(ids[1:]), atol=1e-6, rtol=0)
    ids[0, 5:] = 59
    assert torch.equal(built(ids, mask), found)


@pytest.mark.parametrize("settings", [LOCAL, LINEAR])
def test_a_language_model_looks_back_alone_and_no_further_than_its_windows(settings):
    lm, ids = encoder(CausalLM, head="tied", **settings), torch.arange(18).view(2, 9)
    changed = ids.clone()
    changed[:, 5] += 30
    before, after = lm(ids), lm(changed)
    assert torch.equal(before[:, :5], after[:, :5])
    moved = (before - after).abs().amax((0, 2)) > 1e-5
    assert moved[5:].tolist() == [True] * 4  # two layers of a window of 3: 2 tokens back each
    if settings == LOCAL:
        early = ids.clone()
        early[:, 0] += 30
        moved = (before - lm(early)).abs().amax((0, 2)) > 1e-5
        assert moved.tolist() == [True] * 5 + [False] * 4


@pytest.mark.parametrize("attention", [LocalAttention(4, 2), LinearAttention(4)])
@pytest.mark.parametrize("causal", [False, True])
def test_gradients(attention, causal):
    q, k, v = (t[:1, :1] for t in qkv(5, 2).requires_grad_())
    assert torch.autograd.gradcheck(lambda *args: attention(*args, None, causal), (q, k, v))


def test_names_of_runs_stay_and_a_default_is_left_out():
    assert RunConfig(attention="full").digest() == RunConfig().digest()
    assert RunConfig(attention="local", attention_options={"window": 16}) == RunConfig(attention="local")
    assert len({RunConfig(attention=name).digest() for name in ("full", "local", "linear")}) == 3


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"attention": "fast"}, "attention must be one of full, local, linear"),
        (
            {"attention": "local", "attention_options": {"window": 0}},
            r"window \(0\) of local attention must be at least 1",
        ),
        ({"attention": "linear", "attention_options": {"window": 4}}, "attention 'linear' has no option window"),
        ({"attention": "local", "departures": ["padding_mean"]}, "no place for padding, .* Drop one"),
    ],
)
def test_what_cannot_be_built_is_refused(changes, told):
    with pytest.raises(ConfigError, match=told):
        RunConfig(**changes)


class Halved(FullAttention):
    """An attention that loses half of its values."""

    def forward(self, q, k, v, bias=None, causal=False):
        return super().forward(q, k, v[..., ::2], bias, causal)


def test_an_attention_of_ones_own_keeps_the_shape_of_values():
    with pytest.raises(
        ConfigError, match=r"must keep the shape of values, but turns \(2, 2, 3, 8\) into \(2, 2, 3, 4\)"
    ):
        encoder(attention=f"{__name__}:Halved")


def test_a_graph_of_padded_text_holds_full_attention_alone(tmp_path):
    pytest.importorskip("onnxscript")
    with pytest.raises(ConfigError, match="attention 'local' reads no padding"):
        encoder(**LOCAL).export(tmp_path / "model.onnx")


def test_they_train_and_are_read_again(tmp_path):
    config = RunConfig(
        d_model=16, vocab_size=2000, steps=6, warmup_steps=1, batch_size=16, train_pairs=600, threads=1, **LOCAL
    )
    found = train(config, runs=tmp_path)
    sentences = ["the red dog runs", "a cat"]
    assert (load_encoder(found.record.folder).encode(sentences) == found.encoder.encode(sentences)).all()


@pytest.mark.parametrize("attention", [FullAttention(4), LocalAttention(4, window=2)])
def test_bfloat16_on_a_processor_leaves_the_mixing_in_float32(attention):
    q, k, v = torch.randn(3, 2, 1, 5, 4)
    bias = torch.randn(2, 1, 1, 5)
    expected = attention(q, k, v, bias)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(attention(q, k, v, bias), expected)
        rounded = attention(*(t.bfloat16() for t in (q, k, v)), bias.bfloat16())
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, expected, atol=0.05, rtol=0.05)
