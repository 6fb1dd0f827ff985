"""What reads records, draws them, plans sweeps or checks a folder is free of torch; help is free of numpy too."""

import subprocess
import sys

import pytest

from fourier_lab.cli.parser import main
from fourier_lab.embeddings.registry import EMBEDDINGS

CASES = {
    "help": ("fourier_lab.cli.parser", ("torch", "numpy", "pandas", "matplotlib")),
    "a plan": ("fourier_lab.sweeps.plan, fourier_lab.sweeps.file", ("torch", "pandas", "datasets")),
    "a table": ("fourier_lab.tables.score_tables, fourier_lab.tables.summaries", ("torch", "pandas", "scipy")),
    "claims": ("fourier_lab.study.claims", ("torch", "pandas", "scipy", "matplotlib")),
    "a picture of records": ("fourier_lab.plots, fourier_lab.study.figures", ("torch", "pandas", "scipy", "seaborn")),
    "a check of the machine": ("fourier_lab.cli.doctor", ("torch", "pandas", "pyarrow", "jupyter_client")),
    "a run of notebooks": ("fourier_lab.app.serve, fourier_lab.headless.pages", ("torch", "rfc3987_syntax")),
    "a check of a folder": ("fourier_lab.text.fetch, fourier_lab.text.pairs", ("torch",)),
}


@pytest.mark.parametrize(("modules", "heavy"), CASES.values(), ids=CASES)
def test_what_is_not_needed_is_not_imported(modules, heavy):
    code = f"import sys, {modules}; print(*(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_help_names_every_embedding_of_the_library(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert [name for name in EMBEDDINGS.built_in if name not in told] == []


COMMANDS = {
    "sweep": ["sweep", "table_1", "--dry-run"],
    "table": ["table", "--runs", "results/table_1"],
    "claims": ["claims"],
    "doctor": ["doctor"],
}


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_a_command_that_reads_records_runs_without_torch(arguments, monkeypatch):
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from fourier_lab import paths; import os; os.chdir(paths.PROJECT)\n"
        f"from fourier_lab.cli.parser import main; sys.exit(main({arguments!r}))"
    )
    monkeypatch.delenv("FOURIER_LAB_DATA", raising=False)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr and done.stdout, done.stderr
