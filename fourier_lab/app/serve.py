"""Serve the page of explorers to browsers on this machine, one kernel a visitor."""

import importlib.util
import os
import re
from pathlib import Path

from ..errors import ConfigError
from ..headless.quick_import import without_grammar

NOTEBOOK = Path(__file__).with_name("explore.ipynb")
ADDRESS = "127.0.0.1"  # nobody else on the network
PORT = 8866

_TEMPLATES = Path(__file__).parent  # holds voila/templates/fourier_lab
# The scripts of other packages are left out: voila would load what anybody has installed, before it shows a control.
_EXTENSIONS = ("@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8", "ipyevents")
_FILL_DELAY_S = 5  # the next kernel starts when a visitor's page has had the processors for itself
_FORGOTTEN_S = 600  # a kernel whose page is gone without a goodbye, such as by a closed laptop


def serve(port: int = PORT, *, open_browser: bool = True, ready: int = 1, base_url: str = "/") -> None:
    """Serve the page until interrupted.

    Args:
        port: First port tried, 1 to 65535; the next free one is taken.
        open_browser: Open the reader's browser on it.
        ready: Kernels kept waiting with the page built, 0 to 1000: each makes one visit start at once and takes
            about 0.4 GB of memory.
        base_url: Path of the page, such as ``/lab/`` behind a proxy that passes path, host and websockets on.

    Raises:
        ConfigError: If voila or ipywidgets is not installed, or the port, the number of kernels or the path is none.
    """
    if missing := [name for name in ("voila", "ipywidgets") if importlib.util.find_spec(name) is None]:
        raise ConfigError(
            f"the page needs {' and '.join(missing)}, not installed here. Run 'pip install {' '.join(missing)}'."
        )
    for name, value, low, high, usual in (("port", port, 1, 65535, PORT), ("ready", ready, 0, 1000, 1)):
        if not isinstance(value, int) or not low <= value <= high:
            raise ConfigError(f"{name} ({value!r}) must be an integer in {low}..{high}. Try {usual}.")
    if not isinstance(base_url, str) or not re.fullmatch(r"/([\w.~-]+/)*", base_url):
        raise ConfigError(f"base_url ({base_url!r}) must be a path that begins and ends with a slash. Try '/lab/'.")
    with without_grammar():
        from .server import Server

    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, (str(_TEMPLATES), os.environ.get("JUPYTER_PATH"))))
    os.environ.pop("FOURIER_LAB_HEADLESS", None)  # kernels inherit it, and a page without controls is of no use
    Server.launch_instance(arguments(port, open_browser, ready, base_url))


def arguments(port: int, open_browser: bool, ready: int, base_url: str = "/") -> list[str]:
    """Return the command line of voila."""
    return [
        str(NOTEBOOK),
        f"--Voila.ip={ADDRESS}",
        f"--port={port}",
        f"--base_url={base_url}",
        *([] if open_browser else ["--no-browser"]),
        "--template=fourier_lab",
        "--VoilaConfiguration.allow_template_override=NO",  # the others load fonts from elsewhere
        *(f"--VoilaConfiguration.extension_allowlist={name}" for name in _EXTENSIONS),
        f"--preheat_kernel={ready > 0}",
        f"--pool_size={ready}",
        f"--VoilaKernelManager.fill_delay={_FILL_DELAY_S}",
        "--Voila.auto_token=True",  # others who use this machine reach its ports too
        # Voila's goodbye of a closed page says nothing against forgery, so that each would leave its kernel behind. Nothing
        # here needs it: kernels run no code but the page's, and their names cannot be guessed.
        "--Voila.tornado_settings=disable_check_xsrf=True",
        # A dead kernel stays dead: a new one would not know the page's pictures. The page notices and says so.
        "--KernelRestarter.restart_limit=0",
        f"--MappingKernelManager.cull_idle_timeout={_FORGOTTEN_S}",
        "--MappingKernelManager.cull_interval=60",
    ]
