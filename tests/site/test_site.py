"""The static site: every link leads somewhere, every picture has words, nothing comes from another host."""

import base64
import io
import json
import posixpath
import re
import zipfile
from html.parser import HTMLParser

import nbformat
import pytest
from PIL import Image

from fourier_lab import paths
from fourier_lab.cli import parser
from fourier_lab.errors import ConfigError, RecordError
from fourier_lab.headless import gallery
from fourier_lab.headless.markdown import to_html
from fourier_lab.headless.pages import _WITHOUT_WORDS, notebook_html
from fourier_lab.site import build
from fourier_lab.site.build import build_site
from fourier_lab.site.explorers import EXPLORERS

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAMAAAACCAIAAAASFvFNAAAAEElEQVR42mP4z8AAQQxwFgBB0gX7b/EWxwAAAABJRU5ErkJggg=="
)
README = """# The <study>

![scores & all](figures/snli_mnli/02_b/scores.png) Words with $x^2$, [paper](https://arxiv.org/abs/2505.02266),
[![badge](https://example.org/badge.svg)](https://example.org), [gone](results/none.csv), [out](../secret.txt).

## Notebooks

| lesson | page |
|---|---|
| [one](notebooks/01_a.ipynb) | [two](notebooks/02_b.ipynb), [course](notebooks/README.md#order), [licence](LICENSE) |

## What holds

<!-- table: claims_short -->
| claim | verdict | evidence |
| --- | --- | --- |
| as *good* | not told apart | [figure](figures/snli_mnli/02_b/scores.png), [limits](results/README.md#limits) |
<!-- end -->
"""
RESULTS = """# Results of <all>

![scores](../figures/snli_mnli/02_b/scores.png) Back to the [front](../README.md#notebooks).

## Limits

Three seeds.
"""


def write_figure(root, name, title, alt):
    target = root / "figures" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    for ending, content in {"png": PNG, "svg": b"<svg/>", "csv": b"a\n1\n"}.items():
        target.with_suffix(f".{ending}").write_bytes(content)
    record = {
        "title": title, "alt": alt, "notebook": target.parent.name, "config": {"d_model": 8}, "digest": "0123456789",
        "seed": 0, "versions": {"numpy": "2"}, "commit": "f" * 40,
    }  # fmt: skip
    target.with_suffix(".json").write_text(json.dumps(record))


def write_notebook(path, title, *outputs, source="1 + 1"):
    path.parent.mkdir(parents=True, exist_ok=True)
    cell = nbformat.v4.new_code_cell(source, outputs=list(outputs))
    words = nbformat.v4.new_markdown_cell(
        f"# {title}\n\nSee [the other](02_b.ipynb#question), $\\frac12$.\n\n## Question\n\n"
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[words, cell]), path)


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("PROJECT", "ROOT", "NOTEBOOKS", "FIGURES", "REPORTS"):
        monkeypatch.setattr(paths, name, tmp_path if name in ("PROJECT", "ROOT") else tmp_path / name.lower())
    monkeypatch.setattr(build, "data_script", lambda name: "")  # which takes long, and is of the study's own records
    (tmp_path / "README.md").write_text(README)
    (tmp_path / "results").mkdir()
    (tmp_path / "results/README.md").write_text(RESULTS)
    (tmp_path / "LICENSE").write_text("free")
    write_figure(tmp_path, "snli_mnli/02_b/scores", 'scores of <b> & "c"', 'a "quoted" <dot>')
    write_figure(tmp_path, "02_b/scores", "toy scores", "the toy's dots")
    for name, title in {"01_a": "Never run <yet>", "02_b": "Run twice", "03_c": "Broken"}.items():
        write_notebook(tmp_path / f"notebooks/{name}.ipynb", title)
    (tmp_path / "notebooks/README.md").write_text("# Course\n\n## Order\n\n[second](02_b.ipynb), [top](../README.md)\n")
    picture = nbformat.v4.new_output(
        "display_data", {"image/png": base64.b64encode(PNG).decode(), "text/plain": "<Figure>"}
    )
    told = nbformat.v4.new_output(
        "display_data", {"image/png": base64.b64encode(PNG).decode(), "text/plain": "it says"}
    )
    source = 'figures.save_figure(fig, "02_b/scores", data)'
    write_notebook(tmp_path / "reports/02_b.ipynb", "Run twice", picture, told, picture, source=source)
    write_notebook(
        tmp_path / "reports/snli_mnli/02_b.ipynb", "Run twice", picture, source="%matplotlib inline\n" + source
    )
    write_notebook(tmp_path / "reports/03_c.ipynb", "Broken", nbformat.v4.new_output("error", ename="E", evalue="<v>"))
    result = {"status": "done", "seconds": 1.0, "figures": {}, "error": "", "fingerprint": ""}
    manifest = {
        "02_b": {**result, "notebook": "02_b", "finding": "a < b"},
        "03_c": {**result, "notebook": "03_c", "status": "failed", "finding": "", "error": "ValueError: <v>"},
    }
    (tmp_path / "reports/manifest.json").write_text(json.dumps(manifest))
    return tmp_path


class Reader(HTMLParser):
    """Collects what a page refers to."""

    def __init__(self, text):
        super().__init__()
        self.links, self.pictures, self.ids, self.scripts = [], [], set(), 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids.add(given.get("id"))
        self.scripts += tag == "script"
        if tag == "img":
            self.pictures.append(given)
        if address := given.get("href") or given.get("src"):
            self.links.append((tag, address))


def read_pages(folder):
    return {page.relative_to(folder).as_posix(): Reader(page.read_text()) for page in folder.rglob("*.html")}


def test_every_relative_link_resolves_with_its_anchor_and_nothing_is_loaded_from_elsewhere(project):
    folder = build_site().parent
    pages = read_pages(folder)
    assert set(pages) == {
        "index.html", "study.html", "figures.html", "notebooks/02_b.html", "notebooks/snli_mnli/02_b.html",
        "notebooks/03_c.html", "notebooks/README.html", "live/index.html", "live/encoder.html",
        *(f"live/{name}.html" for name in EXPLORERS), "search.html",
        "course/01_a.html", "course/02_b.html", "course/03_c.html",
    }  # fmt: skip
    followed = 0
    for name, page in pages.items():
        plain = name.removeprefix("live/").removesuffix(".html")
        computes = name.startswith("course/") or plain in (*EXPLORERS, "encoder", "search")
        assert (page.scripts > 0) == computes
        for tag, address in page.links:
            if "://" in address or address.startswith("data:"):
                assert tag == "a" or address.startswith("data:"), (name, address)
                continue
            path, _, anchor = address.partition("#")
            target = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
            assert (folder / target).is_file() and not address.startswith("/"), (name, address)
            assert not anchor or anchor in pages[target].ids, (name, address)
            followed += 1
    assert followed > 40


def test_a_lesson_is_found_once(project):
    text = (build_site().parent / "live/data/search.js").read_text(encoding="utf-8")
    found = [entry["address"] for entry in json.loads(text.partition(".search = ")[2].rstrip(";\n"))]
    assert "course/02_b.html#question" in found and "notebooks/snli_mnli/02_b.html#question" in found
    assert not any(address.startswith("notebooks/02_b.html") for address in found)


def test_every_picture_has_its_words(project):
    pages = read_pages(build_site().parent)
    assert all(picture.get("alt") for page in pages.values() for picture in page.pictures)
    assert [picture["alt"] for picture in pages["figures.html"].pictures] == ["the toy's dots", 'a "quoted" <dot>']
    assert pages["figures.html"].pictures[0]["width"] == "3" and pages["figures.html"].pictures[0]["height"] == "2"
    alts = [picture["alt"] for picture in pages["notebooks/02_b.html"].pictures]
    assert alts[:2] == ["the toy's dots", "it says"] and "text around it" in alts[2]
    (real,) = pages["notebooks/snli_mnli/02_b.html"].pictures
    assert real["alt"] == 'a "quoted" <dot>'  # the figure of that text, not of the toy


def test_pictures_are_files_of_the_same_pixels_each_once(project):
    folder = build_site().parent
    pages = read_pages(folder)
    assert not any(picture["src"].startswith("data:") for page in pages.values() for picture in page.pictures)
    assert not [*folder.rglob("*.png"), *folder.rglob("*.svg")] and len([*folder.glob("pictures/*")]) == 1
    right = Image.open(io.BytesIO(PNG)).convert("RGB")
    for path in (folder / "figures/02_b/scores.webp", *folder.glob("pictures/*.webp")):
        assert Image.open(path).convert("RGB").tobytes() == right.tobytes()
    with zipfile.ZipFile(folder / "figures/02_b/scores.svg.zip") as archive:
        assert archive.read("scores.svg") == b"<svg/>"
    with zipfile.ZipFile(folder / "figures/02_b/scores.csv.zip") as archive:
        assert archive.read("scores.csv") == (paths.FIGURES / "02_b/scores.csv").read_bytes()
    links = set(re.findall(r'href="([^"]*)"', (folder / "figures.html").read_text()))
    assert {f"figures/02_b/scores.{ending}" for ending in ("svg.zip", "csv.zip", "json")} <= links


NOTEBOOKS = paths.NOTEBOOKS  # the project's own, where the fixture puts others


@pytest.mark.parametrize("source", sorted(NOTEBOOKS.glob("[0-9]*.ipynb")), ids=lambda source: source.stem)
def test_every_figure_of_a_real_notebook_has_the_words_of_its_json(source, tmp_path):
    notebook = nbformat.read(source, as_version=4)
    picture = nbformat.v4.new_output(
        "display_data", {"image/png": base64.b64encode(PNG).decode(), "text/plain": "<Figure>"}
    )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [picture]
    nbformat.write(notebook, tmp_path / source.name)
    known = {"/".join(found.name.split("/")[-2:]): found for found in gallery.read_pictures()}
    own = {picture.alt for name, picture in known.items() if name.startswith(f"{source.stem}/")}
    page = Reader(notebook_html(tmp_path / source.name, lambda url: url, known))
    assert own and own == {given["alt"] for given in page.pictures} - {_WITHOUT_WORDS}


def test_figures_of_one_cell_have_their_words_in_the_order_of_its_text(project):
    picture = nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(PNG).decode()})
    write_figure(project, "02_b/gap", "gap", "the gap")
    source = 'panels.mean_figure(draw(deep("x")), "02_b/gap", alt="a")\nsave_figure(fig, "02_b/scores", data)'
    write_notebook(project / "reports/02_b.ipynb", "Run twice", picture, picture, source=source)
    build_site()
    alts = [given["alt"] for given in read_pages(project / "reports/site")["notebooks/02_b.html"].pictures]
    assert alts == ["the gap", "the toy's dots"]


def test_a_figure_that_the_next_cell_saves_has_its_words(project):
    shown = nbformat.v4.new_output("display_data", {"image/png": base64.b64encode(PNG).decode()})
    cells = [
        nbformat.v4.new_code_cell("draw(1)\ndraw(2)", outputs=[shown, shown]),
        nbformat.v4.new_code_cell('save_figure(fig, "02_b/scores", data)'),
        nbformat.v4.new_code_cell('save_figure(fig, "02_b/scores", data)'),  # of nothing that was drawn just before
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), project / "one.ipynb")
    pictures = gallery.short_names(gallery.read_pictures(), "")
    for whole in (False, True):
        page = Reader(notebook_html(project / "one.ipynb", lambda url: url, pictures, whole=whole))
        assert [given["alt"] for given in page.pictures] == ["the toy's dots", _WITHOUT_WORDS]


def test_a_variant_of_a_notebook_has_the_words_of_its_own_figures(project):
    write_figure(project, "02_b-small/scores", "small scores", "the small run's dots")
    write_figure(project, "02_b/gap", "gap", "the gap")
    pictures = gallery.read_pictures()
    assert gallery.short_names(pictures, "")["02_b/scores"].alt == "the toy's dots"
    named = gallery.short_names(pictures, "", "02_b-small")
    assert [named[f"02_b/{name}"].alt for name in ("scores", "gap")] == ["the small run's dots", "the gap"]


def test_text_is_escaped_and_formulas_need_no_script(project):
    folder = build_site().parent
    figures, index = ((folder / name).read_text() for name in ("figures.html", "index.html"))
    assert "scores of &lt;b&gt; &amp; &#34;c&#34;" in figures and "<dot>" not in figures
    assert "Never run &lt;yet&gt;" in index and "a &lt; b" in index and "ValueError: &lt;v&gt;" in index
    assert "<math" in index and "<mfrac>" in (folder / "notebooks/02_b.html").read_text()


def test_the_first_page_has_the_claims_and_says_what_has_not_run(project):
    text = (build_site().parent / "index.html").read_text()
    assert "as <em>good</em>" in text and "not told apart" in text
    assert (
        text.index("course</a>") < text.index("Run twice") < text.index('id="what-holds"')
    )  # where notebooks are listed
    assert "01_a has not been executed here yet" in text and "make figures" in text
    assert "02_b on snli + mnli" in text and "failed" in text
    (project / "README.md").write_text("# Bare\n")
    bare = build_site().read_text()
    assert bare.index('id="notebooks"') < bare.index("Run twice")  # which the page does not list


def test_the_front_page_and_the_page_of_results_lead_to_each_other(project):
    folder = build_site().parent
    assert 'href="study.html#limits"' in (folder / "index.html").read_text()
    results = (folder / "study.html").read_text()
    assert 'href="index.html#notebooks"' in results and "<title>Results of &lt;all&gt;</title>" in results
    assert 'src="figures/snli_mnli/02_b/scores.webp"' in results


def test_links_that_lead_nowhere_become_text(project):
    text = (build_site().parent / "index.html").read_text()
    assert "gone" in text and "none.csv" not in text and "secret" not in text
    assert "badge.svg" not in text and 'href="https://example.org"' in text  # the badge's words, no picture from there
    assert to_html("[a](b)", lambda url: None) == "<p>a</p>\n"


def test_a_site_is_replaced_whole_and_nothing_else_ever_is(project, capsys):
    first = build_site()
    (first.parent / "stale.html").write_text("old")
    assert build_site() == first and not (first.parent / "stale.html").exists()
    (project / "mine").mkdir()
    (project / "mine/letter.txt").write_text("dear")
    with pytest.raises(ConfigError, match="no site of this program"):
        build_site(project / "mine")
    (project / "mine/index.html").write_text("somebody's home page")
    with pytest.raises(ConfigError, match="no site of this program"):
        build_site(project / "mine")
    with pytest.raises(ConfigError, match="no site of this program"):
        build_site(project / "mine/letter.txt")
    (project / "mine").rename(project / "blog.partial")
    with pytest.raises(ConfigError, match="in the way"):
        build_site(project / "blog")
    assert {path.name for path in (project / "blog.partial").iterdir()} == {"letter.txt", "index.html"}
    assert parser.main(["site", "--out", str(project / "elsewhere")]) == 0
    assert "elsewhere/index.html" in capsys.readouterr().out
    for page in ("README.md", "results/README.md"):
        (project / page).rename(project / "aside")
        with pytest.raises(ConfigError, match=f"there is no {page}"):
            build_site()
        (project / "aside").rename(project / page)


def test_damaged_figures_are_named(project):
    assert [p.group for p in gallery.read_pictures()] == ["02_b", "snli_mnli/02_b"]
    (project / "figures/02_b/scores.png").unlink()
    with pytest.raises(RecordError, match=r"scores\.png"):
        build_site()
    (project / "figures/02_b/scores.json").write_text("{}")
    with pytest.raises(RecordError, match="Run its notebook again"):
        build_site()
