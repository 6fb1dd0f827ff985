"""Made-up records and text in any number, to measure what grows with it; both are such as the library reads anywhere."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..config import RunConfig
from ..field_rules import ARMS
from ..provenance import commit, versions
from ..text.toy import SPECIAL_TOKENS
from ..training.records import write_record
from .workload import HYPOTHESIS_LENGTHS, PREMISE_LENGTHS, ZIPF_EXPONENT

SEEDS = 3
WORDS = 20_000
_N = {"validation": 2000, "test": 2000}
_BLOCK = 50_000
_SMALL = 64  # pairs of the splits that are not trained on


def configs(n: int) -> Iterator[RunConfig]:
    """Yield ``n`` different runs on the toy language, three seeds of each configuration."""
    for number in range(n):
        place, seed = divmod(number, SEEDS)
        rate = 1e-3 * (1 + place % 7)
        yield RunConfig(arm=ARMS[place % 2], steps=100 + place, learning_rate=rate, seed=seed, vocab_size=2000)


def write_records(folder: Path, n: int) -> None:
    """Write finished records of ``n`` runs, by the library's own writer, into ``folder``; scores are drawn."""
    rng = np.random.default_rng(0)
    shared = {"versions": versions(), "commit": commit()}
    for number, config in enumerate(configs(n)):
        scores = {
            split: {"n": size} | {
                measure: {"value": round(at, 4), "low": round(at - 2, 4), "high": round(at + 2, 4)}
                for measure, at in zip(("spearman", "pearson"), rng.normal(50, 5, 2).tolist(), strict=True)
            }
            for split, size in _N.items()
        }  # fmt: skip
        losses = np.sort(rng.random(20))[::-1].tolist()
        read = {"rows": 30_000, "used": 10_000, "dropped_held_out": 0, "fingerprint": "0" * 12}
        metrics = {
            "digest": config.digest(), "scores": scores, "validation_loss": losses[-1],
            "held_out": {f"toy/{split}": {"loss": losses[-1], "accuracy": losses[0]} for split in _N},
            "parameters": {"total": 160_000, "embedding": 16_640, "with_gradient": 160_000},
            "stored_bits": {"total": 5_120_000, "embedding": 532_480}, "duration_s": round(config.steps / 30, 3),
            "pairs_per_s": 7000.0, "peak_memory_bytes": 2**29 + number, "precision": "float32", "device": "cpu",
            "threads": 1,
            "data": {"train": {"toy": read}, "train_pairs": 10_000, "vocab_size": 2000, "vocabulary": "0" * 12,
                     "graded": {split: {"rows": size, "fingerprint": "0" * 12} for split, size in _N.items()}},
            **shared,
        }  # fmt: skip
        steps = np.linspace(1, config.steps, len(losses)).round().tolist()
        history = [
            {"step": step, "loss": loss, "scale": 20.0, "learning_rate": 1e-3, "validation_loss": loss, "seconds": step}
            for step, loss in zip(steps, losses, strict=True)
        ]
        resampled = rng.integers(4500, 5500, (2, 1000)).astype(np.int16)
        write_record(folder / config.digest(), config, metrics, history, resampled=resampled)


def write_pairs(folder: Path, n: int) -> None:
    """Write ``n`` entailment pairs to train on, and what else a run on ``snli`` reads, as Parquet into ``folder``.

    Sentences have SNLI's lengths and Zipf-distributed made-up words; nearly every one is another.
    """
    rng = np.random.default_rng(0)
    words = [_word(number) for number in range(WORDS)]
    splits = {
        "snli/train": n,
        **{f"snli/{split}": _SMALL for split in _N},
        **{f"stsb/{s}": _SMALL for s in ("train", *_N)},
    }
    for name, size in splits.items():
        columns = ("premise", "hypothesis") if name.startswith("snli") else ("sentence1", "sentence2")
        _write(folder / f"{name}.parquet", columns, size, words, rng)
    (folder / "tokenizer").mkdir(exist_ok=True)
    (folder / "tokenizer" / "vocab.txt").write_text("\n".join((*SPECIAL_TOKENS, *words)) + "\n")


def _word(number: int) -> str:
    """Spell a number in letters, least digit first."""
    text = ""
    while number or not text:
        number, digit = divmod(number, 26)
        text += chr(ord("a") + digit)
    return text


def _write(path: Path, columns: tuple[str, str], n: int, words: list[str], rng: np.random.Generator) -> None:
    import pyarrow as pa
    from pyarrow import compute, parquet

    weights = np.arange(1, len(words) + 1) ** -ZIPF_EXPONENT
    chance, spelled = weights.cumsum() / weights.sum(), pa.array(words)

    def sentences(lengths: tuple[int, ...], size: int) -> pa.Array:
        length = 2 + rng.choice(len(lengths), size, p=np.array(lengths) / sum(lengths))
        ids = np.searchsorted(chance, rng.random(length.sum())).clip(max=len(words) - 1)
        ends = np.concatenate(([0], length.cumsum())).astype(np.int32)
        return compute.binary_join(pa.ListArray.from_arrays(ends, spelled.take(pa.array(ids))), " ")

    path.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([(columns[0], pa.string()), (columns[1], pa.string()), ("label", pa.int64())])
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, n, _BLOCK):
            size = min(_BLOCK, n - start)
            first, second = (sentences(lengths, size) for lengths in (PREMISE_LENGTHS, HYPOTHESIS_LENGTHS))
            labels = np.zeros(size, np.int64) if columns[0] == "premise" else np.arange(size) % 6
            writer.write_batch(pa.record_batch([first, second, pa.array(labels)], schema=schema))
