"""Checkpoints: what is written is read back to the last bit, what is damaged is refused, and nothing in them can run."""

import random
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch

from fourier_lab import RunConfig, train
from fourier_lab.errors import RecordError
from fourier_lab.training.checkpoints import FORMER, read_checkpoint, write_checkpoint
from fourier_lab.training.records import CHECKPOINT

TINY = RunConfig(d_model=8, vocab_size=2000, steps=6, batch_size=8, warmup_steps=1, train_pairs=60, threads=1)


def test_a_state_comes_back_as_it_was(tmp_path):
    state = {
        "none": None, "nan": float("nan"), "third": 1 / 3, "truth": True, 7: {"step": torch.tensor(3.0)},
        "pair": (0.5, {"w": torch.arange(6.0).view(2, 3).T}), "rows": [{"loss": 2.5}, []], "empty": torch.empty(0, 4),
        "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16), "bytes": torch.tensor([0, 255], dtype=torch.uint8),
    }  # fmt: skip
    write_checkpoint(tmp_path / "a.npz", OrderedDict(state))
    found = read_checkpoint(tmp_path / "a.npz")
    assert list(found) == list(state) and str(found) == str(state)
    assert all(found[name].dtype == state[name].dtype for name in ("empty", "half", "bytes"))


def test_a_bit_that_has_turned_over_is_found_wherever_it_is(tmp_path):
    path, chance = tmp_path / "a.npz", random.Random(0)
    state = {"w": torch.arange(64.0), "step": 3}
    write_checkpoint(path, state)
    whole = path.read_bytes()
    refused = 0
    for place in chance.sample(range(8 * len(whole)), 200):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            assert str(read_checkpoint(path)) == str(state)  # such as a date, which nothing reads
        except AssertionError:
            raise
        except Exception:
            refused += 1
    assert refused > 120


def stop(progress):
    if progress.step == 3:
        raise KeyboardInterrupt


def test_nothing_pickled_is_opened(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(TINY, runs=tmp_path, callback=stop)
    path = tmp_path / TINY.digest() / CHECKPOINT
    assert zipfile.is_zipfile(path)
    np.savez(path, state=np.array([{"harmless": 1}], dtype=object))  # which numpy pickles
    with pytest.raises(RecordError, match="damaged .*allow_pickle=False"):
        train(TINY, runs=tmp_path)
    path.with_name(FORMER).write_bytes(b"")
    with pytest.raises(RecordError, match="of an older version, a pickle, which may hold code and is not opened"):
        train(TINY, runs=tmp_path)
