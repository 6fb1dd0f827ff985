"""A stranger's token embedding, frequency set and feed-forward, used from the command line to the last picture."""

import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import warnings

import pytest
from matplotlib.text import Text

import fourier_lab as fl
from fourier_lab import RunConfig, paths, plots, plugins, widgets
from fourier_lab.bench.suite import run_benchmarks
from fourier_lab.bench.workload import Size
from fourier_lab.cli.parser import main
from fourier_lab.embeddings.registry import EMBEDDINGS
from fourier_lab.errors import ConfigError, RecordError
from fourier_lab.plots.palette import ARM_COLOURS, OTHER_COLOURS, OTHER_MARKERS, colour_of, colours_of, marker_of
from fourier_lab.series import series_name
from fourier_lab.tables import summaries
from fourier_lab.widgets.at_hand import run_name

MODULE = """
import torch

class Shared(torch.nn.Module):
    def __init__(self, num_embeddings, embedding_dim, buckets: int = 64, seed: int = 0):
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.seed = num_embeddings, embedding_dim, seed
        self.rows = torch.nn.Embedding(buckets, embedding_dim)

    def forward(self, token_ids):
        return self.rows(token_ids % self.rows.num_embeddings)

class Narrow(Shared):
    def forward(self, token_ids):
        return super().forward(token_ids)[..., 1:]

def odd(vocab_size, n_frequencies, seed):
    return range(1 + 2 * seed, 1 + 2 * seed + 2 * n_frequencies, 2)

def few(vocab_size, n_frequencies, seed):
    return [1, 2]

class Bottleneck(torch.nn.Sequential):
    def __init__(self, d_model, rank: int):
        super().__init__(torch.nn.Linear(d_model, rank), torch.nn.ReLU(), torch.nn.Linear(rank, d_model))

class Wider(torch.nn.Linear):
    def __init__(self, d_model):
        super().__init__(d_model, 2 * d_model)
"""
SMALL = {
    "vocab_size": 500,
    "d_model": 16,
    "steps": 6,
    "warmup_steps": 1,
    "batch_size": 16,
    "train_pairs": 64,
    "threads": 1,
}
OPTIONS = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]


@pytest.fixture
def stranger(tmp_path, monkeypatch):
    """A folder with strange.py, which nobody has imported or named."""
    (tmp_path / "strange.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plugins, "_named", set())
    monkeypatch.setattr(plugins, "_recorded", {})
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    yield tmp_path
    sys.modules.pop("strange", None)
    plugins._settings_of.cache_clear()


def words_of(figure):
    """Return every text of a picture."""
    return [text.get_text() for text in figure.findobj(Text)]


def train(*arguments):
    return main(["train", *OPTIONS, "--runs", "runs", *arguments])


def test_it_is_trained_recorded_resumed_swept_and_drawn(stranger, capsys):
    assert train("--embedding", "strange:Shared,learned", "--embedding-options", "{}") == 0
    assert (
        train("--embedding", "strange:Shared", "--embedding-options", "{buckets: 8},{buckets: 64}", "--seed", "0,1")
        == 0
    )
    assert "Shared (buckets 8)" in capsys.readouterr().out
    records = fl.load_records(stranger / "runs")
    by_name = {series_name(record.config): record for record in records}
    # The default, given or not, is one run.
    assert len(records) == 5 and set(by_name) == {"Shared (buckets 8)", "Shared", "learned"}
    kept = by_name["Shared (buckets 8)"]
    assert kept.metrics["parameters"]["embedding"] == 8 * 16 and kept.stored_bits() == 32 * 8 * 16
    assert kept.stored_bits("total") == 32 * kept.metrics["parameters"]["total"]
    assert json.loads((kept.folder / "config.json").read_text())["embedding_options"] == {"buckets": 8}

    assert main(["table", "--runs", "runs"]) == 0
    assert "| Shared (buckets 8) | 16 |" in capsys.readouterr().out
    (stranger / "mine.yaml").write_text(
        "question: Which?\nbase: {arm: 'strange:Shared', embedding_options: {buckets: 8}, "
        + ", ".join(f"{name}: {value}" for name, value in SMALL.items())
        + "}\ngroups: [{name: all}]\nseeds: [0, 1]\n"
    )
    command = ["sweep", "mine.yaml", "--runs", "runs", "--results", "results"]
    assert main(command) == 0 and "2 of 2 runs are finished already" in capsys.readouterr().out
    assert main([*command[:-3], "fresh", *command[-2:]]) == 0  # in worker processes, which name the module themselves

    columns = summaries.curve_columns(records, "loss")
    ax = plots.draw_curves(columns, label="loss")
    drawn = {line.get_label().partition(",")[0]: line.get_color() for line in ax.get_lines()}
    assert drawn["Shared"] in OTHER_COLOURS and drawn["learned"] == ARM_COLOURS["learned"]
    assert len({*map(str, drawn.values())}) == len(by_name)


def test_the_readme_shows_all_that_it_takes(stranger, capsys):
    page = paths.SWEEPS.with_name("README.md").read_text(encoding="utf-8")
    section = page.split("## Your own embedding")[1].split("\n## ")[0]
    code, command = re.findall(r"```(?:python)?\n(.*?)```", section, flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) < 15
    (stranger / "my_module.py").write_text(code)
    try:
        assert train(*shlex.split(command)[2:]) == 0  # at another size: the README's takes a minute
        assert "| MyEmbedding | 16 |" in capsys.readouterr().out  # its options are the defaults
        fl.check_embedding(sys.modules["my_module"].MyEmbedding(500, 16))
    finally:
        sys.modules.pop("my_module", None)


def test_it_appears_in_the_explorers(stranger):
    assert train("--embedding", "strange:Shared,learned") == 0
    records = {record.config.arm: record for record in fl.load_records(stranger / "runs")}
    name = run_name(records["strange:Shared"])
    geometry = widgets.explore_geometry(runs=[stranger / "runs"])
    geometry.set(run=name, stage="embedding")
    assert geometry.settings["stage"] == "embedding" and "Shared" in geometry.text
    geometry.set(stage="after layer 1")
    sentences = widgets.explore_sentences(folders=[stranger / "runs"])
    sentences.set(run=name)
    assert sentences.settings["run"] == name and any("Shared" in text for text in words_of(sentences.figure))
    results = widgets.explore_results(stranger)
    results.set(arm="strange:Shared", x="stored bits")
    assert "strange:Shared" in results.text


def test_it_is_measured_beside_a_table(stranger):
    plugins.allow(["strange:Shared"])
    size = Size(d_model=16, vocab_size=500, batch_size=8, tokens=64, repeats=2, arm="strange:Shared")
    rows = run_benchmarks(["embedding", "arms"], size=size)
    assert all("strange:Shared" in row["what"] and row["ours"] > 0 for row in rows)


def test_a_record_alone_runs_no_code(stranger):
    assert train("--embedding", "strange:Shared") == 0
    (record,) = fl.load_records(stranger / "runs")
    code = (
        "import sys, fourier_lab as fl; sys.path.insert(0, '.'); from fourier_lab.errors import RecordError\n"
        f"record = fl.load_record({str(record.folder)!r}); print(record.config.embedding_options, record.config.digest())\n"
        f"try: fl.load_encoder({str(record.folder)!r})\n"
        "except RecordError as error: print(error)\n"
        "print('strange' in sys.modules)\n"
        f"import strange; print(type(fl.load_encoder({str(record.folder)!r}).embedding).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=stranger, capture_output=True, text=True, check=True)
    first, refusal, imported, name = done.stdout.splitlines()
    assert first == f"() {record.config.digest()}"
    assert "If you trust it, import strange first" in refusal
    assert (imported, name) == ("False", "Shared")


@pytest.fixture
def installed(stranger):
    """What an installer writes of a package that adds three parts; take it away to uninstall the package."""
    information = stranger / "strange-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: strange\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[fourier_lab.embeddings]\nshared = strange:Shared\n[fourier_lab.frequencies]\nodd = strange:odd\n"
        "[fourier_lab.feed_forwards]\nbottleneck = strange:Bottleneck\n"
    )
    plugins._entry_points.cache_clear()
    yield information
    plugins._entry_points.cache_clear()


def test_an_installed_package_adds_one_by_entry_point(installed):
    assert EMBEDDINGS.names()[-1] == "shared"
    config = RunConfig(arm="shared", embedding_options={"buckets": 8}, **SMALL)
    assert series_name(config) == "shared (buckets 8)" and colour_of("shared (buckets 8)") in OTHER_COLOURS
    assert fl.SentenceEncoder(config.model(500)).embedding.rows.num_embeddings == 8
    assert series_name(RunConfig(frequencies="odd", **SMALL)) == "fourier (odd)"
    assert marker_of("shared", 0) in OTHER_MARKERS


def test_a_record_of_a_package_that_is_gone_is_read_and_only_building_names_the_package(installed, monkeypatch, capsys):
    assert train("--embedding", "shared", "--embedding-options", "{buckets: 8}") == 0
    assert train("--frequencies", "odd", "--feed-forward", "bottleneck", "--feed-forward-options", "{rank: 3}") == 0
    before = {record.config.digest(): record for record in fl.load_records("runs")}
    assert len(before) == 2 and capsys.readouterr()
    shutil.rmtree(installed)
    plugins._entry_points.cache_clear()
    importlib.invalidate_caches()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        after = fl.load_records("runs")
    assert {record.config.digest(): record.config for record in after} == {k: r.config for k, r in before.items()}
    (shared,) = (record for record in after if record.config.arm == "shared")
    assert shared.config.embedding_options == (("buckets", 8),)
    assert main(["table", "--runs", "runs"]) == 0 and "shared (buckets 8)" in capsys.readouterr().out
    monkeypatch.setattr(plugins, "_recorded", {})  # as in a process that starts with the weights
    for record, noun in ((shared, "token embedding 'shared'"), *((r, "f") for r in after if r is not shared)):
        with pytest.raises(
            RecordError, match=f"the {noun}.* comes with the package strange, which is not .* Install strange"
        ):
            fl.load_encoder(record.folder)
    with pytest.raises(ConfigError, match="arm must be one of"):
        RunConfig(arm="shard")


def test_frequency_sets_and_feed_forwards_have_the_same_door(stranger):
    assert train("--frequencies", "strange:odd", "--feed-forward", "strange:Bottleneck",
                 "--feed-forward-options", "{rank: 3}", "--seed", "2") == 0  # fmt: skip
    (record,) = fl.load_records(stranger / "runs")
    encoder = fl.load_encoder(record.folder)
    assert encoder.embedding.frequencies.tolist() == [5, 7, 9, 11, 13, 15, 17, 19]
    assert encoder.blocks[0].feed_forward[0].out_features == 3
    assert series_name(record.config) == "fourier (odd)"
    silu = fl.SentenceEncoder(RunConfig(feed_forward="silu", **SMALL).model(500))
    assert type(silu.blocks[0].feed_forward).__name__ == "SiLUMLP"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"arm": "shared"}, "arm must be one of fourier, learned, .* or your own as module:name, got 'shared'"),
        ({"arm": "nowhere:Shared"}, "is in no module that can be imported"),
        ({"arm": "strange:Missing"}, "the module strange has no token embedding 'Missing'"),
        ({"arm": "strange:Narrow"}, r"Narrow must turn ids of shape \(6,\) into vectors of shape \(6, 16\), got \(6, 15\)"),
        ({"arm": "strange:Shared", "embedding_options": {"bucket": 8}}, "has no option bucket. Its options: buckets"),
        ({"arm": "strange:Shared", "embedding_options": {"buckets": 8.5}}, "must be int, got 8.5"),
        ({"arm": "strange:Shared", "embedding_options": {"buckets": -1}}, "refuses .* Change one"),
        ({"arm": "strange:Shared", "embedding_options": 8}, "must map options to values|must be"),
        ({"embedding_options": {"mlp": "none"}}, "mlp is a setting of its own"),
        ({"embedding_options": {"buckets": 8}}, "token embedding 'fourier' has no option buckets. Its options: none"),
        ({"frequencies": "strange:few"}, r"needs d_model / 2 = 8 distinct integers >= 1, got 2 values: \[1, 2\]"),
        ({"feed_forward": "strange:Bottleneck"}, "needs the option rank, which has no default"),
        ({"feed_forward": "strange:Wider"}, r"must keep the shape \(n_tokens, 16\), but turns \(3, 16\) into \(3, 32\)"),
        ({"feed_forward_options": {"rank": 3}}, "are of a named feed-forward; feed_forward is 4.0"),
        ({"feed_forward": "strange:Wider", "projections": "silu"}, "has no place. Drop one"),
    ],
)  # fmt: skip
def test_what_a_stranger_gets_wrong_is_named(stranger, changes, rule):
    plugins.allow(changes.values())
    with pytest.raises((ConfigError, RecordError), match=rule):
        fl.SentenceEncoder(RunConfig(**SMALL).replace(**changes).model(500))


def test_two_strangers_never_share_a_colour_in_one_picture():
    names = [f"Mine (n {n})" for n in range(9)]
    plugins._met.add("Mine")
    try:
        for name in names:
            assert colour_of(name) in OTHER_COLOURS and marker_of(name, 0) in OTHER_MARKERS
        colours = colours_of(["learned", *names])
        assert len(set(colours)) == 10 and colours[0] == ARM_COLOURS["learned"]
    finally:
        plugins._met.discard("Mine")
