"""Run records on disk: ``<runs>/<digest>/`` with config.json, metrics.json, history.csv, weights and tokenizer.

``metrics.json`` is written last: a folder without it is an unfinished run, never half a record.
"""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config import ModelConfig, RunConfig
from .errors import ConfigError, RecordError
from .paths import write_atomically

if TYPE_CHECKING:
    from .encoder import SentenceEncoder


@dataclass(frozen=True)
class RunRecord:
    """One finished run.

    Attributes:
        folder: Where it lives.
        config: What was run.
        metrics: Scores and costs, as in metrics.json.
        history: Rows with step, loss, scale, learning_rate, validation_loss, seconds.
    """

    folder: Path
    config: RunConfig
    metrics: dict[str, Any]
    history: list[dict[str, float]]

    def score(self, split: str, measure: str = "spearman") -> float:
        """Return one correlation x 100 of ``validation`` or ``test``."""
        return self.metrics["scores"][split][measure]["value"]


def is_complete(folder: Path) -> bool:
    """Say whether ``folder`` holds a finished record."""
    return (folder / "metrics.json").is_file()


def write_record(
    folder: Path, config: RunConfig, metrics: dict, history: list[dict], encoder: "SentenceEncoder | None" = None
) -> RunRecord:
    """Write a record, its metrics last; with ``encoder``, also weights and tokenizer, enough to use it again."""
    from safetensors.torch import save

    write_atomically(folder / "config.json", json.dumps(config.to_dict(), indent=1) + "\n")
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write_atomically(folder / "history.csv", text.getvalue())
    if encoder is not None:
        model = json.dumps(encoder.config.to_dict(), indent=1)
        weights = {name: value.detach().cpu().contiguous() for name, value in encoder.state_dict().items()}
        write_atomically(folder / "weights.safetensors", save(weights, {"model": model}))
        if encoder.tokenizer is not None:
            write_atomically(folder / "tokenizer.json", encoder.tokenizer.to_str())
    write_atomically(folder / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    return RunRecord(folder, config, metrics, history)


def load_record(folder: Path) -> RunRecord:
    """Read one finished record.

    Raises:
        RecordError: If it is unfinished, damaged, or its configuration is not the one its folder is named after.
    """
    folder = Path(folder)
    if not is_complete(folder):
        raise RecordError(f"no finished run in {folder} (no metrics.json). Train it; an interrupted run resumes.")
    try:
        config = RunConfig.from_dict(json.loads((folder / "config.json").read_text()))
        metrics = json.loads((folder / "metrics.json").read_text())
        with open(folder / "history.csv", newline="") as stream:
            history = [
                {key: float(value) if value else float("nan") for key, value in row.items()}
                for row in csv.DictReader(stream)
            ]
        digest = metrics["digest"]
    except (OSError, ValueError, TypeError, KeyError, ConfigError) as error:
        raise RecordError(f"the record in {folder} is damaged ({error}). Delete that folder and run again.") from error
    if digest != config.digest():
        raise RecordError(
            f"the record in {folder} was written for run {digest} but its config.json is run {config.digest()}: one of "
            "them was edited. Delete the folder and run again."
        )
    return RunRecord(folder, config, metrics, history)


def load_records(folder: Path) -> list[RunRecord]:
    """Read every finished record directly below ``folder``, ordered by name; unfinished ones are passed over."""
    return [load_record(path.parent) for path in sorted(Path(folder).glob("*/metrics.json"))]


def load_encoder(folder: Path) -> "SentenceEncoder":
    """Rebuild the trained encoder of a finished run, in eval mode, with its tokenizer.

    Raises:
        RecordError: If weights or tokenizer are missing, truncated, or do not fit each other.
    """
    from safetensors import SafetensorError, safe_open
    from tokenizers import Tokenizer

    from .encoder import SentenceEncoder

    folder = Path(folder)
    path = folder / "weights.safetensors"
    if not path.is_file():
        raise RecordError(f"no weights at {path}. Run the configuration in {folder} again; records may omit weights.")
    try:
        with safe_open(path, framework="pt") as stream:
            model = json.loads(stream.metadata()["model"])
            weights = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 (not a dict)
        encoder = SentenceEncoder(ModelConfig(**model))
        encoder.load_state_dict(weights)
        if (folder / "tokenizer.json").is_file():
            encoder.set_tokenizer(Tokenizer.from_str((folder / "tokenizer.json").read_text()))
    except (SafetensorError, OSError, RuntimeError, ValueError, TypeError, KeyError, ConfigError) as error:
        raise RecordError(f"cannot load {path}: {error}. Delete {folder} and run again.") from error
    return encoder.eval()
