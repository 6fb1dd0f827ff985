"""A transformers model whose input table is replaced by an embedding that is computed, and that saves and loads as such."""

import dataclasses
import math
import re
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import EXPANSION, ModelConfig
from ..embeddings.frequencies import FREQUENCIES
from ..embeddings.interface import rows_of
from ..errors import ConfigError, MissingPackageError, check_kind
from ..models.blocks import build_embedding
from ..plugins import allow
from .arrival import KEY, MODEL_TYPE

try:
    from transformers import PreTrainedModel
    from transformers.models.auto import modeling_auto
except ImportError as error:
    raise MissingPackageError("transformers", "hub") from error

TIES = ("decouple", "compute")


class ReplacedEmbedding(nn.Module):
    """A token embedding times a number, in the place of ``torch.nn.Embedding``.

    Args:
        embedding: Any token embedding.
        scale: What its rows are multiplied by, dimensionless.
        padding_idx: Id whose row is zero, if any.
    """

    def __init__(self, embedding: Any, scale: float, padding_idx: int | None):
        super().__init__()
        self.embedding, self.scale, self.padding_idx = embedding, scale, padding_idx
        self.num_embeddings, self.embedding_dim = int(embedding.num_embeddings), int(embedding.embedding_dim)

    def forward(self, input: Tensor) -> Tensor:
        rows = self.embedding(input) * self.scale
        return rows if self.padding_idx is None else rows.masked_fill((input == self.padding_idx).unsqueeze(-1), 0.0)

    def rows(self) -> Tensor:
        """Return the rows of all ids, ``(V, d)``, with their gradient."""
        return self(torch.arange(self.num_embeddings, device=next(self.parameters()).device))


class ComputedHead(nn.Module):
    """Output layer that scores each id by the product with its computed row, ``(..., d) -> (..., V)``."""

    def __init__(self, embedding: ReplacedEmbedding, bias: nn.Parameter | None):
        super().__init__()
        self.bias = bias
        self._shared = [embedding]  # in a list, so that its parameters are the input's alone

    def forward(self, hidden: Tensor) -> Tensor:
        return F.linear(hidden, self._shared[0].rows().to(hidden.dtype), self.bias)


class ComputedModel:
    """What a model class of transformers learns beside its own: to build its embedding from the configuration."""

    config: Any

    def __init__(self, config: Any, *rest: Any, **options: Any):
        super().__init__(config, *rest, **options)  # type: ignore[call-arg]
        if settings := getattr(config, KEY, None):
            _install(self, settings, _build(settings))

    @classmethod
    def from_pretrained(cls, *rest: Any, **options: Any) -> Any:
        """Load as the family does, and put back what embeddings compute and no file holds."""
        found = super().from_pretrained(*rest, **options)  # type: ignore[misc]
        model = found[0] if isinstance(found, tuple) else found
        # transformers replaces buffers that are in no file by memory that was never written to.
        embedding, fresh = model.get_input_embeddings().embedding, _build(getattr(model.config, KEY))
        kept = embedding.state_dict()
        for name, buffer in fresh.named_buffers():
            if name not in kept:
                embedding.get_buffer(name).copy_(buffer)
        return found

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, pad_to_multiple_of: int | None = None, mean_resizing: bool = True
    ) -> nn.Module:
        """Return the input embedding if its size is asked for; refuse any other."""
        embedding = self.get_input_embeddings()  # type: ignore[attr-defined]
        wanted, multiple = new_num_tokens or embedding.num_embeddings, pad_to_multiple_of or 1
        if (wanted := math.ceil(wanted / multiple) * multiple) != embedding.num_embeddings:
            raise ConfigError(
                f"a computed embedding of {embedding.num_embeddings} ids cannot be resized to {wanted}: its rows depend on "
                "the number of ids. Resize the model's table first, then call replace_embedding."
            )
        return embedding

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """Count as transformers does; a computed embedding is an embedding too."""
        count = super().num_parameters(only_trainable, exclude_embeddings)  # type: ignore[misc]
        if exclude_embeddings:
            parts = self.get_input_embeddings().modules()  # type: ignore[attr-defined]
            own = (p for part in parts if not isinstance(part, nn.Embedding) for p in part.parameters(recurse=False))
            count -= sum(p.numel() for p in own if p.requires_grad or not only_trainable)
        return count


def replace_embedding(
    model: PreTrainedModel,
    embedding: str,
    *,
    match_scale: bool = True,
    tied: str | None = None,
    seed: int = 0,
    **options: Any,
) -> PreTrainedModel:
    """Replace the input table of a transformers model, in place, by an embedding that is computed from the id.

    The model becomes one of a subclass of its class, such as ``FourierBertModel``. What it saves, ``from_pretrained`` of
    that class loads, and of the auto classes wherever ``fourier_lab`` is imported. The new rows start untrained: train on.

    Args:
        model: BERT, GPT-2 or any other that looks its input up in one ``torch.nn.Embedding``.
        embedding: A frequency set such as ``random``, the name of an embedding, or one of your own as ``module:Class``.
        match_scale: Whether rows get the root mean square of the rows that they replace. Without, those of the library have
            1, which is 50 times what BERT's have, and positions all but vanish beside them.
        tied: What becomes of an output layer that shares the table: ``decouple`` leaves the table to it alone, ``compute``
            lets it score by the computed rows; None refuses such a model.
        seed: Seed of what is drawn once, such as random frequencies.
        **options: Options of the embedding.

    Returns:
        PreTrainedModel: The model itself.

    Raises:
        ConfigError: If the model has no plain input table, shares it with an output layer and ``tied`` is not said, or the
            embedding refuses its options.

    Example::

        model = replace_embedding(BertModel(BertConfig()), "random")
    """
    remedy = "Write replace_embedding(AutoModel.from_pretrained(name), embedding)."
    check_kind(model, PreTrainedModel, "replace_embedding takes a model of transformers", remedy)
    if isinstance(model, ComputedModel):
        raise ConfigError(
            f"{type(model).__name__} has a computed embedding already. Load the model anew and replace once."
        )
    if tied is not None and tied not in TIES:
        raise ConfigError(f"tied must be None, {' or '.join(TIES)}, got {tied!r}.")
    old = model.get_input_embeddings()
    if type(old) is not nn.Embedding or model.config.is_encoder_decoder:
        raise ConfigError(
            f"{type(model).__name__} does not look its input up in one torch.nn.Embedding (it has {type(old).__name__}"
            f"{', shared by encoder and decoder' if model.config.is_encoder_decoder else ''}). Use a model that does."
        )
    head = model.get_output_embeddings()
    shares = head is not None and getattr(head, "weight", None) is old.weight
    if shares and tied is None:
        raise ConfigError(
            f"the output layer of {type(model).__name__} shares the input table. Say tied='decouple' to leave the table to "
            "it alone, or tied='compute' to score by the computed rows."
        )
    settings = _settings(old, embedding, seed, options) | {
        "family": model.config.model_type, "padding_idx": old.padding_idx, "tied": tied if shares else None, "scale": 1.0,
    }  # fmt: skip
    new = _build(settings).to(device=old.weight.device, dtype=old.weight.dtype)
    if match_scale:
        settings["scale"] = _rms(old.weight, old.padding_idx) / _rms(rows_of(new), old.padding_idx)
    plain: Any = type(model)  # mypy asks the class for the hash of its objects
    model.__class__ = model_class(plain)
    model.config.__class__ = register_family(type(model.config))
    setattr(model.config, KEY, settings)
    _install(model, settings, new)
    return model


def _settings(old: nn.Embedding, name: str, seed: int, options: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the new embedding, checked and JSON-ready, as fields of :class:`ModelConfig`."""
    allow((name, options.get("frequencies")))
    if name in FREQUENCIES.names():
        name, options = "fourier", {"frequencies": name, **options}
    expansion = {key: options[key] for key in EXPANSION if key in options}
    others = tuple((key, value) for key, value in options.items() if key not in EXPANSION)
    config = ModelConfig(
        name, old.num_embeddings, old.embedding_dim, frequency_seed=seed, embedding_options=others, **expansion
    )
    fields = ("arm", "vocab_size", "d_model", "frequency_seed", "embedding_options", *EXPANSION)
    return {key: value for key, value in config.to_dict().items() if key in fields}


def _build(settings: dict[str, Any]) -> nn.Module:
    """Return the embedding that settings name, with weights and constants in memory even where models are built without."""
    known = {field.name for field in dataclasses.fields(ModelConfig)}
    with torch.device("cpu"):
        return build_embedding(ModelConfig(**{key: value for key, value in settings.items() if key in known}))


def _install(model: Any, settings: dict[str, Any], embedding: nn.Module) -> None:
    old = model.get_input_embeddings()
    table = next(f"{name}.weight" for name, module in model.named_modules() if module is old)
    # Other ties stay, such as that of two names of one bias.
    model._tied_weights_keys = {
        target: source
        for target, source in (model._tied_weights_keys or {}).items()
        if not any(re.match(pattern, table) for pattern in (target, source))
    }
    new = ReplacedEmbedding(embedding, settings["scale"], settings["padding_idx"])
    model.set_input_embeddings(new)
    head = model.get_output_embeddings()
    if settings["tied"] == "compute" and head is not None:
        model.set_output_embeddings(ComputedHead(new, head.bias))
    model.all_tied_weights_keys = model.get_expanded_tied_weights_keys(all_submodels=True)


@torch.no_grad()
def _rms(rows: Tensor, padding_idx: int | None) -> float:
    """Return the root mean square of all rows but that of padding."""
    kept = torch.arange(len(rows), device=rows.device) != padding_idx
    if not (found := float(rows[kept].double().square().mean().sqrt())):
        raise ConfigError(
            "match_scale needs a table with numbers other than 0. Load its weights, or set match_scale=False."
        )
    return found


@cache
def config_class(family: type) -> Any:
    """Return the configuration of a family, such as ``BertConfig``, for models with a computed embedding."""
    return type(f"Fourier{family.__name__}", (family,), {"model_type": MODEL_TYPE, "__module__": __name__})


@cache
def model_class(plain: Any) -> Any:
    """Return the subclass of a model class that builds a computed embedding."""
    contents = {"config_class": config_class(plain.config_class), "__module__": __name__}
    return type(f"Fourier{plain.__name__}", (ComputedModel, plain), contents)


def register_family(family: type) -> Any:
    """Return :func:`config_class` of a family, after telling every auto class which models belong to it."""
    found = config_class(family)
    for name in dir(modeling_auto):
        mapping = getattr(getattr(modeling_auto, name), "_model_mapping", None)
        if mapping is not None and family in mapping:
            plain = mapping[family]
            several = isinstance(plain, tuple | list)
            mapping.register(found, tuple(map(model_class, plain)) if several else model_class(plain), exist_ok=True)
    return found


def __getattr__(name: str) -> Any:
    """Find the classes made here, which pickles name."""
    import transformers

    plain = getattr(transformers, name.removeprefix("Fourier"), None) if name.startswith("Fourier") else None
    if plain is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return model_class(plain) if issubclass(plain, PreTrainedModel) else config_class(plain)
