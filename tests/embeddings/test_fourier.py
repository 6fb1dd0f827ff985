"""Token embeddings as drop-in modules: values, caching, gradients, types, copies, compilation."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.func import functional_call, grad, jvp, vmap
from torch.nn.utils import prune

from fourier_lab import FourierEmbedding, LearnedEmbedding, fourier_basis
from fourier_lab.errors import ConfigError

V, D = 503, 16
MLPS = ["none", "linear", "geglu", "geglu_quarter"]


def make(**options) -> FourierEmbedding:
    torch.manual_seed(0)
    return FourierEmbedding(V, D, **options)


@pytest.mark.parametrize("mlp", MLPS)
@pytest.mark.parametrize("basis", ["fourier", "legendre"])
def test_formula(mlp, basis):
    layer, ids = make(mlp=mlp, basis=basis), torch.randint(0, V, (3, 5))
    t = layer.basis(ids)
    mixed = t if mlp == "none" else layer.mlp(t) + t
    expected = mixed / mixed.square().mean(-1, keepdim=True).sqrt()
    torch.testing.assert_close(layer(ids), expected, atol=1e-5, rtol=0)
    if basis == "fourier":
        torch.testing.assert_close(t, fourier_basis(ids, V, D))


def test_parameter_counts():
    counts = {mlp: sum(p.numel() for p in make(mlp=mlp).parameters()) for mlp in MLPS}
    geglu = lambda h: (2 * h * D + 2 * h) + (h * D + D)  # noqa: E731
    assert counts == {
        "none": D, "linear": D * D + 2 * D, "geglu": geglu(4 * D) + D, "geglu_quarter": geglu(D // 4) + D
    }  # fmt: skip
    assert geglu(4 * D) + D == 12 * D * D + 10 * D
    assert sum(p.numel() for p in LearnedEmbedding(V, D).parameters()) == V * D + D


@pytest.mark.parametrize("shape", [(), (7,), (2, 3), (2, 0), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
@pytest.mark.parametrize("kind", [FourierEmbedding, LearnedEmbedding, partial(FourierEmbedding, basis="legendre")])
def test_any_shape_and_integer_type(kind, shape, dtype):
    layer, ids = kind(V, D), torch.randint(0, 200, shape).to(dtype)
    for mode in (True, False):
        assert layer.train(mode)(ids).shape == (*shape, D)
    with torch.no_grad():
        assert layer.eval()(ids).shape == (*shape, D)


@pytest.mark.parametrize("mlp", MLPS)
def test_train_eval_table_and_compute_agree(mlp):
    layer, ids = make(mlp=mlp), torch.randint(0, V, (40, 3))
    trained = layer.train()(ids)
    with torch.no_grad():
        cached = layer.eval()(ids)
        again = layer(ids)
    table = layer.to_table()
    assert isinstance(table, nn.Embedding) and table.weight.shape == (V, D) and table.weight.requires_grad
    for other in (cached, again, table(ids), layer.compute(ids)):
        torch.testing.assert_close(trained, other, atol=1e-6, rtol=0)
    learned = LearnedEmbedding(V, D)
    torch.testing.assert_close(learned(ids), learned.to_table()(ids), atol=1e-6, rtol=0)


def change_by_data(layer):
    layer.mlp.weight.data[0, 0] += 1.0  # leaves version counters alone


def change_in_place(layer):
    layer.norm.weight.mul_(2.0)


def change_by_state_dict(layer):
    layer.load_state_dict({name: value + 0.1 for name, value in layer.state_dict().items()})


def change_by_replacement(layer):
    layer.mlp.weight = nn.Parameter(layer.mlp.weight * 2)


def change_by_mask(layer):
    layer.mlp.weight_mask[0] = 0.0


def change_of_period(layer):
    layer.period = 127


def change_by_adapter(layer):
    class Adapter(nn.Module):
        on = True

        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x) + 3 * self.on * x.flip(-1)

    layer.mlp = Adapter(layer.mlp)
    layer(torch.arange(V))
    layer.mlp.on = False
    layer.mlp.inner.bias += 1


def change_by_another_buffer(layer):
    layer.mlp.register_forward_hook(lambda module, inputs, output: 2 * output)
    layer.mlp.register_buffer("scale", torch.tensor(2.0))


@pytest.mark.parametrize(
    "change",
    [
        change_by_data,
        change_in_place,
        change_by_state_dict,
        change_by_replacement,
        change_by_mask,
        change_by_another_buffer,
        change_of_period,
        change_by_adapter,
    ],
)
@torch.no_grad()
def test_cache_is_never_stale(change):
    layer, ids = make().eval(), torch.arange(V)
    if change is change_by_mask:
        prune.identity(layer.mlp, "weight")
    before = layer(ids)
    change(layer)
    assert not torch.equal(layer(ids), before)
    torch.testing.assert_close(layer(ids), layer.compute(ids), atol=1e-6, rtol=0)


@torch.no_grad()
def test_cache_serves_repeated_lookups(monkeypatch):
    layer, ids = make().eval(), torch.arange(9)
    layer(ids)
    monkeypatch.setattr(layer, "compute", lambda ids: pytest.fail("computed again"))
    layer(ids)


@pytest.mark.parametrize("options", [{}, {"frequencies": "random"}, {"basis": "legendre"}])
def test_a_model_built_without_memory_and_then_loaded_has_the_same_rows(options):
    layer, ids = make(**options), torch.arange(V)
    with torch.device("meta"):
        empty, assigned = (FourierEmbedding(V, D, **options) for _ in range(2))
    empty = empty.to_empty(device="cpu")
    empty.load_state_dict(layer.state_dict())
    assigned.load_state_dict(layer.state_dict(), assign=True)
    torch.testing.assert_close(empty(ids), layer(ids), atol=0, rtol=0)
    torch.testing.assert_close(assigned(ids), layer(ids), atol=0, rtol=0)
    assert layer.to("meta")(ids.to("meta")).shape == (V, D)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # torch's own, at its first dual number
@pytest.mark.parametrize("warm", [False, True])
@torch.no_grad()
def test_transforms_see_the_weights_and_leave_no_trace(warm):
    layer, ids = make().eval(), torch.arange(9)
    weights, expected = dict(layer.named_parameters()), layer.compute(ids)
    if warm:
        layer(ids)

    def rows(parameters):
        return functional_call(layer, parameters, (ids,))

    tangents = {name: torch.ones_like(value) for name, value in weights.items()}
    step = 1e-3
    moved = rows({name: value + step * tangents[name] for name, value in weights.items()})
    torch.testing.assert_close(jvp(rows, (weights,), (tangents,))[1], (moved - expected) / step, atol=2e-2, rtol=0)
    with forward_ad.dual_level():
        dual = {name: forward_ad.make_dual(value, tangents[name]) for name, value in weights.items()}
        assert forward_ad.unpack_dual(rows(dual)).tangent is not None
    stacked = {name: torch.stack([value, value]) for name, value in weights.items()}
    torch.testing.assert_close(vmap(rows)(stacked), torch.stack([expected] * 2))
    torch.testing.assert_close(vmap(layer)(ids.view(3, 3)), expected.view(3, 3, D))
    torch.testing.assert_close(layer(ids), expected)


def test_gradients_per_sample():
    layer, ids = make(), torch.arange(12).view(4, 3)

    def loss(parameters, row):
        return functional_call(layer, parameters, (row,)).pow(3).sum()

    each = vmap(grad(loss), (None, 0))({name: p.detach() for name, p in layer.named_parameters()}, ids)
    layer(ids).pow(3).sum().backward()
    for name, parameter in layer.named_parameters():
        torch.testing.assert_close(each[name].sum(0), parameter.grad, atol=1e-4, rtol=1e-4)


def test_a_layer_says_what_its_rows_depend_on():
    assert repr(make(frequencies="random", frequency_seed=3)).startswith(
        "FourierEmbedding(\n  503, 16, random, seed=3, period=502"
    )
    assert "custom" in repr(FourierEmbedding(V, 4, frequencies=torch.tensor([1, 9])))


@torch.no_grad()
def test_replicas_keep_no_table(monkeypatch):
    layer, ids = make().eval(), torch.arange(9)
    expected, replica = layer(ids), layer._replicate_for_data_parallel()
    monkeypatch.setattr(replica, "_current_table", lambda: pytest.fail("kept a table"))
    torch.testing.assert_close(replica(ids), expected, atol=1e-6, rtol=0)


@torch.no_grad()
def test_tables_are_exact_under_autocast():
    layer = make().eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer.to_table().weight, layer(torch.arange(V)))


def test_eval_mode_still_has_gradients_when_asked():
    layer = make().eval()
    with torch.no_grad():
        layer(torch.arange(3))
    layer(torch.arange(3)).sum().backward()
    assert layer.mlp.weight.grad.abs().sum() > 0


def test_gradient_equals_one_evaluation_per_position():
    layer, ids = make(), torch.randint(0, 20, (50,))
    direction = torch.randn(50, D)
    gradients = []
    for forward in (layer, layer.compute):
        layer.zero_grad()
        (forward(ids) * direction).sum().backward()
        gradients.append([p.grad.clone() for p in layer.parameters()])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


def test_state_dict_copy_pickle_and_types():
    layer, ids = make(frequencies="random", frequency_seed=3), torch.tensor([0, 5, V - 1])
    with torch.no_grad():
        expected = layer.eval()(ids)
    assert set(layer.state_dict()) == {"_extra_state", "mlp.weight", "mlp.bias", "norm.weight"}
    fresh = make(frequencies="random", frequency_seed=3)
    fresh.load_state_dict(layer.state_dict())
    for other in (fresh, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(other(ids), expected, atol=1e-6, rtol=0)
    half = copy.deepcopy(layer).to(torch.bfloat16)
    assert half(ids).dtype == torch.bfloat16 and half.frequencies.dtype == torch.int64
    torch.testing.assert_close(half(ids).float(), expected, atol=0.1, rtol=0)
    double = copy.deepcopy(layer).to("cpu", torch.float64)
    assert double(ids).dtype == torch.float64


def test_low_precision_keeps_neighbouring_ids_apart():
    """bfloat16 cannot hold ids above 256; computed ids must not pass through it."""
    v = 30522
    layer = FourierEmbedding(v, 64, frequencies="random").to(torch.bfloat16)
    rows = layer(torch.tensor([30000, 30001]))
    assert not torch.equal(rows[0], rows[1])
    plain, ids = FourierEmbedding(v, 64, frequencies="random"), torch.tensor([30000, 30001])
    with torch.autocast("cpu", torch.bfloat16):
        low = plain(ids).float()
    torch.testing.assert_close(low, plain.compute(ids), atol=0.05, rtol=0)


def test_compiles():
    layer, ids = make(), torch.randint(0, V, (6,))
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(ids), layer(ids), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", [FourierEmbedding, LearnedEmbedding])
@pytest.mark.parametrize(
    ("ids", "rule"),
    [
        ([V], rf"0\.\.{V - 1}"),
        ([-1], "-1"),
        ([0.5], "integers"),
        ([True], "integers"),
        (torch.tensor([1]).to(torch.uint64), "uint64"),
    ],
)
def test_bad_ids_are_named(kind, ids, rule):
    with pytest.raises(ConfigError, match=rule):
        kind(V, D)(torch.as_tensor(ids))


@pytest.mark.parametrize(
    ("options", "rule"),
    [({"mlp": "deep"}, "unknown mlp 'deep'"), ({"basis": "bessel"}, "unknown basis"), ({"period": -3}, "period"),
     ({"period": 9.5}, "period"), ({"basis": "legendre", "period": V}, "vocab_size - 1"),
     ({"frequencies": "square"}, "frequency set must be one of"), ({"frequencies": 0}, "a list of frequencies needs"),
     ({"frequencies": [2**64, *range(1, 8)]}, "distinct integers"), ({"period": 2**31}, "Stay below 2\\^30 ids")],
)  # fmt: skip
def test_bad_options_are_named(options, rule):
    with pytest.raises(ConfigError, match=rule):
        make(**options)


@pytest.mark.parametrize("sizes", [(1.5, 4), (503, 4.0), (503, 0), (503, -2), (True, 4), (0, 4), ("9", 4)])
@pytest.mark.parametrize("kind", [FourierEmbedding, LearnedEmbedding])
def test_bad_sizes_are_named(kind, sizes):
    with pytest.raises(ConfigError, match=r"\(\S+\) must be .*integer"):
        kind(*sizes)


def test_polynomials_read_no_frequencies():
    assert FourierEmbedding(9, 16, "random", "legendre")(torch.arange(9)).shape == (9, 16)
    assert FourierEmbedding(np.int64(9), np.int64(4), np.array([1, 3]))(torch.arange(9)).shape == (9, 4)
