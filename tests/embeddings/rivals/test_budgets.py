"""Every rival that has a size meets the budgets of the comparison, and one that cannot says so."""

import pytest
import torch

from fourier_lab.embeddings.registry import EMBEDDINGS, RIVALS
from fourier_lab.embeddings.rivals.budgets import sized
from fourier_lab.errors import ConfigError
from tests.made_up import spelled

V, D = 30522, 256
BUDGETS = (66_048, 131_072, 262_144, 789_248)
WAVES = ("fourier", "learned_frequencies", "companded", "companded_by_counts", "sinusoidal")
MAPPED = (*WAVES, "frozen_random", "frozen_binary")
CANNOT = {(name, 262_144) for name in MAPPED} | {("factorised", budget) for budget in BUDGETS[:3]}


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", ("fourier", *RIVALS))
def test_the_embedding_that_is_built_meets_the_budget(name, budget):
    if (name, budget) in CANNOT:
        with pytest.raises(ConfigError, match=f"'{name}' cannot have {budget} parameters within 5%.*nearest: "):
            sized(name, V, D, budget)
        return
    embedding = spelled(EMBEDDINGS.build(name, (V, D), sized(name, V, D, budget)))
    assert abs(sum(p.numel() for p in embedding.parameters()) / budget - 1) <= 0.05
    assert embedding(torch.tensor([0, V - 1])).isfinite().all()


def test_a_low_rank_has_coarse_steps():
    assert sized("factorised", V, D, 66_048, tolerance=0.07).rank == 2
    assert sized("factorised", V, D, 789_248).rank == 26


def test_where_products_of_rows_are_too_many_halves_are_joined():
    assert sized("quotient_remainder", V, D, 66_048).operation == "concatenate"
    assert sized("quotient_remainder", V, D, 131_072).operation == "multiply"


def test_a_table_and_a_cosine_transform_end_at_the_vocabulary():
    assert sized("learned", V, D, V * D).parameters(V, D) == V * D + D
    for name in ("learned", "dct"):
        with pytest.raises(ConfigError, match="cannot have 1000000 parameters"):
            sized(name, 1000, 64, 1_000_000)


@pytest.mark.parametrize("name", RIVALS)
def test_no_rival_meets_a_budget_of_nothing(name):
    with pytest.raises(ConfigError, match="cannot have 1 parameters"):
        sized(name, V, D, 1)


def test_an_unknown_name_is_refused():
    with pytest.raises(ConfigError, match="must be one of fourier, learned, wide_fourier, factorised"):
        sized("hash", V, D, 66_048)
