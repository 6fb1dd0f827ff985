"""The data of the page with an encoder in it: scripts with weights and rules, and what stands there before they run."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from markupsafe import Markup
from tokenizers import Tokenizer

from ..embeddings.fourier import FourierEmbedding
from ..embeddings.frequencies import resolve_period
from ..embeddings.wide import WideFourierEmbedding
from ..errors import ConfigError, RecordError, way_out
from ..models.pretrained import shipped_encoders
from ..models.sentence_encoder import SentenceEncoder
from ..paths import write_atomically
from ..text.tokenizer import token_words, tokenize
from .packing import packed
from .templating import templates
from .token_rules import token_rules

_FOLDER = Path(__file__).parent
_SENTENCES = _FOLDER / "encoder_sentences.txt"
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
    # The distilled one has as many numbers as the largest, which are most of the site.
    names = [name for name in shipped_encoders() if not name.endswith("-distilled")]
    whole = sorted(map(_shipped, names), key=lambda each: each.shown["numbers"])
    for each in whole:
        for name, text in each.scripts.items():
            write_atomically(folder / f"{name}.js", text)
    return _first_view([each.shown for each in whole], whole[0].still)


def write_encoder_page(encoder: SentenceEncoder, out: Path, name: str) -> Path:
    """Write one file in which an encoder runs in a browser, from a disk or from any host, without a network.

    Args:
        encoder: One without layers and pooler, over ``wide_fourier`` or over ``fourier`` with a linear map or none, with a
            WordPiece tokenizer in BERT's manner.
        out: The file, such as ``encoder.html``.
        name: What the page calls the encoder.

    Returns:
        Path: The file.

    Raises:
        ConfigError: If the encoder is of another kind, or has no tokenizer.
        RecordError: If the file cannot be written.
    """
    if encoder.tokenizer is None:
        raise ConfigError("this encoder has no tokenizer, so that no page could cut text. Call set_tokenizer first.")
    given = _describe(encoder, encoder.tokenizer, name)
    styles, scripts = (
        [(_FOLDER / file).read_text(encoding="utf-8") for file in files]
        for files in (("style.css", "live/encoder.css"), ("live/encoder.js", "live/encoder_page.js"))
    )
    inline = {
        "styles": Markup("".join(styles)),
        "scripts": [Markup(text) for text in (*given.scripts.values(), *scripts)],
    }
    view = _first_view([given.shown], given.still)
    page = templates().get_template("encoder.html.j2").render(title=f"{name}, in this page", inline=inline, **view)
    try:
        write_atomically(out, page)
    except OSError as error:
        raise RecordError(f"cannot write {out} ({error}). {way_out(error) or 'Mend that'}, and repeat.") from error
    return out


def encoder_data(encoder: SentenceEncoder) -> dict[str, Any]:
    """Return an encoder as ``live/encoder.js`` reads it, JSON-ready, arrays as base64 of little-endian float32.

    Raises:
        ConfigError: If it is of a kind that the page cannot compute.
    """
    embedding: Any = encoder.embedding
    config = encoder.config
    mapped = fourier_map(embedding, config.vocab_size) if encoder.is_bag and config.pooler == "none" else None
    if mapped is None:
        raise ConfigError(
            "a page computes encoders without layers and pooler, over 'wide_fourier' or over 'fourier' with the mlp "
            f"'linear' or 'none'; this one has {config.arm!r}, {config.n_layers} layers, pooler {config.pooler!r}. Use "
            "SentenceEncoder.export, which writes ONNX."
        )
    all_ids = torch.arange(config.vocab_size)
    weights = torch.ones(len(all_ids)) if encoder.token_weights is None else encoder.token_weights(all_ids)
    return {
        **mapped,
        "max_seq_len": config.max_seq_len,
        "eps": epsilon(embedding.norm),
        "gain": packed(embedding.norm.weight.detach(), "<f4"),
        "weights": packed(weights.detach(), "<f4"),
    }


def fourier_map(embedding: Any, vocab_size: int) -> dict[str, Any] | None:
    """Return ``map`` W ``(d, 2K)``, ``bias`` b, the K ``frequencies`` and ``period`` of ``E(p) = RMSNorm(W T(p) + b)``.

    Both arrays are base64 of little-endian float32. None of an embedding that is computed in another way.
    """
    plain = type(embedding) is FourierEmbedding and embedding.polynomials is None and embedding.padding_idx is None
    if isinstance(embedding, WideFourierEmbedding):
        weight, bias, frequencies = embedding.map.weight, torch.zeros(embedding.embedding_dim), embedding.frequencies
    elif plain and isinstance(embedding.mlp, torch.nn.Linear | type(None)):
        skip, mlp, frequencies = torch.eye(embedding.embedding_dim), embedding.mlp, embedding.frequencies.tolist()
        weight, bias = (skip, torch.zeros(len(skip))) if mlp is None else (mlp.weight + skip, mlp.bias)
    else:
        return None
    return {
        "period": resolve_period(vocab_size, embedding.period),
        "frequencies": frequencies,
        "map": packed(weight.detach(), "<f4"),
        "bias": packed(bias.detach(), "<f4"),
    }


def epsilon(norm: torch.nn.RMSNorm) -> float:
    """Return what a norm adds to the mean square."""
    return torch.finfo(torch.float32).eps if norm.eps is None else norm.eps  # as torch does


def sizes(encoder: SentenceEncoder) -> dict[str, int]:
    """Return how many numbers an encoder stores, all and of its embedding, those of a table, and what it is for."""
    config = encoder.config
    return {
        "vocab_size": config.vocab_size,
        "d_model": config.d_model,
        "numbers": sum(p.numel() for p in encoder.parameters()),
        "of_embedding": sum(p.numel() for p in encoder.embedding.parameters()),
        "of_table": config.vocab_size * config.d_model,
    }


def vocabulary_script(tokenizer: Tokenizer) -> tuple[str, str]:
    """Return name and text of the script that cuts text; encoders of one vocabulary share it."""
    rules = json.dumps(token_rules(tokenizer))
    name = f"words-{hashlib.sha256(rules.encode()).hexdigest()[:8]}"
    return name, script(name, rules)


def script(name: str, value: str) -> str:
    """Return the script that gives the page a value, written as JSON, under a name."""
    text = f"(self.fourierLab ??= {{}})[{json.dumps(name)}] = {value};\n"
    return text.replace("<", "\\u003c")  # so that no text, nor a name, ends the script that it is in


@dataclass(frozen=True)
class _Described:
    """What a page says about an encoder, its scripts by their names, and the first example as numbers."""

    shown: dict[str, Any]
    scripts: dict[str, str]
    still: dict[str, Any]


@lru_cache(maxsize=8)
def _shipped(name: str) -> _Described:
    encoder = SentenceEncoder.from_pretrained(name)
    assert encoder.tokenizer is not None  # it came out of the same folder
    return _describe(encoder, encoder.tokenizer, name)


def _describe(encoder: SentenceEncoder, tokenizer: Tokenizer, name: str) -> _Described:
    data, (rules, text) = encoder_data(encoder), vocabulary_script(tokenizer)
    shown = {"name": name, "rules": rules, **sizes(encoder)}
    scripts = {rules: text, name: script(name, json.dumps(data))}
    return _Described(shown, scripts, _still(encoder, tokenizer, name, EXAMPLES[0]))


def _first_view(encoders: list[dict[str, Any]], still: dict[str, Any]) -> dict[str, Any]:
    sentences = _SENTENCES.read_text(encoding="utf-8").splitlines()
    return {"encoders": encoders, "arms": [], "sentences": sentences, "examples": EXAMPLES, "still": still}


@torch.no_grad()
def _still(encoder: SentenceEncoder, tokenizer: Tokenizer, name: str, sentences: tuple[str, str]) -> dict[str, Any]:
    """Return tokens of two sentences, the cosines of their embeddings, and the cosine of the sentences."""
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
