"""Headless runs of tiny generated notebooks: what is kept, skipped, refused and reported."""

import functools
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from made_up_notebooks import PARAMETERS, WRITES_A_FIGURE, write_notebook
from made_up_text import rewrite_in_place

from fourier_lab import paths
from fourier_lab.errors import ConfigError, NotebookError
from fourier_lab.headless import manifest, notebooks


def test_a_run_is_kept_then_skipped_then_repeated_when_something_changed(home):
    write_notebook(home / "notebooks" / "01_one.ipynb", WRITES_A_FIGURE)

    (first,) = notebooks.run_notebooks()
    assert (first.status, first.finding, first.pictures) == ("done", "ran 3 steps, headless 1", 1)
    assert sorted(first.figures) == ["01_one/one.csv", "01_one/one.png"]
    assert "ran 3 steps" in (home / "reports" / "01_one.html").read_text()
    assert not list(home.rglob("*.partial.ipynb"))

    lines = []
    (second,) = notebooks.run_notebooks(report=lines.append)
    assert (second.status, second.finding, second.seconds) == ("unchanged", first.finding, first.seconds)
    assert lines == ["[1/1] 01_one unchanged, skipped"]
    (changed,) = notebooks.run_notebooks(parameters={"steps": 5})
    assert (changed.status, changed.finding) == ("done", "ran 5 steps, headless 1")
    assert notebooks.run_notebooks(parameters={"steps": 5})[0].status == "unchanged"
    assert notebooks.run_notebooks(parameters={"steps": 5}, force=True)[0].status == "done"


def test_whatever_decides_the_figures_changes_the_fingerprint(home, monkeypatch):
    source = write_notebook(home / "01_one.ipynb", WRITES_A_FIGURE, parameters=PARAMETERS + "\nsource: str = 'builtin'")

    def fingerprint(**parameters):
        return notebooks._plan(1, source, parameters, {}, 1).fingerprint

    seen = [fingerprint(), fingerprint(steps=4)]
    assert fingerprint() == seen[0]
    (home / "data").mkdir()
    monkeypatch.setenv("FOURIER_LAB_DATA", str(home / "data"))
    seen.append(fingerprint(source="folder"))
    (home / "data" / "snli.parquet").write_bytes(b"rows")
    seen.append(fingerprint(source="folder"))
    rewrite_in_place(home / "data" / "snli.parquet", b"else")
    seen.append(fingerprint(source="folder"))
    assert fingerprint() == seen[0]  # the built-in corpus does not depend on the folder
    write_notebook(source, WRITES_A_FIGURE, "1 + 1", parameters=PARAMETERS + "\nsource: str = 'builtin'")
    seen.append(fingerprint())
    paths.write_atomically(home / "library" / "basis.py", "x = 1")
    seen.append(fingerprint())
    monkeypatch.setattr(paths, "RECORDS", home / "results")
    for name in ("metrics.json", "history.csv", "resampled.npy"):
        paths.write_atomically(home / "results" / "table_1" / "0123456789" / name, name)
        seen.append(fingerprint())
    assert len(set(seen)) == len(seen)


def test_every_file_of_the_package_that_pages_are_made_with_changes_the_fingerprint(home, monkeypatch):
    library = home / "project" / "library"  # what folders above are called says nothing
    monkeypatch.setattr(manifest, "_LIBRARY", library)
    seen = [manifest.fingerprint([], {}, None)]
    for name in (
        "a.py",
        "plots/style.mplstyle",
        "headless/page.html.j2",
        "site/style.css",
        "shipped/weights.safetensors",
    ):
        for content in ("one", "two"):
            paths.write_atomically(library / name, content)
            seen.append(manifest.fingerprint([], {}, None))
    assert len(set(seen)) == len(seen)
    for name in (
        "__pycache__/a.cpython-311.pyc",
        "project/results/table.csv",
    ):  # no source; the study, hashed where it is
        paths.write_atomically(library / name, "one")
    assert manifest.fingerprint([], {}, None) == seen[-1]


def test_a_page_that_cannot_be_written_is_named(home):
    write_notebook(home / "notebooks" / "01_fine.ipynb", WRITES_A_FIGURE)
    write_notebook(home / "notebooks" / "02_broken.ipynb", "raise ValueError('x')")
    for name in ("01_fine", "02_broken"):
        (home / "reports" / f"{name}.html" / "in the way").mkdir(parents=True)
    fine, broken = notebooks.run_notebooks(workers=2)
    told = "its copy or page could not be written: IsADirectoryError: "
    assert fine.status == "failed" and fine.error.startswith(told) and fine.error.endswith("Correct the path.")
    assert broken.error.startswith(f"ValueError: x (cell 2); {told}")


def test_figures_touched_or_lost_mean_a_new_run(home):
    figure, copy = home / "figures" / "01_one" / "one.png", home / "reports" / "01_one.ipynb"
    for path in (figure, copy, copy.with_suffix(".html")):
        paths.write_atomically(path, "as written")
    digest = manifest.file_hash(figure)
    manifest.Manifest().record(manifest.NotebookResult("01_one", "done", 1.0, {"01_one/one.png": digest}), "f")
    assert manifest.Manifest().unchanged("01_one", "f")
    assert not manifest.Manifest().unchanged("01_one", "g")
    kept = (home / "reports" / "manifest.json").read_bytes()
    for damaged in (b"[]", b"\xff", b"{"):
        (home / "reports" / "manifest.json").write_bytes(damaged)
        assert not manifest.Manifest().unchanged("01_one", "f")
    (home / "reports" / "manifest.json").write_bytes(kept)
    figure.write_text("touched up by hand")
    assert not manifest.Manifest().unchanged("01_one", "f")
    figure.unlink()
    assert not manifest.Manifest().unchanged("01_one", "f")
    (home / "reports" / "manifest.json").write_text("{truncated")
    assert not manifest.Manifest().unchanged("01_one", "f")


def test_a_failure_is_kept_and_named_and_does_not_stop_the_others(home):
    write_notebook(home / "notebooks" / "01_broken.ipynb", "raise ValueError('d_model (255)\\nmust be even')")
    write_notebook(home / "notebooks" / "02_dying.ipynb", "import os\nos._exit(3)")
    write_notebook(home / "notebooks" / "03_fine.ipynb", WRITES_A_FIGURE)
    lines = []
    results = notebooks.run_notebooks(workers=2, report=lines.append)
    assert [result.status for result in results] == ["failed", "failed", "done"]
    assert results[0].error == "ValueError: d_model (255) must be even (cell 2)"
    assert "Kernel died" in results[1].error
    assert "must be even" in (home / "reports" / "01_broken.ipynb").read_text()
    assert sum("started" in line for line in lines) == 3

    closing = notebooks.summary(results)
    assert "FAILED 01_broken: ValueError: d_model (255) must be even" in closing
    assert str(home / "reports" / "01_broken.ipynb") in closing
    recorded = json.loads((home / "reports" / "manifest.json").read_text())
    assert [bool(entry["fingerprint"]) for entry in recorded.values()] == [False, False, True]  # failures run again


def test_a_parameter_that_no_notebook_declares_is_refused_before_anything_runs(home):
    write_notebook(home / "notebooks" / "01_one.ipynb", WRITES_A_FIGURE)
    write_notebook(home / "notebooks" / "02_two.ipynb", "steps", parameters="width: int = 1")
    with pytest.raises(NotebookError, match=r"02_two\.ipynb has no parameter steps\. It declares: width"):
        notebooks.run_notebooks(parameters={"steps": 1})
    assert not (home / "reports").exists()


def test_values_reach_the_notebook_as_lists_and_plain_numbers_from_a_folder_with_braces(home):
    import numpy as np

    path = write_notebook(
        home / "{braces} {0}" / "01_one.ipynb",
        "print('Finding:', steps, corpus)",
    )
    given = {"steps": np.int64(5), "corpus": (np.float32(0.5), [np.arange(2), True], None)}
    (result,) = notebooks.run_notebooks([path], given)
    assert (result.error, result.finding) == ("", "5 [0.5, [[0, 1], True], None]")
    assert notebooks.run_notebooks([path], {"steps": 5, "corpus": [0.5, [[0, 1], True], None]})[0].status == "unchanged"
    with pytest.raises(NotebookError, match=r"parameter steps must be a number, .* got \{1\} \(set\)"):
        notebooks.run_notebooks([path], {"steps": {1}})


def test_a_page_has_the_words_of_the_figure_just_drawn(home):
    draw = """
    %matplotlib inline
    from fourier_lab import plots
    fig, axes = plots.new_figure()
    plots.save_figure(fig, "01_one/line", {"x": [steps]}, title="a line", alt=f"{steps} steps of a line")
    """
    source = write_notebook(home / "notebooks" / "01_one.ipynb", draw)
    for parameters, words in ((None, "3 steps"), ({"steps": 4}, "4 steps"), (None, "3 steps")):
        (result,) = notebooks.run_notebooks([source], parameters)
        assert result.error == ""
        assert f'alt="{words} of a line"' in (home / "reports" / "01_one.html").read_text()


def test_a_home_with_braces_keeps_copies_and_pages(home, monkeypatch):
    monkeypatch.setattr(paths, "REPORTS", home / "{reports}")
    source = write_notebook(home / "01_one.ipynb", "1")
    assert notebooks.run_notebooks([source])[0].status == "done"
    assert (home / "{reports}" / "01_one.html").is_file()


def test_optional_parameters_go_only_where_declared_and_real_text_has_its_own_folders(home):
    one = write_notebook(home / "notebooks" / "01_one.ipynb", "corpus")
    two = write_notebook(home / "notebooks" / "02_two.ipynb", "width", parameters="width: int = 1")
    jobs = [notebooks._plan(1, path, {}, {"corpus": "snli+mnli"}, workers=1) for path in (one, two)]
    assert [(job.notebook, job.parameters) for job in jobs] == [
        ("snli_mnli/01_one-small", {"corpus": "snli+mnli"}),
        ("02_two", {}),
    ]
    assert jobs[0].executed == home / "reports" / "snli_mnli" / "01_one-small.ipynb"
    labelled = notebooks._plan(1, one, {}, {"corpus": "snli+mnli"}, workers=1, label="wide")
    assert labelled.notebook == "snli_mnli/01_one-wide"
    chosen = notebooks._plan(1, one, {"steps": 600}, {"corpus": "snli+mnli"}, workers=1)
    assert chosen.notebook == "snli_mnli/01_one"  # whoever chooses sizes writes the figures proper


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no notebook"),
        ("{", "is not a notebook"),
        ("{}", "is not a notebook"),
        ("[]", "is not a notebook"),
    ],
)
def test_a_missing_or_damaged_notebook_is_refused(home, content, message):
    path = home / "03_x.ipynb"
    if content is not None:
        path.write_text(content)
    with pytest.raises(NotebookError, match=message):
        notebooks.run_notebooks([path])


def test_two_notebooks_of_one_name_no_notebooks_and_no_workers_are_refused(home):
    with pytest.raises(NotebookError, match="no notebooks in"):
        notebooks.run_notebooks()
    twins = [write_notebook(home / folder / "01_one.ipynb", "1") for folder in ("a", "b")]
    with pytest.raises(NotebookError, match="two notebooks are called 01_one"):
        notebooks.run_notebooks(twins)
    with pytest.raises(ConfigError, match="workers must be an integer, at least 1, got 0"):
        notebooks.run_notebooks(twins, workers=0)


def test_a_kernel_that_does_not_start_is_tried_again_but_a_cell_is_not(home, monkeypatch):
    import papermill

    source = write_notebook(home / "01_one.ipynb", "1")
    output, sent, attempts = home / "out.ipynb", [], []
    job = notebooks._plan(1, source, {}, {}, 1)
    connection = type("Connection", (), {"send": staticmethod(sent.append)})

    def never_starts(*arguments, **options):
        attempts.append(1)
        raise RuntimeError("Kernel died before replying to kernel_info")

    monkeypatch.setattr(papermill, "execute_notebook", never_starts)
    assert notebooks._papermill(job, output, connection).startswith("RuntimeError: Kernel died")
    assert len(attempts) == notebooks.START_ATTEMPTS

    def dies_in_a_cell(*arguments, on_cell_start, **options):
        attempts.append(1)
        on_cell_start(None, 1)
        raise RuntimeError("Kernel died")

    attempts.clear()
    monkeypatch.setattr(papermill, "execute_notebook", dies_in_a_cell)
    assert notebooks._papermill(job, output, connection) == "RuntimeError: Kernel died"
    assert (len(attempts), sent) == (1, [{"cell": "cell 2 of 2"}])


def test_an_interrupt_keeps_what_is_finished_and_leaves_no_kernel(home):
    write_notebook(home / "notebooks" / "01_fine.ipynb", WRITES_A_FIGURE)
    slow = "import os, pathlib, time\npathlib.Path('kernel.pid').write_text(str(os.getpid()))\ntime.sleep(60)"
    write_notebook(home / "notebooks" / "02_slow.ipynb", slow)
    program = "from fourier_lab.headless.notebooks import run_notebooks; run_notebooks(sys.argv[1:])"
    sources = map(str, sorted((home / "notebooks").iterdir()))
    command = [sys.executable, "-c", f"import sys; {program}", *sources]
    environment = {**os.environ, "FOURIER_LAB_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    # A shell starts background jobs deaf to Ctrl-C, and children inherit that.
    hearing = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, cwd=home, env=environment, stderr=subprocess.PIPE, preexec_fn=hearing)
    deadline = time.monotonic() + 240
    while not (home / "kernel.pid").is_file() or not (home / "kernel.pid").read_text():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0 and b"KeyboardInterrupt" in errors

    recorded = json.loads((home / "reports" / "manifest.json").read_text())
    assert {name: entry["status"] for name, entry in recorded.items()} == {"01_fine": "done"}
    assert not list((home / "reports").glob("02_slow*"))
    with pytest.raises(ProcessLookupError):
        for _ in range(50):
            os.kill(int((home / "kernel.pid").read_text()), 0)
            time.sleep(0.1)
