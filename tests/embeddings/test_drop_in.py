"""What the embeddings take over from ``torch.nn.Embedding``, and what they refuse of it in a sentence."""

import pytest
import torch
from torch import nn

from fourier_lab import FourierEmbedding, LearnedEmbedding
from fourier_lab.errors import ConfigError

V, D = 503, 16
KINDS = pytest.mark.parametrize("kind", [FourierEmbedding, LearnedEmbedding])


@KINDS
@pytest.mark.parametrize("given, row", [(0, 0), (V - 1, V - 1), (-1, V - 1), (300, 300)])
def test_the_row_of_padding_is_zero_everywhere_and_gives_no_gradient(kind, given, row):
    layer, ids = kind(V, D, padding_idx=given), torch.tensor([[row, 44, row], [7, row, V // 2]])
    assert layer.padding_idx == nn.Embedding(V, D, padding_idx=given).padding_idx == row
    rows = {"train": layer(ids), "table": layer.to_table()(ids)}
    with torch.no_grad():
        rows |= {"first": layer.eval()(ids), "kept": layer(ids)}
    for way, found in rows.items():
        norms = found.norm(dim=-1)
        assert norms[ids == row].abs().max() == 0, way
        torch.testing.assert_close(norms[ids != row], torch.full((3,), D**0.5), atol=1e-2, rtol=0)
    assert layer.to_table().padding_idx == row
    layer.train()(torch.full((4,), row)).sum().backward()
    assert all(not weight.grad.any() for weight in layer.parameters() if weight.grad is not None)


def test_ids_that_a_small_type_cannot_tell_from_padding_keep_their_row():
    layer, ids = FourierEmbedding(V, D, padding_idx=300), torch.tensor([44], dtype=torch.uint8)  # 300 - 256
    torch.testing.assert_close(layer(ids), FourierEmbedding(V, D, padding_idx=None).norm(layer(ids)), atol=1e-3, rtol=0)
    assert layer(ids).norm() > 3


@torch.no_grad()
def test_a_change_of_padding_is_seen_by_the_kept_table():
    layer = FourierEmbedding(V, D).eval()
    assert layer(torch.tensor([5])).any()
    layer.padding_idx = 5
    assert not layer(torch.tensor([5])).any()


def test_padding_survives_tracing_export_and_compilation():
    layer, ids = FourierEmbedding(V, D, padding_idx=3), torch.arange(6)
    traced = torch.export.export(layer, (ids,)).module()
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    for other in (traced, compiled):
        torch.testing.assert_close(other(ids), layer(ids), atol=1e-6, rtol=0)


@KINDS
def test_device_and_type_of_the_weights(kind):
    layer = kind(V, D, dtype=torch.float64)
    assert {weight.dtype for weight in layer.parameters()} == {layer(torch.arange(3)).dtype} == {torch.float64}
    assert all(weight.is_meta for weight in kind(V, D, device="meta").parameters())
    if kind is LearnedEmbedding:  # nothing is taken up on the way there
        assert kind(10**9, 4096, device="meta").table.weight.shape == (10**9, 4096)


@KINDS
@pytest.mark.parametrize(
    "options, rule",
    [({"padding_idx": V}, rf"padding_idx \({V}\) must be an integer id in 0..{V - 1}"),
     ({"padding_idx": -V - 1}, "padding_idx"), ({"padding_idx": 1.0}, "padding_idx"), ({"padding_idx": True}, "padding_idx"),
     ({"dtype": torch.int64}, "dtype .* floating-point"), ({"dtype": "float32"}, "dtype .* floating-point"),
     ({"max_norm": 1.0}, r"has no max_norm \(got 1.0\)"), ({"sparse": True}, "has no sparse"),
     ({"scale_grad_by_freq": True}, "has no scale_grad_by_freq")],
)  # fmt: skip
def test_what_a_table_alone_can_do_is_refused(kind, options, rule):
    with pytest.raises(ConfigError, match=rule):
        kind(V, D, **options)


@KINDS
def test_the_defaults_of_a_table_are_taken_and_unknown_names_are_not(kind):
    kind(V, D, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False)
    with pytest.raises(TypeError, match="unexpected keyword argument 'padding'"):
        kind(V, D, padding=0)


def test_padding_given_by_place():
    with pytest.raises(ConfigError, match="given by name, padding_idx=0"):
        FourierEmbedding(V, D, 0)
    assert not LearnedEmbedding(V, D, 0)(torch.tensor([0])).any()


@KINDS
@pytest.mark.parametrize("ids", [[1, 2], (1,), 3, torch.arange(3).numpy()])
def test_ids_that_are_no_tensor_are_named(kind, ids):
    with pytest.raises(
        ConfigError, match=rf"must be a tensor of integers, got {type(ids).__name__}. Use torch.as_tensor"
    ):
        kind(V, D)(ids)
    kind(V, D)(torch.as_tensor(ids))


@KINDS
@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("wrap", [lambda layer: layer, nn.Sequential])
def test_scripting_is_refused_in_a_sentence_that_names_what_works(kind, wrap):
    with pytest.raises(ConfigError, match=rf"{kind.__name__} cannot be compiled by torch.jit.script.*to_table"):
        torch.jit.script(wrap(kind(V, D)))
    torch.jit.script(kind(V, D).to_table())
