"""What a page with an encoder in it is given: the encoder's own numbers, and nothing for encoders that it cannot compute."""

import base64
import json

import numpy as np
import pytest
import torch

from fourier_lab import ModelConfig, SentenceEncoder
from fourier_lab.errors import ConfigError
from fourier_lab.site.encoder_data import encoder_data, write_encoders
from fourier_lab.site.token_rules import token_rules
from fourier_lab.text.tokenizer import toy_tokenizer


def test_scripts_hold_the_numbers_of_the_encoders_and_are_named_by_the_page(tmp_path):
    shown = write_encoders(tmp_path)
    assert [encoder["name"] for encoder in shown["encoders"]] == ["fourier-100k", "fourier-400k", "fourier-1m"]
    named = {name for encoder in shown["encoders"] for name in (encoder["name"], encoder["rules"])}
    assert {path.stem for path in tmp_path.iterdir()} == named
    text = (tmp_path / "fourier-100k.js").read_text()
    data = json.loads(text[text.index("] = ") + 4 :].rstrip(";\n"))
    encoder = SentenceEncoder.from_pretrained("fourier-100k")
    arrays = {name: np.frombuffer(base64.b64decode(data[name]), "<f4") for name in ("map", "gain", "weights")}
    assert sum(map(len, arrays.values())) == shown["encoders"][0]["numbers"]
    assert np.array_equal(arrays["map"], encoder.embedding.map.weight.detach().numpy().ravel())
    size = encoder.config.vocab_size
    assert np.allclose(arrays["weights"], encoder.token_weights(torch.arange(size)).detach().numpy())
    assert data["frequencies"] == encoder.embedding.frequencies and data["period"] == size - 1
    a, b = encoder.encode(shown["still"]["sentences"], normalize=True)
    assert shown["still"]["cosine"] == pytest.approx(a @ b)


@pytest.mark.parametrize(
    "settings",
    [
        {"arm": "learned"},
        {"arm": "fourier", "mlp": "geglu"},
        {"arm": "companded"},
        {"n_layers": 1, "n_heads": 1},
        {"pooler": "tanh"},
        {"departures": ("padding_mean",)},
    ],
    ids=str,
)
def test_what_a_page_cannot_compute_is_refused_in_words(settings):
    whole = {"arm": "wide_fourier", "vocab_size": 200, "d_model": 8, "n_layers": 0, "n_heads": 1, "pooler": "none"}
    options = {} if "arm" in settings else {"embedding_options": {"n_frequencies": 4}}
    encoder = SentenceEncoder(ModelConfig(**whole | options | settings))
    with pytest.raises(ConfigError, match="SentenceEncoder.export"):
        encoder_data(encoder)


def test_tokenizers_of_another_kind_are_refused_in_words():
    with pytest.raises(ConfigError, match="WordLevel"):
        token_rules(toy_tokenizer(200))
    added = SentenceEncoder.from_pretrained("fourier-100k").tokenizer
    added.add_tokens(["<new>"])
    with pytest.raises(ConfigError, match="added tokens"):
        token_rules(added)
