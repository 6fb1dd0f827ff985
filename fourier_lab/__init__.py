"""Token embeddings computed from the id by a Fourier expansion, against learned tables: a library for the study.

Names are imported on first use, so that ``import fourier_lab`` costs little beyond torch.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "FourierEmbedding": "embeddings",
    "LearnedEmbedding": "embeddings",
    "ModelConfig": "config",
    "RunConfig": "config",
    "RunRecord": "runs",
    "SentenceEncoder": "encoder",
    "SentencePairs": "data",
    "TrainResult": "training",
    "expand": "config",
    "fourier_basis": "basis",
    "frequency_set": "basis",
    "load_encoder": "runs",
    "load_pairs": "data",
    "load_record": "runs",
    "load_records": "runs",
    "polynomial_basis": "basis",
    "read_parameters": "params",
    "train": "training",
    "train_all": "training",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
        globals()[name] = value
        return value
    try:
        return import_module(f".{name}", __name__)
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
