"""Some frames of a film beside each other, and numbers over time below them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from interpviz.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def film_strip(
    frames: NDArray[np.uint8],
    fps: float,
    curves: Mapping[str, Sequence[float]],
    *,
    columns: int = 6,
    labels: Sequence[str] | None = None,
) -> Figure:
    """Draw some frames, from the first to the last, and shares that change over time.

    Args:
        frames: Array `(T, H, W, 3)`, uint8 RGB.
        fps: Frames a second, which gives the times.
        curves: By name, T numbers in [0, 1] each. A dot marks each frame that is shown.
        columns: How many frames are shown at most.
        labels: T short texts, each above its frame, below the time.

    Returns:
        A new figure.

    Raises:
        InputError: There is no column, or the numbers of frames, labels and values do not match.
    """
    import matplotlib.pyplot as plt

    count = len(frames)
    lengths = {count, *map(len, curves.values()), count if labels is None else len(labels)}
    if columns < 1 or lengths != {count} or not count:
        raise InputError(
            f"A strip of {columns} columns needs one frame, label and value for each moment and at "
            f"least one column, but there are {' and '.join(map(str, sorted(lengths)))}."
        )
    shown = shown_frames(count, columns)
    side = 1.6
    height = side * frames.shape[1] / frames.shape[2] + 0.5
    figure = plt.figure(figsize=(max(side * len(shown), 4.0), height + 2.2), layout="constrained")
    grid = figure.add_gridspec(2, len(shown), height_ratios=(height, 2.2))
    for column, index in enumerate(shown):
        ax = figure.add_subplot(grid[0, column])
        ax.imshow(frames[index])
        ax.set_axis_off()
        title = f"{index / fps:.1f} s" + ("" if labels is None else f"\n{labels[index]}")
        ax.set_title(title, fontsize=9, parse_math=False)
    ax = figure.add_subplot(grid[1, :])
    times = np.arange(count) / fps
    for (name, values), line in zip(curves.items(), cycle(("-", "--", ":", "-.")), strict=False):
        ax.plot(times, values, line, label=name, marker="o", markersize=4, markevery=shown)
    ax.set(xlabel="time in seconds", ylim=(-0.03, 1.03))
    legend = ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=9)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def shown_frames(count: int, columns: int) -> list[int]:
    """The frames of a strip: evenly spread, the first and the last among them.

    Args:
        count: The number of frames.
        columns: How many to show at most.
    """
    spread = np.linspace(0, count - 1, min(columns, count)).round()
    return [int(index) for index in spread]
