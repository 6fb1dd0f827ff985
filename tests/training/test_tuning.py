"""Few numbers of a pretrained encoder are tuned: which ones, how many, from where, and what is kept of them."""

import pytest
import torch
from torch.nn.utils import parametrize

from fourier_lab import RunConfig, SentenceEncoder, load_encoder, train
from fourier_lab.errors import ConfigError
from fourier_lab.models.blocks import count_parameters
from fourier_lab.models.tuning import GIFT, LoRA, merge, tune
from fourier_lab.text.corpus import prepare
from fourier_lab.training import trainer

D, LAYERS, V = 16, 2, 500
TINY = RunConfig(
    frequencies="random", vocab_size=V, d_model=D, n_layers=LAYERS, n_heads=2, feed_forward=1.0, train_pairs=600,
    objective="sts", steps=6, warmup_steps=1, batch_size=32, learning_rate=1e-2, threads=1, pretraining={"steps": 3},
)  # fmt: skip
QV, MAP = {f"blocks.{layer}.attention.qkv.weight" for layer in range(LAYERS)}, {"embedding.mlp.weight"}
MIX = {f"blocks.{layer}.attention.mix.{part}" for layer in range(LAYERS) for part in ("keys", "values")}
# By hand: a map d -> d has d² + d numbers; a product of rank r has r (d + d); queries and values are two kinds of map.
CASES = {
    "head": ({}, {"pooler.weight", "pooler.bias"}, D * D + D),
    "lora": ({"rank": 3}, QV, LAYERS * 2 * 3 * (D + D)),
    "lora of the embedding": ({"rank": 3, "of": "embedding"}, MAP, 3 * (D + D)),
    "gift": ({"rank": 3}, QV, 2 * 2 * D * 3),
    "gift of the embedding": ({"rank": 3, "of": "embedding"}, MAP, 2 * D * 3),
    "prompts": ({"prompts": 5}, MIX, LAYERS * 2 * 5 * D),
    "apt": ({"prompts": 5}, MIX, LAYERS * 2 * 5 * D),
}
each_case = pytest.mark.parametrize("case", CASES)


def config(case, base=TINY, **changes):
    return base.replace(tuning=case.split()[0], tuning_options=CASES[case][0], **changes)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder in which the run that all start from is finished."""
    folder = tmp_path_factory.mktemp("runs")
    train(TINY.pretrained(), runs=folder)
    return folder


def pretrained(runs):
    return train(TINY.pretrained(), runs=runs).encoder


@each_case
def test_only_what_is_named_moves_and_the_record_says_how_many_numbers_that_are(case, runs):
    _, names, count = CASES[case]
    before, result = pretrained(runs), train(config(case), runs=runs)
    after, start = result.encoder.state_dict(), before.state_dict()
    assert after.keys() == start.keys() | (names if names == MIX else set())
    for name, value in start.items():
        assert torch.equal(after[name], value) == (name not in names), name
    if names == QV:  # queries and values, not keys
        moved = [after[name] != start[name] for name in QV]
        assert all(each[:D].all() and not each[D : 2 * D].any() and each[2 * D :].all() for each in moved)
    if names == MIX:
        assert all(after[name].any() for name in MIX)
    sizes = result.metrics["parameters"]
    assert sizes["tuned"] == sizes["with_gradient"] == count
    assert sizes["total"] == count_parameters(before) + (count if names == MIX else 0)


@each_case
def test_it_starts_as_the_pretrained_encoder_and_ends_as_what_was_trained(case, runs):
    settings, corpus = config(case), prepare(config(case))
    state = trainer.Trainer(settings, corpus, runs / "none")
    state.start_from(pretrained(runs).state_dict())
    rows = corpus.graded["test"].first[:20]
    start = state.encoder.encode_ids(rows)
    plain = pretrained(runs).encode_ids(rows)
    if case != "prompts":  # which take a share of the attention, however small their values are
        assert torch.equal(start, plain)
    for part in state.encoder.modules():
        if parametrize.is_parametrized(part):
            torch.nn.init.normal_(part.parametrizations.weight[0].b)
    trained = state.encoder.encode_ids(rows)
    assert torch.equal(trained, start) == (case in ("head", "prompts", "apt"))
    merge(state.encoder, state.frozen)
    assert all(p.requires_grad for p in state.encoder.parameters())
    again = SentenceEncoder(state.encoder.config)
    again.load_state_dict(state.encoder.state_dict())
    torch.testing.assert_close(again.encode_ids(rows), trained, atol=1e-6, rtol=0)


def test_a_change_of_full_rank_is_any_change_and_layers_share_a_factor(runs):
    encoder = pretrained(runs)
    starts = [block.attention.qkv.weight.detach().clone() for block in encoder.blocks]
    frozen = tune(encoder, "lora", {"rank": D}.items())
    wanted = torch.randn(LAYERS, 2, D, D, generator=torch.Generator().manual_seed(0))
    for block, goal in zip(encoder.blocks, wanted, strict=True):
        lora = block.attention.qkv.parametrizations.weight[0]
        lora.b.data = goal @ torch.linalg.inv(lora.a.data)
    merge(encoder, frozen)
    for block, start, goal in zip(encoder.blocks, starts, wanted, strict=True):
        change = block.attention.qkv.weight - start
        torch.testing.assert_close(change, torch.cat((goal[0], torch.zeros(D, D), goal[1])), atol=1e-3, rtol=0)
    encoder = pretrained(runs)
    frozen = tune(encoder, "gift", {"rank": 2}.items())
    gifts = {block.attention.qkv.parametrizations.weight[0] for block in encoder.blocks}
    (gift,) = gifts
    torch.nn.init.normal_(gift.b)
    factors = torch.eye(D) + gift.b.detach() @ gift.a.detach()  # of queries, of values
    merge(encoder, frozen)
    for block, start in zip(encoder.blocks, starts, strict=True):
        q, k, v = start.chunk(3)
        torch.testing.assert_close(block.attention.qkv.weight, torch.cat((q @ factors[0], k, v @ factors[1])))


@pytest.mark.parametrize("kind", [LoRA, GIFT])
def test_gradients_of_changes_are_those_of_differences(kind):
    torch.manual_seed(0)
    weight = torch.randn(9, 3).double()
    change = kind(weight, 2, parts=3, moved=(0, 2))
    torch.nn.init.normal_(change.b)

    def changed(a, b):
        return torch.func.functional_call(change, {"a": a, "b": b}, (weight,))

    assert torch.autograd.gradcheck(changed, (change.a, change.b))


@pytest.mark.parametrize("case", ["lora", "gift", "apt"])
def test_an_interrupted_tuning_goes_on_where_it_was(case, runs, tmp_path, monkeypatch):
    whole = train(config(case), runs=runs)
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)

    def pressed(progress):
        if progress.step == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config(case), runs=tmp_path, callback=pressed)
    assert (tmp_path / config(case).digest() / "checkpoint.npz").is_file()
    resumed = train(config(case), runs=tmp_path)
    loaded = load_encoder(resumed.record.folder).state_dict()
    for name, value in whole.encoder.state_dict().items():
        assert torch.equal(loaded[name], value), name
    assert resumed.metrics["scores"] == whole.metrics["scores"]


def test_the_head_is_the_pooler_and_the_weights_of_tokens(runs):
    weighed = TINY.replace(token_weights="idf", pooler="none", n_layers=0, pretraining={"steps": 1})
    encoder = SentenceEncoder(weighed.model(V))
    tune(encoder, "head", ())
    assert [name for name, p in encoder.named_parameters() if p.requires_grad] == ["token_weights.logarithm"]


def test_runs_of_one_pretraining_share_it_and_runs_that_tune_all_keep_their_names():
    assert {config(case).pretrained() for case in CASES} == {TINY.pretrained()}
    assert TINY.replace(tuning="full").digest() == TINY.digest() and "tuning" not in TINY.changes()
    assert len({config(case).digest() for case in CASES} | {TINY.digest()}) == len(CASES) + 1
    assert RunConfig(d_model=64).digest() == "f6ab001026"  # as before there were tunings
    lora = config("lora")
    assert RunConfig.from_dict(lora.to_dict()) == lora
    assert lora.replace(tuning_options={"rank": 4, "of": "encoder"}).tuning_options == ()  # its defaults


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"tuning": "lora", "pretraining": None}, "tuning 'lora' moves few numbers.*pretraining"),
        ({"tuning": "adapter"}, "tuning must be one of full, head, lora, gift, prompts, apt, got 'adapter'"),
        ({"tuning": "my_module:MyTuning"}, "tuning must be one of"),
        ({"tuning": "full", "tuning_options": {"rank": 2}}, "tuning 'full' has no option rank"),
        ({"tuning": "lora", "tuning_options": {"prompts": 2}}, "tuning 'lora' has no option prompts"),
        ({"tuning": "lora", "tuning_options": {"rank": 0}}, r"rank \(0\) of a tuning must be at least 1"),
        ({"tuning": "gift", "tuning_options": {"rank": D + 1}}, r"rank 17 above d_model \(16\)"),
        ({"tuning": "gift", "tuning_options": {"of": "pooler"}}, "encoder, embedding, got 'pooler'"),
        ({"tuning": "apt", "tuning_options": {"prompts": 0}}, r"prompts \(0\) must be at least 1"),
        ({"tuning": "prompts", "n_layers": 0}, "puts prompts into full attention, got attention 'full' in 0 layers"),
        ({"tuning": "apt", "attention": "linear"}, "puts prompts into full attention, got attention 'linear'"),
        (
            {"tuning": "gift", "tuning_options": {"rank": 2}, "n_layers": 0},
            "needs layers with linear maps, got n_layers 0",
        ),
        ({"tuning": "lora", "projections": "silu"}, "needs layers with linear maps.*'silu'"),
        ({"tuning": "lora", "tuning_options": {"of": "embedding"}, "arm": "learned"}, "one linear map.*'learned'"),
        (
            {"tuning": "gift", "tuning_options": {"rank": 2, "of": "embedding"}, "mlp": "geglu"},
            "one linear map.*'geglu'",
        ),
        ({"tuning": "head", "pooler": "none"}, "moves the pooler and the weights of tokens, got pooler 'none'"),
        ({"tuning": "apt", "departures": ["padding_mean"]}, "attention 'apt' has no place for padding"),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_one_sentence(changes, message):
    with pytest.raises(ConfigError, match=message):
        TINY.replace(**changes)


@pytest.mark.parametrize("tuning", ["head", "apt"])
def test_a_language_model_is_not_tuned(tuning):
    with pytest.raises(ConfigError, match="tuning is a setting of sentence encoders"):
        RunConfig(objective="language_model", head="tied", tuning=tuning)


def test_the_map_of_a_wide_embedding_is_tuned(runs):
    wide = TINY.replace(arm="wide_fourier", embedding_options={"n_frequencies": 20}, pretraining={"steps": 1})
    encoder = SentenceEncoder(wide.replace(tuning="gift", tuning_options={"rank": 3, "of": "embedding"}).model(V))
    tune(encoder, "gift", {"rank": 3, "of": "embedding"}.items())
    assert count_parameters(encoder) == 2 * 3 * 40  # whose map is (d, 2 K)
