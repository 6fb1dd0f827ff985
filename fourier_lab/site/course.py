"""Lessons as pages without their code: what is asked, what was found, exercises, and the answers to them."""

import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..headless.gallery import Picture
from ..headless.markdown import Link, to_html
from ..headless.pages import pictures_of, read_notebook
from .templating import templates

_PARTS = re.compile(r"^(?=## (?:Exercises|References)$)", flags=re.MULTILINE)
_ANSWERS = re.compile(r"^## (.*)$", flags=re.MULTILINE)
_TAGS_OF_HEADING = re.compile(r"</?h2[^>]*>")
_EXPLORERS = re.compile(r"\bexplore_(\w+)\(")
_NAMED = re.compile(r"<code>explore_(\w+)</code>")
# The page of the site that shows what an explorer of the notebooks shows.
_PAGE_OF = {"training": "train", "live_training": "train", "sentences": "encoder", "clouds": "geometry"}


def read_lesson(source: Path, executed: Path | None, link: Link, pictures: Mapping[str, Picture]) -> dict[str, Any]:
    """Return a lesson as its page shows it.

    Args:
        source: The notebook.
        executed: An executed copy, whose tables and printed lines are shown too; None if there is none.
        link: Turns links of the notebook into links of the page, those to figures among them.
        pictures: The study's figures by ``notebook/figure``; they stand where the code that draws them stood.

    Returns:
        dict: ``asked`` (up to the first code), ``found``, ``exercises`` and ``references`` as HTML, each empty if the
        lesson has none, and ``explorers``, names of explorers that it uses.
    """
    cells = read_notebook(executed or source).cells
    parts: dict[str, Markup] = dict.fromkeys(("asked", "found", "exercises", "references"), Markup(""))
    part = "asked"
    for cell in cells:
        if cell.cell_type == "code":
            part = "found" if part == "asked" else part
            parts[part] += _figures(cell, link, pictures) + (_outputs(cell) if executed else Markup(""))
        elif cell.cell_type == "markdown":
            for text in _PARTS.split(cell.source):
                part = {"## Exe": "exercises", "## Ref": "references"}.get(text[:6], part)
                parts[part] += Markup(to_html(text, link))
    used = dict.fromkeys(name for cell in cells for name in _EXPLORERS.findall(cell.source))
    return {**parts, "explorers": [_PAGE_OF.get(name, name) for name in used]}


def read_answers(source: Path, executed: Path | None, link: Link) -> list[tuple[Markup, Markup]]:
    """Return the heading and the text of each answer, with its code, and with its results if there is an executed copy."""
    answers: list[tuple[Markup, Markup]] = []
    for cell in read_notebook(executed or source).cells:
        if cell.cell_type == "markdown":
            before, *rest = _ANSWERS.split(cell.source)
            if answers and before.strip():
                answers[-1] = answers[-1][0], answers[-1][1] + Markup(to_html(before, link))
            for heading, text in zip(rest[::2], rest[1::2], strict=True):
                title = _TAGS_OF_HEADING.sub("", to_html(f"## {heading}", link))
                answers.append((Markup(title.strip()), Markup(to_html(text, link))))
        elif answers and cell.cell_type == "code":
            code = Markup("<pre><code>{}</code></pre>\n").format(cell.source)
            answers[-1] = answers[-1][0], answers[-1][1] + code + (_outputs(cell) if executed else Markup(""))
    return answers


def with_explorers(page: str, folder: str, known: Container[str]) -> str:
    """Return HTML in which the name of an explorer of the notebooks leads to the page that shows the same, in ``folder``."""

    def linked(found: re.Match[str]) -> str:
        name = _PAGE_OF.get(found[1], found[1])
        return f'<a href="{folder}/{name}.html">{found[0]}</a>' if name in known else found[0]

    return _NAMED.sub(linked, page)


def _figures(cell: Any, link: Link, pictures: Mapping[str, Picture]) -> Markup:
    template = templates().get_template("figure.html.j2")
    return Markup("").join(
        Markup(template.render(picture=picture, address=link(f"../figures/{picture.name}.png")))
        for picture in pictures_of(cell, pictures)
    )


def _outputs(cell: Any) -> Markup:
    """Return the tables of a cell and what it printed; its pictures are those of the study."""
    shown = Markup("")
    for output in cell.outputs:
        data = output.get("data", {})
        if output.output_type == "stream" and output.name == "stdout":
            shown += Markup("<pre>{}</pre>\n").format(output.text)
        elif "text/html" in data and "image/png" not in data:
            shown += Markup('<div class="output_html">') + Markup(data["text/html"]) + Markup("</div>\n")
    return shown
