"""Sweeps on a Dask cluster: a real scheduler and workers on this machine, workers killed, Ctrl-C; records as undisturbed."""

import functools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from made_up_notebooks import WRITES_A_FIGURE, write_notebook

from fourier_lab import cluster
from fourier_lab.cli import parser
from fourier_lab.errors import ConfigError, MissingPackageError
from fourier_lab.headless.notebooks import run_notebooks
from fourier_lab.locks import is_locked
from fourier_lab.sweeps.file import load_sweep
from fourier_lab.sweeps.run import run_sweep
from fourier_lab.training.train import train

SWEEP = """
question: Does a cluster give the same numbers?
base: {d_model: 16, vocab_size: 2000, steps: 150, warmup_steps: 5, batch_size: 32, train_pairs: 600, threads: 1}
grid: {dropout: [0, 0.1, 0.2]}
"""
# A run's process imports the program of its worker, after torch.
WORKER = """
import sys
if "torch" in sys.modules:
    from fourier_lab.training import trainer
    trainer.CHECKPOINT_SECONDS = 0.2
if __name__ == "__main__":
    from distributed.cli.dask_worker import main
    main()
"""
LIMIT_S = 900  # of a busy machine


def environment(**more):
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path), **more}


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    """The file of a scheduler with two workers, which gives a run up once it has lost two."""
    pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("cluster")
    file, program = folder / "scheduler.json", folder / "worker.py"
    program.write_text(WORKER)
    quiet = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    worker = [sys.executable, str(program), "--host", "127.0.0.1", "--nthreads", "1", "--scheduler-file", str(file)]
    few = environment(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="1")
    started = [subprocess.Popen([*scheduler, "--no-dashboard", "--scheduler-file", str(file)], env=few, **quiet)]
    wait_until(file.is_file, started[0])
    started += [subprocess.Popen([*worker, "--no-dashboard"], env=environment(), **quiet) for _ in range(2)]
    yield file
    for process in reversed(started):  # the scheduler last, which workers take their leave of
        process.terminate()
        process.wait(timeout=LIMIT_S)


def wait_until(happened, process):
    """Wait until something happened, while a process lives."""
    deadline = time.monotonic() + LIMIT_S
    while not happened():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)


def start_sweep(folder, text, scheduler, *options):
    (folder / "cluster.yaml").write_text(text)
    command = [sys.executable, "-m", "fourier_lab", "sweep", folder / "cluster.yaml", "--dask", scheduler]
    # A shell starts background jobs deaf to Ctrl-C, and children inherit that.
    hearing = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    command += ["--runs", folder / "runs", "--results", folder / "results", *options]
    return subprocess.Popen(command, env=environment(), preexec_fn=hearing, **streams)


def at_work(folder):
    """Return the process at work on a run, None if there is none."""
    said = (folder / ".lock").read_text().split() if is_locked(folder) else []
    return int(said[0]) if said else None  # it is locked a moment before it says by whom


def kill_worker_of(run):
    """Kill the worker of a run that has a checkpoint; between them is the server that the run's process is a fork of."""
    while not ((run / "checkpoint.npz").is_file() and (pid := at_work(run))):
        time.sleep(0.02)
    psutil.Process(pid).parent().parent().send_signal(signal.SIGKILL)


def kill_worker_at(address):
    """Kill the worker that listens at an address, before it has begun what it was given."""
    listening = (each for each in psutil.net_connections("tcp") if each.status == psutil.CONN_LISTEN)
    (pid,) = {each.pid for each in listening if address == f"tcp://{each.laddr.ip}:{each.laddr.port}"}
    os.kill(pid, signal.SIGKILL)


def comparable(folder: Path) -> dict:
    """Everything in a run folder that must not depend on where it was computed."""
    metrics = json.loads((folder / "metrics.json").read_text())
    history = [line.rsplit(",", 1)[0] for line in (folder / "history.csv").read_text().splitlines()]
    costs = ("duration_s", "pairs_per_s", "peak_memory_bytes", "commit")
    weights = (folder / "weights.safetensors").read_bytes()
    return {k: v for k, v in metrics.items() if k not in costs} | {"history": history, "weights": weights}


def test_a_lost_worker_costs_no_number_and_a_run_that_loses_every_worker_is_given_up(scheduler, tmp_path):
    sweep = start_sweep(tmp_path, SWEEP, scheduler)
    disturbed, deadly, calm = (run.config for run in load_sweep(tmp_path / "cluster.yaml").runs)
    storm = threading.Thread(target=kill_worker_of, args=(tmp_path / "runs" / disturbed.digest(),))
    storm.start()
    said, deaths = [], 0
    for line in sweep.stdout:
        said.append(line)
        if found := re.search(rf"{deadly.digest()} started on (\S+):", line):
            kill_worker_at(found[1])
            deaths += 1
    sweep.stdout.close()
    storm.join()
    told = "".join(said)
    assert sweep.wait() == 1 and f"FAILED {deadly.digest()}" in told, told
    assert deaths >= 2 and f"{deaths} workers were lost while it ran on them, perhaps for want of memory" in told
    assert told.count(f"{disturbed.digest()} started on tcp://") >= 2
    train(disturbed, runs=tmp_path / "undisturbed")
    assert comparable(tmp_path / "runs" / disturbed.digest()) == comparable(
        tmp_path / "undisturbed" / disturbed.digest()
    )
    for config in (disturbed, calm):
        assert (tmp_path / "results" / "cluster" / config.digest() / "metrics.json").is_file()


def test_workers_run_notebooks_and_leave_them_where_they_belong(scheduler, home):
    good = write_notebook(home / "notebooks" / "01_one.ipynb", WRITES_A_FIGURE)
    bad = write_notebook(home / "notebooks" / "02_two.ipynb", "1 / 0")
    said = []
    first, second = run_notebooks([good, bad], dask=str(scheduler), report=said.append)
    assert (first.status, first.finding, first.pictures) == ("done", "ran 3 steps, headless 1", 1)
    assert "ran 3 steps" in (home / "reports" / "01_one.html").read_text()
    assert second.status == "failed" and "ZeroDivisionError" in second.error
    assert re.search("01_one started on tcp://", "\n".join(said))
    assert run_notebooks([good], dask=str(scheduler))[0].status == "unchanged"


def test_ctrl_c_leaves_a_checkpoint_and_idle_workers(scheduler, tmp_path):
    sweep = start_sweep(tmp_path, SWEEP.replace("steps: 150", "steps: 1000000"), scheduler)
    folders = [tmp_path / "runs" / run.digest for run in load_sweep(tmp_path / "cluster.yaml").runs]
    wait_until(lambda: sum((folder / "checkpoint.npz").is_file() for folder in folders) == 2, sweep)
    pids = [pid for folder in folders if (pid := at_work(folder))]
    workers = [psutil.Process(pid).parent().parent() for pid in pids]
    pressed = time.time()
    sweep.send_signal(signal.SIGINT)
    said, _ = sweep.communicate(timeout=LIMIT_S)
    assert sweep.returncode == 130 and "repeat the same command to resume" in said, said
    checkpoints = [folder / "checkpoint.npz" for folder in folders if (folder / "checkpoint.npz").is_file()]
    assert len(checkpoints) == 2 and all(path.stat().st_mtime > pressed for path in checkpoints)
    assert not any(psutil.pid_exists(pid) for pid in pids) and not any(map(is_locked, folders))
    assert len(workers) == 2 and all(worker.is_running() for worker in workers)


def test_a_cluster_of_this_machine_ends_with_its_sweep(tmp_path):
    pytest.importorskip("distributed")
    sweep = start_sweep(tmp_path, SWEEP.replace("steps: 150", "steps: 1000000"), "local", "--workers", "2")
    folders = [tmp_path / "runs" / run.digest for run in load_sweep(tmp_path / "cluster.yaml").runs]
    wait_until(lambda: sum(at_work(folder) is not None for folder in folders) == 2, sweep)
    pids = [pid for folder in folders if (pid := at_work(folder))]
    assert {psutil.Process(pid).parent().ppid() for pid in pids} == {sweep.pid}  # one server of processes for both
    listening = (each for each in psutil.Process(sweep.pid).net_connections("tcp") if each.status == psutil.CONN_LISTEN)
    assert {each.laddr.ip for each in listening} <= {"127.0.0.1"}
    sweep.send_signal(signal.SIGINT)
    said, _ = sweep.communicate(timeout=LIMIT_S)
    assert sweep.returncode == 130 and "repeat the same command to resume" in said, said
    assert sum((folder / "checkpoint.npz").is_file() for folder in folders) == 2
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_cluster_that_is_not_there_is_named_with_the_way_out(tmp_path, monkeypatch, capsys):
    (tmp_path / "cluster.yaml").write_text(SWEEP)
    places = {"runs": tmp_path / "runs", "results": tmp_path / "results"}
    sweep = load_sweep(tmp_path / "cluster.yaml")
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "distributed", None)
        command = ["sweep", str(tmp_path / "cluster.yaml"), "--dask", "local"]
        assert parser.main([*command, *(f"--{name}={path}" for name, path in places.items())]) == 2
        assert "pip install 'fourier-lab[cluster]'" in capsys.readouterr().err
        with pytest.raises(MissingPackageError):
            run_sweep(sweep, dask="tcp://127.0.0.1:8786", **places)
    pytest.importorskip("distributed")
    with pytest.raises(ConfigError, match="'cluster.json' is none of these"):
        run_sweep(sweep, dask="cluster.json", **places)
    monkeypatch.setattr(cluster, "_CONNECT_S", 0.5)
    with pytest.raises(ConfigError, match="no Dask scheduler answers at tcp://127.0.0.1:9 "):
        run_sweep(sweep, dask="tcp://127.0.0.1:9", **places)
