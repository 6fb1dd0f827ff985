"""Explore the study's pictures with controls, drawn by the same functions as the static figures.

Each ``explore_*`` returns an :class:`Explorer`: ``.settings`` holds the chosen settings for the next cell, ``.set(...)``
changes them without a browser. Without ipywidgets, or with FOURIER_LAB_HEADLESS=1, no control is made and the first
settings are a plain picture.
"""

from .basis import explore_basis
from .clouds import explore_clouds
from .explorer import Explorer, View
from .geometry import explore_geometry
from .language import explore_language
from .live import explore_live_training
from .release import explore_release
from .results import explore_results
from .sentences import explore_sentences
from .training import explore_training

__all__ = [
    "Explorer",
    "View",
    "explore_basis",
    "explore_clouds",
    "explore_geometry",
    "explore_language",
    "explore_live_training",
    "explore_release",
    "explore_results",
    "explore_sentences",
    "explore_training",
]
