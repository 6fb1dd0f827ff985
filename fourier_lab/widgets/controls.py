"""The controls of explorers: menus, sliders and lines of text, alike in their labels and in when they answer."""

from collections.abc import Sequence
from typing import Any

_LABEL = {"description_width": "initial"}


def choice(name: str, options: Sequence[Any], value: Any) -> Any:
    """Return a drop-down menu."""
    import ipywidgets

    return ipywidgets.Dropdown(options=list(options), value=value, description=name, style=_LABEL)


def slider(name: str, value: int, low: int, high: int, step: int = 1) -> Any:
    """Return a slider over integers with its value beside it, which can be typed over."""
    import ipywidgets

    return ipywidgets.IntSlider(
        value=value, min=low, max=high, step=step, description=name, continuous_update=False, style=_LABEL
    )


def steps(name: str, options: Sequence[Any], value: Any) -> Any:
    """Return a slider over given values; an option is a value or a pair of its label and the value."""
    import ipywidgets

    return ipywidgets.SelectionSlider(
        options=list(options), value=value, description=name, continuous_update=False, style=_LABEL
    )


def entry(name: str, value: str) -> Any:
    """Return a line of text, read when it is left or Enter is pressed."""
    import ipywidgets

    return ipywidgets.Text(value=value, description=name, continuous_update=False, style=_LABEL)
