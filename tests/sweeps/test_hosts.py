"""A cluster of several hosts, as network namespaces with names of their own: one is lost without a word in mid-run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from fourier_lab.sweeps.file import load_sweep
from fourier_lab.sweeps.torture_faults import comparable
from fourier_lab.training.train import train

SWEEP = """
question: Does a run outlive its host?
base: {d_model: 16, vocab_size: 2000, steps: 300, warmup_steps: 5, batch_size: 32, train_pairs: 600, threads: 1}
grid: {dropout: [0, 0.1]}
"""
# The program of a worker, which a run's process imports too; the first argument is the name of the host.
WORKER = """
import socket, sys
from fourier_lab import locks
locks.BEAT_S, locks.LEASE_S = 0.2, 2.0
if "torch" in sys.modules:
    from fourier_lab.training import trainer
    trainer.CHECKPOINT_SECONDS = 0.2
if __name__ == "__main__":
    socket.sethostname(sys.argv.pop(1))
    from distributed.cli.dask_worker import main
    main()
"""
LIMIT_S = 300  # of a busy machine


class Hosts:
    """The host ``head`` and some others, each linked with it alone."""

    def __init__(self, names):
        self.spaces = {name: f"fourier{os.getpid()}{name}" for name in ("head", *names)}
        self.network = {name: f"10.203.{number}" for number, name in enumerate(names)}
        self.started = []

    def open(self):
        for space in self.spaces.values():
            ip("netns", "add", space)
            ip("-n", space, "link", "set", "lo", "up")
        for name, network in self.network.items():
            here, there = self.spaces["head"], self.spaces[name]
            ip("link", "add", name, "netns", here, "type", "veth", "peer", "name", "eth0", "netns", there)
            for space, device, number in ((here, name, 1), (there, "eth0", 2)):
                ip("-n", space, "address", "add", f"{network}.{number}/24", "dev", device)
                ip("-n", space, "link", "set", device, "up")

    def start(self, name, *command, **options):
        known = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
        inside = ["ip", "netns", "exec", self.spaces[name], "unshare", "--uts", sys.executable, *map(str, command)]
        self.started.append(subprocess.Popen(inside, env={**os.environ, **known, **options.pop("more", {})}, **options))
        return self.started[-1]

    def signal(self, name, number):
        for pid in ip("netns", "pids", self.spaces[name]).split():
            with suppress(ProcessLookupError):  # it was a child of one before it
                os.kill(int(pid), number)

    def lose(self, name):
        """Take a host's power: its link is down, its processes stand still and hold what they hold; no FIN, no RST."""
        ip("-n", self.spaces[name], "link", "set", "eth0", "down")
        self.signal(name, signal.SIGSTOP)

    def close(self):
        known = ip("netns", "list")
        for name, space in self.spaces.items():
            if space in known:
                self.signal(name, signal.SIGKILL)
        for process in self.started:
            process.wait(LIMIT_S)
        for space in self.spaces.values():
            if space in known:
                ip("netns", "delete", space)  # and the links that end in it


def ip(*arguments):
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def hosts():
    pytest.importorskip("distributed")
    if missing := [name for name in ("ip", "unshare") if shutil.which(name) is None]:
        pytest.skip(f"network namespaces need {missing[0]}, of iproute2 and util-linux")
    found = Hosts(("east", "west"))
    try:
        try:
            found.open()
        except subprocess.CalledProcessError as problem:
            pytest.skip(f"network namespaces are not permitted here: {problem.stderr.strip()}")
        yield found
    finally:
        found.close()


def wait_until(happened, process):
    deadline = time.monotonic() + LIMIT_S
    while not (answer := happened()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    return answer


def test_the_run_of_a_lost_host_goes_on_elsewhere_from_its_checkpoint(hosts, tmp_path):
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "worker.py").write_text(WORKER)
    quiet = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # In place of five minutes; ten heartbeats are the least that Dask waits for.
    soon = {"more": {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "2s"}}
    hosts.start("head", "-m", "distributed.cli.dask_scheduler", "--no-dashboard", **soon, **quiet)
    for name, network in hosts.network.items():
        where = (f"tcp://{network}.1:8786", "--host", f"{network}.2")
        hosts.start(name, "worker.py", name, *where, "--nthreads", "1", "--no-nanny", "--no-dashboard", **quiet)
    places = ("--runs", tmp_path / "runs", "--results", tmp_path / "results")
    command = ("-m", "fourier_lab", "sweep", tmp_path / "sweep.yaml", "--dask", "tcp://127.0.0.1:8786", *places)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    sweep = hosts.start("head", *command, **streams)
    lost = load_sweep(tmp_path / "sweep.yaml").runs[0].config
    folder = tmp_path / "runs" / lost.digest()
    wait_until((folder / "checkpoint.npz").is_file, sweep)
    holder = (folder / ".lock").read_text().split()[1]
    assert holder in hosts.network
    hosts.lose(holder)
    assert not (folder / "metrics.json").is_file()
    said, _ = sweep.communicate(timeout=LIMIT_S)
    assert sweep.returncode == 0, said
    assert said.count(f"{lost.digest()} started on tcp://") == 2 and "is in work elsewhere" not in said
    assert (folder / ".lock").read_text().split()[1] not in ("", holder)
    train(lost, runs=tmp_path / "undisturbed")
    assert comparable(folder) == comparable(tmp_path / "undisturbed" / lost.digest())
