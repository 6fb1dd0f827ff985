"""Check what the study needs of a machine, one requirement at a time."""

import importlib.util
import json
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from .. import paths
from ..errors import DataError
from ..text.own import TOKENIZERS, data_folder, own_corpora
from ..text.pairs import HUB, SPLITS, files

FREE_BYTES = 2 * 1024**3
_INSTALL = "Run 'make figures', or 'pip install -r requirements.lock' in your environment."
_IMPORT_NAMES = {"jupyter-scatter": "jscatter", "pillow": "PIL", "pyyaml": "yaml", "scikit-learn": "sklearn"}


class Check(NamedTuple):
    """One requirement: whether it is met, what was found, and what to do if it is not."""

    ok: bool
    requirement: str
    detail: str
    remedy: str = ""


def doctor(thorough: bool = False) -> Iterator[Check]:
    """Check Python, packages, kernel, processor, data folder, permissions and disk; yield a :class:`Check` for each.

    Args:
        thorough: Import every package as well, and ask torch for the processor, which takes seconds.
    """
    found = platform.python_version()
    yield Check(sys.version_info >= (3, 11), "Python 3.11 or newer", found, "Install a newer Python.")
    packages = [_check_package(name, thorough) for name in _dependencies()]
    yield from packages
    if all(check.ok for check in packages):
        yield _check_kernel()
        if thorough:
            yield _check_compute()
    yield _check_data()
    for folder in (paths.RUNS, paths.FIGURES, paths.REPORTS):
        yield _check_writable(folder)
    free = shutil.disk_usage(_nearest(paths.ROOT)).free
    detail = f"{free / 1024**3:.1f} GiB in {paths.ROOT}"
    yield Check(free >= FREE_BYTES, "2 GiB of free disk", detail, "Delete old folders in runs/.")


def _dependencies() -> list[str]:
    """Return the distributions that this package requires, extras left out."""
    try:
        required = metadata.requires("fourier_lab") or []
    except metadata.PackageNotFoundError:  # a source folder on the path, not installed
        return ["fourier_lab"]
    return [re.split(r"[^\w.-]", line)[0] for line in required if "extra ==" not in line]


def _check_package(name: str, thorough: bool) -> Check:
    module = _IMPORT_NAMES.get(name, name.replace("-", "_"))
    try:
        if thorough:
            importlib.import_module(module)
        elif importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(f"no module {module}")
        return Check(True, f"package {name}", metadata.version(name))
    except (ImportError, OSError) as problem:  # OSError: a shared library is missing
        return Check(False, f"package {name}", f"{type(problem).__name__}: {problem}", _INSTALL)


def _check_kernel() -> Check:
    from jupyter_core.paths import jupyter_path

    # Where jupyter_client looks, without what it imports to start a kernel.
    for folder in jupyter_path("kernels"):
        try:
            command = json.loads((Path(folder) / "python3" / "kernel.json").read_text())["argv"][0]
            return Check(True, "Jupyter kernel python3", command)
        except (OSError, ValueError, KeyError, IndexError):
            continue
    return Check(False, "Jupyter kernel python3", "not found", "Run 'python -m ipykernel install --sys-prefix'.")


def _check_compute() -> Check:
    import torch

    from ..device import about_bfloat16, resolve_device

    device = resolve_device("auto")
    detail = f"{device}, {torch.get_num_threads()} threads of {os.cpu_count()} cores, precision float32"
    return Check(True, "processor", f"{detail}; {about_bfloat16(device)}")


def _check_data() -> Check:
    if not os.environ.get("FOURIER_LAB_DATA"):
        return Check(True, "data folder", "FOURIER_LAB_DATA is not set: the built-in corpus and the hub can be used")
    try:
        folder = data_folder()
    except DataError as problem:
        return Check(False, "data folder", str(problem), "Fetch it with: fourier-lab data fetch FOLDER.")
    own = own_corpora()
    if own:
        return Check(True, "data folder", f"{folder}, with {', '.join(own)}")
    wanted = [(name, split) for name, splits in SPLITS.items() if name in HUB for split in splits]
    missing = ["/".join(each) for each in wanted if not files(*each)]
    if not any((folder / "tokenizer" / name).is_file() for name in TOKENIZERS):
        missing.append(f"tokenizer/{' or '.join(TOKENIZERS)}")
    detail = f"{folder} has no {', '.join(missing)}" if missing else f"{folder}, {len(wanted)} splits"
    return Check(not missing, "data folder", detail, "'fourier-lab data --help' shows the layout; with network, fetch all "
                 "with: fourier-lab data fetch FOLDER.")  # fmt: skip


def _check_writable(folder: Path) -> Check:
    existing = _nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=existing):
            return Check(True, f"can write {folder.name}/", str(folder))
    except OSError as problem:
        return Check(False, f"can write {folder.name}/", str(problem), "Set FOURIER_LAB_HOME to a folder of yours.")


def _nearest(folder: Path) -> Path:
    """Return the folder, or its nearest ancestor that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())
