"""The language explorer: two models side by side, waves that can be taken away, and sentences for what does not fit."""

import pytest
import torch

from fourier_lab import CausalLM, ModelConfig
from fourier_lab.errors import ConfigError
from fourier_lab.text.tokenizer import toy_tokenizer
from fourier_lab.widgets import explore_language

V = 200


@pytest.fixture(scope="module")
def models():
    torch.manual_seed(0)
    sizes = {"vocab_size": V, "d_model": 16, "n_layers": 1, "n_heads": 2, "max_seq_len": 6}
    heads = {
        "table": ("learned", ()),
        "waves": ("fourier", (("n_frequencies", 12),)),
        "few": ("fourier", (("n_frequencies", 4),)),
    }
    return {
        name: CausalLM(ModelConfig("learned", **sizes, head=head, head_options=options), toy_tokenizer(V))
        for name, (head, options) in heads.items()
    }  # fmt: skip


def test_waves_follow_the_head_and_the_words_say_how_sure_it_is(models):
    explorer = explore_language(models, toy_tokenizer(V).id_to_token(9))
    assert explorer.settings | {"prompt": ""} == {"prompt": "", "waves_of": "waves", "beside": "table", "waves": 12}
    assert "With 12 of 12 waves" in explorer.text and "7.6 would be a draw from all ids" in explorer.text
    assert [len(part.axes) for part in explorer.figure.subfigs] == [3, 2]
    explorer.set(waves=0)
    assert "With 0 of 12 waves the next token is uncertain by 7.6 bits" in explorer.text  # a bias of zeros
    explorer.set(waves=9, beside="waves")
    explorer.set(waves_of="few")
    assert explorer.settings["waves"] == 4
    if explorer.controls:
        assert explorer.controls["waves"].max == 4


def test_what_does_not_fit_is_said(models):
    explorer = explore_language(models, n_waves=3)
    assert explorer.settings["waves"] == 3 and explorer.settings["prompt"] == "The"
    with pytest.raises(ConfigError, match="13 waves of 12"):
        explorer.set(waves=13)
    with pytest.raises(ConfigError, match=r"unknown model 'table'. Choose from waves, few"):
        explorer.set(waves_of="table")
    with pytest.raises(ConfigError, match="none of the models has a computed head: table"):
        explore_language({"table": models["table"]})
