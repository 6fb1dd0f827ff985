"""The command line: options are RunConfig fields, refusals are one line, exit codes mean something."""

import dataclasses
import os
import subprocess
import sys

import pytest

from fourier_lab import paths
from fourier_lab.cli import doctor, parser
from fourier_lab.config import RunConfig
from fourier_lab.errors import DataError, TrainingError
from fourier_lab.headless import notebooks as batch
from fourier_lab.headless.manifest import NotebookResult
from fourier_lab.sweeps import plan
from fourier_lab.text import fetch, report
from fourier_lab.training import records, train

SMALL = ["--vocab-size=1000", "--d-model=8", "--steps=4", "--warmup-steps=1", "--batch-size=8", "--train-pairs=64"]
COMMANDS = (
    "figures", "train", "sweep", "torture", "table", "claims", "bench", "data", "score",
    "moefy", "prune", "app", "site", "page", "doctor",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit) as stop:
        parser.main([command, "--help"])
    assert stop.value.code == 0
    assert f"Example:\n  fourier-lab {command}" in capsys.readouterr().out


def test_every_command_is_listed():
    (listed,) = [action for action in parser._parser()._actions if action.choices]
    assert set(listed.choices) == set(COMMANDS)


def test_every_run_setting_is_a_documented_option(capsys):
    with pytest.raises(SystemExit):
        parser.main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    meanings = parser._meanings(parser.ModelConfig) | parser._meanings(RunConfig)
    for field in dataclasses.fields(RunConfig):
        assert f"--{field.name.replace('_', '-')} VALUE" in text
        assert meanings[field.name]


def test_the_installed_command_and_the_module_are_the_same_program():
    answer = subprocess.run(
        [sys.executable, "-m", "fourier_lab", "--version"], capture_output=True, text=True, check=True
    )
    assert answer.stdout == f"fourier_lab {parser.__version__}\n"


def test_a_dry_run_prints_the_grid_and_trains_nothing(tmp_path, capsys):
    arguments = ["train", "--arm", "fourier,learned", "--seed", "0,1,2", "--learning-rate", "1e-3,3e-3", "--dry-run"]
    assert parser.main([*arguments, "--runs", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "12 runs"
    assert lines[-1].split(maxsplit=1)[1] == "to do     arm learned, learning_rate 0.003, seed 2"
    assert not list(tmp_path.iterdir())


def test_a_list_of_frequencies_is_written_with_spaces(capsys):
    assert parser.main(["train", "--d-model", "4", "--frequencies", "1 3,harmonic", "--dry-run"]) == 0
    assert "frequencies (1, 3)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--d-model", "255", "--dry-run"], "d_model"),
        (["train", "--steps", "1e3", "--dry-run"], "steps must be an integer, got '1e3'"),
        (
            ["train", "--arm", "fourrier", "--dry-run"],
            "or your own as module:name, got 'fourrier'",
        ),
        (["train", "--corpus", "snli", "--dry-run"], "cannot come from source 'builtin'"),
        (["figures", "--data", "no/such/folder"], "--data must be builtin, hub or a folder"),
        (["figures", "99"], "'99' names 0 notebooks"),
        (["figures", "missing.ipynb"], "there is no notebook"),
        (["table", "--runs", "no/such/folder"], "no finished run in no/such/folder"),
        (["table", "no_such_sweep"], "results/no_such_sweep with any settings"),
        (["sweep", "no/such/file.yaml"], "there is no sweep file no/such/file.yaml"),
        (["data", "check", "no/such/folder"], "--data must be builtin, hub or a folder"),
    ],
)
def test_bad_input_is_refused_in_one_line_without_a_traceback(arguments, message, capsys):
    assert parser.main(arguments) == 2
    output = capsys.readouterr()
    assert output.err.startswith("error: ") and message in output.err and output.err.count("\n") == 1
    assert not output.out


@pytest.mark.parametrize("arguments", [[], ["trian"], ["train", "--learnign-rate", "1"], ["train", "--learning", "1"]])
def test_unknown_commands_and_options_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        parser.main(arguments)
    assert stop.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_training_records_each_run_once_and_prints_its_scores(tmp_path, capsys):
    arguments = ["train", *SMALL, "--arm", "fourier,learned", "--runs", str(tmp_path)]
    assert parser.main(arguments) == 0
    first = capsys.readouterr().out
    assert "[2/2]" in first and "step 4/4, loss" in first
    assert len(records.load_records(tmp_path)) == 2
    assert parser.main(arguments) == 0
    assert "step 4/4" not in capsys.readouterr().out
    assert parser.main(["table", "--runs", str(tmp_path)]) == 0
    assert "learned" in capsys.readouterr().out
    torn = sorted(tmp_path.glob("*/metrics.json"))
    torn[0].write_text("")
    assert parser.main(["table", "--runs", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3 and err.startswith(f"left out: the record in {torn[0].parent} is damaged")
    assert err.count("\n") == 1
    torn[1].write_text("")
    assert parser.main(["table", "--runs", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "no finished run in" in err and all(str(path.parent) in err for path in torn)


def test_a_table_finds_runs_by_settings_that_are_lists_in_any_order(tmp_path, capsys):
    changed = ["--departures", "all_pairs padding_mean", "--pretraining", "steps=2 seed=0", "--max-seq-len", "12"]
    assert parser.main(["train", *SMALL, *changed, "--runs", str(tmp_path)]) == 0
    where = ["departures=all_pairs padding_mean", "pretraining=seed=0 steps=2"]
    assert parser.main(["table", "--runs", str(tmp_path), "--where", *where]) == 0
    assert "| 8 |" in capsys.readouterr().out
    assert parser.main(["table", "--runs", str(tmp_path), "--where", "departures=all_pairs"]) == 2
    # Conditions given apart hold together; one that is given twice cannot.
    assert parser.main(["table", "--runs", str(tmp_path), "--where", "seed=0", "--where", "arm=learned"]) == 2
    assert parser.main(["table", "--runs", str(tmp_path), "--where", "arm=fourier", "--where", "arm=learned"]) == 2
    assert parser.main(["table", "dropout", "--runs", str(tmp_path)]) == 2
    refused = capsys.readouterr().err
    assert "with seed=0 arm=learned" in refused and "--where names a setting twice" in refused
    assert "leave out either its name or --runs" in refused


def test_a_diverging_run_is_named_and_does_not_stop_the_others(tmp_path, capsys, monkeypatch):
    real = train.train

    def diverges_for_learned(config, **options):
        if config.arm == "learned":
            raise TrainingError("loss is nan at step 3. Lower learning_rate.")
        return real(config, **options)

    monkeypatch.setattr(train, "train", diverges_for_learned)
    assert parser.main(["train", *SMALL, "--arm", "learned,fourier", "--runs", str(tmp_path)]) == 1
    assert "failed: loss is nan at step 3" in capsys.readouterr().err
    assert len(records.load_records(tmp_path)) == 1


def test_a_run_that_cannot_be_is_named_and_does_not_stop_the_others(tmp_path, capsys):
    assert parser.main(["train", *SMALL, "--batch-size", "9999,16", "--runs", str(tmp_path)]) == 1
    assert "[1/2]" in (said := capsys.readouterr()).err and "[2/2]" in said.out
    assert [record.config.batch_size for record in records.load_records(tmp_path)] == [16]


def test_an_interrupt_says_how_to_resume(monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "train", interrupted)
    assert parser.main(["train", *SMALL]) == 130
    assert "repeat the same command to resume" in capsys.readouterr().err
    monkeypatch.setattr("fourier_lab.bench.suite.run_benchmarks", interrupted)
    assert parser.main(["bench"]) == 130  # which measures again from the start
    assert "resume" not in capsys.readouterr().err


def test_a_full_disk_is_a_one_line_error(monkeypatch, capsys):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device", "runs/x/weights.safetensors")

    monkeypatch.setattr(train, "train", full)
    assert parser.main(["train", *SMALL]) == 2
    assert "No space left on device: 'runs/x/weights.safetensors'. Free disk space" in capsys.readouterr().err


def test_an_error_that_no_space_cures_is_said_plainly(monkeypatch, capsys):
    def absent(*arguments, **options):
        raise FileNotFoundError(2, "No such file or directory", "nowhere/a.json")

    monkeypatch.setattr(train, "train", absent)
    assert parser.main(["train", *SMALL]) == 2
    assert (
        capsys.readouterr().err
        == "error: [Errno 2] No such file or directory: 'nowhere/a.json'. Correct the path, then repeat the command.\n"
    )


@pytest.fixture
def asked(monkeypatch):
    """Record what ``figures`` asks of the batch module, which reports one failure."""
    calls = []

    def run_notebooks(notebooks, parameters, **options):
        calls.append((notebooks, parameters, options["where_declared"]))
        return [NotebookResult("01_x", "failed", 1.0, {}, error="ValueError: no")]

    monkeypatch.setattr(batch, "run_notebooks", run_notebooks)
    return calls


def test_figures_passes_typed_parameters_and_fails_with_the_notebooks(asked, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "NOTEBOOKS", tmp_path)
    (tmp_path / "02_train_both.ipynb").touch()
    given = [
        "-p",
        "learning_rate",
        "1e-3",
        "-p",
        "arm",
        "learned",
        "-p",
        "frequencies",
        "[1, 2]",
        "-p",
        "period",
        "None",
    ]
    assert parser.main(["figures", "02", "other.ipynb", *given]) == 1
    ((notebooks, parameters, where_declared),) = asked
    assert [path.name for path in notebooks] == ["02_train_both.ipynb", "other.ipynb"]
    assert parameters == {"learning_rate": 1e-3, "arm": "learned", "frequencies": [1, 2], "period": None}
    assert where_declared == {}
    assert "FAILED 01_x: ValueError: no" in capsys.readouterr().out


def test_figures_on_a_folder_names_it_for_the_kernels(asked, tmp_path, monkeypatch):
    monkeypatch.setenv("FOURIER_LAB_DATA", "elsewhere")
    parser.main(["figures", "--data", str(tmp_path)])
    assert os.environ["FOURIER_LAB_DATA"] == str(tmp_path)
    parser.main(["figures", "--data", "hub", "--corpus", "snli"])
    assert [where for _, _, where in asked] == [
        {"source": "folder", "corpus": "snli+mnli"},
        {"source": "hub", "corpus": "snli"},
    ]


def test_data_lists_what_it_checked_and_wrote(monkeypatch, capsys, tmp_path):
    findings = [("OK", "snli/test: 9,824 pairs, abc123"), ("NOTE", "snli/train: labels exchanged?")]
    asked = []
    monkeypatch.setattr(report, "report", lambda *given: asked.append(given) or iter(findings))
    monkeypatch.setattr(fetch, "fetch", lambda folder: iter([folder / "snli" / "test.parquet"]))
    assert parser.main(["data", "check", "hub"]) == 0
    assert parser.main(["data", "fetch", str(tmp_path)]) == 0
    pairs, note, wrote = capsys.readouterr().out.splitlines()
    assert pairs == "[OK]   snli/test: 9,824 pairs, abc123" and wrote == f"wrote {tmp_path}/snli/test.parquet"
    assert note == "[NOTE] snli/train: labels exchanged?"
    findings.append(("FAIL", "mnli/train has no column label"))
    assert parser.main(["data", "check", "hub", "--vocab-size", "2000"]) == 1
    assert asked == [("hub", None), ("hub", 2000)]
    capsys.readouterr()

    def unreachable(folder):
        raise DataError("cannot read stanfordnlp/snli (test). Check the network.")

    monkeypatch.setattr(fetch, "fetch", unreachable)
    assert parser.main(["data", "fetch", str(tmp_path)]) == 2


def test_the_doctor_finds_this_environment_healthy(monkeypatch, capsys):
    monkeypatch.delenv("FOURIER_LAB_DATA", raising=False)
    assert parser.main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("[OK]   Python 3.11 or newer: ")
    assert any(line.startswith("[OK]   package torch: ") for line in lines)


def test_the_doctor_names_the_remedy(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path / "missing"))
    monkeypatch.setattr(doctor, "_dependencies", lambda: ["no-such-package"])
    monkeypatch.setattr(paths, "RUNS", tmp_path / "file" / "runs")
    (tmp_path / "file").write_text("not a folder")
    assert parser.main(["doctor"]) == 1
    text = capsys.readouterr().out
    assert "[FAIL] package no-such-package: ModuleNotFoundError" in text and "make figures" in text
    assert "[FAIL] data folder: " in text and "fourier-lab data fetch FOLDER" in text
    assert "[FAIL] can write runs/: " in text and "FOURIER_LAB_HOME" in text
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path))
    assert parser.main(["doctor"]) == 1
    assert (
        f"{tmp_path} has no snli/train, " in (text := capsys.readouterr().out)
        and "tokenizer/tokenizer.json or vocab.txt" in text
    )


def test_a_sweep_is_found_by_its_name_from_any_home(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(plan, "_calibrate", lambda config: 1.0)
    places = ["--runs", str(tmp_path / "runs"), "--results", str(tmp_path / "results")]
    assert parser.main(["sweep", "id_order_toy", "--smoke", "--dry-run", *places]) == 0
    assert capsys.readouterr().out.startswith("id_order_toy_smoke: ")
