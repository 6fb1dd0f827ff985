"""A folder of made-up real text: SNLI and STS-B in miniature, with a vocabulary of their words."""

import os
from pathlib import Path

import pandas as pd

WORDS = ("a", "dog", "cat", "bird", "man", "runs", "sleeps", "eats", "sings", "outside", "inside", "quickly", "again")
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS)
NLI, STS = ("premise", "hypothesis", "label"), ("sentence1", "sentence2", "label")


def write_text(folder: Path, *, turned: bool = False) -> Path:
    """Write the folder and return it; with ``turned``, STS-B's scores are 5 - s and all else is as it was."""
    nouns, verbs, places = WORDS[1:5], WORDS[5:9], WORDS[9:12]
    sentences = [f"a {noun} {verb} {place}" for noun in nouns for verb in verbs for place in places]
    pairs = [(s, " ".join(s.split()[:-1]), number % 3) for number, s in enumerate(sentences)]
    for number, split in enumerate(("train", "validation", "test")):
        _write(folder / "snli" / f"{split}.parquet", NLI, pairs[number:])
        scores = [float(5 - number % 6 if turned else number % 6) for number in range(len(sentences))]
        graded = [
            (s + " again", sentences[i * 7 % len(sentences)] + " again" * (1 + i % 3), score)
            for i, (s, score) in enumerate(zip(sentences, scores, strict=True))
        ]
        _write(folder / "stsb" / f"{split}.parquet", STS, graded[number:])
    (folder / "tokenizer").mkdir(exist_ok=True)
    (folder / "tokenizer" / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    return folder


def rewrite_in_place(path: Path, content: bytes) -> None:
    """Change a file so that its name, size and modification time say nothing of it."""
    before = path.stat()
    assert len(content) == before.st_size and content != path.read_bytes()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _write(path: Path, columns: tuple[str, ...], rows: list[tuple]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=columns).to_parquet(path, compression=None)
