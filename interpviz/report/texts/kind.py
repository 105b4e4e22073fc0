"""What a report is of."""

from __future__ import annotations

from pathlib import Path

from interpviz.errors import InputError
from interpviz.report.files import HOME, write_whole


def check_kind(out: Path, kind: str) -> None:
    """Refuse a folder that holds a report of another kind, whose results would be thrown away.

    Args:
        out: The folder of the report.
        kind: `"images"` or `"texts"`.

    Raises:
        InputError: The report there is of the other kind.
    """
    if not (out / HOME / "journal.jsonl").exists():
        return
    found = "texts" if _mark(out).exists() else "images"
    if found != kind:
        raise InputError(
            f"{out} holds a report of {found}: choose another folder for one of {kind}."
        )


def mark_as_texts(out: Path) -> None:
    """Note that a report is one of texts.

    Args:
        out: The folder of the report.
    """
    _mark(out).parent.mkdir(parents=True, exist_ok=True)
    write_whole(_mark(out), b"")


def _mark(out: Path) -> Path:
    return out / HOME / "texts"
