"""The Fourier head: equal to a dense layer in logits, loss and gradients, what its rows can and cannot say, its memory."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import linprog
from torch.utils._python_dispatch import TorchDispatchMode

from fourier_lab import FourierEmbedding, FourierHead, ModelConfig, fourier_basis, stored_bits
from fourier_lab.embeddings.interface import rows_of
from fourier_lab.errors import ConfigError, RecordError
from fourier_lab.geometry.resolution import norm_for_one_nat
from fourier_lab.models.blocks import build_embedding
from fourier_lab.models.heads import build_head

V, D, K = 1000, 16, 40


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def made(**changes):
    head = FourierHead(**{"vocab_size": V, "d_model": D, "n_frequencies": K, **changes})
    if head.bias is not None:
        torch.nn.init.normal_(head.bias)
    return head


def tied(mlp="linear", **changes):
    embedding = FourierEmbedding(V, D, "random", mlp=mlp, period=1024, **changes)
    torch.nn.init.normal_(embedding.norm.weight)
    head = FourierHead.tied_to(embedding)
    torch.nn.init.normal_(head.bias)
    return head, embedding


def dense(head, h):
    """The logits as a product with the codes of all ids."""
    v, k = head.vocab_size, len(head.frequencies)
    codes = fourier_basis(torch.arange(v), v, 2 * k, head.frequencies, head.period).to(h)
    logits = head.map(h if head.mlp is None else h + head.mlp(h)) @ codes.T / k**0.5
    return logits if head.bias is None else logits + head.bias


def dense_tied(head, embedding, h):
    return h @ embedding(torch.arange(V)).T + head.bias


SIDES = {
    "mixed": lambda: (made(), dense),
    "no bias": lambda: (made(bias=False), dense),
    "mlp": lambda: (made(mlp="geglu"), dense),
    "many frequencies": lambda: (made(n_frequencies=511), dense),
    "listed": lambda: (made(frequencies=[1, 7, 300], n_frequencies=None), dense),
    "odd period": lambda: (made(period=1001), dense),
    "tied": lambda: (lambda head, e: (head, lambda _, h: dense_tied(head, e, h)))(*tied()),
    "tied, no map, padding": lambda: (lambda head, e: (head, lambda _, h: dense_tied(head, e, h)))(
        *tied("none", padding_idx=3)
    ),
}


@pytest.fixture(params=SIDES)
def sides(request):
    return SIDES[request.param]()


def test_logits_are_the_dense_product(sides):
    head, reference = sides
    h, ids = torch.randn(3, 5, D), torch.randint(V, (3, 5, 4))
    logits = reference(head, h)
    assert head(h).shape == (3, 5, V)
    torch.testing.assert_close(head(h), logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(head.logits(h[0, 0]), logits[0, 0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(head.logits_at(h, ids), logits.gather(-1, ids), rtol=1e-5, atol=1e-5)
    if getattr(head, "mlp", None) is None:
        torch.testing.assert_close(head.to_linear()(h), logits, rtol=1e-5, atol=1e-5)


def test_the_loss_in_chunks_and_all_its_gradients_are_those_of_the_dense_product(sides):
    head, reference = sides
    h, targets = torch.randn(3, 5, D, requires_grad=True), torch.randint(V, (3, 5))
    logits = reference(head, h).flatten(0, 1)
    shared = [*head._shared[0].parameters()] if hasattr(head, "_shared") else []
    inputs = [h, *head.parameters(), *shared]
    for reduction in ("mean", "sum"):
        expected = F.cross_entropy(logits, targets.flatten(), reduction=reduction)
        loss = head.cross_entropy(h, targets, reduction, most_logits=4 * head.period)  # 4 or 2 rows; 15 are no multiple
        torch.testing.assert_close(loss, expected)
        # The loss is multiplied, as in a sum of losses, so that the gradient kept has to be too.
        ours, theirs = (torch.autograd.grad(3 * each, inputs, retain_graph=True) for each in (loss, expected))
        for mine, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)
    each = F.cross_entropy(logits, targets.flatten(), reduction="none").view(3, 5)
    with torch.no_grad():
        torch.testing.assert_close(head.cross_entropy(h, targets, "none"), each)


def test_gradients_agree_with_differences_in_float64():
    head = FourierHead(40, 4, n_frequencies=5).double()
    torch.nn.init.normal_(head.bias)
    h, targets = torch.randn(3, 4, dtype=torch.float64, requires_grad=True), torch.tensor([0, 39, 7])
    weights = [head.map.weight, head.map.bias, head.bias]
    assert torch.autograd.gradcheck(lambda x, *_: head(x), (h, *weights))
    assert torch.autograd.gradgradcheck(lambda x, *_: head(x), (h, *weights))
    assert torch.autograd.gradcheck(
        lambda x, *_: head.cross_entropy(x, targets, most_logits=2 * head.period), (h, *weights)
    )


def test_gradients_of_a_tied_head_agree_with_differences_in_float64():
    embedding = FourierEmbedding(30, 6, "random", period=32).double()
    head = FourierHead.tied_to(embedding).double()
    h, targets = torch.randn(3, 6, dtype=torch.float64, requires_grad=True), torch.tensor([0, 29, 7])
    weights = [head.bias, *embedding.parameters()]
    assert torch.autograd.gradcheck(lambda x, *_: head(x), (h, *weights))
    assert torch.autograd.gradcheck(lambda x, *_: head.cross_entropy(x, targets, most_logits=4 * 32), (h, *weights))


class Largest(TorchDispatchMode):
    """The most numbers in any tensor that an operation gives."""

    numbers = 0

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        result = function(*arguments, **(options or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, torch.Tensor):
                self.numbers = max(self.numbers, tensor.numel() * (2 if tensor.is_complex() else 1))
        return result


@pytest.mark.parametrize("rows", [1, 4])
def test_no_more_logits_than_stated_are_ever_held(rows):
    head, h, targets = made(vocab_size=5000), torch.randn(64, D, requires_grad=True), torch.randint(5000, (64,))
    with Largest() as seen:
        head.cross_entropy(h, targets, most_logits=(rows + 1) * head.period - 1).backward()
    assert head.transform.count * 2 + head.period >= seen.numbers / rows >= head.period  # the spectra have 2 more
    with Largest() as seen:  # the measure sees logits where there are some
        F.cross_entropy(head(h), targets).backward()
    assert seen.numbers >= 64 * 5000


def test_without_a_bias_log_probabilities_obey_v_minus_2k_minus_1_linear_identities():
    # Σ_j c_j l(p + j) = 0 for every p and h, where the polynomial of the c has the roots 1 and e^{±2πi k / M}: the 2 K
    # sinusoids and, for the logarithm of the sum, a constant are what such a recurrence of 2 K + 1 steps removes.
    v, k = 60, 5
    head = FourierHead(v, 12, n_frequencies=k, bias=False).double()
    turns = np.exp(2j * np.pi * head.frequencies.numpy() / head.period)
    recurrence = torch.from_numpy(np.poly([1, *turns, *turns.conj()]).real.copy())
    h = torch.randn(100, 12, dtype=torch.float64)
    log_probabilities = head(h).log_softmax(-1).detach()
    identities = log_probabilities.unfold(-1, 2 * k + 2, 1) @ recurrence.flip(0)
    assert identities.shape == (100, v - 2 * k - 1)
    assert identities.abs().max() < 1e-4 * recurrence.abs().max() and log_probabilities.std() > 0.1
    assert torch.linalg.matrix_rank(log_probabilities, rtol=1e-5) == 2 * k + 1
    with_bias = FourierHead(v, 12, n_frequencies=k).double()
    torch.nn.init.normal_(with_bias.bias)
    broken = with_bias(h).log_softmax(-1).detach().unfold(-1, 2 * k + 2, 1) @ recurrence.flip(0)
    assert broken.abs().max() > 0.1 * recurrence.abs().max()


def lead(rows, chosen):
    """The largest margin by which one h with entries in -1..1 puts the chosen ids above all others; 0 if none does."""
    others = np.setdiff1d(np.arange(len(rows)), chosen)
    gaps = (rows[others][:, None] - rows[list(chosen)]).reshape(-1, rows.shape[1])
    found = linprog(
        np.r_[np.zeros(rows.shape[1]), -1.0], A_ub=np.c_[gaps, np.ones(len(gaps))], b_ub=np.zeros(len(gaps)),
        bounds=[(-1, 1)] * rows.shape[1] + [(0, None)],
    )  # fmt: skip
    assert found.status == 0
    return -found.fun


def test_every_token_of_harmonic_rows_can_be_the_most_likely_and_a_random_table_need_not_allow_it():
    head = FourierHead(200, 8, "harmonic", period=200, bias=False).double()
    rows = head.to_linear().weight.detach().numpy()
    rows /= np.linalg.norm(rows, axis=1).mean()
    assert min(lead(rows, [p]) for p in range(200)) > 1e-8
    table = np.random.default_rng(0).normal(size=(200, 8)) / 8**0.5
    assert sum(lead(table, [p]) < 1e-8 for p in range(200)) > 10


def test_any_k_tokens_of_harmonic_rows_can_be_on_top_and_of_random_frequencies_not():
    # The rows lie on the trigonometric moment curve: the vertices of a cyclic polytope (Gale 1963). Four ids far apart and
    # eight digits of margin are not to be had together, so they lie close enough to be told from 0.
    groups = [[10, 20, 50, 90], [0, 60, 110, 150], [3, 40, 80, 199], [5, 6, 100, 101]]
    codes = {
        name: fourier_basis(torch.arange(200), 200, 8, name, period=200).double().numpy()
        for name in ("harmonic", "random")
    }
    leads = {name: [lead(rows, group) for group in groups] for name, rows in codes.items()}
    assert min(leads["harmonic"]) > 1e-7
    assert min(leads["random"]) < 1e-9


def test_one_nat_between_neighbours_is_dear_for_harmonic_codes_and_cheap_for_random_ones():
    heads = {name: FourierHead(32768, 256, name, period=32768) for name in ("harmonic", "random")}
    norms = {name: norm_for_one_nat(head.frequencies, 32768) for name, head in heads.items()}
    assert norms["harmonic"] == pytest.approx(6.2, abs=0.05)
    assert norms["random"] == pytest.approx(1 / 256**0.5, abs=0.002)  # of 128 unrelated pairs
    for (
        name,
        head,
    ) in heads.items():  # spent wholly on a pair, an amplitude of this norm gives the nat, and no less does
        first, second = fourier_basis(torch.tensor([700, 701]), 32768, 256, head.frequencies, 32768).double()
        amplitude = norms[name] * F.normalize(first - second, dim=0)
        assert amplitude @ (first - second) == pytest.approx(1, rel=1e-3)
    assert norm_for_one_nat([2, 4], 10, lag=5) == np.inf


def test_bfloat16_autocast_moves_logits_and_loss_by_little():
    head, h, targets = made(), torch.randn(20, D), torch.randint(V, (20,))
    logits, loss = head(h), head.cross_entropy(h, targets)
    with torch.autocast("cpu", torch.bfloat16):
        low = head(h)
        low_loss = head.cross_entropy(h, targets)
    low_loss.backward()
    assert low.dtype == low_loss.dtype == torch.float32
    assert 0 < (low - logits).abs().max() < 0.05 and low_loss.item() == pytest.approx(loss.item(), abs=0.01)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())
    short = copy.deepcopy(head).to(torch.bfloat16)
    assert short.cross_entropy(h.bfloat16(), targets).item() == pytest.approx(loss.item(), abs=0.05)


def test_a_head_is_built_on_meta_and_filled_from_weights():
    with torch.device("meta"):
        empty = FourierHead(V, D, n_frequencies=K)
    assert empty(torch.randn(2, D, device="meta")).shape == (2, V)
    head, h = made(), torch.randn(2, D)
    filled = empty.to_empty(device="cpu")
    filled.load_state_dict(head.state_dict())
    torch.testing.assert_close(filled(h), head(h))


def test_logits_export_for_any_number_of_tokens():
    head, batch = made(), torch.export.Dim("batch")
    exported = torch.export.export(head, (torch.randn(3, D),), dynamic_shapes=({0: batch},)).module()
    h = torch.randn(7, D)
    torch.testing.assert_close(exported(h), head(h))


def test_weights_of_other_settings_are_refused():
    state = made().state_dict()
    made().load_state_dict(state)
    for other in ({"frequency_seed": 1}, {"frequencies": "log"}, {"period": 2000}):
        with pytest.raises(RecordError, match="40 mixed frequencies"):
            made(**other).load_state_dict(state)


def test_a_tied_head_adds_the_bias_alone_and_both_ends_train_the_same_weights():
    head, embedding = tied()
    assert [name for name, _ in head.named_parameters()] == list(head.state_dict()) == ["bias"]
    model = torch.nn.ModuleList([embedding, head])
    clone = copy.deepcopy(model)
    assert clone[1]._shared[0] is clone[0]
    model[1].cross_entropy(torch.randn(4, D), torch.arange(4)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert clone[0].norm.weight.grad is None


def test_parameters_and_stored_bits_are_what_the_docstring_says():
    head = FourierHead(V, D, n_frequencies=K)
    assert sum(p.numel() for p in head.parameters()) == 2 * K * (D + 1) + V
    assert stored_bits(head) == 32 * (2 * K * (D + 1) + V) + 64
    behind = FourierHead(V, D, n_frequencies=K, mlp="geglu")
    assert sum(p.numel() for p in behind.parameters()) == 2 * K * (D + 1) + V + 6 * D * D + 5 * D
    assert len(FourierHead(V, D).frequencies) == D // 2
    assert stored_bits(FourierHead(V, D, "harmonic", bias=False)) == 32 * D * (D + 1)


def test_first_logits_are_of_the_size_of_a_dense_layers():
    h = torch.randn(50, 64)
    ours, theirs = FourierHead(5000, 64, n_frequencies=300)(h), torch.nn.Linear(64, 5000)(h)
    assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.15)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab_size": 1}, "vocab_size"), ({"d_model": 0}, r"d_model \(0\)"), ({"period": 999}, "at least vocab_size"),
        ({"n_frequencies": 512}, r"n_frequencies \(512\) must be an integer in 1..511"),
        ({"frequencies": [1, 512], "n_frequencies": 2}, "below half the period"),
        ({"frequencies": "white"}, "white"), ({"n_frequencies": 0}, "n_frequencies"),
        ({"frequencies": [0, 5], "n_frequencies": 2}, ">= 1"), ({"mlp": "silu"}, "Choose none or geglu"),
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        FourierHead(**{"vocab_size": V, "d_model": D, "n_frequencies": K, **changes})


def test_calls_that_cannot_be_are_refused():
    head, h = made(), torch.randn(2, D)
    for targets, options, message in (
        (torch.tensor([0, V]), {}, r"0\.\.999"), (torch.tensor([0]), {}, "one id for each"),
        (torch.tensor([0, 1]), {"reduction": "max"}, "mean, sum, none"),
        (torch.tensor([0, 1]), {"most_logits": V - 1}, "at least 1024"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            head.cross_entropy(h, targets, **options)
    with pytest.raises(ConfigError, match="not linear in its hidden states"):
        made(mlp="geglu").to_linear()
    with pytest.raises(ConfigError, match=r"0\.\.999"):
        head.logits_at(h, torch.tensor([[-1], [0]]))
    for embedding, message in (
        (FourierEmbedding(V, D), "period=1024"), (FourierEmbedding(V, D, mlp="geglu", period=1024), "mlp geglu"),
        (FourierEmbedding(V, D, basis="legendre"), "legendre"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            FourierHead.tied_to(embedding)


@pytest.mark.parametrize("kind", ["companded", "companded_by_counts", "learned_frequencies"])
def test_a_tied_head_over_moved_ids_or_learned_frequencies_reads_their_rows(kind):
    config = ModelConfig(kind, V, D, head="tied", period=1024)
    embedding = build_embedding(config).eval()
    h = torch.randn(3, D)
    torch.testing.assert_close(build_head(config, embedding)(h), h @ rows_of(embedding).T, atol=1e-4, rtol=0)
