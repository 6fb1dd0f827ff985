"""Tiny random models of transformers: embedding replaced, trained a few steps, saved, and back with the same numbers."""

import copy
import pickle

import pytest
import torch

transformers = pytest.importorskip("transformers")

from fourier_lab import replace_embedding  # noqa: E402
from fourier_lab.errors import ConfigError  # noqa: E402

pytestmark = pytest.mark.filterwarnings("default")  # of transformers, about itself
V, D = 120, 32
IDS = torch.randint(1, V, (3, 9), generator=torch.Generator().manual_seed(0))
IDS[0, 5:] = 0
FAMILIES = {
    "BertModel": (None, "AutoModel"),
    "BertForSequenceClassification": (None, "AutoModelForSequenceClassification"),
    "BertForMaskedLM": ("compute", "AutoModelForMaskedLM"),
    "GPT2Model": (None, "AutoModel"),
    "GPT2LMHeadModel": ("compute", "AutoModelForCausalLM"),
    "RobertaForMaskedLM": ("decouple", "AutoModelForMaskedLM"),
}
EMBEDDINGS = {
    "random": {"seed": 3},
    "harmonic": {"period": 200, "mlp": "geglu_quarter"},
    "learned": {},
    "bloom": {"buckets": 16},
    "frozen_random": {},  # keeps what no file holds
    "signature": {},
}


def model(name, **settings):
    torch.manual_seed(0)
    sizes = {
        "vocab_size": V,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "hidden_size": D,
        "intermediate_size": 64,
    }
    if name.startswith("GPT2"):
        sizes = {"vocab_size": V, "n_embd": D, "n_layer": 2, "n_head": 4, "n_positions": 32, "bos_token_id": 0}
        sizes |= {"eos_token_id": 0}
    elif name.startswith("Roberta"):
        sizes |= {"pad_token_id": 0, "max_position_embeddings": 32}
    config = getattr(transformers, name).config_class(**sizes | settings)
    return getattr(transformers, name)(config)


@torch.no_grad()
def numbers(module, ids=IDS):
    return module.eval()(input_ids=ids)[0]


def train(module):
    before = [p.detach().clone() for p in module.parameters()]
    optimizer = torch.optim.AdamW(module.parameters(), 1e-2)
    module.train()
    for _ in range(3):
        module(input_ids=IDS)[0].square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return [not torch.equal(old, new) for old, new in zip(before, module.parameters(), strict=True)]


def rms(rows):
    return float(rows.square().mean().sqrt())


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_what_is_saved_comes_back_with_the_same_numbers(name, embedding, tmp_path):
    tied, auto = FAMILIES[name]
    replaced = replace_embedding(model(name), embedding, tied=tied, **EMBEDDINGS[embedding])
    train(replaced)
    replaced.save_pretrained(tmp_path)
    for loader in (type(replaced), getattr(transformers, auto)):
        loaded = loader.from_pretrained(tmp_path)
        assert type(loaded) is type(replaced) and isinstance(loaded, getattr(transformers, name))
        assert torch.equal(numbers(loaded), numbers(replaced))
        assert loaded.num_parameters() == replaced.num_parameters()


def test_a_loaded_model_goes_on_as_the_saved_one(tmp_path):
    replaced = replace_embedding(model("BertForMaskedLM"), "random", tied="compute")
    replaced.save_pretrained(tmp_path / "one")
    loaded = type(replaced).from_pretrained(tmp_path / "one")
    for each in (replaced, loaded):
        torch.manual_seed(5)
        train(each)
    assert torch.equal(numbers(loaded), numbers(replaced))
    loaded.save_pretrained(tmp_path / "two")
    assert torch.equal(numbers(transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "two")), numbers(loaded))


def test_the_body_of_a_saved_model_is_read_without_its_head(tmp_path):
    replaced = replace_embedding(model("BertForMaskedLM"), "random", tied="compute")
    replaced.save_pretrained(tmp_path)
    torch.testing.assert_close(numbers(transformers.AutoModel.from_pretrained(tmp_path)), numbers(replaced.bert))


@pytest.mark.parametrize("name", ["BertModel", "GPT2Model"])
@pytest.mark.parametrize("embedding", ["random", "bloom"])
def test_rows_have_the_scale_of_those_that_they_replace(name, embedding):
    plain = model(name)
    old = plain.get_input_embeddings()
    with torch.no_grad():
        old.weight *= 3
    kept = torch.arange(V) != old.padding_idx
    rows = replace_embedding(copy.deepcopy(plain), embedding).get_input_embeddings().rows()
    assert rms(rows[kept]) == pytest.approx(rms(old.weight[kept]), rel=1e-3)
    unscaled = replace_embedding(copy.deepcopy(plain), embedding, match_scale=False).get_input_embeddings().rows()
    assert rms(unscaled[kept]) == pytest.approx(1, rel=1e-3)


def test_positions_count_as_much_as_before():
    """The cosine of one word at two positions, which rows of the library's own scale would bring to 1."""

    def alike(module):
        a, b = module.eval().embeddings(torch.full((1, 2), 7))[0]
        return float(torch.cosine_similarity(a, b, dim=0))

    plain = model("BertModel")
    assert abs(alike(replace_embedding(copy.deepcopy(plain), "random")) - alike(plain)) < 0.2
    assert alike(replace_embedding(plain, "random", match_scale=False)) > 0.99


def test_the_row_of_padding_stays_zero():
    replaced = replace_embedding(model("BertModel"), "random")
    train(replaced)
    assert replaced.get_input_embeddings()(torch.tensor([0, 1])).any(dim=1).tolist() == [False, True]
    replaced = replace_embedding(model("GPT2Model"), "random")  # which has no padding
    assert replaced.get_input_embeddings()(torch.tensor([0])).any()


@pytest.mark.parametrize("name", ["BertForMaskedLM", "GPT2LMHeadModel"])
def test_an_output_layer_that_shares_the_table(name):
    plain = model(name)
    with pytest.raises(ConfigError, match="shares the input table. Say tied='decouple'"):
        replace_embedding(plain, "random")
    assert type(plain) is getattr(transformers, name)  # left as it was
    decoupled = replace_embedding(copy.deepcopy(plain), "random", tied="decouple")
    assert torch.equal(decoupled.get_output_embeddings().weight, plain.get_input_embeddings().weight)
    hidden = torch.randn(2, D)
    computed = replace_embedding(copy.deepcopy(plain), "random", tied="compute")
    head, rows = computed.get_output_embeddings(), computed.get_input_embeddings().rows()
    torch.testing.assert_close(head(hidden), hidden @ rows.T + (0 if head.bias is None else head.bias))
    with pytest.raises(ConfigError, match="tied must be None, decouple or compute, got 'both'"):
        replace_embedding(plain, "random", tied="both")


def test_an_output_layer_of_its_own_is_left_alone(tmp_path):
    plain = model("GPT2LMHeadModel", tie_word_embeddings=False)
    before = plain.get_output_embeddings().weight.detach().clone()
    replaced = replace_embedding(plain, "random", tied="compute")
    assert torch.equal(replaced.get_output_embeddings().weight, before)
    replaced.save_pretrained(tmp_path)
    assert torch.equal(numbers(type(replaced).from_pretrained(tmp_path)), numbers(replaced))


@pytest.mark.parametrize(("name", "tied"), [("BertForMaskedLM", "compute"), ("GPT2LMHeadModel", "compute")])
def test_parameters_are_counted_by_hand(name, tied):
    plain = model(name)
    total, others = plain.num_parameters(), plain.num_parameters(exclude_embeddings=True)
    fourier = D * D + D + D  # a linear map and the norm's gains
    computed = replace_embedding(copy.deepcopy(plain), "random", tied=tied)
    assert computed.num_parameters() == total - V * D + fourier
    assert computed.num_parameters(exclude_embeddings=True) == others
    decoupled = replace_embedding(copy.deepcopy(plain), "random", tied="decouple")
    assert decoupled.num_parameters() == total + fourier
    assert decoupled.num_parameters(exclude_embeddings=True) == others + V * D
    tables = replace_embedding(plain, "bloom", tied=tied, buckets=16)
    assert tables.num_parameters(exclude_embeddings=True) == others


@pytest.mark.parametrize(("name", "tied"), [("BertForMaskedLM", "compute"), ("GPT2LMHeadModel", "decouple")])
def test_everything_is_trained(name, tied):
    replaced = replace_embedding(model(name), "random", tied=tied)
    moved = dict(zip((n for n, _ in replaced.named_parameters()), train(replaced), strict=True))
    assert [n for n, here in moved.items() if not here] == []


def test_copies_and_pickles_stand_for_themselves():
    replaced = replace_embedding(model("BertForMaskedLM"), "random", tied="compute")
    before = numbers(replaced)
    for other in (copy.deepcopy(replaced), pickle.loads(pickle.dumps(replaced))):
        assert type(other) is type(replaced) and torch.equal(numbers(other), before)
        assert other.get_output_embeddings()._shared[0] is other.get_input_embeddings()
        train(other)
        assert torch.equal(numbers(replaced), before)


def test_resizing_is_answered():
    replaced = replace_embedding(model("BertModel"), "random")
    for same in ({}, {"new_num_tokens": V}, {"pad_to_multiple_of": 8}):
        assert replaced.resize_token_embeddings(**same) is replaced.get_input_embeddings()
    for other in ({"new_num_tokens": V + 1}, {"pad_to_multiple_of": 64}):
        with pytest.raises(ConfigError, match="of 120 ids cannot be resized to 12[18]"):
            replaced.resize_token_embeddings(**other)


def test_text_is_generated():
    replaced = replace_embedding(model("GPT2LMHeadModel"), "random", tied="compute").eval()
    assert replaced.generate(IDS[1:2, :3], max_new_tokens=4, do_sample=False).shape == (1, 7)


def test_what_cannot_be_replaced_is_refused():
    replaced = replace_embedding(model("BertModel"), "random")
    with pytest.raises(ConfigError, match="has a computed embedding already"):
        replace_embedding(replaced, "random")
    t5 = transformers.T5Config(vocab_size=V, d_model=D, d_ff=32, num_layers=1, num_heads=2, d_kv=8)
    with pytest.raises(ConfigError, match="shared by encoder and decoder"):
        replace_embedding(transformers.T5ForConditionalGeneration(t5), "random")
    for options, told in (({"buckets": 0}, "must be a positive integer"), ({"colour": 1}, "no option colour")):
        with pytest.raises(ConfigError, match=told):
            replace_embedding(model("BertModel"), "bloom", **options)
    with pytest.raises(ConfigError, match="token embedding|arm must be"):
        replace_embedding(model("BertModel"), "blooom")
    empty = model("BertModel")
    torch.nn.init.zeros_(empty.get_input_embeddings().weight)
    with pytest.raises(ConfigError, match="match_scale needs a table"):
        replace_embedding(empty, "random")


def test_code_of_others_is_imported_only_where_it_was_named(tmp_path, monkeypatch):
    (tmp_path / "my_rows.py").write_text(
        "import torch\n"
        "class MyRows(torch.nn.Module):\n"
        "    def __init__(self, num_embeddings, embedding_dim, buckets: int = 16):\n"
        "        super().__init__()\n"
        "        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim\n"
        "        self.table = torch.nn.Embedding(buckets, embedding_dim)\n"
        "    def forward(self, token_ids):\n"
        "        return self.table(token_ids % self.table.num_embeddings)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    replaced = replace_embedding(model("BertModel"), "my_rows:MyRows", buckets=8)
    replaced.save_pretrained(tmp_path / "saved")
    assert torch.equal(numbers(type(replaced).from_pretrained(tmp_path / "saved")), numbers(replaced))
    monkeypatch.delitem(__import__("sys").modules, "my_rows")
    monkeypatch.setattr("fourier_lab.plugins._named", set())
    with pytest.raises(ConfigError, match="import my_rows first"):
        transformers.AutoModel.from_pretrained(tmp_path / "saved")
