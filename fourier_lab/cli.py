"""The ``fourier-lab`` command: figures, training runs, tables, benchmarks, corpora and a check of the machine."""

import argparse
import ast
import dataclasses
import inspect
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__, paths
from .config import ModelConfig, RunConfig, expand
from .errors import ConfigError, FourierLabError, NotebookError, TrainingError

if TYPE_CHECKING:
    from .trainer import Progress

PROGRESS_S = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a run or check failed, 2 refused, 130 interrupted.

    Example:
        >>> main(["train", "--arm", "learned", "--steps", "60", "--seed", "0,1", "--dry-run"])
        2 runs
        ...
        0
    """
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except FourierLabError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except OSError as problem:  # disk full, no permission: nothing half-written is left, so a repeat goes on from there
        print(f"error: {problem}. Free space or correct the permissions, then repeat the command.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ninterrupted: repeat the same command to resume; finished runs are not run again", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fourier-lab", description=__doc__)
    parser.add_argument("--version", action="version", version=f"fourier_lab {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int], example: str) -> argparse.ArgumentParser:
        text = inspect.cleandoc(command.__doc__ or "")
        added = commands.add_parser(
            name,
            help=text.splitlines()[0],
            description=text,
            epilog=f"Example:\n  fourier-lab {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        added.set_defaults(command=command)
        return added

    data_help = "builtin (the toy language), hub, or a folder of <name>/<split>.parquet files"
    figures = add("figures", _figures, "figures 02 --data ~/corpora -p d_model 256")
    figures.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="number, name or path; all if none is given")
    figures.add_argument("--data", default="builtin", help=data_help)
    figures.add_argument("--corpus", default="snli+mnli", help="training text if --data is a folder or hub")
    figures.add_argument("-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    figures.add_argument("--workers", type=int, default=1, help="notebooks at a time")
    figures.add_argument("--force", action="store_true", help="run unchanged notebooks too")

    train = add("train", _train, "train --arm fourier,learned --learning-rate 1e-3,3e-3 --seed 0,1,2 --dry-run")
    train.add_argument("--dry-run", action="store_true", help="print the runs and stop")
    train.add_argument("--runs", type=Path, default=paths.RUNS, metavar="FOLDER", help="where records go")
    meanings = _meanings(ModelConfig) | _meanings(RunConfig)
    for field in dataclasses.fields(RunConfig):
        text = f"{meanings.get(field.name, '')} Default: {field.default}.".replace("%", "%%").strip()
        train.add_argument("--" + field.name.replace("_", "-"), dest=field.name, metavar="VALUE[,VALUE]", help=text)

    sweep = add("sweep", _sweep, "sweep sweeps/dropout.yaml --workers 2 --dry-run")
    sweep.add_argument("file", type=Path, metavar="FILE", help="YAML file of runs, or its name in sweeps/")
    sweep.add_argument("--dry-run", action="store_true", help="print the runs, their state and the hours they take")
    sweep.add_argument("--workers", type=int, default=1, help="runs at a time; processor cores are shared out")
    sweep.add_argument("--smoke", action="store_true", help="the file's quick trial, with results of its own")
    sweep.add_argument("--only", metavar="GROUP", help="runs of this group alone")
    sweep.add_argument("--runs", type=Path, default=paths.RUNS, metavar="FOLDER", help="where run folders go")
    sweep.add_argument(
        "--results",
        type=Path,
        default=paths.RESULTS,
        metavar="FOLDER",
        help="records go to FOLDER/NAME, without weights",
    )

    table = add("table", _table, "table dropout")
    table.add_argument(
        "sweep", nargs="?", metavar="NAME", help="records of this sweep, in results/NAME; writes its CSV"
    )
    table.add_argument("--runs", type=Path, default=paths.RUNS, metavar="FOLDER", help="folder of run records")
    table.add_argument("--where", nargs="+", default=[], metavar="NAME=VALUE", help="keep runs with these settings")
    table.add_argument(
        "--export", type=Path, metavar="FOLDER", help="copy the records, without weights, and a CSV there"
    )
    table.add_argument(
        "--against", metavar="MODEL", help="differences to this model, paired by seed, in place of scores"
    )
    table.add_argument("--baselines", action="store_true", help="add rows of untrained baselines; reads the corpus")
    table.add_argument(
        "--into", type=Path, metavar="FILE", help="put the table between its marks in this Markdown file"
    )
    table.add_argument("--name", default="results", help="name in the marks, <!-- table: NAME -->")

    claims = add("claims", _claims, "claims --into README.md")
    claims.add_argument(
        "--into", type=Path, metavar="FILE", help="put the table between its marks in this Markdown file"
    )

    bench = add("bench", _bench, "bench --out bench.json")
    bench.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run; all if none is given")
    bench.add_argument("--quick", action="store_true", help="3 measurements of each side, for a first impression")
    bench.add_argument("--out", type=Path, default=Path("bench.json"), metavar="FILE", help="where the JSON goes")

    data = add("data", _data, "data fetch ~/corpora")
    data.add_argument(
        "action", choices=("fetch", "check"), help="export the hub's corpora to a folder, or read one whole"
    )
    data.add_argument("data", metavar="DATA", help=f"fetch: a folder; check: {data_help}")

    app = add("app", _app, "app --port 8866")
    app.add_argument("--port", type=int, default=8866, help="first port tried, on this machine alone")
    app.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    app.add_argument("--ready", type=int, default=1, metavar="N", help="visits that start at once; 0.4 GB each")

    site = add("site", _site, "site --out reports/site")
    site.add_argument("--out", type=Path, metavar="FOLDER", help="where the pages go; reports/site if not given")

    add("doctor", _doctor, "doctor")
    return parser


def _figures(options: argparse.Namespace) -> int:
    """Run notebooks headless and write figures/ and reports/.

    Notebooks that nothing has changed for are skipped. A failing one is kept and does not stop the others.
    """
    from .batch import run_notebooks, summary

    source = _source(options.data)
    where_declared = {} if source == "builtin" else {"source": source, "corpus": options.corpus}
    parameters = {name: _literal(value) for name, value in options.parameters}
    results = run_notebooks(
        [_find_notebook(name) for name in options.notebooks],
        parameters,
        where_declared=where_declared,
        workers=options.workers,
        force=options.force,
        report=_say,
    )
    _say("\n" + summary(results))
    return 1 if any(result.status == "failed" for result in results) else 0


def _train(options: argparse.Namespace) -> int:
    """Train encoders; every option is a field of RunConfig.

    Commas expand a grid. A list of frequencies is written with spaces: "1 2 3 4". Finished runs are loaded, interrupted
    ones resume. A run that diverges is named and does not stop the others.
    """
    axes = {
        field.name: [RunConfig.parse(field.name, text) for text in given.split(",")]
        for field in dataclasses.fields(RunConfig)
        if (given := getattr(options, field.name)) is not None
    }
    configs = expand(RunConfig(), **axes)
    if options.dry_run:
        from .runs import is_complete

        _say(f"{len(configs)} runs")
        for config in configs:
            state = "finished" if is_complete(options.runs / config.digest()) else "to do"
            _say(f"  {config.digest()}  {state:<8}  {_changes(config)}")
        return 0

    from .tables import results_table
    from .training import train

    records, failed = [], 0
    for number, config in enumerate(configs, start=1):
        label = f"[{number}/{len(configs)}] {config.digest()}"
        _say(f"{label} {_changes(config)}")
        try:
            records.append(train(config, callback=_progress_lines(label), runs=options.runs).record)
        except TrainingError as problem:
            failed += 1
            print(f"{label} failed: {problem}", file=sys.stderr)
    if records:
        _say("\n" + results_table(records))
    return 1 if failed else 0


def _sweep(options: argparse.Namespace) -> int:
    """Finish every run of a sweep file, in several processes if asked to.

    Finished runs are loaded, interrupted ones resume, whatever stopped them: repeat the same command. A failing run is
    named and does not stop the others. Records are exported, without weights, to results/NAME; a run whose record is
    there counts as finished: name other --runs and --results to compute everything again.
    """
    from .sweep import run_sweep
    from .sweep_file import load_sweep
    from .sweep_plan import plan

    file = options.file if options.file.suffix else paths.ROOT / "sweeps" / f"{options.file}.yaml"
    sweep = load_sweep(file, smoke=options.smoke, only=options.only)
    places = {"runs": options.runs, "results": options.results}
    _say(f"{sweep.name}: {sweep.question}")
    if options.dry_run:
        for line in plan(sweep, options.workers, **places):
            _say(line)
        return 0
    outcomes = run_sweep(sweep, options.workers, _say, **places)
    records = [outcome.record for outcome in outcomes if outcome.record is not None]
    if records:
        from .tables import results_table

        _say("\n" + results_table(records))
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        print(f"FAILED {outcome.run.digest} ({outcome.run.group}): {outcome.error}", file=sys.stderr)
    return 1 if failed else 0


def _table(options: argparse.Namespace) -> int:
    """Print the results table of finished runs, as Markdown; export records, or put the table into a document."""
    from .baselines import zero_parameter_baselines
    from .runs import load_records
    from .tables import export_records, insert_table, load_baselines, paired_table, results_table, write_table

    wanted = dict(_wanted(condition) for condition in options.where)
    folder = options.runs if options.sweep is None else paths.RESULTS / options.sweep
    records = [
        record
        for record in load_records(folder)
        if all(getattr(record.config, name) == value for name, value in wanted.items())
    ]
    if not records:
        raise ConfigError(
            f"no finished run in {folder} with {' '.join(options.where) or 'any settings'}. Train some with "
            "'fourier-lab train' or 'fourier-lab sweep', or name other --runs."
        )
    baselines = zero_parameter_baselines(records[0].config) if options.baselines else load_baselines(folder)
    if options.export is not None:
        export_records(records, options.export, baselines)
    if options.sweep is not None:
        write_table(folder)
    text = paired_table(records, options.against) if options.against else results_table(records, baselines)
    if options.into is not None:
        insert_table(options.into, options.name, text)
    _say(text)
    return 0


def _wanted(condition: str) -> tuple[str, Any]:
    """Split ``NAME=VALUE`` into a setting and its typed value."""
    name, equals, text = condition.partition("=")
    if not equals:
        raise ConfigError(f"--where takes NAME=VALUE, got {condition!r}. Example: --where steps=600 arm=learned.")
    return name, RunConfig.parse(name, text)


def _claims(options: argparse.Namespace) -> int:
    """Print the paper's claims, the verdict on each and the evidence, from the records that the project ships."""
    from .claims import claims_table
    from .tables import insert_table

    text = claims_table()
    if options.into is not None:
        insert_table(options.into, "claims", text)
    _say(text)
    return 0


def _bench(options: argparse.Namespace) -> int:
    """Measure speed and memory against other implementations, as ratios within one process."""
    from .bench import run_benchmarks, table

    rows = run_benchmarks(options.names, options.out, quick=options.quick, report=_say)
    _say("\n" + table(rows))
    return 0


def _data(options: argparse.Namespace) -> int:
    """Fetch the corpora into a folder, or check a source by reading all of it."""
    from .data import check_source, fetch

    if options.action == "fetch":
        for path in fetch(Path(options.data).expanduser()):
            _say(f"wrote {path}")
    else:
        for name, split, rows, fingerprint in check_source(_source(options.data)):
            _say(f"[OK]   {name}/{split}: {rows:,} pairs, {fingerprint}")
    return 0


def _app(options: argparse.Namespace) -> int:
    """Serve the explorers and main figures as one web page, to this machine alone, until interrupted."""
    from .app import serve

    serve(options.port, open_browser=not options.no_browser, ready=options.ready)
    return 0


def _site(options: argparse.Namespace) -> int:
    """Write executed notebooks, figures, claims and tables as static web pages."""
    from .site import build_site

    _say(f"wrote {build_site(options.out)}")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    """Check Python, packages, kernel, data folder, permissions and disk."""
    from .doctor import doctor

    failed = False
    for check in doctor():
        _say(f"{'[OK]  ' if check.ok else '[FAIL]'} {check.requirement}: {check.detail}")
        if not check.ok:
            failed = True
            _say(f"       {check.remedy}")
    return 1 if failed else 0


def _say(line: str) -> None:
    print(line, flush=True)


def _source(data: str) -> str:
    """Return the data source that ``data`` names; a folder becomes FOURIER_LAB_DATA, also for the kernels."""
    if data in ("builtin", "hub"):
        return data
    folder = Path(data).expanduser().resolve()
    if not folder.is_dir():
        raise ConfigError(f"--data must be builtin, hub or a folder, and {folder} is no folder. Correct the path.")
    os.environ["FOURIER_LAB_DATA"] = str(folder)
    return "folder"


def _find_notebook(name: str) -> Path:
    path = Path(name)
    if path.suffix == ".ipynb":
        return path
    found = sorted(paths.NOTEBOOKS.glob(f"{name}*.ipynb"))
    if len(found) != 1:
        known = ", ".join(path.stem for path in sorted(paths.NOTEBOOKS.glob("*.ipynb"))) or "none"
        raise NotebookError(f"{name!r} names {len(found)} notebooks of {paths.NOTEBOOKS}. There are: {known}.")
    return found[0]


def _literal(text: str) -> Any:
    """Turn a parameter's text into a value: numbers, lists, True, False and None as in Python, all else text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _meanings(config: type) -> dict[str, str]:
    """Return the first sentence on each attribute in a configuration class's docstring."""
    text = inspect.cleandoc(config.__doc__ or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", text, flags=re.MULTILINE)
    return {name: " ".join(meaning.replace("`", "").split()) for name, meaning in entries}


def _changes(config: RunConfig) -> str:
    """Return the settings that differ from the defaults."""
    values = ((field.name, getattr(config, field.name), field.default) for field in dataclasses.fields(config))
    return ", ".join(f"{name} {value}" for name, value, default in values if value != default) or "all defaults"


def _progress_lines(label: str) -> "Callable[[Progress], None]":
    spoken = time.monotonic()

    def callback(progress: "Progress") -> None:
        nonlocal spoken
        if time.monotonic() - spoken >= PROGRESS_S or progress.step == progress.config.steps:
            spoken = time.monotonic()
            _say(
                f"{label} step {progress.step}/{progress.config.steps}, loss {progress.row['loss']:.3f}, "
                f"{progress.pairs_per_s:,.0f} pairs/s, {progress.remaining_s:.0f} s left"
            )

    return callback
