"""The wings are one above the other: no module imports from a wing above its own."""

import itertools
import re
import subprocess
import sys
import tomllib

from fourier_lab import paths


def test_no_module_imports_from_a_wing_above_its_own():
    # In a process of its own: it disables the loggers of its process, which other tests read.
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    settings = ["--config", str(paths.ROOT / "pyproject.toml"), "--no-cache"]
    run = subprocess.run([sys.executable, "-c", command, *settings], cwd=paths.ROOT, capture_output=True, text=True)
    assert run.returncode == 0 and "0 broken" in run.stdout, run.stdout + run.stderr


def test_the_picture_of_the_house_has_every_wing_and_no_arrow_that_runs_down():
    project = tomllib.loads((paths.ROOT / "pyproject.toml").read_text())
    (contract,) = project["tool"]["importlinter"]["contracts"]
    floors = {name: floor for floor, names in enumerate(reversed(contract["layers"])) for name in names.split(" | ")}
    wings = {path.parent.name for path in (paths.ROOT / "fourier_lab").glob("*/__init__.py")}
    picture = re.search(r"```mermaid\n(.*?)```", (paths.ROOT / "CONTRIBUTING.md").read_text(), flags=re.DOTALL)[1]
    drawn = [
        [re.findall(r"\w+", names) for names in re.sub(r'\[".*?"\]', "", line).split("-->")]
        for line in picture.splitlines()
        if "-->" in line
    ]
    assert {name for line in drawn for names in line for name in names} == wings
    arrows = [
        pair for line in drawn for start, end in itertools.pairwise(line) for pair in itertools.product(start, end)
    ]
    assert len(arrows) >= len(wings) - 1 and [pair for pair in arrows if floors[pair[0]] >= floors[pair[1]]] == []
