"""A real Chromium, or a reason why there is none."""

import os
import shutil

import nbformat
import pytest
from filelock import FileLock
from seen import DESKTOP, PATIENCE_MS, SCREENSHOTS, is_elsewhere, is_goodbye

from fourier_lab import paths
from fourier_lab.site.build import build_site

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


@pytest.fixture(scope="session")
def site(browser, tmp_path_factory):
    """The folder of the static site, built by the first of the processes that test and read by all."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    folder = (tmp_path_factory.getbasetemp() if alone else tmp_path_factory.getbasetemp().parent) / "site"
    with FileLock(folder.with_suffix(".lock")):
        return folder / "site" if (folder / "site" / "index.html").exists() else built(folder)


def built(folder):
    """Build the site below a folder, with one executed notebook that has every kind of output; return where it is."""
    folder.mkdir(exist_ok=True)
    output = nbformat.v4.new_output
    outputs = [
        output("display_data", {"text/html": f"<table>{'<td>wide</td>' * 99}</table>", "text/plain": "a table"}),
        output("stream", name="stderr", text="careful " * 99),
        output("execute_result", {"text/plain": "1" * 999}, execution_count=1),
        output("error", ename="ValueError", evalue="<v>", traceback=["ValueError: <v>"]),
    ]
    cells = [nbformat.v4.new_markdown_cell("# Run"), nbformat.v4.new_code_cell("1 if a is b else 2", outputs=outputs)]
    source = sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb"))[0]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / source.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "REPORTS", folder)
        return build_site(folder / "site").parent


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
