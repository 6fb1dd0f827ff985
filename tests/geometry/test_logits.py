"""The waves of a computed head add up to its logits, the strongest first."""

import numpy as np
import pytest
import torch

from fourier_lab import CausalLM, FourierHead, ModelConfig
from fourier_lab.columns import where
from fourier_lab.errors import ConfigError
from fourier_lab.geometry.logits import logit_columns, next_words, wave_columns
from fourier_lab.text.tokenizer import toy_tokenizer

V, D, K = 200, 16, 12


@pytest.fixture(scope="module")
def head():
    torch.manual_seed(0)
    head = FourierHead(V, D, n_frequencies=K)
    torch.nn.init.normal_(head.bias)
    return head


@pytest.fixture(scope="module")
def state():
    return torch.randn(D, generator=torch.Generator().manual_seed(1))


def test_all_waves_are_the_logits_and_none_leaves_the_bias(head, state):
    curves = logit_columns(head, state, [K, 0])
    assert curves["series"][[0, -1]].tolist() == ["12 waves", "0 waves"]
    logits = head.logits(state).detach().numpy()
    assert np.allclose(where(curves, "waves", K)["logit"], logits, atol=1e-5)
    assert np.allclose(where(curves, "waves", 0)["logit"], head.bias.detach().numpy(), atol=1e-6)
    shares = where(curves, "waves", K)["probability"]
    assert shares.sum() == pytest.approx(1, abs=1e-5) and np.allclose(
        np.log(shares), logits - np.logaddexp.reduce(logits), atol=1e-4
    )


def test_waves_come_in_order_of_their_strength(head, state):
    strengths = wave_columns(head, state)
    assert strengths["frequency"].tolist() == sorted(head.frequencies.tolist())
    falling = np.sort(strengths["nats"])[::-1]
    for n in (0, 4, K - 1):
        curves = logit_columns(head, state, [n + 1, n])
        added = where(curves, "waves", n + 1)["logit"] - where(curves, "waves", n)["logit"]
        assert np.abs(added).max() == pytest.approx(falling[n], rel=0.02)  # the crest of a wave lies near an id
        assert np.abs(added).max() <= falling[n] + 1e-5


def test_more_waves_than_there_are_is_refused(head, state):
    with pytest.raises(ConfigError, match=r"13 waves of 12 .* Choose from 0 to 12"):
        logit_columns(head, state, [13])


def test_next_words_are_those_of_the_softmax():
    torch.manual_seed(0)
    tokenizer = toy_tokenizer(V)
    model = CausalLM(ModelConfig("learned", V, D, head="tied", max_seq_len=4), tokenizer)
    word = tokenizer.id_to_token(10)
    found = next_words({"one": model, "same": model}, word, 3)
    shares = model(torch.tensor([[10]]))[0, -1].softmax(-1).detach()
    assert found["series"].tolist() == ["one"] * 3 + ["same"] * 3
    assert np.allclose(found["probability"][:3], shares.topk(3).values, atol=1e-6)
    assert found["word"][:3].tolist() == [tokenizer.decode([int(i)]) for i in shares.topk(3).indices]
