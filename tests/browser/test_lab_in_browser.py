"""JupyterLab itself: a notebook is opened and run, a slider dragged, and a lasso drawn by hand gives its words."""

import re

import nbformat
from seen import drag, keep, serving, wait_for_new_picture

from fourier_lab import paths

NOTEBOOK = "01_frequency_bases.ipynb"
CLOUDS = """
import numpy as np
from fourier_lab.widgets import explore_clouds
table = np.random.default_rng(0).normal(size=(60, 4)) + np.repeat([[-40, 0, 0, 0], [40, 0, 0, 0]], 30, axis=0)
explore_clouds({"table": table}, [f"{side}{i}" for side in ("east", "west") for i in range(30)])
"""

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


def draw_lasso(page, canvas):
    """Draw a lasso around the right half of a cloud, in the mode that its second button sets."""
    canvas.scroll_into_view_if_needed()
    page.get_by_title("Activate lasso selection").first.click()
    box = canvas.bounding_box()
    for i, (right, down) in enumerate(((0.55, 0.1), (0.995, 0.1), (0.995, 0.9), (0.55, 0.9), (0.55, 0.12))):
        page.mouse.move(box["x"] + right * box["width"], box["y"] + down * box["height"], steps=8)
        if i == 0:
            page.mouse.down()
    page.mouse.up()


def test_a_lesson_runs_in_jupyterlab_and_its_slider_moves_the_picture(tmp_path, browser, visit):
    lesson = nbformat.read(paths.NOTEBOOKS / NOTEBOOK, as_version=4)
    (parameters,) = (cell for cell in lesson.cells if "parameters" in cell.metadata.get("tags", ()))
    assert parameters.source.count("30522") == 1  # as fewer ids do, in less time
    parameters.source = parameters.source.replace("30522", "4000")
    lesson.cells.append(nbformat.v4.new_code_cell(CLOUDS))
    nbformat.write(lesson, tmp_path / NOTEBOOK)
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
            keep(page, "lab_slider")
            draw_lasso(page, page.locator(".jp-OutputArea canvas").first)
            listed = page.locator(".jp-OutputArea [role=status]").filter(has_text="30 selected")
            said = listed.inner_text()
            (side,) = set(re.findall("east|west", said))
            assert set(re.findall(r"[a-z]+\d+", said)) == {f"{side}{i}" for i in range(30)}
        finally:
            keep(page, "lab_last")  # of a failure too
        assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
        assert [trouble for trouble in page.troubles if trouble.startswith(("error", "elsewhere"))] == []
