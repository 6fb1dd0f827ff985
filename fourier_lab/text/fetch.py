"""Fetch the corpora from the hub into a folder."""

from collections.abc import Iterator
from pathlib import Path

from ..paths import replacing, write_atomically
from .pairs import GRADED, SPLITS, load_pairs


def fetch(folder: Path) -> Iterator[Path]:
    """Export the hub's corpora and vocabulary into ``folder`` as Parquet and ``vocab.txt``; yield each file written."""
    import pandas as pd

    from .tokenizer import hub_tokenizer

    for name in ("snli", "mnli", "stsb"):
        for split in SPLITS[name]:
            pairs = load_pairs(name, split, "hub")
            columns = ("sentence1", "sentence2") if name in GRADED else ("premise", "hypothesis")
            path = folder / name / f"{split}.parquet"
            table = {columns[0]: pairs.first, columns[1]: pairs.second, "label": pairs.label}
            with replacing(path) as stream:
                pd.DataFrame(table).to_parquet(stream)
            yield path
    vocabulary = sorted(hub_tokenizer().get_vocab().items(), key=lambda item: item[1])
    path = folder / "tokenizer" / "vocab.txt"
    write_atomically(path, "\n".join(token for token, _ in vocabulary) + "\n")
    yield path
