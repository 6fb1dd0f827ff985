"""Corpora and batches: folders of Parquet, malformed input, held-out sentences, batches without repeats."""

import errno
import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from fourier_lab import RunConfig, load_pairs
from fourier_lab.errors import DataError
from fourier_lab.field_rules import SIMILARITY_SETS
from fourier_lab.text import batches, fetch, similarity_sets
from fourier_lab.text import pairs as data_module
from fourier_lab.text import tokenizer as cutting
from fourier_lab.text.batches import batch_stream, chunk_by_tokens, epoch_batches, pack
from fourier_lab.text.corpus import prepare, token_pairs
from fourier_lab.text.pairs import training_pairs
from fourier_lab.text.tokenizer import load_tokenizer, tokenize, toy_tokenizer, vocabulary_hash, wordpiece_tokenizer

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "man", "runs", "sleeps", "##s", "."]


def nli(label=(0, 1, 2, -1), premise="a dog runs.", hypothesis="a man sleeps") -> pd.DataFrame:
    n = range(len(label))
    return pd.DataFrame(
        {"premise": [f"{premise} {i}" for i in n], "hypothesis": [f"{hypothesis} {i}" for i in n], "label": label}
    )


def graded(score=(0.0, 2.4, 5.0)) -> pd.DataFrame:
    n = len(score)
    return pd.DataFrame({"sentence1": ["one dog"] * n, "sentence2": ["two men"] * n, "label": score})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A small folder in the hub's layout."""
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    tables = {f"snli/{s}": nli() for s in ("train", "validation", "test")}
    tables |= {f"stsb/{s}": graded() for s in ("train", "validation", "test")}
    for name, table in tables.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        table.to_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    return tmp_path


def test_folder_drops_missing_labels_and_keeps_scores(folder):
    pairs = load_pairs("snli", "train", "folder")
    assert pairs.label.tolist() == [0, 1, 2] and pairs.first[0] == "a dog runs. 0"
    assert load_pairs("stsb", "test", "folder").label.tolist() == [0.0, 2.4, 5.0]


def test_fingerprint_follows_the_content(folder):
    before = load_pairs("snli", "train", "folder").fingerprint
    assert before == load_pairs("snli", "test", "folder").fingerprint
    nli(hypothesis="a man runs").to_parquet(folder / "snli" / "train.parquet")
    assert load_pairs("snli", "train", "folder").fingerprint != before


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        (nli().drop(columns="hypothesis"), "no column hypothesis, only premise, label"),
        (nli(label=(0, 7, 1, 1)), r"row 1 has label 7, outside 0\.\.2"),
        (nli(label=(0, -1, -1, 7)), "row 3 has label 7"),
        (nli(label=(0, 1.5, 1, 1)), r"row 1 has label 1\.5, outside 0\.\.2 in whole numbers"),
        (nli(label=(0, 1, float("inf"), 1)), "row 2 has label inf"),
        (nli(label=(-1, 0, 0, 0)).assign(premise=["", "a", " ", "a"]), "row 2 has a sentence that is empty"),
        (nli(label=(-1, -1, -1, -1)), "no labelled pair"),
        (
            nli(label=("yes", "no", "no", "no")),
            "labels must be numbers or entailment, neutral, contradiction, got 'yes'",
        ),
        (nli(label=([0], [1, 2], [0], [1])), "labels must be numbers or .*, got "),
        (nli(label=(True, False, True, True)), "labels must be numbers or .*, got True"),
        (nli().assign(premise=""), "sentence that is empty"),
        (nli().assign(premise=7), r"no text: \(7, "),
        (nli().iloc[:0], "no labelled pair"),
    ],
)
def test_malformed_tables_are_named(folder, table, rule):
    table.to_parquet(folder / "snli" / "train.parquet")
    with pytest.raises(DataError, match=rule):
        load_pairs("snli", "train", "folder")


def test_missing_and_corrupt_files_are_named(folder, monkeypatch):
    path = folder / "snli" / "train.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"cannot read .*train.parquet"):
        load_pairs("snli", "train", "folder")
    path.unlink()
    with pytest.raises(
        DataError, match=r"no file of snli/train .*splits there: validation, test.*fourier-lab data fetch"
    ):
        load_pairs("snli", "train", "folder")
    with pytest.raises(DataError, match="no corpus 'snli' with split 'dev'"):
        load_pairs("snli", "dev", "folder")
    with pytest.raises(DataError, match="source must be one of builtin, folder, hub, got 'fodler'"):
        load_pairs("snli", "train", "fodler")
    with pytest.raises(DataError, match="does not come from source 'builtin'"):
        load_pairs("snli", "train")
    monkeypatch.setenv("FOURIER_LAB_DATA", str(folder / "nowhere"))
    with pytest.raises(DataError, match="not a folder"):
        load_pairs("snli", "train", "folder")
    monkeypatch.delenv("FOURIER_LAB_DATA")
    with pytest.raises(DataError, match="FOURIER_LAB_DATA=FOLDER"):
        load_pairs("snli", "train", "folder")


@pytest.mark.parametrize(
    ("error", "rule", "idle"),
    [
        (ConnectionError("no route"), "ConnectionError: no route. Check the network, or use source 'folder'", "disk"),
        (OSError(errno.ENOSPC, "No space left on device"), r"No space left on device\. Free disk space", "network"),
    ],
)
def test_what_stops_the_hub_is_named_with_its_own_remedy(monkeypatch, error, rule, idle):
    def refuse(*arguments, **options):
        raise error

    monkeypatch.setattr("datasets.load_dataset", refuse)
    with pytest.raises(DataError, match=rule) as found:
        load_pairs("snli", "train", "hub")
    assert idle not in str(found.value)


def test_hub_revisions_are_pinned_and_the_test_scores_come_from_a_copy_that_has_them(monkeypatch):
    asked = []

    def record(*arguments, **options):
        asked.append((arguments, options))
        raise ConnectionError

    monkeypatch.setattr("datasets.load_dataset", record)
    for name, split in [("snli", "test"), ("mnli", "train"), ("stsb", "validation"), ("stsb", "test")]:
        with pytest.raises(DataError):
            load_pairs(name, split, "hub")
    assert [a[0] for a, _ in asked] == [
        "stanfordnlp/snli",
        "nyu-mll/multi_nli",
        "nyu-mll/glue",
        "mteb/stsbenchmark-sts",
    ]
    assert all(len(options["revision"]) == 40 for _, options in asked)


def test_a_fetched_folder_holds_what_the_hub_does(tmp_path, monkeypatch):
    offered = {"mnli": nli((2, 0, 1)), "snli": nli(), "stsb": graded((0.25, 4.999))}

    def read(name, split):
        return pa.Table.from_pandas(offered.get(name, graded((1.0, 3.5))))

    for module in (data_module, similarity_sets):
        monkeypatch.setattr(module, "read_hub", read)
    words = toy_tokenizer(200)
    monkeypatch.setattr("fourier_lab.text.tokenizer.hub_tokenizer", lambda: words)
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    written = list(fetch.fetch(tmp_path))
    assert sorted(written) == sorted(path for kind in ("*.parquet", "*.txt") for path in tmp_path.glob(f"*/{kind}"))
    splits = [(name, split) for name in offered for split in data_module.SPLITS[name]]
    assert len(written) == len(splits) + len(SIMILARITY_SETS) + 1
    for name in SIMILARITY_SETS:
        assert similarity_sets.load_set(name, "folder").pairs.label.tolist() == [1.0, 3.5]
    for name, split in splits:
        ours, theirs = (load_pairs(name, split, source) for source in ("folder", "hub"))
        assert ours.fingerprint == theirs.fingerprint and ours.label.tolist() == theirs.label.tolist()
    fetched = load_tokenizer(RunConfig(corpus="snli", source="folder", vocab_size=200))
    assert vocabulary_hash(fetched) == vocabulary_hash(words)


def test_training_pairs_leave_out_evaluation_sentences(folder):
    table = nli(label=(0, 0, 0, 1))
    table.loc[1, "premise"] = "ONE dog!"  # occurs in the graded pairs, up to case and punctuation
    table.to_parquet(folder / "snli" / "train.parquet")
    pairs, account = training_pairs("snli", "folder", None, True, "graded")
    assert len(pairs) == 2 and account["snli"]["dropped_held_out"] == 1 and account["snli"]["rows"] == 4
    pairs, account = training_pairs("snli", "folder", 2, False, "graded")
    assert account["snli"]["used"] == len(pairs) == 2


@pytest.mark.parametrize(("left_out", "dropped"), [("graded", 2), ("scored", 1)])
def test_which_splits_of_the_graded_corpus_are_left_out_is_a_setting(folder, left_out, dropped):
    graded().assign(sentence1="Three birds.").to_parquet(folder / "stsb" / "train.parquet")
    table = nli(label=(0, 0, 0, 1))
    table.loc[1, "premise"], table.loc[2, "hypothesis"] = "one dog", "three birds"
    table.to_parquet(folder / "snli" / "train.parquet")
    account = prepare(RunConfig(corpus="snli", source="folder", left_out=left_out)).account
    assert account["train"]["snli"]["dropped_held_out"] == dropped and account["train_pairs"] == 3 - dropped


def test_a_held_out_split_without_entailment_is_named(folder):
    for split, label in (("train", (0, 0, 0, 0)), ("test", (1, 1, 2, 2))):
        nli(label).to_parquet(folder / "snli" / f"{split}.parquet")
    with pytest.raises(DataError, match="snli/test holds no entailment pair"):
        prepare(RunConfig(corpus="snli", source="folder"))


def test_the_callers_padding_and_truncation_are_neither_used_nor_changed(folder):
    tokenizer = load_tokenizer(RunConfig(corpus="snli", source="folder"))
    tokenizer.add_tokens(["man runs"])
    plain = tokenize(tokenizer, ["a man runs", "a dog"], 128)
    tokenizer.enable_padding(length=9)
    tokenizer.enable_truncation(3)
    settings = tokenizer.padding, tokenizer.truncation
    again = tokenize(tokenizer, ["a man runs", "a dog"], 128)
    assert [ids.tolist() for ids in again] == [ids.tolist() for ids in plain] == [[2, 5, 12, 3], [2, 5, 6, 3]]
    assert (tokenizer.padding, tokenizer.truncation) == settings


def test_wordpiece(folder):
    tokenizer = load_tokenizer(RunConfig(corpus="snli", source="folder"))
    (ids,) = tokenize(tokenizer, ["A dogs zebra ."], 128)
    assert [VOCABULARY[i] for i in ids] == ["[CLS]", "a", "dog", "##s", "[UNK]", ".", "[SEP]"]
    assert len(tokenize(tokenizer, ["a a a a a a"], 5)[0]) == 5
    with pytest.raises(DataError, match="sentence 1 is ' '"):
        tokenize(tokenizer, ["a", " "], 5)
    (folder / "tokenizer" / "vocab.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not text"):
        wordpiece_tokenizer(folder / "tokenizer" / "vocab.txt")
    (folder / "tokenizer" / "vocab.txt").write_text("\n".join([*VOCABULARY, "dog"]))
    with pytest.raises(DataError, match="has the line 'dog' twice"):
        wordpiece_tokenizer(folder / "tokenizer" / "vocab.txt")
    (folder / "tokenizer" / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(DataError, match=r"lacks \[CLS\], \[PAD\]"):
        wordpiece_tokenizer(folder / "tokenizer" / "vocab.txt")


def test_toy_tokenizer_knows_every_word_and_the_order_changes_only_ids():
    pairs = load_pairs("toy", "test").select(np.arange(300))
    tokenizers = {order: toy_tokenizer(30522, order) for order in ("frequency", "semantic", "random")}
    said = {}
    for order, tokenizer in tokenizers.items():
        assert tokenizer.get_vocab_size(with_added_tokens=True) == 30522
        ids = tokenize(tokenizer, pairs.first, 128)
        assert not any(tokenizer.token_to_id("[UNK]") in row for row in ids)
        said[order] = [tokenizer.decode(row, skip_special_tokens=False) for row in ids]
    assert said["frequency"] == said["semantic"] == said["random"]
    assert len({vocabulary_hash(tokenizer) for tokenizer in tokenizers.values()}) == 3


@pytest.mark.parametrize("objective", ["contrastive", "sts"])
def test_a_smaller_toy_language_is_known_whole_as_well(objective):
    corpus = prepare(RunConfig(vocab_size=2000, objective=objective))
    texts = [corpus.train, *corpus.held_out.values(), *corpus.graded.values()]
    assert all(corpus.tokenizer.token_to_id("[UNK]") not in row for text in texts for row in text.first + text.second)


def test_pack_lays_sentences_end_to_end():
    rows = [np.array([7, 8, 9]), np.array([1]), np.array([4, 5, 6]), np.array([2, 3])]
    packed = pack(rows)
    assert packed.groups == ((1, 1), (1, 2), (2, 3)) and packed.sizes == [1, 2, 6]
    assert packed.token_ids.tolist() == [1, 2, 3, 7, 8, 9, 4, 5, 6]
    assert packed.positions.tolist() == [0, 0, 1, 0, 1, 2, 0, 1, 2]
    assert packed.restore.tolist() == [2, 0, 3, 1]
    assert torch.equal(packed.to(torch.device("cpu")).token_ids, packed.token_ids)


def test_batches_repeat_no_sentence_and_cover_the_epoch():
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 150, 400), rng.integers(150, 400, 400)  # premises occur several times, as in SNLI
    batches = epoch_batches(keys, 16, seed=1, epoch=0)
    for batch in batches:
        sentences = np.concatenate((keys[0][batch], keys[1][batch]))
        assert len(batch) == 16 and len(np.unique(sentences)) == 32
    used = np.concatenate(batches)
    assert len(np.unique(used)) == len(used) > 300
    again = epoch_batches(keys, 16, seed=1, epoch=0)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))
    assert not np.array_equal(epoch_batches(keys, 16, seed=1, epoch=1)[0], batches[0])
    with pytest.raises(DataError, match="hold no batch of 500"):
        epoch_batches(keys, 500, seed=1, epoch=0)


@pytest.mark.parametrize("start", [0, 1, 24, 25, 60])
def test_batch_stream_can_start_anywhere(start):
    keys = np.arange(100), np.arange(100, 200)
    whole = list(batch_stream(keys, 4, 3, 0, 70))
    part = list(batch_stream(keys, 4, 3, start, 70))
    assert len(whole) == 70 and len(part) == 70 - start
    assert all(np.array_equal(a, b) for a, b in zip(whole[start:], part, strict=True))


def test_blocks_change_neither_ids_nor_batches_nor_fingerprints(monkeypatch, tmp_path):
    pairs = load_pairs("toy", "test", vocab_size=500).select(slice(100))

    def found():
        tokens = token_pairs(toy_tokenizer(500), pairs, 16)
        assert [len(row) for row in tokens.first] == [len(sentence.split()) + 2 for sentence in pairs.first]
        drawn = epoch_batches((np.arange(100) // 3, np.arange(100, 200)), 8, seed=1, epoch=0)
        checked = data_module.checked("toy", "test", pairs.first, pairs.second, pairs.label)
        return [row.tolist() for row in tokens.sentences], [batch.tolist() for batch in drawn], checked.fingerprint

    whole = found()
    content = "\n".join(pairs.first) + "\0" + "\n".join(pairs.second)
    assert whole[2] == hashlib.sha256(content.encode() + pairs.label.tobytes()).hexdigest()[:12]
    for module, name in ((batches, "_BLOCK"), (cutting, "_BLOCK"), (data_module, "BLOCK")):
        monkeypatch.setattr(module, name, 7)
    assert found() == whole
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY))
    with pytest.raises(DataError, match=r"sentence 8 is '\\u200b'"):
        tokenize(wordpiece_tokenizer(tmp_path / "vocab.txt"), ["a dog"] * 8 + ["\u200b"], 16)


def test_chunks_hold_every_sentence_once_within_the_limit():
    lengths = np.random.default_rng(0).integers(1, 60, 500)
    chunks = chunk_by_tokens(lengths, 256)
    assert sorted(np.concatenate(chunks).tolist()) == list(range(500))
    assert max(lengths[chunk].sum() for chunk in chunks) < 256 + 60


def test_toy_splits_are_disjoint_and_sized():
    sizes = {split: len(load_pairs("toy", split)) for split in data_module.SPLITS["toy"]}
    assert sizes == data_module.TOY_SIZES


def test_what_is_done_to_toy_pairs_stays_with_whoever_does_it():
    mine, label = load_pairs("toy", "test"), load_pairs("toy", "test").label[0]
    mine.first[0], mine.second[0], mine.label[0] = "mine", "too", 7
    again = load_pairs("toy", "test")
    assert "mine" not in again.first and "too" not in again.second and again.label[0] == label
