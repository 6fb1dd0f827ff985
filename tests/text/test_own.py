"""A corpus of one's own: what a description says is read, trained on and checked; what it must not say is named."""

import os

import numpy as np
import pytest
import yaml

from fourier_lab import RunConfig, load_pairs
from fourier_lab.cli import parser
from fourier_lab.errors import ConfigError, DataError
from fourier_lab.text.corpus import prepare
from fourier_lab.text.own import own_corpus
from fourier_lab.text.pairs import graded_name, training_pairs
from fourier_lab.text.report import report

NOUNS = ["dog", "man", "bird", "girl", "car", "tree", "boat", "king"]
VERBS = ["runs", "sleeps", "sings", "falls", "waits", "turns", "looks", "grows"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "the", *NOUNS, *VERBS]
DESCRIPTION = {
    "name": "mine",
    "licence": "CC0",
    "pairs": {
        "columns": {"first": "question", "second": "answer", "label": "relation"},
        "labels": {"entailment": ["same", 1], "contradiction": "other"},
        "separator": ";",
        "train": ["one.csv", "two.csv"],
        "validation": "one.csv",
    },
    "graded": {
        "columns": {"first": 1, "second": 2, "label": 0},
        "range": [-1, 1],
        "validation": "graded.tsv",
        "test": "graded.tsv",
    },
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with one described corpus."""
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path))
    every = [(noun, verb) for noun in NOUNS for verb in VERBS]
    for name, part, same in (("one", every[:32], "same"), ("two", every[32:], "1")):
        rows = [f'"a {n} {v}";"the {n} {v}";{same}\n' for n, v in part] + ['"a dog";"a car";Other\n"a king";"";-\n']
        (tmp_path / f"{name}.csv").write_text("question;answer;relation\n" + "".join(rows))
    scores = np.linspace(-1, 1, 32)
    graded = [
        f"{s:.3f}\tone {n} {v}\ttwo {n if s > 0 else 'x'} {v}\n" for s, (n, v) in zip(scores, every[:32], strict=True)
    ]
    (tmp_path / "graded.tsv").write_text("".join(graded))
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "vocab.txt").write_text("\n".join(VOCABULARY))
    describe(tmp_path)
    return tmp_path


def describe(folder, **changes):
    (folder / "mine.yaml").write_text(yaml.safe_dump({**DESCRIPTION, **changes}))


def test_a_description_names_columns_meanings_and_range(folder):
    pairs = load_pairs("mine", "train", "folder")
    assert len(pairs) == 66 and (pairs.label == 2).sum() == 2 and pairs.first[0] == "a dog runs"
    graded = load_pairs("mine.graded", "test", "folder")
    np.testing.assert_allclose(graded.label, np.linspace(0, 5, 32), atol=2.6e-3)
    assert graded.label[0] == 0 and graded_name("mine") == "mine.graded" and own_corpus("mine").licence == "CC0"


def test_it_may_have_no_labels_and_be_scored_on_stsb(folder):
    pairs = {**DESCRIPTION["pairs"], "columns": {"first": "question", "second": "answer"}, "train": "two.csv"}
    (folder / "two.csv").write_text("question;answer\nq;a\n")
    describe(folder, pairs={key: value for key, value in pairs.items() if key != "labels"}, graded="stsb")
    assert load_pairs("mine", "train", "folder").label.tolist() == [0] and graded_name("mine") == "stsb"
    with pytest.raises(DataError, match="no graded pairs of its own"):
        load_pairs("mine.graded", "test", "folder")


def test_a_run_trains_on_it_and_its_record_needs_no_folder(folder, monkeypatch, capsys, tmp_path):
    out = tmp_path / "runs"
    asked = ["train", "--corpus", "mine", "--source", "folder", "--runs", str(out)]
    sizes = ["--d-model", "8", "--steps", "2", "--warmup-steps", "1", "--batch-size", "4", "--vocab-size", "40"]
    assert parser.main([*asked, *sizes]) == 0
    assert "mine" in capsys.readouterr().out
    monkeypatch.delenv("FOURIER_LAB_DATA")
    assert parser.main(["table", "--runs", str(out)]) == 0
    (folder / "mine.yaml").unlink()
    assert RunConfig(corpus="mine", source="folder").digest() == RunConfig(source="folder", corpus="mine").digest()


def test_fine_tuning_reads_the_training_split_of_its_graded_pairs(folder):
    describe(folder, graded={**DESCRIPTION["graded"], "train": "more.tsv"})
    (folder / "more.tsv").write_text("".join(f"{i / 40}\ta {NOUNS[i % 8]} {i}\tthe car\n" for i in range(40)))
    corpus = prepare(RunConfig(corpus="mine", source="folder", objective="sts", vocab_size=40))
    assert len(corpus.train) == 36 and list(corpus.held_out) == ["mine.graded/validation_tenth_of_train"]


@pytest.mark.parametrize(
    ("corpus", "source"), [("mine", "hub"), ("mine", "builtin"), ("../x", "folder"), ("a+b", "folder")]
)
def test_only_a_plain_name_in_a_folder_is_a_corpus(corpus, source):
    with pytest.raises(ConfigError, match="corpus must be one of toy"):
        RunConfig(corpus=corpus, source=source)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"licence": None, "extra": 1}, "unknown entry extra"),
        ({"name": "other"}, "describes 'other'"),
        ({"pairs": "x.csv"}, "pairs: must have entries"),
        ({"graded": {**DESCRIPTION["graded"], "range": [1]}}, "range must be the lowest and highest"),
        ({"graded": {**DESCRIPTION["graded"], "range": [5, 0]}}, "range must be the lowest and highest"),
        ({"graded": {**DESCRIPTION["graded"], "columns": {"first": 1, "second": 2}}}, "first and second and a label"),
        ({"graded": {**DESCRIPTION["graded"], "columns": {"first": 1, "second": "b", "label": 0}}}, "names, or places"),
        ({"pairs": {**DESCRIPTION["pairs"], "train": "none.csv"}}, "no file .*none.csv"),
        ({"pairs": {**DESCRIPTION["pairs"], "labels": {"entailment": 1, "neutral": 1}}}, "one value two meanings"),
        ({"pairs": {**DESCRIPTION["pairs"], "labels": {"neutral": 1}}}, "labels: needs entailment"),
        ({"pairs": {"columns": {"first": "a", "second": "b"}, "train": "one.csv"}}, "pairs: needs validation"),
    ],
)
def test_what_a_description_must_not_say_is_named(folder, changes, rule):
    describe(folder, **changes)
    with pytest.raises(DataError, match=rule):
        own_corpus("mine")


def test_a_missing_description_names_those_that_are_there(folder):
    with pytest.raises(DataError, match=r"no corpus 'mnie'.*mine"):
        prepare(RunConfig(corpus="mnie", source="folder"))
    (folder / "mine.yaml").write_text("a: [")
    with pytest.raises(DataError, match="is no YAML"):
        own_corpus("mine")
    with pytest.raises(DataError, match="mine.graded/train|split 'train'"):
        describe(folder)
        load_pairs("mine.graded", "train", "folder")


def test_runs_in_one_process_see_a_file_that_was_replaced(folder):
    config = RunConfig(corpus="mine", source="folder", vocab_size=40)
    before = prepare(config)
    assert prepare(config).train is before.train
    path = folder / "two.csv"
    path.write_text(path.read_text().replace("a boat runs", "a king runs"))  # of the same size
    os.utime(path, ns=(1, 1))
    after = prepare(config)
    assert after.account["train"]["mine"]["fingerprint"] != before.account["train"]["mine"]["fingerprint"]
    (folder / "tokenizer" / "vocab.txt").write_text("\n".join([*VOCABULARY, "more"]))
    assert prepare(config).account["vocab_size"] == before.account["vocab_size"] + 1


def test_a_corpus_without_a_pair_left_names_the_cause(folder):
    (folder / "graded.tsv").write_text("".join(f"0.5\ta {n} {v}\tx\n" for n in NOUNS for v in VERBS))
    with pytest.raises(DataError, match="all 64 .*share a sentence with the pairs to be scored") as found:
        training_pairs("mine", "folder", None, True, "graded")
    assert "train_pairs" not in str(found.value)
    describe(folder, pairs={**DESCRIPTION["pairs"], "labels": {"entailment": "none", "neutral": ["same", 1, "other"]}})
    with pytest.raises(DataError, match="none of its 66 labelled pairs is an entailment pair"):
        training_pairs("mine", "folder", None, True, "graded")


def findings(source="folder"):
    return [f"{state} {text}" for state, text in report(source)]


def test_the_check_reads_it_whole(folder):
    said = findings()
    assert said[0].startswith("OK mine/train: 66 pairs, ") and "entailment 64, neutral 0, contradiction 2" in said[0]
    assert any("mine.graded/validation: 32 pairs" in line and "scores 0 to 5, mean 2.50" in line for line in said)
    assert "NOTE mine/train: pairs that stand in mine/validation too: 33" in said
    assert "OK mine/train: pairs with a sentence of scored pairs of mine.graded, which runs leave out: 0" in said
    assert "NOTE mine/train: pairs that stand there more than once, case and punctuation aside: 1" in said
    assert any(line.startswith("OK tokenizer: 22 ids") and "pad 0, unknown 1, first (2,)" in line for line in said)


def test_the_check_sees_reversed_and_other_scores(folder):
    text = (folder / "graded.tsv").read_text().splitlines()
    turned = ["\t".join([str(-float(line.split("\t")[0])), *line.split("\t")[1:]]) for line in text]
    (folder / "graded.tsv").write_text("\n".join(turned))
    assert (
        "NOTE mine.graded/test: the more words a pair shares the lower its score. Are the scores reversed?"
        in findings()
    )
    describe(folder, graded={**DESCRIPTION["graded"], "range": [-5, 5]})
    assert any("less than half of the range 0 to 5" in line for line in findings())


def test_the_check_sees_exchanged_labels_and_sizes(folder):
    shares = {"a b c d": "entailment", "a b x y": "neutral", "a v x y": "contradiction"}

    def snli(names):
        rows = [f"{names[label]}\ta b c d {i}\t{second} {i}\n" for second, label in shares.items() for i in range(40)]
        (folder / "snli_1.0_dev.txt").write_text("gold_label\tsentence1\tsentence2\n" + "".join(rows))
        return [line for line in findings() if "snli/validation" in line]

    right = snli({name: name for name in shares.values()})
    assert "OK snli/validation: words shared, entailment 1.00, neutral 0.60, contradiction 0.40" in right
    assert not any("exchanged" in line for line in right)
    assert "NOTE snli/validation: 120 labelled pairs, 9,842 were published" in right
    cycle = {"entailment": "neutral", "neutral": "contradiction", "contradiction": "entailment"}
    assert any("by words shared neutral, contradiction, entailment come first" in line for line in snli(cycle))
    assert any(line.startswith("FAIL no file of snli/train") for line in findings())


def test_the_check_counts_sentences_without_a_word_and_pieces_never_reached(folder):
    text = (folder / "one.csv").read_text()
    (folder / "one.csv").write_text(text.replace("a dog runs", "?!").replace("a dog sleeps", "\u200b"))
    assert any(line.startswith("FAIL mine/train: row 1 has a sentence that is empty") for line in findings())
    (folder / "one.csv").write_text(text.replace("a dog runs", "?!"))
    assert "NOTE mine/train: pairs with a sentence that has no letter or digit: 1" in findings()
    capitals = [f"W{i}" for i in range(20)]
    (folder / "tokenizer" / "vocab.txt").write_text(
        "\n".join([*VOCABULARY, *capitals, *(f"w{i}" for i in range(30_000))])
    )
    assert any("of its pieces, such as 'W0', 'W1', 'W2', are ones that no text becomes" in line for line in findings())


def test_an_empty_folder_is_told_the_layout(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path))
    assert parser.main(["data", "check", str(tmp_path)]) == 2
    assert "holds no corpus" in (said := capsys.readouterr().err) and "fourier-lab data --help" in said
    with pytest.raises(SystemExit):
        parser.main(["data", "--help"])
    assert "snli_1.0_train.jsonl" in (shown := capsys.readouterr().out) and "licence: CC BY 4.0" in shown


def test_the_description_in_the_help_is_one_that_works(folder, capsys):
    with pytest.raises(SystemExit):
        parser.main(["data", "--help"])
    shown = capsys.readouterr().out.partition("NAME:\n\n")[2].partition("\n\n")[0]
    shown = shown.replace("dev.csv", "one.csv").replace("train.csv", "one.csv")
    (folder / "shown.yaml").write_text(shown)
    for name in ("dev.tsv", "test.tsv", "tokenizer.json"):
        (folder / name).write_text("")
    described = own_corpus("shown")
    assert described.pairs.meanings == {"same": 0, "1": 0, "other": 2} and described.graded.reading.columns == (
        (5,),
        (6,),
        (4,),
    )


def test_a_toy_check_says_the_same():
    said = findings("builtin")
    assert len([line for line in said if line.startswith("OK toy") and " pairs, " in line]) == 6 and said[0].startswith(
        "OK"
    )
