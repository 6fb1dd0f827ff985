"""Thin feed-forwards: parameters by hand, equal to the dense one in their limits, gradients, refusals, and they train."""

import copy
import math

import pytest
import torch
from torch import nn

from fourier_lab import RunConfig, SentenceEncoder, load_encoder, train
from fourier_lab.config import ModelConfig
from fourier_lab.embeddings.feed_forward_settings import LowRankSettings, MemorySettings, ReLUSettings, SiLUSettings
from fourier_lab.embeddings.fourier import GeGLU
from fourier_lab.embeddings.rivals.murmur import hash_words
from fourier_lab.errors import ConfigError
from fourier_lab.models.blocks import build_feed_forward
from fourier_lab.models.feed_forwards import LowRankFeedForward, MemoryFeedForward, ReLUFeedForward
from fourier_lab.models.losses import penalised_parts
from fourier_lab.models.sizes import count_by_formula

D, IDS = 8, torch.tensor([3, 3, 5, 7, 11])
X = torch.randn(5, D, generator=torch.Generator().manual_seed(0))
TINY = RunConfig(
    d_model=16, vocab_size=2000, steps=6, warmup_steps=1, batch_size=16, train_pairs=600, learning_rate=3e-3, threads=1
)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    "name, options, settings, held, computed",
    [
        ("silu", {}, SiLUSettings(), 2 * (8 * 8 + 8), 2 * (8 * 8 + 8)),
        ("relu", {"ratio": 2.0}, ReLUSettings(2.0), 8 * 16 + 16 + 16 * 8 + 8, 8 * 16 + 16 + 16 * 8 + 8),
        # 8 -> 2 x 16 through 3, and 16 -> 8 through 3, with biases
        ("low_rank", {"ratio": 2.0, "rank": 3}, LowRankSettings(2.0, 3), 3 * 40 + 32 + 3 * 24 + 8, 232),
        ("low_rank", {"ratio": 2.0, "rank": 3, "guided_steps": 4}, LowRankSettings(2.0, 3, 4), 232 + 3 * 8 * 16, 232),
        # 16 cells in 4 blocks; two blocks of 4 are read, after 4 scores of width 8
        ("memory", {"ratio": 2.0, "block": 4, "top": 2}, MemorySettings(2.0, 4, 2), 280, 2 * 8 * 8 + 8 + 8 + 32),
        (
            "memory", {"ratio": 2.0, "block": 4, "top": 2, "selector": "router"},
            MemorySettings(2.0, 4, 2, "router"), 280 + 32, 176,
        ),
        (
            "memory", {"ratio": 2.0, "block": 4, "top": 2, "selector": "ids"},
            MemorySettings(2.0, 4, 2, "ids"), 280, 144,
        ),
    ],
)  # fmt: skip
def test_parameters_are_those_derived_by_hand(name, options, settings, held, computed):
    model = ModelConfig("learned", 50, D, feed_forward=name, feed_forward_options=tuple(options.items()))
    built = build_feed_forward(model)
    assert count(built) == held == settings.parameters(D)
    assert settings.computed(D) == computed
    assert count_by_formula(model) == count(SentenceEncoder(model))


def test_products_of_full_rank_are_the_dense_feed_forward():
    torch.manual_seed(0)
    dense = GeGLU(D, 2 * D)
    torch.manual_seed(0)
    product = LowRankFeedForward(D, ratio=2.0, rank=D)
    torch.testing.assert_close(product(X), dense(X), atol=1e-5, rtol=1e-5)


def test_a_product_is_merged_into_an_equal_dense_feed_forward_and_starts_as_the_best_of_its_rank():
    torch.manual_seed(0)
    product = LowRankFeedForward(D, ratio=2.0, rank=3)
    torch.testing.assert_close(product.merged()(X), product(X), atol=1e-5, rtol=1e-5)
    torch.manual_seed(0)
    whole = GeGLU(D, 2 * D).w1.weight
    left_out = torch.linalg.svdvals(whole)[3:].square().sum().sqrt()
    torch.testing.assert_close((product.w1.matrix() - whole).norm(), left_out)


def test_guidance_starts_at_the_whole_matrix_and_ends_at_the_product():
    torch.manual_seed(0)
    guided = LowRankFeedForward(D, ratio=2.0, rank=2, guided_steps=2)
    torch.manual_seed(0)
    dense = GeGLU(D, 2 * D)(X)
    torch.manual_seed(0)
    product = LowRankFeedForward(D, ratio=2.0, rank=2)(X)
    torch.testing.assert_close(guided(X), dense)
    first = copy.deepcopy(guided)
    w1 = guided.w1  # half a cosine: 1, 1/2, 0
    torch.testing.assert_close(w1(X), (X @ w1.guide.T + X @ w1.matrix().T) / 2 + w1.bias)
    for _ in range(3):
        guided(X)
    torch.testing.assert_close(guided(X), product)
    resumed = LowRankFeedForward(D, ratio=2.0, rank=2, guided_steps=2)
    resumed.load_state_dict(guided.state_dict())
    torch.testing.assert_close(resumed(X), product)
    assert not torch.allclose(first.eval()(X), product)
    first(X)
    assert first.w1.step == 1  # scoring is no training step


@pytest.mark.parametrize("selector", ["average", "ids", "random"])
def test_a_memory_of_which_all_is_read_is_dense(selector):
    torch.manual_seed(0)
    memory = MemoryFeedForward(D, ratio=2.0, block=4, top=4, selector=selector)
    torch.manual_seed(0)
    dense = ReLUFeedForward(D, ratio=2.0)
    torch.testing.assert_close(memory(X, IDS), dense(X))


def test_a_memory_reads_the_blocks_whose_mean_key_fits_best():
    torch.manual_seed(0)
    memory = MemoryFeedForward(D, ratio=2.0, block=4, top=1)
    keys, values = memory.keys, memory.values
    for x, found in zip(X, memory(X), strict=True):
        means = [(x @ keys.weight[4 * i : 4 * i + 4].mean(0)).item() for i in range(4)]
        best = slice(4 * means.index(max(means)), 4 * means.index(max(means)) + 4)
        cells = torch.relu(keys.weight[best] @ x + keys.bias[best])
        torch.testing.assert_close(found, values.weight[:, best] @ cells + values.bias)


def test_ids_alone_choose_and_equal_ids_read_alike():
    torch.manual_seed(0)
    memory = MemoryFeedForward(D, ratio=2.0, block=1, top=4, selector="ids")
    same = memory(X[:1].expand(5, -1), IDS)
    assert torch.equal(same[0], same[1]) and len(same.unique(dim=0)) == 4
    ids = torch.arange(1000)
    exact = hash_words(ids, memory.n_blocks, seed=0)
    assert torch.equal(memory.scores(X.bfloat16(), ids).argsort(-1), exact.argsort(-1))  # in any precision


def test_a_router_weighs_what_was_read_and_pays_for_imbalance():
    torch.manual_seed(0)
    memory = MemoryFeedForward(D, ratio=2.0, block=4, top=1, selector="router")
    with torch.no_grad():
        memory.router.weight.zero_()
        memory.router.weight[2] = 100 * X[0]
        found = memory(X[:1])
    cells = torch.relu(
        memory.keys.weight[8:12] @ X[0] + memory.keys.bias[8:12]
    )  # all of the weight is on the third block
    torch.testing.assert_close(found[0], memory.values.weight[:, 8:12] @ cells + memory.values.bias)
    assert math.isclose(float(memory.penalty()), 0.01 * 4, rel_tol=1e-6)  # one of four blocks was read by all
    assert float(memory.penalty()) == 0  # asked for once
    assert penalised_parts(nn.Sequential(memory)) == [memory]


@pytest.mark.parametrize("selector", ["average", "router"])
def test_gradients_of_a_memory(selector):
    torch.manual_seed(0)
    memory = MemoryFeedForward(4, ratio=2.0, block=2, top=2, selector=selector).double()
    assert torch.autograd.gradcheck(memory, (X[:3, :4].double().requires_grad_(),))


@pytest.mark.parametrize(
    "name, options, told",
    [
        ("low_rank", {"rank": 17}, r"rank in 1\.\.16 .* got 17"),
        ("low_rank", {"guided_steps": -1}, "guided_steps from 0"),
        ("memory", {"block": 5}, "64 cells make no whole blocks of 5"),
        ("memory", {"block": 16, "top": 5}, "blocks of 16 of which 5 can be kept"),
        ("memory", {"block": 0}, "no whole blocks of 0"),
        ("memory", {"top": 1, "selector": "best"}, "selector must be one of average"),
        ("relu", {"ratio": 0.0}, "must be at least 1"),
    ],
)
def test_what_cannot_be_built_is_refused_by_the_settings(name, options, told):
    with pytest.raises(ConfigError, match=told):
        TINY.replace(feed_forward=name, feed_forward_options=options)


@pytest.mark.parametrize(
    "name, options",
    [
        ("low_rank", {"rank": 4, "guided_steps": 4}),
        ("memory", {"block": 4, "top": 2, "selector": "router"}),
        ("memory", {"block": 4, "top": 2, "selector": "ids"}),
    ],
)
def test_they_train_and_are_read_again(name, options, tmp_path):
    found = train(TINY.replace(feed_forward=name, feed_forward_options=options), runs=tmp_path)
    encoder = load_encoder(found.record.folder)
    sentences = ["the red dog runs", "a cat"]
    assert (encoder.encode(sentences) == found.encoder.encode(sentences)).all()
