"""Cross-entropy over all ids of a Fourier head, token by token in chunks: no logits are kept for the backward pass."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..embeddings.basis import fourier_features
from ..embeddings.pruned_fft import PrunedFFT


class ChunkedCrossEntropy(torch.autograd.Function):
    """Cross-entropy in nats of logits ``y(p) scale(p) + bias(p)`` with ``y = Σ_k a_k T_k``: its sum, and that of each token.

    The gradients are computed beside the losses, while a chunk of logits is in the cache, and wait for the backward pass:
    2 K numbers a token, and V for each of bias and scale. So the transforms run once, and not again. Only the sum has
    gradients.

    Source: the fused losses of Wijmans et al. 2024 (arXiv:2411.09009) and Hsu et al. 2024 (arXiv:2410.10989).
    """

    @staticmethod
    def forward(
        ctx: Any, amplitudes: Tensor, bias: Tensor | None, scale: Tensor | None, targets: Tensor, transform: PrunedFFT,
        vocab_size: int, rows: int,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Return the sum, a scalar, and each token's loss ``(n,)``.

        Args:
            ctx: What autograd keeps.
            amplitudes: a, ``(n, 2 K)``.
            bias: ``(V,)``, or None.
            scale: ``(V,)``, or None.
            targets: int64 ``(n,)`` in ``0..V-1``.
            transform: Of the K frequencies.
            vocab_size: V.
            rows: Tokens in a chunk.
        """
        for_amplitudes, for_bias, for_scale = ctx.needs_input_grad[:3]
        places = transform.place(torch.arange(vocab_size, device=amplitudes.device))
        offset = amplitudes.new_full((transform.period,), -torch.inf)  # for what is no id
        offset[places] = 0.0 if bias is None else bias.to(offset.dtype)
        factor = None if scale is None else torch.zeros_like(offset).index_copy_(0, places, scale.to(offset.dtype))
        losses, gradient = amplitudes.new_empty(len(targets)), torch.empty_like(amplitudes)
        of_bias, of_scale = torch.zeros_like(offset), torch.zeros_like(offset)
        for start in range(0, len(targets), rows):
            chunk = slice(start, start + rows)
            at = transform.place(targets[chunk]).unsqueeze(-1)
            sums = transform.synthesise(amplitudes[chunk])
            logits = torch.addcmul(offset, sums, factor) if factor is not None else sums.add_(offset)
            at_target, largest = logits.gather(-1, at), logits.amax(-1, keepdim=True)
            powers = logits.sub_(largest).exp_()
            total = powers.sum(-1, keepdim=True)
            losses[chunk] = (total.log() + largest - at_target).squeeze(-1)
            if for_bias:
                of_bias.addmv_(powers.T, total.reciprocal().squeeze(-1))
            if for_scale:
                of_scale.index_add_(0, at.squeeze(-1), sums.gather(-1, at).squeeze(-1), alpha=-1)
                of_scale += sums.mul_(powers).div_(total).sum(0)
            if for_amplitudes:
                features = fourier_features(targets[chunk], transform.frequencies, transform.period).to(amplitudes)
                if factor is not None:
                    powers, features = powers.mul_(factor), features * factor[at]
                gradient[chunk] = transform.analyse(powers) / total - features
        if for_bias:
            of_bias = of_bias[places] - torch.bincount(targets, minlength=vocab_size)
        ctx.save_for_backward(gradient, of_bias, of_scale[places] if for_scale else of_scale)
        ctx.mark_non_differentiable(losses)
        return losses.sum(), losses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_sum: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients kept, times that of the sum."""
        found = zip(ctx.needs_input_grad, ctx.saved_tensors, strict=False)
        return (*(kept * of_sum if needed else None for needed, kept in found), None, None, None, None)
