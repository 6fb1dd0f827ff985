"""Configuration: strict types, names and ranges; stable digests; notebook parameters."""

import dataclasses

import numpy as np
import pytest

from fourier_lab import ModelConfig, RunConfig, expand, read_parameters
from fourier_lab.errors import ConfigError


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"steps": 300.0}, r"steps must be an integer, got 300.0 \(float\). Write 300"),
        ({"steps": "300"}, "steps must be an integer"),
        ({"steps": True}, "steps must be an integer"),
        ({"arm": None}, "arm must be text"),
        ({"arm": "table"}, "arm must be one of fourier, learned, .* or your own as module:name, got 'table'"),
        ({"d_model": 255, "n_heads": 1}, r"d_model \(255\) must be even"),
        ({"d_model": 0}, "positive"),
        ({"n_heads": 3}, r"n_heads \(3\) must divide d_model \(128\)"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"n_layers": -1}, "n_layers must be at least 0, got -1"),
        ({"steps": 5, "warmup_steps": 6}, r"warmup_steps \(6\) must lie in 0..steps \(5\)"),
        ({"batch_size": 1}, "at least 2"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "finite"),
        ({"weight_decay": -1.0}, "negative"),
        ({"dropout": 1.0}, r"\[0, 1\)"),
        ({"seed": -1}, "seed"),
        ({"frequencies": "cubic"}, "frequencies must be one of"),
        ({"frequencies": [1, 2]}, "64 distinct integers"),
        ({"corpus": "snli"}, "cannot come from source 'builtin'"),
        ({"source": "hub"}, "cannot come from source 'hub'"),
        ({"corpus": "snli", "source": "hub", "id_order": "semantic"}, "dial of the toy language"),
        ({"sed": 1}, "unknown parameter sed"),
        ({"max_seq_len": 2}, "max_seq_len must be at least 3"),
        ({"vocab_size": 0, "arm": "learned"}, "vocab_size must be at least 2"),
        ({"basis": "legendre", "period": 127}, r"period \(127\)"),
        ({"basis": "legendre", "departures": ["period_127"]}, r"period \(127\)"),
        ({"pretraining": {"steps": 40, "pretraining": {"steps": 40}}}, "of its own"),
        ({"pretraining": ["steps", 600]}, r"pretraining must map settings to values, got \('steps', 600\)"),
        ({"pretraining": [1, 2]}, "pretraining must map settings to values"),
        ({"pretraining": 600}, "pretraining must be a list or None"),
        ({"pretraining": {"steps": 40, "threads": 1}}, "pretraining must not set threads"),
        ({"id_order": "within_²"}, "id_order must be one of"),
        ({"id_order": "within_010"}, "id_order must be one of"),
        ({"departures": [["a"]]}, r"unknown departure \['a'\]"),
        ({"left_out": "all"}, "left_out must be one of graded, scored"),
    ],
)
def test_bad_values_are_named(changes, rule):
    with pytest.raises(ConfigError, match=rule):
        RunConfig.from_dict(changes)


def test_round_trip_and_immutability():
    config = RunConfig(frequencies=list(range(1, 65)), learning_rate=1, steps=40)
    assert config.frequencies == tuple(range(1, 65)) and config.learning_rate == 1.0
    assert RunConfig.from_dict(config.to_dict()) == config
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.steps = 3
    with pytest.raises(ConfigError, match="unknown parameter step"):
        config.replace(step=3)


def test_digest_names_what_decides_the_numbers():
    base = RunConfig()
    assert base.digest() == RunConfig.from_dict(base.to_dict()).digest()
    assert base.replace(device="cpu", threads=1).digest() == base.digest()
    others = expand(base, seed=[0, 1], frequencies=["harmonic", "log"], steps=[300, 301])
    assert len({config.digest() for config in others}) == 8
    assert len(expand(base, seed=[0, 0], threads=[1, 2])) == 1  # one run, which no table may count as two seeds
    one_run = [{"learning_rate": 1}, {"learning_rate": 1.0}]
    assert len({base.replace(pretraining=each).digest() for each in one_run}) == 1
    frequencies = [list(range(1, 65)), np.arange(1, 65).tolist(), tuple(np.arange(1, 65))]
    assert len({base.replace(frequencies=each).digest() for each in frequencies}) == 1
    # Finished runs are found by these names: a change here would orphan every record.
    assert base.digest() == "44136fa355" and base.replace(seed=1).digest() == "a4bbadc1c7"


def test_model_config_follows_the_run():
    model = RunConfig(arm="learned", d_model=32, seed=7).model(vocab_size=99)
    assert model == ModelConfig("learned", 99, 32, frequency_seed=7)
    assert RunConfig(basis="legendre", frequencies="random", vocab_size=100).model(100).basis == "legendre"
    with pytest.raises(ConfigError, match="feed_forward"):
        ModelConfig("learned", 99, 32, feed_forward=0.01)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("steps", "40", 40), ("learning_rate", "1e-3", 1e-3), ("arm", "learned", "learned"), ("period", "None", None),
     ("period", "127", 127), ("frequencies", "1 2 3", (1, 2, 3)), ("frequencies", "log", "log")],
)  # fmt: skip
def test_parse_gives_typed_values(name, text, value):
    assert RunConfig.parse(name, text) == value


@pytest.mark.parametrize(("name", "text"), [("steps", "1e3"), ("learning_rate", "fast"), ("speed", "1")])
def test_parse_refuses(name, text):
    with pytest.raises(ConfigError, match=name):
        RunConfig.parse(name, text)


def test_notebook_parameters_are_strict():
    import math

    namespace = {"d_model": 64, "n_seeds": 3, "math": math, "_": 1, "In": [], "Out": {}}
    assert read_parameters(namespace, n_seeds=int).d_model == 64
    for wrong, rule in [
        ({"seeed": 5}, "unknown parameter seeed"), ({"d_model": 64.0}, "Write 64"),
        ({"n_seeds": "3"}, "n_seeds must be int"),
        ({"n_seeds": True}, "n_seeds must be int"), ({"n_seeds": 0}, "at least 1"), ({"arm": "false"}, "arm must be one of"),
    ]:  # fmt: skip
        with pytest.raises(ConfigError, match=rule):
            read_parameters({**namespace, **wrong}, n_seeds=int)
    with pytest.raises(ConfigError, match="n_seeds is not set"):
        read_parameters({}, n_seeds=int)
