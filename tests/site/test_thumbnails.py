"""Where the pictures of the cards are cut."""

from __future__ import annotations

import numpy as np
import pytest


def panels(rows, columns, size=100, gap=20):
    """White paper with grey squares in rows and columns."""
    height, width = rows * (size + gap) + gap, columns * (size + gap) + gap
    pixels = np.full((height, width, 3), 255, dtype=np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = gap + row * (size + gap), gap + column * (size + gap)
            pixels[top : top + size, left : left + size] = 90
    return pixels


def parted(pixels, right, bottom) -> bool:
    """Whether a cut goes through something that is drawn."""
    drawn = (pixels != 255).any(axis=2)
    at_bottom = (
        bottom < len(drawn) and drawn[bottom - 1, :right].any() and drawn[bottom, :right].any()
    )
    at_right = (
        right < drawn.shape[1] and drawn[:bottom, right - 1].any() and drawn[:bottom, right].any()
    )
    return bool(at_bottom or at_right)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 2), (1, 8), (4, 2), (6, 3), (3, 5)])
def test_cards_cut_figures_between_panels(rows, columns):
    import thumbnails

    pixels = panels(rows, columns)
    right, bottom = thumbnails._window(pixels)
    assert not parted(pixels, right, bottom)
    # Whole panels are left, and not so many that they are small.
    assert min(right, bottom) >= 120
    assert right < 6 * 120
    assert bottom < 4 * 120


def test_cards_leave_out_small_print_at_the_foot():
    import thumbnails

    pixels = panels(1, 4)
    noted = np.concatenate((pixels, np.full((30, pixels.shape[1], 3), 255, dtype=np.uint8)))
    noted[-20:-14, 60:-10] = 90
    assert thumbnails._window(noted)[1] <= len(pixels)
    # A part as high as a panel stays.
    assert thumbnails._window(panels(2, 4))[1] == len(panels(2, 4))
