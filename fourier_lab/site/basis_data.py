"""What the pages on the basis are given: words, and frequencies that are drawn. Made without torch, which takes seconds."""

import itertools
from typing import Any

from .. import paths
from ..embeddings.frequency_sets import choose_frequencies
from ..text.tokenizer import token_words, tokenizer_from_file


def words() -> list[str]:
    """Return the words of the vocabulary that the shipped runs have, 5,000 of BERT's."""
    return token_words(tokenizer_from_file(paths.SHIPPED_ENCODERS.with_name("shipped") / "fourier" / "tokenizer.json"))


def drawn() -> dict[str, Any]:
    """Return the frequency sets that are drawn, by ``V,d,seed``, for the sizes that the page offers."""
    sizes, widths, seeds = (500, 2000, 5000, 30522, 50257), (8, 16, 32, 64, 128, 256, 512), range(3)
    sets = {
        name: {
            f"{v},{d},{seed}": choose_frequencies(name, v, d, seed=seed).tolist()
            for v, d, seed in itertools.product(sizes, widths, seeds)
            if d < v - 2
        }
        for name in ("random", "mixed")
    }
    return {"V": sizes, "d": widths, **sets}
