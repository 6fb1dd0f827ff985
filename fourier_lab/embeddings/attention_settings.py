"""Settings of the attentions that a run may name, known without torch, with their parameters in a layer of width d."""

from dataclasses import dataclass

from ..errors import ConfigError


@dataclass(frozen=True)
class NoSettings:
    """Full and linear attention have no settings."""

    def parameters(self, d: int) -> int:
        return 0


@dataclass(frozen=True)
class LocalSettings(NoSettings):
    """Attention to tokens fewer than ``window`` places away.

    Raises:
        ConfigError: If a token would not see itself.
    """

    window: int = 16

    def __post_init__(self) -> None:
        if self.window < 1:
            raise ConfigError(f"window ({self.window}) of local attention must be at least 1. Try 16.")
