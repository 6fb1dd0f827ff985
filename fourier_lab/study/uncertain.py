"""Uncertain and latent language models: what their runs are called, how they are compared, and how far rows are known."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .. import plots
from ..columns import Columns, from_rows, stack
from ..config import RunConfig
from ..evaluation.metrics import mean_interval, plus_minus
from ..plots.uncertain import draw_by_steps, draw_reliability, draw_spread
from ..tables.summaries import difference_columns, mean_columns
from ..training.records import RunRecord, load_encoder
from .language import TOY, bits

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from ..embeddings.fourier import FourierEmbedding

PLAIN = "neither"
_PARTS = {"none": "", "feed_forward": "feed-forward", "embedding_map": "map", "both": "map and feed-forward"}


def method_name(config: RunConfig) -> str:
    """Return what keeps a run from over-fitting, such as ``Bayesian map, dropout 0.1``.

    Example:
        >>> method_name(TOY), method_name(TOY.replace(bayesian="feed_forward", dropout=0.1))
        ('neither', 'Bayesian feed-forward, dropout 0.1')
    """
    told = [f"Bayesian {_PARTS[config.bayesian]}"] if config.bayesian != "none" else []
    told += [f"dropout {config.dropout:g}"] if config.dropout else []
    return ", ".join(told) or PLAIN


def input_name(config: RunConfig) -> str:
    """Return the input of a run's model in two words."""
    return "table" if config.arm == "learned" else "random waves"


def gains(records: Sequence[RunRecord]) -> "pd.DataFrame":
    """Return bits per byte, the difference to the plain run of the same seed and the calibration error, as text.

    Args:
        records: Finished runs on the same text.

    Returns:
        DataFrame: A row for each input and method; error in hundredths, on the test split.
    """
    import pandas as pd

    rows: dict[tuple[str, str], dict[str, str]] = {}
    for split in ("validation", "test"):
        means = mean_columns(records, bits(split), method_name, input_name)
        for method, name, mean, high in zip(*(means[key] for key in ("group", "series", "value", "high")), strict=True):
            rows.setdefault((name, method), {})[split] = plus_minus(mean, high, ".3f")
        found = difference_columns(records, bits(split), method_name, PLAIN, input_name)
        for method, name, mean, high in zip(*(found[key] for key in ("group", "series", "value", "high")), strict=True):
            rows[name, method][f"{split}, minus {PLAIN}"] = plus_minus(mean, high, "+.3f")
    errors = mean_columns(records, lambda run: 100 * calibration_error(run), method_name, input_name)
    for method, name, mean, high in zip(*(errors[key] for key in ("group", "series", "value", "high")), strict=True):
        rows[name, method]["calibration error"] = plus_minus(mean, high, ".1f")
    columns = [f"{split}{end}" for split in ("validation", "test") for end in ("", f", minus {PLAIN}")]
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis(["input", "method"])
    return table.reindex(columns=[*columns, "calibration error"]).fillna("–")


def told_gains(records: Sequence[RunRecord]) -> list[str]:
    """Return a line for each input and method: bits per byte on test, less those of neither, and the calibration error."""
    table = gains(records)
    rows = zip(table.index, table["test"], table[f"test, minus {PLAIN}"], table["calibration error"], strict=True)
    return [
        f"{name}, {method}: {score} ({difference}); calibration error {error}"
        for (name, method), score, difference, error in rows
    ]


def calibration_error(record: RunRecord, split: str = "test") -> float:
    """Return the expected calibration error of a record, 0 to 1."""
    return float(record.metrics["scores"][split]["calibration"]["error"])


def reliability_figure(records: Sequence[RunRecord], name: str, *, title: str, alt: str) -> Path:
    """Draw, for each input, how often the likeliest test token was right by how sure the model was; means over seeds."""
    panels: dict[str, dict[str, list[tuple[np.ndarray, np.ndarray]]]] = {}
    for record in records:
        of = record.metrics["scores"]["test"]["calibration"]
        curves = panels.setdefault(input_name(record.config), {}).setdefault(method_name(record.config), [])
        curves.append((np.array(of["confidence"]), np.array(of["accuracy"])))
    drawn = {
        panel: stack(
            {
                method: dict(zip(("confidence", "accuracy"), np.mean(curves, 0), strict=True))
                for method, curves in methods.items()
            }
        )
        for panel, methods in panels.items()
    }
    figure, axes = plots.new_figure(1, len(drawn), height=3.8, sharey=True, titles=[*drawn], squeeze=False)
    for ax, columns in zip(axes[0], drawn.values(), strict=True):
        draw_reliability(columns, ax=ax)
    return plots.save_figure(figure, name, stack(drawn, "input"), records[0].config, title=title, alt=alt)


def row_spread(embedding: "FourierEmbedding") -> "torch.Tensor":
    """Return how far each token's row is known if the map is Gaussian: the standard deviation of a coordinate, ``(V,)``.

    To first order: coordinate i of a row before its norm has the variance ``sum_j sigma_ij^2 T_j(p)^2``; their mean over i
    is divided by the row's mean square, as the norm does with it, and the norm's weights are left out.
    """
    import torch

    with torch.no_grad():
        basis = embedding.basis(torch.arange(embedding.num_embeddings))
        (posterior,) = cast(Any, embedding.mlp).parametrizations["weight"]
        sigma = posterior.log_sigma.exp().view(embedding.embedding_dim, -1)
        rows = embedding.mlp(basis) + basis  # type: ignore[misc]
        return ((basis**2 @ (sigma**2).T).mean(1) / (rows**2).mean(1)).sqrt()


def toy_spread(steps: int, seed: int = 0) -> tuple[RunRecord, Columns]:
    """Train or load a model of the toy language whose map is Gaussian.

    Returns:
        tuple: Its record, and by token ``count`` in the training text and ``spread``, see :func:`row_spread`.
    """
    from ..text.language import prepare_language
    from ..training.train import train

    config = TOY.replace(
        arm="fourier", frequencies="random", period=TOY.vocab_size, bayesian="embedding_map", seed=seed, steps=steps,
        warmup_steps=min(TOY.warmup_steps, steps),
    )  # fmt: skip
    record = train(config).record
    spread = row_spread(cast("FourierEmbedding", load_encoder(record.folder).embedding)).numpy()
    return record, {"count": prepare_language(config).counts, "spread": spread}


def spread_figure(columns: Columns, config: RunConfig, name: str, *, title: str, alt: str) -> Path:
    """Draw how far each token's row is known against how often the token occurs."""
    figure, ax = plots.new_figure()
    draw_spread(columns, ax=ax)
    return plots.save_figure(figure, name, columns, config, title=title, alt=alt)


def rank_correlation(columns: Columns) -> float:
    """Return Spearman's correlation of spread and count, -1 to 1; -1 if what is rare is known least."""
    from scipy.stats import spearmanr

    return float(spearmanr(columns["spread"], columns["count"]).statistic)


def step_columns(records: Sequence[RunRecord], split: str = "test") -> Columns:
    """Return bits per byte by steps of inference: ``series, steps, value, low, high``.

    Args:
        records: Runs with latent vectors and plain ones; a plain run stands at the inference whose cost its steps equal,
            ``T`` where it took ``T + 1`` times as many steps as the shortest run.
        split: The text.
    """
    shortest = min(record.config.steps for record in records)
    found: dict[tuple[str, int], list[float]] = {}
    for record in records:
        of = record.metrics["scores"][split]
        if record.config.latent:
            at = record.config.inference_steps
            read = {"latents, bound": "bits_per_byte", "latents, next token alone": "next_token_bits_per_byte"}
        else:
            at, read = record.config.steps // shortest - 1, {"plain, as many passes": "bits_per_byte"}
        for series, key in read.items():
            found.setdefault((series, at), []).append(of[key])
    rows = [(series, at, *mean_interval(values)) for (series, at), values in found.items()]
    rows.sort(key=lambda row: (list(dict.fromkeys(series for series, _ in found)).index(row[0]), row[1]))
    return from_rows(("series", "steps", "value", "low", "high"), rows)


def step_figure(records: Sequence[RunRecord], name: str, *, title: str, alt: str) -> Path:
    """Draw bits per byte on test against steps of inference."""
    columns = step_columns(records)
    figure, ax = plots.new_figure()
    draw_by_steps(columns, label="bits per byte", ax=ax)
    return plots.save_figure(figure, name, columns, records[0].config, title=title, alt=alt)


def latent_prices(records: Sequence[RunRecord], split: str = "test") -> "pd.DataFrame":
    """Return, by steps of inference, both parts of the bound and their sum beside plain runs, in bits per byte, as text.

    *minus plain* is the difference to the plain run of the same seed that passed over as many tokens.
    """
    import pandas as pd

    shortest = min(record.config.steps for record in records)
    plain = {(r.config.steps // shortest - 1, r.config.seed): r for r in records if not r.config.latent}
    table = {}
    for steps in dict.fromkeys(record.config.inference_steps for record in records if record.config.latent):
        own = [record for record in records if record.config.latent and record.config.inference_steps == steps]
        pairs = [(record, plain[steps, record.config.seed]) for record in own]
        columns = {
            "next token": [r.metrics["scores"][split]["next_token_bits_per_byte"] for r in own],
            "divergence": [r.metrics["scores"][split]["divergence_bits_per_byte"] for r in own],
            "bound": [r.bits_per_byte(split) for r in own],
            "plain": [other.bits_per_byte(split) for _, other in pairs],
            "minus plain": [r.bits_per_byte(split) - other.bits_per_byte(split) for r, other in pairs],
        }
        forms = dict.fromkeys(columns, ".3f") | {"minus plain": "+.3f"}
        ends = {key: mean_interval(values) for key, values in columns.items()}
        table[steps] = {key: plus_minus(mean, high, forms[key]) for key, (mean, _, high) in ends.items()}
    return pd.DataFrame.from_dict(table, orient="index").rename_axis("steps of inference")


def told_latents(records: Sequence[RunRecord]) -> list[str]:
    """Return a line for each number of steps of inference: bound, its parts, and the plain model of as many passes."""
    rows = latent_prices(records).iterrows()
    return [
        f"{steps} steps: {of['bound']} = next token {of['next token']} + divergence {of['divergence']}; plain {of['plain']}"
        for steps, of in rows
    ]
