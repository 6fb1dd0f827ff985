"""The page of explorers: tabs are built when looked at, a fault in one leaves the others alone, it is served locally."""

import importlib.util
import json
import re
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import psutil
import pytest
from seen import serving

import fourier_lab.app
from fourier_lab import paths
from fourier_lab.app.page import Page, Tab, study_tabs
from fourier_lab.app.serve import NOTEBOOK, arguments
from fourier_lab.cli import parser
from fourier_lab.errors import ConfigError, RecordError, RecordWarning
from fourier_lab.site.explorers import explorer_page

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")


@pytest.fixture(autouse=True)
def _interactive(monkeypatch):
    monkeypatch.delenv("FOURIER_LAB_HEADLESS", raising=False)


def shown(page, number):
    """Return the widget below the guide of a tab."""
    return page.box.children[number].children[1]


def test_a_tab_is_built_once_when_it_is_first_selected():
    built = []
    tabs = [
        Tab(name, f"look at {name}", lambda name=name: built.append(name) or ipywidgets.Label(name)) for name in "abc"
    ]
    page = Page(tabs)
    assert built == ["a"] and page.box.titles == ("a", "b", "c")
    page.box.selected_index = 2
    page.box.selected_index = 0
    page.box.selected_index = 2
    assert built == ["a", "c"]
    assert shown(page, 2).value == "c" and "Working" in shown(page, 1).value
    assert "look at b" in page.box.children[1].children[0].value


def test_of_an_explorer_its_box_is_shown():
    content = ipywidgets.Label("controls")
    assert shown(Page([Tab("first", "", lambda: SimpleNamespace(box=content))]), 0) is content


def test_a_tab_that_fails_says_so_escaped_and_is_tried_again(caplog):
    answers = [ConfigError("no run in <runs>. Train one."), ZeroDivisionError("one / zero"), ipywidgets.Label("well")]

    def build():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    page = Page([Tab("first", "", lambda: ipywidgets.Label("fine")), Tab("second", "", build)])
    page.show(1)
    assert "no run in &lt;runs&gt;. Train one." in shown(page, 1).value and not caplog.records
    page.show(1)
    assert "ZeroDivisionError: one / zero" in shown(page, 1).value and caplog.records
    page.show(1)
    assert shown(page, 1).value == "well" and shown(page, 0).value == "fine"


def test_records_that_are_left_out_are_named_above_the_tab():
    def build():
        for _ in range(2):
            warnings.warn("left out: the record in <run> is damaged.", RecordWarning, stacklevel=1)
        return ipywidgets.Label("the others")

    page = Page([Tab("first", "", build)])
    (place,) = page.box.children
    _, alert, content = place.children
    assert "role='alert'" in alert.value and "record in &lt;run&gt; is damaged" in alert.value
    assert content.value == "the others"


def test_the_study_has_a_tab_for_each_explorer():
    tabs = study_tabs()
    names = [tab.title for tab in tabs]
    assert names == [
        "Basis", "Release", "Geometry", "Sentences", "Language", "Train", "Results", "Bake-off", "Curves", "Figures",
    ]  # fmt: skip
    assert all(tab.guide for tab in tabs)
    assert "src='site/release'" in tabs[1].build().value and explorer_page("release")


def test_the_figures_are_those_of_the_front_page_and_of_the_results_with_their_words(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    monkeypatch.setattr(paths, "FIGURES", tmp_path / "figures")
    for name in ("shown", "measured", "other"):
        (tmp_path / "figures/01_a").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"figures/01_a/{name}.png").write_bytes(PNG)
        record = {"title": f"the {name} <one>", "alt": "it's a line & a dot"}
        (tmp_path / f"figures/01_a/{name}.json").write_text(json.dumps(record))
    build = study_tabs()[-1].build
    with pytest.raises(RecordError, match="make figures"):
        build()
    (tmp_path / "README.md").write_text("Look at [this](figures/01_a/shown.png) and [that](figures/01_a/gone.png).")
    (tmp_path / "results").mkdir()
    (tmp_path / "results/README.md").write_text("![a](../figures/01_a/measured.png), [b](../figures/01_a/shown.png)")
    text = build().value
    assert text.count("<figure>") == 2 and text.index("the shown &lt;one&gt;") < text.index("the measured &lt;one&gt;")
    assert "alt='it&#x27;s a line &amp; a dot'" in text


def test_it_is_served_to_this_machine_alone_from_a_template_without_other_hosts():
    line = arguments(8866, False, 1)
    assert "--Voila.ip=127.0.0.1" in line and "--no-browser" in line and str(NOTEBOOK) == line[0]
    assert "--no-browser" not in arguments(8866, True, 0) and "--preheat_kernel=False" in arguments(8866, True, 0)
    loaded = [
        word.partition("=")[2] for word in line if "extension_allowlist" in word
    ]  # of what may be installed, these
    assert loaded == ["@jupyter-widgets/jupyterlab-manager", "@voila-dashboards/widgets-manager8", "ipyevents"]
    for path in Path(fourier_lab.app.__file__).parent.rglob("*.j2"):
        assert "http" not in path.read_text(), path


def test_only_a_browser_that_knocks_gets_a_kernel(tmp_path):
    command = ["fourier_lab", "app", "--no-browser", "--ready", "0", "--port", "18776", "--base-url", "/lab/"]
    with serving(command, r"http://127\.0\.0\.1:\d+/lab/\?token=\w+", tmp_path / "log.txt") as (server, address):

        def ask(method="GET", address=address, **headers):
            request = urllib.request.Request(address, headers=headers, method=method)
            with urllib.request.urlopen(request, timeout=120) as answer:
                kernels = [
                    child for child in psutil.Process(server.pid).children() if "ipykernel" in str(child.cmdline())
                ]
                return answer.read().decode(), len(kernels)

        assert ask("HEAD") == ("", 0)
        door, kernels = ask()
        assert kernels == 0 and "reload()" in door and "takes JavaScript" in door
        cookie = re.search(r'cookie = "(\w+=1);', door)[1]
        for stranger in (address.partition("?")[0], address[:-1]):  # who does not know the token
            with pytest.raises(urllib.error.HTTPError, match="403"):
                ask(address=stranger, Cookie=cookie)
        explorer = address.replace("/?", "/site/basis?")
        page, kernels = ask(address=explorer)  # computes in the browser
        assert kernels == 0 and "What T(p) tells apart" in page and 'src="' not in page
        for wrong, status in ((explorer.partition("?")[0], 403), (explorer.replace("basis", "train"), 404)):
            with pytest.raises(urllib.error.HTTPError, match=str(status)):
                ask(address=wrong)
        page, kernels = ask(Cookie=cookie)
        assert kernels == 1 and "jupyter-config-data" in page and '"baseUrl": "/lab/"' in page
        said = (tmp_path / "log.txt").read_text()
        port = address.split(":")[-1].partition("/")[0]
        assert f"From another machine, first run there: ssh -L {port}:127.0.0.1:{port} " in said


def test_a_path_without_its_slashes_is_refused(capsys):
    for path in ("lab", "/lab", "lab/", "/a b/", "//"):
        assert parser.main(["app", "--base-url", path]) == 2
        assert "begins and ends with a slash" in capsys.readouterr().err
    assert "--base_url=/lab/" in arguments(8866, False, 1, "/lab/") and "--base_url=/" in arguments(8866, False, 1)


def test_the_notebook_of_the_page_is_stripped_and_runs_anywhere():
    notebook = json.loads(NOTEBOOK.read_text())
    assert notebook["metadata"]["kernelspec"]["name"] == "python3" and notebook["metadata"]["title"]
    (code,) = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code["outputs"] == [] and code["execution_count"] is None
    assert "http" not in "".join(code["source"])


def test_without_voila_and_with_a_wrong_port_a_sentence_says_what_to_do(monkeypatch, capsys):
    assert parser.main(["app", "--port", "0"]) == 2
    assert "must be an integer in 1..65535" in capsys.readouterr().err
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert parser.main(["app"]) == 2
    assert "pip install voila ipywidgets" in capsys.readouterr().err
