import pandas as pd
import pytest

from fourier_lab import RunConfig
from fourier_lab.cli import parser
from fourier_lab.evaluation.baselines import bag_similarity, idf_weights
from fourier_lab.evaluation.metrics import sts_scores
from fourier_lab.text.corpus import token_pairs
from fourier_lab.text.similarity_sets import read_set
from fourier_lab.training.train import train

CONFIG = RunConfig(vocab_size=500, d_model=8, steps=2, warmup_steps=1, batch_size=8, train_pairs=50)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def trained(runs):
    return train(CONFIG, runs=runs)


@pytest.fixture
def file(trained, tmp_path):
    words = [trained.encoder.tokenizer.id_to_token(i) for i in range(10, 60)]
    rows = [(f"{a} {words[i + 1]}", f"{a} {words[i + 2]}", 1 + i % 7, "ab"[i % 2]) for i, a in enumerate(words[:-2])]
    pd.DataFrame(rows, columns=["question", "answer", "grade", "part"]).to_csv(tmp_path / "mine.csv", index=False)
    return tmp_path / "mine.csv"


def test_an_encoder_is_scored_on_ones_own_pairs_with_an_idf_bag_beside_it(runs, trained, file, capsys):
    columns = ["--columns", "question", "answer", "grade", "part", "--range", "1", "7"]
    assert parser.main(["score", trained.record.folder.name[:6], str(file), *columns, "--runs", str(runs)]) == 0
    told = capsys.readouterr().out
    frame = pd.read_csv(file).rename(columns={"question": "sentence1", "answer": "sentence2", "grade": "label"})
    frame.assign(label=(frame.label - 1) * 5 / 6).to_csv(file, index=False)
    graded = read_set(file).pairs
    pairs = token_pairs(trained.encoder.tokenizer, graded, 128)
    bag = bag_similarity(pairs, idf_weights(pairs.first + pairs.second, 500))
    expected = sts_scores(bag, graded.label)["spearman"]
    assert f"| bag of tokens, idf of the file | {expected['value']:.1f} | {expected['low']:.1f} to" in told
    assert "48 pairs" in told and "encoder minus bag" in told and "Mean Spearman over 2 subsets" in told


def test_a_saved_encoder_is_scored_like_the_run_that_it_was(runs, trained, file, tmp_path, capsys):
    columns = ["--columns", "question", "answer", "grade", "--range", "1", "7", "--runs", str(runs)]
    saved = trained.encoder.save_pretrained(tmp_path / trained.record.folder.name)
    told = []
    for encoder in (saved, trained.record.folder):
        assert parser.main(["score", str(encoder), str(file), *columns]) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--columns", "question", "answer"], "--columns takes the names"), (["--range", "5", "1"], "--range must rise"),
     (["--columns", "question", "answer", "grade"], "outside 0..5")],
)  # fmt: skip
def test_wrong_options_are_told(runs, trained, file, capsys, options, words):
    assert parser.main(["score", str(trained.record.folder), str(file), *options, "--runs", str(runs)]) == 2
    assert words in capsys.readouterr().err


def test_an_encoder_that_is_not_there_is_told(runs, file, capsys):
    assert parser.main(["score", "zzz", str(file), "--runs", str(runs)]) == 2
    assert "got 'zzz' (none does)" in capsys.readouterr().err
