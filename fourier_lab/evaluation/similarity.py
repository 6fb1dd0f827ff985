"""How near the sentence embeddings of an encoder are to each other."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.sentence_encoder import SentenceEncoder
from ..text.rows import Rows


def cosine(first: Tensor, second: Tensor) -> np.ndarray:
    """Return row-wise cosines in [-1, 1], float64 ``(n,)``, of two ``(n, d)`` tensors."""
    return F.cosine_similarity(first.double(), second.double()).cpu().numpy()


def embedding_similarity(encoder: SentenceEncoder, first: Rows, second: Rows) -> np.ndarray:
    """Encode two lists of id arrays and return the cosines of aligned pairs, float64 ``(n,)``."""
    with torch.no_grad():
        return cosine(encoder.encode_ids(first), encoder.encode_ids(second))
