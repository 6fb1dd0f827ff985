"""A notebook's parameters cell, turned into a ``RunConfig``, strictly."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..config import RunConfig
from ..errors import ConfigError
from ..plugins import allow

_LITERALS = (bool, int, float, str, list, tuple, dict, type(None))
# What IPython itself puts into a fresh namespace.
_IPYTHON = {"In", "Out"}


def read_parameters(namespace: Mapping[str, Any], **extras: type) -> RunConfig:
    """Build the run configuration from the variables of a notebook, in its first cell after the parameters.

    Papermill warns about a parameter that the notebook does not declare, and injects ``1e3`` as a float and ``false`` as
    text. Here every literal variable must be a ``RunConfig`` field or a declared extra, with the right type.

    Args:
        namespace: ``globals()`` of the notebook.
        extras: Parameters of this notebook alone, with their types, e.g. ``n_seeds=int``.

    Returns:
        RunConfig: Defaults overridden by the variables that are fields.

    Raises:
        ConfigError: If a variable is unknown or has the wrong type.

    Example:
        >>> read_parameters({"d_model": 64, "n_seeds": 2}, n_seeds=int).d_model
        64
    """
    fields = {f.name for f in dataclasses.fields(RunConfig)}
    given = {
        name: value
        for name, value in namespace.items()
        if isinstance(value, _LITERALS) and not name.startswith("_") and name not in _IPYTHON
    }
    if unknown := sorted(set(given) - fields - set(extras)):
        known = ", ".join(sorted({*extras, *fields}))
        raise ConfigError(f"unknown parameter {', '.join(unknown)}. This notebook takes: {known}.")
    for name, kind in extras.items():
        if name not in given:
            raise ConfigError(f"parameter {name} is not set. Add it to the parameters cell.")
        value: Any = given.pop(name)
        fits = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
        if not fits:
            raise ConfigError(f"{name} must be {kind.__name__}, got {value!r} ({type(value).__name__}).")
        if kind is int and value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}.")
    allow(given.values())
    return RunConfig.from_dict(given)


def settings_table(config: RunConfig) -> str:
    """Return the settings that differ from their defaults, and the digest, as aligned text."""
    rows = [("digest", config.digest()), *config.changes().items()]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
