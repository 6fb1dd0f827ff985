"""What a trained encoder makes of single tokens, stage by stage: basis, embedding, and the state after each layer."""

import numpy as np
import torch
from numpy.typing import NDArray

from ..config import ModelConfig
from ..embeddings.fourier import FourierEmbedding
from ..embeddings.interface import rows_of
from ..errors import ConfigError
from ..models.sentence_encoder import SentenceEncoder
from ..text.batches import pack
from ..text.vocabulary import around

BASIS, COMPUTED, LEARNED, OTHER = "basis T(p)", "after MLP E(p)", "learned table", "embedding"

_BLOCK = 4096  # tokens encoded at a time: bounds memory


def stage_names(config: ModelConfig) -> tuple[str, ...]:
    """Return the stages of an encoder, first to last.

    Example:
        >>> stage_names(ModelConfig("fourier", 500, d_model=16, n_layers=1))
        ('basis T(p)', 'after MLP E(p)', 'after layer 1')
    """
    first = {"fourier": (BASIS, COMPUTED), "learned": (LEARNED,)}.get(config.arm, (OTHER,))
    return (*first, *(f"after layer {layer}" for layer in range(1, config.n_layers + 1)))


def nearest_stage(config: ModelConfig, stage: str) -> str:
    """Return the stage of an encoder to be compared with a stage of another: the same, or what comes nearest.

    That is the token embedding for a stage of the other arm's embedding, and the last layer for a deeper one.
    """
    names = stage_names(config)
    if stage in names:
        return stage
    return names[-1] if stage.startswith("after layer") else names[-1 - config.n_layers]


@torch.no_grad()
def stage_table(encoder: SentenceEncoder, stage: str) -> NDArray[np.float32]:
    """Return the row of every token at one stage, float32 ``(V, d)``.

    A layer's state depends on the sentence; here it is that of the token alone, between the tokenizer's own ends, as in
    ``[CLS] token [SEP]``.

    Args:
        encoder: A trained encoder.
        stage: One of :func:`stage_names`.

    Raises:
        ConfigError: If the encoder has no such stage, or no tokenizer for a layer's state.
    """
    names = stage_names(encoder.config)
    if stage not in names:
        raise ConfigError(f"this encoder has no stage {stage!r}. Choose one of {', '.join(names)}.")
    ids = torch.arange(encoder.config.vocab_size)
    if stage == BASIS and isinstance(encoder.embedding, FourierEmbedding):
        return encoder.embedding.basis(ids).numpy()
    if stage in (COMPUTED, LEARNED, OTHER):
        return rows_of(encoder.embedding).numpy()
    if encoder.tokenizer is None:
        raise ConfigError(f"{stage!r} needs the ids around a sentence. Attach the encoder's tokenizer first.")
    first, last = around(encoder.tokenizer)
    length = len(first) + 1 + len(last)
    layer, encoder = int(stage.rsplit(maxsplit=1)[1]), encoder.eval()
    states = [
        # Sentences of one length keep their order: (length n, d) -> (n, length, d).
        encoder.hidden_states(pack([np.array([*first, i, *last]) for i in block.tolist()]))[layer].unflatten(
            0, (-1, length)
        )[:, len(first)]
        for block in ids.split(_BLOCK)
    ]
    return torch.cat(states).numpy()
