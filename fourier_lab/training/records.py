"""Run records on disk: a folder each, with config.json, metrics.json, history.csv, resampled.npy, weights and tokenizer.

``metrics.json`` is written last: a folder without it is an unfinished run, never half a record. ``SHA256SUMS``, written
before it, says what all of them are; records of older versions have none.
"""

import csv
import io
import itertools
import json
import os
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..config import ModelConfig, RunConfig
from ..errors import ConfigError, RecordError, leave_out, way_out
from ..field_rules import recall_parts
from ..paths import as_path, stamp, write_atomically
from ..text.fingerprints import recorded_text, same_text, text_name
from .record_index import NO_FILE, WORTH, RecordIndex, Stamps, stamps
from .sums import SUMS, Sums, check_sums

if TYPE_CHECKING:
    from ..models.sentence_encoder import SentenceEncoder

CHECKPOINT = "checkpoint.npz"  # of an unfinished run, see fourier_lab.training.checkpoints
EVALUATIONS = "evaluations.json"  # scores beyond STS-B, see fourier_lab.training.evaluations
_FOLDER = re.compile("([0-9a-f]{10})(?:-([0-9a-f]{8}))?")  # settings and text, see fourier_lab.training.folders
# What is read of a record, the first three always; metrics first, since without them there is none.
FILES = "metrics.json", "config.json", SUMS, EVALUATIONS, "resampled.npy", "history.csv"
_METRICS = ("scores", "parameters", "data", "validation_loss", "duration_s", "peak_memory_bytes")  # what tables read


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
    history: Sequence[dict[str, float]]

    @cached_property
    def text(self) -> dict[str, str]:
        """Return the fingerprints of what was read, see :func:`fourier_lab.text.fingerprints.recorded_text`."""
        return recorded_text(self.config, self.metrics.get("data", {}))

    def score(self, split: str, measure: str = "spearman") -> float:
        """Return one correlation x 100 of ``validation`` or ``test``."""
        return self.metrics["scores"][split][measure]["value"]

    def stored_bits(self, part: str = "embedding") -> int:
        """Return the bits that the ``embedding`` or the ``total`` must store, :func:`fourier_lab.stored_bits`.

        Records made before this was kept are of tables and Fourier embeddings: their parameters at 32 bits, beside them 64
        for a seed, or for each listed frequency.
        """
        if "stored_bits" in self.metrics:
            return int(self.metrics["stored_bits"][part])
        listed = self.config.frequencies
        seed = int(self.config.arm == "fourier" and listed == "random")
        extra = 64 * (seed if isinstance(listed, str) else len(listed))
        return 32 * int(self.metrics["parameters"][part]) + extra

    @cached_property
    def evaluations(self) -> dict[str, Any]:
        """Return the scores beyond STS-B that were kept beside the record when it was read; empty if none were."""
        return read_evaluations(self.folder)

    def is_collapsed(self, split: str) -> bool:
        """Say whether all sentences of a graded split got about one vector, so that its scores are noise."""
        return bool(self.metrics["scores"][split].get("collapsed", False))

    def told_score(self, split: str) -> str:
        """Return Spearman x 100 in words, such as ``50.3``, or ``9.2 (collapsed)``."""
        return f"{self.score(split):.1f}{' (collapsed)' if self.is_collapsed(split) else ''}"

    @property
    def is_language_model(self) -> bool:
        """Say whether the scores are of texts, and not of sentence pairs."""
        return self.config.objective == "language_model"

    def bits_per_byte(self, text: str) -> float:
        """Return a language model's score on ``validation``, ``test`` or another text of its record; less is better."""
        return self.metrics["scores"][text]["bits_per_byte"]

    def in_words(self, split: str) -> str:
        """Return the score of a split with its name, such as ``validation Spearman 50.3``."""
        if self.is_language_model:
            return f"{split} {self.bits_per_byte(split):.3f} bits per byte"
        return f"{split} Spearman {self.told_score(split)}"

    def resampled(self) -> NDArray[np.int16] | None:
        """Return Spearman of the resamples of validation and of test, ``(2, 1000)``; None if the record has none.

        In hundredths of a point, as :func:`fourier_lab.evaluation.metrics.scores_and_resamples` gives them.

        Raises:
            RecordError: If the file is damaged.
        """
        path = self.folder / "resampled.npy"
        return _resampled(path, *stamp(path)) if path.is_file() else None


@lru_cache(maxsize=4096)
def _resampled(path: Path, *_stamps: int) -> NDArray[np.int16]:
    """Read the file once for each state of it."""
    try:
        found = np.load(path)
        if found.ndim != 2 or len(found) != 2 or found.dtype != np.int16:
            raise ValueError(f"it has shape {found.shape} and type {found.dtype}")
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RecordError(f"{path} is damaged ({error}). Delete {path.parent} and run again.") from error
    found.flags.writeable = False  # all who ask get this one
    return found


def read_evaluations(folder: Path) -> dict[str, Any]:
    """Return what is kept beside the record in ``folder``; empty if nothing is.

    Raises:
        RecordError: If the file is damaged.
    """
    path = Path(folder) / EVALUATIONS
    return dict(_evaluations(path, *stamp(path))) if path.is_file() else {}


@lru_cache(maxsize=4096)
def _evaluations(path: Path, *_stamps: int) -> dict[str, Any]:
    """Read the file once for each state of it."""
    try:
        found = json.loads(path.read_text())
        _ = [scores["all"]["spearman"]["value"] for scores in found["sets"].values()], found["matched"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(
            f"{path} is damaged ({error}). Delete it; a run that has its weights is scored anew."
        ) from error
    return dict(found)


def is_complete(folder: Path) -> bool:
    """Say whether ``folder`` holds a finished record."""
    return (folder / "metrics.json").is_file()


def write_record(
    folder: Path,
    config: RunConfig,
    metrics: dict,
    history: Sequence[dict],
    encoder: "SentenceEncoder | None" = None,
    resampled: NDArray[np.int16] | None = None,
) -> RunRecord:
    """Write a record, its metrics last; with ``encoder``, also weights and tokenizer, enough to use it again.

    ``resampled`` is what :meth:`RunRecord.resampled` returns.

    Raises:
        RecordError: If the disk is full or the folder must not be written to.
    """
    try:
        _write(folder, config, metrics, history, encoder, resampled)
    except OSError as error:
        raise RecordError(
            f"cannot write the record of {folder} ({error}). {way_out(error) or 'Mend that'}, and repeat: a "
            "trained run goes on from its checkpoint."
        ) from error
    return RunRecord(folder, config, metrics, history)


def _write(
    folder: Path,
    config: RunConfig,
    metrics: dict,
    history: Sequence[dict],
    encoder: "SentenceEncoder | None",
    resampled: NDArray[np.int16] | None,
) -> None:
    sums = Sums()

    def write(name: str, content: str | bytes) -> None:
        write_atomically(folder / name, sums.add(name, content.encode() if isinstance(content, str) else content))

    write("config.json", json.dumps(config.to_dict(), indent=1) + "\n")
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    write("history.csv", text.getvalue())
    if resampled is not None:
        content = io.BytesIO()
        np.save(content, resampled)
        write("resampled.npy", content.getvalue())
    if encoder is not None:
        from safetensors.torch import save  # torch, which copying a record can do without

        model = json.dumps(encoder.config.to_dict(), indent=1)
        weights = {name: value.detach().cpu().contiguous() for name, value in encoder.state_dict().items()}
        write("weights.safetensors", save(weights, {"model": model}))
        if encoder.tokenizer is not None:
            write("tokenizer.json", encoder.tokenizer.to_str())
    last = sums.add("metrics.json", (json.dumps(metrics, indent=1) + "\n").encode())
    write_atomically(folder / SUMS, sums.text())
    write_atomically(folder / "metrics.json", last)


def is_trained(folder: Path) -> bool:
    """Say whether ``folder`` holds a finished record and its weights, so that nothing is left to train."""
    return is_complete(folder) and (folder / "weights.safetensors").is_file()


def load_record(folder: Path, *, with_history: bool = True) -> RunRecord:
    """Read one finished record.

    Args:
        folder: The run folder.
        with_history: Whether to read history and resamples too, half of the time for whoever looks at hundreds of records.

    Raises:
        RecordError: If it is unfinished, damaged, cut short, or its configuration is not the one its folder is named
            after. A folder whose name is no run's may hold any run.
    """
    folder = as_path(folder)
    if not is_complete(folder):
        raise RecordError(f"no finished run in {folder} (no metrics.json). Train it; an interrupted run resumes.")
    try:
        settings = json.loads((folder / "config.json").read_text())
        metrics = json.loads((folder / "metrics.json").read_text())
        recall_parts(settings, metrics.get("packages", {}))
        config, named = _settings(settings, metrics.get("precision", "float32"))
        history = []
        if with_history:
            with open(folder / "history.csv", newline="") as stream:
                lines = csv.reader(stream)
                names = next(lines, [])
                history = [dict(zip(names, _numbers(line), strict=True)) for line in lines if line]
            if not history or history[-1]["step"] != config.steps:
                raise ValueError(f"history.csv does not end with step {config.steps}")
        digest = metrics["digest"]
        if missing := [key for key in _METRICS if key not in metrics]:
            raise ValueError(f"metrics.json lacks {', '.join(missing)}")
        language = config.objective == "language_model"
        for split, measure in itertools.product(("validation", "test"), ("spearman", "pearson")):
            scores = metrics["scores"][split]
            if language:
                _ = float(scores["bits_per_byte"]), int(metrics["parameters"]["head"])
                continue
            _ = int(scores["n"]), *(float(scores[measure][end]) for end in ("value", "low", "high"))
        for size in ("total", "embedding", "with_gradient"):
            int(metrics["parameters"][size])
        check_sums(folder, ("config.json", "metrics.json", *(("history.csv", "resampled.npy") if with_history else ())))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, csv.Error, ConfigError) as error:
        raise RecordError(
            f"the record in {folder} is damaged or of another version ({error}). Delete that folder and run again."
        ) from error
    if digest not in named:
        raise RecordError(
            f"the record in {folder} was written for run {digest} but its config.json is run {config.digest()}: one of "
            "them was edited. Delete the folder and run again."
        )
    record = RunRecord(folder, config, metrics, history)
    if with_history:
        _ = record.resampled(), record.evaluations
    name = _FOLDER.fullmatch(folder.absolute().name)
    if name and (name[1] != digest or name[2] not in (None, text_name(record.text))):
        raise RecordError(
            f"{folder} holds the record of run {digest}, not of the run that it is named after. Delete it."
        )
    return record


def _numbers(line: list[str]) -> list[float]:
    """Return the cells of a row; what was not measured at a step is empty in its row."""
    return [*map(float, line)] if "" not in line else [float(cell or "nan") for cell in line]


def _settings(values: dict[str, Any], precision: str) -> tuple[RunConfig, set[str]]:
    """Return the settings of a record and the digests that may name it, also of those of a former version.

    There the processor chose the ``precision``, and float32 was no default, if asked for.
    """
    asked = values.get("precision")
    config = RunConfig.from_dict({**values, "precision": "float32"} if asked == "auto" else values)
    if asked == "float32":
        return config, {config.digest(), config.digest(precision=asked)}
    return config.replace(precision=precision), {config.digest()}


def load_records(
    folder: Path,
    *,
    with_history: bool = True,
    digests: Collection[str] | None = None,
    stamped: Mapping[str, Stamps] | None = None,
) -> list[RunRecord]:
    """Read every finished record directly below ``folder``, ordered by name; unfinished ones are passed over.

    Their history is read only ``with_history``; a damaged one is found then alone. With ``digests``, folders that are named
    after other runs than these are passed over too. The stamps of the files of some, as :func:`stamps` gives them, need not
    be asked for again if they are in ``stamped``, by name.

    One that is damaged, or of a run on the same text that another one holds, is left out with a :class:`RecordWarning` that
    names it. Turn that warning into an error to have all or none: ``warnings.simplefilter("error", RecordWarning)``.
    """
    records: dict[str, list[RunRecord]] = {}
    last = "history.csv" if with_history else "resampled.npy"
    for record in read_records([as_path(folder)], folder, last, digests, stamped or {}):
        if isinstance(record, RecordError):
            leave_out(record)
            continue
        twins = records.setdefault(record.config.digest(), [])
        if same := [twin for twin in twins if same_text(twin.text, record.text)]:
            twice = f"{same[0].folder} and {record.folder} hold the same run, which would count as two seeds"
            leave_out(f"{twice}. Delete one.")
        else:
            twins.append(record)
    return [record for twins in records.values() for record in twins]


def read_records(
    folders: Iterable[Path],
    root: Path,
    last: str,
    digests: Collection[str] | None = None,
    stamped: Mapping[str, Stamps] = MappingProxyType({}),
) -> Iterator[RunRecord | RecordError]:
    """Yield every finished record directly below ``folders``, by name, or what is wrong with it.

    Args:
        folders: Of records.
        root: What the folders have in common; an index is kept of thousands of records below it.
        last: Of :data:`FILES`, the last one that makes a record a damaged one: ``history.csv`` for all of them,
            ``resampled.npy``, or ``evaluations.json``, which is not read itself.
        digests: Of the runs that are wanted; all if None.
        stamped: Stamps of all :data:`FILES` of records, by name, that are known.
    """
    passed_over = False
    index, files = RecordIndex(as_path(root)), FILES[: FILES.index(last) + 1]
    with_history, with_scores = (name in files for name in ("history.csv", "resampled.npy"))
    for folder in folders:
        for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
            if digests is not None and name[:10] not in digests and _FOLDER.fullmatch(name):
                passed_over = True
                continue
            path, now = folder / name, stamped.get(name, [])[: len(files)] or stamps(f"{folder}/{name}", files)
            if now[0] is NO_FILE:  # no metrics yet
                continue
            if (known := index.find(f"{folder.name}/{name}", now)) is not None:
                record = RunRecord(path, *known, _History(path) if with_history else [])
                if now[FILES.index(EVALUATIONS)] is NO_FILE:
                    vars(record)["evaluations"] = {}  # not asked for again
                yield record
                continue
            try:
                record = load_record(path, with_history=with_history)
                _ = with_scores and (record.resampled(), record.evaluations)
            except RecordError as error:
                yield error
            else:
                index.add(f"{folder.name}/{name}", now, record.config, record.metrics)
                if with_history and len(index.new) > WORTH:  # histories of thousands would fill the memory
                    object.__setattr__(record, "history", _History(path))
                yield record
    if not passed_over:  # or it would forget them
        index.write()


class _History(Sequence[dict[str, float]]):
    """The history of a record that is known to be sound, read when it is asked for."""

    def __init__(self, folder: Path):
        self.folder = folder

    @cached_property
    def rows(self) -> Sequence[dict[str, float]]:
        return load_record(self.folder).history

    def __getitem__(self, place: Any) -> Any:
        return self.rows[place]

    def __len__(self) -> int:
        return len(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and [*self] == [*other]


def check_weights(folder: Path) -> ModelConfig:
    """Return the model of a run's weights, after reading their header alone, which knows how long the file must be.

    Raises:
        RecordError: If there is no file, or one that is cut short or of a model that this version cannot build.
    """
    from safetensors import SafetensorError, safe_open

    path = as_path(folder) / "weights.safetensors"
    if not path.is_file():
        raise RecordError(f"no weights at {path}. Run the configuration in {folder} again; records may omit weights.")
    try:
        with safe_open(path, framework="pt") as stream:
            return _model(stream.metadata()["model"])
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, ConfigError) as error:
        raise RecordError(
            f"{path} is cut short or of another version ({error}). Delete {folder} and run again."
        ) from error


@lru_cache(maxsize=256)
def _model(text: str) -> ModelConfig:
    settings = json.loads(text)
    recall_parts(settings, {})
    return ModelConfig(**settings)  # many runs have one model, whose rules take longer than the file


def load_encoder(folder: Path) -> Any:
    """Rebuild the trained encoder, or language model, of a finished run, in eval mode, with its tokenizer.

    Raises:
        RecordError: If weights or tokenizer are missing, truncated, or do not fit each other, the tokenizer is not the one
            whose hash the record holds, or a part of the encoder is of a package that is not installed.
    """
    from safetensors.torch import load_file

    from ..models.pretrained import assemble

    folder = as_path(folder)
    path = folder / "weights.safetensors"
    model = check_weights(folder)
    if not (folder / "tokenizer.json").is_file():
        raise RecordError(f"no tokenizer.json in {folder}: the run has no tokenizer. Delete the folder and run again.")
    try:
        metrics = json.loads((folder / "metrics.json").read_text()) if is_complete(folder) else {}
        known = metrics["data"] if metrics else {}
        recall_parts(vars(model), metrics.get("packages", {}))
    except (OSError, ValueError, AttributeError, KeyError) as error:
        raise RecordError(f"{folder / 'metrics.json'} is damaged ({error}). Delete {folder} and run again.") from error
    try:
        check_sums(folder, ("weights.safetensors", "tokenizer.json"))
        tokenizer = (folder / "tokenizer.json").read_text(encoding="utf-8")
        return assemble(model, load_file(path), tokenizer, known.get("vocabulary"))
    except ConfigError as error:  # such as a part that is not installed: the files may be as they should
        raise RecordError(f"cannot build the encoder of {folder}: {error}") from error
    except Exception as error:  # damaged files fail in many ways inside safetensors, tokenizers and torch
        raise RecordError(f"cannot load {path}: {error}. Delete {folder} and run again.") from error
