"""Token embeddings computed from the id by a Fourier expansion, against learned tables: a library for the study.

Names are imported on first use, so that ``import fourier_lab`` costs little beyond torch.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "CausalLM": "models.causal_lm",
    "FourierEmbedding": "embeddings.fourier",
    "FourierHead": "models.fourier_head",
    "LearnedEmbedding": "embeddings.fourier",
    "ModelConfig": "config",
    "RunConfig": "config",
    "RunRecord": "training.records",
    "SentenceEncoder": "models.sentence_encoder",
    "SentencePairs": "text.pairs",
    "TrainResult": "training.train",
    "check_embedding": "embeddings.interface",
    "expand": "config",
    "fourier_basis": "embeddings.basis",
    "frequency_set": "embeddings.basis",
    "load_encoder": "training.records",
    "load_pairs": "text.pairs",
    "load_record": "training.records",
    "load_records": "training.records",
    "polynomial_basis": "embeddings.basis",
    "read_parameters": "headless.parameters",
    "replace_embedding": "adapters.transformers",
    "stored_bits": "embeddings.interface",
    "train": "training.train",
    "train_all": "training.train",
}
_OPTIONAL = {"replace_embedding"}  # need a package of an extra, which 'from fourier_lab import *' must not
__all__ = sorted(_HOME.keys() - _OPTIONAL)
import_module(".adapters.arrival", __name__).watch()  # transformers may come later, and asks who saved a model


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
    return sorted({*globals(), *_HOME})
