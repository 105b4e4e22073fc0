"""Files of a report's data, as scripts that a page loads from any host or from a disk."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from interpviz.report.files import remove_parts, write_whole


def write_script(folder: Path, name: str, kind: str, content: Any) -> None:
    """Write a file of the report's data.

    Args:
        folder: The folder `data`.
        name: The file's name.
        kind: What the page is told that it is.
        content: What JSON can hold.
    """
    text = json.dumps(content, separators=(",", ":"), sort_keys=True, allow_nan=False)
    write_whole(folder / name, f'interpvizReport("{kind}",{text});\n'.encode())


def write_records(
    folder: Path, count: int, size: int, record: Callable[[int], dict[str, Any]]
) -> None:
    """Write all records, one file at a time.

    Args:
        folder: The folder `data`.
        count: How many records there are.
        size: How many a file holds.
        record: Gives one by its place; called once for each, in their order.
    """
    remove_parts(folder)
    for shard, first in enumerate(range(0, count, size)):
        records = [record(index) for index in range(first, min(first + size, count))]
        content = {"first": first, "records": records}
        write_script(folder, f"records-{shard:03d}.js", "records", content)


def remove_records(folder: Path, count: int, size: int) -> None:
    """Remove the files of records beyond the last one, once no index speaks of them.

    Args:
        folder: The folder `data`.
        count: How many records there are.
        size: How many a file holds.
    """
    for path in folder.glob("records-*.js"):
        number = path.stem.removeprefix("records-")
        if number.isdecimal() and int(number) * size >= count:
            path.unlink()


def as_base64(values: NDArray[Any]) -> str:
    """The bytes of an array as text.

    Args:
        values: The array.
    """
    return base64.b64encode(values.tobytes()).decode()
