"""Tiny notebooks, for tests of whatever runs them."""

import textwrap

import nbformat

PARAMETERS = "steps: int = 3\ncorpus: str = 'toy'"
WRITES_A_FIGURE = """
import os, pathlib
folder = pathlib.Path(os.environ["FOURIER_LAB_FIGURES"]) / os.environ["FOURIER_LAB_NOTEBOOK"]
folder.mkdir(parents=True, exist_ok=True)
(folder / "one.png").write_bytes(bytes([steps]))
(folder / "one.csv").write_text(f"{steps}")
print("Finding: ran", steps, "steps, headless", os.environ["FOURIER_LAB_HEADLESS"])
"""


def write_notebook(path, *cells, parameters=PARAMETERS):
    """Write a notebook with a parameters cell followed by code ``cells``."""
    tagged = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}, id="parameters")
    body = [nbformat.v4.new_code_cell(textwrap.dedent(source), id=f"cell-{i}") for i, source in enumerate(cells)]
    notebook = nbformat.v4.new_notebook(cells=[tagged, *body])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path
