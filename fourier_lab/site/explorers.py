"""Pages that compute in the reader's browser: what each asks, its scripts, and the data that it is given as a script."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import page_data
from .training_data import training

CHARTS = ("vendored/d3.min.js", "vendored/plot.umd.min.js")


@dataclass(frozen=True)
class Explorer:
    """One page.

    Attributes:
        name: What links call it.
        title: Its heading.
        question: What it answers, in a sentence or two.
        scripts: Its scripts in order, by their place in the folder ``live``; ``data/NAME.js`` is one of :data:`DATA`.
        figure: A committed figure that stands in where scripts do not run.
    """

    name: str
    title: str
    question: str
    scripts: tuple[str, ...]
    figure: str


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


# Read by a page as ``LabData.NAME``: a page opened from disk may load scripts, but no other files.
DATA: Mapping[str, Callable[[], Any]] = {
    "words": page_data.words,
    "drawn": page_data.drawn,
    "points": page_data.points,
    "clouds": page_data.clouds,
    "training": training,
}


def data_script(name: str) -> str:
    """Return the script that sets ``LabData.NAME`` to what :data:`DATA` has under this name."""
    return script_of(name, DATA[name]())


def script_of(name: str, data: Any) -> str:
    """Return the script that sets ``LabData.NAME`` to some data, which JSON can write."""
    written = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return f"(window.LabData ??= {{}}).{name} = {written};\n"
