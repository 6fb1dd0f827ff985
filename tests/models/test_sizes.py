"""The number of parameters by formula is the one that is counted on the encoder."""

import pytest

from fourier_lab import ModelConfig, SentenceEncoder
from fourier_lab.models.blocks import count_parameters
from fourier_lab.models.sizes import count_by_formula


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"arm": "learned"}, {"n_layers": 3}, {"n_layers": 0}, {"feed_forward": 0.25}, {"projections": "silu"},
        {"projections": "silu", "mlp": "silu", "n_layers": 2}, {"mlp": "none"}, {"mlp": "geglu"}, {"mlp": "geglu_quarter"},
        {"basis": "legendre"}, {"arm": "learned", "projections": "silu"}, {"n_heads": 2, "d_model": 64},
    ],
    ids=str,
)  # fmt: skip
def test_formula_and_count_agree(changes):
    config = ModelConfig(**{"arm": "fourier", "vocab_size": 1000, "d_model": 32, **changes})
    assert count_by_formula(config) == count_parameters(SentenceEncoder(config))
