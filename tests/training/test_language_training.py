"""Training a language model on the toy language: it learns, resumes exactly, and its record goes where others go."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fourier_lab import RunConfig, expand, load_encoder, load_record, train
from fourier_lab.errors import ConfigError, RecordError
from fourier_lab.tables.points import read_points
from fourier_lab.tables.score_tables import export_records, paired_table, results_table
from fourier_lab.text.language import prepare_language
from fourier_lab.training import language_trainer
from fourier_lab.training.language_trainer import LanguageTrainer

TOY = RunConfig(
    objective="language_model", head="tied", arm="learned", vocab_size=200, d_model=16, n_layers=1, feed_forward=1.0,
    norm="pre", max_seq_len=12, batch_size=8, steps=40, warmup_steps=4, learning_rate=1e-2, threads=1,
)  # fmt: skip
WAVES = {"arm": "fourier", "frequencies": "random", "period": 200}
UNCERTAIN = [{**WAVES, "bayesian": "both"}, {"latent": 2, "inference_steps": 1}]
FOURIER = {"head": "fourier", "head_options": {"n_frequencies": 20}}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Two heads, two seeds each, and their folder."""
    runs = tmp_path_factory.mktemp("runs")
    configs = [config for head in ({}, FOURIER) for config in expand(TOY.replace(**head), seed=[0, 1])]
    return [train(config, runs=runs) for config in configs], runs


def test_it_learns_and_says_how_well(results):
    for result in results[0]:
        scores, history = result.metrics["scores"], result.history
        assert {*scores} == {"validation", "test"} and history[-1]["loss"] < history[0]["loss"] - 0.1
        for each in scores.values():
            assert 0 < each["bits_per_byte"] < 8 and sum(band["tokens"] for band in each["bands"]) == each["tokens"]
        mean = math.log(2) * scores["test"]["bits_per_byte"] * scores["test"]["bytes"] / scores["test"]["tokens"]
        assert math.exp(mean) == pytest.approx(scores["test"]["perplexity"])
        assert result.metrics["tokens_per_s"] > 0 and result.metrics["parameters"]["head"] > 0
    assert results[0][0].metrics["parameters"]["head"] == 200


def test_weights_come_back_with_their_tokenizer(results):
    result = results[0][2]
    again, ids = load_encoder(result.record.folder), torch.arange(10)[None]
    assert torch.equal(again(ids), result.encoder.eval()(ids))
    assert again.generate("", 3, n_tokens=5) == result.encoder.generate("", 3, n_tokens=5)


def test_an_interrupted_run_ends_as_if_it_had_not_been(results, tmp_path, monkeypatch):
    ends_alike(results[0][2], tmp_path, monkeypatch)


@pytest.mark.parametrize("changes", UNCERTAIN)
def test_draws_go_on_where_they_were_and_weights_come_back(changes, tmp_path, monkeypatch):
    monkeypatch.setattr(language_trainer, "_WINDOWS", 1000)
    whole = train(TOY.replace(**changes), runs=tmp_path / "whole")
    ends_alike(whole, tmp_path / "resumed", monkeypatch)
    ids = torch.arange(10)[None]
    assert torch.equal(load_encoder(whole.record.folder)(ids), whole.encoder.eval()(ids))
    assert whole.history[-1]["loss"] < whole.history[0]["loss"] - 0.1


def test_the_bound_of_latents_is_both_its_parts_and_at_the_prior_is_the_loss(tmp_path, monkeypatch):
    monkeypatch.setattr(language_trainer, "_WINDOWS", 1000)
    short = TOY.replace(steps=10, latent=2)
    found = [train(short.replace(inference_steps=steps), runs=tmp_path) for steps in (0, 2)]
    for result in found:
        for of in result.metrics["scores"].values():
            parts = of["next_token_bits_per_byte"], of["divergence_bits_per_byte"]
            assert sum(parts) == pytest.approx(of["bits_per_byte"], rel=1e-6) and "calibration" not in of
    at_prior, fitted = (result.metrics["scores"]["test"] for result in found)
    assert at_prior["divergence_bits_per_byte"] == 0 < fitted["divergence_bits_per_byte"]
    assert fitted["next_token_bits_per_byte"] < at_prior["next_token_bits_per_byte"]


def test_the_divergence_is_paid_once_for_the_whole_training_text(tmp_path):
    config = TOY.replace(bayesian="feed_forward", train_pairs=30)
    trainer = LanguageTrainer(config, prepare_language(config), tmp_path)
    assert [each.tokens for each in trainer.penalised] == [30 * 12] * 2
    trainer.encoder.train()
    loss, _ = trainer.loss(trainer.corpus.train, np.arange(8))
    divergences = [each.divergence(*each._used) / 360 for each in trainer.penalised]
    torch.testing.assert_close(sum(each.penalty() for each in trainer.penalised), sum(divergences))
    assert sum(divergences).item() > 0 and loss.requires_grad


def test_little_text_is_spread_over_the_whole_and_counted_alone():
    whole, little = (prepare_language(TOY.replace(train_pairs=n)) for n in (None, 10))
    n = len(whole.train)
    assert (little.train == whole.train[np.linspace(0, n - 1, 10).round().astype(int)]).all()
    assert little.counts.sum() == little.account["train_tokens"] == 120 and len(little.keys[0]) == 10
    assert little.account["vocabulary"] == whole.account["vocabulary"] and len(little.counts) == len(whole.counts)
    assert len(prepare_language(TOY.replace(train_pairs=10**6)).train) == n


def test_how_sure_it_was_is_kept_beside_how_often_it_was_right(results):
    for result in results[0]:
        of = result.metrics["scores"]["test"]["calibration"]
        assert of["tokens"] >= min(2**13, result.metrics["scores"]["test"]["tokens"]) * 0.9
        assert of["confidence"] == sorted(of["confidence"]) and 0 < of["error"] < 1
    corpus = prepare_language(results[0][0].config)
    window, encoder = corpus.held_out["test"][""][0], results[0][0].encoder.eval()
    likeliest = encoder(torch.from_numpy(window[None, :-1]))[0].softmax(-1).max(-1)
    found = LanguageTrainer.calibration(SimpleNamespace(encoder=encoder), window[None])
    assert np.average(found["confidence"], weights=[2, 2, *[1] * 8]) == pytest.approx(likeliest.values.mean().item())
    hits = (likeliest.indices.numpy() == window[1:]).mean()
    assert np.average(found["accuracy"], weights=[2, 2, *[1] * 8]) == pytest.approx(hits)


def ends_alike(whole, tmp_path, monkeypatch):
    update = LanguageTrainer.update

    def stop(trainer, index):
        if trainer.step == 23:
            raise KeyboardInterrupt
        return update(trainer, index)

    monkeypatch.setattr("fourier_lab.training.trainer.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(LanguageTrainer, "update", stop)
    with pytest.raises(KeyboardInterrupt):
        train(whole.config, runs=tmp_path)
    monkeypatch.setattr(LanguageTrainer, "update", update)
    resumed = train(whole.config, runs=tmp_path)
    assert resumed.metrics["scores"] == whole.metrics["scores"]
    assert all(torch.equal(a, b) for a, b in zip(resumed.encoder.parameters(), whole.encoder.parameters(), strict=True))


def test_records_are_tabled_in_bits_per_byte(results, tmp_path):
    records = [result.record for result in results[0]]
    table = results_table(records)
    tied = [record.bits_per_byte("test") for record in records[:2]]
    assert "learned -> tied" in table and f"{sum(tied) / 2:.3f} ± " in table and "Spearman" not in table
    against = paired_table(records, "learned -> tied")
    share = sum(100 * records[2 + i].bits_per_byte("test") / tied[i] - 100 for i in range(2)) / 2
    assert f"{share:+.1f}" in against or f"{share:+.2f}" in against
    folder = tmp_path / "results" / "toy"
    export_records(records, folder)
    assert "test_bits_per_byte" in (folder / "table.csv").read_text().splitlines()[0]
    assert load_record(folder / records[0].config.digest()).in_words("test") == records[0].in_words("test")
    with pytest.raises(ConfigError, match="there is no record"):  # for points are placed by scores that these have not
        read_points(tmp_path / "results")


def test_a_record_without_its_scores_is_refused(results, tmp_path):
    folder = export_records([results[0][0].record], tmp_path)[0]
    metrics = (folder / "metrics.json").read_text()
    (folder / "metrics.json").write_text(metrics.replace("bits_per_byte", "bits"))
    with pytest.raises(RecordError, match="damaged or of another version"):
        load_record(folder)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"objective": "contrastive"}, "head 'tied' does not go with objective 'contrastive'"),
        ({"head": "none"}, "head 'none' does not go with objective 'language_model'"),
        (
            {"head": "table"},
            "head must be one of tied, learned, fourier, decoupled, adaptive, hash_cascade, or your own",
        ),
        ({"head": "learned", "head_options": {"width": 4}}, "output head 'learned' has no option width"),
        ({"pooler": "none"}, "pooler is a setting of sentence encoders"),
        ({"departures": ["padding_mean"]}, "departures is a setting of sentence encoders"),
        ({"corpus": "snli", "source": "folder"}, "objective 'language_model' reads one of toy, books"),
        ({"objective": "nli", "head": "none"}, "norm 'pre' is a setting of objective 'language_model'"),
        ({"norm": "both"}, "norm must be one of post, pre"),
    ],
)
def test_bad_settings_are_named(changes, rule):
    with pytest.raises(ConfigError, match=rule):
        TOY.replace(**changes)


def test_options_of_a_head_are_part_of_the_digest():
    assert len({TOY.replace(**each).digest() for each in ({}, FOURIER, {"head": "fourier"})}) == 3
    assert TOY.replace(head="fourier", head_options={"bias": True}) == TOY.replace(head="fourier")
    assert RunConfig.from_dict(TOY.replace(**FOURIER).to_dict()) == TOY.replace(**FOURIER)
