"""A run belongs to the text that it read: other text is another run, and no mean or table pools the two."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from made_up_text import VOCABULARY, WORDS, rewrite_in_place, write_text

from fourier_lab import RunConfig, load_record, load_records, paths, train
from fourier_lab.cli import parser
from fourier_lab.errors import DataError, RecordError
from fourier_lab.geometry.effects import training_effects
from fourier_lab.study.ladder import ladder, records_of
from fourier_lab.sweeps.file import load_sweep
from fourier_lab.sweeps.plan import Places, plan
from fourier_lab.tables import points, score_tables, summaries
from fourier_lab.text import fingerprints
from fourier_lab.text.corpus import prepare
from fourier_lab.text.fingerprints import recorded_text, same_text, text_at_hand
from fourier_lab.training.folders import run_folder
from fourier_lab.training.sums import SUMS

TINY = RunConfig(
    corpus="snli", source="folder", left_out="scored", d_model=8, steps=3, warmup_steps=1, batch_size=4, threads=1
)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """Two data folders that differ in STS-B's scores alone."""
    return [write_text(tmp_path_factory.mktemp("text"), turned=turned) for turned in (False, True)]


@pytest.fixture
def use(monkeypatch):
    return lambda folder: monkeypatch.setenv("FOURIER_LAB_DATA", str(folder))


@pytest.fixture(scope="module")
def runs(texts, tmp_path_factory):
    """Folder with the same settings on both texts, and the two results."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        results = []
        for folder in texts:
            patch.setenv("FOURIER_LAB_DATA", str(folder))
            results.append(train(TINY, runs=root))
    return root, results


def test_other_scores_are_another_run_and_both_are_kept(runs, texts, use):
    root, results = runs
    (first, second), (one, other) = results, (result.record for result in results)
    assert one.folder != other.folder and first.config == second.config
    assert one.score("test") != other.score("test") and one.score("test") == pytest.approx(
        -other.score("test"), abs=1e-3
    )
    for folder, expected in zip(texts, (one, other), strict=True):
        use(folder)
        again = train(TINY, runs=root, callback=lambda progress: pytest.fail("trained again"))
        assert again.record.folder == expected.folder and again.metrics == expected.metrics
    assert len(load_records(root)) == 2


def test_each_part_of_the_text_counts(texts, tmp_path, use):
    """Whatever size and time of a changed file say; and a file that the run does not read is none of its text."""
    use(folder := Path(shutil.copytree(texts[0], tmp_path / "text")))
    (folder / "mnli").mkdir()
    whole = TINY.replace(left_out="graded")
    before = text_at_hand(whole)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        old, new = (b"dog\ncat", b"cat\ndog") if path.suffix == ".txt" else (b"sleeps", b"dreams")
        rewrite_in_place(path, content.replace(old, new))
        assert not same_text(text_at_hand(whole), before), path
        rewrite_in_place(path, content)
        assert text_at_hand(whole) == before
    (folder / "mnli" / "train.parquet").write_bytes(b"not read")
    assert text_at_hand(whole) == before


def test_a_file_changed_in_place_gives_new_numbers_in_one_process(texts, tmp_path, use):
    use(folder := Path(shutil.copytree(texts[0], tmp_path / "text")))
    before = train(TINY, runs=tmp_path / "runs")
    for split in ("train", "validation", "test"):
        shutil.copy(texts[1] / "stsb" / f"{split}.parquet", folder / "stsb" / f"{split}.parquet")
    after = train(TINY, runs=tmp_path / "runs")
    use(texts[1])
    assert after.metrics["scores"] != before.metrics["scores"]
    assert after.metrics["scores"] == train(TINY, runs=tmp_path / "elsewhere").metrics["scores"]


def test_other_ids_or_another_way_to_cut_words_are_other_text(texts, tmp_path, use):
    use(folder := Path(shutil.copytree(texts[0], tmp_path / "text")))
    before = text_at_hand(TINY)
    (folder / "tokenizer" / "vocab.txt").write_text("\n".join([*VOCABULARY, "un"]) + "\n")  # in no sentence
    more = text_at_hand(TINY)
    assert more["tokens"] == before["tokens"] and more["vocabulary"] != before["vocabulary"]
    pieces = [word if word != "quickly" else "quick" for word in WORDS]
    (folder / "tokenizer" / "vocab.txt").write_text("\n".join([*VOCABULARY[:4], *pieces]) + "\n")
    assert text_at_hand(TINY)["tokens"] != before["tokens"]


def test_an_account_names_all_that_was_read(texts, use):
    use(texts[0])
    account = prepare(TINY).account
    splits = {f"snli/{split}" for split in ("train", "validation", "test")} | {"stsb/validation", "stsb/test"}
    assert account["text"].keys() == splits | {"vocabulary", "tokens"} and account["text"] == text_at_hand(TINY)
    older = {name: value for name, value in account.items() if name != "text"}
    assert same_text(recorded_text(TINY, older), account["text"]) and len(recorded_text(TINY, older)) == 4
    tuned = TINY.replace(objective="sts", pretraining={"steps": 2})
    assert text_at_hand(tuned) == text_at_hand(TINY.replace(left_out="graded"))  # that of both stages
    shuffled = recorded_text(TINY.replace(id_order="random"), older)
    assert "vocabulary" not in shuffled and same_text(shuffled, account["text"])


def as_by_an_older_version(record, root):
    """Copy a record to where and how an older version wrote it: named by its settings, without the account of its text."""
    folder = Path(shutil.copytree(record.folder, root / record.config.digest()))
    metrics = json.loads((folder / "metrics.json").read_text())
    del metrics["data"]["text"]
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / SUMS).unlink()  # older versions wrote none
    return folder


def test_a_record_of_an_older_version_counts_for_its_own_text(runs, texts, tmp_path, use):
    folder = as_by_an_older_version(runs[1][0].record, tmp_path)
    use(texts[0])
    assert train(TINY, runs=tmp_path, callback=lambda progress: pytest.fail("trained again")).record.folder == folder
    use(texts[1])
    assert train(TINY, runs=tmp_path).record.folder != folder and load_record(folder).config == TINY
    assert len(load_records(tmp_path)) == 2


def test_without_a_data_folder_a_finished_run_is_read_unless_there_are_two(runs, tmp_path, monkeypatch):
    root, (first, _) = runs
    monkeypatch.delenv("FOURIER_LAB_DATA", raising=False)
    shutil.copytree(first.record.folder, tmp_path / first.record.folder.name)
    assert train(TINY, runs=tmp_path).metrics == first.metrics
    with pytest.raises(RecordError, match=r"different texts, stsb/test [0-9a-f]{12} or [0-9a-f]{12}"):
        train(TINY, runs=root)
    with pytest.raises(DataError):
        train(TINY.replace(seed=1), runs=tmp_path)


def test_a_record_in_the_folder_of_another_text_is_refused(runs, tmp_path):
    first, second = (result.record.folder for result in runs[1])
    shutil.copytree(first, tmp_path / second.name)
    with pytest.raises(RecordError, match="not of the run that it is named after"):
        load_record(tmp_path / second.name)


def test_fingerprints_are_kept_until_a_file_or_the_code_changes(texts, tmp_path, use, monkeypatch):
    """Another process finds them; a damaged file, and one of another state, are written anew."""
    use(folder := Path(shutil.copytree(texts[0], tmp_path / "text")))
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(fingerprints, "SETTLED_NS", -(10**12))
    read, own = [], fingerprints._fingerprints
    monkeypatch.setattr(fingerprints, "_fingerprints", lambda *which: read.append(which) or own(*which))

    def at_hand():
        fingerprints._kept.cache_clear()
        return text_at_hand(TINY)

    first = at_hand()
    (kept,) = (tmp_path / "runs" / "fingerprints").iterdir()
    assert at_hand() == first and len(read) == 1
    for damaged in ("", "[]", '{"state": 1}', kept.read_text().replace('"text": {', '"text": [{')):
        kept.write_text(damaged)
        assert at_hand() == first
    assert len(read) == 5 and json.loads(kept.read_text())["text"] == first
    for path in (folder / "stsb").iterdir():
        other = (texts[1] / "stsb" / path.name).read_bytes()
        if other != path.read_bytes():
            rewrite_in_place(path, other)
    second = at_hand()
    use(texts[1])
    assert second == at_hand() != first
    use(folder)
    monkeypatch.setattr(fingerprints, "SETTLED_NS", 10**15)
    (folder / "stsb" / "test.parquet").touch()
    before = kept.read_text()
    assert at_hand() and kept.read_text() == before, "kept although the file may change within the grain of its times"


def test_a_table_has_a_row_for_each_text_and_no_mean_pools_them(runs, capsys):
    root, _ = runs
    records = load_records(root)
    frame = score_tables.summarise(records)
    assert frame["seeds"].tolist() == [1, 1] and frame["text"].nunique() == 2
    assert parser.main(["table", "--runs", str(root)]) == 0
    head, _, *rows = capsys.readouterr().out.strip().splitlines()
    assert "| text |" in head and len(rows) == 2 and all(name in "".join(rows) for name in frame["text"])
    assert "text" not in score_tables.summarise(records[:1])
    seeds = [
        records[0],
        type(records[1])(records[1].folder, TINY.replace(seed=1), records[1].metrics, records[1].history),
    ]
    score, labels = summaries.score("test"), map(str, itertools.count())
    for pool in (
        lambda: summaries.score_columns(seeds),
        lambda: summaries.mean_columns(seeds, score, "corpus"),
        lambda: score_tables.paired_table(seeds, "fourier (harmonic)"),
        lambda: summaries.difference_columns(records, score, lambda config: next(labels), "0"),
    ):
        with pytest.raises(DataError, match=r"fingerprints .*stsb/test [0-9a-f]{12} or [0-9a-f]{12}"):
            pool()


def test_no_mean_pools_two_precisions(runs):
    record = runs[1][0].record
    other = type(record)(record.folder, TINY.replace(seed=1, precision="bfloat16"), record.metrics, record.history)
    assert len(score_tables.summarise([record, other])) == 2
    with pytest.raises(DataError, match="computed in float32 and in bfloat16"):
        summaries.score_columns([record, other])


def test_points_of_two_texts_are_two_points(runs, tmp_path):
    score_tables.export_records(load_records(runs[0]), tmp_path / "family")
    found, skipped = points.read_points(tmp_path)
    assert len({point.name for point in found}) == 2 and not skipped


def sweep_of(folder, config):
    base = ", ".join(f"{name}: {value}" for name, value in config.changes().items() if name != "seed")
    (folder / "own.yaml").write_text(
        f"question: Which?\nbase: {{{base}}}\nseeds: [0]\ngrid: {{arm: [fourier, learned]}}\n"
    )
    return load_sweep(folder / "own.yaml")


def test_records_of_other_text_do_not_finish_a_sweep_and_are_left_alone(runs, texts, tmp_path, use, monkeypatch):
    sweep, shipped = sweep_of(tmp_path, TINY), tmp_path / "results" / "own"
    places = {"runs": tmp_path / "runs", "results": tmp_path / "results"}
    copy = as_by_an_older_version(runs[1][0].record, shipped)
    kept = {path: path.read_bytes() for path in copy.iterdir()}
    monkeypatch.setattr("fourier_lab.sweeps.plan._calibrate", lambda config: 1.0)

    use(texts[0])
    assert next(plan(sweep, **places)) == "2 runs, 1 to do"
    use(texts[1])
    first, said, *_ = plan(sweep, **places)
    assert first == "2 runs, 2 to do" and "1 records in" in said and "of other text" in said
    assert parser.main(["sweep", str(tmp_path / "own.yaml"), *(f"--{k}={v}" for k, v in places.items())]) == 0
    own = Places.of(sweep, **places).results
    assert own != shipped and {record.config.arm for record in load_records(own)} == {"fourier", "learned"}
    assert {path: path.read_bytes() for path in copy.iterdir()} == kept and not (shipped / "table.csv").exists()
    assert next(plan(sweep, **places)) == "2 runs, 0 to do"
    use(texts[0])
    assert next(plan(sweep, **places)) == "2 runs, 1 to do"
    monkeypatch.delenv("FOURIER_LAB_DATA")
    shutil.rmtree(places["runs"])
    assert next(plan(sweep, **places)) == "2 runs, 1 to do"  # what can only be read counts


def test_the_shipped_records_finish_no_sweep_on_text_of_ones_own(texts, tmp_path, use, monkeypatch, capsys):
    monkeypatch.setattr("fourier_lab.sweeps.plan._calibrate", lambda config: 1.0)
    use(Path(shutil.copytree(texts[0], tmp_path / "text")))
    for split in ("train", "validation_matched", "validation_mismatched"):
        source = texts[0] / "snli" / f"{split.partition('_')[0]}.parquet"
        (tmp_path / "text" / "mnli").mkdir(exist_ok=True)
        shutil.copy(source, tmp_path / "text" / "mnli" / f"{split}.parquet")
    arguments = ["sweep", "table_1", "--dry-run", "--runs", str(tmp_path / "runs"), "--results", str(paths.RECORDS)]
    assert parser.main(arguments) == 0
    assert "24 runs, 24 to do" in (said := capsys.readouterr().out) and "24 records in" in said
    monkeypatch.delenv("FOURIER_LAB_DATA")
    assert parser.main(arguments) == 0
    assert "24 runs, 0 to do" in (said := capsys.readouterr().out) and "other text" not in said


def test_numbers_measured_on_a_run_are_of_its_text(texts, tmp_path, use, monkeypatch):
    for name in ("RUNS", "RESULTS"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    monkeypatch.setattr("fourier_lab.training.train.RUNS", paths.RUNS)
    found = []
    for folder in (*texts, texts[0]):
        use(folder)
        rungs = ladder([TINY], tmp_path / "ladders").rungs
        (record,) = records_of([TINY])
        found.append(
            (record.score("test"), [rung.scores for rung in rungs], training_effects([TINY], tmp_path / "effects"))
        )
    assert found[0][:2] == found[2][:2] != found[1][:2] and found[0][1] != found[1][1]
    assert found[0][2][0].numbers["restored"] != found[1][2][0].numbers["restored"]
    assert len(list((tmp_path / "ladders").glob("*.json"))) == len(list((tmp_path / "effects").glob("*.json"))) == 2


def test_committed_records_keep_their_digest_their_place_and_their_arithmetic(monkeypatch):
    monkeypatch.delenv("FOURIER_LAB_DATA", raising=False)
    folders = sorted(path.parent for path in paths.RECORDS.glob("*/*/metrics.json"))
    assert len(folders) >= 255
    places: dict[str, set[str]] = {}
    for folder in folders:
        record = load_record(folder, with_history=False)
        assert (
            record.config.digest() == folder.name.partition("-")[0]
            and record.config.precision == record.metrics["precision"] == "float32"
        )
        assert run_folder(folder.parent, record.config) == folder
        places.setdefault(folder.parent.name, set()).add(record.config.digest())
        found = record.text
        assert found.items() >= ({"snli/train": "86fc58407157"} if "snli/train" in found else {}).items()
        scored = {"toy": "toy_sts", "books": "books"}.get(record.config.corpus, "stsb")
        assert found["toy/train" if record.is_language_model and scored == "toy_sts" else f"{scored}/test"]
    for name, digests in places.items():
        if (path := paths.SWEEPS / f"{name}.yaml").is_file():
            assert digests == {run.digest for run in load_sweep(path).runs}, name
    assert np.all([f"{name}.yaml" for name in places if (paths.SWEEPS / f"{name}.yaml").is_file()])


def test_baselines_beside_records_are_of_their_text(runs, texts, use):
    record = runs[1][0].record
    use(texts[0])
    assert score_tables.baselines_beside([record])
    use(texts[1])
    with pytest.raises(
        DataError, match=r"other text than FOURIER_LAB_DATA holds: fingerprints stsb/test [0-9a-f]{12} or"
    ):
        score_tables.baselines_beside([record])
