"""Settings kept with weights: a state dict says which rows it gives, and is refused where it would give others."""

import json
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ..errors import RecordError, brief

_KEY = "_extra_state"  # torch's name for what a state dict holds beside parameters and buffers


class KeepsSettings(nn.Module):
    """Base of a computed embedding, whose state dict holds the settings that its rows depend on.

    Attributes:
        decisive: Names of the settings that must be those of the weights; all if empty.
    """

    decisive: ClassVar[tuple[str, ...]] = ()

    def settings(self) -> dict[str, Any]:
        """Return what the rows depend on beside the weights, JSON-ready, with the names of things for messages."""
        raise NotImplementedError

    def in_words(self, settings: Mapping[str, Any]) -> str:
        """Return for messages what rows depend on; ``settings`` are those of this layer or of other weights."""
        return ", ".join(f"{name} {value}" for name, value in settings.items())

    def get_extra_state(self) -> Tensor:
        """Return the settings that belong to the weights: JSON as uint8, because some files hold tensors alone."""
        return torch.frombuffer(bytearray(json.dumps(self.settings()).encode()), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Compare the settings of weights with those of this layer.

        Raises:
            RecordError: If the weights give other rows here, or the settings cannot be read.
        """
        if state.is_meta:  # a state dict without values
            return
        ours = self.settings()
        try:
            # Rounded, because some average every entry of state dicts.
            theirs = json.loads(bytes(state.detach().cpu().double().round().to(torch.uint8).tolist()))
            same = all(theirs[name] == ours[name] for name in self.decisive or ours)
            found = self.in_words(theirs)
        except (ValueError, TypeError, KeyError) as error:
            raise RecordError(
                f"the weights' {_KEY} cannot be read ({error!r}), so that it is not known which rows they give. Save them "
                "again, or remove that entry if they are of the settings of this layer."
            ) from error
        if not same:
            raise RecordError(
                f"the weights are of a {type(self).__name__} with {found}; this one has {self.in_words(ours)}, which gives "
                "other rows. Build the layer with the settings of the weights."
            )

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        if prefix + _KEY not in state_dict and any(name.startswith(prefix) for name in state_dict):
            warnings.warn(
                f"these weights were saved before a {type(self).__name__} kept its settings with them, so nothing tells "
                "whether they are of this vocabulary, period, frequency set and seed. Save them again to have that checked.",
                stacklevel=2,
            )
            state_dict = {**state_dict, prefix + _KEY: self.get_extra_state()}
        super()._load_from_state_dict(state_dict, prefix, *rest)


def expansion_in_words(settings: Mapping[str, Any]) -> str:
    """Return in words what the rows of a Fourier embedding depend on."""
    name = settings["set"]
    seed = "" if name in ("harmonic", "log", "custom") else f" (seed {settings['seed']})"
    chosen = brief(settings["frequencies"]) if name == "custom" else name
    basis = f"{chosen} frequencies{seed}" if settings["basis"] == "fourier" else f"basis {settings['basis']}"
    size = f"{settings['num_embeddings']} ids, width {settings['embedding_dim']}"
    return f"{size}, period {settings['period']}, {basis}, mlp {settings['mlp']}"


def with_settings_of(module: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return ``weights``, which may be older than settings in state dicts, known to be of the very model ``module``."""
    own = {name: value for name, value in module.state_dict().items() if name.rpartition(".")[2] == _KEY}
    return {**own, **weights}
