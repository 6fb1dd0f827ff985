"""Token embeddings with one interface: computed from the id (``FourierEmbedding``) or looked up (``LearnedEmbedding``).

Both take integer ids of any shape ``(...)`` and return ``(..., embedding_dim)``, like :class:`torch.nn.Embedding`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import forward_ad

from ..device import target_device
from ..errors import ConfigError
from .basis import check_id_type, check_token_ids, fourier_features, frequency_set, polynomial_basis
from .drop_in import DropIn
from .frequencies import is_integer, resolve_period
from .kept_settings import KeepsSettings, expansion_in_words

_CACHED_TABLE_BYTES = 512 * 2**20
_BLOCK = 8192  # ids evaluated at a time


class GeGLU(nn.Module):
    """Gated feed-forward map ``W2 (GELU(a) * b)`` with ``(a, b) = W1 x``; ``(..., d) -> (..., d)``.

    Args:
        d_model: Width in and out.
        hidden: Width of ``a`` and of ``b``.

    Source: Shazeer 2020 (arXiv:2002.05202).
    """

    def __init__(self, d_model: int, hidden: int):
        super().__init__()
        self.w1 = nn.Linear(d_model, 2 * hidden)
        self.w2 = nn.Linear(hidden, d_model)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.w1(x).chunk(2, dim=-1)
        gate = F.gelu(gate)
        # New memory of this size costs a processor more than the product; a gradient would need what is written over.
        return self.w2(gate * value if torch.is_grad_enabled() else gate.mul_(value))


class SiLUMLP(nn.Module):
    """Map ``W2 SiLU(W1 x)`` with a hidden layer of width d, ``(..., d) -> (..., d)``; ``2 d² + 2 d`` parameters."""

    def __init__(self, d_model: int):
        super().__init__()
        self.w1 = nn.Linear(d_model, d_model)
        self.w2 = nn.Linear(d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(F.silu(self.w1(x)))


def build_mlp(name: str, d_model: int) -> nn.Module | None:
    """Return the map of a fixed code ``(..., d) -> (..., d)`` that has this name; None for ``none``.

    Raises:
        ConfigError: If there is none of this name.
    """
    builders: dict[str, Callable[[], nn.Module | None]] = {
        "none": lambda: None,
        "linear": lambda: nn.Linear(d_model, d_model),
        "geglu": lambda: GeGLU(d_model, 4 * d_model),
        "geglu_quarter": lambda: GeGLU(d_model, max(1, d_model // 4)),
        "silu": lambda: SiLUMLP(d_model),
    }
    if name not in builders:
        raise ConfigError(f"unknown mlp {name!r}. Choose one of {', '.join(builders)}.")
    return builders[name]()


_PLAIN = (nn.Linear, nn.RMSNorm, GeGLU, SiLUMLP)  # layers whose output follows from their input and parameters alone


def _is_symbolic(token_ids: Tensor) -> bool:
    """Say whether ids have no values to look at: under ``torch.func``, on the ``meta`` device, of a type that traces."""
    transforms: Any = torch._C._functorch  # torch has no public name for the stack of transforms at work
    return transforms.peek_interpreter_stack() is not None or token_ids.is_meta or isinstance(token_ids, FakeTensor)


class FourierEmbedding(KeepsSettings, DropIn):
    """Compute token embeddings ``E(p) = RMSNorm(MLP(T(p)) + T(p))`` from the id; drop-in for ``torch.nn.Embedding``.

    Training evaluates each distinct id of a batch once. In eval mode without gradients the whole table is computed on the
    first look-up and kept while the weights keep their values, so repeated look-ups cost about a table look-up. Each
    look-up compares all weights for that, which small batches pay for too; a table above 512 MiB is never kept, nor one
    whose layers have hooks or were replaced, as adapters and pruning do. Under ``torch.compile`` and ``torch.func``, and
    for ids on the ``meta`` device, every id is evaluated by itself and its range is not checked.

    The state dict holds what was learned and, as ``_extra_state``, the arguments that the rows depend on. Weights of another
    period, basis, frequency set or MLP are refused, for they would give other rows; those of an older version, which do not
    say what they are of, load with a warning. To add ids, keep ``period``, which is V - 1 by default.

    A drop-in has ``num_embeddings``, ``embedding_dim``, ``padding_idx``, ``device`` and ``dtype``, and takes ids of any
    shape. It has no ``weight`` (an output layer is tied by ``x @ embedding(torch.arange(V)).T``), no ``from_pretrained``,
    ``max_norm``, ``scale_grad_by_freq`` or ``sparse``, and no ``torch.jit.script``: :meth:`to_table` gives a table for that.
    Its third argument by place is ``frequencies``.

    Args:
        num_embeddings: V, number of ids; costs no parameters.
        embedding_dim: d, even width; parameters are ``d`` (norm) plus the MLP's.
        frequencies: ``harmonic`` (paper), ``log``, ``random``, ``mixed`` or ``d / 2`` integers; see :func:`frequency_set`.
            Polynomials have none.
        basis: ``fourier``, or one of the polynomial families.
        period: Period of the id normaliser in ids; V - 1 if None, and always for polynomials.
        mlp: ``none``, ``linear`` (d² + d parameters), ``geglu`` (hidden 4 d), ``geglu_quarter`` (hidden d / 4) or ``silu``.
        frequency_seed: Seed of the ``random`` and ``mixed`` sets.
        padding_idx: Id whose row is zero and gives no gradient; counted from the end if negative.
        device, dtype: Where the weights are, and their floating-point type; torch's defaults if None.

    Raises:
        ConfigError: On a bad size, name or period here, and on ids that are not integers in ``0..V-1`` in the call.
        RecordError: In ``load_state_dict``, if the weights are of other settings; this layer is then left as it was.

    Example:
        >>> FourierEmbedding(30522, 256)(torch.tensor([[101, 7592, 102]])).shape
        torch.Size([1, 3, 256])

    Source: Ndubuaku & Talhi 2025 (arXiv:2505.02266). The norm is in their code, not in their formula; the text has GeGLU,
    the parameter counts of Table 1 a single linear layer.
    """

    decisive: ClassVar[tuple[str, ...]] = ("embedding_dim", "period", "basis", "frequencies", "mlp")
    frequencies: Tensor
    polynomials: Tensor | None

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        frequencies: str | Sequence[int] | Tensor = "harmonic",
        basis: str = "fourier",
        period: int | None = None,
        mlp: str = "linear",
        frequency_seed: int = 0,
        *,
        padding_idx: int | None = None,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
        **others: Any,
    ):
        super().__init__(num_embeddings, padding_idx, dtype, others)
        if is_integer(frequencies):
            raise ConfigError(
                f"a list of frequencies needs several integers, got {frequencies}. If it is the padding_idx, which comes "
                f"third in torch.nn.Embedding: here it is given by name, padding_idx={frequencies}."
            )
        self.period = resolve_period(num_embeddings, period)
        named = frequencies if basis == "fourier" else "harmonic"  # polynomials read none, so any will do
        self.polynomials = None
        with torch.device("cpu"):
            self.frequencies = frequency_set(named, num_embeddings, embedding_dim, period, frequency_seed)
            if basis != "fourier":
                all_ids = torch.arange(num_embeddings)
                self.polynomials = polynomial_basis(all_ids, num_embeddings, embedding_dim, basis, period)
        self.embedding_dim = int(embedding_dim)
        self._basis, self._set = basis, named if isinstance(named, str) else "custom"
        self._frequency_seed = int(frequency_seed)
        d = self.embedding_dim
        self.mlp, self._mlp = build_mlp(mlp, d), mlp
        self.norm = nn.RMSNorm(d)
        self._cache: tuple[list[Tensor], Tensor] | None = None
        if device is not None or dtype is not None:
            self.to(device=device, dtype=dtype)

    def basis(self, token_ids: Tensor) -> Tensor:
        """Return T(p), float32 ``(..., d)``, of already checked ids."""
        if self.polynomials is not None:
            return self.polynomials.to(token_ids.device)[token_ids.long()].float()
        return fourier_features(token_ids.long(), self.frequencies.to(token_ids.device), self.period)

    def compute(self, token_ids: Tensor) -> Tensor:
        """Return E(p) ``(..., d)`` of already checked ids, one evaluation per element."""
        basis = self.basis(token_ids).to(self.norm.weight.dtype)
        rows = self.norm(basis if self.mlp is None else self.mlp(basis) + basis)
        if self.padding_idx is None:
            return rows
        return rows.masked_fill((token_ids.long() == self.padding_idx).unsqueeze(-1), 0.0)

    def forward(self, token_ids: Tensor) -> Tensor:
        check_id_type(token_ids)
        if torch.compiler.is_compiling() or torch.jit.is_tracing() or _is_symbolic(token_ids):
            # The range of ids and the number of distinct ones depend on the data, which these cannot look at.
            return self.compute(token_ids)
        check_token_ids(token_ids, self.num_embeddings)
        if not self.training and not torch.is_grad_enabled() and self._table_can_be_kept():
            return F.embedding(token_ids.long(), self._current_table())
        distinct, position = torch.unique(token_ids, return_inverse=True)
        return F.embedding(position, self.compute(distinct))

    @torch.no_grad()
    def to_table(self) -> nn.Embedding:
        """Return the ``torch.nn.Embedding`` with the same rows, ``V x d``, detached from these weights."""
        return nn.Embedding.from_pretrained(self._compute_table(), freeze=False, padding_idx=self.padding_idx)

    def _compute_table(self) -> Tensor:
        # In blocks, so that the peak is one table and not the MLP's hidden layer for every id.
        weight = self.norm.weight
        table = weight.new_empty(self.num_embeddings, self.embedding_dim)
        with torch.autocast(weight.device.type, enabled=False):
            for start in range(0, self.num_embeddings, _BLOCK):
                ids = torch.arange(start, min(start + _BLOCK, self.num_embeddings), device=weight.device)
                table[start : start + _BLOCK] = self.compute(ids)
        return table

    def _table_can_be_kept(self) -> bool:
        """Say whether the table is small enough and a function of what :meth:`_current_table` compares, and of no more."""
        if self.num_embeddings * self.embedding_dim * self.norm.weight.element_size() > _CACHED_TABLE_BYTES:
            return False
        if getattr(self, "_is_replica", False):  # DataParallel's: made anew for each call, without parameters
            return False
        plain = (
            type(part) in _PLAIN and not part._forward_hooks and not part._forward_pre_hooks
            for part in self.modules()
            if part is not self
        )
        return all(plain) and all(forward_ad.unpack_dual(weight).tangent is None for weight in self.parameters())

    def _current_table(self) -> Tensor:
        """Return E of all ids, computed anew whenever value, type or device of a weight, or a setting, has changed."""
        # Values are compared, not version counters: ``weight.data`` can change without a counter noticing.
        padding = -1 if self.padding_idx is None else self.padding_idx
        settings = torch.tensor((self.period, self.num_embeddings, padding), device="cpu")
        weights = [*self.parameters(), *self.buffers(), self.frequencies, settings]
        if self._cache is not None:
            kept, table = self._cache
            same = (
                a.dtype == b.dtype and a.device == b.device and torch.equal(a, b)
                for a, b in zip(kept, weights, strict=False)
            )
            if len(kept) == len(weights) and all(same):
                return table
        self._cache = None  # two tables at a time would be one too many
        table = self._compute_table()
        self._cache = ([w.detach().clone() for w in weights], table)
        return table

    def settings(self) -> dict[str, Any]:
        """Return what the rows depend on beside the weights, JSON-ready, with the names of things for messages."""
        return {
            "num_embeddings": self.num_embeddings,
            "embedding_dim": self.embedding_dim,
            "period": self.period,
            "basis": self._basis,
            "set": self._set,
            "seed": self._frequency_seed,
            "frequencies": self.frequencies.tolist() if self.polynomials is None else [],
            "mlp": self._mlp,
        }

    def in_words(self, settings: Mapping[str, Any]) -> str:
        return expansion_in_words(settings)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_cache": None}  # copies and pickles carry weights, not derived rows

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        device = target_device(fn, self.frequencies)
        self.frequencies = self.frequencies.to(device)
        self.polynomials = None if self.polynomials is None else self.polynomials.to(device)
        return self

    @property
    def extra_bits(self) -> int:
        """Bits kept beside the parameters: those of listed frequencies, or of the seed that a set is drawn with."""
        if self._set == "custom":
            return 64 * len(self.frequencies)
        return 0 if self.polynomials is not None or self._set in ("harmonic", "log") else 64

    def extra_repr(self) -> str:
        name = self._set if self.polynomials is None else self._basis
        seed = f", seed={self._frequency_seed}" if name in ("random", "mixed") else ""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}, {name}{seed}, period={self.period}{padding}"


class LearnedEmbedding(DropIn):
    """Look token embeddings up in a trained table and normalise them: ``E(p) = RMSNorm(W[p])``.

    Args:
        num_embeddings: V; the table has ``V d`` parameters.
        embedding_dim: d, width.
        padding_idx: Id whose row is zero and gets no gradient, as in ``torch.nn.Embedding``.
        device, dtype: Where the weights are, and their floating-point type; torch's defaults if None.

    Raises:
        ConfigError: On a bad size, or ids that are not integers in ``0..V-1`` in the call.

    Source: the baseline of Ndubuaku & Talhi 2025; rows start as N(0, 1), torch's default.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
        **others: Any,
    ):
        super().__init__(num_embeddings, padding_idx, dtype, others)
        if not is_integer(embedding_dim) or embedding_dim < 1:
            raise ConfigError(f"embedding_dim ({embedding_dim}) must be a positive integer. Try 128.")
        self.embedding_dim = int(embedding_dim)
        self.table = nn.Embedding(self.num_embeddings, self.embedding_dim, self.padding_idx, device=device, dtype=dtype)
        self.norm = nn.RMSNorm(self.embedding_dim, device=device, dtype=dtype)

    def forward(self, token_ids: Tensor) -> Tensor:
        check_token_ids(token_ids, self.num_embeddings)
        return self.norm(self.table(token_ids.long()))

    @torch.no_grad()
    def to_table(self) -> nn.Embedding:
        """Return the ``torch.nn.Embedding`` with the same normalised rows, ``V x d``, detached from these weights."""
        return nn.Embedding.from_pretrained(self.norm(self.table.weight), freeze=False, padding_idx=self.padding_idx)
