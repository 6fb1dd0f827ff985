"""Matrices known up to a Gaussian: their divergence, their samples, and the network that is left without them."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from fourier_lab import CausalLM, ModelConfig, RunConfig
from fourier_lab.errors import ConfigError
from fourier_lab.models.blocks import count_parameters
from fourier_lab.models.posteriors import GaussianPosterior

WAVES = {"arm": "fourier", "frequencies": "random", "period": 60}
KINDS = ("feed_forward", "embedding_map", "both")
IDS = torch.arange(18).view(2, 9)


def model(**settings) -> CausalLM:
    torch.manual_seed(0)
    usual = {
        "vocab_size": 60,
        "d_model": 16,
        "n_layers": 2,
        "feed_forward": 2.0,
        "head": "tied",
        "norm": "pre",
        **WAVES,
    }
    return CausalLM(ModelConfig(**{**usual, **settings}))


def test_the_divergence_is_that_of_two_normal_distributions():
    torch.manual_seed(0)
    mean, posterior = torch.randn(3, 4, dtype=torch.float64), GaussianPosterior(torch.zeros(3, 4), 0.3).double()
    with torch.no_grad():
        posterior.log_sigma.normal_()
    sigma = posterior.log_sigma.exp().view(3, 4)
    expected = kl_divergence(Normal(mean, sigma), Normal(0.0 * mean, 0.3 + 0.0 * mean)).sum()
    torch.testing.assert_close(posterior.divergence(mean), expected, rtol=1e-12, atol=0)
    prior = GaussianPosterior(torch.zeros(2, 2), 0.3)
    with torch.no_grad():
        prior.log_sigma.fill_(math.log(0.3))
    assert prior.divergence(torch.zeros(2, 2)).item() == pytest.approx(0, abs=1e-6)


def test_gradients_of_sample_and_divergence():
    posterior = GaussianPosterior(torch.zeros(2, 3), 0.5).double()
    posterior.draw()
    mean = torch.linspace(-1, 1, 6, dtype=torch.float64).view(2, 3).requires_grad_()

    def both(mean, log_sigma):
        posterior.log_sigma.data = log_sigma.data
        del posterior._parameters["log_sigma"]
        posterior.log_sigma = log_sigma
        found = posterior(mean), posterior.divergence(mean)
        del posterior.log_sigma
        posterior.register_parameter("log_sigma", nn.Parameter(log_sigma.detach()))
        return found

    assert torch.autograd.gradcheck(both, (mean, torch.linspace(-2, 0, 6, dtype=torch.float64).requires_grad_()))


@pytest.mark.parametrize("kind", KINDS)
def test_without_spread_it_is_the_plain_network_and_its_mean_always_is(kind):
    plain, own = model(), model(bayesian=kind)
    assert torch.equal(own.eval()(IDS), plain.eval()(IDS))
    sampled, again = own.train()(IDS), own(IDS)
    assert not torch.allclose(sampled, plain(IDS), atol=1e-3) and not torch.equal(sampled, again)
    with torch.no_grad():
        for posterior in own.posteriors:
            posterior.log_sigma.fill_(-math.inf)
    assert torch.equal(own(IDS), plain.train()(IDS))
    assert own.state_dict().keys() == model(bayesian=kind).state_dict().keys()


@pytest.mark.parametrize(
    ("kind", "extra"), [("feed_forward", 64 * 16 + 16 * 32), ("embedding_map", 16 * 16), ("both", 0)]
)
def test_as_many_parameters_again_as_the_matrices_have(kind, extra):
    # GeGLU of ratio 2: d -> 2 * 2 d and 2 d -> d; the map d -> d.
    extra = extra or 64 * 16 + 16 * 32 + 16 * 16
    assert count_parameters(model(bayesian=kind)) - count_parameters(model()) == extra
    assert sum(posterior.log_sigma.numel() for posterior in model(bayesian=kind).posteriors) == extra


def test_input_and_tied_output_read_one_sample_and_pay_for_it_once():
    own = model(bayesian="embedding_map", prior_width=2.0).train()
    (posterior,) = own.posteriors
    assert float(posterior.penalty()) == 0  # none was used
    states = own.states(IDS)
    rows = own.embedding(torch.arange(60))
    torch.testing.assert_close(own.head(states), states @ rows.T + own.head.bias, atol=1e-4, rtol=1e-4)
    posterior.tokens = 500
    expected = kl_divergence(Normal(own.embedding.mlp.parametrizations.weight.original, 0.2), Normal(0.0, 2.0)).sum()
    torch.testing.assert_close(posterior.penalty(), expected / 500)
    assert float(posterior.penalty()) == 0


def test_noise_comes_from_torchs_own_generator_as_dropout_does():
    own = model(bayesian="both").train()
    state = torch.get_rng_state()
    first = own(IDS)
    torch.set_rng_state(state)
    assert torch.equal(own(IDS), first)


def test_names_of_runs_stay():
    lm = RunConfig(objective="language_model", head="tied")
    assert lm.replace(bayesian="none", latent=0) == lm and lm.replace(prior_width=0.3).as_read() == lm
    assert len({lm.replace(bayesian=kind).digest() for kind in ("none", *KINDS)}) == 4


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bayesian": "all"}, "bayesian must be one of none, feed_forward, embedding_map, both, got 'all'"),
        ({"bayesian": "both", "prior_width": 0.0}, r"prior_width \(0.0\) must be above 0"),
        ({"objective": "contrastive", "head": "none", "bayesian": "feed_forward"}, "of the blocks of a language model"),
        ({"bayesian": "feed_forward", "n_layers": 0}, "of the blocks of a language model"),
        ({"bayesian": "embedding_map", "arm": "learned"}, "needs the one map of arm 'fourier' .* got arm 'learned'"),
        ({"bayesian": "both", "mlp": "silu", "head": "learned"}, "needs the one map .* and mlp 'silu'"),
        ({"bayesian": "both", "feed_forward": "relu"}, "is of the GeGLU feed-forward, got feed_forward 'relu'"),
        ({"bayesian": "feed_forward", "latent": 2}, "are not known together. Drop one"),
    ],
)
def test_what_cannot_be_is_refused(changes, told):
    with pytest.raises(ConfigError, match=told):
        RunConfig(objective="language_model", head="tied").replace(**changes)
