"""Anybody's token embedding: what keeps the rules passes, whatever breaks one is told so when an encoder is built."""

import pytest
import torch
from torch import nn

import fourier_lab as fl
from fourier_lab.embeddings.interface import rows_of
from fourier_lab.errors import ConfigError


class Hashed(nn.Module):
    """Rows shared by all ids of a bucket, without a table of its own."""

    def __init__(self, num_embeddings, embedding_dim, buckets=8):
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.rows = nn.Embedding(buckets, embedding_dim)

    def forward(self, token_ids):
        return self.rows(token_ids % self.rows.num_embeddings)


def broken(forward, **attributes):
    """A Hashed embedding whose forward is ``forward(self, token_ids)``."""
    module = type("Broken", (Hashed,), {"forward": forward} | attributes)(50, 6)
    return module


@pytest.mark.parametrize(
    "embedding",
    [
        Hashed(50, 6), nn.Embedding(50, 6), nn.Embedding(2, 3), fl.LearnedEmbedding(50, 6), fl.FourierEmbedding(50, 6),
        Hashed(50, 6).double(), nn.Sequential(nn.Embedding(50, 6), nn.Dropout(0.5)),
    ],
    ids=lambda module: type(module).__name__,
)  # fmt: skip
def test_what_keeps_the_rules_passes_and_stays_as_it_was(embedding):
    if isinstance(embedding, nn.Sequential):
        embedding.num_embeddings, embedding.embedding_dim = 50, 6
    before = torch.random.get_rng_state()
    assert fl.check_embedding(embedding.train()) is embedding and embedding.training
    assert torch.equal(torch.random.get_rng_state(), before)
    rows = rows_of(embedding)
    assert rows.shape == (embedding.num_embeddings, embedding.embedding_dim)
    torch.testing.assert_close(rows, embedding.eval()(torch.arange(len(rows))).detach())


def draws(self, token_ids):
    return torch.randn(*token_ids.shape, 6)


def looks_beside(self, token_ids):
    return self.rows(token_ids % 8) + token_ids.double().mean().float()


def too_short(self, token_ids):
    return nn.functional.embedding(token_ids, torch.ones(49, 6))


@pytest.mark.parametrize(
    ("embedding", "rule"),
    [
        (nn.Linear(3, 3), "must be a torch.nn.Module with num_embeddings"),
        (torch.arange(3), "Tensor is no token embedding"),
        (broken(lambda self, ids: self.rows(ids % 8)[..., :5]), r"\(6,\) into vectors of shape \(6, 6\), got \(6, 5\)"),
        (broken(lambda self, ids: self.rows(ids.view(-1) % 8)), r"of shape \(2, 3, 6\), got \(6, 6\)"),
        (broken(lambda self, ids: [1.0]), "got list"),
        (broken(lambda self, ids: self.rows(ids % 8).long()), "floating-point vectors, got torch.int64"),
        (broken(lambda self, ids: self.rows(ids % 8) / 0), "finite vectors"),
        (broken(draws), "the same vectors twice in eval mode"),
        (broken(looks_beside), "wherever it stands"),
        (broken(too_short), r"fails on ids of 0\.\.49"),
        (broken(Hashed.forward, to_table=lambda self: nn.Embedding(50, 6)), "with the rows that forward gives"),
        (broken(Hashed.forward, to_table=lambda self: None), r"must return the torch.nn.Embedding\(50, 6\)"),
    ],
)  # fmt: skip
def test_each_broken_rule_is_named(embedding, rule):
    with pytest.raises(ConfigError, match=rule):
        fl.check_embedding(embedding)


def test_stored_bits_are_derived_by_hand():
    d, v = 16, 100
    assert fl.stored_bits(fl.LearnedEmbedding(v, d)) == 32 * (v * d + d)
    mlp = d * d + d
    assert fl.stored_bits(fl.FourierEmbedding(v, d)) == 32 * (mlp + d)  # harmonic frequencies follow from d
    assert fl.stored_bits(fl.FourierEmbedding(v, d, "random")) == 32 * (mlp + d) + 64  # the seed
    assert fl.stored_bits(fl.FourierEmbedding(v, d, range(1, 9))) == 32 * (mlp + d) + 8 * 64
    coded = nn.Embedding(v, d).requires_grad_(False)  # frozen numbers are kept too
    coded.register_buffer("permutation", torch.arange(v))
    coded.register_buffer("scratch", torch.zeros(v), persistent=False)
    coded.extra_bits = 7
    assert fl.stored_bits(coded) == 32 * v * d + 64 * v + 7
    assert fl.stored_bits(nn.Sequential(coded)) == 32 * v * d + 64 * v + 7
