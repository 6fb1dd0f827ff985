"""Similarity without training: every measure on sentences whose answer is known by hand."""

import dataclasses

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models

from fourier_lab import RunConfig, SentenceEncoder
from fourier_lab.errors import DataError, records_left_out
from fourier_lab.evaluation.baselines import (
    bag_similarity,
    id_weights,
    idf_weights,
    jaccard_similarity,
    mean_similarity,
    untrained_encoder,
)
from fourier_lab.text.corpus import Corpus, TokenPairs
from fourier_lab.text.tokenizer import toy_tokenizer

# [CLS] 2, [SEP] 3; pair 1 shares one word of three, pair 2 nothing, pair 3 everything but the order, pair 4 has no word.
PAIRS = TokenPairs(
    [np.array(s) for s in ([2, 5, 6, 6, 3], [2, 5, 3], [2, 5, 6, 3], [2, 3])],
    [np.array(s) for s in ([2, 6, 7, 3], [2, 7, 3], [2, 6, 5, 3], [2, 5, 3])],
    np.array([2.0, 0.0, 5.0, 0.0]),
)


def test_jaccard_counts_distinct_words_and_leaves_special_tokens_out():
    np.testing.assert_allclose(jaccard_similarity(PAIRS), [1 / 3, 0, 1, 0])


def test_the_mean_of_unit_vectors_is_the_bag():
    np.testing.assert_allclose(mean_similarity(PAIRS, np.eye(8)), bag_similarity(PAIRS, np.ones(8)), atol=1e-12)


def test_the_mean_of_vectors_by_hand():
    table = np.zeros((8, 2))
    table[5], table[6], table[7] = (1, 0), (0, 1), (1, 1)
    # (1, 2) / 3 against (1, 2) / 2 have one direction; (1, 0) against (1, 1) are 45 degrees apart.
    np.testing.assert_allclose(mean_similarity(PAIRS, table), [1, 0.5**0.5, 1, 0])


def test_idf_counts_each_distinct_sentence_once():
    sentences = [np.array([2, 5, 5, 3]), np.array([2, 6, 3]), np.array([2, 6, 3])]
    weights = idf_weights(sentences, vocab_size=8)
    np.testing.assert_allclose(weights[[2, 5, 6, 7]], np.log([3 / 3, 3 / 2, 3 / 2, 3 / 1]))
    with pytest.raises(DataError, match="no sentence"):
        idf_weights([], vocab_size=8)


def test_weights_by_id_rise_from_the_first_word():
    def weights(tokens):
        return id_weights(Tokenizer(models.WordLevel({token: i for i, token in enumerate(tokens)}, unk_token="the")))

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    equal, by_id = weights([*special, "!", "one", "the", "of"]).values()
    assert set(equal) == {1.0} and by_id.tolist() == [0] * 5 + [1, 2**0.5, 3**0.5, 2]
    bert = [*(f"[unused{i}]" for i in range(999)), "!", "one", "the"]  # as BERT's whole vocabulary begins
    assert list(weights(bert))[1].endswith("√(id − 995)")
    *_, by_id = weights(["!", "one", "the", *special]).values()  # specials at the end leave words their weights
    assert by_id.tolist() == pytest.approx(np.sqrt(np.arange(8)).tolist())


def test_a_baseline_without_a_score_is_left_out_loudly_and_stops_nothing(monkeypatch):
    from fourier_lab.evaluation import baselines
    from fourier_lab.text.corpus import prepare

    corpus = prepare(RunConfig(vocab_size=500))
    pairs = corpus.graded["test"]
    apart = TokenPairs([np.array([2, 7, 3])] * 9, [np.array([2, 8 + i, 3]) for i in range(9)], pairs.label[:9])
    monkeypatch.setattr(
        baselines, "prepare", lambda _: dataclasses.replace(corpus, graded={"validation": apart, "test": pairs})
    )
    with records_left_out() as told:
        assert baselines.zero_parameter_baselines(RunConfig(vocab_size=500)) == []
    assert len(told) == 3 and "left out: bag of tokens: a correlation needs" in told[0] and "two varying" in told[0]


def test_the_untrained_encoder_is_the_one_that_training_starts_from():
    tokenizer = toy_tokenizer(500)
    config = RunConfig(d_model=8, vocab_size=500, seed=3)
    corpus = Corpus(tokenizer, PAIRS, (np.arange(4), np.arange(4)), {}, {}, {"vocab_size": 500})
    state = torch.random.get_rng_state()
    start = untrained_encoder(config, corpus)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(3)
    expected = SentenceEncoder(config.model(500), tokenizer)
    assert all(torch.equal(a, b) for a, b in zip(start.parameters(), expected.parameters(), strict=True))
    assert not start.training
