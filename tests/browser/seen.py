"""What the browser tests share: servers as a reader starts them, and a reader's hand and eye."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from fourier_lab import paths

SCREENSHOTS = Path(os.environ.get("FOURIER_LAB_SCREENSHOTS") or paths.REPORTS / "screenshots")
PATIENCE_MS = 100_000  # a busy machine is slow; a quiet one needs seconds
DESKTOP, PHONE = {"width": 1200, "height": 1100}, {"width": 375, "height": 800}


def is_elsewhere(url):
    """Return whether a request leaves this machine."""
    return not re.match(r"(data|blob|file|about|chrome-extension):|(http|ws)://(127\.0\.0\.1|localhost)[:/]", url)


def is_goodbye(url):
    """Return whether this ends the kernel of a page that is being left, which does not wait for the answer."""
    return "/voila/api/shutdown/" in url


@contextlib.contextmanager
def serving(command, pattern, log, **environment):
    """Run a server until the block ends; gives the process and what ``pattern`` finds in its log, its address."""
    with open(log, "wb") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdout=stream,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        )
    try:
        end = time.monotonic() + PATIENCE_MS / 1000
        while not (found := re.search(pattern, log.read_text(errors="replace"))):
            assert server.poll() is None and time.monotonic() < end, log.read_text(errors="replace")
            time.sleep(0.2)
        yield server, found[0]
    finally:
        family = []
        with contextlib.suppress(psutil.NoSuchProcess):  # a test may have stopped it
            family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        server.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(30)
        for process in psutil.wait_procs(family, timeout=10)[1]:
            process.kill()
        server.wait()


def keep(page, name):
    """Keep a picture of the page as it is."""
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def drag(page, handle, pixels):
    """Drag a slider's handle to the right by some pixels."""
    handle.scroll_into_view_if_needed()
    place = handle.bounding_box()
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + pixels / 2, y, steps=3)
    page.mouse.move(x + pixels, y, steps=3)
    page.mouse.up()


def wait_for_new_picture(page, picture, before):
    """Wait until an image shows something else than ``before`` and return its address."""
    page.wait_for_function("([image, old]) => image.src !== old", arg=[picture.element_handle(), before])
    return picture.get_attribute("src")
