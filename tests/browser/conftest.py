"""A real Chromium, or a reason why there is none."""

import os
import shutil

import pytest
from seen import DESKTOP, PATIENCE_MS, SCREENSHOTS, is_elsewhere, is_goodbye

CHROMIUM = os.environ.get("FOURIER_LAB_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium, or name one in FOURIER_LAB_CHROMIUM")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with api.sync_playwright() as playwright:
        # In a container Chromium runs as root, which its sandbox refuses.
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def visit(browser):
    """Open pages; each keeps in ``.troubles`` what a reader would find in the console or miss without a network."""
    opened = []

    def open_page(address, **options):
        page = browser.new_page(**{"viewport": DESKTOP, **options})
        page.set_default_timeout(PATIENCE_MS)
        page.troubles = troubles = []
        page.on("console", lambda said: said.type == "error" and troubles.append(f"console: {said.text}"))
        page.on("pageerror", lambda error: troubles.append(f"error: {error}"))
        page.on("requestfailed", lambda request: is_goodbye(request.url) or troubles.append(f"failed: {request.url}"))
        page.on("request", lambda request: is_elsewhere(request.url) and troubles.append(f"elsewhere: {request.url}"))
        opened.append(page)
        page.goto(address, wait_until="commit", timeout=PATIENCE_MS)
        return page

    yield open_page
    for page in opened:
        page.close()
