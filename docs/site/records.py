"""What is known of an example's figures, kept beside their files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class FigureRecord:
    """One figure of an example.

    Attributes:
        number: Its place in the example, from 1.
        alt: What is seen, for who cannot see it.
        width: Width in CSS pixels; the file holds twice as many.
        height: Height in CSS pixels.
    """

    number: int
    alt: str
    width: int
    height: int


def load(path: Path) -> list[FigureRecord]:
    """Read the figures of an example; none where nothing was recorded."""
    if not path.is_file():
        return []
    return [FigureRecord(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]


def save(path: Path, figures: list[FigureRecord]) -> None:
    """Write the figures of an example."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(figure) for figure in figures], indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
