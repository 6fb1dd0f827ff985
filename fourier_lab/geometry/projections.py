"""Rows of a token table placed in the plane."""

import importlib.util

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import ConfigError
from .token_table import as_rows

PROJECTIONS = ("pca", "tsne")
PROJECTION_NAMES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}  # as the field writes them


def available_projections() -> tuple[str, ...]:
    """Return the methods of :func:`project` that can be used here: UMAP needs a package of its own."""
    return PROJECTIONS + (("umap",) if importlib.util.find_spec("umap") else ())


def project(table: ArrayLike, method: str = "pca", seed: int = 0) -> NDArray[np.float64]:
    """Place rows in the plane.

    Args:
        table: Rows ``(n, d)``; take a subset first, t-SNE needs seconds per thousand rows.
        method: ``pca`` keeps the two directions of largest variance and their distances; ``tsne`` and, with the package
            umap-learn, ``umap`` keep who is near whom, and distances between their clusters carry no meaning.
        seed: Seed of the solvers of t-SNE and UMAP; principal axes point so that their largest entry is positive.

    Returns:
        float64 ``(n, 2)``.

    Raises:
        ConfigError: If the method is unknown or there are fewer than 5 rows.
    """
    rows = as_rows(table)
    if method not in available_projections():
        need = " UMAP needs its package: pip install umap-learn." if method == "umap" else ""
        raise ConfigError(f"unknown projection {method!r}. Choose one of {', '.join(available_projections())}.{need}")
    if len(rows) < 5:
        raise ConfigError(f"a projection needs at least 5 rows, got {len(rows)}. Show more ids.")
    if method == "pca":
        scores, scale, axes = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
        largest = axes[:2][(0, 1), np.abs(axes[:2]).argmax(axis=1)]
        return scores[:, :2] * scale[:2] * np.sign(largest)
    if method == "umap":
        from umap import UMAP  # type: ignore[import-not-found,unused-ignore]

        return UMAP(n_neighbors=min(15, len(rows) - 1), random_state=seed, n_jobs=1).fit_transform(rows).astype(float)
    from sklearn.manifold import TSNE  # takes seconds to import, which the principal axes need not wait for
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # The order in which threads add up forces would change the picture from run to run.
    with threadpool_limits(1):
        perplexity = min(30.0, (len(rows) - 1) / 3)
        return TSNE(init="pca", perplexity=perplexity, random_state=seed).fit_transform(rows).astype(np.float64)
