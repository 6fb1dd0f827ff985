"""The course holds together: lessons ask before they answer, exercises are solved, plans add up, numbers are the records'.

The solutions themselves are run, cell by cell, where all notebooks are: by nbval in ``make test``.
"""

import ast
import csv
import itertools
import json
import re
from collections import Counter

import numpy as np
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from scipy import stats
from tokenizers import Tokenizer

from fourier_lab import FourierEmbedding, check_embedding, paths
from fourier_lab.bench import head, scaling
from fourier_lab.config import DEPARTURES, RunConfig
from fourier_lab.evaluation.baselines import IDF_BAG
from fourier_lab.evaluation.metrics import mean_interval, plus_minus, with_pairs
from fourier_lab.series import series_name
from fourier_lab.study import (
    bake_off,
    beside_paper,
    claims,
    comparisons,
    in_short,
    in_your_model,
    language,
    neighbours,
    prompt_times,
    selection,
    thin,
    tuning,
    uncertain,
)
from fourier_lab.study.cells import cells_name, percent
from fourier_lab.tables import language_tables, summaries
from fourier_lab.tables.beyond import beyond
from fourier_lab.tables.paper import TABLE_2
from fourier_lab.tables.score_tables import load_baselines, paired_table, results_table
from fourier_lab.text.id_order import first_word
from fourier_lab.training.records import load_records

FOLDER = paths.SWEEPS.with_name("notebooks")
RECORDS = paths.RECORDS
LESSONS = sorted(FOLDER.glob("[0-9]*.ipynb"))
SOLUTIONS = sorted((FOLDER / "solutions").glob("*.ipynb"))
PAGES = {name: (FOLDER / name).read_text(encoding="utf-8") for name in ("README.md", "LECTURER.md")}
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
each_solution = pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: path.stem)
FRONT, RESULTS = FOLDER.with_name("README.md"), RECORDS / "README.md"
HOUSE = [FOLDER.with_name(name) for name in ("CONTRIBUTING.md", "CHANGELOG.md")]


def cells(path, kind):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [{**cell, "source": "".join(cell["source"])} for cell in notebook["cells"] if cell["cell_type"] == kind]


def text(path):
    return "\n\n".join(cell["source"] for cell in cells(path, "markdown"))


def section(page, heading):
    return re.search(rf"^#+ {heading}[^\n]*\n(.*?)(?=^##|\Z)", page, flags=re.DOTALL | re.MULTILINE)[1]


def rows(table):
    """Return the cells of a Markdown table's rows, its head left out."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def anchor(heading):
    """Return the address that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-")


def exercises(lesson):
    return [int(number) for number in re.findall(r"^(\d+)\. ", section(text(lesson), "Exercises"), flags=re.MULTILINE)]


@each_lesson
def test_a_lesson_asks_for_a_prediction_before_any_code_and_ends_with_exercises(lesson):
    notebook = json.loads(lesson.read_text(encoding="utf-8"))
    first_code = next(i for i, cell in enumerate(notebook["cells"]) if cell["cell_type"] == "code")
    opening = "\n".join("".join(cell["source"]) for cell in notebook["cells"][:first_code])
    assert re.search(r"[Ww]rite down ", opening), f"{lesson.stem} asks for no prediction before its first code cell"
    assert "What would change our mind" in opening
    numbers = exercises(lesson)
    assert len(numbers) >= 3 and numbers == list(range(1, len(numbers) + 1))
    assert text(lesson).index("## Finding") < text(lesson).index("## Exercises")


@each_lesson
def test_a_lesson_has_solutions_to_each_of_its_exercises(lesson):
    solution = FOLDER / "solutions" / f"{lesson.stem}_solutions.ipynb"
    answered = [int(number) for number in re.findall(r"^## (\d+)\. ", text(solution), flags=re.MULTILINE)]
    assert answered == exercises(lesson)
    assert f"(../{lesson.name})" in text(solution)


def test_every_solution_belongs_to_a_lesson():
    assert [path.stem for path in SOLUTIONS] == [f"{path.stem}_solutions" for path in LESSONS]


@each_solution
def test_a_solution_is_stripped_thin_and_portable(solution):
    notebook = json.loads(solution.read_text(encoding="utf-8"))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert len({cell["id"] for cell in notebook["cells"]}) == len(notebook["cells"])
    for cell in cells(solution, "code"):
        assert not cell["outputs"] and cell["execution_count"] is None
        ast.parse(cell["source"])  # no magics
        assert not re.search(r"""["'](/|~)\w""", cell["source"]), f"absolute path: {cell['source']}"
        assert len(cell["source"].splitlines()) <= 25, f"belongs in the library: {cell['source']}"


@each_solution
def test_a_solution_has_one_cell_of_explained_parameters(solution):
    (parameters,) = [cell for cell in cells(solution, "code") if "parameters" in cell["metadata"].get("tags", [])]
    for line in parameters["source"].splitlines():
        assert re.fullmatch(r"\w+: (int|str) = .+  # .+", line), f"no type, value and explanation: {line}"


@pytest.mark.parametrize(
    "page",
    [*(FOLDER / name for name in PAGES), FRONT, RESULTS, *HOUSE],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_every_link_leads_somewhere(page):
    for url in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in url:
            continue
        name, _, place = url.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), url
        if place:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert place in map(anchor, headings), url


def test_the_command_for_the_real_figures_makes_the_runs_of_their_records():
    page = RESULTS.read_text(encoding="utf-8")
    shared, own = re.search(
        r'REAL="(.*?)"\npapermill \S+02_train_both.ipynb out.ipynb \$REAL (.*?)\n', page, re.DOTALL
    ).groups()
    given = dict(re.findall(r"-p (\w+) (\S+)", f"{shared} {own}"))
    series, n_seeds = given.pop("series"), int(given.pop("n_seeds"))
    words = {name: given.pop(name) for name in ("corpus", "source")}
    config = RunConfig(**words, **{name: ast.literal_eval(value) for name, value in given.items()})
    digests = {config.digest() for config in selection.comparison(config, series, "", n_seeds)}
    assert digests == {path.parent.name for path in RECORDS.glob("snli_mnli/*/config.json")}


def test_the_reading_order_lists_every_lesson_with_minutes_that_add_up():
    listed = rows(section(PAGES["README.md"], "Reading order").split("\n\n| of the paper")[0])
    assert [re.search(r"\((.*)\)", row[0])[1] for row in listed] == [lesson.name for lesson in LESSONS]
    assert sum(int(row[2]) for row in listed) == 90
    for place, row in enumerate(listed):
        before = re.findall(r"\d\d", row[4])
        assert all(int(number) <= place for number in before), f"{row[0]} comes before what it builds on"


@pytest.mark.parametrize("minutes", [20, 45, 90])
def test_a_schedule_fills_its_time(minutes):
    assert sum(int(row[0]) for row in rows(section(PAGES["LECTURER.md"], f"{minutes} minutes"))) == minutes


def test_the_long_schedule_gives_every_lesson_the_minutes_of_the_reading_order():
    listed = rows(section(PAGES["README.md"], "Reading order").split("\n\n| of the paper")[0])
    planned = {re.search(r"\((.*?)\)", row[2])[1]: row[0] for row in rows(section(PAGES["LECTURER.md"], "90 minutes"))}
    assert planned == {re.search(r"\((.*)\)", row[0])[1]: row[2] for row in listed}


def test_the_explorers_that_are_named_exist():
    from fourier_lab import widgets

    named = set(re.findall(r"`(explore_\w+)`", PAGES["LECTURER.md"]))
    assert len(named) >= 6 and named <= set(dir(widgets))


def set_up_cell():
    return re.search(r"<!-- cell: set-up -->\n```python\n(.*?)```", PAGES["README.md"], flags=re.DOTALL)[1]


def run_set_up(monkeypatch, installed):
    """Run the set-up cell as IPython would, and return the commands that it gave."""
    import importlib.util

    commands = []

    class Shell:
        def system(self, line):
            commands.append(line)

        def run_line_magic(self, name, line):
            commands.append(f"{name} {line}")

    if not installed:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    exec(TransformerManager().transform_cell(set_up_cell()), {"get_ipython": Shell})
    return commands


def test_the_set_up_cell_does_nothing_where_the_library_is(monkeypatch):
    assert run_set_up(monkeypatch, installed=True) == []


def test_the_set_up_cell_fetches_the_project_elsewhere(monkeypatch, tmp_path):
    import os
    import sys

    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("FOURIER_LAB_HEADLESS", "")
    monkeypatch.chdir(tmp_path)
    clone, install = run_set_up(monkeypatch, installed=False)
    assert clone.endswith(" lab") and install.endswith(" ./lab") and "--no-deps" in install
    assert sys.path[0] == str(tmp_path / "lab") and os.environ["FOURIER_LAB_HEADLESS"] == "1"


def test_badges_and_set_up_cell_name_one_repository():
    found = re.findall(r"(?:github\.com/|/gh/|research\.google\.com/github/)([\w.-]+/[\w.-]+)", PAGES["README.md"])
    assert len(found) == 3 and len(set(found)) == 1


def kept(digest):
    return json.loads((RECORDS / "what_training_did" / f"{digest}.json").read_text(encoding="utf-8"))


SEEDS_OF = {  # one layer, d = 256, on real text
    "learned": ("4ccb525993", "1a2f1c115d", "41b7712c16"),
    "fourier (harmonic)": ("db09adce71", "b82594177f", "02d4e73719"),
}


def lost_by_merging(digest, size):
    score = {row["size"]: row["validation"] for row in kept(digest)["classes"]}
    return score[1] - score[size]


SCORES = {split: summaries.score(split) for split in ("validation", "test")}


def difference(sweep, base, chosen, name, series="fourier (harmonic)", values=SCORES, among=series_name):
    """Return mean and half width of the change of one setting, validation then test."""
    records = load_records(RECORDS / sweep)
    for value in values.values():
        columns = summaries.difference_columns(records, value, name, base, series=among)
        (i,) = np.flatnonzero((columns["group"] == chosen) & (columns["series"] == series))
        yield columns["value"][i], columns["high"][i] - columns["value"][i]


def table(name, **where):
    with open(RECORDS / name / "table.csv", encoding="utf-8") as stream:
        (row,) = [row for row in csv.DictReader(stream) if all(row[key] == value for key, value in where.items())]
    return row


def misconceptions():
    """Return the numbers of each row, computed from the records, in the order and form in which the row says them."""
    harmonic = kept("db09adce71")
    cosine = {stage: numbers["similarity"]["cosine"][0] for stage, numbers in harmonic["stages"].items()}
    yield [f"{cosine['T(p)']:.5f}"]
    yield [f"{cosine['trained']:.5f}", *(f"{100 * harmonic['steps'][key]:.1f} %" for key in ("worst", "bound"))]
    (merged,) = [row for row in harmonic["classes"] if row["size"] == 32]
    yield [str(merged["classes"]), f"{lost_by_merging('db09adce71', 32):.1f}"]
    yield [f"{lost_by_merging('4ccb525993', 32):.1f}"]
    ladder = json.loads((RECORDS / "from_zero" / "4ccb525993.json").read_text(encoding="utf-8"))
    (idf,) = [rung for rung in ladder["rungs"] if rung["name"] == "bag of tokens, idf"]
    learned = table("snli_mnli", model="learned")
    dev, test = (f"{float(learned[f'{split}_spearman']):.1f}" for split in ("dev", "test"))
    yield [f"{idf['scores']['validation']['spearman']['value']:.1f}", dev]
    record = json.loads((RECORDS / "faster" / "full.json").read_text(encoding="utf-8"))
    ratios = scaling.ratio_columns(record)
    (ours,) = np.flatnonzero((ratios["series"] == "d = 256") & (ratios["vocab_size"] == 30_522))
    (large,) = np.flatnonzero((ratios["series"] == "d = 256") & (ratios["vocab_size"] == 1_000_000))
    yield [*(f"{ratios[key][ours]:.2f}" for key in ("value", "low", "high")), f"{ratios['value'][large]:.1f}"]
    causes = scaling.cause_columns(record, "published")
    ratio = dict(zip(causes["name"], causes["value"], strict=True))
    yield [f"{ratio['as published']:.2f}", f"{ratio['without dead feed-forward']:.2f}"]
    dead = table("departures", arm="fourier", departures="dead_feed_forward")
    (cost, _), _ = difference("departures", "none", "dead_feed_forward", "departures")
    yield [f"{float(dead['with_gradient']):,.0f}", f"{int(dead['parameters']):,}", f"{-cost:.1f}"]
    yield [f"{-value:.1f}" for value, _ in difference("departures", "none", "period_127", "departures")]
    shuffled = ("id_order", "frequency", "random", "id_order")
    changes = [*difference(*shuffled), *difference(*shuffled, values=comparisons.MATCHING)]
    yield [plus_minus(value, value + half, "+.1f") for value, half in changes]
    toy = summaries.mean_columns(selection.sweep_records("id_order_toy"), summaries.score("test"), "id_order")
    value = dict(zip(zip(toy["series"], toy["group"], strict=True), toy["value"], strict=True))
    arms = ("fourier (harmonic)", "learned")
    yield [f"{value[arm, order]:.1f}" for arm in arms for order in ("frequency", "semantic")]
    nli = summaries.mean_columns(selection.sweep_records("nli"), comparisons.accuracy("snli/test"), series_name)
    accuracy = dict(zip(nli["group"], nli["value"], strict=True))
    trained = load_records(RECORDS / "snli_mnli")
    matched = summaries.mean_columns(trained, comparisons.MATCHING["SNLI test"], series_name)
    found = dict(zip(matched["group"], matched["value"], strict=True))
    yield [f"{each[arm]:.1f} %" for each in (found, accuracy) for arm in arms]
    yield [dev, test]
    gaps = [f"{gap.value:+.1f} ± {gap.high - gap.value:.1f}" for gap in claims.CLAIMS["table_1"].answer()[:2]]
    yield [*(f"{float(learned[f'dev_spearman_pairs_{end}']):.1f}" for end in ("low", "high")), *gaps]


def test_the_numbers_against_misconceptions_are_those_of_the_records():
    listed = rows(section(PAGES["LECTURER.md"], "Misconceptions"))
    said = [re.findall(r"\*\*(.*?)\*\*", row[1]) for row in listed]
    assert said == list(misconceptions())


def wider_gaps(values):
    """Yield by how much the gap of the harmonic arm to the table changes from 1 x 256 to 1 x 512, paired by seed."""
    runs = {
        (r.config.n_layers, r.config.d_model, r.config.arm, r.config.seed): r
        for r in selection.sweep_records("table_1")
    }
    for value in values.values():
        gaps = [
            [value(runs[1, width, "fourier", seed]) - value(runs[1, width, "learned", seed]) for seed in range(3)]
            for width in (256, 512)
        ]
        mean, _, high = mean_interval(np.subtract(*gaps[::-1]))
        yield mean, high - mean


def test_the_surprises_of_the_results_page_are_those_of_the_records():
    page = RESULTS.read_text(encoding="utf-8")
    surprises = re.search(r"we did not expect:\n(.*?)^## ", page, flags=re.DOTALL | re.MULTILINE)[1]
    arms = {"name": series_name, "among": beside_paper.size_name}
    matched = {"values": comparisons.MATCHING}
    found = [*difference("table_1", "learned", "fourier (harmonic)", series="1 x 256", **arms, **matched)]
    found += wider_gaps(comparisons.MATCHING)
    found += difference("snli_mnli", "learned", "fourier (random)", series="1 x 256", **arms, **matched)
    nli = claims.CLAIMS["nli"].answer()
    mismatched = {"values": {"": comparisons.accuracy("mnli/validation_mismatched")}}
    found += difference("snli_mnli", "learned", "fourier (random)", series="1 x 256", **arms, **mismatched)
    found += [(each.value, each.high - each.value) for each in nli if "(random)" in each.what and "snli/" in each.split]
    found += difference("id_order", "frequency", "by_count", "id_order")
    found += difference("id_order", "frequency", "random", "id_order", **matched)
    found += difference("id_order", "frequency", "alphabetical", "id_order", **matched)
    found += [*difference("id_order", "frequency", "alphabetical", "id_order")][::-1]
    found += difference("departures", "none", "period_127", "departures")
    found += difference("departures", "none", "period_127", "departures", **matched)
    for size in ("1 x 256", "2 x 256", "1 x 512", "2 x 512"):
        found += [*difference("table_1", "learned", "fourier (harmonic)", series=size, **arms)][:1]
    found += difference("departures", "none", "dead_feed_forward", "departures")
    told = [m for m in claims.CLAIMS["training"].answer() if m.high < 0 and m.value < -0.1]
    told.sort(key=lambda m: m.value)
    assert [(m.what.split(",")[0], m.split) for m in told] == [
        ("fourier (log)", "test"),
        ("fourier (random)", "validation"),
    ]
    found += [(m.value, m.high - m.value) for m in told]
    log = [r for r in load_records(RECORDS / "snli_mnli") if series_name(r.config) == "fourier (log)"]
    mean, _, high = mean_interval([r.score("test") for r in log])
    found.append((mean - beside_paper.word_overlap("test")["bag of tokens, idf"], high - mean))
    assert re.findall(r"[\d.]+ ± \d+\.\d", surprises) == [f"{abs(value):.1f} ± {half:.1f}" for value, half in found]
    # Twice the width; random by a hair; shuffled, alphabetical; 127 rows when matching; log above idf.
    gains = [2, 3, 4, 11, 12, 13, 14, 15, 16, 19, 20, 29]
    assert [i for i, (value, _) in enumerate(found) if value > 0] == gains
    assert re.search(" and ".join(rf"{-gap.value:.1f} [^.]*" for gap in nli[:2]), surprises)
    alphabetical = [
        m for m in claims.CLAIMS["id_order"].answer() if "alphabetical" in m.what and "matched" not in m.what
    ]
    assert [(m.split, m.low > 0, m.pairs_low > 0) for m in alphabetical] == [
        ("validation", True, False),
        ("test", True, True),
    ]
    turned = [np.mean([e["moved"]["text"] for e in map(kept, digests)]) for digests in SEEDS_OF.values()]
    assert f"its rows by {turned[0]:.1f}° on average over the text, and harmonic rows by {turned[1]:.1f}°" in page


def test_what_the_results_page_says_of_frequencies_and_of_pairs_left_out_is_in_the_records():
    page = RESULTS.read_text(encoding="utf-8")
    names = {"name": series_name, "among": lambda config: ""}
    told, text = set(), page[page.index("## Results on real text") :]
    for base, chosen in itertools.product(("learned", "fourier (harmonic)"), ("fourier (log)", "fourier (random)")):
        for split, (value, half) in zip(SCORES, difference("snli_mnli", base, chosen, series="", **names), strict=True):
            if abs(value) > half:
                told.add((base, chosen, split, f"{abs(value):.1f} ± {half:.1f}"))
    assert {each[:3] for each in told} == {
        ("learned", "fourier (log)", "validation"),
        ("fourier (harmonic)", "fourier (log)", "test"),
    }
    (behind,) = [number for base, _, _, number in told if base == "learned"]
    assert f"log\n  lies {behind} behind on validation over seeds and level over pairs" in text
    columns = summaries.difference_columns(
        load_records(RECORDS / "snli_mnli"), SCORES["validation"], series_name, "learned", lambda config: ""
    )
    (i,) = np.flatnonzero(columns["group"] == "fourier (log)")
    assert columns["pairs_low"][i] < 0 < columns["pairs_high"][i]
    scores = {
        arm: [r.score("test") for r in load_records(RECORDS / "snli_mnli") if series_name(r.config) == arm]
        for arm in ("fourier (harmonic)", "learned")
    }
    welch = stats.ttest_ind(*scores.values(), equal_var=False).confidence_interval()
    assert f"Table 1's gap on test from 0 as well ({sum(welch) / 2:.1f} ± {np.ptp(welch) / 2:.1f})" in text

    kept = [record for record in load_records(RECORDS / "left_out") if record.config.left_out == "scored"]
    before = {}
    for base, chosen in (("fourier (harmonic)", "fourier (random)"), ("learned", "fourier (log)")):
        columns = summaries.difference_columns(kept, SCORES["validation"], series_name, base, lambda config: "")
        (i,) = np.flatnonzero(columns["group"] == chosen)
        before[chosen] = columns["value"][i], columns["high"][i] - columns["value"][i]
    value, half = before["fourier (random)"]
    assert f"ahead of harmonic on validation, by {value:.1f} ± {half:.1f}," in text and value > half
    assert abs(before["fourier (log)"][0]) < before["fourier (log)"][1]

    found = {}
    for series in ("learned", "fourier (harmonic)", "fourier (log)", "fourier (random)"):
        for split, change in zip(SCORES, difference("left_out", "graded", "scored", "left_out", series), strict=True):
            found[series, split] = change
    told = {key: change for key, change in found.items() if abs(change[0]) > change[1]}
    ((key, (value, half)),) = told.items()
    assert key == ("fourier (log)", "validation") and f"log on validation ({value:+.1f} ± {half:.1f})" in text
    assert f"changes by more than {max(abs(value) for value, _ in found.values()):.1f}," in text
    dropped = {
        record.config.left_out: sum(part["dropped_held_out"] for part in record.metrics["data"]["train"].values())
        for record in load_records(RECORDS / "left_out")
    }
    assert f"{dropped['graded']:,} training pairs" in text and f"The {dropped['graded'] - dropped['scored']} of" in text


def test_what_the_limits_say_of_rates_and_of_budgets_is_in_the_records():
    limits = section(RESULTS.read_text(encoding="utf-8"), "Limits")
    tried = {(r.config.arm, r.config.learning_rate): r for r in load_records(RECORDS / "rates")}
    gain = {
        (arm, value): value(tried[arm, 4e-3]) - value(tried[arm, 2e-3])
        for arm in ("learned", "fourier")
        for value in (SCORES["validation"], comparisons.MATCHING["SNLI test"])
    }
    of_table, matched, _, harmonic = gain.values()
    assert f"the table gains {of_table:.1f} points on validation, and matches {matched:.1f} points more" in limits
    assert f"where the harmonic arm gains {harmonic:.1f} (one seed)" in limits
    theirs = {row.parameters: row.spearman for row in TABLE_2 if row.split == "validation"}
    ours = {r.metrics["parameters"]["total"]: [] for r in selection.sweep_records("table_2")}
    for record in selection.sweep_records("table_2"):
        ours[record.metrics["parameters"]["total"]].append(record.score("validation"))
    behind = [theirs[total] - np.mean(scores) for total, scores in ours.items()]
    assert f"Table 2's runs stay {min(behind):.0f} to {max(behind):.0f} points below the paper's own" in limits


def test_more_than_a_quarter_of_real_text_lies_below_the_first_word():
    """Notebook 01 says so of BERT's ids; the shipped vocabulary, cut from it, keeps the counts of the training text."""
    folder = paths.SWEEPS.with_name("fourier_lab") / "shipped" / "fourier"
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    counts = np.load(folder / "token_counts.npy")
    share = counts[: first_word(tokenizer)].sum() / counts.sum()
    assert 0.25 < share < 0.35
    assert "more than a quarter of" in (FOLDER / "01_frequency_bases.ipynb").read_text(encoding="utf-8")


def test_the_lesson_on_the_code_says_what_each_departure_does():
    (table,) = (
        cell["source"] for cell in cells(*FOLDER.glob("06_*.ipynb"), "markdown") if cell["id"] == "departures-table"
    )
    arms = {name: "both" if len(each) == 2 else each[0] for name, each in DEPARTURES.items()}
    assert {name.strip("`"): arm for name, arm, _ in rows(table)} == arms


def test_which_classifiers_are_ahead_of_a_bag_that_reads_one_sentence():
    records = selection.sweep_records("nli")
    ahead = {}
    for split, bag in (("snli/test", 63.8), ("mnli/validation_mismatched", 48.2)):
        columns = summaries.mean_columns(records, comparisons.accuracy(split), "objective")
        ahead[split] = [name for name, low in zip(columns["series"], columns["low"], strict=True) if low > bag]
    assert [*ahead.values()] == [[], ["learned"]]
    assert "On SNLI none; on MNLI mismatched only the table" in text(*FOLDER.glob("11_*.ipynb"))


def test_the_speed_table_of_the_results_page_is_that_of_the_measurement():
    measured = json.loads((RECORDS / "bench" / "bench.json").read_text())["rows"]
    section = (
        RESULTS.read_text(encoding="utf-8").partition("## Speed")[2].partition("\nOn a processor that multiplies")[0]
    )
    table = [line.split("|")[2:5] for line in section.splitlines() if line.startswith("| ")][1:]
    for cells, row in zip(table, measured, strict=True):
        for cell, value in zip(cells, (row["ours"], row["theirs"], row["ratio"]), strict=True):
            if number := cell.replace("x", "").partition("%")[0].split():
                decimals = len(number[0].partition(".")[2])
                assert number[0] == f"{value * (100 if '%' in cell else 1):,.{decimals}f}"
    recipe = measured[0]["detail"]
    positions = recipe["padded_pieces_per_pair"] / recipe["pieces_per_pair"]
    assert f"encodes {positions:.1f} times as many positions" in section
    assert f"computes {recipe['operations_ratio']:.1f} times as many matrix operations" in section
    assert f"asks for arithmetic {20 / recipe['operations_ratio']:.1f} times as fast" in section
    rows = {row["name"]: row for row in measured}
    plain, dropout = (rows[f"sentence_transformers{end}"]["ratio"] for end in ("", "_dropout"))
    assert f"makes the step from {plain:.1f} x to {dropout:.1f} x" in section
    for name, form in (("recipe", ".1f"), ("sentence_transformers", ".1f"), ("arms", ".2f")):
        low, high = rows[name]["detail"]["ratio_quartiles"]
        assert f"{low:{form}} to {high:{form}} x" in section


def test_the_counts_of_layers_and_of_text_are_those_of_the_layers_and_of_the_records():
    size = sum(p.numel() for p in FourierEmbedding(30522, 256, frequencies="random").parameters())
    assert f"# {size:,} parameters; a table has {30522 * 256:,}" in FRONT.read_text(encoding="utf-8")
    page = RESULTS.read_text(encoding="utf-8")
    (account,) = {json.dumps(r.metrics["data"]["train"]) for r in load_records(RECORDS / "snli_mnli")}
    used = {name: part["used"] for name, part in json.loads(account).items()}
    assert all(f"| {name.upper()} train, entailment | {n:,} |" in page for name, n in used.items())
    assert f"the {sum(used.values()):,} pairs used" in page


def findings_of_the_front_page():
    """Return the numbers of each finding, computed from the records, in the order and form in which it says them."""
    arms = {"series": "1 x 256", "among": beside_paper.size_name}
    matched = {"values": {"": comparisons.MATCHING["SNLI test"]}}
    (pairs,) = difference("table_1", "learned", "fourier (harmonic)", series_name, **arms, **matched)
    _, scored = difference("table_1", "learned", "fourier (harmonic)", series_name, **arms)
    yield [pairs, scored]
    yield [
        *difference("snli_mnli", "learned", "fourier (random)", series_name, **arms, **matched),
        *difference("snli_mnli", "learned", "fourier (log)", series_name, **arms, **matched),
    ]
    yield [*difference("id_order", "frequency", "random", "id_order", **matched)]
    yield []
    over_bag = claims.CLAIMS["from_zero"].answer()[1]
    yield [(over_bag.value, over_bag.high - over_bag.value)]
    alike = load_records(RECORDS / "bake_off_one_rate")
    yield [
        over_seeds(alike, name, bake_off.SPLITS["test"]) for name in ("Fourier, random", "table", "Fourier, harmonic")
    ]
    yield [ahead_of_the_tuned_table(bake_off.MATCHED["SNLI test"], most_waves())]


def most_waves():
    """Return the runs of the bake-off's random waves with the most frequencies."""
    waves = [r for r in load_records(RECORDS / "bake_off_budgets") if bake_off.line(r.config) == "Fourier, random"]
    most = max(r.metrics["parameters"]["embedding"] for r in waves)
    return [r for r in waves if r.metrics["parameters"]["embedding"] == most]


def ahead_of_the_tuned_table(value, records):
    """Return mean and half width, by seed, of runs minus the table at the rate that the held-out loss chose for it."""
    table = {r.config.seed: r for r in load_records(RECORDS / "bake_off") if r.config.arm == "learned"}
    assert {r.config.learning_rate for r in table.values()} == {0.008}
    mean, _, high = mean_interval([value(r) - value(table[r.config.seed]) for r in records])
    return mean, high - mean


def over_seeds(records, name, value):
    """Return mean and half width over seeds of one embedding of the bake-off."""
    mean, _, high = mean_interval([value(r) for r in records if bake_off.method(r.config) == name])
    return mean, high - mean


def test_the_bake_off_is_told_as_its_records_have_it():
    told = " ".join(section(RESULTS.read_text(encoding="utf-8"), "Every embedding at one budget").split())
    own, alike = (load_records(RECORDS / name) for name in ("bake_off", "bake_off_one_rate"))

    def words(records, name, value):
        return "{:.1f} ± {:.1f}".format(*over_seeds(records, name, value))

    test, three, pairs = bake_off.SPLITS["test"], bake_off.BEYOND[bake_off.MEAN], bake_off.MATCHED["SNLI test"]
    a, b, c, d = (words(alike, n, test) for n in ("Fourier, random", "tensor train", "frozen random", "table"))
    assert (
        f"random waves score {a} on STS-B test, tensor trains {b}, a frozen random code {c} and the table {d}" in told
    )
    a, b, c, d = (words(alike, n, three) for n in ("Fourier, random", "tensor train", "frozen random", "table"))
    assert f"over the three test sets {a}, {b}, {c} and {d}" in told
    ordered = ("Fourier, harmonic", "learned frequencies", "dct", "companded")
    for value, low, high in ((pairs, 12, 16), (test, 6, 11)):
        gaps = [over_seeds(own, "Fourier, random", value)[0] - over_seeds(own, n, value)[0] for n in ordered]
        assert low <= min(gaps) and max(gaps) <= high, f"{gaps} are not {low} to {high}"
    counted, waves = "companded by counts", ("Fourier, harmonic", "Fourier, random")
    assert f"score {words(own, counted, test)} on STS-B test and match {words(own, counted, pairs)} % of" in told
    ups, downs = (
        [abs(over_seeds(own, counted, v)[0] - over_seeds(own, n, v)[0]) for v in (test, pairs)] for n in waves
    )
    assert (
        "{:.1f} and {:.1f} points above those of the id itself, {:.1f} and {:.1f} below random".format(*ups, *downs)
        in told
    )
    assert f"by Zipf's law has {words(own, 'companded', test)} and {words(own, 'companded', pairs)}" in told
    assert f"{words(own, 'table', pairs)} % of SNLI's test pairs, {words(alike, 'table', pairs)} % at 0.002" in told
    assert f"but scores {words(own, 'table', test)} on STS-B test, {words(alike, 'table', test)} at 0.002" in told
    assert f"{words(own, 'tensor train', pairs)} % of SNLI's test pairs at 0.008" in told
    assert f"random waves, at their rate, {words(own, 'Fourier, random', pairs)} %" in told
    ahead = claims.CLAIMS["bake_off"].answer()[1]
    assert f"by {ahead.value:.1f} ± {ahead.high - ahead.value:.1f} points (mixed, STS-B test)" in told
    assert claims.CLAIMS["bake_off_one_rate"].answer()[1].word(("above", "below", "not told")) == "not told"
    (bag,) = [each for each in load_baselines(RECORDS / "bake_off") if each.name == IDF_BAG]
    floor = beyond(bag.scores, bag.evaluations)
    names = ("mean_of_sets", "matched_snli/test", "matched_mnli/validation_mismatched")
    a, b, c = (over_seeds(own, "Fourier, random", bake_off.measure(name))[0] - floor[name] for name in names)
    assert (
        "has {:.1f} over the three test sets, {:.1f} % of SNLI's pairs and {:.1f} % of MNLI's".format(
            *(floor[name] for name in names)
        )
        in told
    )
    assert f"random waves are {a:.1f} points ahead, {b:.1f} ahead and {-c:.1f} *behind*" in told
    rates = {bake_off.method(r.config): r.config.learning_rate for r in own}
    assert (
        rates["table"] == rates["tensor train"] == 0.008
        and rates["Fourier, random"] == rates["Fourier, mixed"] == 0.002
    )


def test_who_minds_the_order_of_the_ids_is_told_as_the_records_have_it():
    page = section(RESULTS.read_text(encoding="utf-8"), "Which of them mind the order of the ids")
    page = page.partition("**The company")[0]
    runs: dict[str, dict] = {}
    for run in load_records(RECORDS / "bake_off_toy"):
        score = run.metrics["scores"]["test"]["spearman"]["value"]
        runs.setdefault(bake_off.method(run.config), {})[run.config.id_order, run.config.seed] = run, score
    told = rows(page)
    assert {row[0] for row in told} == set(runs)
    for name, parameters, *cells, gain in told:
        of = {key: score for key, (_, score) in runs[name].items()}
        orders = ("semantic", "frequency", "random")
        assert cells == [interval([of[order, seed] for seed in range(3)]) for order in orders]
        gained = [of["semantic", seed] - of["frequency", seed] for seed in range(3)]
        assert gain.lstrip("+") == interval(gained).replace("-0.0", "0.0")
        assert parameters == f"{runs[name]['semantic', 0][0].metrics['parameters']['embedding']:,}"
    gains = [float(row[-1].split()[0]) for row in told]
    assert gains[:5] == sorted(gains[:5], reverse=True) and 35 <= min(gains[:5]) <= max(gains[:5]) < 55
    drawn = [score for (order, _), (_, score) in runs["Fourier, random"].items() if order == "semantic"]
    assert round(max(drawn) - min(drawn)) == 10


def test_an_order_by_company_is_told_as_the_records_have_it():
    told = section(RESULTS.read_text(encoding="utf-8"), "Which of them mind the order of the ids")
    told = told.partition("**The company that tokens keep is no such order.**")[2]
    tried = load_records(RECORDS / "company")
    runs = [run for run in tried if run.config.seed < 100]
    runs += [
        run
        for run in load_records(RECORDS / "bake_off")
        if run.config.arm == "fourier" and "period" not in run.config.changes()
    ]
    pairs = [bake_off.MATCHED[name] for name in ("SNLI test", "MNLI mismatched")]
    values = (*bake_off.SPLITS.values(), bake_off.BEYOND[bake_off.MEAN], *pairs)
    names, found = {"by company": "by_company", "the tokenizer's": "frequency", "at random": "random"}, {}
    for waves, ids, rate, *cells in rows(told):
        own = [run for run in runs if (run.config.frequencies, run.config.id_order) == (waves, names[ids])]
        assert {run.config.seed for run in own} == {0, 1, 2} and {f"{run.config.learning_rate:g}" for run in own} == {
            rate
        }
        assert cells == [interval([value(run) for run in own]) for value in values]
        found[waves, names[ids]] = np.mean([pairs[0](run) for run in own])
    assert len(found) == 5 and abs(found["mixed", "by_company"] - found["mixed", "frequency"]) < 1
    by_order = {
        order: [np.mean([value(run) for run in runs if (run.config.frequencies, run.config.id_order) == ("harmonic", order)])
                for value in values]
        for order in names.values()
    }  # fmt: skip
    company, own_order, shuffled = by_order.values()
    assert company[3] < own_order[3] - 10 and company[4] > own_order[4] + 5 and company[2] < own_order[2]
    assert all(best > other for rest in (company, own_order) for best, other in zip(shuffled, rest, strict=True))
    for waves, order in {(run.config.frequencies, run.config.id_order) for run in tried}:
        rates = {
            run.config.learning_rate: run.metrics["validation_loss"] for run in tried
            if run.config.seed == 100 and (run.config.frequencies, run.config.id_order) == (waves, order)
        }  # fmt: skip
        best = min(rates, key=rates.get)
        assert min(rates) < best < max(rates)
        chosen = {
            run.config.learning_rate for run in runs if (run.config.frequencies, run.config.id_order) == (waves, order)
        }
        assert chosen == {best}
    toy = [run.score("test") for run in load_records(RECORDS / "company_toy")]
    assert len(toy) == 3 and f"harmonic waves score {interval(toy)} on test in this order" in told


def test_what_a_layer_changes_is_told_as_the_records_have_it():
    told = section(RESULTS.read_text(encoding="utf-8"), "Before one layer")
    found: dict[str, dict[str, dict]] = {}
    for name in ("bake_off_layer", "bake_off", "bake_off_one_rate"):
        for run in load_records(RECORDS / name):
            found.setdefault(name, {}).setdefault(bake_off.method(run.config), {})[run.config.seed] = run
    layer, bag, one_rate = found.values()
    three, snli, mnli = bake_off.BEYOND[bake_off.MEAN], *(bake_off.MATCHED[n] for n in ("SNLI test", "MNLI mismatched"))

    def of(value, runs, less=None):
        if less is None:
            return interval([value(run) for run in runs.values()])
        mean, low, high = mean_interval([value(run) - value(less[seed]) for seed, run in runs.items()])
        return f"{mean:+.1f} ± {high - mean:.1f}"

    assert {name: len(runs) for name, runs in layer.items()} == dict.fromkeys([row[0] for row in rows(told)], 3)
    for name, parameters, rate, *cells in rows(told):
        runs = layer[name]
        assert parameters == f"{runs[0].metrics['parameters']['embedding']:,}"
        assert rate == f"{runs[0].config.learning_rate:g}"
        values = (*bake_off.SPLITS.values(), three, snli, mnli)
        assert cells[:5] == [of(value, runs) for value in values]
        assert cells[5:7] == (["–"] * 2 if name == "table" else [of(v, runs, layer["table"]) for v in (three, snli)])
        assert cells[7:] == [of(value, runs, bag[name]) for value in (three, snli)]
    words, harmonic = " ".join(told.split()), "Fourier, harmonic"
    lost = [of(snli, each[harmonic], each["table"]).lstrip("-") for each in (layer, bag)]
    assert f"match {lost[0]} points fewer of SNLI's pairs than the table, {lost[1]} in the bag" in words
    behind = [-float(of(snli, runs, layer["table"]).split()[0]) for name, runs in layer.items()
              if name not in ("table", harmonic)]  # fmt: skip
    assert f"with a 118th of its numbers, {min(behind):.1f} to {max(behind):.1f} fewer" in words
    told_apart = {name: of(three, layer[name], layer["table"]) for name in (harmonic, "bloom")}
    assert f"({told_apart[harmonic]} over the three sets) and Bloom embeddings ({told_apart['bloom']})" in words
    gains = {name: of(mnli, runs, bag[name]).split() for name, runs in layer.items()}
    fewer = [-float(gain[0]) for name, gain in gains.items() if name != harmonic]
    assert f"all but harmonic waves match {min(fewer):.1f} to {max(fewer):.1f} points fewer of MNLI's" in words
    at = [of(three, one_rate[name]) for name in ("table", "bloom", harmonic)]
    assert f"(table {at[0]} over the three sets, Bloom {at[1]}; harmonic waves {at[2]}, so" in words
    best: dict[str, list] = {}
    for run in load_records(RECORDS / "bake_off_layer_rates"):
        best.setdefault(bake_off.method(run.config), []).append(
            (run.metrics["validation_loss"], run.config.learning_rate)
        )
    for name, tried in best.items():
        rate = min(tried)[1]
        assert rate == layer[name][0].config.learning_rate
        assert min(other for _, other in tried) < rate < max(other for _, other in tried)


def test_every_sweep_is_listed_on_the_results_page():
    page = RESULTS.read_text(encoding="utf-8")
    assert [path.name for path in paths.SWEEPS.glob("*.yaml") if f"(../sweeps/{path.name})" not in page] == []


def test_the_rate_that_suits_each_output_is_told_as_the_records_have_it():
    told = section(RESULTS.read_text(encoding="utf-8"), "The rate of each output")
    assert "0.01 is the better rate for every output, but for rows that are computed on both sides" in told
    found: dict[str, dict[float, float]] = {}
    for run in load_records(RECORDS / "language_model_rates"):
        found.setdefault(series_name(run.config), {})[run.config.learning_rate] = run.bits_per_byte("validation")
    assert len(found) == 14 and {name for name, of in found.items() if of[0.003] < of[0.01]} == {
        "fourier (random, period 4096) -> tied"
    }


def test_every_input_with_every_output_is_told_as_the_records_have_it():
    page = RESULTS.read_text(encoding="utf-8")
    told, records = section(page, "Every input with every output"), load_records(RECORDS / "language_model_grid")
    assert results_table(records) in page
    told = " ".join(told.split())
    runs: dict[tuple[str, str], dict] = {}
    names = {"learned": "table", "random": "32 waves", "mixed": "mixed", "wide_fourier": "256 waves"}
    for run in records:
        of = run.config
        options = dict(of.head_options).get("n_frequencies", "")
        kind = names[of.frequencies if of.arm == "fourier" else of.arm], f"{of.head}{options}"
        runs.setdefault(kind, {})[of.seed] = run
    assert len(runs) == 36 and all({*of} == {0, 1, 2} for of in runs.values())
    assert {of.config.learning_rate for each in runs.values() for of in each.values()} == {0.01, 0.003}

    def more(kind, than):
        own, other = ({seed: run.bits_per_byte("test") for seed, run in runs[each].items()} for each in (kind, than))
        mean, _, high = mean_interval([100 * own[seed] / other[seed] - 100 for seed in own])
        return f"{mean:+.1f} ± {high - mean:.1f}"

    def size(kind):
        return f"{runs[kind][0].metrics['parameters']['total']:,}"

    tied, both, wide = ("table", "tied"), ("32 waves", "fourier480"), ("256 waves", "fourier480")
    assert f"worth having**: {more(('table', 'learned'), tied)} % against" in told
    assert f"2,047 waves, as many numbers as that table, are {more(('table', 'fourier2047'), tied)} %" in told
    quarter = more(("table", "fourier480"), tied)
    assert f"480 waves are {quarter} % above the tied table" in told
    front = FRONT.read_text(encoding="utf-8")
    assert f"needs {quarter.lstrip('+')} % more bits per byte than a tied table at 4,096 ids, each at its own" in front
    over = [more((name, "fourier480"), (name, "decoupled")) for name in ("table", "32 waves")]
    assert f"waves are {over[0]} % above a decoupled table of width 15 over a table, {over[1]} % over random" in told
    for name, words in (("32 waves", "32 random waves are {} % (own rows), {} % (256 waves) and {} % (decoupled)"),
                        ("256 waves", "256 random waves {} %, {} % and {} %.")):  # fmt: skip
        costs = [more((name, head), ("table", head)) for head in ("learned", "fourier256", "decoupled")]
        assert words.format(*costs) in told
    costs = [float(more((name, "learned"), ("table", "learned")).split()[0]) for name in ("32 waves", "mixed")]
    assert abs(costs[0] - costs[1]) < 0.3 and "Random and mixed waves are level as inputs" in told
    costs = [more((name, "tied"), tied) for name in ("32 waves", "256 waves")]
    assert f"a model is {costs[0]} % above the table tied to itself, tied to 256 of them {costs[1]} %" in told
    assert f"{size(both)} numbers in all with 480 waves at the output, {more(both, tied)} % above the tied" in told
    assert f"with its {size(tied)}; {size(wide)} with 256 waves at the input, {more(wide, tied)} %" in told
    few = ("32 waves", "fourier256")
    assert f"it is ({size(few)} numbers) {more(few, tied)} %" in told


def interval(values):
    mean, _, high = mean_interval(values)
    return plus_minus(mean, high)


def test_the_output_heads_are_told_as_their_records_have_it():
    page = RESULTS.read_text(encoding="utf-8")
    told, records = (
        " ".join(section(page, "What an output table buys").split()),
        load_records(RECORDS / "language_model"),
    )
    assert results_table(records) in page and paired_table(records, "learned -> tied") in page
    heads = {}
    for record in records:
        heads.setdefault((record.config.head, *record.config.head_options), {})[record.config.seed] = record
    tied, waves, few = heads[("tied",)], heads["fourier", ("n_frequencies", 480)], heads[("fourier",)]
    narrow, table = heads["decoupled", ("width", 15)], heads[("learned",)]

    def words(values, form):
        mean, _, high = mean_interval(values)
        return f"{mean:{form}} ± {high - mean:{form.lstrip('+')}}"

    def above(runs, form=".1f"):
        return words([100 * runs[s].bits_per_byte("test") / tied[s].bits_per_byte("test") - 100 for s in tied], form)

    def bits(runs):
        return words([run.bits_per_byte("test") for run in runs.values()], ".3f")

    def perplexity(runs, band):
        return np.mean([run.metrics["scores"]["test"]["bands"][band]["perplexity"] for run in runs.values()])

    own, whole = waves[0].metrics["parameters"], table[0].metrics["parameters"]
    assert 4 * own["head"] <= whole["head"] and few[0].metrics["parameters"]["head"] == 2 * 32 * 65 + 4096
    assert f"480 waves, {own['head']:,} of {whole['head']:,} parameters, are {above(waves)} % above it" in told
    assert f"32 waves (d / 2) {above(few)} %" in told
    assert f"{bits(waves)} bits per byte on the test books against {bits(narrow)} of a decoupled table" in told
    assert f"over the tied one here ({above(table, '+.1f')} %)" in told
    sizes = own["total"], tied[0].metrics["parameters"]["total"]
    assert "with 480 waves has {:,} parameters, the tied one {:,}".format(*sizes) in told
    first = f"is {perplexity(waves, 0):.1f} with 480 waves and {perplexity(tied, 0):.1f} tied"
    last = f"is {perplexity(waves, -1):,.0f} and {perplexity(tied, -1):,.0f} (test books"
    assert first in told and last in told, (first, last)
    assert f"({above(waves)} % at one for all, drawn below)" in FRONT.read_text(encoding="utf-8")


def test_the_grids_of_two_sizes_are_told_as_their_records_have_them():
    text = section(RESULTS.read_text(encoding="utf-8"), "The grid at half the size")
    told = " ".join(text.split())
    names = ("language_model_grid_small", "language_model_grid", "language_model_large", "language_model_large_inputs")
    small, grid, large, computed = (load_records(RECORDS / name) for name in names)
    assert language.grid_table(grid) in text and language.grid_table(small) in text and len(small) == len(grid) == 108

    def more(found, chosen, than):
        sides = [{run.config.seed: run.bits_per_byte("test") for run in found
                  if (run.config.arm, run.config.frequencies, run.config.head, dict(run.config.head_options)) == each
                  and run.config.id_order == "frequency"} for each in (chosen, than)]  # fmt: skip
        mean, _, high = mean_interval([100 * own / sides[1][seed] - 100 for seed, own in sides[0].items()])
        assert len(sides[0]) == 3
        return f"{mean:+.1f} ± {high - mean:.1f} %"

    tied, sizes = (
        ("learned", "harmonic", "tied", {}),
        zip((small, grid, [*large, *computed]), (225, 480, 2048), strict=True),
    )
    waves, inputs = [], []
    for found, n in sizes:
        table, random = (
            ("learned", "harmonic", "fourier", {"n_frequencies": n}),
            ("fourier", "random", "fourier", {"n_frequencies": n}),
        )
        waves.append(more(found, table, tied))
        inputs.append(more(found, random, table))
    ranked = []
    for found, counts in ((small, (16, 128, 225, 1023)), (grid, (32, 256, 480, 2047))):
        kinds = [{"head": head} for head in ("tied", "learned", "adaptive", "decoupled", "hash_cascade")]
        kinds += [{"head": "fourier", "n": n} for n in counts]
        bits = [np.mean([run.bits_per_byte("test") for run in found if run.config.arm == "learned"
                         and run.config.head == kind["head"]
                         and dict(run.config.head_options).get("n_frequencies") == kind.get("n")])
                for kind in kinds]  # fmt: skip
        ranked.append(np.argsort(bits).tolist())
    assert ranked[0] == ranked[1] and "the nine outputs have the same order at both sizes" in told
    assert f"costs {waves[0]} at 2,048 ids, {waves[1]} at 4,096, and {waves[2]} at" in told
    assert f"as input cost {inputs[0]}, {inputs[1]} and {inputs[2]} under" in told


def test_what_closes_the_gap_is_told_as_its_records_have_it():
    page = RESULTS.read_text(encoding="utf-8")
    told, runs = " ".join(section(page, "What closes the gap").split()), load_records(RECORDS / "language_model_gap")
    assert results_table(runs) in page and len(runs) == 30

    def of(found, order="frequency", head="fourier", **options):
        wanted = {"n_frequencies": 480, **options} if head == "fourier" else options
        return {run.config.seed: run for run in found if run.config.head == head and run.config.id_order == order
                and dict(run.config.head_options) == wanted}  # fmt: skip

    def more(chosen, than, split="test"):
        gaps = [100 * run.bits_per_byte(split) / than[seed].bits_per_byte(split) - 100 for seed, run in chosen.items()]
        mean, _, high = mean_interval(gaps)
        assert len(gaps) == 3
        return f"{mean:+.1f} ± {high - mean:.1f} %"

    tied, ours, alphabetical = of(runs, head="tied"), of(runs), of(runs, "alphabetical")
    assert f"480 waves are {more(alphabetical, tied)} *below*" in told
    assert f"({more(alphabetical, tied, 'validation')} on validation), for {more(ours, tied)} in order of count" in told
    assert f"and {more(of(runs, 'random'), tied)} in random order" in told
    narrow = of([run for run in load_records(RECORDS / "language_model_grid") if run.config.arm == "learned"],
                head="decoupled", width=15)  # fmt: skip
    assert f"(waves minus decoupled {more(alphabetical, narrow)})" in told
    for frequencies, words in (("random", "of count ({})"), ("log", "ones {},"), ("harmonic", "ones {}.")):
        assert words.format(more(of(runs, frequencies=frequencies), tied)) in told
    assert f"without it {more(of(runs, bias=False), tied)}." in told
    with_mlp, equal = of(runs, mlp="geglu"), of(runs, mlp="geglu", n_frequencies=287)
    size, base, least = (each[0].metrics["parameters"]["head"] for each in (with_mlp, ours, equal))
    assert (
        f"with {size - base:,} more numbers {more(with_mlp, tied)}, at equal numbers" in told
        and 0 <= base - least < 300
    )
    assert f"waves, {more(equal, tied)}." in told and 4 * base <= 64 * 4096 + 4096
    assert f"{more(alphabetical, tied)} with the ids in alphabetical order" in FRONT.read_text(encoding="utf-8")


def test_computed_inputs_at_16384_ids_are_told_as_their_records_have_them():
    told = " ".join(section(RESULTS.read_text(encoding="utf-8"), "At 16,384 ids and width 256").split())
    over_table = load_records(RECORDS / "language_model_large")
    every = load_records(RECORDS / "language_model_large_inputs")
    computed = [run for run in every if run.config.id_order == "frequency"]
    alphabetical = {run.config.seed: run for run in every if run.config.id_order == "alphabetical"}
    assert {run.config.seed for run in computed} == {0, 1, 2} and len(computed) == 6

    def of(runs, head, bias=True):
        return {run.config.seed: run for run in runs
                if run.config.head == head and dict(run.config.head_options).get("bias", True) == bias}  # fmt: skip

    tied, waves = of(over_table, "tied"), of(over_table, "fourier")
    without, with_bias = of(computed, "fourier", bias=False), of(computed, "fourier")

    def more(runs, than, split="test"):
        gaps = [100 * run.bits_per_byte(split) / than[seed].bits_per_byte(split) - 100 for seed, run in runs.items()]
        mean, _, high = mean_interval(gaps)
        assert len(gaps) == 3
        return f"{mean:+.1f} ± {high - mean:.1f} %"

    sizes, theirs = without[0].metrics["parameters"], tied[0].metrics["parameters"]
    assert f"{sizes['embedding']:,} numbers for {theirs['embedding']:,}" in told
    assert f"{sizes['head']:,}, make a model of {sizes['total']:,} numbers that is {more(without, tied)} from" in told
    assert f"{theirs['total']:,} on the test books ({more(without, tied, 'validation')} on validation; the aim" in told
    assert f"With the bias it is {more(with_bias, tied)}." in told
    assert (
        f"is {more(alphabetical, with_bias)} below itself in order of count, and {more(alphabetical, tied)} from"
        in told
    )
    assert f"cost {more(with_bias, waves)} on the test books" in told
    assert f"and no number for each id, {more(without, tied)};" in FRONT.read_text(encoding="utf-8")
    assert sizes["head"] == 2 * 2048 * 257 == (16384 * 256 + 16384) // 4  # a quarter of a table with its bias


def test_the_larger_output_heads_are_told_as_their_records_have_it():
    page = RESULTS.read_text(encoding="utf-8")
    told, records = (
        " ".join(section(page, "At 16,384 ids and width 256").split()),
        load_records(RECORDS / "language_model_large"),
    )
    assert results_table(records) in page and paired_table(records, "learned -> tied") in page
    heads = {}
    for record in records:
        heads.setdefault(record.config.head, {})[record.config.seed] = record
    assert all({*runs} == {0, 1, 2} for runs in heads.values())

    def more(name, than, split="test"):
        bits = [{seed: run.bits_per_byte(split) for seed, run in heads[each].items()} for each in (name, than)]
        mean, _, high = mean_interval([100 * own / bits[1][seed] - 100 for seed, own in bits[0].items()])
        return f"{mean:+.1f} ± {high - mean:.1f}"

    own = heads["fourier"][0].metrics["parameters"]["head"]
    assert own == 2 * 2048 * 257 + 16384
    share = f"{100 * own / (16384 * 257):.1f} % of a table's {16384 * 257:,}"
    assert f"2,048 waves, {own:,} parameters, {share}, are {more('fourier', 'tied')} % from the tied" in told
    assert f"({more('fourier', 'tied', 'validation')} % on validation)" in told
    assert f"no more at 16,384 ({more('fourier', 'tied')} %;" in FRONT.read_text(encoding="utf-8")
    assert f"(waves minus decoupled {more('fourier', 'decoupled')} %)" in told
    assert f"one after the other, are {more('hash_cascade', 'tied')} % from the tied model, and behind both." in told
    assert "+" == more("hash_cascade", "fourier")[0] == more("hash_cascade", "decoupled")[0]
    tried = load_records(RECORDS / "language_model_large_rates")
    for head_name in ("tied", "fourier"):
        bits = {r.config.learning_rate: r.bits_per_byte("validation") for r in tried if r.config.head == head_name}
        assert min(bits, key=bits.get) == 0.003 and len(bits) == 2


def test_uncertain_and_latent_models_are_told_as_their_records_have_it():
    told = section(RESULTS.read_text(encoding="utf-8"), "What a model does not know")
    models, thoughts = (load_records(RECORDS / name) for name in ("uncertain", "latent"))
    gains = uncertain.gains(selection.sweep_records("uncertain"))
    prices = uncertain.latent_prices(selection.sweep_records("latent"))
    assert len(gains) == 11 and all({*r.config.changes()} > {"train_pairs"} for r in models)
    for (name, method), row in gains.iterrows():
        assert f"| {name} | {method} | {' | '.join(row)} |" in told
    for steps, row in prices.iterrows():
        assert f"| {steps} | {' | '.join(row)} |" in told
    less, error = (gains.loc["random waves", column] for column in ("test, minus neither", "calibration error"))
    assert f"it is {less['Bayesian map']} bits per byte from neither on test, dropout 0.1 {less['dropout 0.1']}" in told
    assert f"at its own best rate {less['dropout 0.6']}." in told
    assert f"adds nothing ({less['Bayesian map, dropout 0.1']})" in told
    assert f"A Gaussian feed-forward ({less['Bayesian feed-forward']})" in told
    assert f"worse than either alone ({less['Bayesian map and feed-forward']})" in told
    assert (
        f"falls from {error['neither']} to {error['Bayesian map']} (map) and {error['Bayesian feed-forward']}" in told
    )
    assert f"with dropout 0.1 to {error['dropout 0.1']}." in told
    assert f"is {prices.loc[8, 'minus plain']} bits per byte above the plain model at T = 8" in told
    tried = [r for r in models if r.config.seed >= 100]

    def best(setting, **of):
        runs = [r for r in tried if all(getattr(r.config, name) == value for name, value in of.items())]
        return getattr(min(runs, key=lambda r: r.bits_per_byte("validation")).config, setting)

    assert best("prior_width", bayesian="feed_forward") == best("prior_width", bayesian="embedding_map") == 3.0
    assert best("dropout", bayesian="none") == 0.6
    first = min((r for r in thoughts if r.config.seed >= 100), key=lambda r: r.bits_per_byte("validation"))
    assert (first.config.latent, first.config.inference_rate) == (8, 0.03)


def test_the_shipped_encoders_are_told_as_their_records_have_it():
    told = section(RESULTS.read_text(encoding="utf-8"), "Encoders in the package")
    runs = load_records(RECORDS / "shipped")
    over = in_your_model.over_bag(runs, "shipped")
    (bag,) = [each for each in load_baselines(RECORDS / "shipped") if each.name == IDF_BAG]
    floor = beyond(bag.scores, bag.evaluations)["matched_mnli/validation_mismatched"]
    aims = {"fourier-100k": (77, 69), "fourier-400k": (80, 72.5), "fourier-1m": (82, 75)}
    words = ("missed", "half reached", "reached")
    for name, aim in aims.items():
        own = [run for run in runs if in_your_model.size_name(run.config) == name]
        found = [mean_interval([run.score(split) for run in own]) for split in ("validation", "test")]
        cells = [f"{mean:.1f} ± {high - mean:.1f}" for mean, _, high in found]
        verdict = words[sum(mean >= least for (mean, *_), least in zip(found, aim, strict=True))]
        numbers = own[0].metrics["parameters"]["total"]
        assert f"| `{name}` | {numbers:,} | {' | '.join(cells)} | {aim[0]} / {aim[1]} | {verdict} |" in told
        others = np.mean([bake_off.MATCHED["MNLI mismatched"](run) for run in own]) - floor
        assert f"| `{name}` | {' | '.join(over.loc[name])} | {others:+.1f} |" in told
        reached = [bool(float(over.loc[name, bake_off.THREE_SETS].split()[0]) >= 4), bool(others >= 0)]
        assert reached == [
            f"`{name}`" in part
            for part in re.split("; on pairs", told.partition("+4, is reached")[2].split("alone")[0])
        ]
        if name == "fourier-400k":
            front = " ".join(FRONT.read_text(encoding="utf-8").split())
            assert f"{cells[1]} on STS-B's test split with 400,000 numbers" in front


HELD_OUT = ("snli/test", "mnli/validation_mismatched")


def test_the_distilled_encoders_are_told_as_their_records_have_it():
    told = section(RESULTS.read_text(encoding="utf-8"), "Distilled, and named so")
    runs, plain, tried = (load_records(RECORDS / name) for name in ("distilled", "given_pieces", "distilled_search"))
    *bags, teacher = load_baselines(RECORDS / "distilled")
    measures = (bake_off.SPLITS["validation"], bake_off.SPLITS["test"], bake_off.BEYOND[bake_off.MEAN])
    by_size: dict[str, list] = {}
    for size in in_your_model.SIZES:
        for ending, beside, every in (("-distilled", ", distilled", runs), ("", ", entailment pairs", plain)):
            own = [run for run in every if in_your_model.size_name(run.config) == size]
            found = by_size[size + ending] = [mean_interval([value(run) for run in own]) for value in measures]
            cells = " | ".join(f"{mean:.1f} ± {high - mean:.1f}" for mean, _, high in found)
            assert f"| `{size}`{beside} | {own[0].metrics['parameters']['total']:,} | {cells} |" in told
    for each in (teacher, *bags):
        if each.name in (teacher.name, IDF_BAG):
            scores = [each.scores[split]["spearman"]["value"] for split in ("validation", "test")]
            assert f"| {each.name} | {each.numbers:,} | {scores[0]:.1f} | {scores[1]:.1f} | " in told
    wide = [run for run in load_records(RECORDS / "distilled_wide") if run.config.seed < 100]
    (validation, *_), (test, *_) = (
        max(mean_interval([value(run) for run in wide]), before)
        for value, before in zip(measures, by_size["fourier-1m-distilled"][:2], strict=False)
    )
    verdict = ("missed", "half reached", "reached")[(validation >= 84) + (test >= 77.1)]
    assert f"The aim, 84 on validation and 77.1 on test, is {verdict}" in told
    elsewhere = json.loads((RECORDS / "distilled_search" / "other_text.json").read_text())["runs"]
    assert {*elsewhere} == {run.config.digest() for run in tried}

    def by_source(run):  # SNLI and MNLI, then the others
        return [
            run.metrics["validation_loss"],
            np.mean([each["loss"] for each in elsewhere[run.config.digest()].values()]),
        ]

    for run in tried:
        loss, other = by_source(run)
        scores = [run.score(split) for split in ("validation", "test")]
        cells = (
            f"{run.config.learning_rate:g}",
            run.config.batch_size,
            f"{loss:.3f}",
            f"{other:.3f}",
            *map("{:.1f}".format, scores),
        )
        assert f"| {' | '.join(map(str, cells))} |" in told
    best = min(tried, key=lambda run: np.mean(by_source(run))).config
    assert {run.config.seed for run in tried} == {100} and {run.config.seed for run in runs} == {0, 1, 2}
    assert {(run.config.learning_rate, run.config.batch_size) for run in runs} == {
        (best.learning_rate, best.batch_size)
    }
    large = [run for run in runs if in_your_model.size_name(run.config) == "fourier-1m"]
    near = [np.mean([run.metrics["held_out"][split]["accuracy"] for run in large]) for split in HELD_OUT]
    assert f"SNLI pairs agree with the teacher's at r = {near[0]:.2f}, those of MNLI at {near[1]:.2f}" in told
    for name in ("SICK", "STS 2012, mean of subsets"):
        sides = [
            mean_interval(
                [bake_off.BEYOND[name](run) for run in every if in_your_model.size_name(run.config) == "fourier-1m"]
            )
            for every in (runs, plain)
        ]
        assert " against ".join(f"{mean:.1f} ± {high - mean:.1f}" for mean, _, high in sides) in told
    left_out = sum(part["dropped_held_out"] for part in runs[0].metrics["data"]["train"].values())
    assert f"{left_out:,} pairs that share a sentence with any split of STS-B were left out" in told


def test_the_distilled_encoder_of_the_package_is_told_as_its_records_have_it():
    told = section(RESULTS.read_text(encoding="utf-8"), "Distilled, and named so").partition(
        "**The one in the package.**"
    )[2]
    runs = load_records(RECORDS / "distilled_wide")
    students = [run for run in runs if run.config.seed < 100]
    by_seed = {
        run.config.seed: run for run in load_records(RECORDS / "shipped")
        if in_your_model.size_name(run.config) == "fourier-1m"
    }  # fmt: skip
    assert {run.config.seed for run in students} == {*by_seed} == {0, 1, 2}
    pairs = [bake_off.MATCHED[name] for name in ("SNLI test", "MNLI mismatched")]
    values = (*bake_off.SPLITS.values(), *bake_off.BEYOND.values(), *pairs)
    for name, of in (("`fourier-1m-distilled`", students), ("`fourier-1m`, entailment pairs", [*by_seed.values()])):
        assert f"| {name} | {' | '.join(interval([value(run) for run in of]) for value in values)} |" in told
    gains = []
    for value in values:
        mean, _, high = mean_interval([value(run) - value(by_seed[run.config.seed]) for run in students])
        gains.append(f"{mean:+.1f} ± {high - mean:.1f}")
    assert f"by seed | {' | '.join(gains)} |" in told
    words = [gains[i].lstrip("+") for i in (1, 4, 6)]
    assert (
        f"by {words[0]} points on STS-B's test split, {words[1]} over the three sets and {words[2]} of MNLI's" in told
    )
    _, floor = bake_off.idf_floor("shipped")
    (bag,) = [each for each in load_baselines(RECORDS / "shipped") if each.name == IDF_BAG]
    counted = beyond(bag.scores, bag.evaluations)["matched_mnli/validation_mismatched"]
    bars = (values[4], floor[bake_off.THREE_SETS]), (values[6], counted)
    over = [np.mean([value(run) for run in students]) - bar for value, bar in bars]
    assert f"it is {over[0]:.1f} points ahead on the three sets and {over[1]:.1f} on MNLI's pairs" in " ".join(
        told.split()
    )
    losses = {
        run.config.learning_rate: f"{run.metrics['validation_loss']:.3f}"
        for run in runs
        if run.config.seed >= 100 and not run.config.n_layers
    }
    assert (
        f"held-out pairs, {losses[0.004]} against {losses[0.002]} (seed 100)" in told and losses[0.004] < losses[0.002]
    )
    for run in (run for run in runs if run.config.n_layers):
        scores = [run.score(split) for split in ("validation", "test")]
        assert f"the loss is {run.metrics['validation_loss']:.3f}, and STS-B {scores[0]:.1f} / {scores[1]:.1f}" in told
    front = " ".join(FRONT.read_text(encoding="utf-8").split())
    assert f"{interval([run.score('test') for run in students])} with a million and a teacher" in front


def test_hard_negatives_are_told_as_their_records_have_them():
    told = " ".join(section(RESULTS.read_text(encoding="utf-8"), "Contradictions as hard negatives").split())
    without, beside = (
        [
            run
            for name in names
            for run in load_records(RECORDS / name)
            if (run.config.batch_size, run.config.tokenizer, run.config.vocab_size) == (512, "given", 12_000)
        ]
        for names in (("given_pieces", "shipped_search"), ("hard_negatives",))
    )
    both, size = [run for run in (*without, *beside) if run.config.seed < 100], in_your_model.size_name
    values = (
        *bake_off.SPLITS.values(), *bake_off.BEYOND.values(), in_your_model.judged,
        *(bake_off.MATCHED[name] for name in ("SNLI test", "MNLI mismatched")),
    )  # fmt: skip
    cells: dict[tuple[str, str], list[str]] = {}
    for value in values:
        means = summaries.mean_columns(both, value, "hard_negatives", series=size)
        for name, group, *ends in zip(*(means[key] for key in ("series", "group", "value", "high")), strict=True):
            cells.setdefault((name, group), []).append(plus_minus(*ends))
        gains = summaries.difference_columns(both, value, "hard_negatives", "none", series=size)
        ends = ("series", "value", "high", "pairs_low", "pairs_high")
        for name, *numbers in zip(*(gains[key] for key in ends), strict=True):
            cells.setdefault((name, "difference"), []).append(with_pairs(*numbers))
    sizes = {size(run.config) for run in beside}
    for name in sizes:
        for group, words in (("none", "without"), ("contradictions", "with"), ("difference", "difference")):
            assert f"| `{name}`, {words} | {' | '.join(cells[name, group])} |" in told
    data = beside[0].metrics["data"]
    assert f"{data['with_contradiction']:,} of the {data['train_pairs']:,} pairs" in told
    gains = [cells[name, "difference"] for name in in_your_model.SIZES if name in sizes]
    on = {place: " and ".join(each[place] for each in gains) for place in range(len(values))}
    assert (
        f"pairs matched move by {on[5]} points; STS-B moves by {on[1]} on test, and by {on[0]} on validation, a" in told
    )
    assert (
        f"**SICK gains** {on[2]} points" in told
        and f"three test sets {on[4]} by it; STS 2012 does not ({on[3]})" in told
    )
    before = {(size(run.config), run.config.seed): run for run in both if run.config.hard_negatives == "none"}
    after = {(size(run.config), run.config.seed): run for run in both if run.config.hard_negatives != "none"}
    sick = bake_off.BEYOND["SICK"]
    assert len(after) >= 3 and all(sick(run) > sick(before[case]) for case, run in after.items())
    for each in gains:  # neither pairs matched nor STS-B's test split is told from 0 over seeds
        for mean, half in (each[place].split(" [")[0].split(" ± ") for place in (1, 5)):
            assert abs(float(mean)) <= float(half)
    for runs, words in ((without, "without"), (beside, "with")):
        searched = [run for run in runs if run.config.seed >= 100 and run.config.learning_rate >= 0.001]
        for name in {size(run.config) for run in beside if run.config.seed >= 100}:
            by_rate = {run.config.learning_rate: run for run in searched if size(run.config) == name}
            found = [f"{in_your_model.judged(by_rate[rate]):.2f}" for rate in (0.001, 0.002, 0.004)]
            assert f"| `{name}`, {words} | {' | '.join(found)} |" in told and max(found) == found[1]
        ends = [run.history[-1]["scale"] for run in runs if run.config.seed < 100 and size(run.config) in sizes]
        assert f"{min(ends):.1f} to {max(ends):.1f} {words}" in told


def test_the_tokenizers_of_the_shipped_encoders_are_told_as_they_were_tried():
    told = section(RESULTS.read_text(encoding="utf-8"), "Encoders in the package")
    tried: dict[tuple[str, int], dict[str, float]] = {}
    for run in load_records(RECORDS / "shipped_search"):
        config = run.config
        if (config.learning_rate, config.batch_size, config.steps, config.dropout, config.d_model) == (
            2e-3,
            512,
            600,
            0,
            256,
        ):
            cells = tried.setdefault((config.tokenizer, config.vocab_size), {})
            cells[in_your_model.size_name(config)] = in_your_model.judged(run)
    whose = {"given": "BERT's, cut", "trained": "trained"}
    for (kind, size), cells in tried.items():
        row = " | ".join(f"{cells[name]:.1f}" if name in cells else "–" for name in in_your_model.SIZES)
        assert f"| {whose[kind]} | {size:,} | {row} |" in told
    for name, short in (("fourier-100k", "100,000"), ("fourier-400k", "400,000")):
        best = max(
            (size for (kind, size), cells in tried.items() if name in cells),
            key=lambda v: tried["trained", v].get(name, 0),
        )
        gain = tried["trained", best][name] - tried["given", 12000][name]
        assert (
            f"{best:,} trained pieces match {gain:.1f} points more than 12,000 of BERT's at {short} numbers"
            in " ".join(told.split())
        )
    same = [
        tried["trained", v][n] - tried["given", v][n]
        for v, n in ((12000, "fourier-100k"), (12000, "fourier-400k"), (12000, "fourier-1m"), (3000, "fourier-100k"))
    ]
    trained, given = (
        in_your_model.idf_floor(name)[1][in_your_model.THREE_SETS] for name in ("shipped", "given_pieces")
    )
    assert f"it has {trained - given:.1f} points less on the three sets" in " ".join(told.split())
    before = [[run for run in load_records(RECORDS / "given_pieces") if in_your_model.size_name(run.config) == size]
              for size in in_your_model.SIZES]  # fmt: skip
    words = [[plus_minus(mean, high) for mean, _, high in
              (mean_interval([run.score(split) for run in runs]) for runs in before)]
             for split in ("validation", "test")]  # fmt: skip
    were = "{}, {} and {} on STS-B validation, {}, {} and {} on test".format(*words[0], *words[1])
    assert f"the three scored {were}" in told
    assert "of one size differ by {:+.1f}, {:+.1f}, {:+.1f} and {:+.1f} points".format(*same) in " ".join(told.split())


def test_the_widths_of_the_shipped_encoders_are_told_as_they_were_tried():
    told = section(RESULTS.read_text(encoding="utf-8"), "Encoders in the package")
    runs = [run for run in load_records(RECORDS / "shipped_search") if run.config.tokenizer == "trained"]
    usual = {"learning_rate": 2e-3, "batch_size": 512, "steps": 600, "dropout": 0.0}

    def having(size, **settings):
        wanted = {**usual, **settings}
        return [
            run for run in runs if in_your_model.size_name(run.config) == size
            and all(getattr(run.config, name) == value for name, value in wanted.items())
        ]  # fmt: skip

    best_width = {}
    for width in sorted({run.config.d_model for run in runs}):
        cells = []
        for size in in_your_model.SIZES:
            best = max(having(size, d_model=width), key=in_your_model.judged, default=None)
            cells.append("–" if best is None else f"{in_your_model.judged(best):.1f}")
            if best is not None:
                best_width.setdefault(size, {})[width] = in_your_model.judged(best)
                cells[-1] += f" ({best.config.vocab_size:,} pieces)" if best.config.vocab_size != 2000 else ""
        assert f"| {width} | {' | '.join(cells)} |" in told
    widths = {size: max(found, key=found.get) for size, found in best_width.items()}
    assert [*widths.values()] == [192, 256, 512] and "each a computed row of 192, 256 and 512 numbers" in told
    shipped = {in_your_model.size_name(run.config): run for run in load_records(RECORDS / "shipped")}
    tables = [2000 * width for width in widths.values()]
    spared = [1 - shipped[size].metrics["parameters"]["embedding"] / n for size, n in zip(widths, tables, strict=True)]
    words = [f"{100 * share:.0f} %" for share in spared]
    assert f"{tables[0]:,} numbers at 192, {tables[1]:,} at 256 and {tables[2]:,} at 512 wide" in told
    assert f"they spare {words[0]}, {words[1]} and {words[2]} of it" in told
    best = {size: f"{value[widths[size]]:.1f}" for size, value in best_width.items()}

    def each(size, **settings):
        runs = having(size, **{"d_model": widths[size], "vocab_size": 2000, **settings})
        return " and ".join(f"{in_your_model.judged(run):.1f}" for run in runs)

    small, middle, large = in_your_model.SIZES
    assert (
        f"a million numbers ({best[large]}): dropout 0.1 {each(large, dropout=0.1)} and 0.3 {each(large, dropout=0.3)}; "
        f"rate 0.001 {each(large, learning_rate=1e-3)} and 0.004 {each(large, learning_rate=4e-3)}; batches of 1,024 "
        f"{each(large, batch_size=1024)}; 400 steps {each(large, steps=400)}; 1,200 steps, eight passes over the pairs, "
        f"{each(large, steps=1200)}." in told
    )
    assert (
        f"192 wide ({best[small]}): 1,200 steps {each(small, steps=1200)}, and with 1,500 pieces "
        f"{each(small, steps=1200, vocab_size=1500)}; dropout 0.1 {each(small, dropout=0.1)}; rate 0.004 "
        f"{each(small, learning_rate=4e-3)}. At 400,000 ({best[middle]}): 1,200 steps {each(middle, steps=1200)}, "
        f"dropout 0.1 {each(middle, dropout=0.1)}." in told
    )


def test_what_other_budgets_and_spelling_bring_is_told_as_the_records_have_it():
    told = " ".join(section(RESULTS.read_text(encoding="utf-8"), "Every embedding at one budget").split())
    runs = [r for name in ("bake_off_one_rate", "bake_off_budgets") for r in load_records(RECORDS / name)]
    test, three, pairs = bake_off.SPLITS["test"], bake_off.BEYOND[bake_off.MEAN], bake_off.MATCHED["SNLI test"]
    small, large = 66_000, 787_000  # parameters, about

    def of(name, parameters):
        found = [r for r in runs if bake_off.line(r.config) == name]
        return [r for r in found if abs(r.metrics["parameters"]["embedding"] / parameters - 1) < 0.1]

    def words(value, *case):
        mean, _, high = mean_interval([value(r) for r in of(*case)])
        return f"{mean:.1f} ± {high - mean:.1f}"

    def gain(value, more, less):
        by_seed = [{r.config.seed: value(r) for r in of(*case)} for case in (more, less)]
        mean, _, high = mean_interval([by_seed[0][seed] - by_seed[1][seed] for seed in by_seed[0]])
        return f"{mean:.1f} ± {high - mean:.1f}"

    table, random, untrained = ("table", 7_813_888), ("Fourier, random", small), ("Fourier, random", 256)
    ngrams, bloom = ("ngrams", large), ("bloom", large)
    ((bits,), (least,)) = ({r.stored_bits() for r in of(*case)} for case in (table, untrained))
    assert (
        f"score {words(three, *untrained)} over the three test sets, byte waves {words(three, 'byte waves', 256)}"
        in told
    )
    assert f"table, {bits / least:,.0f} times as many bits, {words(three, *table)};" in told
    assert f"A linear map on top brings random waves {gain(three, random, untrained)} points there" in told
    assert f"and {gain(pairs, random, untrained)} points of SNLI's test pairs" in told
    judges = (test, three, pairs, bake_off.MATCHED["MNLI mismatched"])
    a, b, c, d = (words(value, *ngrams) for value in judges)
    assert f"n-grams score {a} on STS-B test and {b} over the three sets, and match {c} % of SNLI's test pairs" in told
    assert f"and {d} % of MNLI's (mismatched)" in told and 9 < bits / of(*ngrams)[0].stored_bits() < 11
    a, b, c, d = (gain(value, ngrams, table) for value in judges)
    assert f"by seed {a}, {b}, {c} and {d} points ahead of the table" in told
    waves = ("Fourier, random", 262_400)
    assert (
        f"512 frequencies score {words(three, *waves)} over the three sets and match {words(pairs, *waves)} %" in told
    )
    a, b, c = (
        gain(value, *case) for value, case in zip(judges[1:], 2 * [(waves, table)] + [(table, waves)], strict=True)
    )
    assert f"by seed {a} and {b} points ahead, {c} behind on MNLI's" in told
    assert f"which hash the id, to {words(three, *bloom)} over the three sets" in told
    a, b, c = (words(three, name, small) for name in ("ngrams", "byte waves", "Fourier, random"))
    assert f"n-grams score {a} over the three sets, byte waves, which read every byte and its place, {b}, and" in told
    assert f"and random waves, which read the id, {c};" in told
    a, b, c = (words(pairs, name, small) for name in ("ngrams", "byte waves", "Fourier, random"))
    assert f"of SNLI's test pairs they match {a} %, {b} % and {c} %" in told
    most = ("Fourier, random", large)
    a, b, c = (words(value, *most) for value in judges[:3])
    assert f"random waves score {a} on STS-B test and {b} over the three sets, and match {c} % of SNLI's test" in told
    a, b, c, d = (gain(value, most, table) for value in judges)
    assert f"by seed {a}, {b} and {c} points ahead of the table at this rate, level on MNLI's ({d})" in told
    found = [ahead_of_the_tuned_table(value, most_waves()) for value in judges]
    a, b, c, d = (f"{mean:.1f} ± {half:.1f}" for mean, half in found)
    assert f"chose for it, 0.008, they are {a}, {b}, {c} and {d} points ahead" in told
    few, many = ("Fourier, harmonic", small), ("Fourier, harmonic", large)
    assert f"from {words(three, *few)} to {words(three, *many)} over the three sets" in told
    assert f"from {words(pairs, *few)} to {words(pairs, *many)} % of SNLI's test pairs" in told
    assert f"{gain(pairs, many, table)} points ahead of the table; on MNLI's they stay" in told
    assert f"they stay {gain(judges[3], table, many)} behind" in told
    assert (
        f"({words(three, 'byte waves', 131_328)} and {words(three, 'byte waves', large)} over the three sets)" in told
    )
    a, b = (words(three, "frozen random", parameters) for parameters in (256, small))
    assert f"level with random waves of its size, {a} and {b} at 256 and 66,048 parameters" in told
    frozen, waves = words(three, "frozen random", 788_992), words(three, *most)
    assert (
        f"under a GeGLU map, it has {frozen}, and random waves of 1,536 frequencies under a linear one {waves}." in told
    )


def test_the_speed_of_the_shipped_encoder_is_told_as_it_was_measured():
    told = section(RESULTS.read_text(encoding="utf-8"), "Encoders in the package")
    measured = json.loads((RECORDS / "bench" / "encode.json").read_text())["rows"]
    assert len(measured) == 5
    for row in measured:
        aim = row["target"].removeprefix(">= ").removesuffix("x")
        assert f"| {row['ours']:,.0f} | {row['theirs']:,.0f} | {row['ratio']:.1f} x | {aim} x |" in told


def test_the_page_and_the_pools_are_told_as_they_were_measured():
    told = " ".join(section(RESULTS.read_text(encoding="utf-8"), "Speed").split())
    measured = {}
    for name in ("page", "pools"):
        rows = json.loads((RECORDS / "bench" / f"{name}.json").read_text())["rows"]
        measured |= {row["name"]: row for row in rows}
    first, panning, dask, local = (measured[name] for name in ("page_first_view", "page_panning", "dask", "local"))
    assert all(row["met"] for row in (first, panning, dask, local)) and dask["theirs"] == local["ours"]
    assert f"is there {first['ours']:.2f} s after" in told and f"shows {panning['ours']:.1f} new pictures" in told
    assert f"{local['ours'] / 1000:.1f} s in the local pool, {dask['ours'] / 1000:.1f} s through Dask" in told
    assert f"this machine, {1 / dask['ratio']:.2f} times that" in told
    assert f"and {local['theirs'] / 1000:.1f} s in the local pool" in told and f"takes {1 / local['ratio']:.2f}" in told


def test_bfloat16_and_the_earlier_build_are_told_as_they_were_measured():
    told = section(RESULTS.read_text(encoding="utf-8"), "Speed")
    measured = {}
    for name in ("bfloat16", "builds"):
        rows = json.loads((RECORDS / "bench" / f"{name}.json").read_text())["rows"]
        measured |= {row["name"]: row for row in rows}
    *steps, product = (row for name, row in measured.items() if name.startswith("bfloat16_"))
    assert len(steps) == 4
    for row in steps:
        aim = row["target"].removeprefix(">= ").removesuffix("x")
        cells = (
            f"{row['ours']:.0f} {row['unit']} | {row['theirs']:.0f} {row['unit']} | {row['ratio']:.1f} x | {aim} x |"
        )
        assert cells in told
    cells = f"{product['ours']:.0f} GFLOP/s | {product['theirs']:.0f} GFLOP/s | {100 * product['ratio']:.0f} % | 55 % |"
    assert cells in told and f"would be {1 / product['ratio']:.1f} times as fast" in told
    missed = [row["met"] for row in steps if row["target"] == ">= 3x"]
    assert missed == [False, False] and "Three times sentence-transformers is missed" in told
    encode, single, half = (measured[f"builds_{name}"] for name in ("encode", "step", "step_bfloat16"))
    words = " ".join(told.split())
    assert f"reads {encode['ours']:,.0f} sentences a second, {encode['ratio']:.1f} times as many (aim: 2)" in words
    assert f"{single['ours']:.0f} ms in float32, {1 / single['ratio']:.2f} times as long (aim: no longer)" in words
    assert f"{half['ours']:.0f} ms in bfloat16, {half['ratio']:.2f} times as fast (aim: 1.5, missed)" in words
    assert [row["met"] for row in (encode, single, half)] == [True, True, False]


def test_what_an_output_layer_costs_is_told_as_it_was_measured():
    told = section(RESULTS.read_text(encoding="utf-8"), "What an output table buys")
    measured = {row["name"]: row for row in json.loads((RECORDS / "bench" / "head.json").read_text())["rows"]}
    for v, d, tokens, aim, memory_aim in head.CASES:
        time, memory, rival = (measured[f"head_{kind}{v}"] for kind in ("", "memory_", "adaptive_"))
        ends = f"{time['ratio']:.1f} x | {aim} x | {memory['ratio']:.0f} x | {memory_aim} x | {rival['ratio']:.2f} x |"
        assert f"| {v:,}, {d:,}, {tokens} | {time['ours']:,.0f} | {time['theirs']:,.0f} | {ends}" in told
    missed = [f"{case[0]:,}" for case in head.CASES if not measured[f"head_{case[0]}"]["met"]]
    assert f"Two aims of time are missed, at V = {' and '.join(missed)}." in told
    for axis in "Vd":
        row = measured[f"head_growth_{axis.lower()}"]
        assert f"{axis}^{row['ours']:.2f} (dense {row['theirs']:.2f})" in told


def test_what_became_of_disturbed_runs_is_told_as_it_was_counted():
    told = " ".join(section((RECORDS / "README.md").read_text(), "Faults, counted").split())
    record = json.loads((RECORDS / "torture" / "torture.json").read_text())
    kills, trials = Counter(), Counter()
    for case, ends in record["counts"].items():
        (kills if case.startswith("kill of ") else trials).update(ends)
    assert (
        record["problems"] == []
        and kills == {"equal": kills.total()}
        and f"{kills.total()} of {kills.total()} " in told
    )
    assert trials.keys() == {"equal", "typed", "other text"}
    ends = f"{trials['equal']} ended the same, {trials['typed']} in a typed error, {trials['other text']} as a run on other"
    assert f"Of {trials.total()} other trials" in told and ends in told


def test_the_tenth_of_a_table_is_told_as_its_records_have_it():
    told = " ".join(section(RESULTS.read_text(encoding="utf-8"), "Encoders in the package").split())
    runs = load_records(RECORDS / "tenth")
    over = in_your_model.over_table([run for run in runs if run.config.seed < 100])
    assert f"{over['test']} points on STS-B's test split, {over['validation']} on validation" in told
    assert f"{over['mean of STS-B test, SICK and STS 2012']} over the three test sets" in told
    assert f"{over['SNLI test']} on SNLI's test split, {over['MNLI mismatched']} on MNLI's" in told
    rates = sorted((run for run in runs if run.config.seed >= 100), key=in_your_model.judged)
    (chosen,) = {run.config.learning_rate for run in runs if run.config.arm == "learned" and run.config.seed < 100}
    tried = [run.config.learning_rate for run in rates]
    assert tried[-1] == chosen == 0.016 and min(tried) < chosen < max(tried)
    smaller = [run for run in rates if run.config.learning_rate < chosen]
    pairs = bake_off.MATCHED["SNLI validation"]
    assert all(pairs(run) < pairs(rates[-1]) and run.score("test") > rates[-1].score("test") for run in smaller)


def test_thin_feed_forwards_are_told_as_their_records_have_them():
    told = " ".join(section(RESULTS.read_text(encoding="utf-8"), "Thin feed-forwards").split())
    runs = selection.sweep_records("thin_feed_forwards")

    def gap(chosen, base):
        found = summaries.difference_columns(
            runs, summaries.score("test"), lambda config: f"{thin.kind(config)}, {thin.computed(config)}", base,
            series=lambda config: "",
        )  # fmt: skip
        place = found["group"].tolist().index(chosen)
        value, high = found["value"][place], found["high"][place]
        return plus_minus(abs(value), abs(value) + high - value)

    dense, relu, by_average = "dense, GeGLU, 49728", "dense, ReLU, 33088", "cells by average, 9344"
    assert f"costs {gap('low rank, guided, 31936', dense)} points**" in told
    assert f"and {gap('low rank, 31936', dense)} without guidance" in told
    assert f"With 34 % it costs {gap('low rank, guided, 16704', dense)}," in told
    assert f"is no worse ({gap('low rank, guided, 16704', 'dense, GeGLU, 12480')} ahead)" in told
    assert f"+{gap(by_average, relu)} points from the dense ReLU" in told
    assert f"and {gap(by_average, 'dense, ReLU, 8320')} above the dense one of as many" in told
    assert f"from a router (+{gap(by_average, 'cells by router, 9344')})" in told
    assert f"token's id are {gap('cells by ids, 8320', relu)} *above*" in told
    detail = thin.read_times()["rows"][0]["detail"]
    for name, words in (("low rank, 63 %", "with 63 %"), ("low rank, 32 %", "with 32 %")):
        assert (
            f"{detail['seconds']['dense'][-1] / detail['seconds'][name][-1]:.1f} times {words} of the numbers" in told
        )
        assert detail["dense_dearer_from"][name] == detail["widths"][0] == 64
    reports = {kind: [json.loads(file.read_text()) for file in sorted((RECORDS / "cut_feed_forwards").glob(f"{kind}-*"))]
               for kind in ("moefy", "prune")}  # fmt: skip
    assert [len(each) for each in reports.values()] == [3, 3]

    def of(report, top):
        return next(row for row in report["experts"] if (row["router"], row["top"]) == ("centroid", top))

    for top, words in ((4, "keep {} % of the score"), (8, "keep {} %;")):
        kept = [100 * of(report, top)["spearman"] / report["dense"]["spearman"] for report in reports["moefy"]]
        mean, _, high = mean_interval(kept)
        assert words.format(plus_minus(mean, high)) in told
    longer = [of(report, 4)["milliseconds"] / report["dense"]["milliseconds"] for report in reports["moefy"]]
    assert f"4 experts take {np.median(longer):.1f} times as long" in told
    mean, _, high = mean_interval([neighbours.small_over_large(report) for report in reports["prune"]])
    assert f"is {plus_minus(mean, high)} points above that without the half" in told
    maps = [row for report in reports["prune"] for row in report["changes"] if row["name"][-2:] in (".q", ".k", ".v")]
    ends = {
        key: (min(row[key] for row in maps), max(row[key] for row in maps)) for key in ("rank_change", "rank_start")
    }
    assert "in {} to {} of 64 directions".format(*ends["rank_change"]) in told
    assert "the start has {} to {}".format(*ends["rank_start"]) in told


def test_blocks_of_cells_are_told_as_their_records_have_them():
    told = section(RESULTS.read_text(encoding="utf-8"), "Thin feed-forwards")
    runs = selection.sweep_records("language_model_memory")
    found = percent(runs)
    words = {
        "average": "the mean of the keys",
        "router": "a router",
        "ids": "a hash of the id",
        "random": "a fixed random map",
    }
    for who, name in words.items():
        names = [f"cells by {who}, blocks of {block}" for block in (1, 16, 64, 256)]
        row = [plus_minus(found[each][0], found[each][2], "+.1f") if each in found else "–" for each in names]
        assert f"| {name} | {' | '.join(row)} |" in told
    above = language_tables.percent_above(runs, "cells by router, blocks of 16", "test", cells_name)
    ends = {
        name: (value, high) for name, value, high in zip(above["group"], above["value"], above["high"], strict=True)
    }
    told = " ".join(told.split())
    assert f"it is {plus_minus(*ends['cells by average, blocks of 16'])} % above it at blocks of 16" in told
    mean, high = ends["cells by random, blocks of 16"]
    assert abs(mean) <= max(high - mean, 0.05), "as well as the router"
    perplexity = [
        np.mean([run.metrics["scores"]["test"]["perplexity"] for run in runs if cells_name(run.config) == name])
        for name in ("dense, 256 cells", "cells by ids, blocks of 1")
    ]
    assert "from {:.1f} to {:.1f}: each id".format(*perplexity) in told
    whole = found["dense, 2048 cells"]
    assert f"are {plus_minus(whole[0], whole[2], '+.1f')} % above 256 of them" in told
    rates = load_records(RECORDS / "language_model_memory_rates")
    for run in runs:
        alike = [each for each in rates if cells_name(each.config) == cells_name(run.config)]
        if alike:
            best = min(alike, key=lambda each: each.bits_per_byte("validation"))
            assert run.config.learning_rate == best.config.learning_rate


def test_feed_forwards_cut_on_real_text_are_told_as_their_reports_have_them():
    told = " ".join(section(RESULTS.read_text(encoding="utf-8"), "Thin feed-forwards").split())
    kept, gone, order, longer, maps = {}, {}, {}, [], []
    for split in ("test", "validation"):
        folder = RECORDS / "cut_feed_forwards" / "text" / split
        experts, pruned = (
            [json.loads(file.read_text()) for file in sorted(folder.glob(f"{kind}-*"))] for kind in ("moefy", "prune")
        )
        assert [each["run"] for each in experts] == [each["run"] for each in pruned] and len(experts) == 3
        kept[split] = [neighbours.kept_share(each, wanted=0) for each in experts]
        none = [next(row["spearman"] for row in each["curves"] if row["share"] == 1) for each in pruned]
        gone[split] = [100 * own / each["dense"]["spearman"] for own, each in zip(none, experts, strict=True)]
        order[split] = [neighbours.small_over_large(each) for each in pruned]
        quarters = [(each, row) for each in experts for row in each["experts"]
                    if (row["router"], row["share"]) == ("centroid", 0.25)]  # fmt: skip
        longer += [row["milliseconds"] / each["dense"]["milliseconds"] for each, row in quarters]
        maps += [row for each in pruned for row in each["changes"]]

    def words(values, form=".1f"):
        mean, _, high = mean_interval(values)
        return plus_minus(mean, high, form)

    assert f"keeps {words(kept['test'])} % of the test score and {words(kept['validation'])} % on validation" in told
    assert f"without any feed-forward {words(gone['test'])} % and {words(gone['validation'])} % are left" in told
    assert f"takes {np.median(longer):.1f} times as long" in told
    assert f"{words(order['test'], '+.1f')} points from that without the larger half on test, " in told
    assert f"{words(order['validation'], '+.1f')} on validation: the order" in told

    def ranks(key, *letters):
        found = [row[key] for row in maps if row["name"].rpartition(".")[2] in letters]
        return f"{min(found)} to {max(found)}"

    changed = (
        f"queries and keys in {ranks('rank_change', 'q', 'k')} of 128 directions, values in {ranks('rank_change', 'v')}"
    )
    assert f"{changed}, where the start has {ranks('rank_start', 'q', 'k', 'v')}:" in told


def test_thin_feed_forwards_on_real_text_are_told_as_their_records_have_them():
    told = " ".join(section(RESULTS.read_text(encoding="utf-8"), "Thin feed-forwards").split())
    runs = selection.sweep_records("thin_feed_forwards_text")

    def gaps(chosen, base="dense, GeGLU, 197760"):
        texts = []
        for value in (summaries.score("test"), comparisons.MATCHING["SNLI test"]):
            found = summaries.difference_columns(
                runs, value, lambda config: f"{thin.kind(config)}, {thin.computed(config)}", base, series=lambda config: "",
            )  # fmt: skip
            place = found["group"].tolist().index(chosen)
            texts.append(with_pairs(*(found[key][place] for key in ("value", "high", "pairs_low", "pairs_high"))))
        return texts

    whole, small = "dense, ReLU, 131712", "dense, ReLU, 33024"
    ways = [f"cells by {way}" for way in ("average, 37120", "router, 37120", "ids, 33024", "random, 37120")]
    for chosen, base in ((chosen, base) for chosen in ways for base in (whole, small)):
        mean, _, half = gaps(chosen, base)[0].split(" [")[0].partition(" ± ")
        assert abs(float(mean)) <= float(half)
    by_id, few = (gaps(chosen, whole) for chosen in (ways[2], small))
    assert f"the largest difference is {by_id[0].split(' [')[0]}, of cells by the id" in told
    assert f"of 128 is {few[0].split(' [')[0]} from that of 512" in told
    assert f"matches {few[1].split(' [')[0].removeprefix('-')} points of SNLI pairs less" in told
    most, least, dense = (gaps(f"{name}") for name in (
        "low rank, guided, 124800", "low rank, guided, 63872", "dense, GeGLU, 49536"))  # fmt: skip
    assert (
        f"63 % of the numbers are {most[0]} points of STS-B" in told and f"guided, and {most[1]} points of SNLI" in told
    )
    assert f"32 % are {least[0]} and {least[1]}." in told and f"ratio 1, 25 %, is {dense[0]} and {dense[1]}." in told
    for guided, plain in (
        ("low rank, guided, 124800", "low rank, 124800"),
        ("low rank, guided, 63872", "low rank, 63872"),
    ):
        for text in gaps(guided, plain):
            mean, _, half = text.split(" [")[0].partition(" ± ")
            assert abs(float(mean)) <= float(half)


def test_weights_in_attention_are_told_as_their_records_have_them():
    told = " ".join(section(RESULTS.read_text(encoding="utf-8"), "Weights of tokens in attention").split())
    runs = selection.sweep_records("attention_weights")
    words = {
        "none": "none", "learned": "learned from one for all", "idf": "idf", "speech": "part of speech from one for all",
    }  # fmt: skip

    def name(config):
        return f"{words[config.attention_weights]}, {config.pooled_layers}"

    def read(value, base=None):
        means = summaries.mean_columns(runs, value, name, series=lambda config: "")
        if base is not None:
            means = summaries.difference_columns(runs, value, name, base, series=lambda config: "")
        ends = zip(
            *(means.get(key, means["high"]) for key in ("value", "high", "pairs_low", "pairs_high")), strict=True
        )
        texts = (with_pairs(*numbers) if base else plus_minus(*numbers[:2]) for numbers in ends)
        return dict(zip(means["group"].tolist(), texts, strict=True))

    validation, test = (read(summaries.score(split)) for split in ("validation", "test"))
    gains = read(summaries.score("test"), "none, last")
    pairs = read(comparisons.MATCHING["SNLI test"], "none, last")
    for run in (run for run in runs if run.config.seed == 0):
        case, size = name(run.config), run.metrics["parameters"]["total"]
        row = [validation[case], test[case], gains.get(case, "–"), pairs.get(case, "–")]
        assert f"| {case} | {size:,} | {' | '.join(row)} |" in told
    gain, matched = gains["idf, last"].split(" [")[0], pairs["idf, last"]
    on_validation = read(summaries.score("validation"), "none, last")["idf, last"].split(" [")[0]
    assert (
        f"gains {gain[1:]} points of STS-B on test ({on_validation} on validation, not told) and {matched[1:]} points"
        in told
    )
    own, on_validation = (
        read(summaries.score(split), "none, last")["part of speech from one for all, last"]
        for split in ("test", "validation")
    )
    matched = pairs["part of speech from one for all, last"]
    assert f"gains {matched[1:]} points of pairs and {on_validation} points of STS-B on validation" in told
    assert f"nothing on test ({own.split(' [')[0]})" in told
    reports = [json.loads(file.read_text())["weights"] for file in sorted((RECORDS / "speech_weights").glob("*.json"))]
    assert len(reports) == 3

    def ends(digits, *parts):
        found = [report[part] for report in reports for part in parts]
        return f"{min(found):.{digits}f} to {max(found):.{digits}f} times"

    assert f"nouns count {ends(1, 'noun')} the mean token, verbs and adjectives {ends(2, 'verb', 'adjective')}" in told
    assert f"determiners {ends(2, 'determiner')}." in told


def test_the_table_that_is_thrown_away_is_told_as_its_records_have_it():
    told = " ".join(section(RESULTS.read_text(encoding="utf-8"), "A table that is thrown away").split())
    runs = selection.sweep_records("decoupled")

    def name(config):
        before = dict(config.pretraining or {})
        width = dict(before.get("head_options", {})).get("width")
        return "nothing" if not before else "pairs, as everywhere else" if width is None else (
            f"masked tokens, a table of width {width}")  # fmt: skip

    columns = {split: summaries.mean_columns(runs, summaries.score(split), name, series=lambda config: "")
               for split in ("validation", "test")}  # fmt: skip
    minus = summaries.difference_columns(runs, summaries.score("test"), name, "nothing", series=lambda config: "")
    gaps = zip(minus["group"], *(minus[key] for key in ("value", "high", "pairs_low", "pairs_high")), strict=True)
    gaps = {group: with_pairs(*numbers) for group, *numbers in gaps}
    for place, group in enumerate(columns["test"]["group"]):
        width = int(group.rpartition(" ")[2]) if group.startswith("masked") else None
        thrown = width * 65 + width * 30522 + 30522 if width else 0
        scores = [plus_minus(each["value"][place], each["high"][place]) for each in columns.values()]
        assert f"| {group} | {thrown:,} | {scores[0]} | {scores[1]} | {gaps.get(group, '–')} |" in told
    (wide,) = [each.measure() for each in neighbours.NEIGHBOURS if each.source == "2010.12821"]
    assert f"is {with_pairs(wide.value, wide.high, wide.pairs_low, wide.pairs_high)} points above" in told


def test_what_need_be_tuned_is_told_as_its_records_have_it():
    page = section(RESULTS.read_text(encoding="utf-8"), "What need be tuned")
    told, runs = " ".join(page.split()), selection.sweep_records("thin_tuning")
    full, found = tuning.FULL, tuning.tuning_table(runs)
    shown = ["numbers tuned", "rate", "validation", "test", f"validation, minus {full}", f"test, minus {full}"]
    assert rows(page[page.index("| what") :]) == [[name, *map(str, row[shown])] for name, row in found.iterrows()]
    on = {split: lambda name, base, split=split: tuning.minus(runs, split, base)[name] for split in SCORES}
    assert (
        f"is {on['validation']('head', full)} points from tuning all on validation, and {on['test']('head', full)} on"
        in told
    )
    assert f"tuning all brings {on['test'](full, 'untuned')} to" in told
    below = summaries.difference_columns(runs, SCORES["test"], tuning.tuning_name, full)
    above = [
        name
        for name, *ends in zip(below["group"].tolist(), below["high"], below["pairs_high"], strict=True)
        if not max(ends) < 0
    ]
    assert above == ["GIFT of the embedding, rank 16"] and len(below["group"]) == 13  # untuned and head among them
    brought = [on["test"](f"LoRA, rank {rank}", "untuned") for rank in (4, 16)]
    assert f"brings {brought[0]} points on test and rank 16 {brought[1]}, no more" in told
    for name, base, words in (
        ("LoRA, rank 16", "head", "(rank 16 minus head: {} on validation, {} on test)"),
        ("GIFT, rank 16", "LoRA, rank 16", "with half the numbers ({} and {})"),
        ("GIFT of the embedding, rank 16", "LoRA, rank 4", "as many numbers on test ({1})"),
        ("APT, 16 prompts", "prompts, 16", "are {1} from them there, a hair behind, and {0} on validation"),
    ):
        assert words.format(on["validation"](name, base), on["test"](name, base)) in told
    thin = [name for name in found.index if name not in (full, tuning.UNTUNED)]
    means = {name: float(found.loc[name, "test"].split()[0]) for name in thin}
    assert max(means, key=means.get) == "prompts, 16"


def test_times_of_prompts_are_told_as_they_were_measured():
    told = " ".join(section(RESULTS.read_text(encoding="utf-8"), "What need be tuned").split())
    detail = prompt_times.read_times()["rows"][0]["detail"]
    seconds, (few, *_, many) = detail["seconds"], detail["prompts"]
    first, last = (
        [seconds[way][i] / seconds["none"][i] for way in ("as tokens", "keys and values", "approximated")]
        for i in (0, -1)
    )
    assert (
        f"{few} of them make a training step {first[0]:.1f} times as long, {few} keys and values {first[1]:.2f} times and "
        f"{few} approximated ones {first[2]:.2f} times; {many} make it {last[0]:.1f}, {last[1]:.2f} and {last[2]:.2f} times"
        in told
    )


def test_the_rates_of_thin_tuning_are_those_of_the_least_loss():
    chosen = {tuning.series_of(run.config): run.config.learning_rate for run in selection.sweep_records("thin_tuning")}
    tried = {}
    for run in load_records(RECORDS / "thin_tuning_rates"):
        tried.setdefault(tuning.series_of(run.config), []).append(run)
    larger = 0
    for name, runs in tried.items():
        best = min(runs, key=lambda run: run.metrics["validation_loss"]).config.learning_rate
        rates = [run.config.learning_rate for run in runs]
        assert best == chosen[name] and min(rates) < best < max(rates), name
        larger += max(runs, key=SCORES["test"]).config.learning_rate > best
    assert (larger, len(tried)) == (6, 7)
    assert "For six of the seven ways test would have chosen a larger one" in RESULTS.read_text(encoding="utf-8")


def test_the_findings_of_the_front_page_are_short_and_those_of_the_records():
    page = FRONT.read_text(encoding="utf-8")
    lines = re.findall(r"^\d\. (.*)$", section(page, "What was found"), flags=re.MULTILINE)
    assert len(page.splitlines()) <= 150 and all(len(line.replace("*", "").split()) <= 25 for line in lines)
    found = [*findings_of_the_front_page()]
    assert [re.findall(r"[\d.]+ ± \d+\.\d", line) for line in lines] == [
        [f"{abs(value):.1f} ± {half:.1f}" for value, half in numbers] for numbers in found
    ]
    # Fewer than a table; fewer; gained by shuffling; above harmonic.
    assert [[value > 0 for value, _ in numbers] for numbers in found] == [
        [False] * 2,
        [False] * 2,
        [True],
        [],
        [False],
        [True] * 3,
        [True],
    ]
    (waves,) = {r.config.embedding_options for r in most_waves()}
    assert waves == (("n_frequencies", 1536),) and "1,536 random ones, a tenth of a table's" in lines[6]
    tenth = most_waves()[0].metrics["parameters"]["embedding"] / (30522 + 1) / 256
    assert 0.095 < tenth < 0.105
    stored = {series_name(r.config): r.metrics["parameters"]["embedding"] for r in load_records(RECORDS / "snli_mnli")}
    assert f"{stored['learned'] / stored['fourier (random)']:.0f} times fewer numbers" in lines[3]
    opened = [brief.text for brief in in_short.BRIEFS if brief.cells(claims.CLAIMS[brief.key].answer())[0] == "open"]
    assert {"It trains faster", "Ours: training beats words in common"} <= {*opened}  # as findings 4 and 5 say


def test_the_embedding_of_the_front_page_is_one():
    code = re.search(
        r"```python\n(.*?)```", section(FRONT.read_text(encoding="utf-8"), "Your own embedding"), re.DOTALL
    )[1]
    assert len(code.splitlines()) <= 15
    names = {}
    exec(code, names)
    embedding = check_embedding(names["MyEmbedding"](3000, 16, buckets=512))
    assert sum(p.numel() for p in embedding.parameters()) == 512 * 16


def test_rates_of_other_budgets_are_those_of_the_least_loss():
    def case(run):
        return run.config.replace(learning_rate=1e-3, seed=0, left_out="graded", evaluated_on=()).digest()

    tried: dict[str, dict[float, float]] = {}
    for run in load_records(RECORDS / "bake_off_budgets_rates"):
        tried.setdefault(case(run), {})[run.config.learning_rate] = run.metrics["validation_loss"]
    best = {name: min(losses, key=lambda rate: losses[rate]) for name, losses in tried.items()}
    assert all(min(losses) < best[name] < max(losses) for name, losses in tried.items())
    tuned, plain = (load_records(RECORDS / f"bake_off_budgets{end}") for end in ("_tuned", ""))
    assert {case(run) for run in tuned} == {name for name, rate in best.items() if rate != 2e-3}
    assert all(run.config.learning_rate == best[case(run)] for run in tuned)
    waves = [run for run in plain if run.config.frequencies == "random" and run.config.arm != "frozen_random"]
    assert len(waves) == 12 and {best[case(run)] for run in waves} == {2e-3}
    for name in {case(run) for run in tuned}:
        own, other = ([run.score("test") for run in runs if case(run) == name] for runs in (tuned, plain))
        assert len(own) == 3 and np.mean(own) < np.mean(other)
