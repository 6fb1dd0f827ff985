"""Several processes that share a run: they take the steps of one, end together, and go on from what is there."""

import subprocess
import sys

import numpy as np
import pytest
import shared_runs
import torch
from shared_runs import RUN

from fourier_lab import RunConfig, load_record, train
from fourier_lab.cli.parser import main
from fourier_lab.errors import ConfigError
from fourier_lab.training import ranks
from fourier_lab.training.records import CHECKPOINT


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The run that the others share, by one process."""
    return train(RUN, runs=tmp_path_factory.mktemp("alone"))


def assert_same_run(result, alone):
    """Say that two runs differ by no more than the last digits of float32."""
    for name in ("loss", "scale"):
        np.testing.assert_allclose(
            [row[name] for row in result.history], [row[name] for row in alone.history], rtol=1e-5
        )
    for split in ("validation", "test"):
        assert abs(result.record.score(split) - alone.record.score(split)) < 0.01


def test_two_processes_have_the_losses_and_the_gradients_of_one(tmp_path):
    assert shared_runs.shared(shared_runs.take_steps, tmp_path) == [0, 0]
    first, second = (torch.load(tmp_path / f"{number}.pt") for number in (0, 1))
    for objective in shared_runs.OBJECTIVES:
        whole = shared_runs.steps(objective)
        learned = {name.partition(".")[0] for name in whole[0]}
        assert learned == {"loss", "encoder"} | ({"objective"} if objective != "language_model" else set())
        tolerance = 1e-5 if objective == "language_model" else 1e-9
        for one, *two in zip(whole, first[objective], second[objective], strict=True):
            assert all(each.keys() == one.keys() for each in two)
            for name, value in one.items():
                torch.testing.assert_close(two[0][name], value, rtol=0, atol=tolerance)
                assert torch.equal(two[0][name], two[1][name])


def test_a_signal_to_one_process_stops_all_with_a_checkpoint_that_one_alone_goes_on_from(alone, tmp_path):
    assert shared_runs.shared(shared_runs.stop_the_second, tmp_path) == [0, 0]
    steps = []
    result = train(RUN, runs=tmp_path, callback=lambda progress: steps.append(progress.step))
    assert steps[0] == 22  # the signal came at the end of step 20, and is told in the next
    assert_same_run(result, alone)
    assert "ranks" not in result.metrics


def test_torchrun_restarts_a_run_whose_process_is_killed(alone, tmp_path):
    options = ["--nproc-per-node", "2", "--max-restarts", "1"]
    command = [sys.executable, "-m", "torch.distributed.run", *options, shared_runs.__file__, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr  # rank 0's alone
    assert "exitcode: -9" in done.stderr
    record = load_record(tmp_path / RUN.digest())
    assert record.metrics["ranks"] == 2 and not (record.folder / CHECKPOINT).exists()
    assert_same_run(type(alone)(record, None), alone)


def test_what_cannot_be_shared_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ranks, "size", lambda: 4)
    with pytest.raises(ConfigError, match=r"batch_size \(30\) must be a multiple .* \(4\).*Try 28 or 32"):
        ranks.check(RunConfig(batch_size=30))
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(ConfigError, match=r"MemoryFeedForward may add to the loss"):
        train(RUN.replace(feed_forward="memory", feed_forward_options={"top": 2}, d_model=16), runs=tmp_path)
    monkeypatch.undo()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ConfigError, match=r"torchrun has started 4 processes.*without torchrun"):
        train(RUN, runs=tmp_path)
    assert main(["sweep", "dropout", "--dry-run"]) == 2
    assert "torchrun" in capsys.readouterr().err
