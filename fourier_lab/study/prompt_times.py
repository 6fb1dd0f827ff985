"""What prompts cost on a clock: as tokens, as keys and values beside the tokens, and approximated."""

from pathlib import Path

from .lengths import Record, read_measurements, seconds_figure

_BASE, _TOKENS, _KEYS, _APPROXIMATED = "none", "as tokens", "keys and values", "approximated"


def read_times() -> Record:
    """Return the committed measurements of prompts, as :func:`fourier_lab.study.lengths.read_measurements`."""
    return read_measurements("prompts")


def time_figure(record: Record, name: str, *, title: str, alt: str) -> Path:
    """Draw the time of a training step against the number of prompts, a line for each way, and return the PNG."""
    detail = record["rows"][0]["detail"]
    label = f"ms for {detail['sentences']} sentences of {detail['tokens']} tokens"
    return seconds_figure(record, "prompts", name, label=label, length_label="prompts a layer", title=title, alt=alt)


def headline(record: Record) -> str:
    """Return the title of the figure of times: what the fewest prompts cost as tokens, and approximated."""
    count, times = record["rows"][0]["detail"]["prompts"][0], _ratios(record)
    return (
        f"{count} prompts: {times[_TOKENS][0]:.1f} times the step as tokens, {times[_APPROXIMATED][0]:.2f} approximated"
    )


def told(record: Record) -> list[str]:
    """Return a line for each number of prompts: how many times as long as without any each way takes."""
    times = _ratios(record)
    return [
        f"{count} prompts: "
        + ", ".join(f"{way} {times[way][i]:.2f}" for way in (_TOKENS, _KEYS, _APPROXIMATED))
        + " times"
        for i, count in enumerate(record["rows"][0]["detail"]["prompts"])
    ]


def _ratios(record: Record) -> dict[str, list[float]]:
    """Return each way's seconds in units of those without prompts, by number of prompts."""
    seconds = record["rows"][0]["detail"]["seconds"]
    return {
        way: [own / base for own, base in zip(times, seconds[_BASE], strict=True)] for way, times in seconds.items()
    }
