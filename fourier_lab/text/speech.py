"""The part of speech of each token, from the lexicon and rules of Brill's tagger."""

import warnings
from collections.abc import Sequence

import numpy as np

from ..errors import MissingPackageError

# Penn Treebank tags by how they begin, longest first where one begins another; what begins as none of them is "other".
CLASSES = {
    "noun": ("NN",), "verb": ("VB",), "adjective": ("JJ",), "adverb": ("RB", "WRB"), "pronoun": ("PRP", "WP", "EX"),
    "determiner": ("DT", "PDT", "WDT"), "preposition": ("IN", "TO", "RP"), "conjunction": ("CC",), "modal": ("MD",),
    "number": ("CD",), "piece": (), "other": (),
}  # fmt: skip


def parts_of_speech(tokens: Sequence[str]) -> np.ndarray:
    """Return the place in :data:`CLASSES` of each token by itself, int64 ``(V,)``, as it is tagged without a sentence.

    Special tokens, in square brackets, are ``other``; the inner part of a word, after ``##``, is a ``piece``. A word that
    the lexicon lacks is tagged by its ending, and as a noun if that tells nothing.

    Raises:
        MissingPackageError: Without the package textblob.

    Source: Brill 1992, "A simple rule-based part of speech tagger", its lexicon from the Brown corpus and the Penn
    Treebank, as textblob has it.

    Example:
        >>> names = list(CLASSES)
        >>> [names[i] for i in parts_of_speech(["the", "dog", "runs", "##ing", "[CLS]"])]
        ['determiner', 'noun', 'verb', 'piece', 'other']
    """
    try:
        from textblob.en import tag
    except ImportError as problem:
        raise MissingPackageError("textblob", "speech") from problem
    places = {name: i for i, name in enumerate(CLASSES)}
    begins = [(begin, places[name]) for name, all_begins in CLASSES.items() for begin in all_begins]

    def place(token: str) -> int:
        if token.startswith("##"):
            return places["piece"]
        if token.startswith("[") and token.endswith("]"):
            return places["other"]
        ((_, told),) = tag(token.removeprefix("Ġ"), tokenize=False)[:1] or (("", ""),)  # Ġ: the space before byte pairs
        return next((i for begin, i in begins if told.startswith(begin)), places["other"])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # textblob 0.20 does not close its lexicon
        return np.array([place(token) for token in tokens], dtype=np.int64)
