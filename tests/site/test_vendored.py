"""Scripts of others are the published ones: each file is in its manifest, with its SHA-256, and beside its licence."""

import hashlib
import json
from pathlib import Path

import pytest

import fourier_lab.site
from fourier_lab.errors import ConfigError
from fourier_lab.site import vendor

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


def test_without_npm_the_error_says_so_and_nothing_changes(tmp_path, monkeypatch):
    manifest = tmp_path / "manifest.json"
    manifest.write_text((FOLDERS[0] / "manifest.json").read_text())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="npm cannot give d3@"):
        vendor.take(tmp_path)
    assert [*tmp_path.iterdir()] == [manifest]
