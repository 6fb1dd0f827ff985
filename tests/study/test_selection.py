"""The study's own questions: which runs, which words, which labels, what was found."""

import numpy as np
import pandas as pd
import pytest

from fourier_lab import RunConfig
from fourier_lab.errors import ConfigError
from fourier_lab.study import findings, selection, token_tables
from fourier_lab.text.corpus import Corpus, TokenPairs
from fourier_lab.text.tokenizer import token_words, toy_tokenizer
from fourier_lab.text.toy import toy_language

V = 5000


def test_comparison_is_a_grid_of_equal_settings():
    configs = selection.comparison(RunConfig(d_model=32), "learned, log", "frequency,semantic", n_seeds=2)
    assert [(c.id_order, c.arm, c.seed) for c in configs] == [
        (order, arm, seed) for order in ("frequency", "semantic") for arm in ("learned", "fourier") for seed in (0, 1)
    ]
    assert {c.frequencies for c in configs if c.arm == "fourier"} == {"log"}
    assert len({c.replace(arm="learned", frequencies="harmonic", seed=0, id_order="random") for c in configs}) == 1
    real = RunConfig(corpus="snli", source="folder")
    assert [c.id_order for c in selection.comparison(real, "learned", "semantic,random")] == ["frequency"]
    for wrong in ({"series": "cubic"}, {"series": "log", "id_orders": "reverse"}):
        with pytest.raises(ConfigError, match="unknown"):
            selection.comparison(RunConfig(), **wrong)


def test_token_classes_follow_the_vocabulary():
    config = RunConfig(vocab_size=V, id_order="semantic", d_model=32)
    tokenizer = toy_tokenizer(V, "semantic")
    words, classes = token_words(tokenizer), token_tables.token_classes(config, tokenizer)
    language = toy_language(V)
    for i in (5, 77, V - 1):
        place = language.words.index(words[i])
        assert classes["concept"][i] == language.concept[place]
    assert (classes["concept"][:5] == -1).all() and (classes["kind"][:5] == "special").all()
    # In semantic order neighbours name one concept.
    assert (np.diff(classes["concept"][5:]) == 0).mean() > 0.9
    assert set(token_tables.example_words(config, tokenizer)) <= set(words)
    assert token_tables.example_words(config, tokenizer, "a, b") == ["a", "b"]


def test_purity_labels_keep_the_frequent_tokens_only():
    ids = [np.array([1, 1, 3]), np.array([3, 3, 2])]
    corpus = Corpus(None, TokenPairs(ids, ids, np.zeros(2)), None, {}, {}, {})
    classes = {"kind": np.array(["a", "b", "a", "b", "a"]), "concept": np.arange(5) * 10}
    assert token_tables.purity_labels(classes, corpus, 2)[1].tolist() == [-1, 10, -1, 30, -1]
    name, labels = token_tables.purity_labels({"kind": classes["kind"]}, corpus, 3)
    assert name == "kind" and labels.tolist() == [-1, 1, 0, 1, -1]


def test_finding_states_what_the_table_holds():
    rows = [("learned", "random", 3, 900, 54.0, 56.0), ("fourier (log)", "frequency", 3, 80, 61.5, 63.0)]
    columns = ["model", "id_order", "seeds", "parameters", "test_spearman", "test_spearman_high"]
    text = findings.finding(pd.DataFrame([*rows, ("bag", "–", 0, 0, 40.0, np.nan)], columns=columns))
    head, *rest = text.splitlines()
    assert head.startswith("test Spearman") and "frequency: fourier (log) 61.5 ± 1.5" in head
    assert any("random: learned 54.0 ± 2.0" in line for line in rest) and any("bag 40.0" in line for line in rest)
