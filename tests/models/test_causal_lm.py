"""The language model: it looks back alone, and every head's loss is the cross-entropy of its own logits."""

import pytest
import torch
import torch.nn.functional as F

from fourier_lab import CausalLM, ModelConfig
from fourier_lab.embeddings.interface import stored_bits
from fourier_lab.errors import ConfigError
from fourier_lab.models.blocks import count_parameters
from fourier_lab.models.heads import start_at_counts
from fourier_lab.text.tokenizer import toy_tokenizer

V, D = 200, 16
# Parameters beyond embedding and blocks, by hand: of the map, the table, the bias.
HEADS = {
    "tied": ({}, V),
    "learned": ({}, V * D + V),
    "fourier": ({"n_frequencies": 12}, 2 * 12 * (D + 1) + V),
    "decoupled": ({"width": 6}, 6 * (D + 1) + 6 * V + V),
    # 50 ids and one cluster at width 16, 150 ids at width 4.
    "adaptive": ({"cutoffs": [50]}, 51 * D + 4 * D + 150 * 4),
    # Three softmaxes of 8, and two maps that take the codes before in.
    "hash_cascade": ({"buckets": 8, "hashes": 3}, 3 * 8 * (D + 1) + 2 * D * (D + 1)),
}
NORMALISED = ("adaptive", "hash_cascade")


def model(head: str, **settings) -> CausalLM:
    torch.manual_seed(0)
    usual = {"arm": "learned", "n_layers": 2, "n_heads": 2, "feed_forward": 1.0, "norm": "pre", "max_seq_len": 9}
    return CausalLM(
        ModelConfig(**usual | settings, vocab_size=V, d_model=D, head=head, head_options=tuple(HEADS[head][0].items()))
    )


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_later_token_changes_no_earlier_logit(norm):
    lm, ids = model("learned", norm=norm), torch.arange(18).view(2, 9)
    changed = ids.clone()
    changed[:, 5:] += 100
    before, after = lm(ids), lm(changed)
    assert torch.equal(before[:, :5], after[:, :5])
    assert (before[:, 5:] - after[:, 5:]).abs().amax(-1).min() > 1e-3
    assert torch.allclose(lm(ids[:, :4]), before[:, :4], atol=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_the_loss_is_the_cross_entropy_of_the_logits(head):
    lm, ids = model(head), torch.arange(16).view(2, 8)
    start_at_counts(lm.head, torch.arange(V))
    targets = torch.tensor([[3, 199, 60, 0, 49, 50, 51, 120]] * 2)
    own, dense = (parameter_gradients(lm, way(lm, ids, targets)) for way in (by_head, by_logits))
    assert torch.allclose(own[0], dense[0], atol=1e-5)
    for (name, first), second in zip(own[1].items(), dense[1].values(), strict=True):
        assert torch.allclose(first, second, atol=1e-5), name
    with torch.no_grad():
        each = lm.cross_entropy(lm.states(ids), targets, "none")
    assert each.shape == targets.shape and torch.allclose(each.mean(), own[0], atol=1e-5)
    assert torch.allclose(lm(ids).exp().sum(-1) if head in NORMALISED else torch.ones(1), torch.ones(1), atol=1e-5)


def by_head(lm, ids, targets):
    return lm.cross_entropy(lm.states(ids), targets)


def by_logits(lm, ids, targets):
    return F.cross_entropy(lm(ids).flatten(0, 1), targets.flatten())


def parameter_gradients(lm, loss):
    lm.zero_grad()
    loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in lm.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("head", HEADS)
def test_parameters_by_hand(head):
    lm = model(head)
    table = (V + 1) * D  # with the norm of its rows
    block = 4 * (D * D + D) + (D * 2 * D + 2 * D) + (D * D + D) + 2 * D
    assert count_parameters(lm.head) == HEADS[head][1]
    assert count_parameters(lm) == table + 2 * block + D + HEADS[head][1]  # D: the last norm
    seed = 64 if head in ("fourier", "hash_cascade") else 0  # which draws the frequencies, or the codes
    assert stored_bits(lm.head) == 32 * HEADS[head][1] + seed


@pytest.mark.parametrize(
    "settings", [{"arm": "fourier", "period": V}, {"arm": "bloom", "embedding_options": {"buckets": 20}}]
)
def test_a_computed_input_is_tied_by_its_rows(settings):
    lm = model("tied", **settings | {"embedding_options": tuple(settings.get("embedding_options", {}).items())})
    ids = torch.arange(5)[None]
    rows = lm.embedding(torch.arange(V))
    expected = lm.states(ids) @ rows.T
    assert torch.allclose(lm(ids), expected, atol=1e-4)
    assert count_parameters(lm.head) == V


def test_a_bias_starts_at_the_share_of_each_id():
    lm, counts = model("decoupled"), torch.zeros(V)
    counts[7] = 99
    start_at_counts(lm.head, counts)
    shares = lm.head[-1].bias.detach().exp()
    assert float(shares[7]) == pytest.approx(100 / (99 + V)) and float(shares.sum()) == pytest.approx(1.0)


def test_codes_start_at_their_share_of_the_text_and_no_two_ids_share_all_of_them():
    head, counts = model("hash_cascade").head, torch.zeros(V)
    assert len(torch.unique(head.signatures, dim=0)) == V
    counts[7] = 99
    start_at_counts(head, counts)
    first = head.signatures[:, 0]
    share = (99 + int((first == first[7]).sum())) / (99 + V)
    assert float(head.biases[0, first[7]].detach().exp()) == pytest.approx(share)


def test_text_goes_on_alike_for_one_seed():
    torch.manual_seed(0)
    tokenizer = toy_tokenizer(V)
    lm = CausalLM(ModelConfig("learned", V, D, head="tied", max_seq_len=4), tokenizer)
    prompt = tokenizer.id_to_token(10)
    first, again, other = (lm.generate(prompt, seed, n_tokens=8) for seed in (0, 0, 1))
    assert first == again != other and first.startswith(prompt) and len(first.split()) == 9
    assert len(lm.generate("", n_tokens=3).split()) in (3, 4)  # a line end may be shown
    with pytest.raises(ConfigError, match=r"temperature \(0\) must be above 0"):
        lm.generate(prompt, temperature=0)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="needs a head"):
        CausalLM(ModelConfig("learned", V, D))
    with pytest.raises(ConfigError, match=r"width \(0\)"):
        CausalLM(ModelConfig("learned", V, D, head="decoupled", head_options=(("width", 0),)))
    with pytest.raises(ConfigError, match="4 hashes of 3 buckets give 81"):
        CausalLM(ModelConfig("learned", V, D, head="hash_cascade", head_options=(("buckets", 3),)))
    with pytest.raises(ConfigError, match="the period of the embedding"):
        CausalLM(ModelConfig("fourier", V, D, head="tied"))
