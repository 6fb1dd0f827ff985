"""The encoder: hand-derived parameter counts, padding, rotary positions, gradients."""

import numpy as np
import pytest
import torch

from fourier_lab import ModelConfig, SentenceEncoder
from fourier_lab.errors import ConfigError, DataError
from fourier_lab.models.blocks import count_parameters, rotary_table, rotate
from fourier_lab.text.batches import pack

V = 30522
# PAPER, Table 1: arm, layers = heads, d_model, exact count.
TABLE_1 = [
    ("fourier", 1, 256, 1_184_256), ("learned", 1, 256, 8_932_096), ("fourier", 1, 512, 4_727_808),
    ("learned", 1, 512, 20_092_416), ("fourier", 2, 256, 2_236_672), ("learned", 2, 256, 9_984_512),
    ("fourier", 2, 512, 8_929_792), ("learned", 2, 512, 24_294_400),
]  # fmt: skip


def tiny(arm: str = "fourier", **changes) -> SentenceEncoder:
    torch.manual_seed(0)
    return SentenceEncoder(ModelConfig(**{"arm": arm, "vocab_size": 101, "d_model": 16, "n_heads": 2, **changes}))


def sentences(n: int = 9, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 101, length) for length in rng.integers(1, 12, n)]


@pytest.mark.parametrize(("arm", "layers", "d", "published"), TABLE_1)
def test_parameter_counts_of_table_1(arm, layers, d, published):
    """Each layer: QKV 3d²+3d, output d²+d, two norms 2d, GeGLU 8d²+8d and 4d²+d; pooler d²+d; embedding norm d."""
    layer = (3 * d * d + 3 * d) + (d * d + d) + 2 * d + (8 * d * d + 8 * d) + (4 * d * d + d)
    embedding = d + (d * d + d if arm == "fourier" else V * d)
    by_hand = layers * layer + (d * d + d) + embedding
    assert by_hand == published
    with torch.device("meta") if arm == "learned" else torch.device("cpu"):
        encoder = SentenceEncoder(ModelConfig(arm, V, d, n_layers=layers, n_heads=layers))
    assert count_parameters(encoder) == published


@pytest.mark.parametrize("arm", ["fourier", "learned"])
def test_padding_and_batch_order_do_not_change_an_embedding(arm):
    encoder, rows = tiny(arm, n_layers=2).eval(), sentences()
    together = encoder.encode_packed(pack(rows))
    alone = torch.cat([encoder.encode_packed(pack([row])) for row in rows])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)
    padded = torch.full((len(rows), 14), 77)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = torch.from_numpy(row)
    mask = torch.arange(14) < torch.tensor([len(row) for row in rows])[:, None]
    torch.testing.assert_close(encoder(padded, mask), together, atol=1e-6, rtol=0)
    order = torch.randperm(len(rows))
    torch.testing.assert_close(
        encoder.encode_packed(pack([rows[i] for i in order])), together[order], atol=1e-6, rtol=0
    )
    assert not torch.allclose(encoder(padded), together, atol=1e-3)  # without the mask, padding does count


@pytest.mark.parametrize("n_heads", [1, 2])
def test_attention_equals_torch_multi_head_attention(n_heads):
    encoder = tiny(n_heads=n_heads)
    block, row = encoder.blocks[0].attention, sentences(1)[0]
    packed = pack([row])
    x = encoder.embedding(packed.token_ids)
    reference = torch.nn.MultiheadAttention(16, n_heads, batch_first=True)
    reference.in_proj_weight.data, reference.in_proj_bias.data = block.qkv.weight.data, block.qkv.bias.data
    reference.out_proj.weight.data, reference.out_proj.bias.data = block.out.weight.data, block.out.bias.data
    angles = len(row), 1, 8 // n_heads
    still = torch.ones(angles), torch.zeros(angles)  # cosine 1, sine 0: no rotation
    expected = reference(x[None], x[None], x[None])[0][0]
    torch.testing.assert_close(block(block.project(x), packed, *still), expected, atol=1e-6, rtol=0)


def test_rotary_positions_keep_norms_and_are_relative():
    cosine, sine = rotary_table(64, 8)
    q, k = torch.randn(2, 8, dtype=torch.float64)
    turned = [rotate(q, cosine[i].double(), sine[i].double()) for i in range(64)]
    torch.testing.assert_close(torch.stack(turned).norm(dim=-1), q.norm().expand(64), atol=1e-6, rtol=0)

    def score(i: int, j: int) -> torch.Tensor:
        return turned[i] @ rotate(k, cosine[j].double(), sine[j].double())

    torch.testing.assert_close(score(3, 10), score(40, 47), atol=1e-6, rtol=0)
    assert abs(score(3, 10) - score(3, 11)) > 1e-3


@pytest.mark.parametrize("arm", ["fourier", "learned"])
def test_every_weight_has_a_gradient(arm):
    encoder = tiny(arm, n_layers=2)
    (encoder.encode_packed(pack(sentences(60))) * torch.randn(60, 16)).sum().backward()
    for name, weight in encoder.named_parameters():
        live = (weight.grad != 0).float().mean()
        assert live == 1 or (name == "embedding.table.weight" and live > 0.9), name


def test_word_order_matters_and_layers_are_optional():
    row = np.array([5, 9, 44, 2])
    assert (tiny().encode_packed(pack([row, row[::-1].copy()])).diff(dim=0).abs() > 1e-4).any()
    bag = tiny(n_layers=0)
    torch.testing.assert_close(*bag.encode_packed(pack([row, row[::-1].copy()])))


def test_encode_ids_equals_one_batch_and_restores_the_mode():
    encoder, rows = tiny(dropout=0.5), sentences(40)
    encoder.train()
    encoded = encoder.encode_ids(rows)
    assert encoder.training
    torch.testing.assert_close(encoded, encoder.eval().encode_packed(pack(rows)), atol=1e-6, rtol=0)


def test_bad_input_is_named():
    with pytest.raises(ConfigError, match=r"n_heads \(3\) must divide"):
        tiny(n_heads=3)
    with pytest.raises(ConfigError, match="max_seq_len"):
        tiny(max_seq_len=4).encode_packed(pack([np.arange(5)]))
    with pytest.raises(DataError, match="without tokens"):
        pack([np.array([], dtype=int)])
    with pytest.raises(ConfigError, match="must be integers, got float64"):
        tiny().encode_ids([np.array([3.7])])
    assert tiny().encode_ids([]).shape == (0, tiny().config.d_model)
    with pytest.raises(ConfigError, match="0..100"):
        tiny().encode_packed(pack([np.array([101])]))
    with pytest.raises(ConfigError, match="tokenizer"):
        tiny().encode(["a"])


IDS = torch.tensor([[5, 6, 7], [8, 9, 0]])


@pytest.mark.parametrize(
    ("ids", "mask", "rule"),
    [
        (IDS.float(), None, "integers.*float32"),
        (IDS.bool(), None, "integers.*bool"),
        (IDS[0], None, r"\(batch, seq\), got shape \(3,\)"),
        (IDS, torch.ones(2, 3), "mask must be bool .*float32"),
        (IDS, torch.ones(2, 2, dtype=torch.bool), r"shape \(2, 2\)"),
        (IDS, IDS > 5, "padding before a token"),
        (IDS, torch.tensor([[1, 1, 1], [1, 0, 1]]), "padding before a token"),
        (torch.zeros(1, 13, dtype=torch.int64), None, r"13 tokens, more than max_seq_len \(12\)"),
    ],
)
@pytest.mark.parametrize("departures", [(), ("padding_mean",)])
def test_bad_batches_are_named(ids, mask, rule, departures):
    with pytest.raises(ConfigError, match=rule):
        tiny(max_seq_len=12, departures=departures)(ids, mask)


def test_masks_may_be_integers():
    encoder = tiny().eval()
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    assert torch.equal(encoder(IDS, mask), encoder(IDS, mask.bool()))
