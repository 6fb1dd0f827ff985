"""Pages that compute in the reader's browser: what each asks, its scripts, and the data that it is given as a script."""

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import paths
from ..embeddings.frequency_sets import choose_frequencies
from ..text.tokenizer import token_words, tokenizer_from_file

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
}


def _words() -> list[str]:
    """Return the words of the vocabulary that the shipped encoders have."""
    encoder = sorted(paths.SHIPPED_ENCODERS.iterdir())[0]
    return token_words(tokenizer_from_file(encoder / "tokenizer.json"))


def _drawn() -> dict[str, Any]:
    """Return the frequency sets that are drawn, by ``V,d,seed``, for the sizes that the page offers."""
    sizes, widths, seeds = (500, 2000, 12000, 30522, 50257), (8, 16, 32, 64, 128, 256, 512), range(3)
    sets = {
        name: {
            f"{v},{d},{seed}": choose_frequencies(name, v, d, seed=seed).tolist()
            for v, d, seed in itertools.product(sizes, widths, seeds)
            if d < v - 2
        }
        for name in ("random", "mixed")
    }
    return {"V": sizes, "d": widths, **sets}


# Read by a page as ``LabData.NAME``: a page opened from disk may load scripts, but no other files.
DATA: Mapping[str, Callable[[], Any]] = {"words": _words, "drawn": _drawn}


def data_script(name: str) -> str:
    """Return the script that sets ``LabData.NAME`` to what :data:`DATA` has under this name."""
    written = json.dumps(DATA[name](), separators=(",", ":"), allow_nan=False)
    return f"(window.LabData ??= {{}}).{name} = {written};\n"
