"""How many parameters an encoder has, from its shape alone: for whoever names runs by it without building one."""

from ..config import ModelConfig


def count_by_formula(config: ModelConfig) -> int:
    """Return the number of trainable numbers of :class:`fourier_lab.SentenceEncoder` for a shape of the two arms.

    A linear map d -> e has d e + e, an RMSNorm d; SiLU MLPs are two maps d -> d.

    Example:
        >>> count_by_formula(ModelConfig("fourier", 30522, d_model=256))
        1184256
    """
    d, silu = config.d_model, config.projections == "silu"

    def linear(rows: int, columns: int) -> int:
        return rows * columns + columns

    square = 2 * linear(d, d) if silu else linear(d, d)

    def geglu(hidden: int) -> int:
        return linear(d, 2 * hidden) + linear(hidden, d)

    maps = {"none": 0, "linear": linear(d, d), "silu": 2 * linear(d, d), "geglu": geglu(4 * d)}
    maps["geglu_quarter"] = geglu(max(1, d // 4))
    embedding = d + (config.vocab_size * d if config.arm == "learned" else maps[config.mlp])
    feed_forward = square
    if not silu:
        assert not isinstance(config.feed_forward, str)  # a named one is counted once it is built
        feed_forward = geglu(int(config.feed_forward * d))
    return embedding + config.n_layers * (4 * square + feed_forward + 2 * d) + square
