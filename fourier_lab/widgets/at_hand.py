"""Trained runs that can be loaded at once: those that ship with the project, and the reader's own."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from .. import paths
from ..errors import ConfigError, FourierLabError
from ..series import series_name
from ..training.records import CHECKPOINT, RunRecord, check_weights, load_record

_READ = ("config.json", "metrics.json", "weights.safetensors")
_TOLD = 3  # unusable folders named in full
SHIPPED = Path(__file__).resolve().parents[1] / "shipped"


def runs_at_hand(folders: Path | str | Sequence[Path | str] | None = None) -> tuple[dict[str, RunRecord], list[str]]:
    """Find finished runs of sentence encoders with weights, without loading them.

    Args:
        folders: A folder, or several, that hold run folders or are run folders themselves; the shipped runs and those of
            :data:`fourier_lab.paths.RUNS` if None.

    Returns:
        tuple: The records by a name for menus, in the order of the folders, and a sentence for each folder that cannot
        be used: unfinished, damaged, cut short, without weights, or of another version.

    Raises:
        ConfigError: If there is no run at all.
    """
    given = [folders] if isinstance(folders, (str, Path)) else folders
    roots = [SHIPPED, paths.RUNS] if given is None else [Path(folder) for folder in given]
    found, problems = {}, []
    for root in roots:
        inside = sorted(path for path in root.glob("*") if path.is_dir() and not path.name.startswith("."))
        for folder in [root] if _is_run(root) else filter(_is_run, inside):
            record = _sound(folder, tuple(_stamp(folder / name) for name in _READ))
            if isinstance(record, str):
                problems.append(record)
                continue
            if record.is_language_model:  # which gives no sentence vectors to look at
                continue
            name = run_name(record) + (", shipped" if root == SHIPPED else "")
            found[name if name not in found else f"{name}, {folder}"] = record
    if not found:
        places = " or ".join(map(str, roots))
        reasons = "".join(f" Left out: {problem}" for problem in problems)
        raise ConfigError(
            f"there is no trained run in {places}. Train one first, for instance with 'fourier-lab train --arm "
            f"learned,fourier', or by running notebook 02.{reasons}"
        )
    return found, problems


def left_out(problems: Sequence[str]) -> list[str]:
    """Return a line about folders that cannot be used, the first few in full; none if all can."""
    more = f" And {len(problems) - _TOLD} more." if len(problems) > _TOLD else ""
    return [f"Run folders left out: {' '.join(problems[:_TOLD])}{more}"] if problems else []


@lru_cache(maxsize=4096)
def _sound(folder: Path, stamps: tuple) -> RunRecord | str:
    """Return a run's record, or why it cannot be used; read anew only once a file has changed."""
    try:
        check_weights(folder)
        return load_record(folder, with_history=False)
    except FourierLabError as error:
        return str(error)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def run_name(record: RunRecord) -> str:
    """Return a name that tells a run from others: its series, corpus, id order, size, seed and digest."""
    config = record.config
    return (
        f"{series_name(config)}, {config.corpus}, ids by {config.id_order}, "
        f"{config.n_layers} x {config.d_model}, seed {config.seed}, {config.digest()}"
    )


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("config.json", "metrics.json", CHECKPOINT))
