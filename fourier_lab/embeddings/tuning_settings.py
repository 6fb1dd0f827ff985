"""Settings of the ways to tune few numbers of a pretrained encoder, known without torch."""

from dataclasses import dataclass

from ..errors import ConfigError

PLACES = ("encoder", "embedding")


@dataclass(frozen=True)
class LoRASettings:
    """Changes of low ``rank`` to the queries' and values' maps of all layers, or to the embedding's map.

    Raises:
        ConfigError: If no rank is left, or there is no such place.
    """

    rank: int = 4
    of: str = "encoder"

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ConfigError(f"rank ({self.rank}) of a tuning must be at least 1. Try 4.")
        if self.of not in PLACES:
            raise ConfigError(f"a tuning is of one of {', '.join(PLACES)}, got {self.of!r}.")


@dataclass(frozen=True)
class GIFTSettings(LoRASettings):
    """The same as a factor that all layers share, which therefore affords a larger rank."""

    rank: int = 16


@dataclass(frozen=True)
class PromptSettings:
    """Learned keys and values, as many as ``prompts`` in each layer.

    Raises:
        ConfigError: If there are none.
    """

    prompts: int = 16

    def __post_init__(self) -> None:
        if self.prompts < 1:
            raise ConfigError(f"prompts ({self.prompts}) must be at least 1. Try 16.")

    def parameters(self, d: int) -> int:
        return 2 * self.prompts * d
