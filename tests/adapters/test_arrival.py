"""Other libraries are told of ours when they come, are not fetched before, and are asked for by name where missing."""

import importlib
import subprocess
import sys

import pytest

from fourier_lab.adapters import arrival
from fourier_lab.errors import FourierLabError, MissingPackageError


def test_a_module_is_imported_as_usual_and_told_of_once(tmp_path, monkeypatch):
    (tmp_path / "made_up_arrival.py").write_text("value = 7")
    monkeypatch.syspath_prepend(tmp_path)
    seen = []
    watcher = arrival._Watcher("made_up_arrival", lambda: seen.append(sys.modules["made_up_arrival"].value))
    monkeypatch.setattr(sys, "meta_path", [watcher, *sys.meta_path])
    assert importlib.util.find_spec("made_up_departure") is None and watcher in sys.meta_path
    module = importlib.import_module("made_up_arrival")
    assert module.value == 7 and seen == [7] and watcher not in sys.meta_path
    del sys.modules["made_up_arrival"]
    importlib.import_module("made_up_arrival")
    assert seen == [7]


def test_our_import_brings_no_other_library():
    code = "import sys, fourier_lab; print(*({'torch', 'transformers', 'sentence_transformers', 'mteb'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("package", "module", "extra"),
    [
        ("transformers", "transformers", "hub"),
        ("sentence_transformers", "sentence_transformers.base.modules.input_module", "hub"),
        ("mteb", "mteb.models.model_meta", "mteb"),
    ],
)
def test_a_missing_package_names_the_extra(package, module, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    monkeypatch.delitem(sys.modules, f"fourier_lab.adapters.{package}", raising=False)
    with pytest.raises(MissingPackageError, match=rf"pip install 'fourier-lab\[{extra}\]'") as found:
        importlib.import_module(f"fourier_lab.adapters.{package}")
    assert isinstance(found.value, ImportError) and isinstance(found.value, FourierLabError)


def test_the_public_name_says_so_too(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "fourier_lab.adapters.transformers", raising=False)
    monkeypatch.delitem(importlib.import_module("fourier_lab").__dict__, "replace_embedding", raising=False)
    with pytest.raises(MissingPackageError, match="this needs transformers"):
        exec("from fourier_lab import replace_embedding")
