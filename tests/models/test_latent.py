"""Latent vectors: who reads them, what they cost, how they are fitted to a window, and the network without them."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from fourier_lab import CausalLM, ModelConfig, RunConfig
from fourier_lab.errors import ConfigError
from fourier_lab.models.blocks import count_parameters
from fourier_lab.models.latent import LatentReader
from fourier_lab.training.latent_inference import LatentPosterior, infer

IDS = torch.arange(18).view(2, 9)
CPU = torch.device("cpu")


def model(**settings) -> CausalLM:
    torch.manual_seed(0)
    return CausalLM(ModelConfig("learned", 60, 16, n_layers=2, n_heads=2, head="tied", norm="pre", **settings))


def test_at_gate_0_it_is_the_plain_network_which_starts_alike():
    plain, own = model(), model(latent=3)
    assert all(torch.equal(value, own.state_dict()[name]) for name, value in plain.state_dict().items())
    latents = torch.randn(2, 3, 16)
    assert not torch.allclose(own.states(IDS, latents), plain.states(IDS), atol=1e-4)
    with torch.no_grad():
        for reader in own.readers:
            reader.gate.zero_()
    assert torch.equal(own.states(IDS, latents), plain.states(IDS)) and not model().readers


def test_each_window_reads_its_own_vectors_and_each_vector_has_its_place():
    own = model(latent=3)
    latents = torch.randn(2, 3, 16)
    other = latents.clone()
    other[1] += 1
    before, after = own.states(IDS, latents), own.states(IDS, other)
    assert torch.equal(before[0], after[0]) and not torch.allclose(before[1], after[1], atol=1e-3)
    assert not torch.allclose(own.states(IDS, latents.flip(1)), before, atol=1e-4)
    assert torch.equal(own.states(IDS), own.states(IDS, torch.zeros(2, 3, 16)))


def test_parameters_by_hand():
    d, vectors = 16, 3
    each = 4 * (d * d + d) + d + vectors * d + 1  # queries, keys, values and output; norm; places; gate
    assert count_parameters(model(latent=vectors)) - count_parameters(model()) == 2 * each


def test_gradients_of_a_reader():
    torch.manual_seed(0)
    reader = LatentReader(4, 2, 2).double()
    x, latents = (torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in ((6, 4), (2, 2, 4)))
    assert torch.autograd.gradcheck(reader, (x, latents))


def test_the_divergence_is_that_of_two_normal_distributions():
    torch.manual_seed(0)
    posterior = LatentPosterior(torch.randn(3, 2, 4), torch.randn(3, 2, 4))
    expected = kl_divergence(Normal(posterior.mean, posterior.log_sigma.exp()), Normal(0.0, 1.0)).sum((1, 2))
    torch.testing.assert_close(posterior.divergence(), expected)


def test_inference_finds_the_posterior_of_a_gaussian_likelihood():
    # One observation y of z with variance s: the posterior is N(y / (1 + s), s / (1 + s)), each number for itself.
    y, s = torch.tensor([[[2.0, -1.0]], [[0.5, 3.0]]]), 0.25
    generator = torch.Generator().manual_seed(0)
    found = infer(lambda z: ((z - y) ** 2).sum() / (2 * s), (2, 1, 2), 800, 0.02, CPU, generator)
    torch.testing.assert_close(found.mean, y / (1 + s), atol=0.15, rtol=0)
    torch.testing.assert_close(found.log_sigma.exp(), torch.full((2, 1, 2), (s / (1 + s)) ** 0.5), atol=0.1, rtol=0)
    untouched = infer(lambda z: z.sum(), (2, 1, 2), 0, 0.3, CPU)
    assert not untouched.mean.any() and not untouched.divergence().any()


def test_a_model_stands_still_while_its_latents_are_looked_for():
    own, ids = model(latent=3), torch.from_numpy(np.arange(20).reshape(2, 10))
    before = {name: value.clone() for name, value in own.state_dict().items()}

    def loss_of(latents):
        return own.cross_entropy(own.states(ids[:, :-1], latents), ids[:, 1:], "sum")

    generator = torch.Generator().manual_seed(0)
    start, found = (infer(loss_of, (2, 3, 16), steps, 0.1, CPU, generator) for steps in (0, 20))
    with torch.no_grad():
        bounds = [float(loss_of(each.mean) + each.divergence().sum()) for each in (start, found)]
    assert bounds[1] < bounds[0] - 0.1
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())
    assert all(each.grad is None for each in own.parameters())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"latent": -1}, "latent must be at least 0"),
        ({"inference_steps": -1}, "inference_steps must be at least 0"),
        ({"inference_rate": 0.0}, r"inference_rate \(0.0\) must be above 0. Try 0.3"),
        ({"latent": 2, "n_layers": 0}, "of the blocks of a language model"),
        ({"latent": 2, "objective": "contrastive", "head": "none"}, "of the blocks of a language model"),
    ],
)
def test_what_cannot_be_is_refused(changes, told):
    with pytest.raises(ConfigError, match=told):
        RunConfig(objective="language_model", head="tied").replace(**changes)


def test_runs_without_latents_do_not_read_how_they_would_be_found():
    lm = RunConfig(objective="language_model", head="tied")
    assert lm.replace(inference_steps=2, inference_rate=0.1).as_read() == lm
    assert lm.replace(latent=2, inference_steps=2).digest() != lm.replace(latent=2).digest()
