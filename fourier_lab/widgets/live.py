"""Training as it happens: choose embeddings, frequencies, id order, steps; start, pause, resume, stop; watch the curves."""

import asyncio
from collections.abc import Sequence, Set
from typing import Any

from matplotlib.figure import Figure

from .. import plots
from ..config import ARMS, ID_ORDERS, RunConfig
from ..embeddings.frequencies import FREQUENCY_SETS
from ..embeddings.registry import EMBEDDINGS
from ..errors import ConfigError, records_left_out
from ..plots.figure import new_figure, style
from ..study import selection
from ..tables import summaries
from ..training.live import LiveTraining
from ..training.records import RunRecord, load_records
from .at_hand import SHIPPED
from .controls import choice, slider
from .explorer import Explorer, View, closed

TOY = RunConfig(vocab_size=2000, d_model=32, steps=300, warmup_steps=30, batch_size=64, train_pairs=8000)
BOTH = "both"
PERIOD_S = 1.0
_QUANTITIES = ("loss", "validation_loss")


class LiveExplorer(Explorer):
    """An explorer whose picture grows while runs train in the background.

    Attributes:
        training: The :class:`fourier_lab.training.live.LiveTraining` last started; None before the first start.
    """

    def __init__(self, config: RunConfig, settings: dict[str, Any]) -> None:
        self.config = config
        self.training: LiveTraining | None = None
        self._begun: dict[str, Any] = {}  # the settings that it was started with
        self._seen: list[str] = []
        self._task: asyncio.Task | None = None
        actions = {"start": self.start, "pause": self.pause, "resume": self.resume, "stop": self.stop}
        super().__init__(self._view, settings, self._controls, actions, self._check)

    def start(self) -> None:
        """Start the chosen runs, or go on with them if they were stopped; returns at once.

        Raises:
            ConfigError: If other runs are at work.
        """
        if self.training is None or self._begun != self.settings:
            if self.training is not None and self.training.active:
                if self.training.stopping:
                    raise ConfigError("the runs before are still stopping. Press start again in a moment.")
                raise ConfigError("runs with other settings are at work. Press stop first, then start.")
            if self.training is not None:
                self.training.close()
            self.training, self._begun = LiveTraining(self._configs(**self.settings)), self.settings
        if self.training.state == "finished":
            raise ConfigError("these runs are finished. Change a setting to train others.")
        self.training.start()
        self._follow_training()

    def pause(self) -> None:
        """Hold the runs where they are."""
        self._present().pause()

    def resume(self) -> None:
        """Let paused runs go on."""
        self._present().resume()

    def stop(self) -> None:
        """End the runs with a checkpoint; :meth:`start` goes on from there."""
        self._present().stop()

    def refresh(self) -> None:
        """Draw again if there is anything new. Called once a second where the notebook's event loop runs."""
        if self.training is not None and self.training.lines != self._seen:
            refused = self.message  # a second is too short to read it, and new rows are no answer to it
            self.set()
            self.message = refused
            self._show_words()

    def wait(self, timeout: float = 600.0) -> str:
        """Block until no run is at work, draw the end and return the state."""
        state = self._present().wait(timeout)
        self.refresh()
        return state

    def _present(self) -> LiveTraining:
        if self.training is None:
            raise ConfigError("no run has been started. Press start first.")
        return self.training

    def _follow_training(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # a plain script: whoever wants to look calls refresh
            return
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._watch())

    async def _watch(self) -> None:
        while self.training is not None and self.training.active:
            await asyncio.sleep(PERIOD_S)
            self._attempt(self.refresh, "drawing the runs at work")
        self._attempt(self.refresh, "drawing the finished runs")

    def _configs(self, arms: str, frequencies: str, id_order: str, steps: int) -> list[RunConfig]:
        base = self.config.replace(
            id_order=id_order, steps=steps, warmup_steps=min(self.config.warmup_steps, steps // 10)
        )
        chosen = ARMS if arms == BOTH else (arms,)
        return [selection.with_series(base, frequencies if arm == "fourier" else arm) for arm in chosen]

    def _check(self, chosen: dict[str, Any], _: Set[str]) -> dict[str, Any]:
        if chosen["arms"] not in _arms():
            raise ConfigError(f"unknown arms {chosen['arms']!r}. Choose from {', '.join(_arms())}.")
        self._configs(**chosen)  # names the setting that breaks a rule before anything is started
        return chosen

    def _view(self, **settings: Any) -> View:
        if self.training is None:
            records, lines = _recorded(), ["Recorded runs that ship with the project. Press start to train your own."]
        else:
            records, lines = self.training.records, self.training.lines
            self._seen = lines
            if settings != self._begun:
                lines = [*lines, "The new settings hold from the next start."]
        orders = tuple(dict.fromkeys((*ID_ORDERS, settings["id_order"])))
        steps = {"min": min(20, settings["steps"]), "max": max(1000, settings["steps"])}
        return View(_draw(records), "\n".join(lines), {"id_order": {"options": orders}, "steps": steps})

    def _controls(self) -> dict[str, Any]:
        chosen = self.settings
        return {
            "arms": choice("arms", _arms(), chosen["arms"]),
            "frequencies": choice("frequencies", FREQUENCY_SETS, chosen["frequencies"]),
            "id_order": choice("id_order", (chosen["id_order"],), chosen["id_order"]),  # the view gives all options
            "steps": slider("steps", chosen["steps"], chosen["steps"], chosen["steps"], 20),
        }


def explore_live_training(config: RunConfig = TOY, *, arms: str = BOTH, frequencies: str = "harmonic") -> LiveExplorer:
    """Train before the reader's eyes, without blocking the notebook: curves of one or both arms as they grow.

    Runs live in processes and a folder of their own and are gone with the explorer. Before the first start the curves are
    those of the runs that ship with the project.

    Args:
        config: What the runs share; a toy run of seconds by default. Its id order and steps are the first settings.
        arms: ``both``, for ``fourier`` and ``learned``, or any token embedding of the library or an installed package.
        frequencies: Frequency set of the Fourier arm.

    Returns:
        LiveExplorer: Its settings are ``arms``, ``frequencies``, ``id_order`` and ``steps``; its methods ``start``,
        ``pause``, ``resume``, ``stop``, ``refresh`` and ``wait`` do what the buttons do.

    Raises:
        ConfigError: If a setting breaks its rule.
    """
    settings = {"arms": arms, "frequencies": frequencies, "id_order": config.id_order, "steps": config.steps}
    return LiveExplorer(config, settings)


def _arms() -> tuple[str, ...]:
    return (BOTH, *EMBEDDINGS.names())


def _recorded() -> list[RunRecord]:
    with records_left_out():  # only an example until the first start
        return load_records(SHIPPED)


@style()
def _draw(records: Sequence[RunRecord]) -> Figure:
    figure, axes = new_figure(1, len(_QUANTITIES), height=3.4)
    for ax, quantity in zip(axes, _QUANTITIES, strict=True):
        if any(row[quantity] == row[quantity] for record in records for row in record.history):
            plots.draw_curves(summaries.curve_columns(records, quantity), label=summaries.CURVES[quantity], ax=ax)
        else:
            ax.set(xlabel="training step", ylabel=summaries.CURVES[quantity], xticks=[], yticks=[])
            ax.annotate("no value yet", (0.5, 0.5), xycoords="axes fraction", ha="center")
    return closed(figure)
