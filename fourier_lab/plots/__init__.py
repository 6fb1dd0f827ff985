"""Draw the study's numbers: each ``draw_*`` takes columns, adds one picture to an Axes and returns it.

``data`` is always columns of equal length by name (a mapping of arrays or a pandas DataFrame), in long form: one row
per mark, a column ``series`` for what is compared. The same object goes to ``save_figure``, so that CSV and picture
cannot differ. Nothing here shows, saves or keeps state; without ``ax`` a new figure is made.
"""

from .basis import draw_cells, draw_conditioning, draw_distance, draw_features, draw_kernel, draw_precision
from .effects import draw_classes, draw_limits, draw_stages, new_panels
from .figure import new_figure, save_figure
from .idea import draw_idea, draw_ranks, new_idea
from .ladder import draw_ladder, draw_weights
from .logits import draw_logits, draw_margins, draw_next_words, draw_waves
from .palette import REFERENCE
from .release import draw_class_words, draw_collapse, draw_folding
from .runs import (
    draw_budgets,
    draw_curves,
    draw_differences,
    draw_means,
    draw_parameters,
    draw_quality,
    draw_quantity,
    draw_scores,
    share_legend,
)
from .tables import draw_cosines, draw_neighbours, draw_projection, draw_singular_values, draw_spectrum

__all__ = [
    "REFERENCE",
    "draw_budgets",
    "draw_cells",
    "draw_class_words",
    "draw_classes",
    "draw_collapse",
    "draw_conditioning",
    "draw_cosines",
    "draw_curves",
    "draw_differences",
    "draw_distance",
    "draw_features",
    "draw_folding",
    "draw_idea",
    "draw_kernel",
    "draw_ladder",
    "draw_limits",
    "draw_logits",
    "draw_margins",
    "draw_means",
    "draw_neighbours",
    "draw_next_words",
    "draw_parameters",
    "draw_precision",
    "draw_projection",
    "draw_quality",
    "draw_quantity",
    "draw_ranks",
    "draw_scores",
    "draw_singular_values",
    "draw_spectrum",
    "draw_stages",
    "draw_waves",
    "draw_weights",
    "new_figure",
    "new_idea",
    "new_panels",
    "save_figure",
    "share_legend",
]
