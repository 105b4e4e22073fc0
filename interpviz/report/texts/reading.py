"""Where texts come from: a file, or a sequence in Python. Both are read one text at a time."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from interpviz.errors import InputError
from interpviz.report.addresses import local_path

MOST_BYTES = 1_000_000
"""Bytes of a line that is still read."""


@dataclass(frozen=True, slots=True)
class Row:
    """One text as it was read.

    Attributes:
        id: Where it stands.
        text: The text, or None where there is none to be had.
        label: The name of its class, or None.
        reason: Why there is no text.
    """

    id: str
    text: str | None
    label: str | None = None
    reason: str | None = None


Rows = Callable[[], Iterator[Row]]


def find_rows(texts: Any) -> Rows:
    """What gives all texts, each time anew.

    Args:
        texts: A file with one text a line (blank lines are left out); a `.jsonl` file, whose
            objects hold `text` and perhaps `label`; a `.csv` or `.tsv` file with such columns; or
            a sequence of texts, of pairs of text and label, or of mappings.

    Raises:
        InputError: There is no such file, it has no column of texts, or it is something else.
    """
    if isinstance(texts, str | Path):
        path = local_path(texts)
        if path is None:
            raise InputError(f"{texts} is an address: copy the file to this machine first.")
        return _rows_of_file(path)
    if not hasattr(texts, "__getitem__") or not hasattr(texts, "__len__"):
        raise InputError(
            f"A {type(texts).__name__} holds no texts: pass a file or a list of texts."
        )
    return partial(_of_sequence, texts)


def _rows_of_file(path: Path) -> Rows:
    if not path.is_file():
        raise InputError(f"There is no file {path}: pass one with a text a line.")
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        delimiter = "\t" if suffix == ".tsv" else ","
        _columns(path, delimiter)
        return partial(_of_table, path, delimiter)
    if suffix in (".jsonl", ".ndjson"):
        return partial(_of_objects, path)
    return partial(_of_lines, path)


def _of_lines(path: Path) -> Iterator[Row]:
    for row in _lines(path):
        if row.text is None:
            yield row
        elif row.text.strip():
            yield _checked(row.id, row.text.strip())


def _of_objects(path: Path) -> Iterator[Row]:
    for row in _lines(path):
        if row.text is None:
            yield row
        elif row.text.strip():
            try:
                entry = json.loads(row.text)
            except (ValueError, RecursionError) as error:
                yield Row(row.id, None, reason=f"no JSON: {str(error)[:120]}")
            else:
                yield _of_entry(row.id, entry)


def _of_table(path: Path, delimiter: str) -> Iterator[Row]:
    text, label = _columns(path, delimiter)
    with _opened(path) as file:
        reader = csv.reader(file, delimiter=delimiter)
        next(reader)
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(f"line {reader.line_num}", None, reason=f"broken: {error}")
                continue
            if fields:
                where = f"line {reader.line_num}"
                given = fields[text] if text < len(fields) else None
                own = fields[label] if label is not None and label < len(fields) else None
                yield _checked(where, given, own or None)


def _of_sequence(texts: Sequence[Any]) -> Iterator[Row]:
    for index in range(len(texts)):
        where = f"text {index}"
        try:
            entry = texts[index]
        except Exception as error:  # a dataset may fail in any way, and the others go on
            yield Row(where, None, reason=f"the dataset raised {type(error).__name__}: {error}")
        else:
            yield _of_entry(where, entry)


def _of_entry(where: str, entry: Any) -> Row:
    if isinstance(entry, Mapping):
        return _checked(where, entry.get("text"), entry.get("label"))
    if isinstance(entry, tuple | list) and len(entry) == 2:
        return _checked(where, *entry)
    return _checked(where, entry)


def _checked(where: str, text: Any, label: Any = None) -> Row:
    if not isinstance(text, str):
        return Row(where, None, reason="no text: a string named 'text' is needed")
    name = None if label is None else str(label).strip() or None
    try:
        f"{text}{name}".encode()
    except UnicodeEncodeError:
        return Row(where, None, reason="not UTF-8")
    if not text.strip():
        return Row(where, None, name, "the text is empty")
    return Row(where, text, name)


def _lines(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(MOST_BYTES + 1):
            number += 1
            where = f"line {number}"
            if len(line) > MOST_BYTES:
                while line and not line.endswith(b"\n"):
                    line = file.readline(MOST_BYTES)
                yield Row(where, None, reason=f"more than {MOST_BYTES:,} bytes in one line")
                continue
            try:
                yield Row(where, line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except UnicodeDecodeError:
                yield Row(where, None, reason="not UTF-8")


def _opened(path: Path) -> Any:
    # What is not UTF-8 is told of each text by itself.
    return path.open(newline="", encoding="utf-8-sig", errors="surrogateescape")


def _columns(path: Path, delimiter: str) -> tuple[int, int | None]:
    """The places of the columns of texts and of labels."""
    with _opened(path) as file:
        try:
            header = next(csv.reader(file, delimiter=delimiter), [])
        except csv.Error as error:
            raise InputError(f"{path} is no table ({error}): pass another file.") from error
    names = [name.strip().lower() for name in header]
    if "text" not in names:
        raise InputError(
            f"{path} has no column 'text', but {', '.join(header[:8]) or 'none at all'}: name the "
            "column of texts so."
        )
    return names.index("text"), names.index("label") if "label" in names else None
