"""Parts of a model that others add without touching the library: by an installed entry point, or by a dotted path.

A dotted path ``my_module:MyClass`` is code. It is imported only where a person named it: on the command line, in a sweep
file, in a notebook, or by importing the module first. A record or a downloaded folder that names one imports nothing, and of
what is imported anyway it gets layers alone, and functions that a person wrote: ``os:kill`` is no part. A record of a part
whose package is not installed can be read all the same; only building the part fails.
"""

import dataclasses
import importlib
import inspect
import re
import sys
import sysconfig
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_SEEDS = ("seed", "frequency_seed")  # arguments that a run's seed is given to, and that are no setting
_named: set[str] = set()
_met: set[str] = set()
_recorded: dict[
    tuple[str, str], str
] = {}  # group and name of parts that are not installed: their package, if it is known


def is_path(name: object) -> bool:
    """Say whether ``name`` is a dotted path such as ``my_module:MyClass``."""
    return isinstance(name, str) and _PATH.fullmatch(name) is not None


def allow(names: Iterable[object]) -> None:
    """Note that a person named these plug-ins, so that dotted paths among them may be imported; other values do nothing."""
    _named.update(name for name in names if isinstance(name, str) and is_path(name))


@dataclass(frozen=True)
class Kind:
    """One kind of part that can be added, such as token embeddings.

    Attributes:
        group: Group of the entry points, ``fourier_lab.embeddings`` and so on.
        noun: What it is called in messages.
        built_in: Path of each part that the library has, by name.
        settings: Settings of those parts as frozen dataclasses, by name, known without importing the part.
    """

    group: str
    noun: str
    built_in: Mapping[str, str]
    settings: Mapping[str, type] = dataclasses.field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        """Return the names of all parts, the library's first, then those of installed packages."""
        return tuple(dict.fromkeys([*self.built_in, *sorted(_entry_points(self.group))]))

    def package_of(self, name: str) -> str:
        """Return the installed package that adds the part ``name``; empty for the library's own and for dotted paths."""
        point = None if name in self.built_in else _entry_points(self.group).get(name)
        return "" if point is None or point.dist is None else point.dist.name

    def recall(self, name: str, package: str = "") -> None:
        """Let ``name`` pass where it is no known part: a record has it, of a ``package`` that is not installed here."""
        if not is_path(name) and name not in self.built_in and name not in self.names():
            _recorded[self.group, name] = package or _recorded.get((self.group, name), "")
            _met.add(name)

    def _is_missing(self, name: object) -> bool:
        return (self.group, name) in _recorded and name not in self.names()

    def check_name(self, name: object, setting: str = "") -> None:
        """Raise :class:`ConfigError` unless ``name`` is known, :meth:`recalled <recall>` from a record, or a dotted path.

        ``setting`` is what it was given for.
        """
        if is_path(name):
            _met.add(short_name(str(name)))
        elif self._is_missing(name):
            return
        elif name not in self.built_in and name not in self.names():
            raise ConfigError(
                f"{setting or self.noun} must be one of {', '.join(self.names())}, or your own as module:name, got {name!r}."
            )

    def is_at_hand(self, name: str) -> bool:
        """Say whether the part may be looked at now: one of an installed package, or a dotted path.

        The path must be named by a person, or be a part of an imported module.
        """
        if not is_path(name):
            return not self._is_missing(name)
        return name in _named or _is_part(name)

    def find(self, name: str) -> Any:
        """Return the class or function called ``name``.

        Raises:
            ConfigError: If it is unknown, of a package that is not installed, cannot be imported, or is a dotted path that
                nobody named.
        """
        self.check_name(name)
        if self._is_missing(name):
            package = _recorded[self.group, name]
            raise ConfigError(
                f"the {self.noun} {name!r} comes with {f'the package {package}' if package else 'a package'}, which is not "
                f"installed here. Install {package or 'the one that has this entry point of ' + self.group}."
            )
        if name in self.built_in:
            return _load(self.built_in[name], self.noun)
        if not is_path(name):
            return _entry_points(self.group)[name].load()
        if not self.is_at_hand(name):
            module = name.partition(":")[0]
            way_out = (
                "Name a layer of torch.nn.Module"
                if module in sys.modules
                else f"If you trust it, import {module} first"
            )
            raise ConfigError(
                f"the {self.noun} {name!r} is code of the module {module}, which a record alone must not run. {way_out}."
            )
        return _load(name, self.noun)

    def settings_of(self, name: str) -> type:
        """Return the frozen dataclass of the part's settings; of a stranger's class, made from its keyword arguments.

        Raises:
            ConfigError: As :meth:`find`.
        """
        return self.settings[name] if name in self.settings else _settings_of(self.find(name))

    def build(self, name: str, sizes: tuple[int, ...], settings: Any, seed: int = 0) -> Any:
        """Call the part with its sizes, its settings and, if it takes one, the seed.

        Raises:
            ConfigError: As :meth:`find`, and if the part refuses the values.
        """
        part = self.find(name)
        seeds = {each: seed for each in _SEEDS if each in inspect.signature(part).parameters}
        values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
        try:
            return part(*sizes, **values, **seeds)
        except (TypeError, ValueError, RuntimeError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError(f"the {self.noun} {name!r} refuses {sizes} and {values}: {error}. Change one.") from error


def is_met(name: str) -> bool:
    """Say whether a dotted path met in this process, in a setting or a record, has the short name ``name``."""
    return name in _met


def short_name(name: str) -> str:
    """Return what a part is called in tables and figures: its name, or the last part of its dotted path.

    Example:
        >>> short_name("my_module:MyEmbedding"), short_name("learned")
        ('MyEmbedding', 'learned')
    """
    return name.rpartition(":")[2]


def check_options(
    kind: Kind, name: str, options: Iterable[tuple[str, Any]], set_elsewhere: Iterable[str] = ()
) -> tuple[tuple[str, Any], ...]:
    """Return options of a part in one order and without those at their default, so that equal parts are one run.

    Of a part that is not at hand (see :meth:`Kind.is_at_hand`) they stay as they are. No option is ``set_elsewhere``.

    Raises:
        ConfigError: If an option is unknown, missing or has the wrong type.
    """
    given = dict(options)
    if not kind.is_at_hand(name):
        return tuple(sorted(given.items()))
    settings = dataclasses.fields(kind.settings_of(name))
    fields = {field.name: field for field in settings if field.name not in set_elsewhere}
    if unknown := sorted(map(str, given.keys() - fields.keys())):
        known = ", ".join(fields) or "none"
        raise ConfigError(f"{kind.noun} {name!r} has no option {', '.join(unknown)}. Its options: {known}.")
    if missing := [n for n, f in fields.items() if f.default is dataclasses.MISSING and n not in given]:
        raise ConfigError(f"{kind.noun} {name!r} needs the option {', '.join(missing)}, which has no default. Set it.")
    checked = {key: _checked(kind, name, fields[key], value) for key, value in given.items()}
    return tuple(sorted((key, value) for key, value in checked.items() if value != fields[key].default))


def kinds_of_hint(hint: Any) -> tuple[Any, ...]:
    """Return the Python types that an annotation accepts.

    Example:
        >>> kinds_of_hint(tuple[int, ...] | None)
        (<class 'tuple'>, <class 'NoneType'>)
    """
    union = typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    return tuple(typing.get_origin(each) or each for each in union)


def _checked(kind: Kind, name: str, field: dataclasses.Field, value: Any) -> Any:
    value = tuple(value) if isinstance(value, list) else value
    accepted = kinds_of_hint(field.type)
    if float in accepted and type(value) is int:
        value = float(value)
    if Any not in accepted and type(value) not in accepted:
        wanted = " or ".join(
            "None" if each is type(None) else getattr(each, "__name__", str(each)) for each in accepted
        )
        raise ConfigError(
            f"option {field.name} of the {kind.noun} {name!r} must be {wanted}, got {value!r} ({type(value).__name__})."
        )
    return value


@cache
def _entry_points(group: str) -> dict[str, "EntryPoint"]:
    from importlib import metadata

    return {point.name: point for point in metadata.entry_points(group=group)}


def _is_part(path: str) -> bool:
    """Say whether a dotted path leads to a layer of an imported module, or to a function of one that is in no package.

    What Python or an installed package can do besides, such as delete files, is nothing for a record to call.
    """
    module, _, name = path.partition(":")
    found = getattr(sys.modules.get(module), name, None)
    if inspect.isclass(found):
        return any(base.__module__ == "torch.nn.modules.module" for base in found.__mro__)  # without importing torch
    home = sys.modules.get(found.__module__) if inspect.isfunction(found) else None  # where it was written
    file = getattr(home, "__file__", None)
    if file is None:
        return home is not None and home.__name__ == "__main__"  # of a notebook
    return not any(Path(file).resolve().is_relative_to(folder) for folder in _installed())


@cache
def _installed() -> set[Path]:
    """Return the folders of Python's own modules, of installed packages and of this library."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return {Path(__file__).resolve().parent, *(Path(sysconfig.get_path(name)).resolve() for name in names)}


def _load(path: str, noun: str) -> Any:
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0] and error.name != module:
            raise
        raise ConfigError(
            f"the {noun} {path!r} is in no module that can be imported: {error}. Start in the folder of {module}.py, or put "
            "that folder on PYTHONPATH."
        ) from error
    except AttributeError as error:
        raise ConfigError(f"the module {module} has no {noun} {name!r}. Correct the name after the colon.") from error


@cache
def _settings_of(part: Callable[..., Any]) -> type:
    """Return a dataclass of the keyword arguments that follow the sizes; types as annotated, else those of the defaults."""
    function = part.__init__ if inspect.isclass(part) else part
    hints = typing.get_type_hints(function)
    fields: list[Any] = []
    for name, parameter in list(inspect.signature(part).parameters.items())[_n_sizes(part) :]:
        if name in _SEEDS or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.default is parameter.empty:
            fields.insert(0, (name, hints.get(name, Any)))
        else:
            fields.append((name, hints.get(name, type(parameter.default)), parameter.default))
    return dataclasses.make_dataclass("Settings", fields, frozen=True)


def _n_sizes(part: Callable[..., Any]) -> int:
    """Return how many arguments are sizes, no settings: V and d of an embedding, V and K of frequencies, d of a block."""
    first = next(iter(inspect.signature(part).parameters), "")
    return 1 if first == "d_model" else 2
