"""Benchmarks at tiny size: rows are complete and ratios follow from the measured numbers. No time is judged here."""

import itertools
import json
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fourier_lab import ModelConfig, SentenceEncoder, paths
from fourier_lab.bench import attention, encode, feed_forward, head, page, prompts, suite, workload
from fourier_lab.bench.head import HEAD
from fourier_lab.bench.rivals import encode_as_published
from fourier_lab.errors import ConfigError
from fourier_lab.text.batches import pack

TINY = suite.Size(
    d_model=8,
    vocab_size=5000,
    batch_size=4,
    tokens=64,
    large_vocab_size=9000,
    large_d_model=8,
    matmul=16,
    head_share=16,
    head_threads=1,
    sentences=40,
    attention_tokens=32,
    feed_forward_tokens=8,
    feed_forward_width=128,
    repeats=1,
)
HIGHER_IS_BETTER = ("pairs/s", "GFLOP/s", "sentences/s")
SMALL_HEADS = ("head_30522", "head_memory_128256", "head_adaptive_50257")
THEIRS = [name for name in suite.BENCHMARKS if name.startswith("sentence_transformers")]  # need an extra


@pytest.fixture(autouse=True)
def no_corpus(monkeypatch):
    monkeypatch.delenv("FOURIER_LAB_DATA", raising=False)


def check_row(row):
    assert list(row) == ["name", "what", "ours", "theirs", "unit", "ratio", "target", "met", "detail"]
    assert row["ours"] > 0 and row["theirs"] > 0 and isinstance(row["met"], bool)
    better, worse = ("ours", "theirs") if row["unit"] in HIGHER_IS_BETTER else ("theirs", "ours")
    assert row["ratio"] == pytest.approx(row[better] / row[worse])


@pytest.mark.parametrize(
    "name", [name for name in (*suite.BENCHMARKS, *SMALL_HEADS, "encode_tokenising") if name not in THEIRS]
)
def test_row_is_complete_and_its_ratio_is_that_of_its_numbers(name, tmp_path):
    lines = []
    (row,) = suite.run_benchmarks([name], tmp_path / "bench.json", size=TINY, report=lines.append)
    check_row(row)
    assert row["name"] == name and lines == [f"measuring {name}"]
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written["rows"] == [row]
    assert written["machine"]["threads"] == torch.get_num_threads()
    assert written["machine"]["versions"]["torch"] == torch.__version__
    assert f"{name}: {row['what']}" in suite.table([row])


@pytest.mark.parametrize("name", ["bfloat16_step", "bfloat16_recipe", "bfloat16_matmul"])
@pytest.mark.parametrize("has_units", [True, False])
def test_rows_in_bfloat16_are_measured_where_the_processor_multiplies_it(name, has_units, monkeypatch):
    monkeypatch.setattr(suite, "multiplies_bfloat16", lambda device: has_units)
    (row,) = suite.run_benchmarks([name], size=TINY)
    if has_units:
        check_row(row)
        assert row["detail"]["dtype"] == "torch.bfloat16"
    else:
        assert row["ours"] is None and "avx512_bf16" in row["detail"]["missing"]


@pytest.mark.filterwarnings("ignore")  # theirs: deprecations inside transformers and accelerate
@pytest.mark.parametrize("name", THEIRS)
def test_sentence_transformers_row(name):
    pytest.importorskip("sentence_transformers", reason="an extra: pip install 'fourier_lab[bench]'")
    (row,) = suite.run_benchmarks([name], size=TINY)
    check_row(row)
    assert row["detail"]["repeats"] == TINY.repeats
    assert row["detail"]["parameters"] > TINY.vocab_size * TINY.d_model


def test_without_browser_or_page_a_row_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(page.paths, "REPORTS", tmp_path)
    monkeypatch.setenv("FOURIER_LAB_CHROMIUM", "/bin/true")
    monkeypatch.setattr(page, "find_spec", lambda name: True)
    rows = suite.run_benchmarks(["page"])
    assert [row["name"] for row in rows] == ["page_first_view", "page_panning"] and suite.table(rows)
    assert all(row["met"] is None and "run 'fourier-lab site'" in row["detail"]["missing"] for row in rows)
    monkeypatch.delenv("FOURIER_LAB_CHROMIUM")
    monkeypatch.setattr(page.shutil, "which", lambda name: None)
    assert "apt-get install chromium" in suite.run_benchmarks(["page_panning"])[0]["detail"]["missing"]
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    assert "pip install playwright" in suite.run_benchmarks(["page_panning"])[0]["detail"]["missing"]


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(suite, "find_spec", lambda name: None)
    (row,) = suite.run_benchmarks(["sentence_transformers"], size=TINY)
    assert row["ratio"] is None and row["met"] is None
    assert "pip install 'fourier_lab[bench]'" in suite.table([row])


def test_what_is_measured_is_kept_when_the_next_is_interrupted(tmp_path, monkeypatch):
    def interrupted(size):
        raise KeyboardInterrupt

    monkeypatch.setitem(suite.BENCHMARKS, "matmul", interrupted)
    with pytest.raises(KeyboardInterrupt):
        suite.run_benchmarks(["embedding", "matmul"], tmp_path / "bench.json", size=TINY)
    assert [row["name"] for row in json.loads((tmp_path / "bench.json").read_text())["rows"]] == ["embedding"]
    with pytest.raises(ConfigError, match="is a folder"):
        suite.run_benchmarks(["import"], tmp_path, size=TINY)


def test_one_name_stands_for_all_benchmarks_of_the_output_layer(monkeypatch):
    for name in HEAD:
        monkeypatch.setitem(HEAD, name, lambda size: {})
    rows = suite.run_benchmarks(["head", "import"], size=TINY)
    assert [row["name"] for row in rows] == [*HEAD, "import"]


def test_encoders_of_others_read_the_same_sentences_where_they_are_installed():
    read = []

    def rival(encoder):
        return lambda texts: read.append(texts) or np.array([sum(map(ord, text)) for text in texts * 50])

    def missing(encoder):
        raise ImportError("No module named 'other'")

    row = {"name": "x", **encode.speed(TINY, rival, 30, 1.5)}
    check_row(row)
    assert (
        [*map(len, read)] == [30] * (TINY.repeats + 1) and row["target"] == ">= 1.5x" and "30 sentences" in row["what"]
    )
    row = encode.speed(TINY, missing, 30, 1.5)
    assert row["ours"] is row["met"] is None and "No module named 'other'. pip install" in row["detail"]["missing"]


@pytest.mark.parametrize("kind", ["fourier", "dense", "adaptive"])
def test_a_step_of_an_output_layer_moves_its_weights_down_the_loss(kind, monkeypatch):
    torch.manual_seed(0)
    (module, loss_of), losses = head.build(kind, 300, 16), []
    monkeypatch.setattr(head, "build", lambda *_: (module, lambda h, t: losses.append(loss_of(h, t)) or losses[-1]))
    step = head.make_step(kind, 300, 16, 32)
    before = [p.detach().clone() for p in module.parameters()]
    for i in range(5):
        step(i)
    assert losses[-1] < losses[0] and all(
        not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True)
    )


def test_growth_is_the_power_by_which_the_times_grow(monkeypatch):
    monkeypatch.setattr(
        head, "make_step", lambda kind, v, d, tokens: v**0.9 * d**0.2 if kind == "fourier" else v * d**1.1
    )
    monkeypatch.setattr(head, "alternate", lambda sides, repeats: {side: [step] * 3 for side, step in sides.items()})
    rows = suite.run_benchmarks(["head_growth_v", "head_growth_d"], size=TINY)
    assert [row["ours"] for row in rows] == pytest.approx([0.9, 0.2])
    assert [row["theirs"] for row in rows] == pytest.approx([1.0, 1.1])
    assert all(row["met"] for row in rows)


def test_memory_of_a_dense_layer_is_at_least_its_weights_gradient_moments_and_logits():
    (row,) = suite.run_benchmarks(["head_memory_30522"], size=replace(TINY, head_share=2))
    v, d, tokens = 30522 // 2, 256 // 2, 256
    assert row["theirs"] > 4 * (4 * v * d + 2 * v * tokens) / 1e6 > 2 * row["ours"]


def test_the_tipping_point_is_where_the_times_cross(monkeypatch):
    """Of times that grow as the operations do, it is 6 d, and the local attention is cheaper from three windows on."""
    d, size = 128, replace(TINY, attention_tokens=4096)
    monkeypatch.setattr(attention, "LENGTHS", (16, 256, 4096))
    monkeypatch.setattr(attention, "parts", lambda kind, d, n, tokens: (None, (kind, n)))
    monkeypatch.setattr(attention, "rest", lambda d, tokens: ("rest", 0))

    def operations(side):
        kind, n = side.args[0]
        return {"full": 4 * n * d, "local": 12 * 64 * d, "linear": 4 * d * 64, "rest": 24 * d * d}[kind]

    monkeypatch.setattr(
        attention, "alternate", lambda sides, repeats, clock: {k: [operations(s)] for k, s in sides.items()}
    )
    (row,) = suite.run_benchmarks(["attention_128"], size=size)
    check = row["detail"]["full_dearer_from"]
    assert row["ours"] == pytest.approx(768) and row["theirs"] == 768 and row["met"]
    assert check["local"] == pytest.approx(192) and check["linear"] == pytest.approx(64)
    monkeypatch.setattr(attention, "LENGTHS", (16, 256))
    (row,) = suite.run_benchmarks(["attention_128"], size=size)
    assert row["ours"] is row["met"] is None and "below up to 256 tokens" in row["detail"]["missing"]


def test_the_rest_of_a_block_is_24_d_squared_operations_a_token():
    rest = attention.rest(16, 10)
    with FlopCounterMode(display=False) as counter:
        rest()
    assert counter.get_total_flops() == 24 * 16**2 * 10


def test_attention_is_measured_and_adds_memory(monkeypatch):
    added = {"full": 3e6, "local": 2e6, "linear": 1e6}
    monkeypatch.setattr(
        attention, "run_child", lambda code: next(f"{n:.0f}" for kind, n in added.items() if kind in code)
    )
    rows = suite.run_benchmarks(["attention_128", "attention_memory_128"], size=replace(TINY, attention_tokens=256))
    times = rows[0]["detail"]
    assert times["lengths"] == [16, 32, 64, 128, 256]
    assert all(len(each) == 5 and min(each) > 0 for each in times["seconds"].values())
    check_row(rows[1])
    assert rows[1]["detail"]["MB"] == {"full": 3, "local": 2, "linear": 1} and rows[1]["ratio"] == 3
    assert attention.memory_case("local", 16, 256) >= 0


def test_low_rank_is_faster_from_the_width_at_which_the_times_cross(monkeypatch):
    dense, half = {64: 1.0, 128: 4.0, 256: 16.0}, {64: 2.0, 128: 4.0, 256: 8.0}

    def seconds(sides, repeats, clock):
        (d,) = {call.args[1].shape[1] for call in sides.values()}
        sizes = {
            name: sum(p.numel() for p in call.args[0].parameters() if p.dim() == 2) for name, call in sides.items()
        }
        shares = {name: size / (12 * d * d) for name, size in sizes.items()}
        assert shares == pytest.approx({"dense": 1, "low rank, 63 %": 0.63, "low rank, 32 %": 0.32}, abs=0.01)
        return {name: [dense[d] if name == "dense" else half[d] if "32" in name else 99.0] for name in sides}

    monkeypatch.setattr(feed_forward, "alternate", seconds)
    (row,) = suite.run_benchmarks(["feed_forward"], size=replace(TINY, feed_forward_width=256))
    assert row["ours"] == pytest.approx(128) and row["theirs"] == 1536 and row["met"] is None
    assert row["detail"]["dense_dearer_from"]["low rank, 63 %"] is None and row["detail"]["widths"] == [64, 128, 256]
    half.update(dict.fromkeys(half, 99.0))
    (row,) = suite.run_benchmarks(["feed_forward"], size=replace(TINY, feed_forward_width=128))
    assert row["ours"] is None and "not slower up to 128" in row["detail"]["missing"]


def test_feed_forwards_are_measured():
    (row,) = suite.run_benchmarks(["feed_forward"], size=TINY)
    assert [*map(len, row["detail"]["seconds"].values())] == [2, 2, 2]
    assert min(min(each) for each in row["detail"]["seconds"].values()) > 0


def test_prompts_are_measured_beside_the_same_sentences_without(monkeypatch):
    monkeypatch.setattr(prompts, "COUNTS", (2, 3))
    tokens = []

    def seconds(sides, repeats, clock):
        tokens.append(
            {name: (call.args[0].config.attention, sum(map(len, call.args[1]))) for name, call in sides.items()}
        )
        for call in sides.values():
            call(0)
        return {name: [float(i)] for i, name in enumerate(sides)}

    monkeypatch.setattr(prompts, "alternate", seconds)
    (row,) = suite.run_benchmarks(["prompts"], size=TINY)
    sentences, n = 2 * TINY.batch_size, prompts.TOKENS
    assert tokens[1] == {
        "none": ("full", n * sentences), "as tokens": ("full", (n + 3) * sentences),
        "keys and values": ("prompts", n * sentences), "approximated": ("apt", n * sentences),
    }  # fmt: skip
    assert (row["ours"], row["theirs"]) == (3000, 1000) and row["ratio"] == pytest.approx(1 / 3)


def test_unknown_name_is_refused():
    with pytest.raises(ConfigError, match="no benchmark speed.*Known: recipe"):
        suite.run_benchmarks(["speed"], size=TINY)


def test_sides_take_turns_and_the_warm_up_is_left_out(monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    calls = []
    seconds = suite.alternate({"ours": lambda i: calls.append(i), "theirs": lambda i: calls.append(-i)}, 2)
    assert calls == [0, 0, 1, -1, 2, -2]
    assert seconds == {"ours": [1.0, 1.0], "theirs": [1.0, 1.0]}


def test_ratio_is_of_medians_and_meets_its_target_from_there_on():
    seconds = {"ours": [0.1, 0.2, 9.0], "theirs": [0.5, 0.4, 0.1]}
    row = suite.compare("x", seconds, 2.0, pairs=10)
    assert (row["ours"], row["theirs"], row["unit"]) == (pytest.approx(50), pytest.approx(25), "pairs/s")
    assert row["ratio"] == pytest.approx(2) and row["met"]
    times = suite.compare("x", seconds, 2.1)
    assert (times["ours"], times["theirs"], times["unit"]) == (pytest.approx(200), pytest.approx(400), "ms")
    assert not times["met"]


def test_published_recipe_computes_the_same_function():
    """Sides of a ratio must do the same work: on sentences of one length the outputs agree up to float32 features."""
    torch.manual_seed(0)
    encoder = SentenceEncoder(ModelConfig("fourier", 5000, d_model=16, n_layers=2, n_heads=2)).train()
    ids = torch.randint(5000, (3, 128))
    expected = encoder.encode_packed(pack(list(ids.numpy())))
    torch.testing.assert_close(encode_as_published(encoder, ids), expected, atol=1e-4, rtol=0)


def test_recipe_side_pads_to_the_longest_length():
    trainer = workload.make_trainer(TINY, suite.PublishedTrainer)
    shapes = []
    trainer.encoder.pooler.register_forward_hook(lambda module, inputs, output: shapes.append(inputs[0].shape))
    trainer.encoder.blocks[0].feed_forward.w1.register_forward_hook(
        lambda m, inputs, output: shapes.append(inputs[0].shape)
    )
    trainer.update(np.arange(4))
    assert shapes == [(4, 128, 8), (4, 8)] * 2


def test_operations_of_the_recipe_are_those_counted_by_hand():
    trainer = workload.make_trainer(TINY, suite.PublishedTrainer)
    d, positions, sentences = 8, 2 * 4 * 128, 2 * 4
    # Query, key, value, output and feed-forward of 12 d² have a forward and two backward products, as the pooler has; the
    # embedding's map lacks the one towards its input, which no weight made.
    forward = 2 * d * d
    expected = positions * forward * (3 * 16 + 2) + sentences * forward * 3 + 3 * (2 * 4 * 4 * d)
    assert suite._operations(trainer, np.arange(4)) == expected


def test_material_has_the_lengths_of_snli():
    size = suite.Size(batch_size=128, repeats=9)
    text = workload.text_for(size)
    pieces = [np.mean([2 + len(s.split()) for s in side]) for side in (text.first, text.second)]
    np.testing.assert_allclose(pieces, [16.8, 9.9], atol=0.5)
    words = [
        {word for side in (text.first, text.second) for i in batch for word in side[i].split()}
        for batch in workload.batches_of(size)
    ]
    assert 600 < np.mean([len(distinct) for distinct in words]) < 820  # 709 in SNLI


EARLIER = """
from types import SimpleNamespace

RunConfig = SimpleNamespace


def train(config, runs):
    return SimpleNamespace(metrics={"duration_s": 7 * config.steps})
"""


def test_a_build_is_measured_against_the_one_that_is_named(tmp_path):
    (row,) = suite.run_benchmarks(["builds_step"], size=TINY)
    assert row["ours"] is None and "--before FOLDER" in row["detail"]["missing"]
    with pytest.raises(ConfigError, match="holds no build: no fourier_lab/__init__.py"):
        suite.run_benchmarks(["builds_step"], size=replace(TINY, before=tmp_path))
    (tmp_path / "fourier_lab").mkdir()
    (tmp_path / "fourier_lab" / "__init__.py").write_text(EARLIER)
    (row,) = suite.run_benchmarks(["builds_step"], size=replace(TINY, before=tmp_path))
    check_row(row)
    assert row["theirs"] == 7000 and row["ours"] < 7000 and row["detail"]["repeats"] == TINY.repeats
    (row,) = suite.run_benchmarks(["builds_encode"], size=replace(TINY, before=paths.PROJECT))
    check_row(row)
