"""Table 2's network, its fine-tuning on graded pairs, and runs that start from another run."""

import numpy as np
import pytest
import torch

from fourier_lab import ModelConfig, RunConfig, SentenceEncoder, train
from fourier_lab.errors import ConfigError
from fourier_lab.evaluation.metrics import proportion_interval
from fourier_lab.models.blocks import count_parameters
from fourier_lab.models.losses import STSLoss
from fourier_lab.sweeps import plan
from fourier_lab.text import pairs as data
from fourier_lab.text.corpus import prepare
from fourier_lab.training import train as training

TINY = RunConfig(d_model=16, steps=20, warmup_steps=2, batch_size=32, threads=1)
TUNED = TINY.replace(objective="sts", learning_rate=3e-3, pretraining={"learning_rate": 1e-3, "steps": 10})


@pytest.mark.parametrize(
    "d, layers, total", [(64, 1, 58_432), (128, 2, 396_928), (256, 2, 1_580_288), (512, 1, 3_678_720)]
)
def test_parameters_of_table_2_to_the_unit(d, layers, total):
    # Embedding and pooler 2 d² + 2 d each, input norm d; a layer has five such MLPs and two norms.
    assert (4 + 10 * layers) * d * d + (5 + 12 * layers) * d == total
    model = SentenceEncoder(ModelConfig("fourier", 30522, d, layers, layers, mlp="silu", projections="silu"))
    assert count_parameters(model) == total
    model.encode_packed(model.pack([np.arange(1, 6), np.arange(7, 9)])).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_the_fine_tuning_loss_is_one_minus_pearson():
    generator = torch.Generator().manual_seed(0)
    u, v, score = torch.randn(50, 8, generator=generator), torch.randn(50, 8, generator=generator), torch.rand(50) * 5
    loss, r = STSLoss()(u, v, score)
    cosine = torch.nn.functional.cosine_similarity(u, v).numpy()
    assert float(r) == pytest.approx(np.corrcoef(cosine, score.numpy())[0, 1], abs=1e-5)
    assert float(loss) == pytest.approx(1 - float(r))


def test_fine_tuning_starts_from_the_pretrained_weights(tmp_path):
    still = TUNED.replace(learning_rate=1e-30, weight_decay=0.0)
    base = train(still.pretrained(), runs=tmp_path)
    assert base.config.objective == "contrastive" and base.config.steps == 10 and base.config.pretraining is None
    frozen = train(still, runs=tmp_path)
    for (name, a), b in zip(base.encoder.state_dict().items(), frozen.encoder.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    assert RunConfig.from_dict(still.to_dict()) == still
    assert RunConfig.parse("pretraining", "steps=10 learning_rate=1e-3") == {"steps": 10, "learning_rate": 1e-3}


def test_weights_are_not_taken_over_under_other_token_ids(tmp_path):
    config = TINY.replace(objective="sts", pretraining={"id_order": "random"})
    with pytest.raises(ConfigError, match=r"pretraining \(.*other token ids.*id_order 'frequency'"):
        train(config, runs=tmp_path)


def test_fine_tuning_learns_the_scores(tmp_path):
    config = TUNED.replace(frequencies="random", steps=100, batch_size=64, learning_rate=1e-2)
    before, after = (train(each, runs=tmp_path).record.score("test") for each in (config.pretrained(), config))
    assert after > before + 2


def test_fine_tuning_trains_on_no_pair_that_is_scored_or_set_aside():
    corpus = prepare(TUNED)
    (aside,) = corpus.held_out.values()
    account = corpus.account["train"]["toy_sts"]
    assert len(corpus.train) == account["used"] and len(aside) == account["set_aside"]
    assert account["rows"] == account["used"] + account["set_aside"] + account["dropped_scored"]

    def pairs(split):
        return {frozenset((a.tobytes(), b.tobytes())) for a, b in zip(split.first, split.second, strict=True)}

    assert not pairs(corpus.train) & (pairs(corpus.graded["validation"]) | pairs(corpus.graded["test"]))
    assert abs(len(aside) / (len(aside) + len(corpus.train)) - 0.1) < 0.01
    assert data.graded_name("snli+mnli") == "stsb"


@pytest.mark.parametrize("change", [{"d_model": 32}, {"seed": 7, "frequencies": "random"}, {"mlp": "geglu"}])
def test_pretraining_cannot_change_the_model(change):
    with pytest.raises(ConfigError, match="must not change the shape"):
        TINY.replace(objective="sts", pretraining=change)
    with pytest.raises(ConfigError, match="unknown parameter epochs"):
        TINY.replace(objective="sts", pretraining={"epochs": 3})


def test_classifiers_are_scored_on_all_pairs(tmp_path):
    metrics = train(TINY.replace(objective="nli"), runs=tmp_path).metrics["held_out"]
    for name, split in prepare(TINY.replace(objective="nli")).held_out.items():
        assert metrics[name]["n"] == len(split) == 2000
        assert metrics[name]["low"] < metrics[name]["accuracy"] < metrics[name]["high"]


def test_the_interval_of_a_share_is_wilsons():
    # Wilson 1927 for 8 of 10: centre (p + z²/2n) / (1 + z²/n), by hand 0.4902 to 0.9433.
    assert proportion_interval(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_a_trial_of_its_cost_trains_no_first_stage(monkeypatch):
    trained, whole = [], training.train
    monkeypatch.setattr(training, "train", lambda config, **given: trained.append(config) or whole(config, **given))
    assert plan._calibrate(TUNED) > 0
    assert [(config.objective, config.steps) for config in trained] == [("sts", plan._CALIBRATION_STEPS)]
