"""What is counted over all records of a report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Totals:
    """Counts of a report, of images or of texts.

    Attributes:
        explained: Images or texts with a result.
        failures: The id of each other one, and its reason.
        labelled: Those whose label means a class.
        right: Those among them that were predicted as that class.
        confusion: How often each pair of label and predicted class was seen.
    """

    explained: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    labelled: int = 0
    right: int = 0
    confusion: Counter[tuple[int, int]] = field(default_factory=Counter)

    def judge(self, label: int, own: int, predicted: int) -> None:
        """Count a prediction of something that has a label.

        Args:
            label: The label's index.
            own: The class that it means, or -1.
            predicted: The predicted class.
        """
        self.confusion[label, predicted] += 1
        self.labelled += own >= 0
        self.right += own == predicted

    def as_dict(self) -> dict[str, Any]:
        """The counts as they stand in `summary.js`, the most frequent pairs first."""
        ranked = sorted(self.confusion.items(), key=lambda entry: (-entry[1], entry[0]))
        return {
            "explained": self.explained,
            "failed": len(self.failures),
            "labelled": self.labelled,
            "right": self.right,
            "confusion": [[label, predicted, count] for (label, predicted), count in ranked],
        }
