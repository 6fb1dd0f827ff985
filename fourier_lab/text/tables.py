"""Tables as people have them, Parquet, JSON lines, CSV or TSV, read by pyarrow and pandas into three columns."""

import codecs
import csv
import errno
import gzip
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_TEXT = (".jsonl", ".csv", ".tsv", ".txt")
SUFFIXES = (".parquet", *_TEXT, *(f"{suffix}.gz" for suffix in _TEXT))  # the first that is there is read


@dataclass(frozen=True)
class Reading:
    """Which columns hold the pairs, and how a text table is written.

    Attributes:
        columns: Of the first sentence, the second, and the label or score: names, of which the first that a file has counts,
            or places from 0 in a file without a header. No third entry if the pairs have no label.
        separator: Between the fields of a CSV or TSV file; from the suffix if None.
        quoted: Whether its fields may stand in double quotes, else a quote is text; from the suffix if None.
        subset: A column that says which part of a set a pair belongs to; read where the file has it.
    """

    columns: tuple[tuple[str | int, ...], ...]
    separator: str | None = None
    quoted: bool | None = None
    subset: str = "subset"

    @property
    def has_header(self) -> bool:
        """Return whether columns have names."""
        return isinstance(self.columns[0][0], str)


@dataclass(frozen=True)
class Rows:
    """Columns as lists of equal length: sentences, labels and subsets (None without one); names of a ClassLabel."""

    first: list
    second: list
    labels: list | None = None
    class_names: list[str] | None = None
    subset: list | None = None


def read_rows(path: Path, reading: Reading) -> Rows:
    """Read one file.

    Raises:
        DataError: If it cannot be read or lacks a column.
    """
    try:
        if path.suffix == ".parquet":
            return _parquet(path, reading)
        suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
        content = (gzip.decompress if path.suffix == ".gz" else bytes)(path.read_bytes()).removeprefix(codecs.BOM_UTF8)
        table = (
            _json_lines(content, reading)
            if suffix in (".jsonl", ".json")
            else _separated(content, suffix, path, reading)
        )
    except DataError:
        raise
    except Exception as error:  # arrow, pandas and the file system each raise their own kinds
        raise unreadable(str(path), error, "Correct the file, or put a whole copy in its place.") from error
    return from_table(table, reading, str(path))


def from_table(table: "pa.Table", reading: Reading, what: str) -> Rows:
    """Return the columns of an Arrow table; ``what`` names it in messages.

    Raises:
        DataError: If it lacks a column.
    """
    found = _choose(table.column_names, reading, what)
    first, second, *label = (table[name].to_pylist() for name in found)
    names = _class_names(table.schema, found[-1]) if label else None
    subset = table[reading.subset].to_pylist() if reading.subset in table.column_names else None
    return Rows(first, second, label[0] if label else None, names, subset)


def unreadable(what: str, error: Exception, remedy: str) -> DataError:
    """Return the error of something that cannot be read, with the remedy of a full disk if that is the cause."""
    cause = error.__cause__ or error
    full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
    return DataError(f"cannot read {what}: {type(cause).__name__}: {cause}. {'Free disk space.' if full else remedy}")


def _choose(present: Sequence[str], reading: Reading, what: str) -> list[str]:
    found = [next((str(name) for name in names if str(name) in present), "") for names in reading.columns]
    if missing := [str(names[0]) for names, name in zip(reading.columns, found, strict=True) if not name]:
        raise DataError(
            f"{what} has no column {', '.join(missing)}, only {', '.join(present)}. Rename its columns, or name "
            "them in a description of your own corpus (see fourier-lab data --help)."
        )
    return found


def _class_names(schema: "pa.Schema", column: str) -> list[str] | None:
    """Return the names of a ClassLabel, which ``datasets`` keeps beside the table, in the order of their numbers."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, TypeError, ValueError):  # no such note, or not of a ClassLabel
        return None


def _parquet(path: Path, reading: Reading) -> Rows:
    from pyarrow import parquet

    file = parquet.ParquetFile(path)
    found = _choose(file.schema_arrow.names, reading, str(path))
    return from_table(file.read(columns=[*found, reading.subset]), reading, str(path))


def _json_lines(content: bytes, reading: Reading) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import json as arrow_json

    # Sentences are text even where one looks like a date, which arrow would make of it.
    texts = pa.schema([(str(name), pa.string()) for names in reading.columns[:2] for name in names])
    options = arrow_json.ParseOptions(explicit_schema=texts, unexpected_field_behavior="infer")
    blocks = arrow_json.ReadOptions(block_size=2**26)  # no line may be longer than a block
    table = arrow_json.read_json(io.BytesIO(content), parse_options=options, read_options=blocks)
    # Columns asked for but absent come as nulls: they are none of the file's.
    return table.drop_columns([name for name in texts.names if table[name].null_count == len(table) > 0])


def _separated(content: bytes, suffix: str, path: Path, reading: Reading) -> "pa.Table":
    import pandas as pd
    import pyarrow as pa

    plain = suffix == ".csv" and reading.has_header
    quoted = plain if reading.quoted is None else reading.quoted
    options: dict[str, Any] = {
        "sep": reading.separator or ("," if plain else "\t"),
        "quoting": csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        "encoding": "utf-8",
        "dtype": str,
        "keep_default_na": False,  # "None" and "n/a" are sentences
        "index_col": False,
    }
    if not quoted and b"\n" in content:  # then a carriage return alone is no end of a line, but part of a sentence
        content, options["lineterminator"] = content.replace(b"\r\n", b"\n"), "\n"
    if reading.has_header:
        present = list(pd.read_csv(io.BytesIO(content), nrows=0, **options).columns)
        used = [*_choose(present, reading, str(path)), *({reading.subset} & {*present})]
        frame = pd.read_csv(io.BytesIO(content), usecols=used, **options)
    else:
        places = [int(place) for (place,) in reading.columns]
        frame = pd.read_csv(io.BytesIO(content), header=None, names=range(max(places) + 1), usecols=places, **options)
    return pa.Table.from_pandas(frame.rename(columns=str), preserve_index=False)
