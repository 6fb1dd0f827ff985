"""What a record holds at least, for tests of whatever reads records."""

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
