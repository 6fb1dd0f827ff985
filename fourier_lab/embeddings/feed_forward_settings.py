"""Settings of the feed-forwards that a run may name, with their parameters as closed formulas, known without torch.

``parameters(d)`` are all that one layer holds, ``computed(d)`` those that one token is multiplied with.
"""

from dataclasses import dataclass

from ..errors import ConfigError

SELECTORS = ("average", "router", "ids", "random")


@dataclass(frozen=True)
class SiLUSettings:
    """The small network of Table 2 has no settings."""

    def parameters(self, d: int) -> int:
        return 2 * d * d + 2 * d

    computed = parameters


@dataclass(frozen=True)
class ReLUSettings:
    """Two maps with ReLU between; ``ratio`` is the hidden width in units of d."""

    ratio: float = 4.0

    def hidden(self, d: int) -> int:
        """Return the hidden width.

        Raises:
            ConfigError: If none is left.
        """
        if int(self.ratio * d) < 1:
            raise ConfigError(f"ratio ({self.ratio}) times d_model ({d}) must be at least 1. Try 4.")
        return int(self.ratio * d)

    def parameters(self, d: int) -> int:
        return 2 * d * self.hidden(d) + self.hidden(d) + d

    computed = parameters


@dataclass(frozen=True)
class LowRankSettings(ReLUSettings):
    """GeGLU with each matrix as a product of ``rank``, guided by a whole one in the first ``guided_steps`` steps."""

    rank: int = 32
    guided_steps: int = 0

    def computed(self, d: int) -> int:
        """Return the parameters of the products.

        Raises:
            ConfigError: If the rank is not that of a product, or the steps are negative.
        """
        hidden = self.hidden(d)
        if not 1 <= self.rank <= min(hidden, d) or self.guided_steps < 0:
            raise ConfigError(
                f"a feed-forward of low rank needs a rank in 1..{min(hidden, d)} and guided_steps from 0, got {self.rank} "
                f"and {self.guided_steps}. Try rank {max(1, min(hidden, d) // 4)}."
            )
        return self.rank * (d + 2 * hidden) + 2 * hidden + self.rank * (hidden + d) + d

    def parameters(self, d: int) -> int:
        return self.computed(d) + (3 * d * self.hidden(d) if self.guided_steps else 0)


@dataclass(frozen=True)
class MemorySettings(ReLUSettings):
    """ReLU cells in blocks of ``block``, of which ``top`` are kept for each token by a ``selector``."""

    block: int = 16
    top: int = 8
    selector: str = "average"

    def blocks(self, d: int) -> int:
        """Return the number of blocks.

        Raises:
            ConfigError: If the cells make no whole blocks, or not as many as are kept, or there is no such selector.
        """
        count, rest = divmod(self.hidden(d), self.block) if self.block >= 1 else (0, 0)
        if rest or not 1 <= self.top <= count:
            raise ConfigError(
                f"{self.hidden(d)} cells make no whole blocks of {self.block} of which {self.top} can be kept. Try block "
                "16 and top 2."
            )
        if self.selector not in SELECTORS:
            raise ConfigError(f"selector must be one of {', '.join(SELECTORS)}, got {self.selector!r}.")
        return count

    def parameters(self, d: int) -> int:
        blocks = self.blocks(d)
        return super().parameters(d) + (blocks * d if self.selector == "router" else 0)

    def computed(self, d: int) -> int:
        kept = self.top * self.block
        scored = 0 if self.selector == "ids" else self.blocks(d) * d
        return 2 * d * kept + kept + d + scored
