"""Trigonometric sums over all ids at once, by short Fourier transforms that skip what a sparse spectrum leaves empty."""

import math
from copy import copy
from itertools import count

import torch
from torch import Tensor

from ..errors import ConfigError
from .basis import fourier_features
from .frequencies import resolve_period

_SHORTEST = 512  # numbers in a transform that is worth its call
_ROOM = (
    4  # numbers in a transform for each frequency: with fewer, filling the spectra costs more than transforming them
)


def smooth_period(vocab_size: int) -> int:
    """Return a period for V ids that has a fast transform: the least ``2^t 3^b 5^c >= V`` with t up to 10.

    At most an eighth of it is no id. A period of V - 1, the embedding's, can be 17 times slower, as 30,521 = 23 * 1327 is,
    and gives the first and the last id one row.

    Raises:
        ConfigError: If V is no integer above 1, or too large for exact phases.

    Example:
        >>> smooth_period(30522), smooth_period(50257), smooth_period(200)
        (30720, 51200, 200)
    """
    resolve_period(vocab_size)
    # A large power of two in it: the transforms are then of that length. Even always: odd lengths have no fast real form.
    step = 2 ** min(10, max(1, int(vocab_size).bit_length() - 5))
    steps = next(n for n in count(-(-int(vocab_size) // step)) if _is_smooth(n))
    return resolve_period(vocab_size, step * steps)


def _is_smooth(n: int) -> bool:
    for factor in (2, 3, 5):
        while n % factor == 0:
            n //= factor
    return n == 1


class PrunedFFT:
    """Sums ``y(p) = Σ_k a_k · T_k(p)`` for all p of a period, and the adjoint; T(p) as in :func:`fourier_basis`.

    With ``M = C L`` and ``p = c + C j`` the sum over k is, for each c, a Fourier transform of length L over j, in which k
    takes part as ``k mod L``. So C short transforms of K numbers each, turned by the phases ``k c``, replace one of length M
    over a spectrum of zeros; short ones stay in the processor's cache. With many frequencies C is 1: the plain transform.
    Values stand in the order in which they come out, c before j; :meth:`in_order` and :meth:`place` undo that.

    Args:
        frequencies: Distinct integers ``(K,)`` in ``0..(M-1)//2``; those from M/2 on alias lower ones.
        period: M in ids.

    Raises:
        ConfigError: If a frequency is out of range.

    Source: Markel 1971 (FFT pruning); Cooley and Tukey 1965 for the split.
    """

    def __init__(self, frequencies: Tensor, period: int):
        highest = (period - 1) // 2
        if int(frequencies.min()) < 0 or int(frequencies.max()) > highest:
            raise ConfigError(
                f"frequencies of all ids at once must lie in 0..{highest}, below half the period ({period}), got "
                f"{int(frequencies.min())}..{int(frequencies.max())}; others alias these. Lower them, or raise the period."
            )
        power = period & -period  # the largest power of two that divides it
        length = min(power, max(_SHORTEST, 2 ** math.ceil(math.log2(_ROOM * len(frequencies)))))
        self.period = period
        self.length = length if length >= min(_SHORTEST, 2 * len(frequencies)) else period
        self.count = period // self.length
        self.frequencies = frequencies
        residue = frequencies % self.length
        mirrored = 2 * residue > self.length  # a real transform holds the lower half: k as its complex conjugate
        self.bins = torch.where(mirrored, self.length - residue, residue)
        # In T, the sine is the real part of a complex number and the cosine the imaginary one, whose sign a conjugate turns.
        signs = torch.where(mirrored, -1.0, 1.0)
        self.signs = torch.stack((torch.ones_like(signs), signs), dim=-1).flatten()  # (2 K,)
        ends = (self.bins == 0) | (2 * self.bins == self.length)
        self.weights = self.signs * torch.where(ends, 1.0, 0.5).repeat_interleave(2)  # irfft counts other bins twice
        with torch.device("cpu"):
            features = fourier_features(torch.arange(self.count), frequencies, period)  # (C, 2 K)
        sine, cosine = features.unflatten(-1, (-1, 2)).unbind(-1)
        self.turns = torch.complex(sine, -cosine * signs)  # (C, K): -i e^{iφ}, or for a conjugate i e^{-iφ}

    def synthesise(self, amplitudes: Tensor) -> Tensor:
        """Return y of all p, ``(n, M)`` c before j, of float32 or float64 amplitudes ``(n, 2 K)``, columns as those of T."""
        weighted = (amplitudes * self.weights.to(amplitudes)).unflatten(-1, (len(self.bins), 2))
        numbers = torch.view_as_complex(weighted.contiguous())
        turned = numbers.unsqueeze(-2) * self.turns.to(numbers)  # (n, C, K)
        spectra = turned.new_zeros(*turned.shape[:-1], self.length // 2 + 1)
        spectra.index_add_(-1, self.bins.to(spectra.device), turned)
        return torch.fft.irfft(spectra, n=self.length, norm="forward").flatten(-2)

    def analyse(self, values: Tensor) -> Tensor:
        """Return ``Σ_p y(p) T(p)``, ``(n, 2 K)``, of values ``(n, M)``, c before j: the adjoint of :meth:`synthesise`."""
        spectra = torch.fft.rfft(values.unflatten(-1, (self.count, self.length)))
        numbers = spectra.index_select(-1, self.bins.to(values.device)) * self.turns.conj().to(spectra)
        return torch.view_as_real(numbers.sum(-2)).flatten(-2) * self.signs.to(values)

    def place(self, ids: Tensor) -> Tensor:
        """Return where the values of ids, all in ``0..M-1``, stand."""
        return ids % self.count * self.length + ids // self.count

    def in_order(self, values: Tensor, vocab_size: int) -> Tensor:
        """Return values ``(..., M)``, c before j, as those of the ids 0 to V-1, ``(..., V)``."""
        return values.unflatten(-1, (self.count, self.length)).transpose(-1, -2).flatten(-2)[..., :vocab_size]

    def to(self, device: torch.device) -> "PrunedFFT":
        """Return this sum with its constants on a device."""
        moved = copy(self)
        for name in ("frequencies", "bins", "signs", "weights", "turns"):
            setattr(moved, name, getattr(self, name).to(device))
        return moved
