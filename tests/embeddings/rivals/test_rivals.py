"""Every rival keeps the rules of a token embedding, counts as derived by hand, learns, and is its seed's alone."""

import dataclasses
import inspect
import subprocess
import sys

import pytest
import torch

import fourier_lab as fl
from fourier_lab.embeddings.interface import rows_of
from fourier_lab.embeddings.registry import EMBEDDINGS, RIVALS
from fourier_lab.errors import ConfigError, RecordError
from tests.made_up import spelled

# Parameters at V = 1000, d = 64 and V = 30522, d = 256, then bits beside them, each derived from the method's formula at its
# defaults. The last 64 or 256 are the gains of the norm.
COUNTS = {
    "factorised": (1000 * 16 + 16 * 64 + 64, 30522 * 16 + 16 * 256 + 256, 0),
    "adaptive": (
        1000 * 64 + 64 * 64 + 64,  # one band
        2000 * 64 + 8000 * 16 + 20522 * 4 + (64 + 16 + 4) * 256 + 256,
        0,
    ),
    "hashed": (1024 * 64 + 64, 1024 * 256 + 256, 64),
    "hash_embeddings": (1024 * 64 + 1000 * 2 + 64, 1024 * 256 + 30522 * 2 + 256, 64),
    "bloom": (1024 * 64 + 64, 1024 * 256 + 256, 64),
    "canine": (8 * 1024 * 8 + 64, 8 * 1024 * 32 + 256, 64),
    "signature": (4 * 64 * 64 + 64, 65536 + 256, 64),
    "quotient_remainder": ((32 + 32) * 64 + 64, (175 + 175) * 256 + 256, 0),  # 32² = 1024, 175² = 30625
    "tensor_train": (
        16 * 10 * 4 + 16 * 10 * 4 * 16 + 16 * 10 * 4 + 64,
        16 * 32 * 8 + 16 * 31 * 4 * 16 + 16 * 31 * 8 + 256,
        0,
    ),
    "word2ket": (12 * 2 * 32 * 8 + 64, 12 * 2 * 175 * 16 + 256, 0),
    "robe": (65536 + 64, 65536 + 256, 64),
    "deep_hash": (2 * (128 * 128 + 128) + 128 * 64 + 64 + 64, 66048 + 256, 64),
    "alone": (64 + 64 * 128 + 128 * 64 + 64, 256 + 256 * 128 + 128 * 256 + 256, 64),
    "leviathan": (
        3 * 10 * 64 + 4 * (64 * 64 + 2 * 64) + 4 * 64 * 16 * 8 + 4 * 8 * 64 + 64,
        64000 + 256,
        0,
    ),
    "frozen_random": (64 * 64 + 64 + 64, 65792 + 256, 64),
    "frozen_binary": (64 * 64 + 64 + 64, 65792 + 256, 0),
    "dct": (256 * 64 + 64, 65536 + 256, 0),
    "learned_frequencies": (32 + 64 * 64 + 64 + 64, 128 + 65792 + 256, 0),
    "companded": (64 * 64 + 64 + 64, 65792 + 256, 0),
    "companded_by_counts": (64 * 64 + 64 + 64, 65792 + 256, 0),  # and its V counts
    "sinusoidal": (64 * 64 + 64 + 64, 65792 + 256, 0),
    "byte_waves": (2 * 128 * 64 + 64, 2 * 128 * 256 + 256, 64),
    "kronecker": (256 * 16 * 64 + 64, 256 * 16 * 256 + 256, 0),
    "ngrams": (1024 * 64 + 64, 1024 * 256 + 256, 0),
}
SEEDED = [name for name in RIVALS if COUNTS[name][2]]
SAVE_ROWS = """
import sys, torch
from fourier_lab.embeddings.interface import rows_of
from fourier_lab.embeddings.registry import EMBEDDINGS, RIVALS
rows = {}
for name in RIVALS:
    torch.manual_seed(5)
    embedding = EMBEDDINGS.build(name, (300, 64), EMBEDDINGS.settings_of(name)(), 5)
    if hasattr(embedding, "set_words"):
        embedding.set_words([f"word {i}" for i in range(300)])
    rows[name] = rows_of(embedding)
torch.save(rows, sys.argv[1])
"""


def build(name, v=1000, d=64, seed=0, **settings):
    torch.manual_seed(seed)
    return spelled(EMBEDDINGS.build(name, (v, d), EMBEDDINGS.settings_of(name)(**settings), seed))


def test_every_rival_is_counted_here():
    assert tuple(COUNTS) == RIVALS


@pytest.mark.parametrize("name", RIVALS)
@pytest.mark.parametrize("place, v, d", [(0, 1000, 64), (1, 30522, 256)])
def test_it_keeps_the_rules_and_counts_as_derived_by_hand(name, place, v, d):
    embedding = fl.check_embedding(build(name, v, d))
    parameters = COUNTS[name][place]
    assert sum(p.numel() for p in embedding.parameters()) == parameters
    kept = 32 * v if name == "companded_by_counts" else 0
    assert fl.stored_bits(embedding) == 32 * parameters + COUNTS[name][2] + kept
    assert EMBEDDINGS.settings_of(name)().parameters(v, d) == parameters


@pytest.mark.parametrize("name", RIVALS)
def test_rows_start_at_mean_square_one_and_every_parameter_learns(name):
    embedding = build(name)
    rows = embedding(torch.arange(1000))
    torch.testing.assert_close(rows.square().mean(-1), torch.ones(1000), atol=1e-3, rtol=0)
    (rows * torch.randn(rows.shape)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in embedding.parameters())


@pytest.mark.parametrize("name", RIVALS)
def test_rows_before_the_norm_start_at_a_scale_that_the_norm_need_not_save(name):
    embedding = build(name)
    given = []
    embedding.norm.register_forward_pre_hook(lambda module, inputs: given.append(inputs[0].detach()))
    embedding(torch.arange(1000))
    assert 0.03 < given[0].square().mean().sqrt().item() < 3


@pytest.mark.parametrize("name", RIVALS)
def test_signature_and_settings_have_the_same_defaults(name):
    settings = EMBEDDINGS.settings_of(name)
    fields = {field.name: field.default for field in dataclasses.fields(settings)}
    arguments = list(inspect.signature(EMBEDDINGS.find(name)).parameters.values())[2:]
    defaults = {a.name: a.default for a in arguments if a.name not in ("seed", "frequency_seed")}
    assert defaults == fields and settings.__dataclass_params__.frozen


def test_settings_are_known_without_torch():
    code = (
        "import sys; from fourier_lab.embeddings.registry import EMBEDDINGS\n"
        "from fourier_lab.embeddings.rivals.budgets import sized\n"
        "for name in EMBEDDINGS.names(): EMBEDDINGS.settings_of(name)().parameters(30522, 256)\n"
        "sized('tensor_train', 30522, 256, 66048); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_same_seed_gives_the_same_rows_in_a_fresh_process(tmp_path):
    subprocess.run([sys.executable, "-c", SAVE_ROWS, tmp_path / "rows.pt"], check=True)
    found = torch.load(tmp_path / "rows.pt")
    assert tuple(found) == RIVALS
    for name, rows in found.items():
        torch.testing.assert_close(rows, rows_of(build(name, 300, seed=5)), msg=name)


@pytest.mark.parametrize("name", SEEDED)
def test_another_seed_gives_other_codes_and_refuses_the_weights(name):
    first, other = build(name, seed=0), build(name, seed=1)
    weights = dict(first.named_parameters())
    with torch.no_grad():
        for own, parameter in other.named_parameters():
            parameter.copy_(weights[own])
    assert not torch.allclose(rows_of(first), rows_of(other), atol=0.01)
    with pytest.raises(RecordError, match=f"{type(first).__name__} with .*seed 0; this one has .*seed 1"):
        other.load_state_dict(first.state_dict())


@pytest.mark.parametrize("name", RIVALS)
def test_weights_come_back_from_a_state_dict(name):
    first, other = build(name, seed=3), build(name, seed=3)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    assert not torch.allclose(rows_of(first), rows_of(other), atol=0.01)
    other.load_state_dict(first.state_dict())
    torch.testing.assert_close(rows_of(first), rows_of(other), atol=0, rtol=0)
    with pytest.raises((RecordError, RuntimeError)):
        build(name, v=999, seed=3).load_state_dict(first.state_dict())


def test_weights_of_another_rival_with_the_same_tensors_are_refused():
    with pytest.raises(RecordError, match="BloomEmbedding"):
        build("hashed").load_state_dict(build("bloom").state_dict())


@pytest.mark.parametrize("name", RIVALS)
def test_ids_and_batches_are_as_for_a_table(name):
    embedding = build(name)
    with pytest.raises(ConfigError, match=r"must lie in 0\.\.999"):
        embedding(torch.tensor([1000]))
    ids = torch.tensor([[5, 999, 5], [0, 7, 0]], dtype=torch.int32)
    torch.testing.assert_close(embedding(ids), rows_of(embedding)[ids.long()])
    assert embedding(torch.empty(0, 3, dtype=torch.int64)).shape == (0, 3, 64)


@pytest.mark.parametrize(
    "name, settings, rule",
    [
        ("factorised", {"rank": 0}, "rank .0. of FactorisedEmbedding must be a positive integer"),
        ("adaptive", {"cutoffs": (10, 5)}, "rising cutoffs"),
        ("byte_waves", {"mapped": False}, r"has 2 n_phases .256. numbers, and rows have 64"),
        ("ngrams", {"shortest": 5, "longest": 4}, r"longest .4. must be at least shortest .5."),
        ("adaptive", {"widths": (8, 4)}, "one positive width more"),
        ("hashed", {"buckets": 2.5}, "must be a positive integer"),
        ("canine", {"hashes": 7}, r"hashes \(7\) must divide embedding_dim \(64\)"),
        ("signature", {"buckets": 2}, "1000 ids need at least 2000 signatures, but 4 hashes of 2 buckets give 16"),
        ("quotient_remainder", {"operation": "divide"}, "operation must be one of multiply, add, concatenate"),
        ("word2ket", {"order": 1}, "order .1. must be at least 2"),
        ("robe", {"block": 7}, "block .7. must divide"),
        ("robe", {"size": 4}, "block .8. must be at most size .4."),
        ("leviathan", {"knots": 2}, "knots .2. must be at least 3"),
        ("frozen_random", {"mlp": "deep"}, "unknown mlp 'deep'"),
        ("sinusoidal", {"base": 1.0}, "base .1.0. must be a finite number above 1"),
        ("dct", {"coefficients": 1001}, "coefficients .1001. must be at most num_embeddings"),
        ("companded", {"exponent": -1.0}, "finite exponent from 0"),
        ("companded", {"shift": 0.0}, "finite shift above 0"),
    ],
)
def test_each_rule_is_named(name, settings, rule):
    with pytest.raises(ConfigError, match=rule):
        build(name, **settings)


def test_a_code_too_narrow_for_its_ids_is_refused():
    with pytest.raises(ConfigError, match="must be at least 10, the bits that tell 1000 ids apart"):
        build("frozen_binary", d=8)
