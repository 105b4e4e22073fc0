"""A score that changes while a picture does, and the one number that sums it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Curve:
    """Scores of some images along a scale of changes.

    Attributes:
        fractions: Where on the scale, `(S,)`, float32, in [0, 1], ascending.
        scores: The score of each image at each of them, `(N, S)`, float32. They are as the model
            gives them, not scaled to the score of the unchanged image.
        name: What was measured.
        xlabel: What the fractions are.
        ylabel: What the scores are.
    """

    fractions: Tensor
    scores: Tensor
    name: str = ""
    xlabel: str = ""
    ylabel: str = ""

    @property
    def area(self) -> Tensor:
        """The area under each image's curve over the width of the scale, `(N,)`.

        `sum over s of (f(s+1) - f(s)) (y(s+1) + y(s)) / 2, divided by f(S) - f(1)`, which is the
        mean height of the curve: a constant score has itself as area, whatever the scale. With
        a single point it is that score.
        """
        if len(self.fractions) == 1:
            return self.scores[:, 0]
        width = self.fractions[-1] - self.fractions[0]
        return torch.trapezoid(self.scores, self.fractions, dim=1) / width

    @property
    def mean(self) -> float:
        """The mean area over the images: the number to quote."""
        return float(self.area.mean())

    def plot(self, ax: Axes | None = None, *, label: str | None = None) -> Figure:
        """Draw the mean curve, and each image's own as a thin line.

        Args:
            ax: Where to draw; a new figure if left out. Several curves may share one.
            label: The name in the legend; by default the curve's name with its mean area.

        Returns:
            The figure drawn on.
        """
        from interpviz.metrics.drawing import draw_curve

        return draw_curve(self, ax, label=label)
