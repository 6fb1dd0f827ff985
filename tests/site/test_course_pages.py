"""Lessons as pages: the question comes before anything that answers it, and every exercise has its answer."""

import re

import nbformat
import pytest

from fourier_lab import paths
from fourier_lab.headless import gallery
from fourier_lab.headless.markdown import to_html
from fourier_lab.site.course import read_answers, read_lesson, with_explorers
from fourier_lab.site.explorers import EXPLORERS

LESSONS = sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb"))


@pytest.fixture(scope="module")
def pictures():
    return gallery.short_names(gallery.read_pictures(), "")


def same(address):
    return address


@pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_asks_before_it_shows_and_answers_every_exercise(source, pictures):
    lesson = read_lesson(source, None, same, pictures)
    assert "Write down" in lesson["asked"] and not re.search("<img|<figure", lesson["asked"])
    named = set(re.findall(r"/([\w-]+/[\w-]+)\.png", lesson["found"]))
    code = "".join(cell.source for cell in nbformat.read(source, as_version=4).cells if cell.cell_type == "code")
    assert named == {name for name in pictures if f'"{name}"' in code} and named
    assert lesson["found"].count(' alt="') == lesson["found"].count("<img")
    assert "Finding</h2>" in lesson["found"] and "Exercises</h2>" not in lesson["found"]
    answers = read_answers(source.parent / "solutions" / f"{source.stem}_solutions.ipynb", None, same)
    (questions,) = re.findall(r"<ol>(.*)</ol>", lesson["exercises"], flags=re.DOTALL)
    assert [int(title.partition(".")[0]) for title, _ in answers] == [*range(1, questions.count("<li>") + 1)]
    assert all(re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL).strip() for _, text in answers)
    assert set(lesson["explorers"]) - {*EXPLORERS, "encoder", "language"} == set()


def test_the_explorers_of_a_schedule_lead_to_their_pages():
    text = (paths.NOTEBOOKS / "LECTURER.md").read_text(encoding="utf-8")
    page = with_explorers(to_html(text, same), "../live", (*EXPLORERS, "encoder"))
    named = re.findall(r"<code>explore_(\w+)</code>", page)
    linked = re.findall(r'<a href="../live/(\w+).html"><code>explore_(\w+)</code></a>', page)
    assert len(linked) == len(named) - named.count("language") > 10
    assert {"train": "live_training", "encoder": "sentences", "basis": "basis"}.items() <= dict(linked).items()


def test_an_executed_lesson_shows_its_tables_and_lines_but_no_picture_twice(tmp_path):
    output = nbformat.v4.new_output
    outputs = [
        output("stream", text="1 < 2"),
        output("display_data", {"text/html": "<table></table>"}),
        output("display_data", {"image/png": "", "text/html": "<img>"}),
        output("stream", name="stderr", text="careful"),
    ]
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    cells = [
        markdown("# A\n\n## Question"), code("print(1)", outputs=outputs), markdown("b\n\n## Exercises\n\n1. c"),
        markdown("## References\n\n- d"),
    ]  # fmt: skip
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    lesson = read_lesson(tmp_path / "a.ipynb", tmp_path / "a.ipynb", same, {})
    assert "<pre>1 &lt; 2</pre>" in lesson["found"] and "<table>" in lesson["found"] and "<p>b</p>" in lesson["found"]
    assert "<img" not in lesson["found"] and "careful" not in lesson["found"]
    assert "<li>c</li>" in lesson["exercises"] and "<li>d</li>" in lesson["references"]
    (_, answer), *_ = read_answers(_solutions(tmp_path), None, same)
    assert "1 &lt; 2" in answer and "<p>why</p>" in answer


def _solutions(folder):
    markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    cells = [markdown("# S\n\nof [a](../a.ipynb)"), code("0"), markdown("## 1. One\n\nwhy"), code("1 < 2")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "a_solutions.ipynb")
    return folder / "a_solutions.ipynb"
