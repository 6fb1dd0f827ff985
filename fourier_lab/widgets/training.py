"""Training curves of finished runs: which series, which id order, which quantity."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from .. import plots
from ..errors import ConfigError
from ..plots.figure import new_figure
from ..series import series_name
from ..tables import summaries
from ..training.records import RunRecord
from .controls import choice
from .explorer import Explorer, closed


def explore_training(records: Sequence[RunRecord]) -> Explorer:
    """Explore training curves: which series, which id order, which quantity.

    Args:
        records: Finished runs.

    Returns:
        Explorer: Its settings are ``series`` (``all`` or one), ``id_order`` and ``quantity``.

    Raises:
        ConfigError: If there are no records.
    """
    series = ["all", *dict.fromkeys(series_name(record.config) for record in records)]
    orders = list(dict.fromkeys(record.config.id_order for record in records))
    if not orders:
        raise ConfigError("there are no run records to explore. Train at least one run first.")

    def draw(series: str, id_order: str, quantity: str) -> Figure:
        chosen = [
            record
            for record in records
            if record.config.id_order == id_order and series in ("all", series_name(record.config))
        ]
        if not chosen:
            raise ConfigError(f"no run of {series!r} has id order {id_order!r}. Choose another of {', '.join(orders)}.")
        figure, ax = new_figure()
        plots.draw_curves(summaries.curve_columns(chosen, quantity), label=summaries.CURVES[quantity], ax=ax)
        return closed(figure)

    def make_controls() -> dict[str, Any]:
        return {
            "series": choice("series", series, "all"),
            "id_order": choice("id_order", orders, orders[0]),
            "quantity": choice("quantity", tuple(summaries.CURVES), "loss"),
        }

    return Explorer(draw, {"series": "all", "id_order": orders[0], "quantity": "loss"}, make_controls)
