"""Language models of the study: small ones on the toy language, their scores against sizes, and what a head must store."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from .. import plots
from ..config import RunConfig
from ..embeddings.basis import frequency_set
from ..embeddings.frequencies import FREQUENCY_SETS
from ..embeddings.pruned_fft import smooth_period
from ..evaluation.metrics import plus_minus
from ..geometry.resolution import margin_columns
from ..series import series_name
from ..tables.language_tables import percent_above
from ..tables.summaries import mean_columns
from ..text.pairs import load_pairs
from ..training.records import RunRecord, load_encoder
from .comparisons import parameters_of

if TYPE_CHECKING:
    import pandas as pd

    from ..models.causal_lm import CausalLM
    from ..models.fourier_head import ComputedHead

TOY = RunConfig(
    objective="language_model", arm="learned", head="tied", norm="pre", vocab_size=1000, d_model=32, n_layers=1, n_heads=2,
    feed_forward=2.0, max_seq_len=16, batch_size=32, steps=200, warmup_steps=20, learning_rate=1e-2, threads=1,
)  # fmt: skip


def toy_records(
    n_waves: Sequence[int],
    steps: int = TOY.steps,
    *,
    computed_input: bool = False,
    report: Callable[[str], None] | None = None,
) -> list[RunRecord]:
    """Train or load language models of the toy language: one whose output is its input's rows, and some with Fourier heads.

    Args:
        n_waves: K of each Fourier head.
        steps: Training steps.
        computed_input: Whether the input rows are computed as well, from random waves, in place of a learned table.
        report: Called with a line of text at the end of each run.

    Raises:
        ConfigError: If a number of waves does not fit the vocabulary.
    """
    from ..training.train import train_all  # torch, which reading records can do without

    base = TOY.replace(steps=steps, warmup_steps=min(TOY.warmup_steps, steps))
    if computed_input:
        base = base.replace(arm="fourier", frequencies="random", period=TOY.vocab_size)
    heads = [base.replace(head="fourier", head_options={"n_frequencies": n}) for n in n_waves]
    return [result.record for result in train_all([base, *heads], report=report)]


def name_of(record: RunRecord) -> str:
    """Return what a run's model is called in tables, such as ``learned -> tied``: its input and its output."""
    return series_name(record.config)


def input_name(config: RunConfig) -> str:
    """Return the input side of a language model's name."""
    return series_name(config).partition(" -> ")[0]


def input_words(config: RunConfig) -> str:
    """Return the input side in plain words, where it is a table or waves under a linear map; else its name.

    Example:
        >>> input_words(TOY), input_words(TOY.replace(arm="fourier", frequencies="random"))
        ('table', '16 random waves')
    """
    if config.arm == "learned":
        return "table"
    counts = {"fourier": config.d_model // 2, "wide_fourier": dict(config.embedding_options).get("n_frequencies")}
    plain = config.basis == "fourier" and config.mlp == "linear" and isinstance(config.frequencies, str)
    count = counts.get(config.arm) if plain else None
    return input_name(config) if count is None else f"{count:,} {config.frequencies} waves"


def output_name(config: RunConfig) -> str:
    """Return the output side of a language model's name."""
    return series_name(config).partition(" -> ")[2]


def models_of(records: Sequence[RunRecord]) -> "dict[str, CausalLM]":
    """Return the trained language models of runs by the names that they have in tables."""
    return {name_of(record): load_encoder(record.folder) for record in records}


def bits(split: str) -> Callable[[RunRecord], float]:
    """Return the function that reads bits per byte off a record, on ``validation``, ``test`` or another text."""
    return lambda record: record.bits_per_byte(split)


def size_figure(
    records: Sequence[RunRecord], name: str, *, title: str, alt: str, split: str = "test", label: str = "bits per byte"
) -> Path:
    """Draw bits per byte against all parameters of a model, one dot per model with its interval over seeds.

    Args:
        records: Finished runs of language models.
        name: ``notebook/figure``.
        title, alt: As in :func:`fourier_lab.plots.figure.save_figure`.
        split: The text.
        label: What the score is.

    Returns:
        Path: The PNG.
    """
    columns = mean_columns(records, bits(split), "objective")
    columns["parameters"] = parameters_of(columns, records)
    figure, axes = plots.new_figure()
    plots.draw_parameters(columns, label=label, ax=axes)
    return plots.save_figure(figure, name, columns, records[0].config, title=title, alt=alt)


def margin_figure(name: str, vocab_size: int = 30522, n_frequencies: int = 128) -> Path:
    """Draw the norm that sets two ids one nat apart, for each set of frequencies, against the difference of the ids.

    Args:
        name: ``notebook/figure``.
        vocab_size: V.
        n_frequencies: K.
    """
    period = smooth_period(vocab_size)
    sets = {
        each: frequency_set(each, vocab_size, 2 * n_frequencies, period).numpy() for each in (*FREQUENCY_SETS, "mixed")
    }
    lags = np.unique(np.geomspace(1, vocab_size // 4, 60).astype(int))
    columns = margin_columns(sets, lags, period)
    figure, axes = plots.new_figure()
    plots.draw_margins(columns, ax=axes)
    return plots.save_figure(
        figure,
        name,
        columns,
        None,
        title=f"What it costs to tell two ids apart (V = {vocab_size:,}, {n_frequencies} waves)",
        alt="Norm of the amplitudes that puts two ids one nat apart, against the difference of the ids, both logarithmic, a "
        "line for each set of frequencies.",
    )


def above(records: Sequence[RunRecord], against: str, splits: Mapping[str, str]) -> "pd.DataFrame":
    """Return by how many percent of its bits per byte each model is above one of them, paired by seed, as text.

    Args:
        records: Finished runs.
        against: Name of the model that all others are compared with.
        splits: Texts by the head of their column.
    """
    import pandas as pd

    found: dict[str, dict[str, str]] = {}
    for head, split in splits.items():
        columns = percent_above(records, against, split)
        for group, mean, high in zip(columns["group"], columns["value"], columns["high"], strict=True):
            found.setdefault(group, {})[head] = plus_minus(mean, high, "+.1f")
    return pd.DataFrame.from_dict(found, orient="index")


def by_band(records: Sequence[RunRecord], split: str = "test") -> "pd.DataFrame":
    """Return the perplexity of tokens by their rank in the training text, a row per model, the mean over its seeds.

    Args:
        records: Finished runs.
        split: The text.
    """
    import pandas as pd

    found: dict[str, dict[str, list[float]]] = {}
    for record in records:
        row = found.setdefault(name_of(record), {})
        for band in record.metrics["scores"][split]["bands"]:
            row.setdefault(f"{band['first']:,} to {band['last']:,}", []).append(band["perplexity"])
    means = {name: {band: float(np.mean(each)) for band, each in row.items()} for name, row in found.items()}
    return pd.DataFrame.from_dict(means, orient="index")


def prices(records: Sequence[RunRecord], against: str) -> "pd.DataFrame":
    """Return what each model costs beside one of them: percent of its bits per byte on test, and numbers in its output."""
    frame = above(records, against, {"percent more": "test"})
    heads = {name_of(record): record.metrics["parameters"]["head"] for record in records}
    return frame.assign(output=[f"{heads[name]:,}" for name in frame.index])


def output_headline(records: Sequence[RunRecord], against: str) -> str:
    """Return the title of a figure of outputs: the best of those with at most half of the numbers of the largest one."""
    heads = {name_of(record): int(record.metrics["parameters"]["head"]) for record in records}
    columns, most = percent_above(records, against, "test"), max(heads.values())
    costs = zip(columns["value"], columns["group"], strict=True)
    if not (small := [(cost, name) for cost, name in costs if heads[name] <= most / 2 and name != against]):
        return "Every output here holds more than half of the numbers of the largest one"
    cost, name = min(small)
    output = name.partition(" -> ")[2]
    return f"{output} costs {cost:+.1f} % bits per byte at {100 * heads[name] / most:.0f} % of the numbers"


def input_headline(records: Sequence[RunRecord], against: str = "learned", split: str = "test") -> str:
    """Return the title of a figure of inputs: the range of what another input than ``against`` costs, over all outputs."""
    costs = [
        value
        for output in dict.fromkeys(output_name(record.config) for record in records)
        for value in percent_above(
            [record for record in records if output_name(record.config) == output], f"{against} -> {output}", split
        )["value"]
    ]
    return f"A computed input costs {min(costs):+.1f} to {max(costs):+.1f} % bits per byte, by output"


def grid_table(records: Sequence[RunRecord], against: str = "learned -> tied", split: str = "test") -> str:
    """Return a grid of inputs and outputs as Markdown: percent of bits per byte above one model, paired by seed.

    Args:
        records: Finished runs of every input with every output.
        against: Name of the model that all others are compared with.
        split: The text.
    """
    columns = percent_above(records, against, split)
    found = {name: plus_minus(mean, high, "+.1f") for name, mean, high in zip(
        columns["group"], columns["value"], columns["high"], strict=True)}  # fmt: skip
    order = {
        (r.config.arm != "learned", r.metrics["parameters"]["embedding"], input_words(r.config)): r for r in records
    }
    inputs = {input_name(order[key].config): key[2] for key in sorted(order)}
    heads = {output_name(record.config): int(record.metrics["parameters"]["head"]) for record in records}
    lines = [f"| output | numbers in it | {' | '.join(inputs.values())} |", "| --- " * (len(inputs) + 2) + "|"]
    for output, size in sorted(heads.items(), key=lambda item: -item[1]):
        cells = [found.get(f"{each} -> {output}", "–") for each in inputs]
        lines.append(f"| {output} | {size:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def variant_name(config: RunConfig) -> str:
    """Return the output side of a model with the order of its ids, where that is not the tokenizer's own.

    Example:
        >>> variant_name(TOY), variant_name(TOY.replace(id_order="alphabetical"))
        ('tied', 'tied, ids alphabetical')
    """
    return output_name(config) + f", ids {config.id_order}" * (config.id_order != "frequency")


def variant_headline(records: Sequence[RunRecord], against: str = "tied", split: str = "test") -> str:
    """Return the title of a figure of outputs and orders of the ids: the best but one of them, in percent of its bits."""
    bits_of: dict[str, dict[int, float]] = {}
    for record in records:
        bits_of.setdefault(variant_name(record.config), {})[record.config.seed] = record.bits_per_byte(split)
    base = bits_of.pop(against)
    costs = {
        name: np.mean([100 * own / base[seed] - 100 for seed, own in each.items()]) for name, each in bits_of.items()
    }
    best = min(costs, key=lambda name: costs[name])
    return f"{best}: {costs[best]:+.1f} % bits per byte against {against}"


def input_prices(records: Sequence[RunRecord], against: str = "learned", split: str = "test") -> "pd.DataFrame":
    """Return by how many percent of the bits per byte each input is above one of them, under the same output, as text.

    Args:
        records: Finished runs of several inputs, each with several outputs; runs are paired by seed.
        against: The input that all others are compared with.
        split: The text.

    Returns:
        DataFrame: A row per output, a column per other input.

    Raises:
        RecordError: If an output has no run with that input.
    """
    import pandas as pd

    found: dict[str, dict[str, str]] = {}
    for output in dict.fromkeys(output_name(record.config) for record in records):
        alike = [record for record in records if output_name(record.config) == output]
        columns = percent_above(alike, f"{against} -> {output}", split)
        for name, mean, high in zip(columns["group"], columns["value"], columns["high"], strict=True):
            found.setdefault(output, {})[name.partition(" -> ")[0]] = plus_minus(mean, high, "+.1f")
    return pd.DataFrame.from_dict(found, orient="index")


def sides(records: Sequence[RunRecord]) -> "pd.DataFrame":
    """Return bits per byte on test and the numbers in input and output, a row per run."""
    import pandas as pd

    rows = {}
    for record in records:
        sizes = record.metrics["parameters"]
        rows[name_of(record)] = {
            "bits per byte": f"{record.bits_per_byte('test'):.3f}",
            "input": f"{sizes['embedding']:,}",
            "output": f"{sizes['head']:,}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def toy_beginning() -> str:
    """Return the first words of a sentence of the toy language that no model has trained on."""
    sentence = load_pairs("toy", "validation", vocab_size=TOY.vocab_size).first[0]
    return " ".join(sentence.split()[:3])


def wave_figure(model: "CausalLM", prompt: str, kept: int, name: str, config: RunConfig) -> Path:
    """Draw the logits of all ids after a beginning, from all waves of a computed head and from the strongest, and the waves.

    Args:
        model: With a Fourier head.
        prompt: The beginning.
        kept: How many of the strongest waves to add up.
        name: ``notebook/figure``.
        config: Of the model's run.
    """
    from ..geometry.logits import logit_columns, wave_columns

    head, state = cast("ComputedHead", model.head), model.state_after(prompt)
    curves = logit_columns(head, state, [len(head.frequencies), kept])
    figure, (left, right) = plots.new_figure(1, 2, height=3.4)
    plots.draw_logits(curves, ax=left)
    plots.draw_waves(wave_columns(head, state), ax=right)
    return plots.save_figure(
        figure,
        name,
        curves,
        config,
        title="The logits of all ids after a beginning, and their waves",
        alt="Left the logit of each token id, from all waves and from the strongest alone; right how far each wave moves "
        "it, against its frequency.",
    )
