"""What each command of ``fourier-lab`` does with its options; returns the exit code, prints its lines."""

import argparse
import ast
import dataclasses
import os
import re
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import paths
from ..config import RunConfig, expand
from ..errors import ConfigError, FourierLabError, NotebookError, TrainingError
from ..field_rules import in_one_order
from ..series import read_in
from ..training.record_index import without_collector
from .output import say

if TYPE_CHECKING:
    from ..training.record_index import Stamps
    from ..training.records import RunRecord
    from ..training.trainer import Progress

PROGRESS_S = 10.0
_OUTSIDE_BRACKETS = re.compile(r",(?![^{]*})(?![^\[]*\])")  # of a mapping, which may hold lists, or of a list


def figures(options: argparse.Namespace) -> int:
    """Run notebooks headless, hold their figures against the committed ones, and write reports/.

    At its defaults a notebook draws beside figures/, in reports/figures/; a table ends the command: what is identical,
    agrees within tolerance, differs in numbers, or is timing, which is never compared. Only what differs can be written to
    figures/, with --write; a figure that is not there yet is put there. With -p or --data a notebook draws in figures/
    itself. Notebooks that nothing has changed for are skipped. A failing one is kept and does not stop the others.
    """
    from ..headless import notebooks, reproduction

    source = _source(options.data)
    if (options.check or options.write) and (source != "builtin" or options.parameters):
        raise ConfigError(
            "--check and --write are of the committed figures, which are drawn at a notebook's defaults. Leave out --data "
            "and -p."
        )
    where_declared = {} if source == "builtin" else {"source": source, "corpus": options.corpus}
    parameters = {name: _literal(value) for name, value in options.parameters}
    results = notebooks.run_notebooks(
        [_find_notebook(name) for name in options.notebooks],
        parameters,
        where_declared=where_declared,
        workers=options.workers,
        force=options.force,
        report=say,
        dask=options.dask,
    )
    say("\n" + notebooks.summary(results))
    failed = any(result.status == "failed" for result in results)
    if compared := reproduction.compare(results):
        say(f"\n{reproduction.table(compared)}\nsee {reproduction.write_page(compared)}")
        if options.check:
            return 1 if failed or any(each.status in reproduction.FAILING for each in compared) else 0
        statuses = ("new", *reproduction.OFFERED) if options.write else ("new",)
        if written := reproduction.write(compared, statuses):
            say(f"wrote {len(written)} figures to {paths.FIGURES}: {', '.join(written)}")
        if left := [each.name for each in compared if each.status in reproduction.OFFERED and not options.write]:
            say(f"{len(left)} figures differ from the committed ones, which are as they were; "
                 "'fourier-lab figures --write' puts them in their place")  # fmt: skip
    return 1 if failed else 0


def train(options: argparse.Namespace) -> int:
    """Train encoders or language models; every option is a field of RunConfig.

    Commas expand a grid. A list of frequencies is written with spaces: "1 2 3 4"; options are written {buckets: 1024}.
    Finished runs are loaded, interrupted ones resume. A run that fails is named and does not stop the others. Your own
    token embedding is --embedding module:Class, with module.py in this folder or on PYTHONPATH.
    """
    sys.path.insert(0, "")  # code of the folder one stands in, as with python -m
    axes = {
        field.name: [RunConfig.parse(field.name, text) for text in _OUTSIDE_BRACKETS.split(given)]
        for field in dataclasses.fields(RunConfig)
        if (given := getattr(options, field.name)) is not None
    }
    configs = expand(RunConfig(), **axes)
    if options.dry_run:
        from ..training.folders import run_folder
        from ..training.records import is_trained

        say(f"{len(configs)} runs")
        for config in configs:
            state = "finished" if is_trained(run_folder(options.runs, config)) else "to do"
            say(f"  {config.digest()}  {state:<8}  {_changes(config)}")
        return 0

    from ..training import ranks

    with ranks.joined():
        return _train(configs, options.runs)


def _train(configs: list[RunConfig], runs: Path) -> int:
    from ..tables import score_tables
    from ..training import ranks
    from ..training import train as training

    records, failed = [], 0
    for number, config in enumerate(configs, start=1):
        label = f"[{number}/{len(configs)}] {config.digest()}"
        say(f"{label} {_changes(config)}")
        try:
            records.append(training.train(config, callback=_progress_lines(label), runs=runs).record)
        except Exception as problem:  # whatever stops this run is reported and must not stop the others
            if ranks.size() > 1 or (len(configs) == 1 and not isinstance(problem, TrainingError)):
                raise  # the first: whoever shares a run has failed as well
            failed += 1
            kind = "" if isinstance(problem, FourierLabError | OSError) else f"{type(problem).__name__}: "
            say(f"{label} failed: {kind}{problem}", file=sys.stderr)
    if records:
        say("\n" + score_tables.results_table(records))
    return 1 if failed else 0


def sweep(options: argparse.Namespace) -> int:
    """Finish every run of a sweep file, in several processes if asked to.

    Finished runs are loaded, interrupted ones resume, whatever stopped them: repeat the same command. A failing run is
    named and does not stop the others. Records are exported, without weights, to results/NAME; a run whose record is
    there counts as finished: name other --runs and --results to compute everything again. With --dask the runs go to the
    workers of a cluster, which share the folder of runs (sweeps/CLUSTER.md).
    """
    from ..sweeps.file import load_sweep
    from ..sweeps.plan import plan
    from ..sweeps.run import run_sweep

    file = options.file if options.file.suffix else paths.SWEEPS / f"{options.file}.yaml"
    asked = load_sweep(file, smoke=options.smoke, only=options.only)
    if asked.notebook is not None and (options.runs, options.results) != (paths.RUNS, paths.RESULTS):
        raise ConfigError(
            f"a sweep of the notebook {asked.notebook} has no use for --runs and --results. Leave them out."
        )
    places = {"runs": options.runs, "results": options.results}
    say(f"{asked.name}: {asked.question}")
    if options.dry_run:
        for line in plan(asked, options.workers, **places):
            say(line)
        return 0
    outcomes = run_sweep(asked, options.workers, say, **places, dask=options.dask)
    records = [outcome.record for outcome in outcomes if outcome.record is not None]
    if records:
        from ..tables.score_tables import results_table

        say("\n" + results_table(records))
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        say(f"FAILED {outcome.run.digest} ({outcome.run.group}): {outcome.error}", file=sys.stderr)
    return 1 if failed else 0


def torture(options: argparse.Namespace) -> int:
    """Kill toy sweeps at random moments, fill disks, damage files, move clocks, and count what comes of it.

    Every run must end with the numbers of an undisturbed one, or in an error that says what to do; exit code 1 if one does
    not. A round takes some minutes; rounds begin until the hours are over. Counts go to FOLDER/torture.json; with --cluster
    schedulers and workers of Dask and notebooks are killed, and counts go to FOLDER/cluster.json.
    """
    from ..sweeps.torture import torture as disturb

    further = {"kills": options.kills, "seed": options.seed, "cluster": options.cluster}
    return 0 if disturb(options.hours, options.out, say, **further) else 1


@without_collector()
def table(options: argparse.Namespace) -> int:
    """Print the results table of finished runs, as Markdown; export records, or put the table into a document.

    Runs with seed 100 or above chose settings: they are left out unless there are no others.
    """
    from ..tables.kept import kept_tables

    wanted = dict(_wanted(condition) for condition in options.where)
    if len(wanted) < len(options.where):
        raise ConfigError(f"--where names a setting twice: {' '.join(options.where)}. A run has one value of each.")
    if options.sweep is not None and options.runs != paths.RUNS:
        raise ConfigError(f"the records of {options.sweep} are in results/: leave out either its name or --runs.")
    folder = options.runs if options.sweep is None else paths.records_folder(options.sweep)
    has_csv = folder.parent == paths.RESULTS  # as what the project ships

    def make(stamped: Mapping[str, "Stamps"]) -> "tuple[list[str], list[RunRecord]]":
        from ..tables.score_tables import (
            as_csv,
            baselines_beside,
            export_records,
            load_baselines,
            paired_table,
            results_table,
            table_rows,
        )
        from ..training.records import load_records

        found = load_records(folder, stamped=stamped)
        records = [each for each in found if all(getattr(each.config, name) == v for name, v in wanted.items())]
        if not records:
            raise ConfigError(
                f"no finished run in {folder} with {' '.join(options.where) or 'any settings'}. Train some with "
                "'fourier-lab train' or 'fourier-lab sweep', or name other --runs."
            )
        kept = load_baselines(folder)
        baselines = baselines_beside(records) if options.baselines else kept
        if options.export is not None:
            export_records(records, options.export, baselines)
        every = table_rows(found, kept) if has_csv else None
        rows = every if not wanted and not options.baselines else None
        text = paired_table(records, options.against) if options.against else results_table(records, baselines, rows)
        return [text, *([as_csv(every)] if every is not None else [])], found

    more = options.baselines or options.export is not None  # text is read, or records are written
    asked = options.where, options.against, has_csv
    text, *csv = make({})[0] if more else kept_tables(folder, asked, make)
    for content in csv:
        paths.write_atomically(folder / "table.csv", content)
    if options.into is not None:
        from ..tables.score_tables import insert_table

        insert_table(options.into, options.name, text)
    say(text)
    return 0


def _wanted(condition: str) -> tuple[str, Any]:
    """Split ``NAME=VALUE`` into a setting and its typed value."""
    name, equals, text = condition.partition("=")
    if not equals:
        raise ConfigError(f"--where takes NAME=VALUE, got {condition!r}. Example: --where steps=600 arm=learned.")
    value = RunConfig.parse(name, text)
    if name in ("departures", "pretraining"):  # which have one order in a configuration, whatever it is here
        value = in_one_order(RunConfig, name, value)
    return name, value


@without_collector()
def claims(options: argparse.Namespace) -> int:
    """Print the paper's claims, the verdict on each and the evidence, from the records that the project ships."""
    from ..study.claims import claims_table
    from ..study.in_short import short_table
    from ..tables.score_tables import insert_table

    table_of, mark = (short_table, "claims_short") if options.short else (claims_table, "claims")
    if options.neighbours:
        from ..study.neighbours import NEIGHBOURS, neighbours_table

        table_of, mark = partial(neighbours_table, NEIGHBOURS), "claims_neighbours"
    if options.into is None:
        say(table_of())
        return 0
    up = Path(os.path.relpath(paths.PROJECT, options.into.resolve().parent)).as_posix()
    text = table_of("" if up == "." else f"{up}/")
    insert_table(options.into, mark, text)
    say(text)
    return 0


def bench(options: argparse.Namespace) -> int:
    """Measure speed and memory against other implementations, as ratios within one process; or how costs grow (scale)."""
    if options.names == ["scale"]:
        return _scale(options.out, options.into)
    if options.into is not None:
        raise ConfigError(f"--into {options.into} is for the table of 'fourier-lab bench scale'. Leave it out.")
    from ..bench.suite import run_benchmarks, table

    if options.names == ["pools"]:
        from ..sweeps.pools import measure

        say("\n" + table(measure(options.out, before=options.before, report=say)))
        return 0
    if options.before is not None and not all(name.startswith("builds") for name in options.names or ("all",)):
        raise ConfigError(f"--before {options.before} is for 'fourier-lab bench pools' and 'builds'. Leave it out.")
    from ..bench.workload import Size

    sys.path.insert(0, "")
    given = {
        name: RunConfig.parse(name, text) for name in ("arm", "embedding_options") if (text := getattr(options, name))
    }
    config = RunConfig(**given)
    quick: dict[str, Any] = {"repeats": 3} if options.quick else {}
    size = Size(arm=config.arm, embedding_options=config.embedding_options, before=options.before, **quick)
    rows = run_benchmarks(options.names, options.out, size=size, report=say)
    say("\n" + table(rows))
    return 0


def _scale(out: Path, into: Path | None) -> int:
    from ..sweeps import scale
    from ..tables.score_tables import insert_table

    if into is None:
        scale.write_record(scale.measure(report=say), out)
    text = scale.table(scale.read_record(out))
    if into is not None:
        insert_table(into, "scale", text)
    say(text)
    return 0


def data(options: argparse.Namespace) -> int:
    """Fetch the corpora into a folder, or check a source by reading all of it.

    A folder holds any of these, as published; FOURIER_LAB_DATA or --data names it. The first form found is read:

      snli/       train.parquet (.jsonl, .csv, .tsv) with premise, hypothesis, label, or sentence1, sentence2, gold_label;
                  validation or dev, test; or train-00000-of-00001.parquet and so on; or a folder train.parquet by Spark
      mnli/       train, and validation_matched and validation_mismatched, or dev_matched and dev_mismatched
      stsb/       train, validation or dev, test, with sentence1, sentence2, and label or score
      sick/       test, the same, or SICK_test_annotated.txt; also sts12/ to sts16/; a column subset is read if there: what
                  --evaluated-on scores besides
      tokenizer/  tokenizer.json of any kind, or vocab.txt
      books/      train, validation, test, with book and text, a paragraph a row: what a language model reads; it is scored
                  on wikitext2/ besides, validation and test with text, if that is there

    Also called snli_1.0, multinli_1.0, MNLI (of GLUE), STS-B, stsbenchmark, up to three folders down; files named as by
    their publishers (snli_1.0_train.jsonl or .txt, multinli_1.0_dev_matched.jsonl, sts-dev.csv) may lie in any of these.

    A corpus of your own is described in FOLDER/NAME.yaml and read with --source folder --corpus NAME:

      licence: CC BY 4.0
      pairs:                       # to train on; without a label column every pair counts as entailment
        columns: {first: question, second: answer, label: relation}
        labels: {entailment: [same, 1], contradiction: other}    # only if the values are no NLI labels
        train: train.csv           # beside the YAML: a file, several in a list, or a folder of part-* files
        validation: dev.csv        # test: is read if given
      graded:                      # scored against; or graded: stsb
        columns: {first: 5, second: 6, label: 4}                 # places from 0 in files without a header
        range: [0, 5]              # of the scores, which are mapped onto 0..5
        validation: dev.tsv
        test: test.tsv             # train: is read for --objective sts
      tokenizer: tokenizer.json    # or vocab.txt; FOLDER/tokenizer is read if this is left out

    Fields of .csv are parted by commas and may be quoted, those of .tsv by tabs and never are; separator: ";" and
    quoted: true beside columns say otherwise. Formats: .parquet, .jsonl, .csv, .tsv, .txt; all but the first as .gz too.
    """
    from ..text.fetch import fetch
    from ..text.report import report

    if options.action == "fetch":
        for path in fetch(Path(os.path.expanduser(options.data))):
            say(f"wrote {path}")
    else:
        failed = False
        for state, text in report(_source(options.data), options.vocab_size):
            say(f"{f'[{state}]':<6} {text}")
            failed |= state == "FAIL"
        return 1 if failed else 0
    return 0


def score(options: argparse.Namespace) -> int:
    """Score a trained encoder on graded sentence pairs of your own, a bag of tokens weighted by idf beside it.

    ENCODER is the folder of a run or of a saved encoder, or the start of a run's name in runs/. FILE is Parquet, JSON
    lines, CSV or TSV with a column for each sentence and one for the score. It prints Spearman and Pearson x 100 with 95 %
    bootstrap intervals over pairs. Idf is counted in the sentences of FILE, each once, so that the bag knows the texts that
    it is scored on. Exit code 1 if the encoder gives all sentences one vector.
    """
    from ..study.own_scores import score_file

    text, differs = score_file(options.encoder, options.file, options.columns, options.range, options.runs)
    say(text)
    return 0 if differs else 1


def moefy(options: argparse.Namespace) -> int:
    """Cut the trained ReLU feed-forwards of a run into experts, and score it with a few of them for each token.

    RUN is the folder of a run with feed-forward relu, or the start of its name in runs/. Experts are balanced clusters of
    cells; routers are the centroid of their keys, a small network, an oracle and chance. It prints Spearman x 100 by the
    share of cells that are computed, and the time; table and JSON go to reports/.
    """
    from ..study.finished_runs import open_run, write_report
    from ..study.moefy import expert_table, moefy

    run = open_run(options.run, options.runs)
    found = moefy(run, options.experts, split=options.split)
    return _reported("moefy", run, found, expert_table(found), write_report)


def prune(options: argparse.Namespace) -> int:
    """Say what training changed in a run's matrices, and score the run without its smallest and its largest neurons.

    RUN is the folder of a run that started from its seed, or the start of its name in runs/. It prints the ranks of the
    changes, by singular values, and Spearman x 100 by the share of neurons that went; table and JSON go to reports/.
    """
    from ..study.finished_runs import open_run, write_report
    from ..study.pruning import change_rows, prune_curves, pruning_table, start_of

    run = open_run(options.run, options.runs)
    changes, curves = change_rows(start_of(run), run.encoder), prune_curves(run, options.by, split=options.split)
    found = {"by": options.by, "split": options.split, "changes": changes, "curves": curves}
    return _reported("prune", run, found, pruning_table(changes, curves), write_report)


def _reported(name: str, run: Any, found: dict[str, Any], table: str, write: Callable[..., tuple[Path, Path]]) -> int:
    written = write(name, run, found, table)
    say(f"{table}\n\nwrote {' and '.join(map(str, written))}")
    return 0


def app(options: argparse.Namespace) -> int:
    """Serve the explorers and main figures as one web page, to this machine alone, until interrupted.

    The address that it prints ends with a token, which the page asks for: others on this machine cannot open it.
    From another machine: run "ssh -L 8866:127.0.0.1:8866 THIS_MACHINE" there and open the printed address on it.
    """
    from ..app import serve

    serve(options.port, open_browser=not options.no_browser, ready=options.ready, base_url=options.base_url)
    return 0


def site(options: argparse.Namespace) -> int:
    """Write executed notebooks, figures, claims and tables as static web pages."""
    from ..site.build import build_site

    say(f"wrote {build_site(options.out)}")
    return 0


def page(options: argparse.Namespace) -> int:
    """Write one HTML file in which an encoder of yours runs in any browser, without a server or a network.

    ENCODER is the folder of a run or of a saved encoder, or the start of a run's name in runs/, or a shipped encoder. It
    must be a bag, without layers and pooler, over wide_fourier or fourier, with a WordPiece tokenizer.
    """
    from ..site.encoder_data import write_encoder_page
    from ..study.own_scores import open_encoder

    name, encoder = open_encoder(options.encoder, options.runs)
    say(f"wrote {write_encoder_page(encoder, options.out, name)}")
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Check Python, packages, kernel, data folder, permissions and disk; with --thorough, that packages can be imported."""
    from . import doctor as machine

    failed = False
    for check in machine.doctor(options.thorough):
        say(f"{'[OK]  ' if check.ok else '[FAIL]'} {check.requirement}: {check.detail}")
        if not check.ok:
            failed = True
            say(f"       {check.remedy}")
    if not options.thorough:
        say(
            "Packages were looked up, not imported: 'fourier-lab doctor --thorough' does that, and asks for the processor."
        )
    return 1 if failed else 0


def _source(data: str) -> str:
    """Return the data source that ``data`` names; a folder becomes FOURIER_LAB_DATA, also for the kernels."""
    if data in ("builtin", "hub"):
        return data
    folder = Path(os.path.expanduser(data)).resolve()
    if not folder.is_dir():
        raise ConfigError(f"--data must be builtin, hub or a folder, and {folder} is no folder. Correct the path.")
    os.environ["FOURIER_LAB_DATA"] = str(folder)
    return "folder"


def _find_notebook(name: str) -> Path:
    path = Path(name)
    if path.suffix == ".ipynb" or len(path.parts) > 1:
        return path.with_name(path.name.removesuffix(".ipynb") + ".ipynb")
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


def _changes(config: RunConfig) -> str:
    return ", ".join(f"{name} {value}" for name, value in config.changes().items()) or "all defaults"


def _progress_lines(label: str) -> "Callable[[Progress], None]":
    spoken = time.monotonic()

    def callback(progress: "Progress") -> None:
        nonlocal spoken
        if time.monotonic() - spoken >= PROGRESS_S or progress.step == progress.config.steps:
            spoken = time.monotonic()
            say(
                f"{label} step {progress.step}/{progress.config.steps}, loss {progress.row['loss']:.3f}, "
                f"{progress.pairs_per_s:,.0f} {read_in(progress.config)}/s, {progress.remaining_s:.0f} s left"
            )

    return callback
