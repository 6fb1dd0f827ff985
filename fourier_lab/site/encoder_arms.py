"""The two runs that ship with the study, for the page that compares them: computed rows, and rows looked up in a table."""

import json
from pathlib import Path
from typing import Any

from ..embeddings.fourier import LearnedEmbedding
from ..models.sentence_encoder import SentenceEncoder
from ..paths import write_atomically
from ..series import series_name
from ..training.records import load_encoder, load_record
from ..widgets.at_hand import SHIPPED
from .encoder_data import epsilon, fourier_map, script, sizes, vocabulary_script
from .packing import packed


def write_arms(folder: Path) -> list[dict[str, Any]]:
    """Write a script for each shipped run, and for their vocabulary, into ``folder``.

    Returns:
        list: Of each run, the table last, what the page says about it: ``name`` of its script, ``series``, ``rules``
        (the script of its vocabulary), and the sizes of :func:`fourier_lab.site.encoder_data.sizes`.
    """
    shown = []
    for arm in ("fourier", "learned"):
        encoder, record = load_encoder(SHIPPED / arm), load_record(SHIPPED / arm, with_history=False)
        name, (rules, text) = f"arm-{arm}", vocabulary_script(encoder.tokenizer)
        write_atomically(folder / f"{rules}.js", text)
        write_atomically(folder / f"{name}.js", script(name, json.dumps(_data(encoder))))
        shown.append({"name": name, "series": series_name(record.config), "rules": rules, **sizes(encoder)})
    return shown


def _data(encoder: SentenceEncoder) -> dict[str, Any]:
    """Return an encoder of these two runs' kind as ``layered`` of ``live/encoder.js`` reads it.

    Weights are packed with the 16 bits that these runs are rounded to; the map of computed rows, to which the skip is added,
    has 32.
    """
    embedding: Any = encoder.embedding
    weights = {name: packed(value, "<f2") for name, value in encoder.state_dict().items()}
    rows: dict[str, Any] = {"gain": weights["embedding.norm.weight"]}
    if isinstance(embedding, LearnedEmbedding):
        rows["table"] = weights["embedding.table.weight"]
    else:
        rows |= fourier_map(embedding, encoder.config.vocab_size) or {}
    parts = {"qkv": "attention.qkv", "out": "attention.out", "w1": "feed_forward.w1", "w2": "feed_forward.w2"}
    layers = [
        {f"{short}.{kind}": weights[f"blocks.{i}.{long}.{kind}"] for short, long in parts.items() for kind in _LINEAR}
        | {norm: weights[f"blocks.{i}.{norm}.weight"] for norm in ("norm1", "norm2")}
        for i in range(encoder.config.n_layers)
    ]
    return {
        "embedding": rows,
        "layers": layers,
        "pooler": {f"pooler.{kind}": weights[f"pooler.{kind}"] for kind in _LINEAR},
        "heads": encoder.config.n_heads,
        "eps": epsilon(embedding.norm),
        "max_seq_len": encoder.config.max_seq_len,
    }


_LINEAR = ("weight", "bias")
