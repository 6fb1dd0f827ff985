"""Tables as people have them, Parquet, JSON lines, CSV or TSV, read by pyarrow and pandas into three columns.

Of Parquet the sentences stay in the file until they are gone through; the text of other formats is in memory, packed.
"""

import codecs
import csv
import errno
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ..paths import stamp
from .pair_stream import BLOCK

if TYPE_CHECKING:
    import pyarrow as pa

_WHOLE_COPY = "Correct the file, or put a whole copy in its place."
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
class Column:
    """The ``n`` texts of a column, made anew, a block of them in memory, each time that they are gone through."""

    n: int
    blocks: Callable[[], Iterable[Any]]

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[Any]:
        for block in self.blocks():
            yield from block.to_pylist()


@dataclass(frozen=True)
class Rows:
    """Columns of equal length: sentences, and lists of labels and subsets (None without one); names of a ClassLabel."""

    first: Column
    second: Column
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
        raise unreadable(str(path), error, _WHOLE_COPY) from error
    return from_table(table, reading, str(path))


def from_table(table: "pa.Table", reading: Reading, what: str) -> Rows:
    """Return the columns of an Arrow table; ``what`` names it in messages.

    Raises:
        DataError: If it lacks a column.
    """
    first, second, *label = _choose(table.column_names, reading, what)
    return _rows(_sliced(table[first]), _sliced(table[second]), label, table, reading)


def _rows(first: Column, second: Column, label: list[str], table: "pa.Table", reading: Reading) -> Rows:
    """Return sentences with what a table has of labels, whose column is ``label`` if there is one, and of subsets."""
    labels, names = (table[label[0]].to_pylist(), _class_names(table.schema, label[0])) if label else (None, None)
    subset = table[reading.subset].to_pylist() if reading.subset in table.column_names else None
    return Rows(first, second, labels, names, subset)


def _sliced(column: "pa.ChunkedArray") -> Column:
    return Column(len(column), lambda: (column.slice(start, BLOCK) for start in range(0, len(column), BLOCK)))


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

    before = stamp(path)
    with parquet.ParquetFile(path) as file:
        first, second, *label = _choose(file.schema_arrow.names, reading, str(path))
        n, others = file.metadata.num_rows, file.read(columns=[*label, reading.subset])
    sides = [Column(n, partial(_batches, path, name, before)) for name in (first, second)]
    return _rows(sides[0], sides[1], label, others, reading)


def _batches(path: Path, name: str, before: tuple[int, ...]) -> Iterator["pa.Array"]:
    """Yield one column of a Parquet file batch by batch; its stamp is to be the one from ``before`` until the end."""
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path, buffer_size=2**20, pre_buffer=False) as file:
            for batch in file.iter_batches(BLOCK, columns=[name]):
                yield batch.column(0)
        if stamp(path) != before:
            raise DataError(f"{path} has changed while it was read. Repeat the same command.")
    except DataError:
        raise
    except Exception as error:  # arrow and the file system each raise their own kinds
        raise unreadable(str(path), error, _WHOLE_COPY) from error


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
