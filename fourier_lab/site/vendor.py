"""Take the scripts of others anew from npm: ``python -m fourier_lab.site.vendor FOLDER ...``, as ``make vendor`` does.

Each folder has a ``manifest.json``, which names a package, its version and its files; their SHA-256 is written there.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from .. import paths
from ..errors import ConfigError

MANIFEST = "manifest.json"


def take(folder: Path) -> None:
    """Write the files that a folder's manifest names, as npm has them, and their SHA-256 into the manifest.

    Raises:
        ConfigError: If npm is not installed or has no such version.
    """
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    for package, entry in manifest.items():
        with tempfile.TemporaryDirectory() as scratch:
            wanted = f"{package}@{entry['version']}"
            try:
                subprocess.run(["npm", "pack", wanted, "--silent"], cwd=scratch, check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError) as error:
                raise ConfigError(
                    f"npm cannot give {wanted} ({error}). Install npm, or name another version."
                ) from error
            (archive,) = Path(scratch).glob("*.tgz")
            with tarfile.open(archive) as packed:
                packed.extractall(scratch, filter="data")
            for name, file in entry["files"].items():
                content = (Path(scratch) / "package" / file["from"]).read_bytes()
                paths.write_atomically(folder / name, content)
                file["sha256"] = hashlib.sha256(content).hexdigest()
    paths.write_atomically(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    for given in sys.argv[1:]:
        take(Path(given))
