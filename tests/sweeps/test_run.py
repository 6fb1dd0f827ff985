"""Sweeps: files are read strictly; every run is done once and exported, whatever fails, dies or is repeated."""

import functools
import json
import multiprocessing.forkserver
import os
import platform
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from made_up import METRICS
from made_up_notebooks import WRITES_A_FIGURE, write_notebook

from fourier_lab import RunConfig, load_records, locks, paths, processes
from fourier_lab.cli import parser
from fourier_lab.errors import ConfigError, TrainingError, records_left_out
from fourier_lab.locks import is_locked, run_lock
from fourier_lab.sweeps import plan
from fourier_lab.sweeps.file import load_sweep
from fourier_lab.sweeps.plan import Places, timed_runs
from fourier_lab.sweeps.run import RETRIES, run_sweep
from fourier_lab.training import train as training
from fourier_lab.training.costs import Estimator, step_work
from fourier_lab.training.records import is_complete, load_record, write_record

FILE = """
question: Does dropout help?
base: {d_model: 16, vocab_size: 2000, steps: 120, warmup_steps: 5, batch_size: 32, train_pairs: 600, threads: 1}
smoke: {steps: 10}
seeds: [0, 1]
groups:
  - name: rates
    grid: {arm: [fourier, learned], learning_rate: [1e-3, 3e-3]}
  - name: dropout
    set: {arm: learned}
    grid: {dropout: [0, 0.1]}
    seeds: [0]
"""
TINY = """
question: Do both arms come through?
base: {d_model: 16, vocab_size: 2000, steps: 120, warmup_steps: 5, batch_size: 32, train_pairs: 600, threads: 1}
groups:
  - name: both
    grid: {arm: [fourier, learned], dropout: [0, 0.1]}
"""


@pytest.fixture
def write(tmp_path):
    """Write a sweep file and return its path."""

    def write_file(text):
        path = tmp_path / "dropout.yaml"
        path.write_text(text)
        return path

    return write_file


def test_runs_come_group_by_group_seed_by_seed_last_axis_fastest(write):
    sweep = load_sweep(write(FILE))
    assert (sweep.name, sweep.question) == ("dropout", "Does dropout help?")
    assert [(c.seed, c.arm, c.learning_rate) for c in sweep.configs[:8]] == [
        (seed, arm, rate) for seed in (0, 1) for arm in ("fourier", "learned") for rate in (1e-3, 3e-3)
    ]
    # dropout 0 of the second group is a run of the first
    assert [(run.group, run.config.dropout) for run in sweep.runs[8:]] == [("dropout", 0.1)]
    assert {c.steps for c in load_sweep(write(FILE), smoke=True).configs} == {10}
    assert load_sweep(write(FILE), smoke=True).name == "dropout_smoke"
    quick = load_sweep(
        write(FILE.replace("    set: {arm: learned}", "    set: {arm: learned}\n    smoke: {steps: 7}")), smoke=True
    )
    assert {(run.group, run.config.steps) for run in quick.runs} == {("rates", 10), ("dropout", 7)}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("question", "qestion", "the file has the unknown key 'qestion'. Known: question, notebook"),
        ("question: Does dropout help?\n", "", "has no 'question'"),
        ("d_model", "d_modle", "group 'rates' gives .* unknown parameter d_modle"),
        ("steps: 10}", "stepps: 10}", "unknown parameter stepps"),
        ("steps: 120", "steps: 1e2", r"steps must be an integer, got 100.0 \(float\). Write 100"),
        ("[1e-3, 3e-3]", "['1e-3']", "Without quotes it is a number: learning_rate: 1e-3"),
        ("steps: 120", "period: None", "YAML's word for None is null"),
        ("grid: {dropout: [0, 0.1]}", "grid: {dropout: []}", r"wrong axis 'dropout' .* dropout: \[VALUE\]"),
        ("grid: {dropout: [0, 0.1]}", "grid: {dropout: 0.1}", r"dropout: \[0.1\]"),
        ("grid: {dropout: [0, 0.1]}", "grid: {}", "group 'dropout' has an empty 'grid'"),
        ("- name: rates\n    grid", "- grid", "group 1 has no 'name'"),
        ("name: dropout", "name: rates", "two groups called 'rates'"),
        ("seeds: [0]", "seeds: 3", "group 'dropout' has wrong 'seeds'"),
        ("seeds: [0, 1]", "seeds: [0, 1.5]", "integers from 0"),
        ("grid: {dropout: [0, 0.1]}", "grid: {seed: [0, 1]}", r"group 'dropout' has 'seed' .*seeds: \[0, 1, 2\]"),
        ("steps: 120", "seed: 7", "group 'rates' has 'seed' among its settings"),
        ("set:", "sets:", "unknown key 'sets'. Known: name, set, grid, seeds"),
        ("set: {arm: learned}", "set: learned", "wrong 'set'"),
        ("seeds: [0]\n", "seeds: [0]\nseeds: [1]\n", "'seeds' is given twice"),
        ("groups:", "grid: {arm: [learned]}\ngroups:", "either 'groups' or a single 'grid'"),
        ("groups:", "groups: [", "is not YAML"),
    ],
)
def test_a_wrong_file_is_refused_by_name_place_and_way_out(write, old, new, message):
    assert old in FILE
    with pytest.raises(ConfigError, match=rf"dropout\.yaml.*{message}"):
        load_sweep(write(FILE.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (
            "arm: wide_fourier, frequencies: random, embedding_options: {n_frequencies: 400}",
            "1..249.*below half the period",
        ),
        ("objective: language_model, head: fourier, head_options: {n_frequencies: 400}", "n_frequencies .400..*1..255"),
        ("arm: signature, embedding_options: {buckets: 2, hashes: 2}", "signature"),
    ],
)
def test_a_model_that_cannot_be_is_refused_before_any_is_trained(base, message, write, tmp_path):
    text = f"question: none\nbase: {{vocab_size: 500, {base}}}\ngroups:\n  - name: fine\n    set: {{learning_rate: 0.01}}\n"
    sweep = load_sweep(write(text))
    for ask in (
        lambda: list(plan.plan(sweep)),
        lambda: run_sweep(sweep, 1, runs=tmp_path / "r", results=tmp_path / "s"),
    ):
        with pytest.raises(ConfigError, match=f"group 'fine' gives learning_rate 0.01.*{message}"):
            ask()
    assert not (tmp_path / "r").exists()


def test_the_models_of_all_committed_sweeps_can_be():
    for path in sorted(paths.SWEEPS.glob("*.yaml")):
        for smoke in (False, True):
            sweep = load_sweep(path, smoke=smoke)
            plan.check_models(sweep, sweep.runs)


def test_missing_files_groups_and_smoke_settings_are_named(write, tmp_path):
    with pytest.raises(ConfigError, match="there is no sweep file .*none.yaml"):
        load_sweep(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="has no group 'x'. There are: 'rates', 'dropout'"):
        load_sweep(write(FILE), only="x")
    with pytest.raises(ConfigError, match="has no 'smoke' settings"):
        load_sweep(write(TINY), smoke=True)


def test_estimates_scale_with_work_and_prefer_similar_runs():
    config = RunConfig(steps=100)
    estimator = Estimator([(config, 50.0), (config.replace(seed=1), 54.0), (config.replace(arm="learned"), 500.0)])
    once, twice = estimator.seconds(config), estimator.seconds(config.replace(steps=200, seed=7))
    assert 52 < once < 85 and twice - once == pytest.approx(52)
    assert estimator.seconds(config.replace(arm="learned")) > 500
    assert step_work(config.replace(n_layers=2)) > 1.5 * step_work(config)
    assert step_work(config.replace(departures=("padding_mean",))) > 20 * step_work(config)
    assert Estimator().seconds(config) is None


def committed() -> list[tuple[RunConfig, float]]:
    return list(timed_runs(Places(paths.RECORDS / "none", paths.RECORDS / "name", paths.RECORDS / "name")))


def tiny_runs() -> list[tuple[RunConfig, float]]:
    """Toy runs as anyone's first ones; where they stand closest, they differ in fewest settings from what is asked."""
    near = [run.config for name in ("table_1", "dropout") for run in load_sweep(paths.SWEEPS / f"{name}.yaml").runs]
    few = {config.replace(steps=2, warmup_steps=0): 90.0 for config in near}  # the right size, the first steps alone
    small = {config.replace(d_model=16, batch_size=8): 60.0 for config in near}
    return [*few.items(), *small.items(), (RunConfig(d_model=16, steps=3, warmup_steps=0), 0.7)]


def test_first_steps_and_tiny_runs_do_not_decide():
    known, tiny = committed(), tiny_runs()
    assert len(known) > 100
    without, beside, alone = Estimator(known), Estimator([*known, *tiny]), Estimator(tiny)
    for name in ("table_1", "dropout", "table_2"):
        for run in load_sweep(paths.SWEEPS / f"{name}.yaml").runs:
            expected = without.seconds(run.config)
            assert expected / 2 < beside.seconds(run.config) < 2 * expected
            assert alone.seconds(run.config) is None
    config, seconds = tiny[-1]  # of its own kind it says everything
    assert seconds < Estimator([tiny[-1]]).seconds(config) < seconds + 100


def test_estimates_of_the_study_are_near_what_its_runs_took():
    """Each kind of committed run, estimated from all others, on machines more or less busy."""
    known = [(config, seconds) for config, seconds in committed() if config.corpus != "toy"]
    kinds = defaultdict(list)
    for run in known:
        kinds[run[0].replace(seed=0)].append(run)
    ratios = []
    for kind, own in kinds.items():
        others = Estimator(run for runs in kinds.values() if runs is not own for run in runs)
        took = [seconds for _, seconds in own]
        ratios.append((others.seconds(kind) - 20.0) / np.median(took))
    assert 0.5 < np.median(ratios) < 2 and np.mean(np.abs(np.log(ratios)) < np.log(3)) > 0.9


def test_two_tiny_runs_leave_the_plan_of_a_sweep_alone(write, tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "_calibrate", lambda config: 1e-9 * step_work(config) * config.steps)
    sweep = load_sweep(write(FILE.replace("d_model: 16", "d_model: 128").replace("batch_size: 32", "batch_size: 256")))
    places = {"runs": tmp_path / "runs", "results": tmp_path / "results"}
    *_, before = plan.plan(sweep, **places)
    for seed in (0, 1):
        config = RunConfig(
            d_model=16, vocab_size=2000, steps=3, warmup_steps=0, batch_size=16, train_pairs=600, seed=seed
        )
        training.train(config.replace(threads=1), runs=places["runs"])
    *_, after = plan.plan(sweep, **places)
    hours = [float(line.split()[1]) for line in (before, after)]
    assert 0.5 < hours[1] / hours[0] < 2 and "steps of" in after


def test_a_plan_without_its_text_says_what_there_is_to_do(write, tmp_path, monkeypatch):
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path / "missing"))
    sweep = load_sweep(
        write(FILE.replace("{d_model: 16, vocab_size: 2000", "{corpus: snli, source: folder, d_model: 16"))
    )
    head, *rows, last = plan.plan(sweep, runs=tmp_path / "runs", results=tmp_path / "results")
    assert head == "9 runs, 9 to do" and len(rows) == 9
    assert last.startswith("no time is estimated for some of the runs: ") and str(tmp_path / "missing") in last


def test_a_calibration_leaves_the_first_steps_and_one_slow_step_out(monkeypatch):
    took = [9.0, 7.0, 5.0, 0.5, 0.5, 4.0, 0.5, 0.5]
    rows = [{"seconds": float(seconds)} for seconds in np.cumsum(took)]
    monkeypatch.setattr(training, "train", lambda config, **given: SimpleNamespace(history=rows))
    assert plan._calibrate(RunConfig(steps=100)) == pytest.approx(50)


def test_times_of_a_device_that_is_not_here_are_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    here = RunConfig(steps=9, warmup_steps=0, device="cpu")
    for config in (here, here.replace(seed=1, device="cuda")):
        metrics = {**METRICS, "digest": config.digest()}
        write_record(tmp_path / config.digest(), config, metrics | {"device": config.device}, [{"step": 9}])
    assert list(timed_runs(Places(tmp_path, *[tmp_path / "results" / "name"] * 2))) == [(here, 5.0)]


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """Processes that start at once and, in place of training, log the run and write a record."""
    monkeypatch.setattr(processes, "CONTEXT", multiprocessing.get_context("fork"))
    log = tmp_path / "log"

    def train(config, folder, callback, runs):
        with open(log, "a") as stream:
            stream.write(f"{config.digest()}\n")
        if config.dropout == 0.1:
            raise TrainingError("loss is nan. Lower learning_rate.")
        if config.learning_rate == 3e-3 and config.arm == "fourier":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.1)
        metrics = {**METRICS, "digest": config.digest(), "device": "cpu"}
        return write_record(folder, config, metrics, [{"step": config.steps, "loss": 2.0}])

    monkeypatch.setattr(training, "_train", train)
    monkeypatch.setattr(training, "_finished", lambda folder, config: is_complete(folder) or None)  # no weights here
    monkeypatch.setattr(training, "is_trained", is_complete)  # nor for who has waited for the lock
    monkeypatch.setattr(training, "_loaded", lambda folder, config: load_record(folder))
    return log


WARNS = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@WARNS
def test_failed_and_killed_runs_are_named_and_the_others_finish(fake, write, tmp_path):
    places = {"runs": tmp_path / "runs", "results": tmp_path / "results"}
    lines, sweep = [], load_sweep(write(FILE))
    outcomes = run_sweep(sweep, 2, lines.append, **places)
    assert [o.status for o in outcomes] == [
        "done",
        "failed",
        "done",
        "done",
        "done",
        "failed",
        "done",
        "done",
        "failed",
    ]
    assert f"its process was lost {RETRIES + 1} times (exit code -9)" in outcomes[1].error
    assert outcomes[8].error == "loss is nan. Lower learning_rate."
    calls = fake.read_text().split()
    assert calls.count(sweep.runs[1].digest) == RETRIES + 1 and calls.count(sweep.runs[8].digest) == 1
    assert sum("started: arm" in line for line in lines) == len(calls)
    assert any("left in all" in line for line in lines)
    assert len(load_records(places["results"] / "dropout")) == 6
    assert (places["results"] / "dropout" / "table.csv").is_file()

    again = run_sweep(sweep, 2, **places)
    assert [o.status for o in again].count("loaded") == 6
    assert len(fake.read_text().split()) == len(calls) + 2 * (RETRIES + 1) + 1


@WARNS
def test_two_sweeps_at_once_do_every_run_once(fake, write, tmp_path):
    sweep = load_sweep(write(TINY.replace("[0, 0.1]", "[0, 0.2, 0.3]")))
    options = {"runs": tmp_path / "runs", "results": tmp_path / "results"}
    twins = [
        processes.CONTEXT.Process(target=run_sweep, args=(sweep, 2, print), kwargs=options, daemon=False)
        for _ in range(2)
    ]
    for twin in twins:
        twin.start()
    for twin in twins:
        twin.join()
    assert [twin.exitcode for twin in twins] == [0, 0]
    assert sorted(fake.read_text().split()) == sorted(run.digest for run in sweep.runs)


@WARNS
def test_exports_are_repaired_and_count_as_finished_without_the_run_folder(fake, write, tmp_path):
    sweep = load_sweep(write(TINY.replace("[0, 0.1]", "[0]")))
    places = {"runs": tmp_path / "runs", "results": tmp_path / "results"}
    run_sweep(sweep, **places)
    folder = places["results"] / "dropout"
    first, second = (folder / run.digest for run in sweep.runs)
    (first / "history.csv").unlink()
    (second / "metrics.json").write_text('{"digest')
    (first / f".metrics.json.{2**22 + 1}.tmp").touch()  # no process has so high a number
    run_sweep(sweep, **places)
    assert len(load_records(folder)) == 2 and not list(folder.rglob("*.tmp"))
    outcomes = run_sweep(sweep, runs=tmp_path / "elsewhere", results=places["results"])
    assert [outcome.status for outcome in outcomes] == ["loaded", "loaded"]
    assert len(fake.read_text().split()) == 2
    (places["runs"] / sweep.runs[0].digest / "history.csv").unlink()
    (damaged, fine) = run_sweep(sweep, **places)
    assert damaged.status == "failed" and "damaged" in damaged.error and fine.status == "loaded"


@WARNS
def test_a_damaged_record_of_no_run_of_the_sweep_stops_no_run(fake, write, tmp_path):
    sweep = load_sweep(write(TINY.replace("[0, 0.1]", "[0]")))
    stale = tmp_path / "results" / "dropout" / "0123456789"
    stale.mkdir(parents=True)
    (stale / "metrics.json").write_text('{"digest')
    lines = []
    with records_left_out() as left_out:
        outcomes = run_sweep(sweep, 1, lines.append, runs=tmp_path / "runs", results=tmp_path / "results")
    assert [outcome.status for outcome in outcomes] == ["done", "done"]
    assert len(left_out) == 1 and "0123456789 is damaged" in left_out[0]
    assert len((stale.parent / "table.csv").read_text().splitlines()) == 3


@WARNS
def test_the_command_names_damaged_records_and_ends_with_1(fake, write, tmp_path, capsys):
    options = ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    arguments = ["sweep", str(write(TINY.replace("[0, 0.1]", "[0]"))), *options]
    assert parser.main(arguments) == 0
    run = load_sweep(tmp_path / "dropout.yaml").runs[0]
    (tmp_path / "runs" / run.digest / "metrics.json").write_text("")
    capsys.readouterr()
    assert parser.main([*arguments, "--dry-run"]) == 1
    out, err = capsys.readouterr()
    assert "2 runs, 0 to do" in out and f"{run.digest}  damaged" in out and f"{run.digest} is damaged" in err
    assert parser.main(arguments) == 1
    assert "| learned | 16 |" in (output := capsys.readouterr()).out and f"{run.digest} is damaged" in output.err


def test_a_lock_is_seen_by_others_and_leftovers_go(tmp_path, monkeypatch):
    assert not is_locked(tmp_path / "run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / f"checkpoint.{2**22 + 1}.tmp").touch()
    (tmp_path / "run" / f"checkpoint.{10**30}.tmp").touch()
    (tmp_path / "run" / f"checkpoint.{os.getpid()}.tmp").touch()
    for name, age in (
        ("young", 3600),
        ("old", 90000),
    ):  # of a process of another machine, whatever its number means here
        (tmp_path / "run" / f"{name}.{2**22 + 1}-0123abcd.tmp").touch()
        os.utime(tmp_path / "run" / f"{name}.{2**22 + 1}-0123abcd.tmp", (time.time() - age,) * 2)
    with run_lock(tmp_path / "run"):
        assert is_locked(tmp_path / "run")
        monkeypatch.setattr("sys.platform", "win32")  # has no such locks, and no run waits for one
        assert not is_locked(tmp_path / "run")
        with run_lock(tmp_path / "run"):
            monkeypatch.undo()
    assert not is_locked(tmp_path / "run")
    left = sorted(path.name for path in (tmp_path / "run").glob("*.tmp"))
    assert left == [f"checkpoint.{os.getpid()}.tmp", f"young.{2**22 + 1}-0123abcd.tmp"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no zombies")
def test_what_a_process_left_goes_though_nobody_has_noted_its_end(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie until it is waited for
    (tmp_path / f"checkpoint.{ended.pid}.tmp").touch()
    paths.remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [] and ended.wait() == 0


def test_who_waits_for_a_lock_says_for_whom(tmp_path):
    program = "import sys, pathlib\nfrom fourier_lab.locks import run_lock\n"
    program += "with run_lock(pathlib.Path(sys.argv[1])): print('mine')"
    command = [sys.executable, "-c", program, str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with run_lock(tmp_path / "run"):
        second = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        holder = f"process {os.getpid()} on {platform.node()}"
        assert f"waiting for {holder}, which works on the run in {tmp_path}" in second.stderr.readline()
        assert second.poll() is None
    assert second.communicate(timeout=60) == ("mine\n", "") and second.returncode == 0
    assert (tmp_path / "run" / ".lock").read_text() == f"{second.pid} {platform.node()}"


def test_the_lock_of_another_machine_holds_while_it_is_touched(tmp_path, monkeypatch):
    lock = tmp_path / ".lock"
    lock.write_text(f"{2**22 + 1} elsewhere")  # no process has so high a number, which is nothing to this machine
    for age, held in ((0, True), (locks.LEASE_S / 2, True), (locks.LEASE_S + 1, False), (-1e9, False), (1e9, False)):
        os.utime(lock, (time.time() - age,) * 2)
        assert is_locked(tmp_path) == held, age
    lock.write_text(f"{os.getpid()} {platform.node()}")  # a dead process of this one, whatever has its number now
    assert not is_locked(tmp_path)
    lock.write_text("7 elsewhere")
    monkeypatch.setattr(locks, "LEASE_S", 1.5)
    begun = time.monotonic()
    with run_lock(tmp_path):
        assert 1 < time.monotonic() - begun < 60
        assert lock.read_text() == f"{os.getpid()} {platform.node()}"


def test_a_lock_that_the_file_system_keeps_for_a_dead_machine_is_replaced(tmp_path):
    with open(tmp_path / ".lock", "a+") as kept:
        assert locks._lock(kept.fileno())
        kept.write("7 elsewhere")
        kept.flush()
        assert is_locked(tmp_path)
        os.utime(tmp_path / ".lock", (time.time() - 2 * locks.LEASE_S,) * 2)
        assert not is_locked(tmp_path)
        with run_lock(tmp_path):
            assert is_locked(tmp_path)


def test_whoever_holds_a_lock_touches_it_and_leaves_it_free(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "BEAT_S", 0.02)
    lock = tmp_path / ".lock"
    with run_lock(tmp_path):
        os.utime(lock, (1e9, 1e9))
        deadline = time.monotonic() + 60
        while lock.stat().st_mtime == 1e9:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert lock.stat().st_mtime == 0  # for another machine: its lease is over


@WARNS
def test_the_command_plans_runs_and_reports(fake, write, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(plan, "_calibrate", lambda config: 3600.0)
    options = ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results"), "--workers", "2"]
    arguments = ["sweep", str(write(FILE)), *options]
    assert parser.main([*arguments, "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["dropout: Does dropout help?", "9 runs, 9 to do"]
    assert (
        lines[2].split()
        == f"{load_sweep(write(FILE)).runs[0].digest} to do 3.6 h rates arm fourier, learning_rate 0.001, seed 0".split()
    )
    assert "hours with 2 workers, estimated from 5 steps of" in lines[-1]
    assert not (tmp_path / "runs").exists()

    assert parser.main([*arguments, "--only", "dropout"]) == 1
    output = capsys.readouterr()
    assert "| learned | 16 |" in output.out and "(dropout): loss is nan" in output.err
    assert parser.main([*arguments, "--dry-run", "--smoke"]) == 0
    assert "dropout_smoke" in capsys.readouterr().out
    parser.main([*arguments, "--dry-run"])
    assert "finished" in (text := capsys.readouterr().out) and "estimated from 1 finished runs" in text
    assert parser.main(["sweep", "missing", "--dry-run"]) == 2
    assert parser.main([*arguments, "--dry-run", "--workers", "0"]) == 2
    with pytest.raises(ConfigError, match="workers must be an integer, at least 1"):
        run_sweep(load_sweep(write(FILE)), 0)


def test_a_notebook_runs_once_per_parameter_set_under_its_own_name(home):  # noqa: F811
    write_notebook(home / "notebooks" / "01_one.ipynb", WRITES_A_FIGURE)
    file = home / "one.yaml"
    file.write_text("question: How many?\nnotebook: 01_one\ngrid: {steps: [4, 5]}\n")
    sweep = load_sweep(file)
    outcomes = run_sweep(sweep, 2)
    assert [(outcome.status, outcome.error) for outcome in outcomes] == [("done", "")] * 2
    for run, steps in zip(sweep.runs, ("4", "5"), strict=True):
        assert (home / "figures" / f"01_one-{run.digest}" / "one.csv").read_text() == steps
        assert (home / "reports" / f"01_one-{run.digest}.html").is_file()
    assert [outcome.status for outcome in run_sweep(sweep)] == ["loaded", "loaded"]
    assert parser.main(["sweep", str(file), "--runs", str(home / "mine")]) == 2  # where no notebook writes


def comparable(folder: Path) -> dict:
    """Everything in a run folder that must not depend on when it was killed."""
    metrics = json.loads((folder / "metrics.json").read_text())
    history = [line.rsplit(",", 1)[0] for line in (folder / "history.csv").read_text().splitlines()]
    costs = ("duration_s", "pairs_per_s", "peak_memory_bytes", "commit")
    return {k: v for k, v in metrics.items() if k not in costs} | {"history": history}


def test_a_sweep_killed_two_dozen_times_equals_an_undisturbed_one(write, tmp_path):
    file, driver = write(TINY), Path(__file__).parents[1] / "killed_sweeps.py"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, driver, file, tmp_path, "24"], env=environment, check=True, timeout=600)
    strikes = (tmp_path / "stormy" / "kills").read_text()
    assert len(strikes) >= 20 and min(strikes.count("w"), strikes.count("g")) >= 8
    for run in load_sweep(file).runs:
        calm, stormy = (tmp_path / name / "runs" / run.digest for name in ("calm", "stormy"))
        assert comparable(calm) == comparable(stormy)
        assert (calm / "weights.safetensors").read_bytes() == (stormy / "weights.safetensors").read_bytes()
        exported = tmp_path / "stormy" / "results" / "dropout" / run.digest
        assert (exported / "metrics.json").read_bytes() == (stormy / "metrics.json").read_bytes()
    assert not list((tmp_path / "stormy").rglob("*.tmp"))
    assert np.all([not is_locked(path) for path in (tmp_path / "stormy" / "runs").iterdir()])


def test_a_run_in_a_warm_process_equals_one_in_a_fresh_process(write, tmp_path):
    """The second of two runs in turn, each with numbers of its own for threads and seed."""
    sweep = load_sweep(write(TINY.replace("[0, 0.1]", "[0.1]").replace("steps: 120", "steps: 12")))
    run_sweep(sweep, runs=tmp_path / "warm", results=tmp_path / "results")
    config = sweep.configs[1]
    program = "import pathlib, sys\nfrom fourier_lab import RunConfig, train\n"
    program += "train(RunConfig.from_dict(eval(sys.argv[1])), runs=pathlib.Path(sys.argv[2]))"
    command = [sys.executable, "-c", program, repr(config.to_dict()), str(tmp_path / "fresh")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(command, env=environment, check=True, timeout=240)
    warm, fresh = (tmp_path / name / config.digest() for name in ("warm", "fresh"))
    assert comparable(warm) == comparable(fresh)
    assert (warm / "weights.safetensors").read_bytes() == (fresh / "weights.safetensors").read_bytes()


def test_the_processes_of_a_warm_context_start_from_the_same_state_and_the_present_environment(monkeypatch):
    context, seen = processes.warm_context("torch"), []
    jobs = iter(["first", "second", None])
    monkeypatch.setenv("FOURIER_LAB_TEST", "here")
    for event, _, detail in processes.supervise(lambda: next(jobs), spoil_and_tell, 1, context):
        if event == "message":
            seen.append(detail)
    (pid, *first), (other, *second) = seen
    assert pid != other and first == second and first[0] == "False" and first[-1] == "here"


def test_a_process_whose_server_is_killed_is_started_from_a_new_one(monkeypatch):
    context, killed = processes.warm_context(), []
    server = multiprocessing.forkserver._forkserver
    ensure = server.ensure_running

    def ensure_and_kill():
        ensure()
        if not killed:
            killed.append(server._forkserver_pid)
            os.kill(server._forkserver_pid, signal.SIGKILL)

    monkeypatch.setattr(server, "ensure_running", ensure_and_kill)
    jobs = iter(["job", None])
    seen = [(event, detail) for event, _, detail in processes.supervise(lambda: next(jobs), tell, 1, context)]
    assert killed and ("message", "job") in seen and seen[-1] == ("ended", 0)


def tell(job, connection):
    connection.send(job)


def spoil_and_tell(job, connection):
    """Send what a run could inherit, and leave it changed behind."""
    state = [
        torch.initial_seed() == 1,
        torch.get_num_threads(),
        torch.get_default_dtype(),
    ]
    connection.send((os.getpid(), *map(str, state), os.environ["FOURIER_LAB_TEST"]))
    os.environ["FOURIER_LAB_TEST"] = "changed"
    torch.manual_seed(1)
    torch.set_num_threads(3)
    torch.set_default_dtype(torch.float64)


PROGRAM = """
import sys
from fourier_lab.cli import parser
from fourier_lab.training import trainer
trainer.CHECKPOINT_SECONDS = 3  # in the processes of the sweep too, which import this file
if __name__ == "__main__":
    sys.exit(parser.main())
"""


def test_a_killed_worker_is_replaced_and_ctrl_c_saves_a_checkpoint(write, tmp_path):
    file = write(TINY.replace("steps: 120", "steps: 1000000").replace("[0, 0.1]", "[0]"))
    (tmp_path / "program.py").write_text(PROGRAM)
    folder = tmp_path / load_sweep(file).runs[0].digest
    command = [sys.executable, "program.py", "sweep", file, "--runs", tmp_path, "--results", tmp_path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A shell starts background jobs deaf to Ctrl-C, and children inherit that.
    hearing = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    sweep = subprocess.Popen(command, cwd=tmp_path, env=environment, preexec_fn=hearing, **streams)

    def wait_until(happened):
        deadline = time.monotonic() + 240
        while not happened():
            assert sweep.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)

    wait_until(lambda: is_locked(folder))
    os.kill(int((folder / ".lock").read_text().split()[0]), signal.SIGKILL)
    wait_until((folder / "checkpoint.npz").is_file)
    pressed = time.time()
    sweep.send_signal(signal.SIGINT)
    said, errors = sweep.communicate(timeout=240)
    assert "trying again (1 of 2)" in said
    assert sweep.returncode == 130 and "repeat the same command to resume" in errors, errors
    assert (folder / "checkpoint.npz").stat().st_mtime > pressed and not is_locked(folder)
