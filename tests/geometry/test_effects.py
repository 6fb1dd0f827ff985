"""What training did: every number on embeddings whose answer is known, and columns, lines and files made of them."""

import json
import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from fourier_lab import ModelConfig, RunConfig, SentenceEncoder, fourier_basis, plots
from fourier_lab.embeddings.fourier import FourierEmbedding, LearnedEmbedding
from fourier_lab.errors import ConfigError, RecordError
from fourier_lab.geometry import effects
from fourier_lab.study import effect_tables
from fourier_lab.text.corpus import Corpus, TokenPairs
from fourier_lab.text.tokenizer import toy_tokenizer

V, D = 1001, 16
RANDOM = np.random.default_rng(0)


def linear(seed: int = 0, scale: float = 1.0, **options) -> FourierEmbedding:
    torch.manual_seed(seed)
    embedding = FourierEmbedding(V, D, **options)
    for parameter in embedding.mlp.parameters():
        torch.nn.init.normal_(parameter, std=scale)
    return embedding


@pytest.mark.parametrize("seed", range(5))
def test_no_weights_break_the_bounds(seed):
    numbers = effects.coordinates(linear(seed, scale=10.0**seed / 100))
    steps, changes = numbers["steps"], numbers["sign_changes"]
    assert steps["bound"] == pytest.approx(2 * math.pi * D / 2 / (V - 1), rel=1e-3) and changes["bound"] == D
    assert 0.2 * steps["bound"] < steps["median"] <= steps["worst"] <= steps["bound"]
    assert 0 < changes["worst"] <= D


def test_the_highest_harmonic_attains_the_bounds():
    wave = fourier_basis(torch.arange(V), V, D).double().numpy()[:, -2:]
    bound = effects.step_bound(D // 2, V - 1)
    assert effects.relative_steps(wave).max() == pytest.approx(bound, rel=2e-3)
    assert effects.sign_changes(wave).max() == D
    assert effects.relative_steps(wave + 5.0, np.full(2, 5.0)).max() == pytest.approx(bound, rel=2e-3)


@pytest.mark.parametrize(("degree", "period"), [(1, 8), (2, 16), (3, 36), (16, 64 * 312)])
def test_a_wave_between_the_ids_attains_the_bound_of_steps(degree, period):
    wave = np.sin(2 * np.pi * degree / period * (np.arange(period + 1) - 0.5))[:, None]
    (step,) = effects.relative_steps(wave)
    assert step == pytest.approx(effects.step_bound(degree, period), rel=1e-9)
    assert step > 2 * math.pi * degree / period


@pytest.mark.parametrize(("degree", "period"), [(1, 5), (2, 9), (5, 24), (7, 100)])
def test_no_polynomial_steps_further(degree, period):
    angle = 2 * np.pi / period * np.outer(np.arange(period + 1), np.arange(1, degree + 1))
    features = np.concatenate((np.sin(angle), np.cos(angle)), axis=1)
    rows = features @ RANDOM.normal(size=(2 * degree, 20_000)) ** 3  # cubed: now and then one frequency rules
    assert effects.relative_steps(rows).max() <= effects.step_bound(degree, period)


def test_the_degree_is_the_highest_frequency_and_other_embeddings_have_no_bound():
    random = linear(frequencies="random")
    bound = effects.coordinates(random)["steps"]["bound"]
    assert bound == effects.step_bound(int(random.frequencies.max()), V - 1) > 1
    assert effects.step_bound(900, V - 1) == 2
    for embedding in (LearnedEmbedding(V, D), FourierEmbedding(V, D, mlp="geglu")):
        assert effects.coordinates(embedding)["steps"]["bound"] is None
    assert effects.coordinates(linear(period=2 * V))["steps"]["bound"] is None  # half the circle has no ids
    short = effects.coordinates(linear(period=127))
    assert short["sign_changes"]["worst"] <= short["sign_changes"]["bound"] == D


def test_before_the_norm_is_what_the_norm_reads():
    for embedding in (linear(), LearnedEmbedding(V, D), FourierEmbedding(V, D, mlp="none")):
        rows = torch.from_numpy(effects.before_norm(embedding)).float()
        torch.testing.assert_close(embedding.norm(rows), embedding.to_table().weight, atol=1e-5, rtol=1e-5)


def test_bandwidth_of_noise_and_of_harmonics():
    harmonics = fourier_basis(torch.arange(V), V, 40).numpy()
    assert effects.bandwidths(harmonics, (50, 90, 100)) == [10, 18, 20]
    (noise,) = effects.bandwidths(RANDOM.normal(size=(V, 64)), (90,))
    assert noise == pytest.approx(0.45 * V, rel=0.02)


def test_angles_by_hand():
    start, trained = np.array([[1.0, 0]] * 4), np.array([[2.0, 0], [1, 1], [0, 3], [1, 0]])
    moved = effects.angles_moved(start, trained, [0, 9, 10, 2000])
    assert moved["all ids"] == pytest.approx((45 + 90) / 4)
    assert moved["text"] == pytest.approx((9 * 45 + 10 * 90) / 2019)
    by_class = [moved[name] for name in ("never", "1 to 9", "10 to 99", "1,000 or more")]
    np.testing.assert_allclose(by_class, [0, 45, 90, 0], atol=1e-5)
    assert "100 to 999" not in moved


def test_merged_ids_share_the_middle_of_their_bin():
    merged = effects.merged_ids(V, first_word=5, size=8)
    assert merged[:5].tolist() == [0, 1, 2, 3, 4] and set(merged[5:13].tolist()) == {8}
    assert len(np.unique(merged)) == 5 + math.ceil((V - 5) / 8) and merged.max() < V
    assert np.array_equal(effects.merged_ids(V, 5, 1), np.arange(V))
    assert np.all(np.diff(merged) >= 0) and np.array_equal(merged[merged], merged)
    with pytest.raises(ConfigError, match="bins of 0 ids"):
        effects.merged_ids(V, 5, 0)


def sentences(n: int) -> list[np.ndarray]:
    return [np.concatenate(([2], RANDOM.integers(5, V, 6), [3])) for _ in range(n)]


PAIRS = {split: TokenPairs(sentences(40), sentences(40), RANDOM.uniform(0, 5, 40)) for split in ("validation", "test")}
CORPUS = Corpus(toy_tokenizer(V), PAIRS["test"], (np.arange(40), np.arange(40)), {}, PAIRS, {"vocab_size": V})
CONFIG = RunConfig(d_model=D, vocab_size=V, steps=4, warmup_steps=0)


def encoder(arm: str, seed: int = 1) -> SentenceEncoder:
    torch.manual_seed(seed)
    return SentenceEncoder(ModelConfig(arm, V, D)).eval()


def test_merging_nothing_keeps_the_score_and_merging_more_leaves_fewer_ids():
    rows = effects.class_scores(encoder("learned"), CORPUS, 5, (1, 2, 100))
    score = effects.restored_scores(encoder("learned"), encoder("learned"), CORPUS)
    assert {split: rows[0][split] for split in PAIRS} == score
    assert rows[0]["used"] > rows[1]["used"] > rows[2]["used"] == 10 + 2  # ten bins and [CLS], [SEP]
    assert [row["classes"] for row in rows] == [V - 5, (V - 5) // 2, 10]


def test_putting_the_start_back_is_undone():
    trained, start = encoder("learned", 1), encoder("learned", 2)
    own = trained.embedding
    assert effects.restored_scores(trained, start, CORPUS) != effects.restored_scores(trained, trained, CORPUS)
    assert trained.embedding is own


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Two runs whose training never happened: their encoders are drawn from other seeds than their starts."""
    monkeypatch.setattr(effects, "prepare", lambda config: CORPUS)
    monkeypatch.setattr(effects, "train", lambda config: type("Result", (), {"encoder": encoder(config.arm)}))
    configs = [CONFIG, CONFIG.replace(arm="learned")]
    return configs, effects.training_effects(configs, tmp_path), tmp_path


def test_numbers_are_kept_and_read_without_weights(measured, monkeypatch):
    configs, first, folder = measured
    monkeypatch.setattr(effects, "train", None)
    said = []
    again = effects.training_effects(configs, folder, said.append)
    assert all(line.endswith(": read") for line in said)
    assert [e.config for e in again] == configs
    assert again[0].numbers["classes"][0]["test"] == pytest.approx(first[0].numbers["classes"][0]["test"], rel=1e-5)
    assert set(again[0].numbers["stages"]) == set(effects.STAGES)
    assert set(again[1].numbers["stages"]) == set(effects.STAGES[1:])
    path = folder / f"{configs[0].digest()}.json"
    assert len(path.read_text()) < 40_000
    path.write_text(json.dumps({**json.loads(path.read_text()), "digest": "0123456789"}))
    with pytest.raises(RecordError, match="numbers of run 0123456789"):
        effects.training_effects(configs, folder)
    path.write_text('{"digest"')
    with pytest.raises(RecordError, match="damaged"):
        effects.training_effects(configs, folder)


def test_a_run_is_measured_once_until_its_weights_or_its_text_change(monkeypatch):
    asked, seed, text = [], 1, None
    config = CONFIG.replace(seed=99)
    monkeypatch.setattr(effects, "measure", lambda config, encoder: asked.append(config) or effects.Effects(config, {}))
    monkeypatch.setattr(effects, "train", lambda config: type("Result", (), {"encoder": encoder(config.arm, seed)}))
    monkeypatch.setattr(effects, "text_at_hand", lambda config: text)
    first = effects.training_effects([config])
    assert effects.training_effects([config]) == first and len(asked) == 1
    seed = 2
    effects.training_effects([config])
    text = {"stsb/test": "0123456789ab"}
    assert len(effects.training_effects([config, config])) == 2 and len(asked) == 3


def test_an_unknown_start_is_at_right_angles(measured):
    _, (_, learned), _ = measured
    assert learned.numbers["moved"]["all ids"] == pytest.approx(90, abs=2)


def test_columns_are_what_the_pictures_take(measured):
    _, both, _ = measured
    drawn = [
        plots.draw_stages(effect_tables.moved_columns(both), label="angle (degrees)", stage_label="count"),
        plots.draw_stages(
            effect_tables.stage_columns(both, "effective_rank"), label="rank", reference=D, reference_label="d"
        ),
        plots.draw_limits(effect_tables.limit_columns(both, "steps"), label="step (dimensionless)"),
        plots.draw_classes(effect_tables.class_columns(both), label="Spearman × 100"),
    ]
    for ax in drawn:
        ax.figure.canvas.draw()
        assert ax.get_xlabel() and ax.get_ylabel()
    assert "ids" in drawn[-1].get_xlabel() and drawn[-1].get_xscale() == "log"
    curves = effect_tables.stage_curves(both, "spectrum")
    figure, axes = plots.new_panels([*curves, "third"])
    assert len(axes) == 3 == len(figure.axes)
    for ax, columns in zip(axes, curves.values(), strict=False):
        plots.draw_spectrum(columns, total=True, ax=ax)
    plots.draw_kernel(effect_tables.stage_curves(both, "similarity")["learned"], ax=axes[2])
    plt.close("all")


def test_the_finding_names_every_series(measured):
    lines = effect_tables.finding(measured[1]).splitlines()
    assert len(lines) == 5 and all("fourier (harmonic)" in line and "learned" in line for line in lines)
    assert "(bound 5.03 %)" in lines[1] and "learned" in lines[1] and "(no bound)" in lines[1]


def run_with(scores: list[float], seed: int = 0) -> effects.Effects:
    sizes = (1, 2, 8, 32)[: len(scores)]
    rows = [
        {"size": size, "classes": 1000 // size, "used": 9, "validation": score, "test": score}
        for size, score in zip(sizes, scores, strict=True)
    ]
    return effects.Effects(CONFIG.replace(seed=seed), {"classes": rows})


def test_the_classes_needed_are_the_coarsest_before_the_first_loss():
    (needed,) = effect_tables.classes_needed([run_with([70, 69.5, 68, 69.9])]).values()
    assert needed.pop("cost_of_32") == pytest.approx(0.1)
    assert needed == {"size": 2, "classes": 500, "next_size": 8, "next_cost": 2}
    (pooled,) = effect_tables.classes_needed([run_with([70, 68.8, 60]), run_with([70, 69.4, 60], 1)]).values()
    assert pooled["size"] == 2
    (all_of_them,) = effect_tables.classes_needed([run_with([70, 70.5])]).values()
    assert all_of_them["size"] == 2 and np.isnan([all_of_them["next_cost"], all_of_them["cost_of_32"]]).all()
