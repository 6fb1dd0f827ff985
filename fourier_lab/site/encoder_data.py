"""The data of the page with an encoder in it: scripts with weights and rules, and what stands there before they run."""

import base64
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from ..embeddings.frequencies import resolve_period
from ..embeddings.wide import WideFourierEmbedding
from ..errors import ConfigError
from ..models.pretrained import shipped_encoders
from ..models.sentence_encoder import SentenceEncoder
from ..paths import write_atomically
from ..text.tokenizer import token_words, tokenize
from .token_rules import token_rules

_SENTENCES = Path(__file__).with_name("encoder_sentences.txt")
EXAMPLES = (
    ("A man is playing a guitar.", "Someone plays music on a stage."),
    ("The dog bites the man.", "The man bites the dog."),
    ("The bank raised its interest rates.", "We sat on the bank of the river."),
    ("She did not like the film.", "She liked the movie very much."),
    ("A child is riding a horse.", "The quarterly report was published."),
)


def write_encoders(folder: Path) -> dict[str, Any]:
    """Write a script for each shipped encoder, and for each tokenizer, into ``folder``.

    Returns:
        dict: What the page begins with: ``encoders`` with their sizes, the smallest first, ``sentences``, ``examples``, and
        ``still``, the first example as numbers.
    """
    encoders = []
    for shown, scripts in map(_shipped, shipped_encoders()):
        encoders.append(shown)
        for name, text in scripts.items():
            write_atomically(folder / name, text)
    encoders.sort(key=lambda shown: shown["numbers"])
    return {
        "encoders": encoders,
        "sentences": _SENTENCES.read_text(encoding="utf-8").splitlines(),
        "examples": EXAMPLES,
        "still": _still(encoders[0]["name"], *EXAMPLES[0]),
    }


def encoder_data(encoder: SentenceEncoder) -> dict[str, Any]:
    """Return an encoder as ``live/encoder.js`` reads it, JSON-ready, arrays as base64 of little-endian float32.

    Raises:
        ConfigError: If it is another kind of encoder than the shipped ones.
    """
    embedding, config = encoder.embedding, encoder.config
    if not encoder.is_bag or config.pooler != "none" or not isinstance(embedding, WideFourierEmbedding):
        raise ConfigError(
            f"a page computes encoders over 'wide_fourier' without layers and pooler; this one has {config.arm!r}, "
            f"{config.n_layers} layers and the pooler {config.pooler!r}. Use SentenceEncoder.export, which writes ONNX."
        )
    all_ids = torch.arange(config.vocab_size)
    weights = torch.ones(len(all_ids)) if encoder.token_weights is None else encoder.token_weights(all_ids)
    eps = embedding.norm.eps
    return {
        "period": resolve_period(config.vocab_size, embedding.period),
        "frequencies": embedding.frequencies,
        "max_seq_len": config.max_seq_len,
        "eps": torch.finfo(torch.float32).eps if eps is None else eps,  # as torch does
        "map": _base64(embedding.map.weight),
        "gain": _base64(embedding.norm.weight),
        "weights": _base64(weights),
    }


@lru_cache(maxsize=8)
def _shipped(name: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what the page says about a shipped encoder, and its scripts by their names; the vocabulary's is shared."""
    encoder, tokenizer = _open(name)
    rules = json.dumps(token_rules(tokenizer))
    vocabulary = f"words-{hashlib.sha256(rules.encode()).hexdigest()[:8]}"
    config, data = encoder.config, encoder_data(encoder)
    shown = {
        "name": name,
        "rules": vocabulary,
        "vocab_size": config.vocab_size,
        "d_model": config.d_model,
        "n_frequencies": len(data["frequencies"]),
        "numbers": sum(p.numel() for p in encoder.parameters()),
        "of_embedding": sum(p.numel() for p in encoder.embedding.parameters()),
        "of_table": config.vocab_size * config.d_model,
    }
    return shown, {f"{key}.js": _script(key, text) for key, text in ((vocabulary, rules), (name, json.dumps(data)))}


def _script(name: str, value: str) -> str:
    return f"(self.fourierLab ??= {{}})[{json.dumps(name)}] = {value};\n"


@torch.no_grad()
@lru_cache(maxsize=8)
def _still(name: str, *sentences: str) -> dict[str, Any]:
    """Return tokens of two sentences, the cosines of their embeddings, and the cosine of the sentences."""
    encoder, tokenizer = _open(name)
    words = token_words(tokenizer)
    ids = tokenize(tokenizer, sentences, encoder.config.max_seq_len)
    first, second = (F.normalize(encoder.embedding(torch.from_numpy(row))) for row in ids)
    a, b = encoder.encode(sentences, normalize=True)
    return {
        "encoder": name,
        "sentences": sentences,
        "tokens": [[words[i] for i in row] for row in ids],
        "matrix": (first @ second.T).tolist(),
        "cosine": float(a @ b),
    }


def _open(name: str) -> tuple[SentenceEncoder, Tokenizer]:
    encoder = SentenceEncoder.from_pretrained(name)
    assert encoder.tokenizer is not None  # it came out of the same folder
    return encoder, encoder.tokenizer


def _base64(values: Tensor) -> str:
    return base64.b64encode(values.detach().numpy().astype("<f4").tobytes()).decode()
