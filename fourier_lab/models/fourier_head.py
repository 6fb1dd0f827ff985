"""An output layer without a table: the logits of all ids are one trigonometric sum, computed by short Fourier transforms."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from ..device import target_device
from ..embeddings.basis import check_token_ids, fourier_features, frequency_set
from ..embeddings.fourier import FourierEmbedding, GeGLU
from ..embeddings.frequencies import is_integer, resolve_period
from ..embeddings.kept_settings import KeepsSettings
from ..embeddings.pruned_fft import PrunedFFT, smooth_period
from ..errors import ConfigError, brief
from .chunked_loss import ChunkedCrossEntropy

_MOST_LOGITS = 2**19  # 2 MB in float32, which stays in a processor's cache


class ComputedHead(nn.Module):
    """Logits ``scale(p) · Σ_k a_k(h) T_k(p) + bias(p)`` of all ids; a subclass says what a and scale are.

    Attributes:
        vocab_size: V.
        d_model: Width of the hidden states.
        bias: ``(V,)``, or None.
        transform: The sums over all ids, and so the frequencies and the period.
    """

    transform: PrunedFFT

    def __init__(self, vocab_size: int, d_model: int, bias: bool, device: Any = None, dtype: torch.dtype | None = None):
        super().__init__()
        self.vocab_size, self.d_model = int(vocab_size), int(d_model)
        self.bias = nn.Parameter(torch.zeros(self.vocab_size, device=device, dtype=dtype)) if bias else None

    @property
    def weight(self) -> Tensor:
        """A weight of the map from hidden states; tells device and type."""
        raise NotImplementedError

    def amplitudes(self, h: Tensor) -> Tensor:
        """Return what multiplies the columns of T, float32 or float64 ``(..., 2 K)``, for hidden states ``(..., d)``."""
        raise NotImplementedError

    def scale(self) -> Tensor | None:
        """Return what multiplies the sum of each id, ``(V,)``, or None for 1."""
        return None

    @property
    def frequencies(self) -> Tensor:
        """The frequencies in cycles per period, int64 ``(K,)``."""
        return self.transform.frequencies

    @property
    def period(self) -> int:
        """M in ids."""
        return self.transform.period

    def forward(self, h: Tensor) -> Tensor:
        """Return the logits of all ids, ``(..., V)``, for hidden states ``(..., d)``."""
        return self.sum_waves(self.amplitudes(h))

    def sum_waves(self, amplitudes: Tensor) -> Tensor:
        """Return the logits ``(..., V)`` that :meth:`amplitudes` ``(..., 2 K)``, or some of them, add up to."""
        scale = self.scale()
        sums = self.transform.synthesise(amplitudes.flatten(0, -2) if amplitudes.ndim > 1 else amplitudes.unsqueeze(0))
        logits = self.transform.in_order(sums, self.vocab_size).view(*amplitudes.shape[:-1], self.vocab_size)
        logits = logits if scale is None else logits * scale
        return logits if self.bias is None else logits + self.bias

    logits = forward

    def logits_at(self, h: Tensor, ids: Tensor) -> Tensor:
        """Return the logits ``(..., m)`` of some ids ``(..., m)`` for hidden states ``(..., d)``; 2 K operations each."""
        check_token_ids(ids, self.vocab_size)
        ids, scale, amplitudes = ids.long(), self.scale(), self.amplitudes(h)
        features = fourier_features(ids, self.frequencies.to(ids.device), self.period).to(amplitudes.dtype)
        logits = (features * amplitudes.unsqueeze(-2)).sum(-1)
        logits = logits if scale is None else logits * scale[ids]
        return logits if self.bias is None else logits + self.bias[ids]

    def cross_entropy(
        self, h: Tensor, targets: Tensor, reduction: str = "mean", most_logits: int | None = None
    ) -> Tensor:
        """Return the cross-entropy in nats, without ever holding the logits of all tokens, backward included.

        Args:
            h: Hidden states ``(..., d)``.
            targets: Ids ``(...)``; tokens that do not count are left out beforehand.
            reduction: ``mean`` or ``sum`` over tokens; ``none`` for each token's own ``(...)``, without gradients.
            most_logits: How many to hold at a time, at least a period's; 2^19, or one token's, if None. A spectrum of about
                as many numbers stands beside them.

        Raises:
            ConfigError: If targets are out of range or of another shape than h, or most_logits is too small.
        """
        check_token_ids(targets, self.vocab_size)
        if h.shape[:-1] != targets.shape:
            raise ConfigError(
                f"targets {tuple(targets.shape)} must have one id for each hidden state of {tuple(h.shape)}. Reshape them."
            )
        if reduction not in ("mean", "sum", "none"):
            raise ConfigError(f"unknown reduction {reduction!r}. Choose one of mean, sum, none.")
        scale = self.scale()
        # Without the gradients, that of the bias is not computed in vain.
        bias = self.bias if self.bias is None or torch.is_grad_enabled() else self.bias.detach()
        a_row = self.period if scale is None else 2 * self.period  # the sums are kept beside the logits
        most = max(_MOST_LOGITS, a_row) if most_logits is None else most_logits
        if most < a_row:
            raise ConfigError(f"most_logits ({most}) must be at least {a_row}, those of one token. Raise it.")
        amplitudes = self.amplitudes(h).reshape(-1, 2 * len(self.frequencies))
        with torch.autocast(h.device.type, enabled=False):
            total, losses = ChunkedCrossEntropy.apply(
                amplitudes, bias, scale, targets.flatten().long(), self.transform, self.vocab_size, most // a_row
            )
        if reduction == "none":
            return losses.view(targets.shape)
        return total / targets.numel() if reduction == "mean" else total

    @torch.no_grad()
    def to_linear(self) -> nn.Linear:
        """Return the ``nn.Linear(d, V)`` with these logits, detached from these weights."""
        with torch.autocast(self.weight.device.type, enabled=False):
            constant = self(self.weight.new_zeros(self.d_model))
            rows = self(torch.eye(self.d_model).to(self.weight)) - constant  # (d, V)
        linear = nn.Linear(self.d_model, self.vocab_size, device="meta")
        linear.weight, linear.bias = nn.Parameter(rows.T.contiguous()), nn.Parameter(constant)
        return linear

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        self.transform = self.transform.to(target_device(fn, self.transform.turns))
        return self


class FourierHead(KeepsSettings, ComputedHead):
    """Logits ``a(h) · T(p) / √K + bias(p)`` of all ids p from hidden states h, without a ``V x d`` table.

    ``a`` is one linear map, ``d -> 2 K``, on request behind a small MLP, and T(p) the code of :class:`FourierEmbedding`, so
    that a row of logits is a trigonometric polynomial of the id: ``O(V log V)`` by FFT, for any K, in place of ``O(V d)``. K
    may exceed d / 2: from a short code to the whole table in the Fourier domain. The map has ``2 K (d + 1)`` parameters and
    starts as ``nn.Linear`` does; with codes of norm 1, ``T / √K``, first logits are of the size that a dense
    ``nn.Linear(d, V)`` gives.

    Without ``bias`` the logits of all V ids lie in a space of 2 K dimensions whatever h is: differences between near
    frequencies are free, unigram counts are not. The bias adds V parameters, and for AdamW 2 V moments, beside a pass over
    the logits: nothing next to a table, but it is a V-sized parameter.

    Everything is computed in float32, or in float64 where h and weights are, under autocast too. Works on the ``meta``
    device; :meth:`forward` also under ``torch.export`` and in gradients of gradients, :meth:`cross_entropy` does not.

    Args:
        vocab_size: V.
        d_model: Width d of h.
        frequencies: ``mixed``, ``random``, ``log``, ``harmonic``, or a list of integers; see :func:`frequency_set`.
        n_frequencies: K; ``d_model // 2``, or as many as are listed, if None. All lie below half the period.
        period: M in ids, at least V; :func:`smooth_period` of V if None. Ids a period apart would share their logit.
        bias: Whether each id has a number of its own, from 0.
        mlp: What h goes through before the map: ``none``, or ``geglu``, h plus a GeGLU of it with a hidden width of 2 d,
            6 d² + 5 d parameters.
        frequency_seed: Seed of the ``random`` and ``mixed`` sets.
        device, dtype: Where the weights are, and their floating-point type; torch's defaults if None.

    Raises:
        ConfigError: On a bad size, name or period here, and on bad ids in a call.
        RecordError: In ``load_state_dict``, if the weights are of other settings.

    Example:
        >>> head = FourierHead(30522, 256)
        >>> head(torch.randn(2, 7, 256)).shape, sum(p.numel() for p in head.parameters())
        (torch.Size([2, 7, 30522]), 96314)

    Source: own; the DFT layer of Grivas et al. 2024 (arXiv:2310.10443) has harmonic rows and computes them densely.
    """

    decisive: ClassVar[tuple[str, ...]] = ("vocab_size", "d_model", "period", "frequencies")

    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        frequencies: str | Sequence[int] | Tensor = "mixed",
        n_frequencies: int | None = None,
        period: int | None = None,
        bias: bool = True,
        mlp: str = "none",
        *,
        frequency_seed: int = 0,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
    ):
        if not is_integer(d_model) or d_model < 1:
            raise ConfigError(f"d_model ({d_model}) must be a positive integer. Try 256.")
        period = smooth_period(vocab_size) if period is None else period
        if resolve_period(vocab_size, period) < vocab_size:
            raise ConfigError(
                f"period ({period}) must be at least vocab_size ({vocab_size}), or ids a period apart have one logit. Leave "
                f"it out for {smooth_period(vocab_size)}."
            )
        if n_frequencies is None:
            n_frequencies = max(1, d_model // 2) if isinstance(frequencies, str) else len(frequencies)
        if not is_integer(n_frequencies) or not 1 <= n_frequencies <= (period - 1) // 2:
            raise ConfigError(
                f"n_frequencies ({n_frequencies}) must be an integer in 1..{(period - 1) // 2}: those from half the period "
                f"({period}) on alias lower ones. Lower it, or raise the period."
            )
        super().__init__(vocab_size, d_model, bias, device, dtype)
        with torch.device("cpu"):
            chosen = frequency_set(frequencies, vocab_size, 2 * n_frequencies, period, frequency_seed)
            self.transform = PrunedFFT(chosen, int(period))
        self._set, self._frequency_seed = frequencies if isinstance(frequencies, str) else "custom", int(frequency_seed)
        self.map = nn.Linear(self.d_model, 2 * len(chosen), device=device, dtype=dtype)
        if mlp not in ("none", "geglu"):
            raise ConfigError(f"unknown mlp {mlp!r} of a Fourier head. Choose none or geglu.")
        self.mlp = GeGLU(self.d_model, 2 * self.d_model).to(device, dtype) if mlp == "geglu" else None

    @staticmethod
    def tied_to(embedding: FourierEmbedding, bias: bool = True) -> "TiedFourierHead":
        """Return the head whose rows are those of ``embedding``: ``h · E(p) + bias(p)``, see :class:`TiedFourierHead`."""
        return TiedFourierHead(embedding, bias)

    @property
    def weight(self) -> Tensor:
        return self.map.weight

    def amplitudes(self, h: Tensor) -> Tensor:
        h = h if self.mlp is None else h + self.mlp(h)
        return _exact(self.map(h)) / len(self.frequencies) ** 0.5

    def to_linear(self) -> nn.Linear:
        """Return the ``nn.Linear(d, V)`` with these logits, detached from these weights.

        Raises:
            ConfigError: If they are not linear in h.
        """
        if self.mlp is not None:
            raise ConfigError("a Fourier head with mlp 'geglu' is not linear in its hidden states. Choose mlp 'none'.")
        return super().to_linear()

    def settings(self) -> dict[str, Any]:
        """Return what the logits depend on beside the weights, JSON-ready, with the names of things for messages."""
        return {
            "vocab_size": self.vocab_size,
            "d_model": self.d_model,
            "period": self.period,
            "set": self._set,
            "seed": self._frequency_seed,
            "frequencies": self.frequencies.tolist(),
        }

    def in_words(self, settings: Mapping[str, Any]) -> str:
        name, seed = settings["set"], settings["seed"]
        chosen = brief(settings["frequencies"]) if name == "custom" else f"{len(settings['frequencies'])} {name}"
        drawn = f" (seed {seed})" if name in ("random", "mixed") else ""
        size = f"{settings['vocab_size']} ids, width {settings['d_model']}, period {settings['period']}"
        return f"{size}, {chosen} frequencies{drawn}"

    @property
    def extra_bits(self) -> int:
        """Bits kept beside the parameters: those of listed frequencies, or of the seed that a set is drawn with."""
        if self._set == "custom":
            return 64 * len(self.frequencies)
        return 0 if self._set in ("harmonic", "log") else 64

    def extra_repr(self) -> str:
        seed = f", seed={self._frequency_seed}" if self._set in ("random", "mixed") else ""
        return f"{self.vocab_size}, {self.d_model}, {self._set}{seed}, period={self.period}"


class TiedFourierHead(ComputedHead):
    """Logits ``h · E(p) + bias(p)``, where E is a :class:`FourierEmbedding`, of all ids by FFT.

    Shared is all that E is made of: frequencies, period, map and norm. The head holds no weight of the embedding, so that
    a model counts, saves and moves these once, through the embedding, and its own state dict has the bias alone.

    The norm is folded in: the weights of the RMSNorm go into the map, and the root mean square of each row, which divides
    its logit, is a quadratic form in T(p), hence a trigonometric sum too: one FFT gives those of all ids, in every call,
    for O(d³) operations. So gradients reach the embedding through both.

    Args:
        embedding: With the Fourier basis, ``mlp`` of ``none`` or ``linear``, and a period of at least V.
        bias: Whether each id has a number of its own, from 0: V parameters.

    Raises:
        ConfigError: If the rows of the embedding are no linear map of T, or two ids have the same.
    """

    def __init__(self, embedding: FourierEmbedding, bias: bool = True):
        weight = embedding.norm.weight
        super().__init__(embedding.num_embeddings, embedding.embedding_dim, bias, weight.device, weight.dtype)
        if embedding.polynomials is not None or not isinstance(embedding.mlp, nn.Linear | None):
            raise ConfigError(
                f"a head can be tied to a Fourier embedding with mlp 'none' or 'linear', whose rows are linear in T, got "
                f"{embedding.in_words(embedding.settings())}. Choose one of these, or a head of its own."
            )
        if embedding.period < self.vocab_size:
            raise ConfigError(
                f"the period of the embedding ({embedding.period}) must be at least its number of ids ({self.vocab_size}), "
                f"or ids a period apart have one logit. Build it with period={smooth_period(self.vocab_size)}."
            )
        self._shared = (embedding,)  # in a tuple, which torch does not look into
        constant = torch.zeros(1, dtype=torch.int64, device="cpu")  # the map's bias, as frequency 0
        self.transform = PrunedFFT(torch.cat((constant, embedding.frequencies.cpu())), embedding.period).to(
            weight.device
        )

    @property
    def weight(self) -> Tensor:
        return self._shared[0].norm.weight

    def amplitudes(self, h: Tensor) -> Tensor:
        matrix, shift = self._map()
        weighted = _exact(h) * _exact(self.weight)
        with torch.autocast(h.device.type, enabled=False):
            constant = (weighted @ shift).unsqueeze(-1)
            return torch.cat((torch.zeros_like(constant), constant, weighted @ matrix), dim=-1)

    def _map(self) -> tuple[Tensor, Tensor]:
        """Return matrix ``(d, d)`` and shift ``(d,)`` of the rows before the norm, ``matrix T(p) + shift``."""
        mlp, like = cast(nn.Linear | None, self._shared[0].mlp), _exact(self.weight)
        identity = torch.eye(self.d_model, dtype=like.dtype, device=like.device)
        return (identity, torch.zeros_like(like)) if mlp is None else (_exact(mlp.weight) + identity, _exact(mlp.bias))

    def scale(self) -> Tensor:
        """Return one over the root mean square of each row before the norm, ``(V,)``; 0 for the padding id."""
        embedding, (matrix, shift) = self._shared[0], self._map()
        k, m = self.frequencies.to(matrix.device), self.period
        # T's pair is (-1)^k (sin, cos) of 2π k p / M: the row is the real part of Σ_k columns_k e^{2πi k p / M}.
        sine, cosine = matrix.unflatten(-1, (-1, 2)).unbind(-1)
        columns = torch.complex(cosine, -sine) * (1 - 2 * (k[1:] % 2))
        columns = torch.cat(
            (torch.complex(shift, torch.zeros_like(shift)).unsqueeze(-1), columns), dim=-1
        )  # (d, K + 1)
        # Its square, summed over d: half of Σ conj(c_k) c_l at l - k, and half of Σ c_k c_l at k + l.
        products = torch.stack((columns.mH @ columns, columns.mT @ columns)) / (2 * self.d_model)
        places = torch.stack((k - k.unsqueeze(-1), k + k.unsqueeze(-1))) % m
        spectrum = products.new_zeros(m).index_add(0, places.flatten(), products.flatten())
        mean_square = torch.fft.ifft(spectrum, norm="forward").real[: self.vocab_size]
        eps = embedding.norm.eps if embedding.norm.eps is not None else torch.finfo(self.weight.dtype).eps
        scale = torch.rsqrt(mean_square + eps)
        if embedding.padding_idx is None:
            return scale
        return scale.masked_fill(torch.arange(self.vocab_size, device=scale.device) == embedding.padding_idx, 0.0)


def _exact(x: Tensor) -> Tensor:
    """Return numbers as float32, or float64 where they are: short types have no Fourier transform on a CPU."""
    return x if x.dtype == torch.float64 else x.float()
