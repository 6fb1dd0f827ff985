"""The token embeddings and feed-forwards that a run can name, with the settings of each."""

from dataclasses import dataclass

from ..plugins import Kind


@dataclass(frozen=True)
class FourierSettings:
    """What :class:`fourier_lab.FourierEmbedding` takes besides its sizes; each is a setting of the run itself."""

    frequencies: str | tuple[int, ...] = "harmonic"
    basis: str = "fourier"
    period: int | None = None
    mlp: str = "linear"


@dataclass(frozen=True)
class LearnedSettings:
    """A table has no settings."""


EMBEDDINGS = Kind(
    "fourier_lab.embeddings",
    "token embedding",
    {name: f"fourier_lab.embeddings.fourier:{name.title()}Embedding" for name in ("fourier", "learned")},
    {"fourier": FourierSettings, "learned": LearnedSettings},
)
FEED_FORWARDS = Kind("fourier_lab.feed_forwards", "feed-forward", {"silu": "fourier_lab.embeddings.fourier:SiLUMLP"})
