"""Prompts in attention: what they are defined as, how they split, and what they leave alone."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fourier_lab import ModelConfig, SentenceEncoder
from fourier_lab.errors import ConfigError
from fourier_lab.models.blocks import count_parameters
from fourier_lab.models.prompts import ApproximatedPromptAttention, PromptAttention
from fourier_lab.models.sizes import count_by_formula

SHAPE = {"arm": "learned", "vocab_size": 60, "d_model": 16, "n_layers": 2, "n_heads": 2}
ROWS = [np.arange(n) for n in (3, 9, 12)]


def drawn(cls, heads: int, prompts: int = 5, length: int = 7, width: int = 4):
    """Return an attention whose values are not 0, and queries, keys and values for it, in float64."""
    torch.manual_seed(0)
    layer = cls(heads * width, prompts).double()
    torch.nn.init.normal_(layer.values)
    return layer, torch.randn(3, 2, heads, length, width).double()


def encoder(**settings):
    torch.manual_seed(0)
    return SentenceEncoder(ModelConfig(**SHAPE, **settings))


@pytest.mark.parametrize("heads", [1, 2])
@torch.no_grad()
def test_attention_to_prompts_splits_into_two_independent_ones(heads):
    layer, (q, k, v) = drawn(PromptAttention, heads)
    keys = layer.keys.view(5, heads, 4).transpose(0, 1)  # by hand: one softmax over prompts and tokens
    values = layer.values.view(5, heads, 4).transpose(0, 1)
    scores = torch.cat((q @ keys.mT, q @ k.mT), dim=-1) / 2
    weights = scores.softmax(-1)
    whole = weights[..., :5] @ values + weights[..., 5:] @ v
    torch.testing.assert_close(layer(q, k, v), whole, atol=1e-12, rtol=0)
    share, tokens = layer.share(q, k), F.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(share, weights[..., 5:].sum(-1, keepdim=True), atol=1e-12, rtol=0)
    prompted = (q @ keys.mT / 2).softmax(-1) @ values
    torch.testing.assert_close(share * tokens + (1 - share) * prompted, layer(q, k, v), atol=1e-6, rtol=0)
    approximated, same = drawn(ApproximatedPromptAttention, heads)
    assert torch.equal(same[0], q)
    torch.testing.assert_close(approximated(q, k, v), tokens + prompted, atol=1e-12, rtol=0)


@torch.no_grad()
def test_prompts_equal_to_the_tokens_change_nothing_and_take_half():
    layer, (q, k, v) = drawn(PromptAttention, heads=2)
    q, k, v = (t[:1, :, :5] for t in (q, k, v))
    for prompts, tokens in ((layer.keys, k), (layer.values, v)):
        prompts.copy_(tokens[0].transpose(0, 1).flatten(1))
    torch.testing.assert_close(layer(q, k, v), F.scaled_dot_product_attention(q, k, v), atol=1e-12, rtol=0)
    torch.testing.assert_close(layer.share(q, k), torch.full((1, 2, 5, 1), 0.5).double(), atol=1e-12, rtol=0)


@torch.no_grad()
def test_weights_of_tokens_leave_prompts_alone():
    layer, (q, k, v) = drawn(PromptAttention, heads=2)
    bias = torch.linspace(-1, 1, 14).view(2, 1, 1, 7).double()
    raised = layer(q, k, v, bias + 1e3)  # tokens so heavy that prompts hold nothing
    torch.testing.assert_close(raised, F.scaled_dot_product_attention(q, k, v, bias), atol=1e-9, rtol=0)
    assert not torch.allclose(layer(q, k, v, bias), raised)


@pytest.mark.parametrize("cls", [PromptAttention, ApproximatedPromptAttention])
def test_gradients_of_prompts_are_those_of_differences(cls):
    layer, (q, k, v) = drawn(cls, heads=2, prompts=2, length=3)

    def mixed(keys, values):
        return torch.func.functional_call(layer, {"keys": keys, "values": values}, (q, k, v))

    assert torch.autograd.gradcheck(mixed, (layer.keys, layer.values))


def test_approximated_prompts_start_as_plain_attention_and_count_two_numbers_a_place():
    plain, apt = encoder(), encoder(attention="apt", attention_options=(("prompts", 3),))
    more = {name: value for name, value in apt.state_dict().items() if name not in plain.state_dict()}
    assert {name: tuple(value.shape) for name, value in more.items()} == {
        f"blocks.{layer}.attention.mix.{part}": (3, 16) for layer in (0, 1) for part in ("keys", "values")
    }
    assert count_parameters(apt) == count_parameters(plain) + 2 * 2 * 3 * 16 == count_by_formula(apt.config)
    apt.load_state_dict(plain.state_dict() | more)
    torch.testing.assert_close(apt.encode_ids(ROWS), plain.encode_ids(ROWS), atol=1e-6, rtol=0)
    prompted = encoder(attention="prompts", attention_options=(("prompts", 3),))
    prompted.load_state_dict(plain.state_dict() | more)
    assert not torch.allclose(prompted.encode_ids(ROWS), plain.encode_ids(ROWS), atol=1e-3)  # they hold a share


@pytest.mark.parametrize("name", ["prompts", "apt"])
def test_an_encoder_with_prompts_is_saved_and_loaded(name, tmp_path):
    from fourier_lab.text.tokenizer import toy_tokenizer

    torch.manual_seed(0)
    config = ModelConfig("learned", 500, 16, n_heads=2, attention=name, attention_options=(("prompts", 3),))
    saved = SentenceEncoder(config, toy_tokenizer(500)).eval()
    for block in saved.blocks:
        torch.nn.init.normal_(block.attention.mix.values)
    saved.save_pretrained(tmp_path)
    again = SentenceEncoder.from_pretrained(tmp_path)
    assert again.config == config and torch.equal(again.encode_ids(ROWS), saved.encode_ids(ROWS))


@pytest.mark.parametrize("name", ["prompts", "apt"])
def test_prompts_that_cannot_be_are_refused(name):
    with pytest.raises(ConfigError, match=f"attention '{name}' has learned keys.*language model"):
        ModelConfig(**SHAPE, attention=name, head="tied")
    with pytest.raises(ConfigError, match=r"prompts \(0\) must be at least 1"):
        ModelConfig(**SHAPE, attention=name, attention_options=(("prompts", 0),))
