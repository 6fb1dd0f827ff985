"""The graph of an encoder gives its vectors for any batch, and refuses what it would read wrongly."""

import numpy as np
import pytest
import torch

from fourier_lab import ModelConfig, SentenceEncoder
from fourier_lab.errors import ConfigError, MissingPackageError
from fourier_lab.models import export
from fourier_lab.models.export import PaddedEncoder

V = 200
BAD = {
    "negative": ([[1, -1, 3]], [[1, 1, 1]]),
    "the number of ids": ([[1, V, 3]], [[1, 1, 1]]),
    "large": ([[1, 2**40, 3]], [[1, 1, 1]]),
    "a hole in the mask": ([[1, 2, 3]], [[0, 1, 1]]),
    "too long": ([[1] * 13], [[1] * 13]),
}


def encoder(**settings):
    torch.manual_seed(0)
    model = SentenceEncoder(
        ModelConfig(**{"arm": "fourier", "vocab_size": V, "d_model": 16, "max_seq_len": 12} | settings)
    )
    if model.token_weights is not None:
        model.token_weights.start(torch.rand(V) + 0.1)
    return model


def batches():
    random = np.random.default_rng(0)
    for count, length in ((1, 1), (5, 7), (3, 12), (17, 1), (2, 2)):
        ids, lengths = random.integers(0, V, (count, length)), random.integers(1, length + 1, (count, 1))
        yield ids, (np.arange(length) < lengths).astype(np.int64)


@torch.no_grad()
def expected(module, ids, mask):
    return module(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()


@pytest.mark.parametrize(
    "settings",
    [
        {"n_layers": 2, "n_heads": 2},
        {"projections": "silu"},
        {"arm": "bloom", "n_layers": 0},
        {"arm": "wide_fourier", "n_layers": 0, "embedding_options": (("n_frequencies", 20),)},
        {"arm": "learned"},
        {"token_weights": "learned", "pooler": "none"},
    ],
    ids=str,
)
def test_padded_batches_give_the_vectors_of_packed_ones(settings):
    model = encoder(**settings).eval()
    for ids, mask in batches():
        np.testing.assert_allclose(expected(PaddedEncoder(model), ids, mask), expected(model, ids, mask), atol=1e-6)


def test_a_sentence_without_a_token_is_zero_and_leaves_others_alone():
    model = encoder().eval()
    ids, mask = np.array([[1, 2], [3, 4]]), np.array([[0, 0], [1, 1]])
    found = expected(PaddedEncoder(model), ids, mask)
    assert not found[0].any()
    np.testing.assert_allclose(found[1:], expected(model, ids[1:], mask[1:]), atol=1e-6)


@pytest.mark.parametrize("bad", BAD)
def test_what_would_be_read_wrongly_is_refused(bad):
    with pytest.raises((IndexError, ConfigError)):
        expected(PaddedEncoder(encoder().eval()), *map(np.array, BAD[bad]))


def test_averages_of_padding_are_not_exported(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: name)
    with pytest.raises(ConfigError, match="padding_mean"):
        encoder(departures=("padding_mean",)).export(tmp_path / "model.onnx")


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"onnx and onnxscript.*fourier-lab\[onnx\]"):
        encoder().export(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    "settings",
    [
        {"n_layers": 2, "n_heads": 2, "token_weights": "learned"},
        {"table": True},
        {"arm": "wide_fourier", "n_layers": 0, "embedding_options": (("n_frequencies", 20),)},
    ],
    ids=str,
)
def test_onnxruntime_gives_the_same_vectors(settings, tmp_path):
    for name in ("onnx", "onnxscript"):
        pytest.importorskip(name)
    runtime = pytest.importorskip("onnxruntime")
    table = settings.pop("table", False)
    model = encoder(**settings).eval()
    path = model.export(tmp_path / "onnx" / "model.onnx", table=table)
    runtime.set_default_logger_severity(4)
    session = runtime.InferenceSession(str(path))
    names = [each.name for each in session.get_inputs()]
    assert names == list(export.INPUTS) and [each.name for each in session.get_outputs()] == [export.OUTPUT]
    for ids, mask in batches():
        (found,) = session.run(None, dict(zip(names, (ids, mask), strict=True)))
        np.testing.assert_allclose(found, expected(model, ids, mask), atol=1e-5, rtol=0)
    for ids, mask in BAD.values():
        with pytest.raises(Exception, match="invalid index|out of data bounds"):
            session.run(None, dict(zip(names, map(np.array, (ids, mask)), strict=True)))
