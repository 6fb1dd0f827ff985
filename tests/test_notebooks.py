"""Every notebook keeps to the house form, and runs headless with parameters from an empty folder."""

import ast
import html
import json
import re

import papermill
import pytest

from fourier_lab import paths, processes
from fourier_lab.headless import gallery, notebooks

NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb"))  # solutions: test_course.py
# Parameters for the papermill run, smaller than the defaults, at which nbval runs every notebook. One rate and one home, so
# that a notebook finds the runs of those before it.
TINY = {
    "d_model": 32, "steps": 60, "warmup_steps": 10, "batch_size": 64, "learning_rate": 4e-3, "series": "learned,random",
}  # fmt: skip
PARAMETERS: dict[str, dict] = {
    "01_frequency_bases": {"vocab_size": 4000, "d_model": 64},
    "02_train_both": TINY | {"id_orders": "frequency,random", "n_seeds": 1},
    "03_embedding_geometry": TINY,
    "09_faster": {"measure": "none"},
    "10_from_zero": TINY,
    "12_what_training_did": TINY | {"series": "learned,harmonic"},
    "16_no_vocabulary_matrix": {"steps": 40},
    # Their small sweeps run where the notebooks run at their defaults; here they draw the shipped records.
    **{
        name: {"smoke": False}
        for name in (
            "04_table_1",
            "05_table_2",
            "06_paper_and_code",
            "07_id_order",
            "08_dropout",
            "11_nli_accuracy",
            "19_thin_tuning",
        )
    },
}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
        cell["tags"] = cell["metadata"].get("tags", [])
    return notebook


def code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@each_notebook
def test_headings_say_title_question_and_finding(path):
    first, *rest = (cell for cell in read(path)["cells"] if cell["cell_type"] == "markdown")
    assert first["source"].startswith("# ")
    headings = re.findall(r"^## (.*)$", "\n".join(cell["source"] for cell in rest), flags=re.MULTILINE)
    assert any("Question" in heading for heading in headings)
    assert any("Finding" in heading for heading in headings)


@each_notebook
def test_the_parameters_cell_holds_typed_literals_with_help(path):
    (cell,) = (cell for cell in code(read(path)) if "parameters" in cell["tags"])
    lines = cell["source"].strip().splitlines()
    for line in lines:
        statement, _, text = line.partition("  # ")
        (node,) = ast.parse(statement).body
        assert isinstance(node, ast.AnnAssign), f"not 'name: type = value  # help': {line}"
        ast.literal_eval(node.value)
        # papermill cannot see a parameter whose help or text has an equals sign.
        assert text and line.count("=") == 1, line
    assert len(papermill.inspect_notebook(str(path))) == len(lines)


@each_notebook
def test_a_parameter_is_set_in_its_cell_alone(path):
    """Else the second cell, run again, would read what a later one left."""
    parameters, *rest = (re.sub("(?m)^%.*", "", cell["source"]) for cell in code(read(path)))
    declared = {node.target.id for node in ast.parse(parameters).body}
    for source in rest:
        nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
        assert not declared & {node.id for node in nodes if isinstance(node.ctx, ast.Store)}, source


@each_notebook
def test_metadata_is_what_every_machine_can_run(path):
    notebook = read(path)
    kernel = notebook["metadata"]["kernelspec"]
    assert (kernel["name"], kernel["display_name"]) == ("python3", "Python 3 (ipykernel)")
    assert not {"widgets", "papermill"} & set(notebook["metadata"])
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])


@each_notebook
def test_outputs_are_stripped(path):
    for cell in code(read(path)):
        kept = "keep_output" in cell["tags"]
        # nbval compares a kept output only if the cell has an execution count.
        assert bool(cell["outputs"]) == kept and (cell["execution_count"] is not None) == kept


@each_notebook
def test_the_claim_is_checked_and_stated_once(path):
    cells = code(read(path))
    checks = [cell["source"] for cell in cells if "check" in cell["tags"]]
    assert checks and all("assert " in source for source in checks)
    assert sum("Finding: " in cell["source"] for cell in cells) == 1


@each_notebook
def test_cells_are_thin_and_portable(path):
    for cell in code(read(path)):
        source = cell["source"]
        assert not re.search(r"^\s*(!|%pip|%autoreload|%load_ext)", source, flags=re.MULTILINE), source
        assert not re.search(r"""["'](/|~|[A-Z]:\\)\w""", source), f"absolute path: {source}"
        assert not re.search(r"^\s*class |\.backward\(", source, flags=re.MULTILINE), (
            f"belongs in the library: {source}"
        )
        assert len(source.splitlines()) <= 20, f"belongs in the library: {source}"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of runs for every notebook here."""
    return tmp_path_factory.mktemp("runs")


@each_notebook
def test_it_runs_headless_from_another_folder(path, tmp_path, monkeypatch, prepared, trained):
    monkeypatch.setattr(processes, "CONTEXT", prepared)
    for name in ("ROOT", "FIGURES", "REPORTS"):
        monkeypatch.setattr(paths, name, tmp_path if name == "ROOT" else tmp_path / name.lower())
    (tmp_path / "runs").symlink_to(trained)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (result,) = notebooks.run_notebooks([path], PARAMETERS.get(path.stem))
    assert result.status == "done", result.error
    assert result.finding and result.pictures
    assert not list((tmp_path / "elsewhere").iterdir())
    page = (tmp_path / "reports" / f"{path.stem}.html").read_text()
    assert "Finding:" in page and "image/png" in page
    words = [re.search(' alt="([^"]+)"', picture) for picture in re.findall("<img .*?>", page, flags=re.DOTALL)]
    roots = (tmp_path / "figures", tmp_path / "reports" / "figures")
    drawn = {picture.alt for root in roots for picture in gallery.read_pictures(root)}
    assert drawn and all(words) and drawn <= {html.unescape(found[1]) for found in words}
    loaded = re.findall(r"""<(?:script|link|img|iframe)[^>]* (?:src|href)=["'](?!data:)([^"']*)""", page)
    assert loaded == []  # from other hosts, least of all for formulas
    assert ("<math" in page) == any(
        "$" in cell["source"] for cell in read(path)["cells"] if cell["cell_type"] == "markdown"
    )
