"""A trained tokenizer is the same whenever and wherever it is trained, spells all ASCII, and never reads graded pairs."""

import os
import random
import subprocess
import sys

import pandas as pd
import pytest

from fourier_lab import RunConfig
from fourier_lab.errors import ConfigError
from fourier_lab.text.corpus import prepare
from fourier_lab.text.fingerprints import text_at_hand
from fourier_lab.text.plain_words import PlainWords
from fourier_lab.text.report import report
from fourier_lab.text.tokenizer import load_tokenizer, token_words, vocabulary_hash
from fourier_lab.text.word_pieces import SPECIAL, train_word_pieces
from tests.made_up_text import write_text

TRAINED = RunConfig(corpus="snli", source="folder", vocab_size=150, tokenizer="trained")
HASH = """
from tests.text.test_word_pieces import drawn, train_word_pieces, vocabulary_hash
print(vocabulary_hash(train_word_pieces(drawn(), 300)))
"""


def drawn():
    """Sentences of words that share their letters, so that many pairs of pieces occur equally often; some not in ASCII."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefgh\u00e9\u4e2d", k=draw.randrange(2, 9))) for _ in range(120)]
    return [" ".join(draw.choices(words, k=8)) + draw.choice(".!?") for _ in range(200)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path))
    return write_text(tmp_path)


def test_it_is_the_same_whenever_and_wherever_it_is_trained():
    found = {vocabulary_hash(train_word_pieces(drawn(), 300)) for _ in range(3)}
    for seed, threads in (("1", "1"), ("2", "3")):
        surroundings = {**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", HASH], env=surroundings, capture_output=True, text=True, check=True
        )
        found.add(done.stdout.strip())
    assert len(found) == 1


def test_ids_are_special_tokens_then_pieces_by_their_use():
    sentences = [*["The cat sat."] * 5, "a cat's hat", "\u00c9t\u00e9"]
    pieces = token_words(trained := train_word_pieces(sentences, 300))
    assert tuple(pieces[:5]) == SPECIAL and pieces[5:9] == ["cat", ".", "sat", "the"]  # 6, then 5 each
    assert {"a", "'", "s", "~", "##z", "7"} < {*pieces} and not {" ", "## ", "A", "##A", "##."} & {*pieces}
    assert trained.encode("CAT~zz \u00e9").tokens == ["[CLS]", "cat", "~", "z", "##z", "e", "[SEP]"]
    assert [*PlainWords(trained).rows(["the cat"])][0].tolist() == trained.encode("the cat").ids


def test_as_many_ids_as_asked_for_the_most_used_ones():
    small, large = (train_word_pieces(drawn(), size) for size in (200, 300))
    assert (small.get_vocab_size(), large.get_vocab_size()) == (200, 300)
    sizes = [sum(len(row.ids) for row in each.encode_batch(drawn())) for each in (small, large)]
    assert sizes[1] < 0.9 * sizes[0]
    with pytest.raises(ConfigError, match="vocab_size .50. must be at least"):
        train_word_pieces(drawn(), 50)


def test_a_run_is_read_with_it_and_graded_pairs_leave_no_trace(folder):
    corpus = prepare(TRAINED)
    assert corpus.account["vocab_size"] <= 150 and not (corpus.train.counts(150)[1]).any()  # no [UNK]
    assert "dog" in token_words(corpus.tokenizer) and corpus.account["vocabulary"] == vocabulary_hash(corpus.tokenizer)
    assert corpus.account["text"].keys() == {
        "snli/train", "snli/validation", "snli/test", "stsb/train", "stsb/validation", "stsb/test"
    }  # fmt: skip
    (folder / "tokenizer" / "vocab.txt").unlink()  # none has to be given
    pd.DataFrame({"sentence1": ["zebras zebra"] * 9, "sentence2": ["zebras"] * 9, "label": [1.0] * 9}).to_parquet(
        folder / "stsb" / "test.parquet"
    )
    again = prepare(TRAINED)
    assert again.account["vocabulary"] == corpus.account["vocabulary"]
    # A sentence that is graded as well has no part in it.
    graded = pd.read_parquet(folder / "snli" / "train.parquet").iloc[:, :2].set_axis(["sentence1", "sentence2"], axis=1)
    graded.assign(label=1.0)[graded.sentence1.str.contains("dog")].to_parquet(folder / "stsb" / "test.parquet")
    assert "dog" not in token_words(load_tokenizer(TRAINED))


def test_every_objective_on_a_corpus_has_the_same_one(folder):
    hashes = {
        vocabulary_hash(prepare(TRAINED.replace(objective=objective)).tokenizer)
        for objective in ("contrastive", "nli", "sts")
    }
    assert len(hashes) == 1 and "snli/train" in text_at_hand(TRAINED.replace(objective="sts"))


def test_the_check_names_it(folder):
    name = vocabulary_hash(load_tokenizer(TRAINED))
    assert [text for _, text in report("folder", 150)][-1] == f"tokenizer trained on snli: 146 ids, {name}"
    assert [state for state, _ in report("folder", 9)][-1] == "FAIL"


def test_it_is_refused_where_there_is_nothing_to_train_it_on():
    with pytest.raises(ConfigError, match="tokenizer 'trained' is for real text; the toy language has words"):
        RunConfig(tokenizer="trained")
    with pytest.raises(ConfigError, match="tokenizer is a setting of sentence encoders"):
        RunConfig(objective="language_model", head="tied", tokenizer="trained")
    with pytest.raises(ConfigError, match="tokenizer must be one of given, trained"):
        TRAINED.replace(tokenizer="bert")
