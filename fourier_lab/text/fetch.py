"""Fetch the corpora from the hub into a folder."""

from collections.abc import Iterator
from pathlib import Path

from ..field_rules import SIMILARITY_SETS
from ..paths import replacing, write_atomically
from .pairs import GRADED, SPLITS, load_pairs
from .similarity_sets import load_set


def fetch(folder: Path) -> Iterator[Path]:
    """Export the hub's corpora and vocabulary into ``folder`` as Parquet and ``vocab.txt``; yield each file written."""
    import pandas as pd

    from .tokenizer import hub_tokenizer

    for name in ("snli", "mnli", "stsb", *SIMILARITY_SETS):
        for split in SPLITS.get(name, ("test",)):
            pairs = load_set(name, "hub").pairs if name in SIMILARITY_SETS else load_pairs(name, split, "hub")
            graded = name in (*GRADED, *SIMILARITY_SETS)
            columns = ("sentence1", "sentence2") if graded else ("premise", "hypothesis")
            path = folder / name / f"{split}.parquet"
            table = {columns[0]: pairs.first, columns[1]: pairs.second, "label": pairs.label}
            with replacing(path) as stream:
                pd.DataFrame(table).to_parquet(stream)
            yield path
    vocabulary = sorted(hub_tokenizer().get_vocab().items(), key=lambda item: item[1])
    path = folder / "tokenizer" / "vocab.txt"
    write_atomically(path, "\n".join(token for token, _ in vocabulary) + "\n")
    yield path
