"""Settings for all tests."""

import sys

import notebook_kernels
import pytest
from hypothesis import settings

from fourier_lab import paths, processes
from fourier_lab.headless import manifest
from fourier_lab.headless.quick_import import without_grammar

with without_grammar():
    import nbformat  # noqa: F401 (which many tests read notebooks with)

# A first call may import or compile for seconds on a busy machine; that says nothing about the code under test.
settings.register_profile("fourier_lab", deadline=None, max_examples=40)
settings.load_profile("fourier_lab")


@pytest.fixture(autouse=True)
def no_figure_stays():
    """Close what a test leaves open, so that the next one, whichever it is, finds none."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def prepared():
    """Processes as clean as new ones, forked from a server that has imported what runs notebooks: no second is lost."""
    return notebook_kernels.context()


@pytest.fixture
def home(tmp_path, monkeypatch, prepared):
    """An empty project folder; kernels get it as FOURIER_LAB_HOME."""
    monkeypatch.setattr(processes, "CONTEXT", prepared)
    for name, value in {
        "PROJECT": tmp_path,
        "ROOT": tmp_path,
        "NOTEBOOKS": tmp_path / "notebooks",
        "FIGURES": tmp_path / "figures",
        "REPORTS": tmp_path / "reports",
    }.items():
        monkeypatch.setattr(paths, name, value)
    # A fixed stand-in for the library's source, so that editing it while the tests run changes nothing here.
    monkeypatch.setattr(manifest, "_LIBRARY", tmp_path / "library")
    monkeypatch.chdir(tmp_path)
    return tmp_path
