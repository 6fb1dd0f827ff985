"""The published forms of SNLI, MNLI and STS-B, and every spelling of their labels, hold the same pairs."""

import codecs
import gzip
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from fourier_lab import load_pairs
from fourier_lab.errors import DataError
from fourier_lab.text.labels import NAMES, read_labels

FIRST = ['A "quoted man', "None", "a\u2028b\x85c, d", "n/a", "nan"]
SECOND = ["2010-01-01", 'He said "yes"', "null", "-", "two"]
GOLD = ["entailment", "neutral", "contradiction", "-", "neutral"]
KEPT = [0, 1, 2, 4]
SCORES = [5.0, 3.75, 0.2, 1.6, 2.4]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path))
    return tmp_path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def separated(header, rows, end="\n"):
    return "".join("\t".join(row) + end for row in ([header] if header else []) + rows)


def snli_txt():
    header = ["gold_label", "sentence1_binary_parse", "sentence1", "sentence2", "captionID", "label1", "label2"]
    # Only the first annotator is certain to be there: rows are ragged.
    return separated(header, [[g, "( a )", a, b, "7.jpg#0", g] for g, a, b in zip(GOLD, FIRST, SECOND, strict=True)])


def snli_jsonl():
    rows = zip(GOLD, FIRST, SECOND, strict=True)
    lines = [
        {"annotator_labels": [g] * 5, "captionID": "1", "gold_label": g, "sentence1": a, "sentence2": b}
        for g, a, b in rows
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def glue_mnli():
    header = ["index", "promptID", "sentence1_parse", "sentence1", "sentence2", "label1", "gold_label"]
    rows = zip(GOLD, FIRST, SECOND, strict=True)
    return separated(header, [[str(i), "p", "( x", a, b, "neutral", g] for i, (g, a, b) in enumerate(rows)])


def csv_with_quotes():
    return pd.DataFrame({"sentence1": FIRST, "sentence2": SECOND, "label": GOLD}).to_csv()


def hub_table(names=NAMES):
    numbers = [names.index(gold) if gold in names else -1 for gold in GOLD]
    table = pa.table({"premise": FIRST, "hypothesis": SECOND, "label": numbers})
    note = {"info": {"features": {"label": {"names": list(names), "_type": "ClassLabel"}}}}
    return table.replace_schema_metadata({"huggingface": json.dumps(note)})


def parquet_bytes(table):
    stream = pa.BufferOutputStream()
    parquet.write_table(table, stream)
    return stream.getvalue().to_pybytes()


NLI_FORMS = {
    "snli/snli_1.0/snli_1.0_train.txt": ("snli", "train", snli_txt),
    "snli_1.0_dev.jsonl": ("snli", "validation", snli_jsonl),
    "multinli_1.0/multinli_1.0_train.jsonl": ("mnli", "train", snli_jsonl),
    "x/multinli_1.0_dev_mismatched.txt": ("mnli", "validation_mismatched", snli_txt),
    "glue/MNLI/train.tsv": ("mnli", "train", glue_mnli),
    "MNLI/dev_matched.tsv": ("mnli", "validation_matched", glue_mnli),
    "snli/plain_text/test-00000-of-00001.parquet": ("snli", "test", lambda: parquet_bytes(hub_table())),
    "snli/train.csv": ("snli", "train", csv_with_quotes),
    "snli/validation.jsonl": ("snli", "validation", lambda: b"\xef\xbb\xbf" + snli_jsonl().encode()),
}  # fmt: skip


@pytest.mark.parametrize("path", NLI_FORMS)
def test_nli_pairs_are_read_as_published(folder, path):
    name, split, content = NLI_FORMS[path]
    write(folder / path, content())
    pairs = load_pairs(name, split, "folder")
    assert pairs.first == [FIRST[i] for i in KEPT] and pairs.second == [SECOND[i] for i in KEPT]
    assert pairs.label.tolist() == [0, 1, 2, 1] and pairs.label.dtype == np.int64


def sts_csv():
    rows = zip(SCORES, FIRST, SECOND, strict=True)
    return separated(None, [["main-news", "MSRvid", "2012test", "0024", f"{s:.3f}", a, b, *["source"] * (i % 3)]
                            for i, (s, a, b) in enumerate(rows)])  # fmt: skip


def glue_sts():
    header = [
        "index",
        "genre",
        "filename",
        "year",
        "old_index",
        "source1",
        "source2",
        "sentence1",
        "sentence2",
        "score",
    ]
    rows = zip(SCORES, FIRST, SECOND, strict=True)
    return separated(header, [[str(i), *"gfyouv", a, b, f"{s:.3f}"] for i, (s, a, b) in enumerate(rows)])


@pytest.mark.parametrize(
    ("path", "split", "content"),
    [
        ("stsbenchmark/sts-train.csv", "train", sts_csv),
        ("stsbenchmark/sts-dev.csv", "validation", sts_csv),
        ("sts-test.csv", "test", sts_csv),
        ("STS-B/dev.tsv", "validation", glue_sts),
    ],
)
def test_graded_pairs_are_read_as_published(folder, path, split, content):
    write(folder / path, content())
    pairs = load_pairs("stsb", split, "folder")
    assert (pairs.first, pairs.second, pairs.label.tolist()) == (FIRST, SECOND, SCORES)


def test_all_forms_have_the_fingerprint_of_the_plain_one(folder):
    write(folder / "snli" / "train.parquet", parquet_bytes(hub_table()))
    write(folder / "snli" / "snli_1.0_dev.txt", snli_txt())
    write(folder / "stsb" / "sts-dev.csv", sts_csv())
    graded = pa.table({"sentence1": FIRST, "sentence2": SECOND, "label": SCORES})
    write(folder / "stsb" / "train.parquet", parquet_bytes(graded))
    assert len({load_pairs("snli", split, "folder").fingerprint for split in ("train", "validation")}) == 1
    assert len({load_pairs("stsb", split, "folder").fingerprint for split in ("train", "validation")}) == 1


def test_the_names_of_a_class_label_decide_file_by_file(folder):
    for i, names in enumerate((NAMES, tuple(reversed(NAMES)))):
        table = hub_table(names).cast(pa.schema([("premise", (pa.string(), pa.large_string())[i]),
                                                 ("hypothesis", pa.string()), ("label", pa.int64())]))  # fmt: skip
        table = table.replace_schema_metadata(hub_table(names).schema.metadata)
        write(folder / "snli" / f"train-0000{i}-of-00002.parquet", parquet_bytes(table))
    assert load_pairs("snli", "train", "folder").label.tolist() == [0, 1, 2, 1] * 2
    (folder / "snli" / "train-00001-of-00002.parquet").unlink()
    with pytest.raises(DataError, match="1 of the 2 files"):
        load_pairs("snli", "train", "folder")


@pytest.mark.parametrize("place", ["train.parquet", "train"])
def test_a_folder_that_spark_wrote_is_one_table(folder, place):
    whole = folder / "snli" / place
    for i in range(2):
        write(whole / f"part-0000{i}-1f2e.snappy.parquet", parquet_bytes(hub_table().slice(i * 3, 3)))
    for hidden in ("_SUCCESS", ".part-00000-1f2e.snappy.parquet.crc", "._SUCCESS.crc"):
        write(whole / hidden, b"\0")
    assert load_pairs("snli", "train", "folder").label.tolist() == [0, 1, 2, 1]
    (whole / "_temporary").mkdir()
    with pytest.raises(DataError, match="not written to its end"):
        load_pairs("snli", "train", "folder")


def test_the_plain_form_comes_first(folder):
    write(folder / "snli" / "snli_1.0_train.jsonl", snli_jsonl())
    assert len(load_pairs("snli", "train", "folder")) == 4
    write(folder / "snli" / "train.parquet", parquet_bytes(hub_table().slice(0, 2)))
    assert len(load_pairs("snli", "train", "folder")) == 2


def test_a_replaced_file_is_read_anew(folder):
    for n in (2, 3):
        write(folder / "snli" / "train.parquet", parquet_bytes(hub_table().slice(0, n)))
        assert len(load_pairs("snli", "train", "folder")) == n


@pytest.mark.parametrize("missing", [-1, -1.0, "-1", "-", None, float("nan"), "nan", "None", "", " ", "NaN", np.nan])
def test_a_missing_label_is_missing_in_every_spelling(missing):
    assert np.isnan(read_labels([missing], "file")).tolist() == [True]


def test_a_missing_label_may_be_a_score():
    assert read_labels([-1.0, "-1", None], "file", least=-2).tolist()[:2] == [-1.0, -1.0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 1.0, "2", "2.0"], [0, 1, 2, 2]),
        (["Entailment", " neutral", "CONTRADICTION"], [0, 1, 2]),
        (np.array([0, 2]), [0, 2]),
    ],
)
def test_labels_are_names_or_numbers(values, expected):
    assert read_labels(list(values), "file").tolist() == expected


def test_class_names_and_meanings_decide_and_unknown_ones_are_named():
    assert read_labels([0, 2, -1], "file", list(reversed(NAMES))).tolist()[:2] == [2, 0]
    assert read_labels([True, False, 1.0], "file", None, {"true": 0, "false": 2, "1": 1}).tolist() == [0, 2, 0]
    with pytest.raises(DataError, match=r"got 0 \(named yes, no in the file\)"):
        read_labels([0], "file", ["yes", "no"])
    with pytest.raises(DataError, match="labels must be among same, other, got 'else'"):
        read_labels(["same", "else"], "file", None, {"same": 0, "other": 2})


def test_glue_hides_the_test_scores_and_the_message_says_what_helps(folder):
    table = pa.table({"sentence1": FIRST, "sentence2": SECOND, "label": [-1.0] * 5})
    write(folder / "stsb" / "test-00000-of-00001.parquet", parquet_bytes(table))
    with pytest.raises(DataError, match=r"no labelled pair.*GLUE.*sts-test\.csv"):
        load_pairs("stsb", "test", "folder")


@pytest.mark.parametrize("blank", ["\0", "\u200b\u200d", "\ufeff", " \t", "\x0b\x0c", "\u2028"])
def test_a_sentence_without_width_is_empty(folder, blank):
    table = pa.table({"premise": ["a", blank], "hypothesis": ["b", "c"], "label": [0, 0]})
    write(folder / "snli" / "train.parquet", parquet_bytes(table))
    with pytest.raises(DataError, match="row 1 has a sentence that is empty"):
        load_pairs("snli", "train", "folder")


@pytest.mark.parametrize("name", ["train.csv", "train.jsonl", "train.parquet"])
def test_an_unreadable_file_names_its_own_remedy(folder, name):
    write(folder / "snli" / name, b'{"premise": \xff\xfe"')
    with pytest.raises(DataError, match=f"cannot read .*{name}.*put a whole copy") as found:
        load_pairs("snli", "train", "folder")
    assert "network" not in str(found.value) and "disk" not in str(found.value)


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv"])
def test_compressed_files_are_read_as_they_are(tmp_path, monkeypatch, suffix):
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path))
    rows = [{"sentence1": f"a dog {i}", "sentence2": "a, cat", "gold_label": "neutral"} for i in range(3)]
    lines = [json.dumps(row) for row in rows]
    if suffix != "jsonl":
        between = {"csv": ",", "tsv": "\t"}[suffix]
        quote = '"' if suffix == "csv" else ""
        lines = [between.join(rows[0]), *(between.join(f"{quote}{v}{quote}" for v in row.values()) for row in rows)]
    (tmp_path / "snli").mkdir()
    content = codecs.BOM_UTF8 + "\r\n".join([*lines, ""]).encode()
    (tmp_path / "snli" / f"train.{suffix}.gz").write_bytes(gzip.compress(content))
    found = load_pairs("snli", "train", "folder")
    assert found.first == ["a dog 0", "a dog 1", "a dog 2"] and found.second == ["a, cat"] * 3
    (tmp_path / "snli" / f"train.{suffix}.gz").write_bytes(gzip.compress(content)[:40])
    with pytest.raises(DataError, match=rf"cannot read .*train.{suffix}.gz.*put a whole copy"):
        load_pairs("snli", "train", "folder")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_carriage_return_within_a_field_ends_no_row(tmp_path, monkeypatch, end):
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path))
    inner = " " if end == "\r" else "\r"  # where it ends every line it can be nothing else
    rows = ["premise\thypothesis\tlabel", f'a{inner}dog\ta "cat\tneutral', "", f"one\ttwo{inner}\tentailment"]
    (tmp_path / "snli").mkdir()
    (tmp_path / "snli" / "train.tsv").write_bytes("".join(row + end for row in rows).encode())
    found = load_pairs("snli", "train", "folder")
    assert found.first == [f"a{inner}dog", "one"] and found.second == ['a "cat', f"two{inner}"]
    assert found.label.tolist() == [1, 0]
