"""Sentences to vectors in blocks, so that memory beside the result does not grow with their number."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ConfigError, DataError, brief
from ..text.tokenizer import Cutter, check_text
from .bags import BagVectors

if TYPE_CHECKING:
    from .sentence_encoder import SentenceEncoder


def encode_sentences(
    encoder: "SentenceEncoder", sentences: str | Sequence[str], batch_size: int, normalize: bool, show_progress: bool
) -> NDArray[np.float32]:
    """Encode as :meth:`fourier_lab.SentenceEncoder.encode` says."""
    from tqdm import tqdm

    if encoder.tokenizer is None:
        raise ConfigError("this encoder has no tokenizer. Pass one to SentenceEncoder or call set_tokenizer first.")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ConfigError(f"batch_size must be a positive number of sentences, got {batch_size!r}. Try 4096.")
    if isinstance(sentences, bytes | dict) or not hasattr(sentences, "__iter__"):
        raise DataError(f"encode takes a sentence or a list of them, got {brief(sentences)}. Write encode([sentence]).")
    rows = [sentences] if isinstance(sentences, str) else list(sentences)
    check_text(rows)
    cut = Cutter(encoder.tokenizer, encoder.config.max_seq_len)
    result = np.zeros((len(rows), encoder.config.d_model), dtype=np.float32)
    # Rows of tokens, computed once for all blocks; the encoder is left in the mode that it had.
    encoded = BagVectors(encoder) if encoder.is_bag and not encoder.training else encoder.encode_ids
    with tqdm(total=len(rows), unit=" sentences", disable=not show_progress) as progress:
        for start in range(0, len(rows), batch_size):
            block = rows[start : start + batch_size]
            place = {sentence: i for i, sentence in enumerate(dict.fromkeys(block))}  # each distinct one once
            vectors = _vectors(encoded, cut([*place]), result.shape[1])
            if normalize:
                vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
            result[start : start + len(block)] = vectors[[place[sentence] for sentence in block]]
            progress.update(len(block))
    return result[0] if isinstance(sentences, str) else result


def _vectors(
    encoded: Callable[[list[NDArray[np.int64]]], Tensor], sentences: list[NDArray[np.int64]], width: int
) -> NDArray[np.float32]:
    """Return the vectors of rows of ids, zeros where there is no id."""
    vectors = np.zeros((len(sentences), width), dtype=np.float32)
    if filled := [i for i, ids in enumerate(sentences) if len(ids)]:
        vectors[filled] = encoded([sentences[i] for i in filled]).numpy()
    return vectors
