"""What a run is called beside others: its series, a setting in words, and the settings in which runs differ."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from itertools import chain
from typing import Any

from .config import EXPANSION, RunConfig
from .plugins import short_name

IN_SERIES_NAME = ("arm", *EXPANSION, "embedding_options", "head", "head_options")
TUNING_SEED = 100  # runs with this seed or a larger one chose settings and are not reported


def series_name(config: RunConfig) -> str:
    """Return the name under which a run is compared: its embedding and, in brackets, what is special about it.

    That of a language model goes on with its head.

    Example:
        >>> series_name(RunConfig(frequencies="random", mlp="geglu")), series_name(RunConfig(arm="learned"))
        ('fourier (random, geglu)', 'learned')
        >>> series_name(RunConfig(arm="learned", objective="language_model", head="decoupled", head_options={"width": 8}))
        'learned -> decoupled (width 8)'
    """
    name = _embedding_name(config)
    return name if config.head == "none" else f"{name} -> {_with_options(config.head, config.head_options)}"


def _embedding_name(config: RunConfig) -> str:
    if config.arm != "fourier":
        return _name_with_options(config)
    frequencies = short_name(config.frequencies) if isinstance(config.frequencies, str) else "custom"
    if config.basis != "fourier":
        features = config.basis
    elif config.period is not None:
        features = f"period {config.period}" if frequencies == "harmonic" else f"{frequencies}, period {config.period}"
    else:
        features = frequencies
    return f"fourier ({features})" if config.mlp == "linear" else f"fourier ({features}, {config.mlp})"


def _name_with_options(config: RunConfig) -> str:
    expansion = {} if config.arm == "learned" else {n: v for n, v in config.changes().items() if n in EXPANSION}
    return _with_options(config.arm, (*expansion.items(), *config.embedding_options))


def _with_options(part: str, options: Iterable[tuple[str, Any]]) -> str:
    told = [
        f"{name.replace('_', ' ')} {short_name(value) if isinstance(value, str) else value}" for name, value in options
    ]
    return short_name(part) + (f" ({', '.join(told)})" if told else "")


def read_in(config: RunConfig) -> str:
    """Return what a step of the run reads a batch of."""
    return "windows" if config.objective == "language_model" else "pairs"


def setting(config: RunConfig, name: str) -> str:
    """Return one setting of a run in words; a list is joined, an empty one is ``none``."""
    value = getattr(config, name)
    return (" + ".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)


def varying_settings(configs: Iterable[RunConfig]) -> list[str]:
    """Return the names of the settings, apart from the seed, that decide numbers and are not the same in all ``configs``."""
    configs = list(configs)
    found: dict[str, list[int]] = {}  # by name, how many have each value that is no default
    for (name, _), count in Counter(chain.from_iterable(config.changes().items() for config in configs)).items():
        found.setdefault(name, []).append(count)
    names = [field.name for field in fields(RunConfig) if field.metadata.get("digest", True) and field.name != "seed"]
    return [name for name in names if 0 < sum(found.get(name, ())) < len(configs) or len(found.get(name, ())) > 1]
