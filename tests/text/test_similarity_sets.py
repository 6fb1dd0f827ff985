import pandas as pd
import pytest

from fourier_lab import RunConfig
from fourier_lab.errors import ConfigError, DataError
from fourier_lab.text.fingerprints import text_at_hand
from fourier_lab.text.similarity_sets import load_set, read_set, seen_sentences
from fourier_lab.text.tables import Reading
from tests.made_up_text import write_text

CONFIG = RunConfig(corpus="snli", source="folder")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path))
    return write_text(tmp_path)


def table(**columns):
    return pd.DataFrame(
        {"sentence1": ["A dog!", "new"], "sentence2": ["a cat", "newer"], "label": [1.0, 4.5], **columns}
    )


def test_a_set_has_scores_and_where_the_file_says_so_subsets(folder):
    (folder / "sts12").mkdir()
    table(subset=["MSRpar", "OnWN"]).to_parquet(folder / "sts12" / "test.parquet")
    found = load_set("sts12", "folder")
    assert found.pairs.label.tolist() == [1.0, 4.5] and found.subset.tolist() == ["MSRpar", "OnWN"]
    (folder / "sick").mkdir()
    names = {"sentence1": "sentence_A", "sentence2": "sentence_B", "label": "relatedness_score"}
    table().rename(columns=names).to_csv(folder / "sick" / "SICK_test_annotated.txt", sep="\t", index=False)
    published = load_set("sick", "folder")
    assert published.pairs.first == found.pairs.first and published.subset is None


def test_a_subset_stays_with_its_pair_where_scores_are_missing(tmp_path):
    table(label=[None, 4.5], subset=["left", "right"]).to_csv(tmp_path / "mine.csv", index=False)
    found = read_set(tmp_path / "mine.csv")
    assert found.pairs.first == ["new"] and found.subset.tolist() == ["right"]


def test_shards_are_one_set_in_their_order(folder):
    (folder / "sick").mkdir()
    for number, row in enumerate(([0], [1])):
        table(subset=["x", "y"]).iloc[row].to_parquet(folder / "sick" / f"test-0000{number}-of-00002.parquet")
    found = load_set("sick", "folder")
    assert found.pairs.first == ["A dog!", "new"] and found.pairs.label.tolist() == [1.0, 4.5]
    assert {name: mask.tolist() for name, mask in found.subsets().items()} == {"x": [True, False], "y": [False, True]}


def test_columns_and_range_of_ones_own(tmp_path):
    table(grade=[1, 7], part=["x", "y"]).to_csv(tmp_path / "mine.tsv", sep="\t", index=False)
    reading = Reading((("sentence2",), ("sentence1",), ("grade",)), subset="part")
    found = read_set(tmp_path / "mine.tsv", reading, 1, 7)
    assert (
        found.pairs.label.tolist() == [0.0, 5.0]
        and found.pairs.first[0] == "a cat"
        and found.subset.tolist() == ["x", "y"]
    )
    with pytest.raises(DataError, match=r"row 1 has label 7, outside 1..5"):
        read_set(tmp_path / "mine.tsv", reading, 1, 5)


def test_unseen_pairs_share_no_sentence_with_training_text_or_graded_pairs(folder):
    (folder / "sick").mkdir()
    graded = [("A DOG runs outside.", "new"), ("new", "a dog runs outside again"), ("new", "newer")]
    pd.DataFrame(graded, columns=["sentence1", "sentence2"]).assign(label=2.0).to_parquet(
        folder / "sick" / "test.parquet"
    )
    seen = seen_sentences(CONFIG, text_at_hand(CONFIG))
    assert load_set("sick", "folder").unseen(seen).tolist() == [False, False, True]
    write_text(folder, turned=True)
    assert seen_sentences(CONFIG, text_at_hand(CONFIG)) == seen  # scores differ, sentences do not


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [("sick", "folder", r"no file of the similarity set sick .* Put sick/test\.parquet"),
     ("biosses", "folder", "Known: sick"),
     ("sick", "builtin", "from source 'folder' or 'hub', not from 'builtin'")],
)  # fmt: skip
def test_what_cannot_be_had_is_told(folder, name, source, words):
    with pytest.raises(DataError, match=words):
        load_set(name, source)


def test_the_setting_knows_its_sets_and_has_no_place_in_the_toy_language():
    config = CONFIG.replace(evaluated_on=["sts16", "sick", "sick"])
    assert config.evaluated_on == ("sick", "sts16") and config.digest() == CONFIG.digest()
    assert RunConfig.parse("evaluated_on", "sick sts12") == ("sick", "sts12")
    with pytest.raises(ConfigError, match="unknown similarity set 'stsb'. Choose from sick, sts12"):
        CONFIG.replace(evaluated_on=["stsb"])
    with pytest.raises(ConfigError, match="the toy language has graded pairs of its own"):
        RunConfig(evaluated_on=["sick"])
