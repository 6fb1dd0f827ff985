"""A run that needs more memory than there is is refused before any is taken, and stops no other run."""

import resource
from types import SimpleNamespace

import psutil
import pytest
import torch

from fourier_lab import RunConfig, SentenceEncoder, train
from fourier_lab.cli import parser
from fourier_lab.errors import TrainingError
from fourier_lab.models.blocks import count_parameters
from fourier_lab.training import memory
from fourier_lab.training import train as training

CPU = torch.device("cpu")
GIB = 2**30
HUGE = RunConfig(arm="learned", vocab_size=1_000_000, d_model=1024)


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(arm="learned", d_model=64),
        RunConfig(d_model=256, n_layers=3),
        RunConfig(d_model=128, feed_forward=1.0),
    ],
)
def test_the_weights_are_those_of_the_encoder_with_gradient_optimiser_and_copy(config):
    numbers = count_parameters(SentenceEncoder(config.model(config.vocab_size)))
    assert memory.needed_bytes(config, config.vocab_size)["weights"] == pytest.approx(24 * numbers, rel=0.05)


@pytest.mark.parametrize(
    "changes, measured",  # above what the process held before, in float32 on one thread
    [
        ({"arm": "learned", "vocab_size": 200_000, "d_model": 256}, 1250),
        ({"batch_size": 4096}, 1257),
        ({"d_model": 64, "batch_size": 8192}, 2039),
        ({"n_layers": 3, "batch_size": 1024}, 845),
    ],
)
def test_the_need_is_near_what_runs_took(changes, measured):
    config = RunConfig(**changes)
    assert sum(memory.needed_bytes(config, config.vocab_size).values()) / 2**20 == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize(
    "changes, way_out",
    [
        ({"arm": "learned", "vocab_size": 1_000_000, "d_model": 1024}, "vocab_size where a table is learned"),
        ({"d_model": 2**20}, "Lower d_model"),
        ({"n_layers": 10**9}, "n_layers"),
        ({"basis": "legendre", "vocab_size": 1_000_000, "d_model": 4096}, "Use basis 'fourier'"),
        ({"max_seq_len": 2**20, "d_model": 2048}, "Lower max_seq_len"),
        ({"batch_size": 10**6}, "Lower batch_size"),
    ],
)
def test_what_is_needed_and_what_there_is_are_named_with_the_way_out(changes, way_out, monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "available_bytes", lambda device: 6 * GIB)
    monkeypatch.setattr(training, "prepare", lambda config: pytest.fail("took memory for the text"))
    config = RunConfig(**changes)
    needed = sum(memory.needed_bytes(config, config.vocab_size).values())
    with pytest.raises(
        TrainingError, match=rf"needs about {needed:,} bytes .*{6 * GIB:,} bytes \(6.0 GiB\).*{way_out}"
    ):
        train(config, runs=tmp_path)


def test_the_command_goes_on_with_the_next_run_and_ends_with_1(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(memory, "available_bytes", lambda device: GIB)
    few = ["--steps", "2", "--warmup-steps", "0", "--batch-size", "4", "--train-pairs", "50", "--threads", "1"]
    sizes = ["--arm", "learned", "--vocab-size", "1000000,2000", "--d-model", "64"]
    assert parser.main(["train", *sizes, *few, "--runs", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "| learned | 64 |" in out and err.startswith("[1/2] ") and "failed: this run needs about" in err
    assert parser.main(["train", "--arm", "learned", "--vocab-size", "1000000", "--d-model", "1024"]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_a_fault_of_one_run_does_not_stop_the_next(monkeypatch, tmp_path, capsys):
    def fail(config, folder, callback, runs):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(training, "_train", fail)
    assert parser.main(["train", "--seed", "0,1", "--runs", str(tmp_path)]) == 1
    assert capsys.readouterr().err.count("failed: ZeroDivisionError: by zero") == 2


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 8 GiB"),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: 12 bytes."),
    ],
)
def test_memory_used_up_on_the_way_is_told(error):
    with (
        pytest.raises(TrainingError, match="memory of this machine was used up.*Lower batch_size"),
        memory.shortage_told(),
    ):
        raise error
    with pytest.raises(RuntimeError, match="other"), memory.shortage_told():
        raise RuntimeError("other")


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with 64 GiB to take and no limits."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=64 * GIB))
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2)
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    monkeypatch.setattr(memory, "_OWN_CGROUPS", tmp_path / "own")
    return tmp_path


def test_without_limits_the_machine_decides(machine):
    assert memory.available_bytes(CPU) == 64 * GIB


def test_the_address_space_may_be_limited(machine, monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2 if which != resource.RLIMIT_AS
                        else (10 * GIB, 10 * GIB))  # fmt: skip
    assert memory.available_bytes(CPU) == pytest.approx(10 * GIB - psutil.Process().memory_info().vms, abs=2**26)


@pytest.mark.parametrize(
    "own, root, names",
    [
        ("0::/jobs/one", "", ("memory.max", "memory.current", "inactive_file")),
        ("4:cpu,memory:/jobs/one", "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")),
    ],
)
@pytest.mark.parametrize("limited", ["jobs/one", "jobs", ""])
def test_the_tightest_limit_of_control_groups_counts_without_cached_files(machine, own, root, names, limited):
    (machine / "own").write_text(f"7:pids:/jobs\n{own}\n")
    for group in ("", "jobs", "jobs/one"):
        folder = machine / root / group
        folder.mkdir(parents=True, exist_ok=True)
        limit, use, cached = names
        most = str(8 * GIB) if group == limited else "max" if not root else str(2**63 - 4096)
        (folder / limit).write_text(f"{most}\n")
        (folder / use).write_text(f"{5 * GIB}\n")
        (folder / "memory.stat").write_text(f"anon 7\n{cached} {GIB}\n")
    assert memory.available_bytes(CPU) == 4 * GIB


def test_a_group_that_is_not_seen_from_inside_is_passed_over(machine):
    (machine / "own").write_text("0::/host/only\n")
    (machine / "memory.max").write_text(str(3 * GIB))
    (machine / "memory.current").write_text(str(GIB))
    (machine / "memory.stat").write_text("anon 7\n")
    assert memory.available_bytes(CPU) == 2 * GIB
