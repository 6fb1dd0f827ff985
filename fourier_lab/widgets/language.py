"""What language models say next: two models side by side, and the logits of a computed head wave by wave."""

import textwrap
from collections.abc import Mapping, Set
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .. import plots
from ..columns import Columns, where
from ..errors import ConfigError
from ..geometry.logits import logit_columns, next_words, wave_columns
from ..models.causal_lm import CausalLM
from ..models.fourier_head import ComputedHead
from ..plots.figure import new_figure, style
from ..study.language import models_of, toy_beginning, toy_records
from .controls import choice, entry, slider
from .explorer import Explorer, View, closed

_TOY_WAVES = 120
_SHOWN_WORDS = 8


def explore_language(
    models: Mapping[str, CausalLM] | None = None, prompt: str | None = None, n_waves: int | None = None
) -> Explorer:
    """Explore what language models say after a beginning, and how the waves of a computed head add up to it.

    Args:
        models: By name, each with its tokenizer, one of them with a Fourier head; two small ones of the toy language, which
            are trained unless they are in ``runs/``, if None.
        prompt: What they read; "The", or the start of a sentence of the toy language, if None.
        n_waves: How many of the strongest waves are added up; all if None.

    Returns:
        Explorer: Its settings are ``prompt``, ``waves_of`` (a model with a computed head), ``beside`` and ``waves``.

    Raises:
        ConfigError: If no model has a computed head, one has no tokenizer, or there are not so many waves.
    """
    known = models_of(toy_records([_TOY_WAVES])) if models is None else dict(models)
    heads = {name: model.head for name, model in known.items() if isinstance(model.head, ComputedHead)}
    if not heads:
        raise ConfigError(
            f"none of the models has a computed head: {', '.join(known) or 'none'}. Add one of 'fourier'."
        )

    def settle(chosen: dict[str, Any], changed: Set[str]) -> dict[str, Any]:
        for setting, names in (("waves_of", [*heads]), ("beside", [*known])):
            if chosen[setting] not in names:
                raise ConfigError(f"unknown model {chosen[setting]!r}. Choose from {', '.join(names)}.")
        if "waves" not in changed:  # another head has another number of waves
            return {**chosen, "waves": min(chosen["waves"], len(heads[chosen["waves_of"]].frequencies))}
        return chosen

    def draw(prompt: str, waves_of: str, beside: str, waves: int) -> View:
        model, head = known[waves_of], heads[waves_of]
        state, every = model.state_after(prompt), len(head.frequencies)
        curves = logit_columns(head, state, sorted({waves, every}, reverse=True))
        words = {name: next_words({name: known[name]}, prompt, _SHOWN_WORDS) for name in (beside, waves_of)}
        if len(words) < 2:  # one model beside itself
            words = {f"{name}{end}": own for name, own in words.items() for end in ("", " again")}
        words[f"{waves} of its {every} waves"] = _probable(where(curves, "waves", waves), model)
        figure = _draw(words, curves, wave_columns(head, state))
        return View(figure, _told(curves, waves, every), {"waves": {"max": every}})

    first = next(iter(heads))
    others = [name for name in known if name != first]
    whole = len(heads[first].frequencies)
    if prompt is None:
        prompt = "The" if models else toy_beginning()
    settings: dict[str, Any] = {
        "prompt": prompt,
        "waves_of": first,
        "beside": others[0] if others else first,
        "waves": whole if n_waves is None else n_waves,
    }

    def make_controls() -> dict[str, Any]:
        return {
            "prompt": entry("beginning", settings["prompt"]),
            "waves_of": choice("waves of", tuple(heads), settings["waves_of"]),
            "beside": choice("beside", tuple(known), settings["beside"]),
            "waves": slider("waves", settings["waves"], 0, whole),
        }

    return Explorer(draw, settings, make_controls, settle=settle)


def _probable(curve: Columns, model: CausalLM) -> Columns:
    """Return the most probable tokens of one curve, as :func:`next_words` gives those of a model."""
    best = np.argsort(-curve["probability"], kind="stable")[:_SHOWN_WORDS]
    words = [model.tokenizer.decode([int(token)]) if model.tokenizer else str(token) for token in best]
    return {"series": curve["series"][best], "word": np.array(words), "probability": curve["probability"][best]}


def _told(curves: Columns, waves: int, every: int) -> str:
    def bits(n: int) -> float:
        shares = where(curves, "waves", n)["probability"].astype(float)
        return float(-(shares * np.log2(np.maximum(shares, 1e-30))).sum())

    return (
        f"With {waves} of {every} waves the next token is uncertain by {bits(waves):.1f} bits, with all by "
        f"{bits(every):.1f}; {np.log2(len(where(curves, 'waves', every)['logit'])):.1f} would be a draw from all ids."
    )


@style()
def _draw(words: Mapping[str, Columns], curves: Columns, waves: Columns) -> Figure:
    figure, ax = new_figure(height=5.4)
    ax.remove()
    parts: Any = figure.subfigures(2, 1)  # margins of their own: words are of any length
    for (name, own), axes in zip(words.items(), parts[0].subplots(1, 3), strict=True):
        plots.draw_next_words(own, ax=axes)
        axes.set_title(textwrap.fill(name, 26), fontsize=9)
    left, right = parts[1].subplots(1, 2)
    plots.draw_logits(curves, ax=left)
    plots.draw_waves(waves, ax=right)
    return closed(figure)
