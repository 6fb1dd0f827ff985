"""Claims: the verdict follows from the intervals, and the shipped records answer every claim."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from made_up import record

from fourier_lab import paths
from fourier_lab.cli import parser
from fourier_lab.errors import ConfigError, RecordError
from fourier_lab.study import claims, comparisons, in_short, selection
from fourier_lab.study.claims import CLAIMS, Measured
from fourier_lab.study.in_short import BRIEFS, Brief, headline, short_table
from fourier_lab.sweeps.file import load_sweep


def measured(low, high, seeds=3, split="dev"):
    return Measured("difference", split, (low + high) / 2, low, high, seeds)


@pytest.mark.parametrize(
    "dev, test, verdict",
    [
        (measured(1, 2), measured(0.5, 3), "up (dev and test)"),
        (measured(-2, -1), measured(-1, 1), "down (dev); open (test)"),
        (measured(-1, 1), measured(-1, 0.5), "open (dev and test)"),
        (measured(np.nan, np.nan, 1), measured(1, 2), "one seed only (dev); up (test)"),
        (dataclasses.replace(measured(1, 2), pairs_low=-0.1, pairs_high=3.0), measured(1, 2), "open (dev); up (test)"),
        (dataclasses.replace(measured(1, 2), pairs_low=0.1, pairs_high=1.2), measured(1, 2), "up (dev and test)"),
    ],
)
def test_the_verdict_is_what_the_intervals_allow(dev, test, verdict):
    test = dataclasses.replace(test, split="test")
    claim = SimpleNamespace(words=("up", "down", "open"))
    assert claims.Claim.verdict(claim, [dev, test]) == verdict


def test_the_effect_of_a_setting_is_read_for_the_named_series_first():
    records = [
        record(70 + gain + seed, 60 + seed - gain, seed=seed, arm=arm, dropout=dropout)
        for arm, gain, dropout in (("learned", 0, 0.0), ("learned", 5, 0.1), ("fourier", 0, 0.0), ("fourier", 2, 0.1))
        for seed in range(3)
    ]
    dev, test, learned_dev, _ = claims.of_setting("dropout", "0.0", "0.1")(records)
    assert (dev.value, test.value, learned_dev.value) == (2.0, -2.0, 5.0) and dev.seeds == 3
    assert dev.what == "fourier (harmonic), dropout 0.1 minus 0.0" and str(dev) == "validation +2.0 ± 0.0"
    with pytest.raises(RecordError, match=r"no finished run answers 'fourier \(harmonic\), dropout 0.2 minus 0.0'"):
        claims.of_setting("dropout", "0.0", "0.2")(records)


def test_the_gap_between_the_arms_is_read_per_departure():
    records = [
        record(v, v - 9, seed=seed, arm=arm, departures=departures)
        for departures, values in (((), (70, 72)), (("slow_rate",), (60, 63)))
        for arm, v in zip(("fourier", "learned"), values, strict=True)
        for seed in range(3)
    ]
    gaps = comparisons.gap_columns(records)
    assert gaps["series"].tolist() == ["none", "slow_rate"] * 2
    assert gaps["value"].tolist() == [2.0, 3.0, 2.0, 3.0]
    assert gaps["change"].tolist() == [0.0, 1.0, 0.0, 1.0]


@pytest.mark.parametrize("key", CLAIMS)
def test_every_claim_is_answered_by_shipped_records(key):
    claim = CLAIMS[key]
    assert (paths.SWEEPS.parent / "notebooks" / f"{claim.notebook}.ipynb").is_file()
    answers = claim.answer()
    assert (paths.SWEEPS.parent / "figures" / f"{claim.figure}.png").is_file()
    assert len(answers) >= 2 and all(each.seeds >= 3 for each in answers[:2])
    text = claims.say(key)
    assert claim.text in text and claim.not_shown in text and text.startswith(claim.verdict(answers))


def test_the_pages_have_the_claims_in_short_and_in_full():
    root = paths.SWEEPS.parent
    assert short_table() in (root / "README.md").read_text(encoding="utf-8")
    assert claims.claims_table("../") in (root / "results/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("form", "mark"), [([], "claims"), (["--short"], "claims_short")], ids=["full", "short"])
def test_a_page_anywhere_gets_links_that_lead_to_the_project(form, mark, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    for place, top in (("page.md", ""), ("deep/er/page.md", "../../")):
        page = tmp_path / place
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"a\n<!-- table: {mark} -->\n<!-- end -->\nb\n")
        assert parser.main(["claims", *form, "--into", str(page)]) == 0
        assert f"]({top}notebooks/04_table_1.ipynb)" in page.read_text() and page.read_text().endswith("-->\nb\n")


@pytest.mark.parametrize(
    "first, last, cells",
    [
        (measured(1, 2), measured(0.5, 3), ("up", "+1.8 (+0.5 to +3.0) points; test")),
        (measured(1, 2), measured(-1, 3), ("up / open", "+1.0 (-1.0 to +3.0) points; test")),
        (measured(-2, -1), dataclasses.replace(measured(-2, -1), pairs_low=-1.7, pairs_high=0.1),
         ("down / open", "-1.5 (-2.0 to +0.1) points; test")),
    ],
)  # fmt: skip
def test_a_claim_in_short_has_the_last_number_with_what_covers_both_intervals(first, last, cells):
    brief = Brief("table_1", "text", ("up", "down", "open"), "points", deciding=(2, 1))
    assert brief.cells([measured(5, 6), dataclasses.replace(last, split="test"), first]) == cells


@pytest.mark.parametrize("brief", BRIEFS, ids=lambda brief: brief.text)
def test_a_claim_in_short_says_what_the_claim_says_in_full(brief):
    claim = CLAIMS[brief.key]
    measured = claim.answer()
    assert {*brief.deciding} <= {*range(claim.shown)}
    assert (paths.SWEEPS.parent / "figures" / f"{brief.place}.png").is_file()
    said = [brief.words.index(word) for word in brief.cells(measured)[0].split(" / ")]
    if {*brief.deciding} == {0, 1}:
        assert all(claim.words[place] in claim.verdict(measured) for place in said)


@pytest.mark.parametrize("place", dict.fromkeys(brief.place for brief in BRIEFS if brief.says))
def test_the_title_of_a_claims_figure_is_what_the_shipped_records_say(place):
    (key,) = {brief.key for brief in BRIEFS if brief.place == place}
    title = headline(place.partition("/")[2], CLAIMS[key].records())
    assert json.loads((paths.SWEEPS.parent / "figures" / f"{place}.json").read_text())["title"] == title
    assert len(title) <= 85  # one line of a picture
    for brief in (brief for brief in BRIEFS if brief.place == place):
        word, value = brief.cells(CLAIMS[key].answer())
        case = brief.says[brief.words.index(word.split(" / ")[-1])]
        assert f"{case} ({value.split()[0]})" in title


@pytest.mark.parametrize(
    ("last", "title"),
    [
        (measured(0.5, 3), "up they go (+1.8)"),
        (measured(-3, -1), "down they go (-2.0)"),
        (measured(-1, 2), "nothing is told (+0.5)"),
        (measured(np.nan, np.nan, 1), "nothing is told (+nan)"),
    ],
)
def test_a_title_is_the_case_that_was_measured(last, title, monkeypatch):
    brief = Brief("table_1", "", ("up", "down", "open"), "", figure="04_x/y",
                  says=("up they go", "down they go", "nothing is told"))  # fmt: skip
    monkeypatch.setattr(in_short, "BRIEFS", (brief,))
    monkeypatch.setitem(CLAIMS, "table_1", SimpleNamespace(answer=lambda records: [None, last]))
    assert headline("04_x/y", []) == title
    with pytest.raises(ConfigError, match="no claim is shown in the figure 'z'. Choose one of 04_x/y"):
        headline("z", [])


def test_sweeps_without_records_say_how_to_make_them(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "RECORDS", tmp_path)
    with pytest.raises(RecordError, match="Run: fourier-lab sweep sweeps/dropout.yaml"):
        selection.sweep_records("dropout")
    with pytest.raises(ConfigError):
        selection.sweep_records("no_such_sweep")


def test_effects_without_numbers_say_how_to_make_them(monkeypatch, tmp_path):
    (tmp_path / "snli_mnli").mkdir()
    monkeypatch.setattr(paths, "RECORDS", tmp_path)
    with pytest.raises(RecordError, match="holds no numbers of a run.*Run notebook 12"):
        CLAIMS["training"].answer()


@pytest.mark.parametrize("path", sorted(paths.SWEEPS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_sweep_file_reads_at_both_sizes(path):
    full, smoke = load_sweep(path), load_sweep(path, smoke=True)
    assert full.configs and len(smoke.configs) <= len(full.configs)
    assert all(config.corpus == "toy" and config.steps <= 60 for config in smoke.configs)


def test_claims_whose_records_are_damaged_do_not_take_the_others_along(monkeypatch, tmp_path, capsys):
    shutil.copytree(paths.RECORDS, tmp_path / "results", ignore=shutil.ignore_patterns("history.csv"))
    monkeypatch.setattr(paths, "RECORDS", tmp_path / "results")
    for path in tmp_path.glob("results/*/*/metrics.json"):  # whose histories are not looked at here
        steps = json.loads((path.parent / "config.json").read_text())["steps"]
        (path.parent / "history.csv").write_text(f"step\n{steps}\n")
    whole = claims.claims_table()
    torn = [*sorted(tmp_path.glob("results/dropout/*/metrics.json"))]
    torn.append(sorted(tmp_path.glob("results/table_1/*/metrics.json"))[0])
    for path in torn:
        path.write_text("")
    assert parser.main(["claims"]) == 1
    out, err = capsys.readouterr()
    rows, before = out.strip().splitlines(), whole.splitlines()
    assert len(rows) == len(before) and all(str(path.parent) in err for path in torn)
    (changed,) = [row for row in rows if "| not answered | no finished run of dropout" in row]
    assert "not answered: A Fourier embedding needs no dropout" in err
    same = set(rows) & set(before)
    assert len(same) >= len(rows) - 3 and changed not in same  # two rows read table_1


def test_claims_name_runs_whose_scores_are_noise():
    records = [record(70 + seed, 60, seed=seed, dropout=dropout) for dropout in (0.0, 0.1) for seed in range(3)]
    assert "collapsed" not in claims.say("dropout", records)
    records[4].metrics["scores"]["validation"]["collapsed"] = True
    told = claims.say("dropout", records)
    assert f"- collapsed, so that its scores are noise: {records[4].config.digest()} (1 of 6 runs)" in told
