"""Made-up input, thousands of pieces of it: every public function gives a valid result, or an error in our words.

``FOURIER_LAB_FUZZ`` is how many pieces all tests here try together, 500 if it is not set; ``make fuzz`` tries 5,000. What
has failed once stays as an example.
"""

import contextlib
import dataclasses
import inspect
import json
import os
from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
import torch
import yaml
from hypothesis import HealthCheck, example, given, settings
from made_up import spelled

import fourier_lab as fl
from fourier_lab import ModelConfig, RunConfig
from fourier_lab.embeddings.interface import rows_of
from fourier_lab.embeddings.registry import EMBEDDINGS
from fourier_lab.errors import ConfigError, DataError, FourierLabError
from fourier_lab.models.blocks import build_embedding
from fourier_lab.sweeps.file import load_sweep
from fourier_lab.text import pairs
from fourier_lab.text.tokenizer import load_tokenizer

TESTS = 5
fuzz = settings(
    max_examples=int(os.environ.get("FOURIER_LAB_FUZZ", "500")) // TESTS, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip

WORDS = (
    "", "fourier", "learned", "random", "log", "toy", "snli", "folder", "train", "None", "a b", "../x", "é\0", "1e3",
    "x" * 300,
)  # fmt: skip
plain = (
    st.none() | st.booleans() | st.integers(-3, 300) | st.sampled_from([2**63, -(2**70)]) | st.floats(width=32)
    | st.sampled_from(WORDS) | st.text(max_size=8)
)  # fmt: skip
nested = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
objects = st.sampled_from([
    np.array(3), np.array([1.5, np.nan]), np.zeros((0,)), np.arange(6).reshape(2, 3), torch.tensor([0.5]), torch.arange(4),
    torch.zeros(2, 3), torch.empty(0), torch.nn.Linear(2, 2), object(), b"bytes", {1, 2}, range(3), print, RunConfig,
    ModelConfig("fourier", 30, 8), SimpleNamespace(folder="x"),
])  # fmt: skip
anything = nested | objects


@st.composite
def calls(draw):
    """Return the name of something public, and arguments for it."""
    name = draw(st.sampled_from(fl.__all__))
    parameters = [p.name for p in inspect.signature(getattr(fl, name)).parameters.values() if p.kind == p.KEYWORD_ONLY]
    named = draw(st.dictionaries(st.sampled_from(parameters), anything, max_size=2)) if parameters else {}
    return name, draw(st.lists(anything, max_size=4)), named


@fuzz
@given(call=calls())
@example(call=("load_pairs", [np.array(3), None], {}))
@example(call=("fourier_basis", [torch.arange(4), np.array([1.5, np.nan]), 4], {}))
@example(call=("polynomial_basis", [torch.arange(4), torch.arange(4), 4, "legendre"], {}))
def test_public_functions(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    name, positional, named = call
    public = getattr(fl, name)
    with contextlib.suppress(TypeError):
        inspect.signature(public).bind(*positional, **named)
        with contextlib.suppress(FourierLabError):
            try:
                public(*positional, **named)
            except TypeError as error:  # of Python's own words about arguments that it has taken
                raise AssertionError(f"{name}(*{positional}, **{named}): {error}") from error


FIELDS = [field.name for field in dataclasses.fields(RunConfig)]
likely = {
    "arm": st.sampled_from([*EMBEDDINGS.built_in, "my:Own"]),
    "embedding_options": st.dictionaries(st.sampled_from(WORDS), plain, max_size=2),
    "d_model": st.integers(2, 64), "steps": st.integers(1, 99), "corpus": st.sampled_from(["toy", "snli", "own"]),
    "source": st.sampled_from(["builtin", "folder", "hub"]), "frequencies": st.sampled_from(["log", "random", [1, 2]]),
}  # fmt: skip


@fuzz
@given(values=st.lists(st.sampled_from(FIELDS), max_size=4, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: anything | likely.get(name, nested) for name in names})
))  # fmt: skip
def test_settings_of_a_run(values):
    try:
        config = RunConfig.from_dict(values)
    except ConfigError:
        return
    again = RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config and again.digest() == config.digest() and config.as_read().digest()


sweeps = st.fixed_dictionaries({}, optional={
    "question": st.just("What?") | nested, "base": st.dictionaries(st.sampled_from(FIELDS), plain, max_size=3) | nested,
    "seeds": st.lists(st.integers(0, 3), max_size=3) | nested, "notebook": nested, "smoke": nested, "x": plain,
    "grid": st.dictionaries(st.sampled_from(FIELDS), st.lists(plain, max_size=3), max_size=2) | nested,
    "groups": st.lists(
        st.fixed_dictionaries({}, optional={"name": nested, "set": nested, "grid": nested, "seeds": nested}), max_size=2
    ),
})  # fmt: skip


@fuzz
@given(content=sweeps.map(lambda values: yaml.safe_dump(values).encode()) | st.binary(max_size=60)
       | sweeps.map(lambda values: json.dumps(values).encode())
       | st.text("{}[]:-!&*<? \n'\"ab1", max_size=40).map(str.encode))  # fmt: skip
def test_sweep_files(tmp_path, content):
    (tmp_path / "a.yaml").write_bytes(content)
    with contextlib.suppress(ConfigError):
        assert all(len(run.digest) == 10 for run in load_sweep(tmp_path / "a.yaml").runs)


ROWS = [["a dog runs", "a dog", "entailment"], ["a cat", "two cats", "neutral"], ["", "x", "-"], ["é", "\0", "9"]]
DESCRIPTION = {
    "licence": "none", "graded": "stsb",
    "pairs": {"columns": {"first": "first", "second": "second", "label": "label"}},
}  # fmt: skip


@st.composite
def corpora(draw):
    """Return the ending and the bytes of a file of pairs, perhaps damaged, a description and a vocabulary."""
    ending = draw(st.sampled_from(["csv", "tsv", "jsonl", "txt", "parquet", "csv.gz"]))
    rows = draw(st.lists(st.sampled_from(ROWS) | st.lists(st.text(max_size=5), max_size=4), max_size=4))
    head = ["first", "second", "label"]
    if ending == "jsonl":
        content = "\n".join(json.dumps(dict(zip(head, row, strict=False))) for row in rows)
    else:
        content = "\n".join((("\t" if ending == "tsv" else ",").join(row)) for row in [head, *rows])
    content = draw(st.just(content.encode()) | st.binary(max_size=40) | st.just(content.encode("utf-16")))
    file = f"train.{ending}"
    description = {**DESCRIPTION, "pairs": {**DESCRIPTION["pairs"], "train": file, "validation": file}}
    for key in draw(st.lists(st.sampled_from(["licence", "graded", "pairs", "tokenizer", "name"]), max_size=1)):
        description[key] = draw(nested)
    for key in draw(
        st.lists(st.sampled_from(["columns", "train", "labels", "separator", "quoted", "range"]), max_size=1)
    ):
        if isinstance(description["pairs"], dict):
            description["pairs"][key] = draw(nested)
    return ending, content, description, draw(st.binary(max_size=30) | st.just(b"[UNK]\n[PAD]\na\n"))


@fuzz
@given(corpus=corpora())
@example(corpus=("csv", b"first,second,label", {**DESCRIPTION, "tokenizer": "x" * 300}, b""))
@example(corpus=("csv", b"first,second,label",
                 {**DESCRIPTION, "pairs": {**DESCRIPTION["pairs"], "train": [], "validation": "a.csv"}}, b""))  # fmt: skip
def test_files_of_a_corpus(tmp_path_factory, monkeypatch, corpus):
    ending, content, description, vocabulary = corpus
    folder = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("FOURIER_LAB_DATA", str(folder))
    (folder / f"train.{ending}").write_bytes(content)
    (folder / "own.yaml").write_text(yaml.safe_dump(description))
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.txt").write_bytes(vocabulary)
    with contextlib.suppress(DataError, ConfigError):
        found = pairs.load_pairs("own", "train", "folder")
        assert len(found.first) == len(found.second) == len(found.label) and np.isfinite(found.label).all()
    with contextlib.suppress(DataError, ConfigError):
        assert load_tokenizer(RunConfig(corpus="own", source="folder")).get_vocab_size() > 0


@st.composite
def embeddings(draw):
    """Return the name, the sizes and the options of a registered embedding."""
    name = draw(st.sampled_from(list(EMBEDDINGS.built_in)))
    known = [field.name for field in dataclasses.fields(EMBEDDINGS.settings[name])]
    number = (
        st.integers(-2, 70) | st.sampled_from([0.0, 0.5, float("nan"), 2**63]) | st.booleans() | st.sampled_from(WORDS)
    )
    chosen = draw(st.lists(st.sampled_from([*known, "unknown"]), max_size=3, unique=True))
    options = {each: draw(number | st.lists(st.integers(-1, 9), max_size=3)) for each in chosen}
    return name, draw(st.integers(2, 70)), 2 * draw(st.integers(1, 12)), options


@fuzz
@given(embedding=embeddings())
@example(embedding=("word2ket", 2, 2, {"order": 18}))
def test_options_of_every_embedding(embedding):
    name, vocab_size, d_model, options = embedding
    own = {key: options.pop(key) for key in list(options) if key in FIELDS}
    try:
        built = build_embedding(ModelConfig(name, vocab_size, d_model, embedding_options=tuple(options.items()), **own))
    except ConfigError:
        return
    rows = rows_of(spelled(built))
    assert rows.shape == (vocab_size, d_model) and bool(torch.isfinite(rows).all())
