"""Settings with which an embedding has about so many parameters, for comparisons at equal budgets."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

from ...errors import ConfigError
from ..registry import EMBEDDINGS, WideFourierSettings
from . import settings as rivals
from .factors import digit_base
from .settings import MAPS

_WEIGHTS = 32  # rows of importance weights for each bucket, as many as ids at most


def _adaptive(n: int, v: int) -> rivals.AdaptiveSettings:
    return rivals.AdaptiveSettings((1000, 5000), (n, max(1, n // 4), max(1, n // 16)))


def _hash_embeddings(n: int, v: int) -> rivals.HashEmbeddingsSettings:
    return rivals.HashEmbeddingsSettings(n, importance=_WEIGHTS * n if _WEIGHTS * n < v else None)


def _quotient_remainder(operation: str) -> Callable[[int, int], rivals.QuotientRemainderSettings]:
    return lambda n, v: rivals.QuotientRemainderSettings(digit_base(v, 2) - 1 + n, operation)


# Settings of size n for V ids: more parameters the larger n is. Where there are several ladders, the first that fits counts.
_LADDERS: dict[str, Sequence[Callable[[int, int], Any]]] = {
    "factorised": [lambda n, v: rivals.FactorisedSettings(n)],
    "adaptive": [_adaptive],
    "hashed": [lambda n, v: rivals.HashedSettings(n)],
    "hash_embeddings": [_hash_embeddings],
    "bloom": [lambda n, v: rivals.BloomSettings(n)],
    "canine": [lambda n, v: rivals.CanineSettings(n)],
    "signature": [lambda n, v: rivals.SignatureSettings(max(n, digit_base(2 * v, 4)))],
    "quotient_remainder": [_quotient_remainder("multiply"), _quotient_remainder("concatenate")],
    "tensor_train": [lambda n, v: rivals.TensorTrainSettings(n)],
    "word2ket": [lambda n, v: rivals.Word2KetSettings(rank=n)],
    "robe": [lambda n, v: rivals.RobeSettings(max(n, 8))],
    "deep_hash": [lambda n, v: rivals.DeepHashSettings(hashes=n, hidden=n)],
    "alone": [lambda n, v: rivals.AloneSettings(n)],
    "leviathan": [lambda n, v: rivals.LeviathanSettings(rank=n)],
    "dct": [lambda n, v: rivals.DCTSettings(min(n, v))],
    "byte_waves": [lambda n, v: rivals.ByteWavesSettings(n)],
    "kronecker": [lambda n, v: rivals.KroneckerSettings(n)],
    "ngrams": [lambda n, v: rivals.NgramsSettings(n)],
    "wide_fourier": [lambda n, v: WideFourierSettings(n_frequencies=n)],
}


def sized(name: str, num_embeddings: int, embedding_dim: int, parameters: int, tolerance: float = 0.05) -> Any:
    """Return settings of an embedding with about ``parameters`` parameters, those of its norm included.

    A rival with a size to set has it set; a fixed code, as the Fourier embedding, has the map that comes nearest.

    Args:
        name: A name of the registry.
        num_embeddings, embedding_dim: V and d.
        parameters: The budget, at least 1.
        tolerance: Largest deviation, as a share of the budget.

    Returns:
        The frozen dataclass of its settings, so near to the budget. ``mlp``, if it has one, is a setting of the run.

    Raises:
        ConfigError: If the name is unknown, or nothing that the embedding can be is so near.

    Example:
        >>> sized("bloom", 30522, 256, 66_000).buckets
        257
    """
    EMBEDDINGS.check_name(name)
    nearest = []
    for found in _candidates(name, num_embeddings, embedding_dim, parameters):
        count = found.parameters(num_embeddings, embedding_dim)
        if abs(count - parameters) <= tolerance * parameters:
            return found
        nearest.append(count)
    reached = min(nearest, key=lambda count: abs(count - parameters)) if nearest else "unknown"
    raise ConfigError(
        f"the token embedding {name!r} cannot have {parameters} parameters within {tolerance:.0%} for {num_embeddings} "
        f"ids of width {embedding_dim}; nearest: {reached}. Choose another budget, or a wider tolerance."
    )


def _candidates(name: str, v: int, d: int, parameters: int) -> Iterator[Any]:
    """Yield the settings to try, nearest first within each ladder."""

    def distance(settings: Any) -> int:
        return abs(settings.parameters(v, d) - parameters)

    if name in _LADDERS:
        sizes = range(1, max(2, parameters) + 1)  # every size costs one parameter at least
        for ladder in _LADDERS[name]:
            place = min(bisect_left(sizes, parameters, key=partial(_cost, ladder, v, d)), len(sizes) - 1)
            yield from sorted((ladder(sizes[n], v) for n in {max(0, place - 1), place}), key=distance)
        return
    settings = EMBEDDINGS.settings_of(name)
    if not hasattr(settings, "parameters"):
        return
    usual = settings()
    mapped = any(field.name == "mlp" for field in fields(settings))
    yield from sorted((replace(usual, mlp=mlp) for mlp in MAPS) if mapped else [usual], key=distance)


def _cost(ladder: Callable[[int, int], Any], v: int, d: int, n: int) -> int:
    return ladder(n, v).parameters(v, d)
