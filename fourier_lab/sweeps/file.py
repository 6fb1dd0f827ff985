"""Sweep files: YAML that names the runs of an experiment, read strictly, in the order in which they are to finish."""

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from ..config import RunConfig
from ..errors import ConfigError
from ..paths import NOTEBOOKS, RESULTS, as_path, inside
from ..plugins import allow

_KEYS = ("question", "notebook", "base", "smoke", "seeds", "grid", "groups")
_GROUP_KEYS = ("name", "set", "grid", "seeds", "smoke")


@dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Attributes:
        group: The group it was first named in.
        settings: Everything the file says about it, seed included: ``RunConfig`` fields or notebook parameters.
        changes: The part of ``settings`` that its group sets, without base and seed.
        config: The training configuration; None for a notebook.
    """

    group: str
    settings: dict[str, Any]
    changes: dict[str, Any]
    config: RunConfig | None

    @property
    def digest(self) -> str:
        """Ten hexadecimal digits that name the run."""
        if self.config is not None:
            return self.config.digest()
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True, default=str).encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Sweep:
    """The runs that answer one question.

    Attributes:
        name: The file's stem, ``_smoke`` added for the smoke size; names the folder of results.
        question: What the sweep is to answer, one line.
        runs: Distinct runs in order.
        notebook: Stem of the notebook that the settings are parameters of; None for training runs.
    """

    name: str
    question: str
    runs: tuple[Run, ...]
    notebook: str | None = None

    @property
    def configs(self) -> list[RunConfig]:
        """The training configurations in order."""
        return [run.config for run in self.runs if run.config is not None]


def load_sweep(path: Path | str, *, smoke: bool = False, only: str | None = None) -> Sweep:
    """Read a sweep file and expand it into runs; a run named twice is kept once, where it came first.

    The file maps ``question``, ``base`` (settings of all runs), ``seeds`` (``[0]`` if left out), ``smoke`` (settings laid
    over every run for a quick trial) and ``groups``; each group has a ``name`` and may ``set`` settings, span a ``grid``
    (last axis fastest, seeds outermost) and have its own ``seeds`` and ``smoke``, which is laid over the file's. A single
    ``grid`` may stand in place of ``groups``. Settings are ``RunConfig`` fields, or with ``notebook: NAME`` the parameters
    of that notebook; a notebook gets no seed unless the file names seeds.

    Args:
        path: The YAML file.
        smoke: Lay the file's ``smoke`` settings over every run, and keep the first seed of each group alone.
        only: Keep this group alone.

    Raises:
        ConfigError: If the file is missing or breaks a rule; names file, place and way out.

    Example of a file::

        question: Does dropout help either arm?
        base: {corpus: toy, d_model: 64, steps: 300}
        seeds: [0, 1, 2]
        groups:
          - name: dropout
            grid: {arm: [fourier, learned], dropout: [0, 0.1]}
    """
    path = as_path(path)
    file = _Checked(path, "the file", _read(path), _KEYS)
    question = file.get("question", str, "a line of text")
    notebook = file.get("notebook", str, "the name of a notebook") if "notebook" in file.values else None
    base = file.settings("base")
    overlay = file.settings("smoke")
    if smoke and not overlay:
        file.refuse("has no 'smoke' settings", "Add some, such as 'smoke: {steps: 20}', or leave --smoke out")
    if ("groups" in file.values) == ("grid" in file.values):
        file.refuse("must have either 'groups' or a single 'grid'", "A list of groups reads '- name: NAME' each")
    groups = _groups(file) if "groups" in file.values else [_Checked(path, "grid", {"name": "grid"}, _GROUP_KEYS)]
    default_seeds = file.seeds(None if notebook else [0])
    runs: dict[str, Run] = {}
    for group in groups:
        name = group.get("name", str, "a name")
        if only is not None and name != only:
            continue
        source = group if "groups" in file.values else file
        fixed = group.settings("set")
        seeds: Sequence[int | None] = group.seeds(default_seeds) or [None]
        for seed, point in itertools.product(seeds[:1] if smoke else seeds, source.grid()):
            changes = fixed | point
            full = base | changes
            if seed is not None and "seed" in full:
                group.refuse("has 'seed' among its settings", "Name all seeds in one list: seeds: [0, 1, 2]")
            full |= {} if seed is None else {"seed": seed}
            quick = full | overlay | group.settings("smoke")
            config = None
            if notebook is None:  # both sizes are checked, whichever is asked for
                config, small = group.config(full), group.config(quick)
                config = small if smoke else config
            run = Run(name, quick if smoke else full, changes, config)
            runs.setdefault(run.digest, run)
    if not runs:
        known = ", ".join(repr(group.values["name"]) for group in groups)
        file.refuse(f"has no group {only!r}", f"There are: {known}")
    name = path.stem + ("_smoke" if smoke else "")
    inside(RESULTS, name), inside(NOTEBOOKS, notebook or name)
    return Sweep(name, question, tuple(runs.values()), notebook)


class _Checked:
    """A mapping of a sweep file whose every reading is checked."""

    def __init__(self, path: Path, place: str, values: Any, known: tuple[str, ...]):
        self.path, self.place = path, place
        if not isinstance(values, dict):
            self.refuse(f"must map names to values, got {values!r}", f"Known names: {', '.join(known)}")
        self.values: dict[str, Any] = values
        if unknown := [key for key in values if key not in known]:
            self.refuse(f"has the unknown key {unknown[0]!r}", f"Known: {', '.join(known)}")

    def refuse(self, problem: str, way_out: str) -> NoReturn:
        raise ConfigError(f"{self.path}: {self.place} {problem}. {way_out}.")

    def get(self, key: str, kind: type, words: str) -> Any:
        value = self.values.get(key)
        if not isinstance(value, kind) or not value:
            found = "has no" if key not in self.values else "has a wrong"
            self.refuse(f"{found} {key!r} (got {value!r})", f"It must be {words}")
        return value

    def settings(self, key: str) -> dict[str, Any]:
        value = self.values.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            self.refuse(f"has a wrong {key!r} ({value!r})", f"It must map settings to values: {key}: {{steps: 300}}")
        return value

    def seeds(self, default: list[int] | None) -> list[int] | None:
        seeds = self.values.get("seeds", default)
        whole = isinstance(seeds, list) and seeds and all(type(seed) is int and seed >= 0 for seed in seeds)
        if not whole and seeds is not None:
            self.refuse(f"has wrong 'seeds' ({seeds!r})", "They must be a list of integers from 0: seeds: [0, 1, 2]")
        return seeds

    def grid(self) -> Iterator[dict[str, Any]]:
        axes = self.settings("grid")
        for name, values in axes.items():
            if not isinstance(values, list) or not values:
                self.refuse(
                    f"has a wrong axis {name!r} in its grid ({values!r})",
                    f"An axis is a list of at least one value: {name}: [{'VALUE' if values in ([], None) else values}]",
                )
        if "grid" in self.values and not axes:
            self.refuse("has an empty 'grid'", "Give it an axis, such as arm: [fourier, learned], or leave it out")
        return (dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values()))

    def config(self, settings: Mapping[str, Any]) -> RunConfig:
        allow(settings.values())  # whoever runs the file has named them
        try:
            return RunConfig.from_dict(settings).as_read()
        except ConfigError as problem:
            given = ", ".join(f"{name} {value}" for name, value in settings.items())
            raise ConfigError(f"{self.path}: {self.place} gives {given}: {problem}{_hint(settings)}") from None


def _groups(file: _Checked) -> list[_Checked]:
    entries = file.get("groups", list, "a list of groups, each with a name")
    groups = []
    for number, entry in enumerate(entries, start=1):
        name = entry.get("name") if isinstance(entry, dict) else None
        groups.append(_Checked(file.path, f"group {name or number!r}", entry, _GROUP_KEYS))
    names = [group.values.get("name") for group in groups]
    if twice := [name for name in names if names.count(name) > 1 and name]:
        file.refuse(f"has two groups called {twice[0]!r}", "Rename one")
    return groups


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml is ten times as fast
    """YAML with two traps closed: 1e-3 is a number, and a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if key.value != "<<"]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


# YAML 1.1 reads a number in scientific notation without a point as text.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+\Z"), list("-+0123456789")
)


def _read(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as problem:
        raise ConfigError(f"there is no sweep file {path} ({problem.strerror}). Correct the path.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(problem).split())}. Correct it there.") from None


def _hint(settings: Mapping[str, Any]) -> str:
    """Point at text that was meant as a number or as nothing."""
    for name, value in settings.items():
        if value == "None":
            return f" YAML's word for None is null: {name}: null."
        if isinstance(value, str) and re.fullmatch(r"[-+.\d]+([eE][-+]?\d+)?", value):
            return f" Without quotes it is a number: {name}: {value}."
    return ""
