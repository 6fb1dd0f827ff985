"""Bad values from the command line and from Python: the cause is named, in a typed error, and so is the way out."""

import contextlib
import errno
import inspect
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import fourier_lab as fl
from fourier_lab import ModelConfig, RunConfig, SentenceEncoder, paths, train
from fourier_lab.app import serve
from fourier_lab.cli import parser
from fourier_lab.config import expand
from fourier_lab.errors import ConfigError, DataError, FourierLabError, MissingPackageError, RecordError, way_out
from fourier_lab.evaluation.metrics import sts_scores
from fourier_lab.headless.notebooks import run_notebooks
from fourier_lab.study import ladder
from fourier_lab.study.selection import comparison, with_series
from fourier_lab.sweeps.file import load_sweep
from fourier_lab.sweeps.plan import plan
from fourier_lab.sweeps.run import run_sweep
from fourier_lab.tables.points import read_points
from fourier_lab.tables.score_tables import results_table, summarise
from fourier_lab.text.corpus import prepare
from fourier_lab.text.tokenizer import load_tokenizer, toy_tokenizer
from fourier_lab.training.records import load_records, write_record
from fourier_lab.training.train import train_all


@cache
def small_encoder():
    return SentenceEncoder(ModelConfig("fourier", 300, 16), toy_tokenizer(300))


@pytest.fixture(scope="module")
def encoder():
    return small_encoder()


@pytest.mark.parametrize(
    "call, rule",
    [
        (lambda: train({"steps": 3}), r"train takes one RunConfig, got .*dict.*RunConfig.from_dict"),
        (lambda: train([RunConfig()]), "train takes one RunConfig, .*train_all for several"),
        (lambda: train_all(RunConfig()), r"train_all takes a list .*train_all\(\[config\]\)"),
        (lambda: expand(RunConfig(), seed=3), r"the axis 'seed' must be a list of values, got 3. Write seed=\[3\]"),
        (lambda: expand(RunConfig(), arm="learned"), r"the axis 'arm' must be a list.*Write arm=\['learned'\]"),
        (lambda: RunConfig.from_dict(None), "settings must be a mapping"),
        (lambda: RunConfig.from_dict({1: 2}), "unknown parameter 1"),
        (lambda: RunConfig.parse("pretraining", "steps 600"), "NAME=VALUE, got 'steps'"),
        (lambda: RunConfig(max_seq_len=10**11), "max_seq_len must be at most 1048576, got 100000000000"),
        (lambda: ModelConfig("fourier", 300, 16, max_seq_len=10**11), "max_seq_len must be at most"),
        (lambda: RunConfig(threads=10**11), "threads must be at most 1024"),
        (lambda: run_sweep(load_sweep(paths.SWEEPS / "dropout.yaml"), workers="2"), "workers must be an integer.*'2'"),
    ],
)
def test_settings(call, rule):
    with pytest.raises(ConfigError, match=rule):
        call()


TAKERS = {
    "load_encoder": (fl.load_encoder, "a file or folder must be given as text", ["x", ""]),
    "load_record": (fl.load_record, "a file or folder must be given as text", ["x", ""]),
    "load_records": (fl.load_records, "a file or folder must be given as text", ["x", ""]),
    "load_sweep": (load_sweep, "a file or folder must be given as text", ["x", ""]),
    "read_points": (read_points, "a file or folder must be given as text", ["x", "", None]),
    "runs": (lambda given: train(RunConfig(), runs=given), "a file or folder must be given as text", ["x", "", None]),
    "SentenceEncoder": (SentenceEncoder, "takes a ModelConfig", []),
    "set_tokenizer": (lambda given: small_encoder().set_tokenizer(given), "must be one of the tokenizers library", []),
    "encode": (lambda given: small_encoder().encode(given), "encode takes a sentence or a list", ["x", "", []]),
    "encode_ids": (lambda given: small_encoder().encode_ids(given), "encode_ids takes a list of rows", [[]]),
    "pack": (lambda given: small_encoder().pack(given), "pack takes a list of id arrays", [[]]),
    "train_all": (train_all, "train_all takes a list of RunConfigs", [[]]),
    "expand": (expand, "expand takes a RunConfig", []),
    "prepare": (prepare, "prepare takes a RunConfig", []),
    "load_tokenizer": (load_tokenizer, "load_tokenizer takes a RunConfig", []),
    "comparison": (lambda given: comparison(given, "learned"), "comparison takes a RunConfig", []),
    "with_series": (lambda given: with_series(given, "learned"), "with_series takes a RunConfig", []),
    "ladder": (ladder.ladder, "ladder takes (a list of|at least one) RunConfig", []),
    "records_of": (ladder.records_of, "records_of takes a list of RunConfigs", [[]]),
    "run_sweep": (run_sweep, "a sweep is run as it was read from its file", []),
    "plan": (lambda given: list(plan(given, 1)), "a sweep is run as it was read from its file", []),
    "results_table": (results_table, "a table takes a list of run records", [[]]),
    "summarise": (summarise, "a table takes a list of run records", [[]]),
    "stored_bits": (fl.stored_bits, "stored_bits takes a torch.nn.Module", []),
    "check_embedding": (fl.check_embedding, "is no token embedding", []),
    "read_parameters": (fl.read_parameters, "takes the variables of a notebook", []),
    "select": (lambda given: fl.load_pairs("toy", "test").select(given), "pairs are chosen by a row of places", [[]]),
    "vocab_size": (lambda given: fl.load_pairs("toy", "test", vocab_size=given), "vocab_size .*must be an integer", []),
    "workers": (lambda given: run_notebooks(workers=given), "workers must be an integer, at least 1", [3]),
    "ready": (lambda given: serve(ready=given), r"ready \(.*\) must be an integer in 0..1000", [3]),
    "port": (lambda given: serve(given), r"port \(.*\) must be an integer in 1..65535", [3]),
    "base_url": (lambda given: serve(base_url=given), "base_url .* must be a path", []),
}


@pytest.mark.parametrize("given", [None, "x", "", 3, [], 1.5, -1], ids=repr)
@pytest.mark.parametrize("name", TAKERS)
def test_what_is_nothing_of_the_kind_is_refused_in_our_words(name, given):
    call, rule, fine = TAKERS[name]
    if not any(given is each or given == each for each in fine):
        with pytest.raises(FourierLabError, match=rule):
            call(given)


@pytest.mark.parametrize("name", fl.__all__)
@pytest.mark.parametrize("given", [None, "x", 3, []], ids=repr)
def test_no_public_name_answers_in_the_words_of_python(name, given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        public = getattr(fl, name)
    except MissingPackageError:
        return  # it needs a package that is not installed here, and says which
    try:
        inspect.signature(public).bind(given)
    except TypeError:
        return  # it takes more than that, which Python says well
    with contextlib.suppress(FourierLabError):  # what is no such thing, and nothing else
        public(given)


@pytest.mark.parametrize("option", [["--ready", "-1"], ["--port", "0"], ["--base-url", "lab"]])
def test_the_page_is_not_served_with_numbers_that_are_none(option, capsys):
    assert parser.main(["app", "--no-browser", *option]) == 2
    assert capsys.readouterr().err.startswith(f"error: {option[0].strip('-').replace('-', '_')}")


@pytest.mark.parametrize("make", [np.int64, np.int32, np.array, torch.tensor])
def test_numbers_of_numpy_and_torch_are_numbers(make):
    assert RunConfig(d_model=make(64), steps=make(50), seed=make(1)) == RunConfig(d_model=64, steps=50, seed=1)
    assert type(RunConfig(steps=make(50)).steps) is int
    assert RunConfig(learning_rate=np.float64(1e-3)).digest() == RunConfig().digest()
    for wrong in (make(3.5) if make in (np.array, torch.tensor) else np.float32(3.5), np.True_, np.arange(3)):
        with pytest.raises(ConfigError, match="d_model must be an integer"):
            RunConfig(d_model=wrong)


@pytest.mark.parametrize("make", [tuple, list, np.array, torch.tensor])
def test_lists_of_frequencies_come_in_any_form(make):
    given = range(2, 66)
    assert RunConfig(frequencies=given) == RunConfig(frequencies=make(list(given)))
    assert RunConfig.from_dict(RunConfig(frequencies=given).to_dict()).frequencies == tuple(given)


@pytest.mark.parametrize(
    "similarity, label, rule",
    [
        (np.arange(4.0), np.arange(5.0), r"shapes \(4,\) and \(5,\)"),
        (np.ones((4, 2)), np.arange(4.0), r"shapes \(4, 2\) and \(4,\)"),
        (["a", "b", "c"], [1, 2, 3], "must be numbers"),
    ],
)
def test_sides_that_are_not_one_for_one(similarity, label, rule):
    with pytest.raises(DataError, match=rule):
        sts_scores(similarity, label)


def test_sides_as_lists():
    expected = sts_scores(np.array([1.0, 3.0, 2.0, 5.0]), np.arange(4.0), intervals=False)
    assert sts_scores([1, 3, 2, 5], [0, 1, 2, 3], intervals=False) == expected


@pytest.mark.parametrize("sentences, rule", [(np.arange(3), r"shape \(\)"), ([[[1, 2]]], r"shape \(1, 2\)")])
def test_ids_that_are_no_rows(encoder, sentences, rule):
    with pytest.raises(ConfigError, match=rf"each sentence must be a row of ids, got one of {rule}"):
        encoder.encode_ids(sentences)


def test_ids_as_lists(encoder):
    assert torch.equal(encoder.encode_ids([[1, 2], (3,)]), encoder.encode_ids([np.array([1, 2]), np.array([3])]))
    with pytest.raises(FourierLabError):
        encoder.encode_ids([[1, 2], []])


def test_settings_that_nothing_reads_make_no_further_run():
    learned = expand(RunConfig(), arm=["fourier", "learned"], frequencies=["harmonic", "log"], mlp=["linear", "geglu"])
    assert [(c.arm, c.frequencies, c.mlp) for c in learned] == [
        ("fourier", "harmonic", "linear"), ("fourier", "harmonic", "geglu"), ("fourier", "log", "linear"),
        ("fourier", "log", "geglu"), ("learned", "harmonic", "linear"),
    ]  # fmt: skip
    assert len(expand(RunConfig(basis="legendre"), frequencies=["harmonic", "log"])) == 1
    assert len(expand(RunConfig(projections="silu"), feed_forward=[1.0, 4.0])) == 1
    assert len(expand(RunConfig(), left_out=["graded", "scored"])) == 1
    text = RunConfig(corpus="snli", source="folder")
    assert len(expand(text, left_out=["graded", "scored"])) == 2


def test_settings_that_nothing_reads_make_no_further_run_on_the_command_line_and_in_sweeps(tmp_path, capsys):
    assert parser.main(["train", "--arm", "learned", "--frequencies", "harmonic,log", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("1 runs\n")
    file = tmp_path / "sets.yaml"
    file.write_text("question: Which?\ngrid: {arm: [fourier, learned], frequencies: [harmonic, log, random]}\n")
    assert [run.config.arm for run in load_sweep(file).runs].count("learned") == 1


@pytest.mark.parametrize(
    "code, words",
    [(errno.ENOSPC, "Free disk space"), (errno.EROFS, "Correct the permissions"), (errno.ENOTDIR, "Correct the path"),
     (errno.EISDIR, "Correct the path"), (errno.EIO, "")],
)  # fmt: skip
def test_what_helps_against_a_problem_of_the_disk(code, words):
    assert way_out(OSError(code, "problem")) == words


def test_a_file_where_a_folder_should_be(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    with pytest.raises(RecordError, match="Not a directory.*Correct the path, and repeat"):
        write_record(tmp_path / "file" / "run", RunConfig(), {}, [{"step": 1}])
    few = ["--steps", "1", "--warmup-steps", "0"]
    for arguments in (
        ["train", *few, "--runs", str(tmp_path / "file")],
        ["claims", "--into", str(tmp_path / "none.md")],
        ["claims", "--into", str(tmp_path)],
    ):
        assert parser.main(arguments) == 2
        assert "Correct the path, then repeat the command." in capsys.readouterr().err
    assert load_records(tmp_path / "file") == [] == load_records(Path("no/such/folder"))
