"""Weights of parts of speech are told in units of their mean over the training text."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from made_up import record

from fourier_lab import ModelConfig, SentenceEncoder
from fourier_lab.errors import ConfigError
from fourier_lab.study.speech import speech_weights


@dataclass
class Run:
    record: Any
    encoder: Any
    corpus: Any


@dataclass
class Text:
    sentences: Any
    train: Any = None


def run_of(kind):
    encoder = SentenceEncoder(ModelConfig("learned", 4, 8, n_heads=1, attention_weights=kind))
    text = Text([])
    text.train = Text([np.array([0, 0, 1]), np.array([3])])
    return Run(record(0, 0, d_model=8, attention_weights=kind), encoder, text)


def test_weights_are_divided_by_their_mean_over_tokens():
    run = run_of("speech")
    run.encoder.attention_weights.set_classes(torch.tensor([0, 1, 1, 5]))  # noun, verb, verb, determiner
    run.encoder.attention_weights.start(torch.tensor([3.0, 1.0, 9.0, 9.0, 9.0, 5.0, *[9.0] * 6]))
    found = speech_weights(run)  # the mean is (3 + 3 + 1 + 5) / 4
    assert found == pytest.approx({"noun": 1, "verb": 1 / 3, "determiner": 5 / 3}, rel=1e-5)


def test_other_weights_are_refused():
    with pytest.raises(ConfigError, match="attention_weights 'idf', which are not of parts of speech"):
        speech_weights(run_of("idf"))
