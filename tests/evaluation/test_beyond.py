import numpy as np
import pandas as pd
import pytest

from fourier_lab import ModelConfig, RunConfig, SentenceEncoder
from fourier_lab.evaluation.baselines import IDF_BAG, of_bag, zero_parameter_baselines
from fourier_lab.evaluation.beyond import of_encoder
from fourier_lab.evaluation.breakdown import bands, matched_scores, matches, rarest, set_scores, subset_mean
from fourier_lab.text.corpus import TokenPairs
from fourier_lab.text.pairs import SentencePairs
from fourier_lab.text.similarity_sets import SimilaritySet
from tests.made_up_text import WORDS, write_text

RNG = np.random.default_rng(0)


def ids(*words):
    return np.array([2, *words, 3])


PAIRS = TokenPairs([ids(5, 6, 6), ids(7), ids(8, 9)], [ids(5, 6), ids(5), ids(8, 9)], np.zeros(3))


def test_a_bag_has_one_cosine_whichever_way_it_is_asked():
    bag = of_bag(RNG.uniform(size=10))
    crossed = bag.crossed(PAIRS, np.arange(3))
    np.testing.assert_allclose(np.diag(crossed), bag.aligned(PAIRS), atol=1e-12)
    swapped = TokenPairs(PAIRS.first, [PAIRS.second[i] for i in (1, 2, 0)], PAIRS.label)
    np.testing.assert_allclose([crossed[0, 1], crossed[1, 2], crossed[2, 0]], bag.aligned(swapped), atol=1e-12)


def test_words_without_weight_make_no_sentence_like_another():
    assert of_bag(np.zeros(10)).aligned(PAIRS).tolist() == [0.0, 0.0, 0.0]


def test_an_encoder_has_one_cosine_whichever_way_it_is_asked():
    method = of_encoder(SentenceEncoder(ModelConfig("fourier", 10, d_model=8)).eval())
    np.testing.assert_allclose(np.diag(method.crossed(PAIRS, np.arange(3))), method.aligned(PAIRS), atol=1e-6)


def test_a_pair_is_matched_if_none_of_its_batch_is_nearer_and_the_first_of_equals_counts():
    near = np.array([[0.9, 0.1, 0.2], [0.8, 0.8, 0.1], [0.1, 0.2, 0.3]])
    assert matches(lambda index: near[np.ix_(index, index)], 3).tolist() == [True, False, True]


def test_batches_have_about_128_pairs_and_leave_none_out():
    sizes = []
    hits = matches(lambda index: sizes.append(len(index)) or np.eye(len(index)), 300)
    assert sizes == [150, 150] and hits.all() and len(hits) == 300


def test_pairs_are_told_apart_by_their_rarest_token_without_the_ends():
    counts = np.array([0, 0, 0, 0, 0, 1000, 50, 9, 1, 0])
    rarity = rarest(PAIRS, counts)
    assert rarity.tolist() == [50, 9, 0]
    assert {name: mask.tolist() for name, mask in bands(rarity).items() if mask.any()} == {
        "0": [False, False, True], "1": [False, True, False], "10": [True, False, False],
    }  # fmt: skip
    found = matched_scores(np.array([True, False, True]), rarity)
    assert found["share"] == pytest.approx(2 / 3) and found["by_rarest"]["1"] == {"share": 0.0, "n": 1}
    assert found["low"] < 2 / 3 < found["high"]


def test_a_set_is_scored_whole_unseen_and_in_parts():
    n = 100
    label = RNG.uniform(0, 5, n)
    similarity = np.where(np.arange(n) < 50, label, -label)  # right in the first half, upside down in the second
    pairs = SentencePairs("made up", "test", ["a"] * n, ["b"] * n, label, "0" * 12)
    graded = SimilaritySet(pairs, np.array(["first"] * 50 + ["second"] * 40 + ["few"] * 10))
    found = set_scores(similarity, graded, np.arange(n) < 50, np.where(np.arange(n) < 50, 5, 500))
    assert found["unseen"]["spearman"]["value"] == 100 and found["unseen"]["n"] == 50
    assert {name: part["spearman"]["value"] for name, part in found["subsets"].items()} == {
        "first": 100,
        "second": -100,
    }
    assert [part["spearman"]["value"] for part in found["by_rarest"].values()] == [100, -100]
    assert subset_mean(found) == 0 and subset_mean({**found, "subsets": {}}) == found["all"]["spearman"]["value"]


def test_the_idf_bag_is_a_baseline_with_its_numbers_and_scores_beyond(tmp_path, monkeypatch):
    monkeypatch.setenv("FOURIER_LAB_DATA", str(write_text(tmp_path)))
    (tmp_path / "sick").mkdir()
    sentences = [f"a {noun} {verb}" for noun in WORDS[1:5] for verb in WORDS[5:9]]
    rows = [(first, second, i % 6) for i, (first, second) in enumerate(zip(sentences, sentences[1:], strict=False))]
    pd.DataFrame(rows, columns=["sentence1", "sentence2", "label"]).to_parquet(tmp_path / "sick" / "test.parquet")
    found = zero_parameter_baselines(RunConfig(corpus="snli", source="folder", evaluated_on=("sick",)))
    assert [b.numbers for b in found] == [0, 0, 17] and found[-1].name == IDF_BAG
    assert found[-1].evaluations["sets"]["sick"]["all"]["n"] == 15
    assert {*found[-1].evaluations["matched"]} == {"snli/validation", "snli/test"}
