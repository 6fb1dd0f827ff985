"""pyproject.toml is the truth about dependencies; the conda file and the lock follow it."""

import ast
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from fourier_lab import paths, provenance

CONDA_NAMES = {"torch": "pytorch"}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((paths.ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def required(project):
    """Requirements of the package and of its tests, by name."""
    lines = project["dependencies"] + project["optional-dependencies"]["dev"]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def test_the_conda_environment_has_the_same_packages_and_bounds(required):
    entries = yaml.safe_load((paths.ROOT / "environment.yml").read_text())["dependencies"]
    conda = {line for line in entries if isinstance(line, str)} - {"pip"}
    (python,) = (line for line in conda if line.startswith("python="))
    assert conda - {python} == {f"{CONDA_NAMES.get(name, name)}{r.specifier}" for name, r in required.items()}
    assert {"pip": ["-e ."]} in entries


def test_the_conda_python_is_one_that_the_package_supports(project):
    entries = yaml.safe_load((paths.ROOT / "environment.yml").read_text())["dependencies"]
    (python,) = (line.partition("=")[2] for line in entries if isinstance(line, str) and line.startswith("python="))
    assert Requirement(f"python{project['requires-python']}").specifier.contains(python)


def test_the_lock_pins_every_requirement_within_its_bounds(required):
    lines = [line for line in (paths.ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert all(line.count("==") == 1 and "+" not in line for line in lines)
    locked = {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}
    assert not set(required) - set(locked)
    assert [name for name, r in required.items() if not r.specifier.contains(locked[name])] == []


def test_every_locked_package_runs_on_the_oldest_python_that_is_promised(project):
    (oldest,) = (
        each.version for each in Requirement(f"python{project['requires-python']}").specifier if each.operator == ">="
    )
    lines = (paths.ROOT / "requirements.lock").read_text().splitlines()
    names = [line.partition("==")[0] for line in lines if not line.startswith("#")]
    needed = {name: metadata.metadata(name).get("Requires-Python", "") for name in names}
    assert len(needed) > 50  # Debian 12 has 3.11.2, and pip gives up on the first package that wants more
    assert {name: wanted for name, wanted in needed.items() if not SpecifierSet(wanted).contains(f"{oldest}.0")} == {}


def test_the_commit_is_the_librarys_own(tmp_path, monkeypatch):
    for command in ("init -q", "-c user.name=a -c user.email=a@b commit -q --allow-empty -m first"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    for folder, known in ((tmp_path / "fourier_lab", True), (tmp_path / "venv" / "fourier_lab", False)):
        folder.mkdir(parents=True)
        monkeypatch.setattr(provenance, "__file__", str(folder / "provenance.py"))
        assert (provenance.commit() is not None) == known


def test_no_module_needs_unix_to_be_imported():
    unix = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios"}
    for path in (paths.ROOT / "fourier_lab").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", None)}
                assert not names & unix, path.name


def test_every_package_that_the_library_imports_is_required(required):
    imported = set()
    for path in (paths.ROOT / "fourier_lab").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.partition(".")[0])
    imported -= {
        *sys.stdlib_module_names,
        "all_minilm_l6_v2",
        "model2vec",
        "mteb",
        "playwright",
        "sentence_transformers",
        "transformers",
        "umap",
        "wordllama",
    }  # extras, asked for where used
    homes = metadata.packages_distributions()
    assert [name for name in imported if not {canonicalize_name(home) for home in homes[name]} & set(required)] == []
