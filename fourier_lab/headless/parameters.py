"""A notebook's parameters cell, turned into a ``RunConfig``, strictly."""

import ast
import dataclasses
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from ..config import RunConfig
from ..errors import ConfigError, check_kind
from ..plugins import allow

_LITERALS = (bool, int, float, str, list, tuple, dict, type(None))
_INJECTED = "# Parameters\n"  # how papermill begins the cell that it adds


def read_parameters(namespace: Mapping[str, Any], **extras: type) -> RunConfig:
    """Build the run configuration from the parameters of a notebook, however often its cells have run.

    Papermill warns about a parameter that the notebook does not declare, and injects ``1e3`` as a float and ``false`` as
    text. Here every parameter must be a ``RunConfig`` field or a declared extra, with the right type. Parameters are the
    names that the parameters cell declares (``name: type = value``) and those that papermill injects, as the kernel
    remembers its cells; all other variables are the reader's own. Where nothing remembers a parameters cell, as in a
    plain script, every variable with a literal value counts.

    Args:
        namespace: ``globals()`` of the notebook.
        extras: Parameters of this notebook alone, with their types, e.g. ``n_seeds=int``.

    Returns:
        RunConfig: Defaults overridden by the parameters that are fields.

    Raises:
        ConfigError: If a parameter is unknown or has the wrong type.

    Example:
        >>> read_parameters({"d_model": 64, "n_seeds": 2}, n_seeds=int).d_model
        64
    """
    check_kind(
        namespace, Mapping, "read_parameters takes the variables of a notebook", "Write read_parameters(globals())."
    )
    known = {*extras, *(f.name for f in dataclasses.fields(RunConfig))}
    declared = _declared(namespace.get("In", ()), known)
    given = {
        name: value for name, value in namespace.items() if (name in declared if declared else _is_literal(name, value))
    }
    if unknown := sorted(given.keys() - known):
        raise ConfigError(f"unknown parameter {', '.join(unknown)}. This notebook takes: {', '.join(sorted(known))}.")
    for name, value in given.items():
        if isinstance(value, str) and _is_tuple(value):
            raise ConfigError(f"{name} is the text {value!r}: papermill turns a tuple into text. Give a list.")
    for name, kind in extras.items():
        if name not in given:
            raise ConfigError(f"parameter {name} is not set. Add it to the parameters cell.")
        value = given.pop(name)
        fits = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
        if not fits:
            raise ConfigError(f"{name} must be {kind.__name__}, got {value!r} ({type(value).__name__}).")
        if kind is int and value < 1:
            raise ConfigError(f"{name} must be at least 1, got {value}.")
    allow(given.values())
    return RunConfig.from_dict(given)


def _declared(cells: Iterable[str], known: Collection[str]) -> set[str]:
    """Return the names that parameters cells declared or papermill injected, among the ``cells`` run so far.

    A parameters cell annotates at least one known name; a reader may split it. Run again, it replaces what it was before.
    """
    declared: list[set[str]] = []
    injected: set[str] = set()
    for source in cells:
        try:
            body = ast.parse(source).body
        except SyntaxError:  # a cell that never ran
            continue
        annotated = {
            node.target.id for node in body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        }
        assigned = {
            target.id
            for node in body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        if annotated & set(known):
            names = annotated | assigned
            declared = [before for before in declared if not before & names] + [names]
        elif source.startswith(_INJECTED) and all(isinstance(node, ast.Assign) for node in body):
            injected |= assigned
    return injected.union(*declared)


def _is_literal(name: str, value: Any) -> bool:
    return isinstance(value, _LITERALS) and not name.startswith("_") and name not in ("In", "Out")


def _is_tuple(text: str) -> bool:
    try:
        return isinstance(ast.literal_eval(text), tuple) and text.startswith("(")
    except (ValueError, SyntaxError):
        return False


def settings_table(config: RunConfig) -> str:
    """Return the settings that differ from their defaults, and the digest, as aligned text."""
    rows = [("digest", config.digest()), *config.changes().items()]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
