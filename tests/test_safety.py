"""What is not trusted, such as a record or a folder of somebody else's, is read and never run, and stays in its place."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from made_up import METRICS

from fourier_lab import ModelConfig, RunConfig, SentenceEncoder, load_encoder, load_pairs, load_record, paths
from fourier_lab.cli import parser
from fourier_lab.errors import ConfigError, DataError, FourierLabError, RecordError
from fourier_lab.headless.markdown import to_html
from fourier_lab.site import build
from fourier_lab.site.encoder_data import script as script_of
from fourier_lab.sweeps.file import load_sweep
from fourier_lab.tables.score_tables import insert_table
from fourier_lab.training.records import write_record

# Calls by which a file could become code; where one is needed, the module that has it.
RISKY = {
    "pickle.load", "pickle.loads", "torch.load", "torch.save", "joblib.load", "pd.read_pickle", "marshal.loads",
    "shelve.open", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "eval", "exec", "os.system", "__import__",
}  # fmt: skip
ALLOWED = {("sweeps/file.py", "yaml.load")}  # with a loader that is a SafeLoader


def test_no_module_calls_what_makes_code_of_a_file():
    found = set()
    root = Path(paths.__file__).parent
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                assert "allow_pickle" not in [each.arg for each in node.keywords], path
                if (name := ast.unparse(node.func)) in RISKY:
                    found.add((path.relative_to(root).as_posix(), name))
    assert found == ALLOWED


def test_yaml_makes_no_objects(tmp_path):
    sweep = tmp_path / "a.yaml"
    sweep.write_text("question: !!python/name:os.getcwd\ngrid: {arm: [learned]}\n")
    with pytest.raises(ConfigError, match="is not YAML: could not determine a constructor"):
        load_sweep(sweep)
    with pytest.raises(ConfigError, match="must be YAML"):
        RunConfig.parse("embedding_options", "{buckets: !!python/name:os.getcwd}")


@pytest.mark.parametrize("arm", ["os:getcwdb", "os:get_exec_path", "textwrap:shorten", "pathlib:Path", "torch:manual_seed",
                                 "fourier_lab.paths:temporary_folder"])  # fmt: skip
def test_a_record_calls_nothing_that_is_no_part_of_a_model(arm, tmp_path):
    config = RunConfig(arm=arm, steps=9, warmup_steps=0)
    write_record(tmp_path / "run", config, {**METRICS, "digest": config.digest()}, [{"step": 9}])
    assert load_record(tmp_path / "run").config.arm == arm  # it can be read, and named in a table
    with pytest.raises(ConfigError, match="a record alone must not run. (Name a layer|If you trust)"):
        SentenceEncoder(ModelConfig(arm, 30, 8))


def test_a_layer_of_an_imported_module_is_a_part():
    assert isinstance(SentenceEncoder(ModelConfig("torch.nn:Embedding", 30, 8)).embedding, torch.nn.Embedding)


def test_tables_and_claims_import_nothing_that_a_record_names(tmp_path):
    """In a process of its own, beside a module that would end it."""
    (tmp_path / "a_strangers_module.py").write_text("raise SystemExit('was run')")
    config = RunConfig(arm="a_strangers_module:E", frequencies="a_strangers_module:f", steps=9, warmup_steps=0)
    write_record(tmp_path / "runs" / "r", config, {**METRICS, "digest": config.digest()}, [{"step": 9}])
    command = [sys.executable, "-m", "fourier_lab", "table", "--runs", "runs"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert told.returncode == 0 and "| E (frequencies f) |" in told.stdout, told.stderr


@pytest.mark.parametrize("name", ["../elsewhere", "/etc", "..", "a/b", "a\\b", ""])
def test_names_do_not_leave_their_folder(name, tmp_path, monkeypatch):
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    (tmp_path / "elsewhere.yaml").write_text("licence: none\npairs: {}\ngraded: stsb\n")
    with pytest.raises(ConfigError, match="must be the name of something in"):
        paths.records_folder(name)
    with pytest.raises(FourierLabError, match="no corpus|must be one of"):
        load_pairs(name, "train", "folder")
    with pytest.raises(FourierLabError):
        load_pairs("snli", name, "folder")
    with pytest.raises(ConfigError, match="corpus must be one of"):
        RunConfig(corpus=name, source="folder")
    sweep = tmp_path / "a.yaml"
    sweep.write_text(json.dumps({"question": "What?", "notebook": name, "grid": {"steps": [1]}}))
    with pytest.raises(ConfigError, match="must be the name of something in|wrong 'notebook'"):
        load_sweep(sweep)
    if name:
        assert parser.main(["table", name]) == 2


def test_a_sweep_file_is_not_named_after_the_folder_above(tmp_path):
    (tmp_path / "...yaml").write_text("question: What?\ngrid: {arm: [learned]}\n")
    with pytest.raises(ConfigError, match=r"'\.\.' must be the name of something in"):
        load_sweep(tmp_path / "...yaml")


@pytest.mark.parametrize("where", ["../train.csv", "{}/train.csv", "a/../../train.csv"])
def test_a_description_names_files_of_its_own_folder(where, tmp_path, monkeypatch):
    monkeypatch.setenv("FOURIER_LAB_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    (tmp_path / "train.csv").write_text("a,b\nx,y\n")
    given = {"licence": "none", "graded": "stsb", "pairs": {
        "columns": {"first": "a", "second": "b"}, "train": where.format(tmp_path), "validation": "dev.csv"}}  # fmt: skip
    (tmp_path / "data" / "mine.yaml").write_text(json.dumps(given))
    with pytest.raises(DataError, match="files of a corpus lie in its folder"):
        load_pairs("mine", "train", "folder")


def test_what_a_record_says_is_text_in_a_page(tmp_path):
    document = tmp_path / "a.md"
    document.write_text("<!-- table: x -->\n<!-- end -->\n")
    insert_table(document, "x", "| model |\n| --- |\n| <script>alert(1)</script> |")
    assert "<script" not in to_html(document.read_text(), lambda url: url)


def test_no_name_or_text_ends_the_script_that_it_is_in():
    script = script_of("a</script><b", json.dumps("c</script><!--<script>"))
    assert "<" not in script and "\\u003c/script>" in script


@pytest.mark.parametrize(
    "url", ["javascript:void(0)", "javascript://x%0avoid(0)", "vbscript://x", "/etc/hostname", "../secret"]
)
def test_a_page_links_to_pages_and_hosts_alone(url, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "FIGURES", tmp_path)
    site = build._Site(tmp_path / "site")
    html = to_html(f"[there](<{url}>)", site._link("README.md", "index.html"))
    assert "href" not in html and "there" in html and not (tmp_path / "site").exists()


def test_weights_are_safetensors_and_a_pickle_in_their_place_is_refused(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    torch.save({"harmless": torch.zeros(1)}, folder / "weights.safetensors")
    with pytest.raises(RecordError, match="cut short or of another version"):
        load_encoder(folder)
