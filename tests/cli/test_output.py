"""Output on terminals that lack characters, and to readers who leave early."""

import os
import subprocess
import sys

import pytest

from fourier_lab.cli import commands, output, parser

TINY = [
    "--steps", "2", "--warmup-steps", "1", "--d-model", "8", "--batch-size", "8", "--vocab-size", "1000",
    "--train-pairs", "64",
]  # fmt: skip


def command(*arguments, **options):
    environment = {**os.environ, **options.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, "-m", "fourier_lab", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True, **options,
    )  # fmt: skip


def test_what_the_terminal_cannot_show_is_replaced(tmp_path):
    ascii_only = {"PYTHONIOENCODING": "ascii", "FOURIER_LAB_HOME": str(tmp_path)}
    table = command("table", "table_2", env=ascii_only)
    trained = command("train", "--seed", "0,1", *TINY, "--runs", str(tmp_path / "runs"), env=ascii_only)
    for process in (table, trained):
        printed, errors = process.communicate(timeout=300)
        assert (process.returncode, errors) == (0, "")
        assert " ? " in printed.splitlines()[-1] and "\xb1" not in printed


@pytest.mark.parametrize(
    ("arguments", "codes", "refusal"),
    [
        (("sweep", "table_1", "--dry-run"), (141,), ""),
        (("train", "--help"), (0, 141), ""),  # argparse swallows what it cannot write
        (("table", "--where", "seeed=1"), (2, 141), "unknown parameter seeed"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_closed_pipe_ends_quietly(arguments, codes, refusal):
    with command(*arguments) as process:
        process.stdout.close()  # before anything is written
        errors = process.stderr.read()
    assert process.returncode in codes
    assert errors.startswith(f"error: {refusal}") and errors.count("\n") == 1 if refusal else errors == ""


def test_errors_to_a_closed_pipe_end_quietly_too():
    process = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m fourier_lab table nope 2>&1 | true; exit ${{PIPESTATUS[0]}}"], timeout=120
    )
    assert process.returncode == 141


def test_a_training_run_whose_reader_leaves_stops_with_a_checkpoint(tmp_path):
    more = [*TINY, "--runs", str(tmp_path), "--steps", "4000"]
    with command("train", *more) as process:
        assert process.stdout.readline().startswith("[1/1]")
        process.stdout.close()
        errors = process.stderr.read()
    assert (process.returncode, errors) == (141, "")
    assert list(tmp_path.glob("*/checkpoint.npz")) and not list(tmp_path.glob("*/metrics.json"))


def test_another_broken_pipe_is_an_error(monkeypatch, capsys):
    def breaks(options):
        """Break."""
        raise BrokenPipeError(32, "of a worker")

    monkeypatch.setattr(commands, "doctor", breaks)
    assert parser.main(["doctor"]) == 2 and "of a worker" in capsys.readouterr().err


def test_say_prints_at_once(capsys):
    output.say("first", end="")
    output.say("second", file=sys.stderr)
    assert capsys.readouterr() == ("first", "second\n")
