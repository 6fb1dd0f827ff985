"""Weights know which rows they give: those of another vocabulary, period, basis, frequency set or seed are refused."""

import re
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_model, save_model
from torch import nn

from fourier_lab import FourierEmbedding, ModelConfig, SentenceEncoder, load_encoder, paths
from fourier_lab.errors import RecordError

V, D = 503, 16
RANDOM = {"frequencies": "random", "frequency_seed": 3}
KEY = "_extra_state"


def make(num_embeddings=V, embedding_dim=D, **options) -> FourierEmbedding:
    torch.manual_seed(0)
    return FourierEmbedding(num_embeddings, embedding_dim, **options)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("wrap", [lambda layer: layer, nn.Sequential])
@pytest.mark.parametrize(
    "first, second, both",
    [
        ({}, {"num_embeddings": 600}, ("503 ids", "600 ids")),
        ({}, {"period": 127}, ("period 502", "period 127")),
        ({}, RANDOM, ("harmonic", "random frequencies (seed 3)")),
        (RANDOM, RANDOM | {"frequency_seed": 4}, ("seed 3", "seed 4")),
        ({"frequencies": list(range(2, 10))}, {"frequencies": list(range(3, 11))}, ("[2, 3", "[3, 4")),
        ({"basis": "legendre"}, {"basis": "chebyshev"}, ("basis legendre", "basis chebyshev")),
        ({}, {"basis": "legendre"}, ("harmonic", "basis legendre")),
        ({"mlp": "none"}, {"mlp": "linear"}, ("mlp none", "mlp linear")),
        ({}, {"embedding_dim": 8}, ("width 16", "width 8")),
    ],
)
def test_weights_of_another_layer_are_refused_and_change_nothing(first, second, both, wrap, strict):
    weights, layer = wrap(make(**first)).state_dict(), wrap(make(**second))
    with torch.no_grad():
        for weight in layer.parameters():
            weight.add_(1)
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    with pytest.raises(RecordError, match=".*".join(map(re.escape, both))):
        layer.load_state_dict(weights, strict=strict)
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


@pytest.mark.parametrize(
    "first, second",
    [
        ({"frequency_seed": 3}, {"frequency_seed": 4}),  # which the harmonic set does not read
        ({}, {"frequencies": list(range(1, D // 2 + 1))}),
        ({"basis": "legendre"}, {"basis": "legendre", "frequencies": "random"}),
        ({}, {"num_embeddings": 600, "period": V - 1}),  # ids added
        ({}, {"padding_idx": 0}),
    ],
)
def test_weights_that_give_the_same_rows_load(first, second):
    one, other = make(**first), make(**second)
    other.load_state_dict(one.state_dict())
    ids = torch.arange(1, V)
    torch.testing.assert_close(other(ids), one(ids), atol=0, rtol=0)


def test_weights_without_settings_load_with_a_note():
    weights, layer = make(**RANDOM).state_dict(), nn.Sequential(make(**RANDOM))
    old = {f"0.{name}": value for name, value in weights.items() if name != KEY}
    for strict in (True, False):
        with pytest.warns(UserWarning, match="saved before a FourierEmbedding kept its settings"):
            found = layer.load_state_dict(old, strict=strict)
        assert not found.missing_keys and not found.unexpected_keys
    assert layer.load_state_dict({}, strict=False).missing_keys  # says nothing of weights that are not there


@pytest.mark.parametrize(
    "state", [torch.zeros(9, dtype=torch.uint8), torch.frombuffer(bytearray(b"{}"), dtype=torch.uint8)]
)
def test_settings_that_cannot_be_read_are_named(state):
    layer = make()
    with pytest.raises(RecordError, match="_extra_state cannot be read.*remove that entry"):
        layer.load_state_dict(layer.state_dict() | {KEY: state})


def test_settings_go_through_files_types_and_averages(tmp_path):
    layer, other = make(**RANDOM), make(**RANDOM | {"frequency_seed": 4})
    torch.save(layer.state_dict(), tmp_path / "weights.pt")
    save_model(layer, str(tmp_path / "weights.safetensors"))
    states = [torch.load(tmp_path / "weights.pt", weights_only=True)]
    states += [
        {name: value.to(kind) for name, value in layer.state_dict().items()} for kind in (torch.half, torch.bfloat16)
    ]
    states.append({name: 0.7 * value + 0.3 * value for name, value in layer.state_dict().items()})
    for state in states:
        make(**RANDOM).load_state_dict(state)
        with pytest.raises(RecordError, match="seed 4"):
            other.load_state_dict(state)
    load_model(make(**RANDOM), tmp_path / "weights.safetensors")
    with pytest.raises(RecordError, match="seed 4"):
        load_model(other, tmp_path / "weights.safetensors")


def test_a_model_without_memory_is_checked_too():
    with torch.device("meta"):
        layer, other = make(**RANDOM), make()
    weights = make(**RANDOM).state_dict()
    layer.load_state_dict(weights, assign=True)
    assert not layer.norm.weight.is_meta
    with pytest.raises(RecordError, match="harmonic"):
        other.load_state_dict(weights, assign=True)
    layer.load_state_dict(
        {name: value.to("meta") for name, value in weights.items()}, assign=True
    )  # nothing to compare


def test_encoders_of_other_settings_do_not_swap_weights():
    one, other = (
        SentenceEncoder(ModelConfig("fourier", V, D, frequencies="random", frequency_seed=seed)) for seed in (0, 1)
    )
    before = other.encode_ids([np.arange(1, 9)])
    with pytest.raises(RecordError, match="seed 0.*seed 1"):
        other.load_state_dict(one.state_dict())
    assert torch.equal(other.encode_ids([np.arange(1, 9)]), before)


def test_shipped_weights_which_are_older_load_without_a_word():
    folders = [path.parent for path in (paths.SWEEPS.parent / "fourier_lab" / "shipped").glob("*/weights.safetensors")]
    assert folders
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for folder in folders:
            load_encoder(folder)
