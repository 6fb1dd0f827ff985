"""Explore the study's pictures with controls, drawn by the same functions as the static figures.

Each ``explore_*`` returns an :class:`Explorer`: ``.settings`` holds the chosen settings for the next cell, ``.set(...)``
changes them without a browser. Without ipywidgets, or with FOURIER_LAB_HEADLESS=1, no control is made and the first
settings are a plain picture. Names are imported on first use: results can do without torch.
"""

from importlib import import_module
from typing import Any

_HOME = {
    "Explorer": "explorer",
    "View": "explorer",
    "explore_basis": "basis",
    "explore_clouds": "clouds",
    "explore_geometry": "geometry",
    "explore_language": "language",
    "explore_live_training": "live",
    "explore_release": "release",
    "explore_results": "results",
    "explore_sentences": "sentences",
    "explore_training": "training",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
