"""Pages that compute in the reader's browser: what each asks and its scripts, also as one file; nothing here needs torch."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..errors import ConfigError
from .basis_data import drawn, words
from .templating import templates

_FOLDER = Path(__file__).parent
CHARTS = ("vendored/d3.min.js", "vendored/plot.umd.min.js")


@dataclass(frozen=True)
class Explorer:
    """One page.

    Attributes:
        name: What links call it.
        title: Its heading.
        question: What it answers, in a sentence or two.
        scripts: Its scripts in order, by their place in the folder ``live``; ``data/NAME.js`` sets some data.
        figure: A committed figure that stands in where scripts do not run.
    """

    name: str
    title: str
    question: str
    scripts: tuple[str, ...]
    figure: str

    @property
    def data(self) -> list[str]:
        """Return the names of the data that its scripts set."""
        return [name for script in self.scripts if (name := _data_of(script))]


EXPLORERS = {
    "basis": Explorer(
        "Basis",
        "What T(p) tells apart",
        "Which waves a token id is read from, and from which difference on two ids look different.",
        (*CHARTS, "data/words.js", "data/drawn.js", "maths.js", "lab.js", "basis.js"),
        "01_frequency_bases/frequency_sets",
    ),
    "release": Explorer(
        "Release",
        "When the period is not the vocabulary",
        "The paper normalises an id by V − 1, the released code by 127: ids that differ by a multiple of it get one "
        "row. Which words are told apart then?",
        (*CHARTS, "data/words.js", "maths.js", "lab.js", "release.js"),
        "01_frequency_bases/period_127",
    ),
    "geometry": Explorer(
        "Geometry",
        "Every token of a trained encoder",
        "Where training puts the 30,522 tokens of BERT's vocabulary, in a computed embedding and in a table; and those of "
        "smaller encoders, from T(p) to the state after each layer. Two pictures, linked by the word.",
        ("vendored/d3.min.js", "data/clouds.js", "lab.js", "cloud.js", "geometry.js"),
        "snli_mnli/03_embedding_geometry/projections",
    ),
    "train": Explorer(
        "Train",
        "Train both embeddings in this page",
        "A computed embedding and a table learn the same toy language from the same start, with token ids in three orders. "
        "Which order helps, and whom?",
        (*CHARTS, "data/training.js", "maths.js", "lab.js", "training.js", "train.js"),
        "02_train_both/scores",
    ),
    "results": Explorer(
        "Results",
        "Every committed record as a point",
        "What each configuration stores, costs and scores, its seeds pooled; the numbers are those of the tables.",
        (*CHARTS, "data/points.js", "lab.js", "results.js"),
        "snli_mnli/04_table_1/arms",
    ),
}


# The data that need no torch, by what :data:`fourier_lab.site.page_data.DATA` calls them.
LIGHT_DATA: Mapping[str, Callable[[], Any]] = {"words": words, "drawn": drawn}


def script_of(name: str, data: Any) -> str:
    """Return the script that sets ``LabData.NAME`` to some data, which JSON can write."""
    written = json.dumps(data, separators=(",", ":"), allow_nan=False).replace(
        "<", "\\u003c"
    )  # ends no script it is in
    return f"(window.LabData ??= {{}}).{name} = {written};\n"


def explorer_page(name: str) -> str:
    """Return an explorer as a page that needs no other file; ``name`` is ``basis`` or ``release``.

    Raises:
        ConfigError: If there is no such page.
    """
    whole = [known for known, explorer in EXPLORERS.items() if all(map(LIGHT_DATA.__contains__, explorer.data))]
    if name not in whole:
        raise ConfigError(f"no page {name!r} stands alone. Choose from {', '.join(whole)}.")
    explorer = EXPLORERS[name]
    scripts = [
        script_of(data, LIGHT_DATA[data]())
        if (data := _data_of(script))
        else (_FOLDER / ("" if script.startswith("vendored") else "live") / script).read_text(encoding="utf-8")
        for script in explorer.scripts
    ]
    inline = {"styles": Markup((_FOLDER / "style.css").read_text(encoding="utf-8")), "scripts": map(Markup, scripts)}
    page = templates().get_template(f"live/{name}.html.j2")
    return page.render(title=explorer.title, explorer=explorer, picture=None, inline=inline)


def _data_of(script: str) -> str:
    """Return which data a script sets; nothing if it is one of the programs."""
    return script.removeprefix("data/").removesuffix(".js") if script.startswith("data/") else ""
