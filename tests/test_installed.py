"""An installed package carries the study: without a checkout, and with a home elsewhere, every command finds it."""

import os
import subprocess
import sys
import zipfile

import pytest

from fourier_lab import paths
from fourier_lab.models.pretrained import FILES, shipped_encoders
from fourier_lab.study.claims import claims_table
from fourier_lab.tables.score_tables import results_table
from fourier_lab.training.records import load_records


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The files of the wheel, as an installer lays them down."""
    folder = tmp_path_factory.mktemp("wheel")
    build = f"from hatchling.build import build_wheel; build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=paths.PROJECT, check=True, capture_output=True)
    (file,) = folder.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder / "packages")
    return folder / "packages"


@pytest.fixture
def command(tmp_path):
    """Run a command of the given package in an empty folder, ``command.home``, and return what it prints."""

    def run(packages, *arguments):
        environment = {**os.environ, "PYTHONPATH": str(packages), "FOURIER_LAB_HOME": ""}
        if packages == paths.PROJECT:
            environment["FOURIER_LAB_HOME"] = str(run.home)
        line = [sys.executable, "-m", "fourier_lab", *arguments]
        done = subprocess.run(line, cwd=run.home, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run.home = tmp_path / "home"
    run.home.mkdir()
    return run


def test_the_wheel_holds_the_package_and_nothing_beside_it(wheel):
    assert {path.name.partition("-")[0] for path in wheel.iterdir()} == {"fourier_lab"}
    for folder in ("notebooks", "sweeps", "results"):
        shipped = {
            path.relative_to(paths.PROJECT)
            for path in (paths.PROJECT / folder).rglob("*.*")
            if path.suffix in (".ipynb", ".yaml", ".json", ".csv", ".npy", ".npz")
        }
        missing = [path for path in shipped if not (wheel / "fourier_lab" / "project" / path).is_file()]
        assert shipped and not missing
    for name in shipped_encoders():
        assert all((wheel / "fourier_lab" / "shipped_encoders" / name / file).is_file() for file in FILES)
    for folder in ("live", "vendored", "templates/live"):
        scripts = [path.name for path in (paths.PROJECT / "fourier_lab/site" / folder).iterdir() if path.is_file()]
        assert scripts and all((wheel / "fourier_lab/site" / folder / name).is_file() for name in scripts)


def test_an_installed_package_finds_notebooks_sweeps_and_records(wheel, command):
    assert "24 runs, 0 to do" in command(wheel, "sweep", "table_1", "--dry-run")
    assert command(wheel, "claims").strip() == claims_table().strip()
    assert results_table(load_records(paths.RECORDS / "table_1")) in command(wheel, "table", "table_1")
    assert not list(command.home.iterdir())  # what only reads writes nothing
    assert "(cell" not in command(wheel, "figures", "04", "-p", "smoke", "False")
    assert {path.name for path in command.home.iterdir()} == {"figures", "reports"}
    assert list(command.home.glob("figures/**/*.png")) and (command.home / "reports/04_table_1.html").is_file()


def test_a_home_elsewhere_takes_what_is_made_and_leaves_what_is_shipped(command):
    assert "12 of 12 runs are finished already" in command(paths.PROJECT, "sweep", "table_2")
    assert {path.name for path in command.home.rglob("*.*") if path.is_file()} > {"table.csv", "metrics.json"}
    assert results_table(load_records(paths.RECORDS / "table_2")) in command(paths.PROJECT, "table", "table_2")
