"""Training in the page: its curves are those of the library's own runs, which the page's command trains."""

import shlex

import pytest

from fourier_lab.cli import parser
from fourier_lab.training.records import load_records

SETTINGS = {"set": "random", "steps": "40", "rate": "0.03", "seed": "1"}
READ = {"frequency": "ids by frequency", "semantic": "ids by meaning", "random": "ids shuffled"}
NAMES = {"fourier": "Fourier", "learned": "table"}


def train(page, patience_ms=60_000):
    page.get_by_role("button", name="Train").click()
    page.locator("#settings[data-trained]").wait_for(timeout=patience_ms)


def curves(page):
    """Return rows of the page's table, by run and step."""
    page.get_by_text("The curves as a table").click()
    page.locator("#table tr").nth(1).wait_for()  # it is filled in a later turn of the page
    lines = page.locator("#table tr").all_inner_texts()[1:]
    found = {}
    for ids, name, step, *numbers in (line.split("\t") for line in lines):
        found.setdefault((ids, name), {})[int(step)] = [float(number) if number else None for number in numbers]
    return found


@pytest.fixture(scope="module")
def address(site):
    return (site / "live/train.html").as_uri()


def test_curves_are_those_of_the_runs_that_the_command_of_the_page_trains(address, visit, tmp_path):
    page = visit(f"{address}#{'&'.join(f'{name}={value}' for name, value in SETTINGS.items())}", offline=True)
    train(page)
    found = curves(page)
    command = shlex.split(page.locator("#command").inner_text())
    assert command[0] == "fourier-lab"
    assert parser.main([*command[1:], "--runs", str(tmp_path)]) == 0
    records = load_records(tmp_path)
    assert len(records) == len(found) == 6
    for record in records:
        rows = found[READ[record.config.id_order], NAMES[record.config.arm]]
        for row in record.history:
            if row["step"] in rows:
                wanted = [row["validation_loss"], row["loss"], row["scale"]]
                assert rows[row["step"]][1:] == pytest.approx(wanted, rel=1e-5), (record.config, row["step"])
        last = record.metrics["scores"]["validation"]["spearman"]["value"]
        assert rows[40][0] == pytest.approx(last, abs=0.01) and abs(rows[40][0] - rows[0][0]) > 1
    assert page.troubles == []


def test_training_can_be_stopped_and_needs_no_worker(address, visit):
    page = visit(address, offline=True)
    page.locator("#settings[data-drawn]").wait_for()
    page.get_by_role("button", name="Train").press("Enter")
    page.locator("#score svg").get_by_text("table").first.wait_for()
    page.get_by_role("button", name="Stop").press("Enter")
    assert "Stopped" in page.locator("#words").inner_text() and not page.locator("#progress").is_visible()
    page.add_init_script("delete self.Worker")
    page.reload()
    page.get_by_label("steps", exact=True).fill("20")
    train(page)
    assert "6 runs of 20 steps" in page.locator("#words").inner_text()
    page.get_by_label("seed").select_option("2")  # other settings have curves of their own
    page.get_by_text("Nothing is trained with these settings yet").wait_for()
    assert page.troubles == []
