"""A request's body: unpacked within its limits, and read as JSON or CSV."""

from __future__ import annotations

import csv
import io
import re
import zlib
from collections.abc import Sequence

import orjson

from mlops.deployment.serving.refusal import RefusedError
from mlops.deployment.serving.table import Rows
from mlops.quality.contract import ColumnType

_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
_TRUTHS = {"true": True, "false": False, "1": True, "0": False}


def unpack(body: bytes, encoding: str, most: int) -> bytes:
    """The body without its content encoding; raises RefusedError for another one and for a bomb."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise RefusedError(415, f"content-encoding {encoding[:40]!r}: expected gzip, or none")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise RefusedError(400, f"the body is not gzip: {error}") from None
    if len(content) > most:
        raise RefusedError(413, f"the body is larger than {most} bytes once unpacked")
    if not unpacker.eof or unpacker.unused_data:
        raise RefusedError(400, "the body is not gzip: it is cut off, or more follows it")
    return content


def read_json(body: bytes) -> dict[str, object]:
    """The mapping that a body holds; raises RefusedError for anything else."""
    try:
        values = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        hint = "; NaN and infinities are not JSON: send null" if _has_nan(body) else ""
        raise RefusedError(400, f"the body is not JSON: {error}{hint}") from None
    if not isinstance(values, dict):
        raise RefusedError(400, f"expected a JSON object, found {_kind(values)}")
    return values


def _has_nan(body: bytes) -> bool:
    return b"NaN" in body or b"Infinity" in body


def read_csv(body: bytes, types: dict[str, ColumnType], most: int) -> Rows:
    """The rows of a CSV body with a header; values get the contract's types where they have them."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RefusedError(400, f"the body is not UTF-8: byte {error.start}") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, None)
        if not header:
            raise RefusedError(
                400, "the CSV is empty: a header with the columns' names is expected"
            )
        if len(set(header)) != len(header):
            raise RefusedError(400, "the CSV's header names a column twice")
        lines: list[list[str]] = []
        for line in reader:
            if len(line) != len(header):
                if not line:
                    continue
                raise RefusedError(
                    400,
                    f"line {reader.line_num} of the CSV has {len(line)} values, "
                    f"its header {len(header)}",
                )
            lines.append(line)
            if len(lines) > most:
                raise too_many(most)
    except csv.Error as error:
        raise RefusedError(400, f"the body is not CSV: {error}") from None
    columns = {
        name: [_typed(line[number], types.get(name, "string")) for line in lines]
        for number, name in enumerate(header)
    }
    return Rows(len(lines), columns)


def too_many(most: int) -> RefusedError:
    """The refusal of a request with more rows than are answered at once."""
    return RefusedError(
        413, f"more than {most} rows in one request; send several, or use nox -s batch"
    )


def _typed(text: str, kind: ColumnType) -> object:
    """A CSV's text as the value that it stands for; the text itself where it stands for none."""
    if text == "":
        return None
    if kind in ("number", "integer"):
        if _NUMBER.fullmatch(text):
            return float(text)
        return None if text.strip().lower() == "nan" else text
    if kind == "boolean":
        return _TRUTHS.get(text.strip().lower(), text)
    return text


def records(values: object, where: str, most: int) -> Rows:
    """A list of mappings from column to value as rows."""
    if not isinstance(values, list) or not all(isinstance(record, dict) for record in values):
        raise RefusedError(400, f"{where}: expected a list of objects, each a row of named values")
    if len(values) > most:
        raise too_many(most)
    if len(values) == 1:
        return Rows(1, {name: [value] for name, value in values[0].items()})
    names = dict.fromkeys(name for record in values for name in record)
    return Rows(len(values), {name: [record.get(name) for record in values] for name in names})


def split(values: object, where: str, most: int) -> Rows:
    """`columns` and `data`, as pandas splits a table, as rows."""
    if not isinstance(values, dict):
        raise RefusedError(400, f"{where}: expected an object with columns and data")
    if unknown := sorted(set(values) - {"columns", "data", "index"}):
        raise RefusedError(
            400, f"{where}: unknown key {unknown[0][:40]!r}; known are columns, data, index"
        )
    names, data = values.get("columns"), values.get("data")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise RefusedError(400, f"{where}: columns: expected a list of names")
    if len(set(names)) != len(names):
        raise RefusedError(400, f"{where}: columns: a name is given twice")
    if not isinstance(data, list):
        raise RefusedError(400, f"{where}: data: expected a list of rows")
    if len(data) > most:
        raise too_many(most)
    for number, row in enumerate(data, start=1):
        if not isinstance(row, list) or len(row) != len(names):
            raise RefusedError(400, f"{where}: data: row {number}: expected {len(names)} values")
    columns: Sequence[Sequence[object]] = list(zip(*data, strict=True)) if data else []
    return Rows(len(data), dict(zip(names, columns or [[] for _ in names], strict=True)))


def by_column(values: object, where: str, most: int) -> Rows:
    """A mapping from column to its values as rows."""
    if not isinstance(values, dict) or not all(isinstance(c, list) for c in values.values()):
        raise RefusedError(
            400, f"{where}: expected an object with a list of values for each column"
        )
    lengths = {len(column) for column in values.values()}
    if len(lengths) > 1:
        raise RefusedError(400, f"{where}: the columns are not of one length")
    count = lengths.pop() if lengths else 0
    if count > most:
        raise too_many(most)
    return Rows(count, values)


def _kind(value: object) -> str:
    names = {list: "a list", str: "a text", type(None): "null", bool: "a truth value"}
    return names.get(type(value), "a number")
