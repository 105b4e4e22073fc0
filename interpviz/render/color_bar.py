"""A colour bar below a picture whose numbers never lie on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import Locator

from interpviz.render.labels import DIGIT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.image import AxesImage


class _BarLocator(Locator):
    """Numbers at even distances along a horizontal colour bar, on any norm, as many as fit."""

    def __init__(self, norm: Any) -> None:
        self.norm = norm

    def __call__(self) -> list[float]:
        """The numbers for the bar as long as it is now."""
        axis: Any = self.axis
        length = axis.axes.get_window_extent().width * 72 / axis.get_figure(root=True).dpi
        # A number such as 0.062 takes five digits.
        room = length / (axis.get_major_ticks(1)[0].label1.get_size() * DIGIT * 6)
        steps = 4 if room > 4 else 2 if room > 2 else 1
        return [float(value) for value in self.norm.inverse(np.linspace(0.0, 1.0, steps + 1))]


def color_bar_below(
    ax: Axes, picture: AxesImage, label: str, extent: tuple[float, float]
) -> Colorbar:
    """Draw a colour bar below a picture, with as many numbers as stay apart.

    Args:
        ax: The axes of the picture.
        picture: The image.
        label: What the colours mean.
        extent: Width and height of the picture in inches.
    """
    figure: Any = ax.figure
    width, height = extent
    norm: Any = picture.norm
    bar: Colorbar = figure.colorbar(
        picture,
        ax=ax,
        label=label,
        location="bottom",
        fraction=0.15 / (height + 0.15),
        aspect=max(0.8 * width, 1.0) / 0.11,
        pad=0.1 / height,
        ticks=_BarLocator(norm),
        format="%.2g",
        extend="max" if norm.clip else "neither",
    )
    bar.ax.tick_params(labelsize=8)
    return bar
