"""Each rival is trained by its name from the command line, its record loads, and its stored bits are in it."""

import pytest
import torch

import fourier_lab as fl
from fourier_lab import RunConfig
from fourier_lab.cli.parser import main
from fourier_lab.embeddings.interface import rows_of
from fourier_lab.embeddings.registry import EMBEDDINGS, RIVALS
from fourier_lab.plots.palette import colour_of
from fourier_lab.series import series_name
from fourier_lab.text.tokenizer import toy_tokenizer
from fourier_lab.training.optimizer import make_optimizer

SMALL = {"vocab_size": 500, "d_model": 16, "batch_size": 16, "steps": 5, "warmup_steps": 1, "threads": 1}


@pytest.mark.parametrize("name", RIVALS)
def test_an_encoder_with_it_learns(name):
    torch.manual_seed(0)
    config = RunConfig(arm=name, **SMALL)
    encoder = fl.SentenceEncoder(config.model(500), toy_tokenizer(500))
    assert isinstance(encoder.embedding, EMBEDDINGS.find(name))
    before = rows_of(encoder.embedding).clone()
    optimizer = make_optimizer([encoder], 0.01)
    for group in optimizer.param_groups:
        group["lr"] = 0.01
    batch = encoder.pack([torch.randint(500, (n,)).numpy() for n in (3, 9, 9, 20)])
    target = torch.randn(4, 16)
    losses = []
    for _ in range(5):
        loss = (encoder.encode_packed(batch) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] and not torch.equal(rows_of(encoder.embedding), before)
    assert series_name(config).startswith(name)


def test_a_drawn_set_with_a_smooth_period_has_a_name_and_colour_of_its_own():
    name = series_name(RunConfig(frequencies="mixed", period=512, **SMALL))
    assert name == "fourier (mixed, period 512)" and name != series_name(RunConfig(period=512, **SMALL))
    assert colour_of(name) == colour_of("fourier (mixed)") != colour_of("fourier (period 512)")


def test_one_run_from_the_command_line_to_its_record(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    command = ["train", "--embedding", "hashed", "--embedding-options", "{buckets: 64}", *options, "--train-pairs=64"]
    assert main([*command, "--seed", "3", "--runs", "runs"]) == 0
    (record,) = fl.load_records(tmp_path / "runs")
    assert series_name(record.config) == "hashed (buckets 64)"
    assert record.stored_bits() == 32 * (64 * 16 + 16) + 64
    embedding = fl.load_encoder(record.folder).embedding
    assert embedding.settings()["seed"] == 3 and len(embedding.table) == 64
