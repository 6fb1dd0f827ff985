"""Matrices that are known up to a Gaussian: a standard deviation learned beside each number, a sample for each step."""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ..config import ModelConfig

_START = 0.1  # of the prior's width: what each standard deviation starts at


def divergence(mean: Tensor, log_sigma: Tensor) -> Tensor:
    """Return KL(N(mean, sigma^2) || N(0, 1)) of each number in nats, in the shape of both."""
    return ((2 * log_sigma).exp() + mean.square()) / 2 - log_sigma - 0.5


class GaussianPosterior(nn.Module):
    """Posterior ``N(mean, sigma^2)`` of each number of a matrix, whose prior is ``N(0, prior_width^2)``.

    A parametrization: the layer's own weight is the mean, and what it computes with in training is ``mean + sigma * noise``,
    one sample from each :meth:`draw` to the next; in eval mode it is the mean. As many parameters again as the matrix has.

    Args:
        mean: The matrix, float ``(n_out, n_in)``.
        prior_width: Standard deviation of the prior.

    Attributes:
        log_sigma: Logarithms of the standard deviations, ``(n_out * n_in,)``, flat, since weight decay spares vectors.
        tokens: N, the tokens of the training text, set by who trains. A loss is a mean over tokens, so the divergence, which
            is paid once for the whole text, counts 1 / N of itself in it.

    Source: Xue et al. 2021 (arXiv:2102.04754), whose prior is a converged model; by reparametrization, Blundell et al. 2015
    (arXiv:1505.05424).
    """

    def __init__(self, mean: Tensor, prior_width: float):
        super().__init__()
        self.prior_width, self.tokens = prior_width, 1
        self.log_sigma = nn.Parameter(torch.full((mean.numel(),), math.log(_START * prior_width)))
        self._noise: Tensor | None = None
        self._used: tuple[Tensor, ...] = ()  # the mean, in a tuple, which torch does not look into

    def draw(self) -> None:
        """Draw the noise of the next step from torch's generator, as dropout does."""
        self._noise = torch.randn_like(self.log_sigma)

    def forward(self, mean: Tensor) -> Tensor:
        if not self.training or self._noise is None:
            return mean
        self._used = (mean,)
        return mean + (self.log_sigma.exp() * self._noise).view_as(mean)

    def divergence(self, mean: Tensor) -> Tensor:
        """Return KL(posterior || prior) in nats, summed over the matrix ``(n_out, n_in)`` of means."""
        return divergence(mean.flatten() / self.prior_width, self.log_sigma - math.log(self.prior_width)).sum()

    def penalty(self) -> Tensor:
        """Return the divergence at the last sample's mean in nats a token of the training text; 0 if none was used."""
        used, self._used = self._used, ()
        return self.divergence(*used) / self.tokens if used else self.log_sigma.new_zeros(())


def give_posteriors(model: nn.Module, config: ModelConfig) -> list[GaussianPosterior]:
    """Make the matrices that ``config.bayesian`` names Gaussian, starting at the model's, and return their posteriors."""
    linears: list[nn.Linear] = []
    if config.bayesian in ("feed_forward", "both"):
        linears += [each for each in model.blocks[0].feed_forward.modules() if isinstance(each, nn.Linear)]  # type: ignore[index,union-attr]
    if config.bayesian in ("embedding_map", "both"):
        linears.append(model.embedding.mlp)  # type: ignore[arg-type,union-attr]
    posteriors = [GaussianPosterior(each.weight, config.prior_width) for each in linears]
    for linear, posterior in zip(linears, posteriors, strict=True):
        parametrize.register_parametrization(linear, "weight", posterior)
    return posteriors
