"""Runs that are killed, starved and damaged end equal to undisturbed ones, or in a typed error, and are counted."""

import json
import random
import subprocess

import pytest

from fourier_lab import RunConfig, paths
from fourier_lab.cli import parser
from fourier_lab.errors import TrainingError
from fourier_lab.sweeps import torture_cluster, torture_faults
from fourier_lab.sweeps.torture import KINDS, _Round, torture


def test_one_round_of_everything(tmp_path, monkeypatch):
    every = list(torture_faults.faults())
    few = {fault.name: fault for fault in every[1:]}  # one of each: the others differ in a number
    # What is lost at once and then cannot be written to: before a later loss a quick run may have ended, as it should.
    few["lost network file system"] = [fault for fault in every if fault.name == "lost network file system"][1]
    monkeypatch.setattr("fourier_lab.sweeps.torture.faults", lambda: iter(few.values()))
    monkeypatch.setattr("fourier_lab.sweeps.torture.FILES", ("metrics.json", "weights.safetensors"))
    monkeypatch.setattr("fourier_lab.sweeps.torture.TEXTS", {"train.parquet": "Parquet"})
    lines = []
    assert torture(0, tmp_path, lines.append, kills=3, draws=1), lines
    written = json.loads((tmp_path / "torture.json").read_text())
    counts = written["counts"]
    assert [counts[f"kill of a {kind}"] for kind in KINDS] == [{"equal": 1}] * 3
    assert counts["two sweeps on one folder"] == {"equal": 1}
    lost = counts.pop("lost network file system")  # not every user may mount
    assert lost in ({"typed": 1}, {"skipped": 1})
    assert all(counts[name] in ({"typed": 1}, {"equal": 1}) for name in few if name in counts)
    assert counts["full disk at a write, then in peace"] == {"equal": 1}
    assert counts["checkpoint, a file with a flipped bit"] == {"typed": 1} and written["versions"]["torch"]
    assert written["problems"] == [] and not [ends for ends in counts.values() if "failed" in ends]


@pytest.mark.parametrize("found, end", [
    (("done", {"scores": 1, "text": "a"}), "equal"), (("done", {"scores": 2, "text": "a"}), "failed"),
    (("done", {"scores": 2, "text": "b"}), "other text"), (("typed", "no"), "typed"), (("failed", "KeyError"), "failed"),
])  # fmt: skip
def test_what_ends_otherwise_is_a_failure(found, end, tmp_path):
    one = object.__new__(_Round)
    one.calm = {RunConfig().digest(): {"scores": 1, "text": "a"}}
    assert one.judged(found, RunConfig())[0] == end


class Sleeper:
    """Work of a tenth of a second that leaves numbers behind."""

    what, kinds = "a sleeper", ("sleeper",)

    def __init__(self, folder, numbers=1, seconds="0.1"):
        self.folder, self.numbers, self.seconds, self.rested, self.misses = folder, numbers, seconds, 0, 0

    def command(self, name):
        return subprocess.Popen(["sleep", self.seconds], stderr=subprocess.DEVNULL)

    def kill(self, kind, command):
        self.misses -= 1
        if self.misses < 0:
            command.kill()
            return True
        command.wait()
        return False

    def found(self, name):
        return 1 if name == "calm" else self.numbers

    def said(self):
        return "nothing"

    def rest(self):
        self.rested += 1


def test_what_is_killed_is_repeated_until_it_ends_and_then_compared(tmp_path):
    work = Sleeper(tmp_path)
    assert [*torture_cluster._storms(work, random.Random(0), 4)] == [("kill of a sleeper", "equal", "")] * 4
    assert work.rested == 2  # three kills of one piece of work, and one of another
    other = [*torture_cluster._storms(Sleeper(tmp_path, numbers=2), random.Random(0), 1)]
    assert other == [("kill of a sleeper", "failed", "other numbers; nothing")]
    (tmp_path / "sleeper0").mkdir()
    (tmp_path / "sleeper0" / ".scores.1-abc.tmp").touch()
    assert "left behind" in [*torture_cluster._storms(Sleeper(tmp_path), random.Random(0), 1)][0][2]
    with pytest.raises(TrainingError, match="a sleeper fails undisturbed with exit code 1: nothing"):
        next(torture_cluster._storms(Sleeper(tmp_path, seconds="no number"), random.Random(0), 1))


def test_kills_that_come_too_late_are_made_up_for_and_told_if_that_fails(tmp_path):
    work = Sleeper(tmp_path)
    work.misses = 2
    assert [*torture_cluster._storms(work, random.Random(0), 2)] == [("kill of a sleeper", "equal", "")] * 2
    work.misses = 1000
    late = [("kill of a sleeper", "failed", "a sleeper was done before it")] * 2
    assert [*torture_cluster._storms(work, random.Random(0), 2)] == late and work.rested == 7


def test_counts_go_to_the_reports_unless_a_folder_is_named_and_of_clusters_to_a_file_of_their_own(
    monkeypatch, tmp_path
):
    asked = parser._parser().parse_args(["torture"])
    assert asked.out == paths.REPORTS / "torture" and not asked.cluster
    kills = [("kill of a scheduler", "equal", "")]
    monkeypatch.setattr("fourier_lab.sweeps.torture.cluster_cases", lambda *arguments: iter(kills))
    assert parser.main(["torture", "--cluster", "--kills", "1", "--out", str(tmp_path)]) == 0
    written = json.loads((tmp_path / "cluster.json").read_text())
    assert written["counts"] == {"kill of a scheduler": {"equal": 1}} and not (tmp_path / "torture.json").exists()
