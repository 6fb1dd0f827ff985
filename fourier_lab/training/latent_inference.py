"""The latent vectors of windows, looked for by gradient: a Gaussian for each window, fitted while the model stands still."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..models.posteriors import divergence
from .optimizer import plain_adam


@dataclass(frozen=True)
class LatentPosterior:
    """``N(mean, sigma^2)`` of each number of the latent vectors of some windows; the prior is N(0, 1).

    Attributes:
        mean, log_sigma: Float ``(n_windows, vectors, d)``.
    """

    mean: Tensor
    log_sigma: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """Return a draw of the latent vectors, ``(n_windows, vectors, d)``; from torch's own generator if None."""
        noise = torch.randn(self.mean.shape, generator=generator).to(self.mean.device)
        return self.mean + self.log_sigma.exp() * noise

    def divergence(self) -> Tensor:
        """Return KL(posterior || prior) of each window in nats, ``(n_windows,)``."""
        return divergence(self.mean, self.log_sigma).sum((1, 2))


def infer(
    loss_of: Callable[[Tensor], Tensor],
    shape: tuple[int, int, int],
    steps: int,
    rate: float,
    device: torch.device,
    generator: torch.Generator | None = None,
) -> LatentPosterior:
    """Fit the posterior of each window by steps of Adam on loss and divergence, from the prior; 0 steps leave it there.

    Args:
        loss_of: From latent vectors to the loss in nats, summed over all windows, each of which reads its own vectors alone.
        shape: ``(n_windows, vectors, d)``.
        steps, rate: Of Adam, on mean and log sigma.
        device: Where to compute.
        generator: Of one sample a step.
    """
    mean, log_sigma = (torch.zeros(shape, device=device, requires_grad=True) for _ in range(2))
    posterior, adam = LatentPosterior(mean, log_sigma), plain_adam([mean, log_sigma], rate)
    with torch.enable_grad():
        for _ in range(steps):
            bound = loss_of(posterior.sample(generator)) + posterior.divergence().sum()
            mean.grad, log_sigma.grad = torch.autograd.grad(bound, (mean, log_sigma))
            adam.step()
    return LatentPosterior(mean.detach(), log_sigma.detach())
