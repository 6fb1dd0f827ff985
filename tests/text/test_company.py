"""Ids ordered by company: who shares sentences with the same others comes side by side, whatever the numbers were."""

import numpy as np
import pytest

from fourier_lab import RunConfig
from fourier_lab.errors import ConfigError
from fourier_lab.text.company import company_order
from fourier_lab.text.corpus import prepare
from fourier_lab.text.tokenizer import token_words


def circles(rng, groups, n=400):
    """Sentences of four tokens, each of one group."""
    return [rng.choice(groups[i % len(groups)], 4, replace=False) for i in range(n)]


def test_those_of_one_circle_come_side_by_side_and_those_of_none_at_the_end():
    rng = np.random.default_rng(0)
    numbers = rng.permutation(50)
    groups = [numbers[i : i + 12] for i in range(0, 48, 12)]
    order = company_order(circles(rng, groups), 50)
    assert sorted(order) == list(range(50)) and {*order[48:]} == {*numbers[48:]}
    for group in groups:
        places = np.flatnonzero(np.isin(order, group))
        assert np.ptp(places) == 11
    np.testing.assert_array_equal(
        company_order(circles(np.random.default_rng(0), groups), 50)[48:], sorted(numbers[48:])
    )


def test_the_same_text_has_the_same_order():
    rng = np.random.default_rng(1)
    sentences = circles(rng, [np.arange(i, i + 10) for i in range(0, 40, 10)])
    np.testing.assert_array_equal(company_order(sentences, 40), company_order(sentences, 40))


@pytest.mark.parametrize("sentences", [[], [np.array([3])], [np.array([3, 3])]])
def test_without_company_the_order_stays(sentences):
    np.testing.assert_array_equal(company_order(sentences, 5), np.arange(5))


def test_a_run_reads_its_text_in_this_order():
    plain, ordered = (prepare(RunConfig(vocab_size=2000, id_order=name)) for name in ("frequency", "by_company"))
    words, other = (token_words(corpus.tokenizer) for corpus in (plain, ordered))
    assert sorted(words) == sorted(other) and words != other
    assert [words[i] for i in plain.train.first[5]] == [other[i] for i in ordered.train.first[5]]
    assert plain.account["vocabulary"] != ordered.account["vocabulary"]


def test_a_language_model_is_told_that_it_has_no_pairs():
    with pytest.raises(ConfigError, match="'by_company' reads training pairs"):
        RunConfig(objective="language_model", head="tied", id_order="by_company")
