"""What a teacher says of a run's text: its vectors, computed once, kept in a file, and given to the trainer as labels.

``runs/teachers/<teacher>-<text>/vectors.f16`` is named by a hash of the teacher's files and one of the sentences; an
interruption leaves what is done in ``vectors.part`` beside it, from where the next run goes on.
"""

import dataclasses
import hashlib
import inspect
import json
import os
from collections.abc import Callable, Iterable
from itertools import chain, compress, islice
from pathlib import Path
from typing import Any, cast

import numpy as np

from .. import paths
from ..config import RunConfig
from ..errors import ConfigError, MissingPackageError
from ..locks import run_lock
from ..models.pretrained import FILES, load_pretrained, shipped_encoders
from ..plugins import Kind, is_path
from ..text.corpus import Corpus
from ..text.pair_stream import distinct
from ..text.pairs import load_pairs, splits_of, training_stream
from ..text.places import content
from .trainer import VALIDATION_PAIRS

_BLOCK = 4096  # sentences between two writes
_KIND = np.dtype(np.float16)  # cosines of such vectors are right to about 3 digits
TEACHERS = Kind("fourier_lab.teachers", "teacher", {})
Encode = Callable[[list[str]], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Teacher:
    """An encoder to learn from.

    Attributes:
        name: As the run names it.
        hash: 12 hexadecimal digits of a hash over its files.
        open: Returns what turns sentences into vectors ``(n, width)``; loads the weights.
    """

    name: str
    hash: str
    open: Callable[[], Encode]


class Told:
    """Vectors of a teacher as the labels of pairs: ``told[index]`` is float16 ``(2, len(index), width)``.

    Args:
        vectors: Of each distinct sentence, ``(n_distinct, width)``.
        number: Which of them the first sentences of the pairs have, then the second, int ``(2 n,)``.
    """

    def __init__(self, vectors: np.ndarray, number: np.ndarray):
        self.vectors, self.number = vectors, number.reshape(2, -1)

    def __len__(self) -> int:
        return self.number.shape[1]

    def __getitem__(self, index: Any) -> Any:
        return self.vectors[self.number[:, index]]


def find_teacher(name: str) -> Teacher:
    """Return the teacher that a run names, without loading its weights.

    Raises:
        ConfigError: If nothing of this name encodes, or it is code that nobody named.
    """
    if name in shipped_encoders():
        folder = paths.SHIPPED_ENCODERS / name
    elif is_path(name):
        function = TEACHERS.find(name)
        source = inspect.getsourcefile(function)
        return Teacher(name, content(Path(source))[:12] if source else name, lambda: function)
    else:
        beside = Path(os.environ.get("FOURIER_LAB_DATA") or ".").expanduser()
        places = [path for path in (Path(name).expanduser(), beside / name) if (path / "config.json").is_file()]
        if not places:
            raise ConfigError(
                f"no teacher {name!r}: it is neither one of {', '.join(shipped_encoders())}, nor a folder of an encoder, by "
                "its path or its name in the folder of FOURIER_LAB_DATA, nor module:function. Correct it; what lies on a "
                "hub is first fetched by huggingface_hub.snapshot_download."
            )
        folder = places[0]
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    told = [(path.relative_to(folder).as_posix(), content(path)) for path in files]
    return Teacher(name, hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12], lambda: _opened(folder))


def _opened(folder: Path) -> Encode:
    ours = json.loads((folder / FILES[0]).read_text(encoding="utf-8"))
    if ours.get("model_type") == "fourier_lab_sentence_encoder":
        return load_pretrained(folder).encode
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingPackageError("sentence-transformers", "hub") from error
    return SentenceTransformer(str(folder)).encode


def taught(config: RunConfig, corpus: Corpus) -> Corpus:
    """Return the corpus whose pairs to train and to validate on are labelled by what the run's teacher says of them.

    Of held-out splits only the pairs that a loss is taken of have labels.

    Raises:
        ConfigError: As :func:`find_teacher`, or if the teacher's vectors are no rows of finite numbers.
    """
    teacher = find_teacher(str(config.teacher))
    train, _ = training_stream(
        config.corpus, config.source, config.train_pairs, config.left_out, config.vocab_size, kind=None
    )
    labels = _labels(teacher, train.first, train.second, len(train))
    held_out = {}
    for name in config.corpus.split("+"):
        for split in splits_of(name)[1:]:
            pairs = load_pairs(name, split, config.source, vocab_size=config.vocab_size)
            few = pairs.select(slice(VALIDATION_PAIRS))
            told = _labels(teacher, few.first, few.second, len(few))
            held_out[f"{name}/{split}"] = dataclasses.replace(corpus.held_out[f"{name}/{split}"], label=cast(Any, told))
    about = {"name": teacher.name, "hash": teacher.hash, "width": labels.vectors.shape[1]}
    return dataclasses.replace(
        corpus,
        train=dataclasses.replace(corpus.train, label=cast(Any, labels)),
        held_out=held_out,
        account={**corpus.account, "teacher": about},
    )


def _labels(teacher: Teacher, first: Iterable[str], second: Iterable[str], n_pairs: int) -> Told:
    number, met_first = distinct(first, second, n_pairs)
    return Told(vectors(teacher, lambda: compress(chain(first, second), met_first.tobytes())), number)


def vectors(teacher: Teacher, sentences: Callable[[], Iterable[str]]) -> np.ndarray:
    """Return a teacher's vectors of sentences, float16 ``(n, width)``, mapped from the file that keeps them.

    Args:
        teacher: Loaded only if there is no such file yet.
        sentences: Gives them anew, in one order, each time it is called.

    Raises:
        ConfigError: If the teacher gives something else than as many rows of finite numbers.
    """
    digest, n = hashlib.sha256(), 0
    for sentence in sentences():
        digest.update(hashlib.sha256(sentence.encode("utf-8", "surrogatepass")).digest())
        n += 1
    folder = paths.RUNS / "teachers" / f"{teacher.hash}-{digest.hexdigest()[:12]}"
    whole, part = folder / "vectors.f16", folder / "vectors.part"
    if not whole.is_file():
        with run_lock(folder, "asks the teacher in"):
            if not whole.is_file():
                _write(part, teacher, sentences, n)
                part.replace(whole)
    return np.memmap(whole, _KIND, "r").reshape(n, -1)


def _write(part: Path, teacher: Teacher, sentences: Callable[[], Iterable[str]], n: int) -> None:
    """Append to ``part`` the vectors that it lacks."""
    from tqdm import tqdm

    encode, rest = teacher.open(), iter(sentences())
    row = _asked(teacher, encode, [*islice(sentences(), 1)]).nbytes
    with open(part, "ab") as stream, tqdm(total=n, unit=" sentences", desc=teacher.name, disable=None) as progress:
        done = stream.tell() // row
        stream.truncate(done * row)  # without half a row
        progress.update(len([*islice(rest, done)]))
        while block := [*islice(rest, _BLOCK)]:
            stream.write(_asked(teacher, encode, block).tobytes())
            stream.flush()
            progress.update(len(block))
        os.fsync(stream.fileno())


def _asked(teacher: Teacher, encode: Encode, sentences: list[str]) -> np.ndarray:
    """Return unit vectors of sentences, ``(n, width)``."""
    found = np.asarray(encode(sentences), dtype=np.float32)
    if found.ndim != 2 or len(found) != len(sentences) or not np.isfinite(found).all():
        raise ConfigError(
            f"a teacher gives a row of finite numbers for each of {len(sentences)} sentences, got shape {found.shape} from "
            f"{teacher.name!r}. Name another one."
        )
    return (found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.finfo(np.float32).tiny)).astype(_KIND)
