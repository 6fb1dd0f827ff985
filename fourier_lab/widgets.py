"""Explore the study's pictures with controls, drawn by the same functions as the static figures.

Each ``explore_*`` returns an :class:`Explorer`: ``.value`` holds the chosen settings for the next cell,
``.update(...)`` changes them without a browser. With FOURIER_LAB_HEADLESS=1 no control is made and the first setting is
a plain picture.
"""

import base64
import functools
import html
import io
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from . import geometry, plots, resolution, summaries
from .basis import FREQUENCY_SETS, fourier_basis, frequency_set, resolve_period
from .errors import ConfigError
from .figures import new_figure, style
from .runs import RunRecord

_log = logging.getLogger(__name__)


class Explorer:
    """A picture with settings, and controls for them unless headless.

    Args:
        draw: Returns a new figure for the settings, given by name.
        settings: The first settings.
        make_controls: Returns one ipywidgets control per setting, by name.

    Attributes:
        value: The settings of the present picture.
        controls: The controls by setting; empty when headless.
        figure: The present picture.

    Raises:
        ImportError: If ipywidgets is missing and FOURIER_LAB_HEADLESS is not 1.
    """

    def __init__(
        self, draw: Callable[..., Figure], settings: Mapping[str, Any], make_controls: Callable[[], dict[str, Any]]
    ) -> None:
        self._draw = draw
        self.value = dict(settings)
        self.controls: dict[str, Any] = {}
        if os.environ.get("FOURIER_LAB_HEADLESS") != "1":
            self._build(make_controls)
        self.update()

    def update(self, **settings: Any) -> Figure:
        """Change settings, draw again and return the figure; on an error the previous picture and settings stay.

        Raises:
            ConfigError: If a setting does not exist or breaks its rule.
        """
        if unknown := sorted(set(settings) - set(self.value)):
            raise ConfigError(f"unknown setting {', '.join(unknown)}. Choose from {', '.join(self.value)}.")
        self.figure = self._draw(**{**self.value, **settings})
        self.value |= settings
        if self.controls:
            self._show(settings)
        return self.figure

    def on_change(self, name: str, change: Mapping[str, Any]) -> None:
        """Answer a control: draw with its new value. An error is shown below the picture, logged and raised."""
        if change["new"] == self.value[name]:
            return
        try:
            self.update(**{name: change["new"]})
        except Exception as error:  # raised again below: a front end alone would swallow it
            self._message.value = f"<pre style='color:#a00'>{html.escape(f'{type(error).__name__}: {error}')}</pre>"
            _log.exception("drawing with %s = %r failed", name, change["new"])
            raise

    def _build(self, make_controls: Callable[[], dict[str, Any]]) -> None:
        try:
            import ipywidgets
        except ImportError as error:
            raise ImportError(
                "controls need ipywidgets: pip install ipywidgets. Or set FOURIER_LAB_HEADLESS=1 for a plain picture."
            ) from error
        self.controls = make_controls()
        self._image, self._message = ipywidgets.Image(format="png"), ipywidgets.HTML()
        self._box = ipywidgets.VBox([*self.controls.values(), self._image, self._message])
        for name, control in self.controls.items():
            control.observe(functools.partial(self.on_change, name), names="value")

    def _show(self, settings: Mapping[str, Any]) -> None:
        self._message.value = ""
        self._image.value = _png(self.figure)
        for name, value in settings.items():  # settings changed by code move the controls too
            self.controls[name].value = value

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the controls and the picture, or headless the picture alone."""
        if self.controls:
            return self._box._repr_mimebundle_(**options)
        return {"image/png": base64.b64encode(_png(self.figure)).decode(), "text/plain": f"settings: {self.value}"}


def explore_basis(
    vocab_size: int = 30522,
    d_model: int = 256,
    frequencies: str = "harmonic",
    period: int | None = None,
    token_id: int = 5000,
    other_id: int = 5001,
    seed: int = 0,
) -> Explorer:
    """Explore what T(p) tells apart: features of two ids, the kernel between them, distances around them.

    Args:
        vocab_size: V, the number of ids.
        d_model: Width, even. More columns make the kernel narrower.
        frequencies: ``harmonic``, ``log`` or ``random``.
        period: M in ids; None, shown as 0, is ``vocab_size - 1``.
        token_id: The first id.
        other_id: The second id.
        seed: Seed of the ``random`` set.

    Returns:
        Explorer: Its settings are the arguments, without ``seed``; ``period`` 0 stands for ``vocab_size - 1``.
    """

    def make_controls() -> dict[str, Any]:
        import ipywidgets

        def number(name: str, low: int, high: int, step: int = 1) -> Any:
            return ipywidgets.BoundedIntText(
                value=settings[name], min=low, max=high, step=step, description=name, continuous_update=False
            )

        return {
            "vocab_size": number("vocab_size", 2, 1 << 20),
            "d_model": number("d_model", 2, 1024, 2),
            "frequencies": _choice("frequencies", FREQUENCY_SETS, frequencies),
            "period": number("period", 0, 1 << 20),
            "token_id": number("token_id", 0, (1 << 20) - 1),
            "other_id": number("other_id", 0, (1 << 20) - 1),
        }

    settings = {
        "vocab_size": vocab_size,
        "d_model": d_model,
        "frequencies": frequencies,
        "period": period or 0,
        "token_id": token_id,
        "other_id": other_id,
    }
    return Explorer(functools.partial(_draw_basis, seed=seed), settings, make_controls)


def explore_training(records: Sequence[RunRecord]) -> Explorer:
    """Explore training curves: which series, which id order, which quantity.

    Args:
        records: Finished runs.

    Returns:
        Explorer: Its settings are ``series`` (``all`` or one), ``id_order`` and ``quantity``.
    """
    series = ["all", *dict.fromkeys(summaries.series_name(record.config) for record in records)]
    orders = list(dict.fromkeys(record.config.id_order for record in records))
    if not orders:
        raise ConfigError("there are no run records to explore. Train at least one run first.")

    def draw(series: str, id_order: str, quantity: str) -> Figure:
        chosen = [
            record
            for record in records
            if record.config.id_order == id_order and series in ("all", summaries.series_name(record.config))
        ]
        if not chosen:
            raise ConfigError(f"no run of {series!r} has id order {id_order!r}. Choose another of {', '.join(orders)}.")
        figure, ax = new_figure()
        plots.draw_curves(summaries.curve_columns(chosen, quantity), label=summaries.CURVES[quantity], ax=ax)
        return _closed(figure)

    def make_controls() -> dict[str, Any]:
        return {
            "series": _choice("series", series, "all"),
            "id_order": _choice("id_order", orders, orders[0]),
            "quantity": _choice("quantity", tuple(summaries.CURVES), "loss"),
        }

    return Explorer(draw, {"series": "all", "id_order": orders[0], "quantity": "loss"}, make_controls)


def explore_geometry(
    tables: Mapping[str, ArrayLike],
    words: Sequence[str],
    classes: Mapping[str, ArrayLike] | None = None,
    *,
    word: str | None = None,
    n_ids: int = 500,
    seed: int = 0,
) -> Explorer:
    """Explore trained tables: a projection of one, and a word's nearest neighbours in all of them.

    Args:
        tables: Tables ``(V, d)`` by series name; all use one vocabulary.
        words: The word of each id.
        classes: What dots may be coloured by besides the token id: labels ``(V,)`` by name, such as the role of a word.
        word: The first word looked up; the one in the middle of the ids by default.
        n_ids: Ids projected, drawn once; t-SNE needs seconds per thousand.
        seed: Seed of that draw and of t-SNE.

    Returns:
        Explorer: Its settings are ``series``, ``projection``, ``colour`` and ``word``.
    """
    colours = {
        "token id": np.arange(len(words)),
        **{name: np.asarray(value) for name, value in (classes or {}).items()},
    }
    shown = np.sort(np.random.default_rng(seed).choice(len(words), size=min(n_ids, len(words)), replace=False))
    rows = {series: np.asarray(table) for series, table in tables.items()}
    first = {
        "series": next(iter(rows)),
        "projection": geometry.PROJECTIONS[0],
        "colour": next(iter(colours)),
        "word": words[len(words) // 2] if word is None else word,
    }

    @functools.cache  # t-SNE takes seconds, and only a new word or table needs another one
    def place(series: str, projection: str, asked: int) -> np.ndarray:
        return geometry.project(rows[series][np.append(shown, asked)], projection, seed)

    @style()
    def draw(series: str, projection: str, colour: str, word: str) -> Figure:
        asked = geometry.find_word(words, word)
        x, y = place(series, projection, asked).T
        figure, (left, right) = new_figure(2, 1, height=6.4, height_ratios=(3, 1 + 0.3 * len(rows)))
        dots = {
            "x": x,
            "y": y,
            "colour": colours[colour][np.append(shown, asked)],
            "word": [""] * len(shown) + [word],
        }
        plots.draw_projection(dots, method=projection, ax=left, colour_label=colour)
        left.set_title(f"{series}: {projection} of {len(shown)} ids")
        plots.draw_neighbours(geometry.neighbour_table(rows, words, [word]), ax=right)
        return _closed(figure)

    def make_controls() -> dict[str, Any]:
        import ipywidgets

        return {
            "series": _choice("series", tuple(rows), first["series"]),
            "projection": _choice("projection", geometry.PROJECTIONS, first["projection"]),
            "colour": _choice("colour", tuple(colours), first["colour"]),
            "word": ipywidgets.Text(value=first["word"], description="word", continuous_update=False),
        }

    return Explorer(draw, first, make_controls)


@style()
def _draw_basis(
    vocab_size: int, d_model: int, frequencies: str, period: int, token_id: int, other_id: int, seed: int
) -> Figure:
    m = resolve_period(vocab_size, period or None)
    chosen = frequency_set(frequencies, vocab_size, d_model, m, seed)
    ids = torch.tensor([token_id, other_id])
    features = fourier_basis(ids, vocab_size, d_model, frequencies, m, seed).numpy()
    cosine = float(resolution.cosine_kernel(chosen, m, token_id - other_id))
    reach = np.arange(min(vocab_size, 4 * max(1, vocab_size // d_model, abs(token_id - other_id))))
    kernel = resolution.kernel_columns({frequencies: chosen}, reach, m)
    # Two lines of pixels, drawn in the order given even if the second id is the smaller one.
    pair = resolution.feature_columns([0, 1], features)
    figure, axes = new_figure(3, 1, height=7.0, height_ratios=(1.1, 2, 2))
    plots.draw_features(pair, ax=axes[0])
    axes[0].set_yticks([0, 1], [f"{token_id:,}", f"{other_id:,}"])
    axes[0].set_title(f"T({token_id:,}) and T({other_id:,}): cosine {cosine:.5f}")
    plots.draw_kernel(kernel, ax=axes[1], cell=vocab_size / d_model)
    axes[1].plot(abs(token_id - other_id), cosine, "o", color="black", zorder=3)
    plots.draw_distance({name: column[1:] for name, column in kernel.items()}, ax=axes[2])  # lag 0 has no logarithm
    return _closed(figure)


def _choice(name: str, options: Sequence[str], value: str) -> Any:
    import ipywidgets

    return ipywidgets.Dropdown(options=list(options), value=value, description=name)


def _closed(figure: Figure) -> Figure:
    """Take the figure out of pyplot's list, so that a notebook shows it once; it can still be saved."""
    import matplotlib.pyplot as plt

    plt.close(figure)
    return figure


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="png", dpi=100, metadata={"Software": None})
    return buffer.getvalue()
