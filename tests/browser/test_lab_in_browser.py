"""JupyterLab itself: a notebook is opened and run, its slider dragged, and the picture follows."""

import re

from seen import drag, keep, serving, wait_for_new_picture

from fourier_lab import paths

NOTEBOOK = "01_frequency_bases.ipynb"


CONNECTED = """() => {
    const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === "connected" && kernel.status === "idle";
}"""


def run_all(page):
    """Run all cells to the last. A kernel is shown as idle before there is one, and a click then is lost."""
    page.wait_for_function(CONNECTED)
    assert page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')") is True
    prompt = page.locator(".jp-CodeCell .jp-InputPrompt").last.inner_text().strip()
    assert re.fullmatch(r"\[\d+\]:?", prompt), prompt


def test_a_lesson_runs_in_jupyterlab_and_its_slider_moves_the_picture(tmp_path, browser, visit):
    source = (paths.NOTEBOOKS / NOTEBOOK).read_text(encoding="utf-8")
    assert source.count("vocab_size: int = 30522") == 1  # as fewer ids do, in less time
    (tmp_path / NOTEBOOK).write_text(source.replace("vocab_size: int = 30522", "vocab_size: int = 4000"), "utf-8")
    command = [
        "jupyterlab", "--no-browser", "--port=18888", "--allow-root", f"--ServerApp.root_dir={tmp_path}",
        "--IdentityProvider.token=", "--LabApp.extension_manager=readonly", "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    # JupyterLab draws only the cells in view; all of them are asked for here, so that a slider below can be found.
    settings = (
        tmp_path / "JUPYTERLAB_SETTINGS_DIR" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    )
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')
    own = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTERLAB_SETTINGS_DIR", "FOURIER_LAB_HOME")}
    pattern = r"http://(127\.0\.0\.1|localhost):\d+(?=/lab)"
    with serving(command, pattern, tmp_path / "log.txt", JUPYTERLAB_WORKSPACES_DIR=str(tmp_path), **own) as (
        _,
        address,
    ):
        page = visit(f"{address}/lab/tree/{NOTEBOOK}")
        try:
            page.locator(".jp-Notebook .jp-Cell").first.wait_for()
            run_all(page)
            image = page.locator(".jp-OutputArea .widget-image").first
            image.wait_for(state="attached")
            image.scroll_into_view_if_needed()
            before = image.get_attribute("src")
            drag(page, page.locator(".jp-OutputArea .widget-inline-hbox [role=slider]").first, 30)
            wait_for_new_picture(page, image, before)
        finally:
            keep(page, "lab_slider")  # of a failure too
        assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
        assert [trouble for trouble in page.troubles if trouble.startswith(("error", "elsewhere"))] == []
