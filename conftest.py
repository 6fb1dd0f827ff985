"""What holds for tests and for notebooks as tests: what is looked at, and how a notebook's kernel starts."""

import os
import sys
from importlib.util import find_spec

import pytest

# Modules that stand on packages of an extra are looked at where these are installed.
collect_ignore = [
    f"fourier_lab/adapters/{name}.py"
    for name in ("mteb", "sentence_transformers", "transformers")
    if find_spec(name) is None
]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Run the cells of notebooks in a home of their own, NOTEBOOKS_HOME, by kernels that start at once."""
    if item.path.suffix != ".ipynb":
        return (yield)
    from jupyter_client.provisioning import local_provisioner
    from notebook_kernels import launch_kernel

    with pytest.MonkeyPatch.context() as patch:
        if home := os.environ.get("NOTEBOOKS_HOME"):
            patch.setenv("FOURIER_LAB_HOME", home)
        if sys.platform == "linux":  # where a fork is safe
            patch.setattr(local_provisioner, "launch_kernel", launch_kernel)
        return (yield)
