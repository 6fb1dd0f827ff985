"""The ``fourier-lab`` command: figures, training runs, tables, benchmarks, corpora and a check of the machine."""

import argparse
import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .. import __version__, paths
from ..config import ModelConfig, RunConfig
from ..embeddings.registry import EMBEDDINGS
from ..errors import ConfigError, FourierLabError, records_left_out, way_out
from ..processes import torchrun_ranks
from . import commands
from .output import OutputClosed, drop_the_rest, replace_what_cannot_be_shown, say

_CLOSED = 128 + 13  # what a shell says of a program that SIGPIPE ended


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 done, 1 a run or check failed, 2 refused, 130 interrupted, 141 nobody reads the output any more. What the terminal
    cannot show is replaced.

    Records that had to be left out are named on stderr, and make a 0 a 1.

    Example:
        >>> main(["train", "--arm", "learned", "--steps", "60", "--seed", "0,1", "--dry-run"])
        2 runs
        ...
        0
    """
    replace_what_cannot_be_shown()
    try:
        try:
            return _answer(arguments)
        finally:
            say("", end="")  # what argparse has left to be written
    except OutputClosed:
        drop_the_rest()
        return _CLOSED


def _answer(arguments: Sequence[str] | None) -> int:
    options = _parser().parse_args(arguments)
    with records_left_out() as left_out:
        code = _run(options)
    for sentence in left_out:
        say(sentence, file=sys.stderr)
    return code or int(bool(left_out))


def _run(options: argparse.Namespace) -> int:
    try:
        if torchrun_ranks() > 1 and options.command is not commands.train:
            raise ConfigError(
                f"torchrun has started {torchrun_ranks()} processes, which share the runs of 'fourier-lab train' alone. Run "
                "this command without torchrun."
            )
        return options.command(options)
    except FourierLabError as problem:
        say(f"error: {problem}", file=sys.stderr)
        return 2
    except OSError as problem:  # disk full, no permission: nothing half-written is left, so a repeat goes on from there
        hint = f". {way_out(problem)}, then repeat the command." if way_out(problem) else ""
        say(f"error: {problem}{hint}", file=sys.stderr)
        return 2
    except OutputClosed:
        raise
    except KeyboardInterrupt:
        resumes = options.command in (commands.train, commands.sweep, commands.figures)
        hint = ": repeat the same command to resume; finished runs are not run again" if resumes else ""
        say(f"\ninterrupted{hint}", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fourier-lab", description=__doc__)
    parser.add_argument("--version", action="version", version=f"fourier_lab {__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int], example: str) -> argparse.ArgumentParser:
        text = inspect.cleandoc(command.__doc__ or "")
        added = subparsers.add_parser(
            name,
            help=text.splitlines()[0],
            description=text,
            epilog=f"Example:\n  fourier-lab {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        added.set_defaults(command=command)
        return added

    data_help = "builtin (the toy language), hub, or a folder of corpora (its layout: fourier-lab data --help)"
    figures = add("figures", commands.figures, "figures 02 --data ~/corpora -p d_model 256")
    figures.add_argument("notebooks", nargs="*", metavar="NOTEBOOK", help="number, name or path; all if none is given")
    figures.add_argument("--data", default="builtin", help=data_help)
    figures.add_argument("--corpus", default="snli+mnli", help="training text if --data is a folder or hub")
    figures.add_argument("-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    figures.add_argument("--workers", type=int, default=1, help="notebooks at a time")
    _add_dask(figures)
    figures.add_argument("--force", action="store_true", help="run unchanged notebooks too")
    outcome = figures.add_mutually_exclusive_group()
    outcome.add_argument(
        "--check", action="store_true", help="exit code 1 if a figure differs; write to reports/ alone"
    )
    outcome.add_argument("--write", action="store_true", help="write figures that differ over the committed ones")

    train = add("train", commands.train, "train --arm fourier,learned --learning-rate 1e-3,3e-3 --seed 0,1,2 --dry-run")
    train.add_argument("--dry-run", action="store_true", help="print the runs and stop")
    train.add_argument("--runs", type=Path, default=paths.RUNS, metavar="FOLDER", help="where records go")
    meanings = _meanings(ModelConfig) | _meanings(RunConfig)
    for field in dataclasses.fields(RunConfig):
        known = f" Of the library: {', '.join(EMBEDDINGS.built_in)}." if field.name == "arm" else ""
        text = f"{meanings.get(field.name, '')}{known} Default: {field.default}.".replace("%", "%%").strip()
        names = ["--" + field.name.replace("_", "-"), *(["--embedding"] if field.name == "arm" else [])]
        train.add_argument(*names, dest=field.name, metavar="VALUE[,VALUE]", help=text)

    sweep = add("sweep", commands.sweep, "sweep sweeps/dropout.yaml --workers 2 --dry-run")
    sweep.add_argument("file", type=Path, metavar="FILE", help="YAML file of runs, or its name in sweeps/")
    sweep.add_argument("--dry-run", action="store_true", help="print the runs, their state and the hours they take")
    sweep.add_argument("--workers", type=int, default=1, help="runs at a time; processor cores are shared out")
    _add_dask(sweep)
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

    torture = add("torture", commands.torture, "torture --hours 8 --out torture")
    torture.add_argument(
        "--hours", type=float, default=0.0, metavar="H", help="how long rounds are begun; one at least"
    )
    torture.add_argument("--kills", type=int, default=50, metavar="N", help="kills a round")
    torture.add_argument("--seed", type=int, default=0, help="of the moments and places that are drawn")
    torture.add_argument(
        "--out", type=Path, default=paths.REPORTS / "torture", metavar="FOLDER", help="where counts go"
    )
    torture.add_argument(
        "--cluster", action="store_true", help="kill schedulers and workers of Dask and notebooks instead"
    )

    table = add("table", commands.table, "table dropout")
    table.add_argument(
        "sweep", nargs="?", metavar="NAME", help="records of this sweep, in results/NAME; writes its CSV"
    )
    table.add_argument("--runs", type=Path, default=paths.RUNS, metavar="FOLDER", help="folder of run records")
    table.add_argument(
        "--where", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="keep runs with these settings"
    )
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

    claims = add("claims", commands.claims, "claims --short --into README.md")
    which = claims.add_mutually_exclusive_group()
    which.add_argument("--short", action="store_true", help="a verdict and the one number that decides")
    which.add_argument("--neighbours", action="store_true", help="claims of other works, in place of the paper's")
    claims.add_argument(
        "--into",
        type=Path,
        metavar="FILE",
        help="put the table between its marks, claims, claims_short or claims_neighbours, in this file",
    )

    bench = add("bench", commands.bench, "bench --out bench.json")
    bench.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="benchmarks to run, head for those of the output layer, encode for those of the smallest shipped encoder, "
        "attention for the length from which it is dear, feed_forward for the width from which low rank is faster, "
        "prompts for what they cost a layer, bfloat16 for training steps in it, builds for this build against that of "
        "--before, page for the whole vocabulary in a browser; all but these if none is given; or scale, for how costs "
        "grow; or pools, for how long a sweep takes through Dask",
    )
    bench.add_argument(
        "--before", type=Path, metavar="FOLDER", help="source of another build that pools and builds measure too"
    )
    bench.add_argument("--embedding", dest="arm", metavar="NAME", help="measure this one, as in train, against a table")
    bench.add_argument("--embedding-options", metavar="YAML", help="its options, such as {buckets: 1024}")
    bench.add_argument("--quick", action="store_true", help="3 measurements of each side, for a first impression")
    bench.add_argument("--out", type=Path, default=Path("bench.json"), metavar="FILE", help="where the JSON goes")
    bench.add_argument(
        "--into",
        type=Path,
        metavar="FILE",
        help="of scale: put the table of --out between its marks, and measure nothing",
    )

    data = add("data", commands.data, "data fetch ~/corpora")
    data.add_argument(
        "action", choices=("fetch", "check"), help="export the hub's corpora to a folder, or read one whole"
    )
    data.add_argument("data", metavar="DATA", help=f"fetch: a folder; check: {data_help}")
    data.add_argument(
        "--vocab-size",
        type=int,
        metavar="V",
        help="check: train a tokenizer of V ids on each corpus, and name its hash",
    )

    score = add("score", commands.score, "score 02d4e73719 pairs.csv --columns question answer grade --range 1 7")
    score.add_argument("encoder", metavar="ENCODER", help="folder of a finished run, or the start of its name")
    score.add_argument("file", type=Path, metavar="FILE", help="graded pairs")
    score.add_argument("--columns", nargs="+", metavar="NAME", help="first sentence, second, score [, subset]")
    score.add_argument("--range", nargs=2, type=float, default=(0, 5), metavar=("LOW", "HIGH"), help="possible scores")
    score.add_argument("--runs", type=Path, default=paths.RUNS, metavar="FOLDER", help="folder of run folders")

    moefy = add("moefy", commands.moefy, "moefy 02d4e73719 --experts 32")
    moefy.add_argument("--experts", type=int, default=32, metavar="N", help="experts of each feed-forward")
    prune = add("prune", commands.prune, "prune 02d4e73719 --by magnitude")
    prune.add_argument(
        "--by", default="magnitude", metavar="WHAT", help="magnitude of a neuron's weights, or their change"
    )
    for command in (moefy, prune):
        command.add_argument("run", metavar="RUN", help="folder of a finished run, or the start of its name")
        command.add_argument("--split", default="test", choices=("validation", "test"), help="graded pairs to score on")
        command.add_argument("--runs", type=Path, default=paths.RUNS, metavar="FOLDER", help="folder of run folders")

    app = add("app", commands.app, "app --port 8866")
    app.add_argument("--port", type=int, default=8866, help="first port tried, on this machine alone")
    app.add_argument(
        "--base-url", default="/", metavar="PATH", help="path behind a proxy that passes path, host and websockets on"
    )
    app.add_argument("--no-browser", action="store_true", help="print the address and open nothing")
    app.add_argument("--ready", type=int, default=1, metavar="N", help="visits that start at once; 0.4 GB each")

    site = add("site", commands.site, "site --out reports/site")
    site.add_argument("--out", type=Path, metavar="FOLDER", help="where the pages go; reports/site if not given")

    page = add("page", commands.page, "page fourier-100k --out encoder.html")
    page.add_argument(
        "encoder", metavar="ENCODER", help="folder of a run or saved encoder, or the start of a run's name"
    )
    page.add_argument("--out", type=Path, default=Path("encoder.html"), metavar="FILE", help="where the page goes")
    page.add_argument("--runs", type=Path, default=paths.RUNS, metavar="FOLDER", help="folder of run folders")

    doctor = add("doctor", commands.doctor, "doctor")
    doctor.add_argument("--thorough", action="store_true", help="import every package, and ask torch for the processor")
    return parser


def _add_dask(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--dask", metavar="WHERE", help="let a Dask cluster compute: tcp://HOST:PORT, its scheduler's file, or local"
    )


def _meanings(config: type) -> dict[str, str]:
    """Return the first sentence on each attribute in a configuration class's docstring."""
    text = inspect.cleandoc(config.__doc__ or "").partition("Attributes:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", text, flags=re.MULTILINE)
    return {name: " ".join(meaning.replace("`", "").split()) for name, meaning in entries}
