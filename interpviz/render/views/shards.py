"""Large data in files beside a page, as scripts, since pages opened from disk may fetch nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from interpviz.errors import InputError
from interpviz.render.views.page import as_json

LARGEST_SCRIPT = 8_000_000
"""Bytes of one script that holds more than one head."""


_NAME = re.compile(r"\d+-\d+\.js")


def grouped(sizes: list[int], limit: int = LARGEST_SCRIPT) -> list[list[int]]:
    """Which neighbours share a file.

    Args:
        sizes: Bytes of each part.
        limit: Bytes of a file, unless a single part is larger.

    Returns:
        The places of the parts of each file.
    """
    groups: list[list[int]] = []
    room = 0
    for place, size in enumerate(sizes):
        if not groups or size > room:
            groups.append([])
            room = limit
        groups[-1].append(place)
        room -= size
    return groups


def as_script(key: str, parts: Mapping[int, str]) -> str:
    """A script that hands parts to the view that asked for it.

    Args:
        key: The address of the script as the view knows it.
        parts: Texts by their number.
    """
    return f"(self.interpvizParts??={{}})[{as_json(key)}]={as_json(parts)};\n"


def write_shards(folder: Path, scripts: Mapping[str, str]) -> None:
    """Write scripts into a folder, whole or not at all; older ones of the same view go.

    Args:
        folder: Where to; made where it does not exist.
        scripts: Texts by file name, two numbers and `.js`: `"3-0.js"`.

    Raises:
        InputError: The folder above does not exist, or this one holds other files.
    """
    _check(folder)
    there = list(folder.iterdir()) if folder.exists() else []
    strangers = [file.name for file in there if not _NAME.fullmatch(file.name)]
    if strangers:
        raise InputError(
            f"The folder '{folder}' is needed for the data of the view, but holds other files, "
            f"such as '{strangers[0]}': write the view under another name."
        )
    with TemporaryDirectory(prefix=".partial-", dir=folder.parent) as room:
        made = Path(room) / folder.name
        made.mkdir()
        for name, text in scripts.items():
            (made / name).write_text(text, encoding="ascii")
        if folder.exists():
            shutil.rmtree(folder)
        made.replace(folder)


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all.

    Args:
        path: Where to.
        text: What it holds.

    Raises:
        InputError: The folder does not exist.
    """
    _check(path)
    with TemporaryDirectory(prefix=".partial-", dir=path.parent) as room:
        made = Path(room) / path.name
        made.write_text(text, encoding="utf-8")
        made.replace(path)


def _check(path: Path) -> None:
    if not path.parent.is_dir():
        raise InputError(f"There is no folder '{path.parent}': make it first.")
