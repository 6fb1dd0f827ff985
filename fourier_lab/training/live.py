"""Training in the background: one process per run, with pause, resume and stop, and curves that can be read at any time."""

import os
import shutil
import signal
import time
import weakref
from collections.abc import Iterable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import RunConfig
from ..errors import ConfigError, TrainingError
from ..locks import is_locked
from ..paths import temporary_folder
from ..processes import CONTEXT, interrupts_blocked, obey_parent
from ..series import read_in, series_name
from .folders import run_folder
from .records import RunRecord

if TYPE_CHECKING:
    from .trainer import Progress

_PREFIX = "fourier_lab_live_"
AT_WORK = ("starting", "waiting", "running", "paused")
_OVER = ("stopped", "finished", "failed")

_started: "weakref.WeakSet[LiveTraining]" = weakref.WeakSet()


class LiveTraining:
    """Train runs at the same time, each in a process of its own, while this process does other things.

    Nothing here blocks, but :meth:`wait` and :meth:`close`. A run that was stopped, or whose process died, goes on from
    its checkpoint when it is started again.

    Args:
        configs: What to train. Without ``threads``, the processor's cores are divided among them.
        runs: Folder of run folders; a temporary one, deleted with this object, if None. A run that is finished in the
            folder is not trained again.

    Raises:
        ConfigError: If there is no configuration, or two are the same run.

    Example:
        >>> live = LiveTraining([RunConfig(vocab_size=500, d_model=16, steps=20, warmup_steps=2, batch_size=16)])
        >>> live.state
        'ready'
    """

    def __init__(self, configs: Iterable[RunConfig], runs: Path | None = None) -> None:
        self.configs = list(configs)
        digests = [config.digest() for config in self.configs]
        if not digests or len(set(digests)) < len(digests):
            raise ConfigError(
                f"a live training needs at least one run and each once, got {digests}. Change the settings."
            )
        self.runs = temporary_folder(_PREFIX) if runs is None else Path(runs)
        threads = max(1, (os.cpu_count() or 1) // len(digests))
        self._jobs = [_Job(c if c.threads else c.replace(threads=threads), self.runs) for c in self.configs]
        self._finalizer = weakref.finalize(self, _clean, self._jobs, self.runs if runs is None else None)

    def start(self) -> None:
        """Start every run that is not at work or finished; one with a checkpoint goes on from there.

        Raises:
            TrainingError: If another live training of this process is at work: each would make the other slower.
        """
        if self._finalizer.alive is False:
            raise TrainingError("this live training was closed and its runs are gone. Make a new one.")
        others = [other for other in _started if other is not self and other.active]
        if others:
            raise TrainingError(
                f"another live training is at work here ({'; '.join(others[0].lines)}). Stop it first, by its button or, if "
                "that is gone, with fourier_lab.training.live.stop_all(); or wait for its end."
            )
        if self.active and self.stopping:
            raise TrainingError("these runs are still stopping. Start again in a moment.")
        _started.add(self)
        for job in self._jobs:
            job.start()

    def pause(self) -> None:
        """Hold every run at its next history point, about a hundredth of its steps away."""
        self._tell("pause")

    def resume(self) -> None:
        """Let paused runs go on."""
        self._tell("resume")

    def stop(self) -> None:
        """End every run at its next history point, with a checkpoint; :meth:`start` goes on from there."""
        self._tell("stop")

    def _tell(self, command: str) -> None:
        for job in self._jobs:
            job.tell(command)

    @property
    def states(self) -> list[str]:
        """State of each run: ``ready``, one of :data:`AT_WORK`, ``stopped``, ``finished`` or ``failed``."""
        for job in self._jobs:
            job.listen()
        return [job.state for job in self._jobs]

    @property
    def state(self) -> str:
        """State of the whole: that of a run at work if there is one, else the first that is not ``finished``."""
        order = ("running", "paused", "starting", "waiting", "failed", "stopped", "ready", "finished")
        return min(self.states, key=order.index)

    @property
    def stopping(self) -> bool:
        """Whether a run was told to stop and is still on its way there."""
        return self.active and any(job.asked == "stop" for job in self._jobs)

    @property
    def active(self) -> bool:
        """Whether a process is at work or about to be."""
        return self.state in AT_WORK

    @property
    def records(self) -> list[RunRecord]:
        """Each run with its history so far, and its metrics once finished, as ``tables.summaries`` takes them."""
        _ = self.states
        return [
            RunRecord(job.folder, config, job.metrics, [job.rows[step] for step in sorted(job.rows)])
            for config, job in zip(self.configs, self._jobs, strict=True)
        ]

    @property
    def lines(self) -> list[str]:
        """One sentence per run: its state, step and speed, or what went wrong."""
        _ = self.states
        return [job.line for job in self._jobs]

    def wait(self, timeout: float = 600.0) -> str:
        """Block until no run is at work, at most ``timeout`` seconds, and return the state."""
        end = time.monotonic() + timeout
        while self.active and time.monotonic() < end:
            time.sleep(0.02)
        return self.state

    def close(self) -> None:
        """End the processes at once and delete the folder if it is a temporary one."""
        self._finalizer()


def stop_all() -> None:
    """Stop every live training of this process, also those whose explorer is no longer on the page; each can go on."""
    for training in list(_started):
        training.stop()


class _Job:
    """One run as the parent sees it: its process, the pipe to it, and what came through."""

    def __init__(self, config: RunConfig, runs: Path) -> None:
        self.config, self.runs = config, runs
        self.folder = runs / config.digest()  # until the run says where it is
        self.state, self.problem, self.asked = "ready", "", ""
        self.rows: dict[int, dict[str, float]] = {}
        self.metrics: dict[str, Any] = {}
        self.pace = (0.0, 0.0)  # pairs a second, seconds left
        self.process: BaseProcess | None = None
        self.pipe: Connection | None = None

    def start(self) -> None:
        self.listen()
        if self.state in AT_WORK or self.state == "finished":
            return
        self.asked = self.problem = ""
        self.pipe, theirs = CONTEXT.Pipe()
        process = CONTEXT.Process(target=_work, args=(theirs, self.config.to_dict(), str(self.runs)), daemon=True)
        try:
            with interrupts_blocked():  # one would reach the process before it can say that only its parent may end it
                process.start()
        except OSError as error:
            self.pipe.close()
            self.pipe, self.state = None, "failed"
            self.problem = f"no process could be started ({error}). Close other programs, then start again."
        else:
            self.process, self.state = process, "starting"
        finally:
            theirs.close()  # so that the end of the process is the end of the pipe

    def tell(self, command: str) -> None:
        self.listen()
        if self.state in AT_WORK and self.pipe is not None:
            self.asked = command
            try:
                self.pipe.send(command)
            except OSError:  # just gone: listening says how
                self.listen()

    def listen(self) -> None:
        """Take in what the process has said since the last time, without waiting."""
        while self.pipe is not None:
            try:
                if not self.pipe.poll():
                    return
                kind, content = self.pipe.recv()
            except (EOFError, OSError):  # OSError: killed within a message
                self._end()
            else:
                self._take(kind, content)

    def _take(self, kind: str, content: Any) -> None:
        if kind == "state":
            self.state = content
            if (content, self.asked) in (("paused", "pause"), ("running", "resume")):
                self.asked = ""
        elif kind == "progress":
            row, *pace = content
            self.rows[int(row["step"])] = row
            self.state, self.pace = "running", (pace[0], pace[1])
        elif kind == "result":
            history, self.metrics, self.folder = content
            self.rows, self.state = {int(row["step"]): row for row in history}, "finished"
        else:
            self.problem, self.state = content, "failed"

    def _end(self) -> None:
        assert self.process is not None and self.pipe is not None
        self.pipe.close()
        self.pipe = None
        self.process.join()
        if self.state not in _OVER:
            code = self.process.exitcode or 0
            killer = signal.Signals(-code).name if code < 0 else ""
            how = f"was killed ({killer})" if killer else f"ended without a word (exit code {code})"
            self.state = "failed"
            cause = "; too little memory is the usual cause" if killer == "SIGKILL" else ""
            self.problem = (
                f"its process {how}{cause}. Start it again: it goes on from its last checkpoint, or from the beginning if "
                "there is none."
            )

    @property
    def line(self) -> str:
        name, step = series_name(self.config), max(self.rows, default=0)
        doing = {"stop": "stopping", "pause": "pausing"}.get(self.asked) if self.state in AT_WORK else None
        said = f"{name}: {doing or self.state}, step {step:,} of {self.config.steps:,}"
        if self.state == "running":
            said += f", {self.pace[0]:,.0f} {read_in(self.config)}/s, {self.pace[1]:.0f} s left"
        if self.state == "waiting":
            said += ", because another process is at this very run"
        if self.state == "finished":
            said += f", {RunRecord(self.folder, self.config, self.metrics, []).in_words('validation')}"
        return f"{said}: {self.problem}" if self.problem else f"{said}."


def _clean(jobs: list[_Job], folder: Path | None) -> None:
    for job in jobs:
        if job.process is not None:
            job.process.kill()
            job.process.join()
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _work(pipe: Connection, settings: dict[str, Any], runs: str) -> None:
    """Train in a process of its own, telling the parent and doing what it says."""
    obey_parent()
    try:
        from .train import train

        config = RunConfig.from_dict(settings)
        if is_locked(run_folder(Path(runs), config)):
            pipe.send(("state", "waiting"))
        result = train(config, callback=lambda progress: _converse(pipe, progress), runs=Path(runs))
        pipe.send(("result", (result.history, result.metrics, result.record.folder)))
    except KeyboardInterrupt:
        with suppress(OSError):  # nobody may be listening any more
            pipe.send(("state", "stopped"))
    except Exception as error:  # whatever it is, the reader is to see it
        pipe.send(("failed", f"{type(error).__name__}: {error}"))


def _converse(pipe: Connection, progress: "Progress") -> None:
    try:
        pipe.send(("progress", (progress.row, progress.pairs_per_s, progress.remaining_s)))
        paused = False
        while paused or pipe.poll():
            command = pipe.recv()
            if command == "stop":
                raise KeyboardInterrupt  # which leaves a checkpoint
            paused = command == "pause"
            pipe.send(("state", "paused" if paused else "running"))
    except (EOFError, OSError):  # the parent is gone
        raise KeyboardInterrupt from None
