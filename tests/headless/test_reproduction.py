"""Figures drawn anew are held against the committed ones: what counts as the same, what is offered, what is left alone."""

import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from made_up_notebooks import WRITES_A_FIGURE, write_notebook

from fourier_lab import paths
from fourier_lab.cli import parser
from fourier_lab.headless import notebooks, reproduction
from fourier_lab.headless.manifest import NotebookResult

SCORES = pd.DataFrame({"split": ["dev", "test"], "value": [70.0, 60.0], "low": [68.5, np.nan], "seeds": [3, 3]})


def draw(root, name, data, picture=b"picture"):
    """Write a figure as ``save_figure`` lays it out."""
    for ending, content in {
        "csv": data.to_csv(index=False, float_format="%.9g").encode(),
        "png": picture,
        "svg": picture,
        "json": json.dumps({"alt": f"{name} in words"}).encode(),
    }.items():
        paths.write_atomically(root / f"{name}.{ending}", content)


@pytest.fixture
def compare(home):
    """Compare a figure drawn now with a committed one."""

    def compared(now, then, name="02_x/scores", pictures=(b"picture", b"picture")):
        for root, data, picture in zip(
            (home / "reports" / "figures", home / "figures"), (now, then), pictures, strict=True
        ):
            if data is not None:
                draw(root, name, data, picture)
        result = NotebookResult("02_x", "done", 1.0, {f"{name}.csv": ""} if now is not None else {}, beside=True)
        found = next(each for each in reproduction.compare([result]) if each.name == name)
        return found.status, found.detail

    return compared


def test_the_same_numbers_are_identical_and_another_picture_of_them_is_told(compare):
    assert compare(SCORES, SCORES) == ("identical", "")
    assert compare(SCORES, SCORES, pictures=(b"new", b"old"))[0] == "redrawn"


def test_numbers_agree_up_to_the_tolerance_of_their_quantity_and_differ_beyond(compare):
    near, far = SCORES.assign(value=[70.03, 59.98]), SCORES.assign(value=[70.0, 60.2])
    status, detail = compare(near, SCORES)
    assert (status, detail) == ("agrees", "value up to 0.03 (Spearman, Pearson and accuracy × 100: tolerance 0.1)")
    status, detail = compare(far, SCORES)
    assert status == "differs" and detail.startswith("value in 1 of 2 rows, such as 60.2 instead of 60 (Spearman")
    # Of committed records nothing is computed anew but means: their tolerance is that of the last digits.
    assert compare(near, SCORES, name="snli_mnli/02_x/scores")[0] == "differs"
    assert compare(SCORES.assign(value=[70.0, 60.0 + 1e-7]), SCORES, name="snli_mnli/02_x/scores")[0] == "agrees"


@pytest.mark.parametrize(
    "now",
    [
        SCORES.assign(split=["dev", "train"]),
        SCORES.assign(seeds=[3, 4]),
        SCORES.assign(low=[68.5, 57.0]),
        SCORES.assign(low=[np.nan, np.nan]),
        SCORES.assign(value=[70.0, math.inf]),
        SCORES.assign(value=["70", "sixty"]),
        SCORES[:1],
        SCORES.drop(columns="seeds"),
        SCORES.rename(columns={"low": "high"}),
    ],
)
def test_other_words_counts_gaps_rows_and_columns_differ(compare, now):
    status, detail = compare(now, SCORES)
    assert status == "differs" and detail
    assert compare(SCORES, now)[0] == "differs"


def test_times_are_never_compared(compare):
    then = SCORES.assign(seconds=[1.0, 2.0])
    assert compare(SCORES.assign(seconds=[9.0, 8.0]), then)[0] == "timing"
    status, detail = compare(SCORES.assign(seconds=[9.0, 8.0], value=[70.01, 60.0]), then)
    assert status == "agrees" and "value up to 0.01" in detail and "never compared" in detail
    assert compare(SCORES.assign(seconds=[9.0, 8.0], value=[71.0, 60.0]), then)[0] == "differs"


def test_of_a_layout_by_tsne_the_words_count_and_of_pca_the_places(compare):
    then = pd.DataFrame({"panel": ["a", "b"], "x": [1.0, 5.0], "y": [2.0, 6.0], "method": ["pca", "tsne"]})
    assert compare(then.assign(x=[1.0, -40.0]), then, name="02_x/projections")[0] == "agrees"
    assert compare(then.assign(x=[1.1, 5.0]), then, name="02_x/projections")[0] == "differs"
    assert compare(then.assign(panel=["a", "c"]), then, name="02_x/projections")[0] == "differs"


def test_a_figure_without_a_partner_is_new_and_one_that_is_drawn_no_more_is_told(compare, home):
    assert compare(SCORES, None) == ("new", "none is committed")
    draw(home / "figures", "02_x/old", SCORES)
    (found,) = reproduction.compare([NotebookResult("02_x", "done", 1.0, {}, beside=True)])
    assert (found.name, found.status) == ("02_x/old", "not drawn")
    assert not reproduction.compare([NotebookResult("02_x", "failed", 1.0, {}, beside=True)])
    assert not reproduction.compare([NotebookResult("02_x", "done", 1.0, {})])  # drawn in figures/ itself


def test_every_committed_number_has_a_quantity_and_every_quantity_numbers():
    names = {
        f"{path.relative_to(paths.FIGURES).with_suffix('').as_posix()}.{column}"
        for path in paths.FIGURES.rglob("*.csv")
        for column in pd.read_csv(path, nrows=0)
    }
    first = [next(q.name for q in reproduction.QUANTITIES if re.search(q.columns, name)) for name in sorted(names)]
    claimed = {q.name for q in reproduction.QUANTITIES if q.rows is None}
    assert claimed <= set(first) | {"components (dimensionless)"}  # whose rows t-SNE has before it
    assert reproduction.QUANTITIES[-1].columns == "" and reproduction.QUANTITIES[-1].rows is None


DRAWS = WRITES_A_FIGURE.replace('f"{steps}"', 'f"value,seconds\\n{steps},{os.getpid()}\\n"')


def files(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_fresh_clone_stays_as_it_is_and_only_what_differs_is_written_when_asked(home, capsys):
    source = home / "notebooks" / "01_one.ipynb"
    write_notebook(source, DRAWS, DRAWS.replace("one.", "two.").replace("Finding", "And"))
    assert parser.main(["figures", str(source), "--check"]) == 1  # nothing is committed yet
    assert not (home / "figures").exists()
    assert parser.main(["figures", str(source)]) == 0
    committed = files(home / "figures")
    assert len(committed) == 4 and "wrote 2 figures" in capsys.readouterr().out

    assert parser.main(["figures", str(source), "--force"]) == 0  # another process, so other seconds
    said = capsys.readouterr().out
    assert said.count("timing") == 2 and "0 of 2 figures are identical" in said and files(home / "figures") == committed
    assert parser.main(["figures", str(source), "--check"]) == 0

    (home / "figures" / "01_one" / "one.csv").write_text("value,seconds\n4,1\n")
    committed = files(home / "figures")
    assert parser.main(["figures", str(source)]) == 0
    said = capsys.readouterr().out
    assert re.search(r"01_one/one +differs +value in 1 of 1 rows, such as 3 instead of 4", said) and "--write" in said
    assert files(home / "figures") == committed
    assert parser.main(["figures", str(source), "--check"]) == 1 and files(home / "figures") == committed
    page = (home / "reports" / "reproduction.html").read_text()
    assert 'src="figures/01_one/one.png"' in page and 'src="../figures/01_one/one.png"' in page and "such as 3" in page
    assert parser.main(["figures", str(source), "--write"]) == 0
    changed = {path.name for path, content in files(home / "figures").items() if committed[path] != content}
    assert changed == {"one.csv"} and parser.main(["figures", str(source), "--check"]) == 0


def test_other_parameters_draw_where_anyone_does_and_are_not_compared(home, capsys):
    source = write_notebook(home / "notebooks" / "01_one.ipynb", DRAWS)
    assert parser.main(["figures", str(source), "-p", "steps", "5"]) == 0
    assert (home / "figures" / "01_one" / "one.csv").is_file() and not (home / "reports" / "figures").exists()
    (result,) = notebooks.run_notebooks([source], {"steps": 5})
    assert (result.status, result.beside) == ("unchanged", False)
    capsys.readouterr()
    assert parser.main(["figures", str(source), "-p", "steps", "5", "--check"]) == 2
    assert "drawn at a notebook's defaults" in capsys.readouterr().err
