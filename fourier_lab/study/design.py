"""The whole design space in one picture: scores by what a token computes, and the best encoder by what is stored."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from .. import plots
from ..columns import from_rows
from ..config import RunConfig
from ..evaluation.metrics import mean_interval, plus_minus
from ..plots.results import draw_points
from ..tables.points import Point, read_points
from .thin import computed as feed_forward_numbers

BUDGETS = (100_000, 400_000, 1_000_000)  # of all that is stored, as the encoders of the package have
_SEEDS = 3
_ARMS = ("learned", "fourier", "wide_fourier")  # of which it is known how many numbers a token meets


def computed_per_token(config: RunConfig, embedding: int) -> int:
    """Return how many numbers a token is multiplied with before the mean over its sentence, or added to.

    Of a table that is one row, of a computed embedding all of it; of a layer four maps d -> d, two norms and what is
    read of its feed-forward; of token weights one each. Attention itself has no numbers.

    Args:
        config: With one of the arms ``learned``, ``fourier`` and ``wide_fourier``.
        embedding: Parameters of the embedding.

    Example:
        >>> computed_per_token(RunConfig(arm="learned", d_model=4, n_layers=0), 400)
        4
    """
    d = config.d_model
    read = d if config.arm == "learned" else embedding
    weights = (config.token_weights != "none") + (config.attention_weights != "none")
    return read + weights + config.n_layers * (4 * (d * d + d) + 2 * d) + feed_forward_numbers(config)


def designs(points: Iterable[Point]) -> list[Point]:
    """Return the points that compare: encoders trained alike on SNLI and MNLI pairs alone, with three seeds, each once."""
    found: dict[str, Point] = {}
    for point in points:
        config = point.config
        alike = config.objective == "contrastive" and config.corpus == "snli+mnli" and config.left_out == "graded"
        alike = alike and config.hard_negatives == "none"
        plain = not config.departures and config.id_order == "frequency" and config.projections == "linear"
        if alike and plain and config.arm in _ARMS and len(point.records) >= _SEEDS:
            found.setdefault(config.digest(), point)
    return list(found.values())


def recipes(points: Sequence[Point], budgets: Sequence[int] = BUDGETS) -> dict[int, Point]:
    """Return for each budget of stored numbers the point with the best validation score; nothing is chosen on test."""
    best = {}
    for budget in budgets:
        if within := [point for point in points if point.parameters <= budget]:
            best[budget] = max(within, key=lambda point: _mean(point, "validation"))
    return best


def design_figure(name: str, *, alt: str, points: Sequence[Point] | None = None) -> Path:
    """Draw test scores of all designs by what a token computes, titled by the best within the budgets; return the PNG."""
    points = designs(read_points()[0]) if points is None else points
    rows = [
        (point.name, _kind(point.config), computed_per_token(point.config, _embedding(point)), math.nan, math.nan,
         *mean_interval([run.score("test") for run in point.records]), len(point.records))
        for point in sorted(points, key=lambda point: _kind(point.config))
    ]  # fmt: skip
    columns = from_rows(("point", "series", "x", "x_low", "x_high", "y", "y_low", "y_high", "seeds"), rows)
    figure, ax = plots.new_figure(height=4.4)
    draw_points(columns, x_label="numbers that a token is multiplied with", y_label="Spearman × 100, STS-B test",
                log_x=True, ax=ax)  # fmt: skip
    figure.legends[0].remove()  # its place is the title's
    plots.share_legend(figure)
    best = recipes(points)
    scores = ", ".join(f"{_mean(point, 'test'):.1f}" for point in best.values())
    stored = ", ".join(f"{budget:,}" for budget in best)
    return plots.save_figure(
        figure, name, columns, points[0].config, title=f"Best with {stored} numbers stored: {scores}", alt=alt
    )


def told(points: Sequence[Point] | None = None) -> list[str]:
    """Return a line for each budget: its recipe, what it stores and computes, and its scores."""
    points = designs(read_points()[0]) if points is None else points
    lines = []
    for budget, point in recipes(points).items():
        computed = computed_per_token(point.config, _embedding(point))
        ends = {split: mean_interval([run.score(split) for run in point.records]) for split in ("validation", "test")}
        scores = ", ".join(f"{split} {plus_minus(mean, high)}" for split, (mean, _, high) in ends.items())
        lines.append(
            f"up to {budget:,} stored: {point.name}: {point.parameters:,} stored, {computed:,} computed a token; {scores}"
        )
    return lines


def _mean(point: Point, split: str) -> float:
    return sum(run.score(split) for run in point.records) / len(point.records)


def _embedding(point: Point) -> int:
    return int(point.records[0].metrics["parameters"]["embedding"])


def _kind(config: RunConfig) -> str:
    layers = "a bag" if config.n_layers == 0 else f"{config.n_layers} layer{'s' * (config.n_layers > 1)}"
    return f"{layers}, {'table' if config.arm == 'learned' else 'waves'}"
