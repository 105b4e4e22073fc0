"""Coloured words that run over lines, broken where the axes end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, ScaledTranslation

from interpviz.render.tokens import NEWLINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backend_bases import RendererBase

__all__ = ["Paragraph"]

SIZE = 11.0
"""Font size in points where there is room."""

LEAST = 1.0
"""Font size in points below which letters do not shrink."""

SPACE, MARGIN, SEAM, LINE, PATCH = 0.26, 0.12, 0.03, 1.75, 1.4
"""Over the font size: the gap between words, what a patch is wider than its text at the ends of a
word and at a seam between pieces, the step to the next line, and the height of a patch."""


class Paragraph(Artist):
    """Tokens on patches of colour, laid out as running text each time they are drawn.

    Args:
        ax: The axes to fill from the upper left on.
        texts: One text a token.
        spaces: Whether a space stands before each token.
        colours: The colour of each patch, None for a token without one.
        inks: The colour of each text, None for the colour of the page's text.
    """

    def __init__(
        self,
        ax: Axes,
        texts: Sequence[str],
        spaces: Sequence[bool],
        colours: Sequence[Any],
        inks: Sequence[Any],
    ) -> None:
        super().__init__()
        self.spaces = spaces
        starts = np.array([place == 0 or space for place, space in enumerate(spaces)])
        ends = np.append(starts[1:], True)
        self._margins = np.where(np.stack([starts, ends]), MARGIN, SEAM)
        self.needed = 0.0
        """Height in points that the text needs at its full size, known once it was drawn."""
        page = mpl.rcParams["text.color"]
        self.words = [
            Text(0, 0, text, color=page if ink is None else ink, va="baseline", parse_math=False)
            for text, ink in zip(texts, inks, strict=True)
        ]
        self.patches = [
            None if colour is None else Rectangle((0, 0), 0, 0, facecolor=colour, linewidth=0)
            for colour in colours
        ]
        ax.add_artist(self)
        corner = ScaledTranslation(0, 1, cast("Any", ax.transAxes))
        points = Affine2D().scale(1 / 72) + ax.figure.dpi_scale_trans + corner
        for child in self.get_children():
            child.set_figure(ax.figure)
            child.axes = ax
            child.set_transform(points)
        # What is laid out within the axes cannot ask for more room around them.
        self.set_in_layout(False)

    def get_children(self) -> list[Artist]:
        """The patches and, over them, the texts."""
        return [*(patch for patch in self.patches if patch is not None), *self.words]

    def draw(self, renderer: RendererBase) -> None:
        """Break the lines for the axes as they are now, and draw.

        Args:
            renderer: What measures and draws the texts.
        """
        if not self.get_visible():
            return
        self._lay_out(renderer)
        for child in self.get_children():
            child.draw(renderer)
        self.stale = False

    def _lay_out(self, renderer: RendererBase) -> None:
        assert self.axes is not None
        box = self.axes.get_window_extent(renderer)
        points = 72 / self.axes.get_figure(root=True).dpi  # type: ignore[union-attr]
        room = (box.width * points, box.height * points)
        sizes = np.arange(LEAST, SIZE + 0.1, 0.25)
        places = self._places(renderer, SIZE, room[0])
        size, self.needed = SIZE, self._height(places, SIZE)
        if not self._fits(places, SIZE, room):
            low, high = 0, len(sizes) - 1
            while high - low > 1:
                middle = (low + high) // 2
                places = self._places(renderer, sizes[middle], room[0])
                fits = self._fits(places, sizes[middle], room)
                low, high = (middle, high) if fits else (low, middle)
            size = float(sizes[low])
            places = self._places(renderer, size, room[0])
        self._put(places, size)

    def _places(self, renderer: RendererBase, size: float, room: float) -> np.ndarray:
        """Left end, line and width of each token, in points, at a font size."""
        widths = self._widths(renderer, size) + self._margins.sum(0) * size
        ends = [place for place in range(1, len(widths)) if self.spaces[place]]
        places = np.zeros((len(widths), 3))
        places[:, 2] = widths
        x, line = 0.0, 0
        for word in np.split(np.arange(len(widths)), ends):
            gap = SPACE * size if x > 0 else 0.0
            if x > 0 and x + gap + widths[word].sum() > room:
                x, line, gap = 0.0, line + 1, 0.0
            x += gap
            for token in word:
                # A word that is broader than a line is broken between its pieces.
                if x > 0 and x + widths[token] > room:
                    x, line = 0.0, line + 1
                places[token, :2] = x, line
                x += widths[token]
                if self.words[token].get_text().endswith(NEWLINE):
                    x, line = 0.0, line + 1
        return places

    def _widths(self, renderer: RendererBase, size: float) -> np.ndarray:
        pixels = float(cast("float", renderer.points_to_pixels(1.0)))
        font = self.words[0].get_fontproperties().copy()
        font.set_size(size)
        known: dict[str, float] = {}
        for text in {word.get_text() for word in self.words}:
            known[text] = renderer.get_text_width_height_descent(text, font, False)[0] / pixels
        return np.array([known[word.get_text()] for word in self.words])

    @staticmethod
    def _height(places: np.ndarray, size: float) -> float:
        return float((places[-1, 1] * LINE + PATCH) * size)

    def _fits(self, places: np.ndarray, size: float, room: tuple[float, float]) -> bool:
        widest = float((places[:, 0] + places[:, 2]).max())
        return widest <= room[0] and self._height(places, size) <= room[1] + 0.5

    def _put(self, places: np.ndarray, size: float) -> None:
        drawn = zip(places, self._margins[0], self.words, self.patches, strict=True)
        for (x, line, width), margin, word, patch in drawn:
            top = -line * LINE * size
            word.set_fontsize(size)
            word.set_position((x + margin * size, top - 1.03 * size))
            if patch is not None:
                patch.set_bounds(x, top - PATCH * size, width, PATCH * size)
