"""Tables from records: seeds pooled, intervals right, exports redraw the same table, documents keep their text."""

import dataclasses
import json

import numpy as np
import pytest
from made_up import record

from fourier_lab import load_records
from fourier_lab.cli import parser
from fourier_lab.errors import DataError, RecordError, RecordWarning
from fourier_lab.evaluation.baselines import Baseline, bag_similarity, sqrt_id_weights
from fourier_lab.series import varying_settings
from fourier_lab.tables.score_tables import (
    export_records,
    insert_table,
    load_baselines,
    paired_table,
    results_table,
    summarise,
    write_table,
)
from fourier_lab.text.corpus import TokenPairs

RECORDS = [
    *(record(70 + s, 60 + s, seed=s) for s in range(3)),
    record(80, 50, arm="learned"),
]
UNTRAINED = Baseline("bag", "toy", RECORDS[0].metrics["scores"])


def test_seeds_are_pooled_with_a_t_interval():
    frame = summarise(RECORDS, [UNTRAINED])
    assert frame["model"].tolist() == ["learned", "fourier (harmonic)", "bag"]
    row = frame.iloc[1]
    assert row["seeds"] == 3 and row["dev_spearman"] == 71 and row["test_pearson"] == 61
    assert row["dev_spearman_high"] - 71 == pytest.approx(2.48414, abs=1e-4)
    assert row["dev_spearman_pairs_low"] == 68
    assert np.isnan(frame.iloc[0]["dev_spearman_low"])


def test_markdown_states_interval_seeds_and_sizes():
    head, rule, first, second, third = results_table(RECORDS, [UNTRAINED]).splitlines()
    assert head.count("|") == rule.count("|") == first.count("|") == third.count("|")
    assert "| 71.0 ± 2.5 | 61.0 ± 2.5 |" in second and "| 1,000 | 100 |" in second and "| 80.0 | 50.0 |" in first
    assert third.startswith("| bag | – | 0 | 0 | 0 | – |")


def test_settings_that_vary_have_columns_and_tell_rows_apart():
    runs = [
        record(70, 60, departures=("all_pairs", "padding_mean")),
        record(71, 61, id_order="random"),
        record(72, 62, id_order="random", seed=1),
        record(73, 63, threads=2),  # not part of what is run
    ]
    assert varying_settings([run.config for run in runs]) == ["departures", "id_order"]
    head, _, *rows = results_table(runs).splitlines()
    assert head.startswith("| model | d | departures | id order | parameters |")
    assert [row.split(" | ")[2:4] for row in rows] == [
        ["none", "frequency"],
        ["none", "random"],
        ["padding_mean all_pairs", "frequency"],
    ]
    frame = summarise(runs)
    assert frame["departures"].tolist() == ["none", "none", "padding_mean all_pairs"]
    assert frame["dev_spearman_pairs"].tolist() == [9, 9, 9]
    # what the model's name tells has a column only where the name is not enough
    assert "| frequencies |" not in results_table([record(70, 60), record(71, 61, frequencies="log")])
    lists = [record(70, 60, d_model=4, frequencies=f) for f in ((1, 2), (1, 3))]
    assert "| frequencies |" in results_table(lists) and "| 1 3 |" in results_table(lists)


def test_classifiers_show_their_accuracy():
    classifier = record(20, 10, objective="nli")
    classifier.metrics["held_out"] = {"snli/test": {"loss": 1.0, "accuracy": 0.75, "low": 0.7, "high": 0.8, "n": 40}}
    head, _, contrastive, _, nli = results_table([record(71, 60), classifier], [UNTRAINED]).splitlines()
    assert head.endswith("| snli/test accuracy |") and nli.endswith("| 75.0 |") and contrastive.endswith("| – |")
    row = summarise([classifier]).iloc[0]
    assert (row["snli/test_accuracy_pairs_low"], row["snli/test_accuracy_pairs"]) == (70, 40)


def test_the_table_of_a_folder_is_written_beside_its_records(tmp_path):
    with pytest.raises(RecordError, match="no finished run"):
        write_table(tmp_path)
    export_records(RECORDS, tmp_path)
    (tmp_path / "table.csv").unlink()
    assert write_table(tmp_path) == results_table(RECORDS)
    assert (tmp_path / "table.csv").is_file()


def test_differences_are_paired_by_seed():
    runs = [record(70 + s, 60 + s, seed=s) for s in range(3)] + [
        record(71 + s, 60 - s, seed=s, arm="learned") for s in range(3)
    ]
    *_, row = paired_table(runs, "fourier (harmonic)").splitlines()
    assert row == "| learned | 3 | +1.0 ± 0.0 | -2.0 ± 5.0 |"
    with pytest.raises(RecordError, match="no run of 'table'"):
        paired_table(runs, "table")
    with pytest.raises(DataError, match=r"learned share a seed but differ in a setting \(id_order\).*--where"):
        paired_table([*runs, record(9, 9, seed=1, arm="learned", id_order="random")], "fourier (harmonic)")


def test_runs_that_chose_settings_are_not_reported_beside_others():
    tuning = [record(90, 90, seed=100), record(95, 95, seed=1000, arm="learned", steps=50)]
    assert summarise([*RECORDS, *tuning]).equals(summarise(RECORDS))
    assert results_table([*RECORDS, *tuning]) == results_table(RECORDS)
    assert paired_table([*RECORDS, *tuning], "learned") == paired_table(RECORDS, "learned")
    assert summarise(tuning)["seeds"].tolist() == [1, 1]  # a sweep of rates has nothing else to show


def test_export_keeps_what_the_table_needs(tmp_path):
    export_records(RECORDS, tmp_path, [UNTRAINED])
    again = results_table(load_records(tmp_path), load_baselines(tmp_path))
    assert again == results_table(RECORDS, [UNTRAINED])
    assert (tmp_path / "table.csv").read_text().startswith("model,corpus")
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(
    "content",
    ["", '[{"name"', "{}x", '[{"name": "a"}]', '[{"name": "a", "corpus": "toy", "scores": {}}]', "[3]", "\0",
     '[{"name": "a", "corpus": "toy", "scores": {"validation": {"spearman": {"value": "high"}}}}]'],
)  # fmt: skip
def test_damaged_baselines_are_left_out_loudly_and_stop_no_table(tmp_path, content, capsys):
    export_records(RECORDS, tmp_path, [UNTRAINED])
    (tmp_path / "baselines.json").write_text(content)
    with pytest.warns(RecordWarning, match="left out: .*baselines.json is damaged.*Delete it and export"):
        assert load_baselines(tmp_path) == []
    assert parser.main(["table", "--runs", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out.strip() == results_table(RECORDS) and err.count("baselines.json is damaged") == 1


@pytest.mark.parametrize("torn", ["resampled.npy", "evaluations.json", "metrics.json"])
def test_a_record_that_lacks_what_a_table_reads_stops_no_table(tmp_path, torn, capsys):
    export_records(RECORDS, tmp_path)
    path = tmp_path / RECORDS[2].config.digest() / torn
    if torn == "metrics.json":
        metrics = json.loads(path.read_text())
        del metrics["scores"]["test"]["pearson"]["low"]
        path.write_text(json.dumps(metrics))
    else:
        path.write_bytes(b"half")
    assert parser.main(["table", "--runs", str(tmp_path), "--against", "learned"]) == 1
    out, err = capsys.readouterr()
    whole = sorted([*RECORDS[:2], RECORDS[3]], key=lambda run: run.config.digest())
    assert out.strip() == paired_table(whole, "learned") and err.count("left out: ") == 1


def test_documents_keep_the_rest_of_their_text(tmp_path):
    document = tmp_path / "README.md"
    document.write_text("before\n<!-- table: a -->\nold\n<!-- end -->\nafter\n<!-- table: b -->\n<!-- end -->\n")
    insert_table(document, "a", "| new |")
    insert_table(document, "b", "| two |")
    assert document.read_text() == (
        "before\n<!-- table: a -->\n| new |\n<!-- end -->\nafter\n<!-- table: b -->\n| two |\n<!-- end -->\n"
    )
    with pytest.raises(RecordError, match="table: c"):
        insert_table(document, "c", "")
    (tmp_path / "link.md").symlink_to(document)
    insert_table(tmp_path / "link.md", "a", "| newer |")
    assert (tmp_path / "link.md").is_symlink() and "| newer |" in document.read_text()
    document.write_text("<!-- table: a -->\nmine\n<!-- table: b -->\n<!-- end -->\n")
    with pytest.raises(RecordError, match="table: a"):  # whose end is that of another table
        insert_table(document, "a", "")
    document.write_bytes(b"<!-- table: a -->\n\xe9\n<!-- end -->\n")
    with pytest.raises(RecordError, match="not text in UTF-8"):
        insert_table(document, "a", "")


def test_bags_by_hand():
    pairs = TokenPairs([np.array([2, 5, 6, 3])], [np.array([2, 6, 6, 3])], np.array([1.0]))
    weights = np.ones(8)
    assert bag_similarity(pairs, weights)[0] == pytest.approx(2 / np.sqrt(2 * 4))
    weights[6] = 0
    assert bag_similarity(pairs, weights)[0] == 0
    np.testing.assert_allclose(sqrt_id_weights(8, 3), [0, 0, 0, 0, 1, 2**0.5, 3**0.5, 2])


def test_committed_records_are_whole_and_give_the_table_of_the_results_page(tmp_path):
    from fourier_lab.paths import RESULTS

    folders = [path.parent for path in RESULTS.glob("*/table.csv")]
    assert len(folders) >= 10
    for folder in folders:
        records = load_records(folder)
        assert records and all(json.dumps(dataclasses.asdict(r.config)) for r in records)
        table = results_table(records, load_baselines(folder))
        kept = (folder / "table.csv").read_text()
        export_records(records, tmp_path / folder.name, load_baselines(folder))
        assert (tmp_path / folder.name / "table.csv").read_text() == kept, f"stale: {folder.name}"
        if folder.name == "snli_mnli":
            text = (RESULTS / "README.md").read_text(encoding="utf-8")
            assert table in text, (
                f"run: fourier-lab table --runs results/{folder.name} --into results/README.md --name {folder.name}"
            )
            assert all(paired_table(records, model) in text for model in ("learned", "fourier (harmonic)"))


def collapse(run, *splits):
    for split in splits:
        run.metrics["scores"][split] = run.metrics["scores"][split] | {"collapsed": True}
    return run


def test_collapsed_runs_are_told_beside_their_numbers():
    runs = [record(70 + seed, 60, seed=seed) for seed in range(3)]
    flat = [record(9, 8, seed=seed, arm="learned") for seed in range(3)]
    assert "collapsed" not in results_table([*runs, *flat]) and "dev_collapsed" not in summarise([*runs, *flat])
    some = [collapse(flat[0], "validation"), *flat[1:]]
    _, _, fourier, learned = results_table([*runs, *some]).splitlines()
    assert "collapsed" not in fourier and learned.count("| 9.0 ± 0.0 (1 of 3 collapsed) |") == 2
    assert learned.count("| 8.0 ± 0.0 |") == 2
    every = [collapse(run, "validation", "test") for run in some]
    *_, learned = results_table([*runs, *every]).splitlines()
    assert learned.count("± 0.0 (collapsed) |") == 4
    assert summarise([*runs, *every])["dev_collapsed"].tolist()[1] == 3
    for against in ("fourier (harmonic)", "learned"):
        *_, row = paired_table([*runs, *every], against).splitlines()
        assert row.count("(3 of 6 collapsed)") == 2
    assert (flat[0].told_score("validation"), runs[0].told_score("validation")) == ("9.0 (collapsed)", "70.0")
