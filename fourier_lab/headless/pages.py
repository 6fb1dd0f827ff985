"""An executed notebook as HTML, its pictures with words."""

import ast
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import NotebookError, brief
from .gallery import Picture
from .markdown import Link, to_html
from .quick_import import without_grammar

with without_grammar():
    import nbformat

_TEMPLATES = Path(__file__).with_name("templates")
_WITHOUT_WORDS = "Picture of the result of this cell; the text around it says what to see."


def notebook_title(path: Path) -> str:
    """Return the first heading of a notebook, or its stem."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        first = "".join(cell["source"]).lstrip().partition("\n")[0]
        if cell["cell_type"] == "markdown" and first.startswith("# "):
            return first.removeprefix("# ").strip()
    return path.stem


def notebook_html(path: Path, link: Link, pictures: Mapping[str, Picture], *, whole: bool = False) -> str:
    """Return an executed notebook as HTML that needs no other host.

    Args:
        path: The executed copy.
        link: As in :func:`fourier_lab.headless.markdown.to_html`.
        pictures: The study's figures by ``notebook/figure``: a cell that names one shows it, so it has its words.
        whole: Whether to return a page that looks like JupyterLab, or the cells alone, without a frame.

    Raises:
        NotebookError: If the file is no notebook.
    """
    from nbconvert import HTMLExporter

    notebook = read_notebook(path)
    _describe((cell for cell in notebook.cells if cell.cell_type == "code"), pictures)
    exporter = HTMLExporter(
        template_name="report" if whole else "basic",
        extra_template_basedirs=[str(_TEMPLATES)],
        filters={"markdown2html": lambda source: to_html(source, link)},
        exclude_input_prompt=not whole,
        exclude_output_prompt=not whole,
    )
    body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
    return body


def read_notebook(path: Path) -> Any:
    """Return a notebook of format 4.

    Raises:
        NotebookError: If the file is no notebook.
    """
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # of json or nbformat, whichever meets the damage first
        raise NotebookError(
            f"{path} is damaged ({brief(error)}). Run that notebook again, or delete its report."
        ) from error


def pictures_of(cell: Any, pictures: Mapping[str, Picture]) -> list[Picture]:
    """Return the figures that the text of a code cell names, in its order."""
    return [pictures[name] for name in _strings(cell.source) if name in pictures]


def _describe(cells: Iterable[Any], pictures: Mapping[str, Picture]) -> None:
    """Give each picture an alternative text: its own plain text, or that of the figure which its cell names.

    Where a cell names more figures than it shows, the cell before it drew them.
    """
    drawn_before: list[Any] = []
    for cell in cells:
        named = [picture.alt for picture in pictures_of(cell, pictures)]
        wordless = []
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                said = output.data.get("text/plain", "")
                own = "" if said.startswith("<Figure") else said  # what matplotlib says of a figure is its size
                alt = own or (named.pop(0) if named else "")
                output.metadata.setdefault("image/png", nbformat.NotebookNode())["alt"] = alt or _WITHOUT_WORDS
                if not alt:
                    wordless.append(output)
        for output, alt in zip(drawn_before, named, strict=False):
            output.metadata["image/png"]["alt"] = alt
        drawn_before = wordless


def _strings(source: str) -> list[str]:
    """Return the strings of a cell in the order of its text, whichever functions they are given to."""
    try:
        tree = ast.parse(source.replace("%matplotlib inline", ""))
    except SyntaxError:  # magics: no name to be had
        return []
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [str(node.value) for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset))]
