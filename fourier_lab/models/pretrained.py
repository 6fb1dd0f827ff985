"""Encoders as folders that others open: weights, settings, tokenizer, a card, and what sentence-transformers asks for."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer
from torch import Tensor

from .. import __version__
from ..config import ModelConfig
from ..embeddings.kept_settings import with_settings_of
from ..errors import ConfigError, RecordError, way_out
from ..paths import SHIPPED_ENCODERS, write_atomically
from ..text.tokenizer import vocabulary_hash
from .sentence_encoder import SentenceEncoder

if TYPE_CHECKING:
    from ..training.records import RunRecord

_SETTINGS, _WEIGHTS, _TOKENIZER = FILES = ("config.json", "model.safetensors", "tokenizer.json")
# What sentence-transformers looks for: the class that opens the folder, and how its vectors are compared.
_MODULES = [{"idx": 0, "name": "0", "path": "", "type": "fourier_lab.adapters.sentence_transformers.EncoderModule"}]
_COMPARED: dict[str, Any] = {
    "model_type": "SentenceTransformer",
    "similarity_fn_name": "cosine",
    "prompts": {},
    "default_prompt_name": None,
}


def save_encoder(
    encoder: SentenceEncoder, folder: Path, name: str | None, record: "RunRecord | None", license: str
) -> Path:
    """Write a folder as :meth:`fourier_lab.SentenceEncoder.save_pretrained` says."""
    if record is not None and record.config.model(encoder.config.vocab_size) != encoder.config:
        raise ConfigError(
            f"the record in {record.folder} is of another model than this encoder, whose scores it would be given. Pass the "
            "record of the run that the encoder was loaded from."
        )
    from .card import model_card  # like other modules that loading does without, so that a first vector comes sooner

    try:
        write_files(encoder, folder)
        write_atomically(folder / "modules.json", _text(_MODULES))
        write_atomically(folder / "config_sentence_transformers.json", _text(_COMPARED))
        write_atomically(folder / "README.md", model_card(encoder, name or folder.absolute().name, record, license))
    except OSError as error:
        raise RecordError(f"cannot write {folder} ({error}). {way_out(error) or 'Mend that'}, and repeat.") from error
    return folder


def write_files(encoder: SentenceEncoder, folder: Path) -> None:
    """Write settings, weights and tokenizer, the three files that :func:`load_pretrained` reads.

    Raises:
        ConfigError: If no tokenizer is attached.
    """
    from safetensors.torch import save

    if encoder.tokenizer is None:
        raise ConfigError(
            "this encoder has no tokenizer, so that nobody could use it. Call set_tokenizer before saving."
        )
    settings = {
        "model_type": "fourier_lab_sentence_encoder",
        "architectures": ["SentenceEncoder"],
        "fourier_lab_version": __version__,
        "vocabulary": vocabulary_hash(encoder.tokenizer),
        "encoder": encoder.config.to_dict(),
    }
    weights = {name: value.detach().cpu().contiguous() for name, value in encoder.state_dict().items()}
    write_atomically(folder / _SETTINGS, _text(settings))
    write_atomically(folder / _WEIGHTS, save(weights, {"format": "pt"}))  # more keys would come in any order
    write_atomically(folder / _TOKENIZER, encoder.tokenizer.to_str())


def load_pretrained(folder_or_name: str | Path) -> SentenceEncoder:
    """Load a folder as :meth:`fourier_lab.SentenceEncoder.from_pretrained` says."""
    from safetensors.torch import load_file

    folder = _find(folder_or_name)
    if missing := [name for name in FILES if not (folder / name).is_file()]:
        raise RecordError(
            f"{folder} is no folder of SentenceEncoder.save_pretrained: it lacks {', '.join(missing)}. The weights of a run "
            "are loaded by fourier_lab.load_encoder."
        )
    try:
        settings = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
        model, vocabulary = ModelConfig(**settings["encoder"]), settings["vocabulary"]
        text = (folder / _TOKENIZER).read_text(encoding="utf-8")
        return assemble(model, load_file(folder / _WEIGHTS), text, vocabulary)
    except Exception as error:  # damaged files fail in many ways inside safetensors, tokenizers and torch
        raise RecordError(f"cannot load the encoder in {folder}: {error}") from error


def assemble(model: ModelConfig, weights: Mapping[str, Tensor], tokenizer: str, vocabulary: str | None) -> Any:
    """Build an encoder, or if the model has a head a :class:`CausalLM`, in eval mode, from what its files hold.

    Args:
        model: Its shape.
        weights: Its state dict, which may be older than settings in state dicts.
        tokenizer: The text of its tokenizer.json.
        vocabulary: Hash of the vocabulary that the weights know; None if nothing says it.

    Raises:
        RecordError: If the tokenizer has another vocabulary. What does not fit otherwise fails in many ways.
    """
    # On the meta device no number would be drawn in vain, but torch then loads its compiler.
    read = Tokenizer.from_str(tokenizer)
    encoder: Any
    if model.head == "none":
        encoder = SentenceEncoder(model, read)
    else:
        from .causal_lm import CausalLM

        encoder = CausalLM(model, read)
    if (found := vocabulary_hash(read)) != (vocabulary or found):
        raise RecordError(f"tokenizer.json has the vocabulary {found}, the weights know {vocabulary}")
    encoder.load_state_dict(with_settings_of(encoder, weights))
    return encoder.eval()


def shipped_encoders() -> list[str]:
    """Return the names of the encoders that come with the package."""
    return sorted(path.parent.name for path in SHIPPED_ENCODERS.glob(f"*/{_SETTINGS}"))


def _find(folder_or_name: str | Path) -> Path:
    """Return the folder of this path, or of the shipped encoder of this name."""
    folder = Path(folder_or_name)
    if folder.is_dir():
        return folder
    if str(folder_or_name) in (names := shipped_encoders()):
        return SHIPPED_ENCODERS / folder_or_name
    raise RecordError(
        f"{str(folder_or_name)!r} is neither a folder nor an encoder of this package, which has "
        f"{', '.join(names) or 'none'}. Correct the path; what lies on a hub is first fetched by "
        "huggingface_hub.snapshot_download."
    )


def _text(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"
