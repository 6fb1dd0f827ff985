"""How soon the page with a whole vocabulary is drawn in a browser, and how many pictures a second it shows while dragged."""

import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

from .. import paths
from .rows import Row, make_row
from .workload import Size

_POINTS = "30,522 points twice"
_SECONDS = 2.0  # of dragging
_FIRST_VIEW = """
new MutationObserver((changes, observer) => {
  if (!document.querySelector("#settings[data-drawn]")) return;
  observer.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => (window.firstView = performance.now())));
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["data-drawn"] });
"""
# Frames that show a picture painted since the one before.
_COUNT = """() => {
  const paint = Cloud.prototype.paint, counts = (window.counts = { pictures: 0, start: performance.now() });
  let painted = false;
  Cloud.prototype.paint = function () { painted = true; paint.call(this); };
  requestAnimationFrame(function count() {
    counts.pictures += painted;
    painted = false;
    requestAnimationFrame(count);
  });
}"""
_RATE = "() => (1000 * counts.pictures) / (performance.now() - counts.start)"


def first_view(size: Size) -> Row:
    """Seconds from the start of loading to the first frame with both clouds."""
    return _row(size, f"page of {_POINTS}: from the start of loading to its first picture", "s", "< 1 s", _first_view)


def panning(size: Size) -> Row:
    """Pictures a second while a cloud is dragged."""
    what = f"page of {_POINTS}: new pictures a second while one cloud is dragged, of 60 that a browser shows"
    return _row(size, what, "frames/s", ">= 59", _panning)


PAGE: dict[str, Callable[[Size], Row]] = {"page_first_view": first_view, "page_panning": panning}


def _row(size: Size, what: str, unit: str, target: str, measure: Callable[[Any, str], float]) -> Row:
    missing = partial(make_row, what, None, None, unit, None, target, None)
    chromium = os.environ.get("FOURIER_LAB_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    page = paths.REPORTS / "site/live/geometry.html"
    if find_spec("playwright") is None:
        return missing({"missing": "needs playwright: pip install playwright"})
    if chromium is None:
        return missing({"missing": "needs Chromium: apt-get install chromium, or name one in FOURIER_LAB_CHROMIUM"})
    if not page.is_file():
        return missing({"missing": f"needs {page}: run 'fourier-lab site'"})
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # In a container Chromium runs as root, which its sandbox refuses.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        version = browser.version
        values = [_in_new_page(browser, page.as_uri(), measure) for _ in range(size.repeats + 1)][1:]
        browser.close()
    ours, (low, high) = float(np.median(values)), np.quantile(values, (0.25, 0.75)).tolist()
    met = ours < 1 if unit == "s" else ours >= 59
    detail = {"quartiles": [low, high], "repeats": len(values), "browser": f"headless Chromium {version}, pictures drawn "
              "by the processor: canvas without a graphics card"}  # fmt: skip
    return make_row(what, ours, None, unit, None, target, met, detail)


def _in_new_page(browser: Any, address: str, measure: Callable[[Any, str], float]) -> float:
    page = browser.new_page(viewport={"width": 1200, "height": 1100})
    try:
        return measure(page, address)
    finally:
        page.close()


def _first_view(page: Any, address: str) -> float:
    page.add_init_script(_FIRST_VIEW)
    page.goto(address, wait_until="commit")
    return page.wait_for_function("() => window.firstView").json_value() / 1000


def _panning(page: Any, address: str) -> float:
    page.goto(address)
    page.locator("#settings[data-drawn]").wait_for()
    cloud = page.locator("#leftCloud canvas")
    cloud.scroll_into_view_if_needed()
    box = cloud.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(_COUNT)
    start = time.perf_counter()
    while (passed := time.perf_counter() - start) < _SECONDS:
        turn = 2 * np.pi * passed
        page.mouse.move(x + 100 * np.sin(turn), y + 100 * np.cos(turn))
    return page.evaluate(_RATE)
