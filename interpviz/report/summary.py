"""What a run came to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Attributes:
        out: The folder of the report, or its address.
        total: How many images there are.
        explained: How many have a result, from this run or an earlier one.
        new: How many were explained in this run.
        labelled: How many have a label that is one of the model's classes.
        right: How many of these were predicted right.
        failures: The id of each image without a result, and the reason.
        seconds: How long the run took.
    """

    out: Path | str
    total: int
    explained: int
    new: int
    labelled: int
    right: int
    failures: list[tuple[str, str]] = field(repr=False)
    seconds: float

    @property
    def accuracy(self) -> float | None:
        """The share of labelled images that were predicted right; None without labels."""
        return self.right / self.labelled if self.labelled else None
