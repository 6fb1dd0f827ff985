"""A finished run cut into experts, and without some of its neurons."""

import json

import numpy as np
import pytest
import torch

from fourier_lab import RunConfig, paths, train
from fourier_lab.cli.parser import main
from fourier_lab.embeddings.fourier import GeGLU
from fourier_lab.errors import ConfigError
from fourier_lab.study.finished_runs import open_run
from fourier_lab.study.moefy import moefy
from fourier_lab.study.pruning import change_rows, drop, effective_rank, prune_curves, start_of

GATED = RunConfig(
    d_model=16, vocab_size=2000, steps=20, warmup_steps=1, batch_size=16, train_pairs=600, learning_rate=3e-3, threads=1,
    feed_forward=1.0,
)  # fmt: skip
RELU = GATED.replace(feed_forward="relu", n_layers=2)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for config in (GATED, RELU):
        train(config, runs=folder)
    return folder


@pytest.fixture
def gated(runs):
    return open_run(GATED.digest(), runs)


def test_a_run_in_experts_ends_at_its_own_score(runs, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(paths, "REPORTS", tmp_path)
    assert main(["moefy", RELU.digest()[:6], "--experts", "4", "--runs", str(runs)]) == 0
    found = json.loads((tmp_path / f"moefy-{RELU.digest()}.json").read_text())
    own = found["dense"]["spearman"]
    assert own == pytest.approx(open_run(RELU.digest(), runs).record.score("test"), abs=1e-3)
    assert [row["top"] for row in found["experts"]] == 4 * [1, 2, 4]
    for row in found["experts"]:
        assert row["milliseconds"] > 0 and (row["top"] < 4 or row["spearman"] == pytest.approx(own, abs=0.01))
    # Two layers of 64 cells, of which 16 are read, and 4 centroids of width 16.
    assert found["experts"][0]["computed"] == 2 * (2 * 16 * 16 + 16 + 16 + 4 * 16)
    told = capsys.readouterr().out
    assert f"dense {own:.1f}" in told and "| 1 of 4 | 25% |" in told and str(tmp_path) in told
    assert (tmp_path / f"moefy-{RELU.digest()}.md").read_text() in told


def test_experts_are_cut_out_of_relu_alone(gated):
    with pytest.raises(ConfigError, match="has 1.0 in 1 layers. Train with --feed-forward relu"):
        moefy(gated)


def test_the_start_is_what_training_began_with(tmp_path):
    still = GATED.replace(steps=1, warmup_steps=0, learning_rate=1e-12, weight_decay=0.0, seed=3)
    trained = train(still, runs=tmp_path).encoder
    run = open_run(still.digest(), tmp_path)
    for (name, before), after in zip(start_of(run).named_parameters(), trained.parameters(), strict=True):
        torch.testing.assert_close(before, after, atol=1e-9, rtol=0, msg=name)


def test_a_run_with_a_pretraining_has_no_start_of_its_own(gated):
    config = GATED.replace(objective="sts", pretraining={"steps": 2})
    object.__setattr__(gated.record, "config", config)
    with pytest.raises(ConfigError, match=f"pretraining, {config.pretrained().digest()}, and not from a seed"):
        start_of(gated)


def test_ranks_are_those_of_the_changes(gated):
    start = start_of(gated)
    changed = start_of(gated)
    with torch.no_grad():
        d = torch.arange(16.0)
        changed.pooler.weight += torch.outer(d, d.cos())
        changed.blocks[0].attention.qkv.weight[16:32] += torch.diag(torch.tensor([1.0] * 3 + [0.0] * 13))
    rows = {row["name"]: row for row in change_rows(start, changed)}
    assert rows["pooler"]["rank_change"] == 1 and rows["pooler"]["rank_start"] > 5
    assert rows["blocks.0.attention.k"]["rank_change"] == 3 and rows["blocks.0.attention.q"]["rank_change"] == 0
    assert rows["blocks.0.attention.k"]["change"] == pytest.approx(
        np.sqrt(3) / float(start.blocks[0].attention.qkv.weight[16:32].norm().detach())
    )
    assert effective_rank(torch.diag(torch.tensor([4.0, 1.0, 0.1]))) == 1 and effective_rank(torch.zeros(2, 3)) == 0


def test_a_neuron_that_is_dropped_is_gone():
    torch.manual_seed(0)
    whole, smaller, x = GeGLU(4, 6), GeGLU(4, 4), torch.randn(5, 4)
    kept = torch.tensor([0, 2, 3, 5])
    with torch.no_grad():
        for mine, theirs in ((smaller.w1.weight, whole.w1.weight), (smaller.w1.bias, whole.w1.bias)):
            mine.copy_(theirs[torch.cat((kept, 6 + kept))])
        smaller.w2.weight.copy_(whole.w2.weight[:, kept])
        smaller.w2.bias.copy_(whole.w2.bias)
    drop(whole, torch.tensor([1, 4]))
    torch.testing.assert_close(whole(x), smaller(x))


@pytest.mark.parametrize("by", ["magnitude", "change"])
def test_neurons_go_in_the_order_of_their_weights(gated, by, monkeypatch):
    dropped = []
    monkeypatch.setattr("fourier_lab.study.pruning.drop", lambda feed_forward, which: dropped.append(which.tolist()))
    prune_curves(gated, by, (0.25, 1.0))
    gate, value = gated.encoder.blocks[0].feed_forward.w1.weight.detach().chunk(2)
    if by == "change":
        before = start_of(gated).blocks[0].feed_forward.w1.weight.detach().chunk(2)
        gate, value = gate - before[0], value - before[1]
    norms = (gate.square().sum(1) + value.square().sum(1)).tolist()
    rising = sorted(range(16), key=norms.__getitem__)
    assert dropped[:4] == [rising[:4], rising, rising[::-1][:4], rising[::-1]] and sorted(dropped[5]) == [*range(16)]


def test_the_command_tells_ranks_and_both_curves(gated, runs, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(paths, "REPORTS", tmp_path)
    assert main(["prune", GATED.digest(), "--runs", str(runs)]) == 0
    found = json.loads((tmp_path / f"prune-{GATED.digest()}.json").read_text())
    scores = {(row["order"], row["share"]): row["spearman"] for row in found["curves"]}
    own = gated.score(gated.encoder)
    assert all(scores[order, 0.0] == own for order in ("smallest", "largest", "random"))
    assert len({scores[order, 1.0] for order in ("smallest", "largest", "random")}) == 1
    assert "| blocks.0.attention.q | 16 x 16 |" in capsys.readouterr().out
    assert main(["prune", RELU.digest(), "--by", "size", "--runs", str(runs)]) == 2
    assert "ranked by magnitude or change, got 'size'" in capsys.readouterr().err
