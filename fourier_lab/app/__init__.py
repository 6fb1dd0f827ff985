"""The explorers and the main figures as one web page, served by voila to this machine alone."""

from .serve import NOTEBOOK, serve

__all__ = ["NOTEBOOK", "serve"]
