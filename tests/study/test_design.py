"""The design space: what a token computes is what the encoder's parts hold, and recipes are chosen on validation."""

import pytest
from made_up import record

from fourier_lab import RunConfig
from fourier_lab.models.pretrained import shipped_encoders
from fourier_lab.models.sentence_encoder import SentenceEncoder
from fourier_lab.models.token_weights import TokenWeights
from fourier_lab.study import design, in_your_model
from fourier_lab.tables.points import Point, read_points


@pytest.mark.parametrize(
    "settings",
    [{"n_layers": 2}, {"n_layers": 0}, {"arm": "learned"}, {"feed_forward": 0.5, "token_weights": "learned"},
     {"feed_forward": "relu", "attention_weights": "learned"}],
    ids=str,
)  # fmt: skip
def test_a_token_computes_all_but_the_pooler_and_other_rows(settings):
    config = RunConfig(vocab_size=50, d_model=16, **settings)
    encoder = SentenceEncoder(config.model(50))
    embedding = sum(p.numel() for p in encoder.embedding.parameters())
    every = sum(p.numel() for p in encoder.parameters())
    pooler = sum(p.numel() for p in encoder.pooler.parameters())
    others = 49 * sum(isinstance(part, TokenWeights) for part in encoder.modules())
    rows = embedding - 16 if config.arm == "learned" else 0
    assert design.computed_per_token(config, embedding) == every - pooler - others - rows


def test_recipes_are_chosen_on_validation_within_what_is_stored():
    def point(name, validation, test, stored):
        runs = [record(validation, test, seed=seed, corpus="snli+mnli", source="folder") for seed in range(3)]
        for run in runs:
            run.metrics["parameters"] = {"total": stored, "embedding": 5, "with_gradient": stored}
        return Point(name, "x", tuple(runs))

    points = [point("a", 70, 60, 90), point("b", 75, 50, 100), point("c", 80, 70, 101)]
    best = design.recipes(points, (10, 100, 1000))
    assert {budget: each.name for budget, each in best.items()} == {100: "b", 1000: "c"}


def test_the_encoders_of_the_package_are_the_best_of_all_that_were_trained_alike():
    best = design.recipes(design.designs(read_points()[0]))
    assert len(best) == len([name for name in shipped_encoders() if not name.endswith("-distilled")])
    for budget, point in best.items():
        name = in_your_model.size_name(point.config)
        assert in_your_model.SIZES[name] == budget and point.family == "shipped"
