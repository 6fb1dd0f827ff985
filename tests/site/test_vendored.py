"""Scripts of others are the published ones: each file is in its manifest, with its SHA-256, and beside its licence."""

import hashlib
import json
from pathlib import Path

import pytest

import fourier_lab.site

HERE = Path(__file__).resolve()
FOLDERS = [Path(fourier_lab.site.__file__).parent / "vendored", HERE.parents[1] / "browser/vendored"]


@pytest.mark.parametrize("folder", FOLDERS, ids=["site", "tests"])
def test_every_vendored_file_is_the_published_one_with_its_licence(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    listed = {name: file["sha256"] for entry in manifest.values() for name, file in entry["files"].items()}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    del found["manifest.json"]
    assert found == listed
    for entry in manifest.values():
        assert entry["version"] and entry["licence"] and any(name.endswith(".LICENSE") for name in entry["files"])
