"""Break runs on purpose and count what comes of it: every one must end equal to an undisturbed run, or in a typed error."""

import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .. import paths
from ..config import RunConfig
from ..errors import FourierLabError, TrainingError
from ..processes import warm_context
from ..provenance import commit, versions
from ..training.records import CHECKPOINT
from .file import load_sweep
from .job import PRELOADED
from .torture_cluster import cluster_cases
from .torture_faults import FILES, TEXTS, Fault, comparable, damage, faults, sweep_to, train_to, write_text

SWEEP = """
question: Does it come through?
base: {d_model: 16, vocab_size: 2000, steps: 150, warmup_steps: 5, batch_size: 32, train_pairs: 600, threads: 1}
groups:
  - name: both
    grid: {arm: [fourier, learned], dropout: [0, 0.1]}
"""
KINDS = ("worker", "sweep", "machine")  # what a kill ends: one run's process, the sweep's own, or all of them at once
_SOON_S = 600.0
_KILLS_A_SWEEP = 9


def torture(
    hours: float, out: Path, say: Callable[[str], None], *, kills: int = 50, draws: int = 4, seed: int = 0,
    cluster: bool = False,
) -> bool:  # fmt: skip
    """Kill sweeps and disturb runs for some hours, and write the counts to ``out/torture.json``.

    Args:
        hours: No new round is begun after them; there is at least one.
        out: Folder of the counts.
        say: Told a line at the end of each case.
        kills: Of each round: SIGKILL at a random moment, the sweep then repeated until it is finished.
        draws: Of each round and damaged file: places where a bit is turned over, and lengths to which it is cut.
        seed: Of what is drawn.
        cluster: Kill schedulers and workers of a Dask cluster and notebooks instead, ``kills`` of each kind; counts go to
            ``out/cluster.json``.

    Returns:
        bool: Whether nothing ended otherwise than equal to an undisturbed run, or in a typed error.
    """
    begun, rounds = time.monotonic(), 0
    found: dict[str, Counter[str]] = {}
    problems: list[str] = []
    with TemporaryDirectory(prefix="fourier_lab_torture_") as scratch:
        while rounds == 0 or time.monotonic() - begun < 3600 * hours:
            work = Path(scratch, str(rounds))
            work.mkdir()
            chance = random.Random(seed + rounds)
            cases = cluster_cases(work, SWEEP, chance, kills) if cluster else _Round(work, chance).cases(kills, draws)
            for case, end, detail in cases:
                found.setdefault(case, Counter())[end] += 1
                problems += [f"{case}: {detail}"] if end == "failed" else []
                say(f"{case}: {end}{f' ({detail})' if detail else ''}")
            shutil.rmtree(work)
            rounds += 1
    counts = {case: dict(ends) for case, ends in found.items()}
    written = {
        "rounds": rounds, "seed": seed, "seconds": round(time.monotonic() - begun), "counts": counts,
        "problems": problems, "versions": versions(), "commit": commit(),
    }  # fmt: skip
    paths.write_atomically(
        Path(out) / f"{'cluster' if cluster else 'torture'}.json", json.dumps(written, indent=1) + "\n"
    )
    for case, ends in counts.items():
        say(f"{case:<28} {', '.join(f'{number} {end}' for end, number in ends.items())}")
    return not problems


class _Round:
    """Every case once, beside one undisturbed sweep."""

    def __init__(self, folder: Path, chance: random.Random):
        self.folder, self.chance = folder, chance
        self.file = folder / "sweep.yaml"
        self.file.write_text(SWEEP)
        self.configs = load_sweep(self.file).configs
        self.context = warm_context(*PRELOADED, "fourier_lab.sweeps.torture_faults")
        self.number = 0

    def cases(self, kills: int, draws: int) -> Iterator[tuple[str, str, str]]:
        """Yield what was done, how it ended (``equal``, ``typed``, ``other text``, ``skipped``, ``failed``), and why so."""
        begun = time.monotonic()
        calm = self.sweep("calm")
        if _end_of(calm) != 0:
            raise _undisturbed((self.folder / "calm.log").read_text()[-2000:])
        self.calm = {
            config.digest(): comparable(self.folder / "calm/runs" / config.digest()) for config in self.configs
        }
        self.seconds = time.monotonic() - begun
        while kills > 0:
            struck, end, detail = self.storm(min(kills, _KILLS_A_SWEEP))
            kills -= max(1, len(struck))
            for kind in struck:
                yield f"kill of a {kind}", end, detail
        twins = [self.sweep("twins") for _ in range(2)]
        ends = [_end_of(twin) for twin in twins]
        yield "two sweeps on one folder", *self.compared("twins", f"exit codes {ends}" if any(ends) else "")
        config = self.configs[1]  # with dropout: random states count
        whole, half = self.folder / "calm/runs" / config.digest(), self.folder / "half" / config.digest()
        self.child(train_to(config.steps // 2), config, half.parent)
        for fault in faults():
            yield from self.disturbed(fault, config, half if fault.resumed else None)
        for name, kind in [(CHECKPOINT, "checkpoint"), *((name, "record") for name in FILES)]:
            source = half if name == CHECKPOINT else whole
            for way in ("cut", "flip") * draws:
                runs = self.copied(source)
                damage(runs / source.name / name, way, self.chance)
                yield (
                    f"{kind}, a file {'cut short' if way == 'cut' else 'with a flipped bit'}",
                    *self.judged(self.child(Fault(), config, runs), config),
                )
        yield from self.texts(draws)

    def sweep(self, name: str) -> Any:
        """Start the sweep in a process group of its own."""
        process = self.context.Process(target=sweep_to, args=(self.file, self.folder / name))
        process.start()
        return process

    def storm(self, kills: int) -> tuple[list[str], str, str]:
        """Kill a sweep and its workers, repeat it until it is finished; return the kinds of kills and what came of it."""
        self.number += 1
        name = f"storm{self.number}"
        struck: list[str] = []
        for _ in range(10 * kills):
            sweep = self.sweep(name)
            while len(struck) < kills and sweep.is_alive():
                time.sleep(self.chance.uniform(0, self.seconds / 4))
                kind = KINDS[len(struck) % len(KINDS)]
                if (at_work := self.at_work(name)) and sweep.is_alive():
                    struck.append(kind)
                    _kill(kind, sweep, self.chance.choice(at_work))
            if _end_of(sweep) == 0:
                break
        return struck, *self.compared(name, "it never ended" if sweep.exitcode else "")

    def at_work(self, name: str) -> list[int]:
        """Return the processes that hold a run of the sweep now."""
        found = []
        for config in self.configs:
            lock = self.folder / name / "runs" / config.digest() / ".lock"
            if lock.is_file() and lock.stat().st_mtime > 0 and (text := lock.read_text()):
                found.append(int(text.split()[0]))
        return found

    def compared(self, name: str, problem: str = "") -> tuple[str, str]:
        """Compare all records of a sweep with those of the undisturbed one."""
        for config in self.configs:
            for folder in ("runs", "results/sweep"):
                path = self.folder / name / folder / config.digest()
                if not problem and comparable(path, weights=folder == "runs") != {
                    key: value
                    for key, value in self.calm[config.digest()].items()
                    if folder == "runs" or key != "weights"
                }:
                    problem = f"{folder}/{config.digest()} differs"
        left = [str(path) for path in (self.folder / name).rglob("*.tmp")]
        problem = problem or (f"left behind: {', '.join(left)}" if left else "")
        return ("failed", problem) if problem else ("equal", "")

    def disturbed(self, fault: Fault, config: RunConfig, start: Path | None) -> Iterator[tuple[str, str, str]]:
        """Train under a fault, and once more in peace in the same folder, which must end equal."""
        runs = self.copied(start) if start else self.copied()
        end, detail = self.judged(self.child(fault, config, runs), config)
        yield fault.name, end, detail
        if end != "skipped" and not fault.lasts:
            yield f"{fault.name}, then in peace", *self.judged(self.child(Fault(), config, runs), config)

    def texts(self, draws: int) -> Iterator[tuple[str, str, str]]:
        """Damage the text that a run reads: it is refused, or another text, and so another run."""
        data = self.folder / "data"
        config = write_text(data, self.configs[1].replace(steps=5, warmup_steps=1))
        end, self.calm[config.digest()] = self.child(Fault(data=data), config, self.copied())
        if end != "done":
            raise _undisturbed(self.calm[config.digest()])
        for name, kind in TEXTS.items():
            for way in ("cut", "flip") * draws:
                copy = Path(shutil.copytree(data, self.folder / f"data{self.number}"))
                damage(copy / name, way, self.chance)
                yield (
                    f"{kind} {'cut short' if way == 'cut' else 'with a flipped bit'}",
                    *self.judged(self.child(Fault(data=copy), config, self.copied()), config),
                )

    def copied(self, *folders: Path) -> Path:
        """Return a new folder of run folders with copies of some."""
        self.number += 1
        runs = self.folder / f"runs{self.number}"
        runs.mkdir()
        for folder in folders:
            shutil.copytree(folder, runs / folder.name)
        return runs

    def child(self, task: Callable[[RunConfig, Path], Any], config: RunConfig, runs: Path) -> tuple[str, Any]:
        """Run ``task`` in a process of its own; return ``done``, ``typed`` or ``failed`` and what it gives or says."""
        receiver, sender = self.context.Pipe(duplex=False)
        process = self.context.Process(target=_answer, args=(task, config, runs, sender))
        process.start()
        sender.close()
        try:
            found = receiver.recv()
        except EOFError:
            found = "failed", "its process died"
        process.join()
        return found

    def judged(self, found: tuple[str, Any], config: RunConfig) -> tuple[str, str]:
        """Return how a run ended, and why it should not have."""
        end, detail = found
        if end != "done":
            return end, str(detail) if end != "typed" else ""
        calm = self.calm[config.digest()]
        if detail == calm:
            return "equal", ""
        if detail["text"] != calm["text"]:
            return "other text", ""
        return "failed", f"other numbers: {[key for key in calm if detail.get(key) != calm[key]]}"


def _undisturbed(what: object) -> TrainingError:
    return TrainingError(
        f"a toy run fails undisturbed, so that nothing can be compared with it: {what}. Mend that first."
    )


def _end_of(process: Any) -> int | None:
    """Wait for a process and return its exit code; None if it hangs, after ending all of its group."""
    process.join(_SOON_S)
    if (code := process.exitcode) is None:
        _kill("machine", process, 0)
        process.join()
    return code


def _kill(kind: str, sweep: Any, worker: int) -> None:
    try:
        if kind == "machine":
            os.killpg(sweep.pid, signal.SIGKILL)
        else:
            os.kill(worker if kind == "worker" else sweep.pid, signal.SIGKILL)
    except ProcessLookupError:  # it was faster
        pass


def _answer(task: Callable[[RunConfig, Path], Any], config: RunConfig, runs: Path, connection: Connection) -> None:
    try:
        connection.send(("done", task(config, runs)))
    except FourierLabError as error:
        connection.send(("typed", str(error)))
    except NotImplementedError as error:
        connection.send(("skipped", str(error)))
    except BaseException as error:  # whatever is not typed is what is looked for
        connection.send(("failed", f"{type(error).__name__}: {error}"))
