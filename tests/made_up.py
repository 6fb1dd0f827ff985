"""Records without a run, for tests of whatever reads records; METRICS is what a record holds at least."""

from pathlib import Path

from fourier_lab import RunConfig, RunRecord

ONE = {"value": 50.0, "low": 48.0, "high": 52.0}
GRADED = {"n": 100, "spearman": ONE, "pearson": ONE}
METRICS = {
    "scores": {"validation": GRADED, "test": GRADED},
    "parameters": {"total": 1000, "embedding": 100, "with_gradient": 900},
    "data": {},
    "validation_loss": 1.5,
    "duration_s": 5.0,
    "peak_memory_bytes": 2**30,
}


def spelled(embedding):
    """The embedding itself, with made-up words if it reads how tokens are spelled."""
    if hasattr(embedding, "set_words"):
        embedding.set_words([f"word {i}" for i in range(embedding.num_embeddings)])
    return embedding


def record(dev: float, test: float, **changes) -> RunRecord:
    """A record of these settings with these scores, that is in no folder."""
    config = RunConfig(**changes)
    scores = {
        split: {m: {"value": v, "low": v - 3, "high": v + 3} for m in ("spearman", "pearson")} | {"n": 9}
        for split, v in (("validation", dev), ("test", test))
    }
    metrics = {
        "digest": config.digest(), "scores": scores, "validation_loss": 1.5, "duration_s": 10.0,
        "peak_memory_bytes": 2**30, "parameters": {"total": 1000, "embedding": 100, "with_gradient": 900}, "data": {},
    }  # fmt: skip
    return RunRecord(Path("missing"), config, metrics, [{"step": config.steps, "loss": 2.0}])
