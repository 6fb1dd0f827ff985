"""How many parameters an encoder has, from its shape alone: for whoever names runs by it without building one."""

from ..config import ModelConfig
from ..text.speech import CLASSES


def count_by_formula(config: ModelConfig) -> int:
    """Return the number of trainable numbers of :class:`fourier_lab.SentenceEncoder` for one of the library's embeddings.

    A linear map d -> e has d e + e, an RMSNorm d; SiLU MLPs are two maps d -> d.

    Example:
        >>> count_by_formula(ModelConfig("fourier", 30522, d_model=256))
        1184256
    """
    d, silu = config.d_model, config.projections == "silu"

    def linear(rows: int, columns: int) -> int:
        return rows * columns + columns

    square = 2 * linear(d, d) if silu else linear(d, d)

    feed_forward = square
    if isinstance(config.feed_forward, str):
        feed_forward = config.feed_forward_settings().parameters(d)
    elif not silu:
        hidden = int(config.feed_forward * d)
        feed_forward = linear(d, 2 * hidden) + linear(hidden, d)
    embedding = config.embedding_settings().parameters(config.vocab_size, d)
    in_mean = 0 if config.token_weights == "none" else config.vocab_size
    in_attention = {"none": 0, "speech": len(CLASSES)}.get(config.attention_weights, config.vocab_size)
    pooler = 0 if config.pooler == "none" else square
    if config.pooled_layers == "all":
        pooler += config.n_layers * d * d
    attention = 4 * square + config.attention_settings().parameters(d)
    return embedding + in_mean + in_attention + config.n_layers * (attention + feed_forward + 2 * d) + pooler
