import numpy as np
import pytest
import torch

from fourier_lab import ModelConfig, RunConfig, SentenceEncoder, check_embedding, stored_bits
from fourier_lab.embeddings.basis import fourier_basis
from fourier_lab.embeddings.rivals.budgets import sized
from fourier_lab.embeddings.wide import WideFourierEmbedding
from fourier_lab.errors import ConfigError
from fourier_lab.models.blocks import count_parameters
from fourier_lab.models.sizes import count_by_formula

V, D = 101, 8


def test_rows_are_the_mapped_waves_of_length_root_d():
    embedding = check_embedding(WideFourierEmbedding(V, D, "random", n_frequencies=20, frequency_seed=3))
    ids = torch.arange(V)
    waves = fourier_basis(ids, V, 40, frequencies="random", seed=3)
    mapped = waves @ embedding.map.weight.T
    expected = mapped / mapped.square().mean(1, keepdim=True).sqrt()
    torch.testing.assert_close(embedding(ids), expected, atol=1e-5, rtol=1e-5)


def test_with_half_as_many_frequencies_as_ids_it_can_be_any_table():
    # With K = (V - 1) / 2 the waves of an odd period V, with the constant that a row's place cannot show, span all columns.
    embedding = WideFourierEmbedding(V, D, "harmonic", period=V, n_frequencies=(V - 1) // 2)
    waves = fourier_basis(torch.arange(V), V, V - 1, period=V).double().numpy()
    assert np.linalg.matrix_rank(waves) == V - 1
    table = np.random.default_rng(0).normal(size=(V, D))
    table -= table.mean(0)
    weight = np.linalg.lstsq(waves, table, rcond=None)[0]
    with torch.no_grad():
        embedding.map.weight.copy_(torch.from_numpy(weight.T))
    expected = table / np.sqrt((table**2).mean(1, keepdims=True))
    np.testing.assert_allclose(embedding.to_table().weight.detach().numpy(), expected, atol=1e-4)


def test_its_numbers_by_hand():
    embedding = WideFourierEmbedding(V, D, "mixed", n_frequencies=20)
    assert count_parameters(embedding) == 2 * 20 * D + D == 328
    assert stored_bits(embedding) == 32 * 328 + 64
    assert stored_bits(WideFourierEmbedding(V, D, "harmonic", n_frequencies=20)) == 32 * 328
    assert sized("wide_fourier", 30522, 256, 262_144).parameters(30522, 256) == 261_888


@pytest.mark.parametrize("n", [0, 2.5, True, 51])
def test_a_wrong_number_of_frequencies_is_refused(n):
    with pytest.raises(ConfigError, match="n_frequencies must be a positive integer|needs 51 distinct frequencies"):
        WideFourierEmbedding(V, D, "random", n_frequencies=n)


def test_weights_of_another_set_are_refused():
    one, other = (WideFourierEmbedding(V, D, "random", n_frequencies=20, frequency_seed=seed) for seed in (0, 1))
    with pytest.raises(RuntimeError, match="seed"):
        one.load_state_dict(other.state_dict())


def test_a_run_names_it():
    config = RunConfig(
        arm="wide_fourier", frequencies="mixed", embedding_options={"n_frequencies": 40}, vocab_size=V, d_model=D
    )
    model = config.model(V)
    assert count_by_formula(model) == count_parameters(SentenceEncoder(model))


def test_the_mean_is_weighted_and_the_pooler_may_be_left_out():
    encoder = SentenceEncoder(ModelConfig("fourier", V, D, n_layers=0, token_weights="learned", pooler="none")).eval()
    assert count_parameters(encoder) == count_by_formula(encoder.config) == D * D + 2 * D + V
    ids = np.array([3, 5, 5])
    rows = encoder.embedding(torch.from_numpy(ids))
    torch.testing.assert_close(encoder.encode_ids([ids])[0], rows.mean(0))
    weights = torch.ones(V)
    weights[5] = 0.5
    encoder.token_weights.start(weights)
    torch.testing.assert_close(encoder.encode_ids([ids])[0], (rows[0] + 0.5 * rows[1] + 0.5 * rows[2]) / 2)
    torch.testing.assert_close(encoder.token_weights(torch.tensor([5])), torch.tensor([0.5]))
    with pytest.raises(ConfigError, match="one weight per token id, 101, got"):
        encoder.token_weights.start(torch.ones(3))


def test_weights_and_published_padding_exclude_each_other():
    with pytest.raises(ConfigError, match="'padding_mean' averages padding"):
        ModelConfig("fourier", V, D, token_weights="idf", departures=("padding_mean",))
