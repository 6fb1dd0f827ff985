"""An executed notebook as HTML, its pictures with words."""

import ast
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from ..errors import NotebookError, brief
from ..headless.gallery import Picture
from .markdown import Link, to_html

_WITHOUT_WORDS = "Picture of the result of this cell; the text around it says what to see."


def notebook_title(path: Path) -> str:
    """Return the first heading of a notebook, or its stem."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        first = "".join(cell["source"]).lstrip().partition("\n")[0]
        if cell["cell_type"] == "markdown" and first.startswith("# "):
            return first.removeprefix("# ").strip()
    return path.stem


def notebook_html(path: Path, link: Link, pictures: Mapping[str, Picture]) -> str:
    """Return the cells of an executed notebook as HTML without a frame.

    Args:
        path: The executed copy.
        link: As in :func:`fourier_lab.site.markdown.to_html`.
        pictures: The study's figures by ``notebook/figure``: a cell that names one shows it, so it has its words.
    """
    from nbconvert import HTMLExporter

    try:
        notebook = nbformat.read(path, as_version=4)
    except Exception as error:  # of json or nbformat, whichever meets the damage first
        raise NotebookError(
            f"{path} is damaged ({brief(error)}). Run that notebook again, or delete its report."
        ) from error
    for cell in notebook.cells:
        if cell.cell_type == "code":
            _describe(cell, pictures)
    exporter = HTMLExporter(
        template_name="basic",
        filters={"markdown2html": lambda source: to_html(source, link)},
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    body, _ = exporter.from_notebook_node(notebook)
    return body


def _describe(cell: Any, pictures: Mapping[str, Picture]) -> None:
    """Give each picture of a cell an alternative text: that of the figure that the cell names, or its own plain text."""
    named = [pictures[name].alt for name in _strings(cell.source) if name in pictures]
    for output in cell.outputs:
        if "image/png" in output.get("data", {}):
            said = output.data.get("text/plain", "")
            own = "" if said.startswith("<Figure") else said  # what matplotlib says of a figure is its size
            alt = own or (named.pop(0) if named else _WITHOUT_WORDS)
            output.metadata.setdefault("image/png", nbformat.NotebookNode())["alt"] = alt


def _strings(source: str) -> list[str]:
    """Return the strings of a cell in the order of its text, whichever functions they are given to."""
    try:
        tree = ast.parse(source.replace("%matplotlib inline", ""))
    except SyntaxError:  # magics: no name to be had
        return []
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [str(node.value) for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset))]
