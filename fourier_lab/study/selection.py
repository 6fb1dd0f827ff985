"""Which runs a question of the study compares: series with equal settings, or the finished runs of a sweep."""

from collections.abc import Callable, Sequence
from typing import Any

from .. import paths
from ..config import ID_ORDERS, RunConfig, check_config
from ..embeddings.frequencies import FREQUENCIES, FREQUENCY_SETS
from ..embeddings.registry import EMBEDDINGS
from ..errors import ConfigError, RecordError
from ..plugins import allow, is_path
from ..series import TUNING_SEED
from ..sweeps.file import load_sweep
from ..training.records import RunRecord, load_records

SERIES = ("learned", *FREQUENCY_SETS)


def sweep_records(
    name: str, *, smoke: bool = False, report: Callable[[str], None] | None = None, with_history: bool = True
) -> list[RunRecord]:
    """Return the runs of a sweep: at smoke size trained now, at full size the finished ones that the project ships.

    Args:
        name: Stem of a file in ``sweeps/``.
        smoke: Train the sweep's smoke size on the built-in corpus; finished runs are loaded.
        report: Called with a line of text at the end of each training run.
        with_history: Whether finished records come with what was measured at each step.

    Raises:
        ConfigError: If there is no such sweep.
        RecordError: If no run of it is finished.
    """
    sweep = load_sweep(paths.SWEEPS / f"{name}.yaml", smoke=smoke)
    configs = [config for config in sweep.configs if config.seed < TUNING_SEED]
    if smoke:
        from ..training.train import train_all  # torch, which reading records can do without

        return [result.record for result in train_all(configs, report=report)]
    # The second is what a former version called a run whose float32 was asked for.
    digests = {name for each in configs for name in (each.digest(), each.digest(precision=each.precision))}
    read = load_records(paths.RECORDS / name, with_history=with_history, digests=digests)
    finished = {record.config.digest(): record for record in read}
    records = [finished[config.digest()] for config in configs if config.digest() in finished]
    if not records:
        raise RecordError(
            f"no finished run of {name} among the records in {paths.RECORDS / name}. "
            f"Run: fourier-lab sweep sweeps/{name}.yaml"
        )
    return records


def with_series(config: RunConfig, name: str) -> RunConfig:
    """Return ``config`` for one compared series: the ``fourier`` arm with a named frequency set, or another embedding.

    Raises:
        ConfigError: If the name is neither a frequency set nor an embedding.
    """
    check_config(config, "with_series")
    if name in FREQUENCIES.names():
        return config.replace(arm="fourier", frequencies=name, embedding_options=())
    if name not in EMBEDDINGS.names() and not is_path(name):
        known = dict.fromkeys((*SERIES, *EMBEDDINGS.names()))
        raise ConfigError(f"unknown series {name!r}. Choose from {', '.join(known)}, or your own as module:Class.")
    allow((name,))  # whoever compares has named it
    options = config.embedding_options if config.arm == name else ()
    frequencies = "harmonic" if name == "learned" else config.frequencies  # not read by a table; one name, one run
    return config.replace(arm=name, frequencies=frequencies, embedding_options=options)


def comparison(config: RunConfig, series: str, id_orders: str = "", n_seeds: int = 1) -> list[RunConfig]:
    """List the runs that compare series with equal settings, id order by id order, seeds innermost.

    Args:
        config: What all runs share; its seed is the first one.
        series: Comma-separated names of :data:`SERIES`, of installed embeddings or frequency sets, or ``module:Class``.
        id_orders: Comma-separated id orders of the toy language; on real text, which has its own, always one.
        n_seeds: Seeds per case, counted up from ``config.seed``.

    Raises:
        ConfigError: If a name is unknown.

    Example:
        >>> [c.arm for c in comparison(RunConfig(), "learned,random")]
        ['learned', 'fourier']
    """
    check_config(config, "comparison")
    orders = names_in(id_orders) if id_orders and config.corpus == "toy" else (config.id_order,)
    if unknown := set(orders) - set(ID_ORDERS):
        raise ConfigError(f"unknown id order {', '.join(sorted(unknown))}. Choose from {', '.join(ID_ORDERS)}.")
    seeds = range(config.seed, config.seed + n_seeds)
    return [
        with_series(config.replace(id_order=order, seed=seed), name)
        for order in orders
        for name in names_in(series)
        for seed in seeds
    ]


def names_in(text: str) -> Sequence[Any]:
    """Return the parts of a comma-separated text."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
