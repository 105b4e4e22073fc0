"""What comes out of a video: maps on one scale, and the video with the maps over it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from interpviz.cam.maps import percent
from interpviz.cam.targets import Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class VideoMaps:
    """The maps of a video, and the video with the maps over it.

    Attributes:
        maps: Tensor `(T, H, W)`, float32, in [0, 1]; signed maps in [-1, 1].
        frames: Array `(T, H, W, 3)`, uint8 RGB: the maps over the pictures.
        target: What was explained in every frame: a class index, a target, or None where the
            method asks for none.
        name: Its name, such as that of the class.
        probabilities: The probability of the class in each frame, in [0, 1]: T numbers, or a single
            one where the network sees the clip as a whole. None where a target is no class.
        strength: The T largest values of the raw maps. Their maximum is what shared maps were
            divided by.
        fps: Frames a second.
    """

    maps: Tensor
    frames: NDArray[np.uint8]
    target: int | Target | None
    name: str
    probabilities: list[float] | None
    strength: list[float]
    fps: float

    def save(self, path: str | Path) -> Path:
        """Write the video with the maps over it.

        Args:
            path: A name that ends with `.mp4`, `.webp` or `.gif`; see
                [`write_animation`][interpviz.render.write_animation].

        Returns:
            The path.

        Raises:
            InputError: The suffix is not known, PyAV is missing for an MP4, or there is no such
                folder.
        """
        from interpviz.render.animation import write_animation

        return write_animation(path, self.frames, self.fps)

    def plot(self, columns: int = 6) -> Figure:
        """Draw some frames beside each other, and below them the numbers of all frames.

        Args:
            columns: How many frames are shown, from the first to the last.

        Returns:
            A new figure: the strip, and over time the probability of the class and the map's
            maximum as a share of the largest one.

        Raises:
            InputError: There is no column.
        """
        from interpviz.render.filmstrip import film_strip, shown_frames
        from interpviz.render.style import describe

        count, peak = len(self.frames), max(self.strength) or 1.0
        curves = {f"map's maximum, as a share of {peak:.3g}": [s / peak for s in self.strength]}
        labels = None
        heading = f"{self.name}"
        if self.probabilities and len(self.probabilities) == count:
            curves = {f"probability of {self.name}": self.probabilities, **curves}
            labels = [percent(p) for p in self.probabilities]
        elif self.probabilities:
            heading += f", {percent(self.probabilities[0])} for the whole clip"
        figure = film_strip(self.frames, self.fps, curves, columns=columns, labels=labels)
        figure.suptitle(heading, parse_math=False)
        told = [
            f"at {i / self.fps:.1f} s {self.strength[i] / peak:.0%} of the largest maximum"
            + (f", probability {labels[i]}" if labels else "")
            for i in shown_frames(count, columns)
        ]
        return describe(figure, f"Frames of a video, each with its map: {'; '.join(told)}.")

    def _repr_html_(self) -> str:
        from interpviz.render.animation import animation_html

        return animation_html(self.frames, self.fps, f"{self}.")

    def __str__(self) -> str:
        return (
            f"Heat map over time for {self.name}: {len(self.frames)} frames at {self.fps:g} a "
            "second"
        )

    def __repr__(self) -> str:
        return f"VideoMaps({self.name!r}, maps {tuple(self.maps.shape)}, fps={self.fps:g})"
