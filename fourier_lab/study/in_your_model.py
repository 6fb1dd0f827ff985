"""For who wants the layer in a model: what shipped encoders store and score, and tiny models of transformers with it."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..config import RunConfig
from ..errors import MissingPackageError
from ..models.pretrained import shipped_encoders
from ..models.sentence_encoder import SentenceEncoder
from ..paths import RECORDS, SHIPPED_ENCODERS
from ..tables.summaries import difference_columns, mean_columns
from ..text.pairs import load_pairs
from ..text.tokenizer import tokenize, toy_tokenizer
from ..training.records import RunRecord
from .bake_off import BEYOND, MATCHED, MEASURES, SPLITS, THREE_SETS, idf_floor, method

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

SIZES = {"fourier-100k": 100_000, "fourier-400k": 400_000, "fourier-1m": 1_000_000}
RECORD = RECORDS / "in_your_model.csv"
_VOCAB_SIZE, _WIDTH, _LENGTH, _BATCH = 5000, 64, 16, 32
_RATE = 3e-3
_FILES = ("model.safetensors", "tokenizer.json")
# Name of each replacement, and what becomes of the output layer, which shares the table in both families.
_REPLACED = {"table": None, "random waves, output keeps its table": "decouple", "random waves on both sides": "compute"}
_FAMILIES: Mapping[str, Mapping[str, Any]] = {
    "BertForMaskedLM": {
        "hidden_size": _WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 128,
    },
    "GPT2LMHeadModel": {"n_embd": _WIDTH, "n_layer": 1, "n_head": 2, "n_positions": _LENGTH,
                        "bos_token_id": 2, "eos_token_id": 3},
}  # fmt: skip


def size_name(config: RunConfig) -> str:
    """Return which shipped encoder a run of ``sweeps/shipped.yaml`` is of: the smallest whose bound it keeps.

    Example:
        >>> size_name(RunConfig(arm="wide_fourier", vocab_size=12000, d_model=256, embedding_options={"n_frequencies": 171}))
        'fourier-100k'
    """
    frequencies = dict(config.embedding_options).get("n_frequencies", 512)
    numbers = config.vocab_size + config.d_model * (2 * frequencies + 1)
    return next((name for name, most in SIZES.items() if numbers <= most), "of another size")


def judged(record: RunRecord) -> float:
    """Return what settings are chosen by: percent of pairs matched among 128, mean of SNLI's and MNLI's validation."""
    return float(np.mean([MATCHED[name](record) for name in ("SNLI validation", "MNLI matched")]))


def chosen(records: Sequence[RunRecord]) -> dict[str, RunRecord]:
    """Return the run of each size with the most held-out pairs matched; no similarity score has a say."""
    best: dict[str, RunRecord] = {}
    for record in records:
        size = size_name(record.config)
        best[size] = max(best.get(size, record), record, key=judged)
    return best


def over_bag(records: Sequence[RunRecord], sweep: str) -> "pd.DataFrame":
    """Return what each size has more than the untrained idf bag, in points: mean and half width over seeds, as text.

    Args:
        records: Finished runs of ``sweep``.
        sweep: The folder in ``results/`` that also holds the bag's scores.
    """
    import pandas as pd

    _, floor = idf_floor(sweep)
    rows: dict[str, dict[str, str]] = {}
    for name, value in MEASURES.items():
        columns = mean_columns(records, value, size_name)
        for size, mean, low in zip(columns["group"], columns["value"], columns["low"], strict=True):
            rows.setdefault(size, {})[name] = f"{mean - floor[name]:+.1f} ± {mean - low:.1f}"
    return pd.DataFrame.from_dict(rows, orient="index")


def bag_headline(records: Sequence[RunRecord], sweep: str) -> str:
    """Return the title of a figure of encoders: how far the smallest and the largest are from the untrained idf bag."""
    _, floor = idf_floor(sweep)
    columns = mean_columns(records, MEASURES[THREE_SETS], size_name)
    over = [f"{mean - floor[THREE_SETS]:+.1f}" for mean in columns["value"]]
    return f"From {over[0]} to {over[-1]} points over an untrained idf bag ({THREE_SETS})"


def over_table(records: Sequence[RunRecord]) -> "pd.Series":
    """Return what the computed embedding has more than the table, in points by seed: mean and half width, as text.

    Args:
        records: Finished runs of ``sweeps/tenth.yaml``.
    """
    import pandas as pd

    found = {}
    measures: dict[str, Callable[[RunRecord], float]] = {**SPLITS, **BEYOND, **MATCHED}
    for name, value in measures.items():
        columns = difference_columns(records, value, method, "table", series=lambda config: "")
        ((mean, high),) = zip(columns["value"], columns["high"], strict=True)
        found[name] = f"{mean:+.1f} ± {high - mean:.1f}"
    return pd.Series(found, name="points over the table")


def stored() -> "pd.DataFrame":
    """Return what each shipped encoder is made of: numbers in all and in the embedding, and the sizes of its files in kB."""
    import pandas as pd

    rows = {}
    for name in sorted(shipped_encoders(), key=lambda name: ([*SIZES].index(name.removesuffix("-distilled")), name)):
        encoder, folder = SentenceEncoder.from_pretrained(name), SHIPPED_ENCODERS / name
        config = encoder.config
        rows[name] = {
            "numbers": sum(p.numel() for p in encoder.parameters()),
            "of the embedding": sum(p.numel() for p in encoder.embedding.parameters()),
            "of a table": config.vocab_size * config.d_model,
            **{f"{file}, kB": round((folder / file).stat().st_size / 1000) for file in _FILES},
        }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index")


def tiny_models(steps: int = 150) -> "pd.DataFrame":
    """Train tiny random models of transformers on the toy language, with their table and with a computed embedding.

    Args:
        steps: Of AdamW, on 32 sentences each.

    Returns:
        A row per family and embedding: steps, numbers in the model, loss (nats) of the first step and of the last ten, and
        the largest difference between a saved and the loaded model's numbers. The committed ones where transformers is not
        installed; ``attrs["source"]`` says which.
    """
    import pandas as pd

    try:
        frame, source = pd.DataFrame(_measured(steps)), "measured now"
    except MissingPackageError as error:
        frame, source = pd.read_csv(RECORD), f"committed ones, since {error}"
    frame = frame.set_index(["model", "embedding"])
    frame.attrs["source"] = source
    return frame


def _measured(steps: int) -> Sequence[Mapping[str, Any]]:
    rows = []
    for family, sizes in _FAMILIES.items():
        for name, tied in _REPLACED.items():
            model = _random_model(family, sizes, tied)
            losses = _train(model, steps)
            rows.append({
                "model": family, "embedding": name, "steps": steps, "numbers": sum(p.numel() for p in model.parameters()),
                "first loss": losses[0], "last loss": float(np.mean(losses[-10:])), "after loading": _reloaded(model),
            })  # fmt: skip
    return rows


def _random_model(family: str, sizes: Mapping[str, Any], tied: str | None) -> Any:
    """Return a model drawn with seed 0, whose embedding is replaced unless ``tied`` is None."""
    import importlib

    import torch

    from ..adapters.transformers import replace_embedding  # says what to install where transformers is missing

    with torch.random.fork_rng():
        torch.manual_seed(0)
        kind = getattr(importlib.import_module("transformers"), family)
        model = kind(kind.config_class(vocab_size=_VOCAB_SIZE, **sizes))
        return model if tied is None else replace_embedding(model, "random", tied=tied)


def _batch(rng: np.random.Generator, sentences: Sequence[np.ndarray], masked: bool) -> tuple["Tensor", "Tensor"]:
    """Return ids and what is to be told of them, int64 ``(32, 16)``: each next id, or the masked ones (-100: not asked)."""
    import torch

    ids = np.zeros((_BATCH, _LENGTH), dtype=np.int64)
    for row, i in zip(ids, rng.integers(len(sentences), size=_BATCH), strict=True):
        row[: min(_LENGTH, len(sentences[i]))] = sentences[i][:_LENGTH]
    asked = ids > 0
    if masked:
        asked &= rng.random(ids.shape) < 0.15
        asked[:, 1] = True  # at least one of each sentence
    shown = np.where(asked, 1, ids) if masked else ids
    return torch.from_numpy(shown), torch.from_numpy(np.where(asked, ids, -100))


def _train(model: Any, steps: int) -> list[float]:
    import torch

    sentences = tokenize(
        toy_tokenizer(_VOCAB_SIZE), load_pairs("toy", "train", vocab_size=_VOCAB_SIZE).first[:2000], _LENGTH
    )
    rng, losses = np.random.default_rng(0), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE)
    with torch.random.fork_rng():
        torch.manual_seed(0)  # dropout
        model.train()
        for _ in range(steps):
            ids, labels = _batch(rng, sentences, "MaskedLM" in type(model).__name__)
            loss = model(input_ids=ids, labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def _reloaded(model: Any) -> float:
    """Return the largest difference between a model's numbers and those of the same after saving and loading."""
    import tempfile

    import torch

    ids = torch.arange(4, 4 + _LENGTH).unsqueeze(0)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        model.eval().save_pretrained(folder)
        loaded = type(model).from_pretrained(folder).eval()
        return (model(input_ids=ids).logits - loaded(input_ids=ids).logits).abs().max().item()
