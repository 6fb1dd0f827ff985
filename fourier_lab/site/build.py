"""Write the pages, beside copies of every file that they refer to: the folder can be moved or served as it is."""

import functools
import os
import posixpath
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from markupsafe import Markup
from pygments.formatters import HtmlFormatter

from .. import paths
from ..errors import ConfigError
from ..headless import gallery
from ..headless.gallery import Picture
from ..headless.manifest import Manifest
from ..headless.markdown import Link, is_external, to_html
from ..headless.pages import notebook_html, notebook_title
from .course import read_answers, read_lesson, with_explorers
from .encoder_arms import write_arms
from .encoder_data import write_encoders
from .explorers import EXPLORERS, script_of
from .page_data import DATA, data_script
from .pictures import to_webp, without_embedded, zipped
from .search import sections
from .templating import templates

_SECTION = re.compile(r"^(?=## )", flags=re.MULTILINE)
_SCROLLS = re.compile(
    r'<(pre(?=[ >])|div(?= class="(?:wide|output_html)\b)(?![^>]* tabindex=))'
)  # by itself where it is wider than the page
_PAGES = {"README.md": "index.html", "results/README.md": "study.html"}
_FOLDER = Path(__file__).parent
_LIVE = (*EXPLORERS, "encoder")  # pages that compute in the browser
ENCODER = "A sentence encoder in this page"
_MARKER = ".fourier-lab-site"  # in every folder written here: without it nothing is deleted


def build_site(out: Path | None = None) -> Path:
    """Write the site and return its first page.

    Args:
        out: The folder to write, replaced whole; ``reports/site`` if None.

    Raises:
        ConfigError: If the folder holds anything but a site written here, or the project lacks a page to begin with.
        RecordError: If a figure lacks its picture or its JSON is damaged.
    """
    out = paths.REPORTS / "site" if out is None else Path(out).resolve()
    if out.exists() and not (out.is_dir() and ((out / _MARKER).is_file() or not any(out.iterdir()))):
        raise ConfigError(
            f"{out} is no site of this program (no {_MARKER} in it) and would be deleted. Name another folder, or remove "
            "it yourself."
        )
    for source in _PAGES:
        if not _file(source).is_file():
            raise ConfigError(
                f"there is no {source} in {paths.PROJECT}, which the site begins with: an installed package has no pages. "
                "Run this in a checkout of the source."
            )
    partial = out.with_name(f"{out.name}.partial")
    if partial.exists() and not (partial / _MARKER).is_file():
        raise ConfigError(f"{partial} is in the way and was not left by this program. Move it, or name another folder.")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    (partial / _MARKER).touch()
    _Site(partial).write()
    shutil.rmtree(out, ignore_errors=True)
    os.replace(partial, out)
    return out / "index.html"


class _Site:
    """Pages by the file of the project that they show; what they link to is written as it is met."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._pictures = gallery.read_pictures()
        self._manifest = Manifest()
        # A report is known by its notebook's name alone; lessons come before what else has their name.
        lessons = {source.name: source for source in sorted(paths.NOTEBOOKS.rglob("*.ipynb"), reverse=True)}
        # Executed copies by the notebook's path in the project and the folder of its variant, such as a corpus.
        self._executed = {
            (_name(source), copy.parent.relative_to(paths.REPORTS).as_posix()): copy
            for name, source in sorted(lessons.items())
            for copy in sorted([*paths.REPORTS.glob(name), *paths.REPORTS.glob(f"*/{name}")])
        }
        self._pages = {source: _page_of(source, folder) for source, folder in reversed(self._executed)}
        self._lessons = {_name(path): path for path in sorted(paths.NOTEBOOKS.glob("[0-9]*.ipynb"))}
        for source, path in self._lessons.items():
            self._pages[source] = f"course/{path.stem}.html"
            self._pages.setdefault(_solutions_of(source), f"course/{path.stem}.html#answers")
        self._pages |= _PAGES
        self._waiting = ["results/README.md"]
        self._sections: list[dict[str, str]] = []  # of the pages written so far
        self._course = self._place("notebooks/README.md") or "index.html#notebooks"

    def write(self) -> None:
        """Write every page."""
        style = (_FOLDER / "style.css").read_text(encoding="utf-8") + HtmlFormatter().get_style_defs(".highlight")
        paths.write_atomically(self._out / "style.css", style)
        for picture in self._pictures:
            for ending in ("png", "svg", "csv", "json"):
                self._place(f"figures/{picture.name}.{ending}")
        self._write_index()
        self._write_figures()
        self._write_explorers()
        self._write_lessons()
        for (source, folder), copy in self._executed.items():
            page = _page_of(source, folder)
            pictures = gallery.short_names(self._pictures, folder)
            body = without_embedded(notebook_html(copy, self._link(source, page), pictures), self._keeper(page))
            found_already = source in self._lessons and folder == "."  # its words are those of the lesson
            self._write(page, "page", searched=not found_already, title=notebook_title(copy), body=Markup(body))
        while self._waiting:  # a page may refer to another, which is then written too
            source = self._waiting.pop()
            page, text = self._pages[source], _file(source).read_text(encoding="utf-8")
            title = text.lstrip("# ").partition("\n")[0]
            live = posixpath.relpath("live", posixpath.dirname(page) or ".")
            body = with_explorers(to_html(text, self._link(source, page)), live, _LIVE)
            self._write(page, "page", title=title, body=Markup(body))
        paths.write_atomically(self._out / "live/data/search.js", script_of("search", self._sections))
        self._write("search.html", "search", title="Search")

    def _write_index(self) -> None:
        """Write the front page: the README's sections, and what the executed notebooks found below those that it lists."""
        text = _file("README.md").read_text(encoding="utf-8")
        link = self._link("README.md", "index.html")
        sections = [(part.startswith("## Notebooks"), Markup(to_html(part, link))) for part in _SECTION.split(text)]
        if not any(listed for listed, _ in sections):
            sections.append((True, Markup('<h2 id="notebooks">Notebooks</h2>')))
        self._write(
            "index.html",
            "index",
            title=text.lstrip("# ").partition("\n")[0],
            sections=sections,
            notebooks=[self._notebook(source) for source in self._lessons],
            pictures=len(self._pictures),
        )

    def _notebook(self, source: str) -> dict[str, Any]:
        """Return what the first page says about a notebook."""
        path = self._lessons[source]
        copies = []
        for own, folder in self._executed:
            if own == source:
                result = self._manifest.result(path.stem if folder == "." else f"{folder}/{path.stem}")
                label = "" if folder == "." else f" on {folder.replace('_', ' + ')}"
                copies.append({"page": _page_of(source, folder), "label": label, "result": result})
        return {"title": notebook_title(path), "name": path.stem, "page": self._pages[source], "copies": copies}

    def _write_lessons(self) -> None:
        """Write the lessons as pages that ask before they answer."""
        pictures = gallery.short_names(self._pictures, "")
        pages = [{"number": path.stem[:2], "page": f"{path.stem}.html"} for path in self._lessons.values()]
        for i, (source, path) in enumerate(self._lessons.items()):
            solutions, page = _solutions_of(source), self._pages[source]
            answers = self._answers(solutions, page)
            lesson = read_lesson(path, self._executed.get((source, ".")), self._link(source, page), pictures)
            about = self._notebook(source)
            copies = [{**copy, "page": posixpath.relpath(copy["page"], "course")} for copy in about["copies"]]
            explorers = [name for name in lesson["explorers"] if name in _LIVE]
            self._write(
                page, "lesson", title=about["title"], name=path.stem, lesson=lesson, answers=answers, copies=copies,
                explorers=explorers, before=pages[i - 1] if i else None, after=pages[i + 1] if i + 1 < len(pages) else None,
            )  # fmt: skip

    def _answers(self, solutions: str, page: str) -> list[Any]:
        path = _file(solutions)
        return (
            read_answers(path, self._executed.get((solutions, ".")), self._link(solutions, page))
            if path.is_file()
            else []
        )

    def _write_figures(self) -> None:
        groups: dict[str, list[Picture]] = {}
        for picture in self._pictures:
            groups.setdefault(picture.group, []).append(picture)
        notebooks = {group: self._pages.get(f"notebooks/{group.rpartition('/')[2]}.ipynb") for group in groups}
        self._write("figures.html", "figures", title="Figures", groups=groups, notebooks=notebooks)

    def _write_explorers(self) -> None:
        """Write the pages that compute in the browser, the scripts that they name, and their data."""
        pictures = {picture.name: picture for picture in self._pictures}
        self._write("live/index.html", "live/index", title="Explorers", explorers=EXPLORERS)
        for name, explorer in EXPLORERS.items():
            self._write(
                f"live/{name}.html", f"live/{name}", title=explorer.title, explorers=EXPLORERS, own=name,
                explorer=explorer, picture=pictures.get(explorer.figure), inline=None,
            )  # fmt: skip
        live = self._out / "live"
        shutil.copytree(_FOLDER / "vendored", live / "vendored")
        for script in _FOLDER.glob("live/*.js"):
            shutil.copyfile(script, live / script.name)
        for name in DATA:
            paths.write_atomically(live / f"data/{name}.js", data_script(name))
        shutil.copyfile(_FOLDER / "live/encoder.css", live / "encoder.css")
        shown = write_encoders(live / "data") | {"arms": write_arms(live / "data")}
        self._write(
            "live/encoder.html", "encoder", title=ENCODER, explorers=EXPLORERS, own="encoder", inline=None, **shown
        )

    def _write(self, page: str, template: str, *, searched: bool = True, **content: Any) -> None:
        folder = posixpath.dirname(page) or "."
        top, course = (posixpath.relpath(target, folder) for target in (".", self._course))
        text = templates().get_template(f"{template}.html.j2").render(top=top, page=page, course=course, **content)
        if searched:
            self._sections += sections(page, content["title"], text)
        # What scrolls must be within reach of the keyboard.
        paths.write_atomically(self._out / page, _SCROLLS.sub(r'<\1 tabindex="0"', text))

    def _link(self, source: str, page: str) -> Link:
        """Return the function that turns links of a file of the project into links of its page."""

        def link(url: str) -> str | None:
            if is_external(url) or url.startswith(("#", "data:")):
                return url
            path, mark, anchor = url.partition("#")
            target = self._place(posixpath.normpath(posixpath.join(posixpath.dirname(source), path)))
            return target and posixpath.relpath(target, posixpath.dirname(page) or ".") + mark + anchor

        return link

    def _place(self, target: str) -> str | None:
        """Return where a file of the project is in the site, after putting it there; None if it cannot be."""
        if target in self._pages:
            return self._pages[target]
        file = _file(target)
        if target.startswith(("..", "/")) or target.endswith(".ipynb") or not file.is_file():
            return None  # nothing is copied from outside the project, nor written outside the site
        if target.endswith(".md"):
            self._pages[target] = target.removesuffix(".md") + ".html"
            self._waiting.append(target)
            return self._pages[target]
        name, convert = _as_in_site(target)
        if not (self._out / name).exists():
            self._put(name, convert(file.read_bytes()))
        return name

    def _put(self, name: str, content: bytes) -> None:
        target = self._out / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)  # what is whole or not at all is the site

    def _keeper(self, page: str) -> Callable[[str, bytes], str]:
        """Return the function that puts a picture of a page beside those of all others, once."""

        def keep(name: str, content: bytes) -> str:
            self._put(f"pictures/{name}", content)
            return posixpath.relpath(f"pictures/{name}", posixpath.dirname(page) or ".")

        return keep


def _as_in_site(target: str) -> tuple[str, Callable[[bytes], bytes]]:
    """Return the name that a file has in the site, and what becomes of its content."""
    stem, _, ending = target.rpartition(".")
    if ending == "png":
        return f"{stem}.webp", to_webp
    if ending == "svg" or (ending == "csv" and target.startswith("figures/")):
        return f"{target}.zip", functools.partial(zipped, posixpath.basename(target))
    return target, bytes


def _file(target: str) -> Path:
    """Return where a file that the study's texts name lies: below the root, else in the project."""
    own = paths.ROOT / target
    return own if own.exists() else paths.PROJECT / target


def _name(notebook: Path) -> str:
    """Return what the study's texts call a notebook."""
    return f"notebooks/{notebook.relative_to(paths.NOTEBOOKS).as_posix()}"


def _solutions_of(lesson: str) -> str:
    """Return what the study's texts call the solutions of a lesson."""
    return lesson.replace("notebooks/", "notebooks/solutions/").replace(".ipynb", "_solutions.ipynb")


def _page_of(source: str, folder: str) -> str:
    """Return the page of an executed notebook; a variant's lies in a folder of its name."""
    path, name = posixpath.split(source.removesuffix(".ipynb") + ".html")
    return posixpath.normpath(posixpath.join(path, folder, name))
