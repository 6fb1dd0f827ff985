"""Training in the background: pause, resume, stop, restart, and processes that fail or are killed."""

import multiprocessing
import os
import signal
import time
from types import SimpleNamespace

import pytest

from fourier_lab import RunConfig, load_record
from fourier_lab.errors import ConfigError, TrainingError
from fourier_lab.locks import run_lock
from fourier_lab.training import live

TINY = RunConfig(
    vocab_size=300,
    d_model=16,
    steps=60,
    warmup_steps=10,
    batch_size=8,
    train_pairs=500,
    threads=1,
    precision="float32",
)
SOON = 300.0  # a busy machine takes its time to import torch


def until(condition, timeout=SOON):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def rows_of(training):
    return training.records[0].history


@pytest.fixture
def make():
    made = []

    def build(*arguments):
        made.append(live.LiveTraining(*arguments))
        return made[-1]

    yield build
    for training in made:
        training.close()


def test_paused_stopped_and_restarted_it_comes_to_its_end(make, tmp_path):
    training = make([TINY], tmp_path / "live")
    assert training.state == "ready" and rows_of(training) == [] and not training.active
    began = time.monotonic()
    training.start()
    assert time.monotonic() - began < 1 and training.state == "starting"
    training.pause()
    until(lambda: training.state == "paused")
    rows = rows_of(training)
    time.sleep(0.3)
    assert rows_of(training) == rows and 0 < len(rows) < 50 and training.active
    training.stop()
    assert training.wait(SOON) == "stopped"
    checkpoint = tmp_path / "live" / TINY.digest() / "checkpoint.npz"
    stopped_at = len(rows)  # a row a step
    assert checkpoint.is_file() and f"stopped, step {stopped_at} of 60" in training.lines[0]
    training.start()
    training.pause()
    until(lambda: training.state == "paused")
    assert stopped_at < len(rows_of(training)) < 60  # it went on
    training.resume()
    assert training.wait(SOON) == "finished" and not checkpoint.exists()
    (record,) = training.records
    assert [row["step"] for row in record.history] == list(range(1, 61))  # nothing lost and nothing twice
    assert [row["loss"] for row in record.history[:stopped_at]] == [row["loss"] for row in rows]
    assert len(load_record(record.folder).history) == 60
    assert f"validation Spearman {record.score('validation'):.1f}" in training.lines[0]
    training.start()  # a finished run is not started again
    assert training.state == "finished"


def test_a_failure_and_a_killed_process_are_each_told(make, monkeypatch, tmp_path):
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path))  # empty
    training = make([TINY, TINY.replace(corpus="snli", source="folder", arm="learned")])
    training.start()
    os.kill(training._jobs[0].process.pid, signal.SIGKILL)
    until(lambda: training.states[0] == "failed")
    assert "was killed (SIGKILL)" in training.lines[0] and "Start it again" in training.lines[0]
    assert training.state == "starting"  # the other one is not lost with it
    until(lambda: not training.active)
    assert "learned: failed" in training.lines[1] and "DataError" in training.lines[1]
    assert training.state == "failed"
    training.pause()  # nobody is there to hear it, and nothing breaks
    training.stop()


def test_a_second_training_is_refused_and_one_elsewhere_is_waited_for(make, tmp_path):
    first, second = make([TINY], tmp_path), make([TINY.replace(seed=1)])
    with run_lock(tmp_path / TINY.digest()):
        first.start()
        with pytest.raises(TrainingError, match="another live training is at work here.*Stop it first"):
            second.start()
        until(lambda: first.state == "waiting")
        assert "another process is at this very run" in first.lines[0]
        live.stop_all()
        assert first.stopping and "stopping, step 0" in first.lines[0]
        with pytest.raises(TrainingError, match="still stopping"):
            first.start()
        process = first._jobs[0].process
        first.close()
    assert not process.is_alive() and tmp_path.is_dir()
    folder = second.runs
    assert folder.is_dir()
    second.close()
    assert not folder.exists()
    with pytest.raises(TrainingError, match="was closed"):
        second.start()


def test_a_process_that_cannot_be_started_is_told_and_can_be_tried_again(make, monkeypatch):
    class Broken:
        def __init__(self, **options):
            pass

        def start(self):
            raise BlockingIOError(11, "Resource temporarily unavailable")

    training = make([TINY])
    with monkeypatch.context() as patch:
        patch.setattr(live, "CONTEXT", SimpleNamespace(Pipe=multiprocessing.Pipe, Process=Broken))
        training.start()
    assert training.state == "failed" and "no process could be started" in training.lines[0]
    training.stop()
    training.close()
    assert not training.runs.exists()


def test_folders_of_processes_that_are_gone_are_deleted(make, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"fourier_lab_live_{2**22 + 1}_x").mkdir()
    (tmp_path / f"fourier_lab_live_{2**70}_x").mkdir()
    (tmp_path / f"fourier_lab_live_{os.getpid()}_x").mkdir()
    training = make([TINY])
    assert {path.name for path in tmp_path.iterdir()} == {f"fourier_lab_live_{os.getpid()}_x", training.runs.name}


def test_settings_are_checked_before_anything_starts():
    with pytest.raises(ConfigError, match="at least one run and each once"):
        live.LiveTraining([])
    with pytest.raises(ConfigError, match="each once"):
        live.LiveTraining([TINY, TINY.replace(threads=2)])


def test_cores_are_shared_unless_given(make):
    training = make([TINY.replace(threads=None), TINY.replace(seed=1)])
    assert [job.config.threads for job in training._jobs] == [max(1, os.cpu_count() // 2), 1]


def test_a_worker_does_what_it_is_told():
    parent, worker = multiprocessing.Pipe()
    progress = SimpleNamespace(row={"step": 1}, pairs_per_s=2.0, remaining_s=3.0)
    for command in ("pause", "resume"):
        parent.send(command)
    live._converse(worker, progress)
    assert [parent.recv() for _ in range(3)] == [
        ("progress", ({"step": 1}, 2.0, 3.0)),
        ("state", "paused"),
        ("state", "running"),
    ]
    for command in ("pause", "stop"):  # a paused run can be stopped
        parent.send(command)
    with pytest.raises(KeyboardInterrupt):
        live._converse(worker, progress)
    parent.close()
    with pytest.raises(KeyboardInterrupt):
        live._converse(worker, progress)
