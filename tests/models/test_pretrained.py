"""A saved folder gives back the very encoder, tells what it is, and refuses to be another one."""

import json
import sys

import numpy as np
import pytest
import torch
import yaml

from fourier_lab import ModelConfig, SentenceEncoder, load_record, paths
from fourier_lab.errors import ConfigError, RecordError
from fourier_lab.models import pretrained
from fourier_lab.text.tokenizer import toy_tokenizer

TOKENIZER = toy_tokenizer(500)
SENTENCES = [" ".join(TOKENIZER.id_to_token(i + j) for j in range(1 + i % 5)) for i in range(10, 30)] + [""]
CONFIGS = [
    ModelConfig("fourier", 500, 16, frequencies="random", frequency_seed=3, n_heads=2, n_layers=2, max_seq_len=9),
    ModelConfig("fourier", 500, 16, frequencies=(1, 2, 3, 5, 8, 13, 21, 34), period=600, mlp="geglu_quarter"),
    ModelConfig("fourier", 500, 16, basis="legendre", projections="silu", departures=("published_rotary",)),
    ModelConfig("learned", 500, 16, n_layers=0, dropout=0.1),
    ModelConfig("bloom", 500, 16, embedding_options={"buckets": 64}, frequency_seed=5, feed_forward=0.25),
    ModelConfig("fourier", 500, 16, feed_forward="silu", token_weights="learned", pooler="none"),
]


def encoder(config=CONFIGS[0]):
    torch.manual_seed(1)
    return SentenceEncoder(config, TOKENIZER).eval()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.arm} {c.basis} {c.frequencies}")
def test_the_folder_gives_back_the_encoder(config, tmp_path):
    saved = encoder(config)
    loaded = SentenceEncoder.from_pretrained(saved.save_pretrained(tmp_path / "one"))
    assert loaded.config == config and not loaded.training
    np.testing.assert_array_equal(loaded.encode(SENTENCES), saved.encode(SENTENCES))
    again = SentenceEncoder.from_pretrained(str(tmp_path / "one")).save_pretrained(tmp_path / "two", name="one")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_the_weights_of_another_model_are_refused(tmp_path):
    folder = encoder().save_pretrained(tmp_path)
    settings = json.loads((folder / "config.json").read_text())
    for change in ({"frequencies": "log"}, {"frequency_seed": 4}, {"d_model": 32}, {"n_layers": 1}, {"color": 1}):
        changed = settings | {"encoder": settings["encoder"] | change}
        (folder / "config.json").write_text(json.dumps(changed))
        with pytest.raises(RecordError, match="cannot load the encoder"):
            SentenceEncoder.from_pretrained(folder)


def test_another_vocabulary_is_refused(tmp_path):
    folder = encoder().save_pretrained(tmp_path)
    (folder / "tokenizer.json").write_text(toy_tokenizer(500, "random").to_str())
    with pytest.raises(RecordError, match="the weights know"):
        SentenceEncoder.from_pretrained(folder)


@pytest.mark.parametrize("name", pretrained.FILES)
def test_a_file_that_is_missing_or_cut_is_named(name, tmp_path):
    folder = encoder().save_pretrained(tmp_path)
    (folder / name).write_bytes((folder / name).read_bytes()[:-9])
    with pytest.raises(RecordError, match=f"cannot load the encoder in {tmp_path}"):
        SentenceEncoder.from_pretrained(folder)
    (folder / name).unlink()
    with pytest.raises(RecordError, match=f"it lacks {name}"):
        SentenceEncoder.from_pretrained(folder)


def test_shipped_encoders_go_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "SHIPPED_ENCODERS", tmp_path / "none")
    with pytest.raises(RecordError, match="'fourier-100k' is neither a folder nor .* which has none"):
        SentenceEncoder.from_pretrained("fourier-100k")
    monkeypatch.setattr(pretrained, "SHIPPED_ENCODERS", tmp_path)
    saved = encoder()
    saved.save_pretrained(tmp_path / "fourier-100k")
    loaded = SentenceEncoder.from_pretrained("fourier-100k")
    np.testing.assert_array_equal(loaded.encode(SENTENCES), saved.encode(SENTENCES))
    with pytest.raises(RecordError, match="which has fourier-100k"):
        SentenceEncoder.from_pretrained("fourier-1m")


def test_a_folder_imports_no_code_of_others(tmp_path, monkeypatch):
    folder = encoder().save_pretrained(tmp_path / "folder")
    (tmp_path / "a_strangers_module.py").write_text("raise SystemExit('was run')")
    monkeypatch.syspath_prepend(tmp_path)
    settings = json.loads((folder / "config.json").read_text())
    for change in ({"arm": "a_strangers_module:E"}, {"feed_forward": "a_strangers_module:F"}):
        changed = settings | {"encoder": settings["encoder"] | change}
        (folder / "config.json").write_text(json.dumps(changed))
        with pytest.raises(RecordError, match="import a_strangers_module first"):
            SentenceEncoder.from_pretrained(folder)
    assert "a_strangers_module" not in sys.modules


def test_an_encoder_without_a_tokenizer_is_not_saved(tmp_path):
    with pytest.raises(ConfigError, match="has no tokenizer"):
        SentenceEncoder(CONFIGS[0]).save_pretrained(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="Correct the path"):
        encoder().save_pretrained(tmp_path / "file" / "below")


def head_and_body(folder):
    _, head, body = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(head), body


def test_the_card_tells_the_data_and_the_scores_of_the_record(tmp_path):
    record = load_record(next((paths.RECORDS / "snli_mnli").glob("*/metrics.json")).parent)
    saved = SentenceEncoder(record.config.model(30522), toy_tokenizer(30522))
    head, body = head_and_body(saved.save_pretrained(tmp_path, name="small", record=record, license="cc-by-sa-4.0"))
    assert head["license"] == "cc-by-sa-4.0" and head["datasets"] == ["stanfordnlp/snli", "nyu-mll/multi_nli"]
    assert head["library_name"] == "sentence-transformers" and head["language"] == "en"
    (model,) = head["model-index"]
    found = {
        (result["dataset"]["split"], metric["type"]): metric["value"]
        for result in model["results"]
        for metric in result["metrics"]
    }
    assert model["name"] == "small" and found == {
        (split, f"{kind}_cosine"): pytest.approx(record.score(split, kind) / 100, abs=1e-6)
        for split in ("validation", "test")
        for kind in ("spearman", "pearson")
    }
    assert f"{record.score('test'):.1f}" in body and record.config.digest() in body
    assert f"{record.metrics['parameters']['embedding']:,} parameters" in body
    assert f"{record.stored_bits():,} bits" in body


def test_the_card_tells_what_is_known_beyond_stsb(tmp_path):
    record = load_record(next((paths.RECORDS / "bake_off_one_rate").glob("*/metrics.json")).parent)
    saved = SentenceEncoder(record.config.model(30522), toy_tokenizer(30522))
    _, body = head_and_body(saved.save_pretrained(tmp_path, record=record))
    for name, part in (("sick", "all"), ("sick, unseen", "unseen")):
        found = record.evaluations["sets"]["sick"][part]
        assert f"| {name} | {found['n']:,} | {found['spearman']['value']:.1f} |" in body
    for name, found in record.evaluations["matched"].items():
        assert (
            f"| {name} | {100 * found['share']:.1f} | {100 * found['low']:.1f} to {100 * found['high']:.1f} |" in body
        )


def test_the_card_claims_nothing_without_a_record(tmp_path):
    head, body = head_and_body(encoder().save_pretrained(tmp_path / "mine"))
    assert head["license"] == "unknown" and not {"datasets", "model-index", "language"} & set(head)
    assert "# mine\n" in body and "Spearman" not in body and "## Limits" in body


def test_the_scores_of_another_model_are_refused(tmp_path):
    record = load_record(next((paths.RECORDS / "snli_mnli").glob("*/metrics.json")).parent)
    with pytest.raises(ConfigError, match="is of another model"):
        encoder().save_pretrained(tmp_path, record=record)
