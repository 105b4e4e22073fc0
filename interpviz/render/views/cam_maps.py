"""Maps in 8 bits a cell, at the size that they were made at, with how far they may then be off."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interpviz.errors import InputError
from interpviz.render.images import to_numpy

Floats = NDArray[np.float64]

FEW = 64
"""Cells along a side that are kept as they are, without a look for a smaller grid."""

SAME = 1e-5
"""How far a map may be off its smaller grid, as a share of its greatest value."""


@dataclass(frozen=True)
class MethodMaps:
    """The maps of one method.

    Attributes:
        name: Its name, possibly empty.
        maps: Shape `(class, row, column)`.
        signed: Whether values below zero count.
    """

    name: str
    maps: Floats
    signed: bool

    def payload(self) -> dict[str, Any]:
        """Name, size, codes in base64 and the step between two codes of each map."""
        steps = steps_of(self.maps, self.signed)
        codes = encode(self.maps, steps, self.signed)
        return {
            "name": self.name,
            "shape": self.maps.shape[1:],
            "maps": [base64.b64encode(each.tobytes()).decode("ascii") for each in codes],
            "steps": steps,
        }


def steps_of(maps: Floats, signed: bool) -> list[float]:
    """The value between two neighbouring codes of each map: its greatest one over 255, or 127.

    Args:
        maps: Shape `(class, row, column)`.
        signed: Whether values below zero count.
    """
    tops = np.abs(maps).max(axis=(1, 2)) / (127 if signed else 255)
    # What the script reads back must be the very step that the codes were made with.
    return [float(f"{top:.9g}") for top in tops]


def encode(maps: Floats, steps: Sequence[float], signed: bool) -> NDArray[np.uint8]:
    """Round maps to whole steps.

    A value is off by at most half a step: 0.2 % of the greatest value of its map, of signed maps
    0.4 %. Zero stays zero; in signed maps its code is 128.

    Args:
        maps: Shape `(class, row, column)`.
        steps: One for each class, as `steps_of` gives them.
        signed: Whether values below zero count.

    Returns:
        Codes, of the shape of the maps.
    """
    size = np.asarray(steps, np.float64)[:, None, None]
    whole = np.rint(np.divide(maps, size, out=np.zeros_like(maps), where=size > 0))
    return np.asarray(
        whole.clip(-127 if signed else 0, 127 if signed else 255) + 128 * signed, "u1"
    )


def methods_of(maps: Any, names: Sequence[str] | None, signed: bool) -> list[MethodMaps]:
    """The maps of a view by method, checked.

    Args:
        maps: Shape `(h, w)`, `(classes, h, w)` or `(methods, classes, h, w)`; or a mapping from the
            names of methods to `(classes, h, w)`, whose sizes may differ.
        names: The names of the methods, where `maps` is no mapping.
        signed: Whether values below zero count.

    Raises:
        InputError: The shapes, names or values cannot be shown.
    """
    if isinstance(maps, Mapping):
        if names is not None:
            raise InputError("The methods are named twice: the mapping has names already.")
        named = [(str(name), to_numpy(each)) for name, each in maps.items()]
    else:
        array = to_numpy(maps)
        if array.ndim in (2, 3):
            array = array[(None,) * (4 - array.ndim)]
        given = [""] * len(array) if names is None and len(array) == 1 else names
        if given is None:
            given = [f"method {place}" for place in range(len(array))]
        if len(given) != len(array):
            raise InputError(
                f"There are maps of {len(array)} methods and {len(given)} names: give one each."
            )
        named = list(zip(map(str, given), array, strict=True))
    if not named:
        raise InputError("There are no maps to show: pass those of at least one method.")
    return [
        MethodMaps(name, own_grid(_checked(name, each, signed)), signed) for name, each in named
    ]


def _checked(name: str, maps: NDArray[Any], signed: bool) -> Floats:
    values = maps[None] if maps.ndim == 2 else maps
    of = f" of '{name}'" if name else ""
    if values.ndim != 3 or not values.size:
        raise InputError(
            f"The maps{of} have shape {maps.shape}, not (classes, height, width): pass one map for "
            "each class."
        )
    if not np.isfinite(values).all():
        raise InputError(f"The maps{of} have values that are not finite: check how they were made.")
    if not signed and values.min() < 0:
        raise InputError(
            f"The maps{of} have values below zero: pass signed=True to show them, or clip them."
        )
    return values.astype(np.float64)


def own_grid(maps: Floats) -> Floats:
    """Maps at the size that they had before they were enlarged bilinearly.

    A class activation map is a few cells enlarged to the size of the image. Those cells are found
    again as the smallest grid whose enlargement is the map; maps of which there is none, such as
    those fused from several layers, stay as they are.

    Args:
        maps: Shape `(class, row, column)`.

    Returns:
        Shape `(class, fewer rows, fewer columns)`, or the maps themselves.
    """
    if max(maps.shape[1:]) <= FEW:
        return maps
    turned = [np.moveaxis(maps, axis, 0) for axis in (1, 2)]
    enlarging = [enlarging_matrix(_fewest(lines), len(lines)) for lines in turned]
    if all(pixels == cells for pixels, cells in (matrix.shape for matrix in enlarging)):
        return maps
    rows, columns = (_reducing(matrix) for matrix in enlarging)
    small = rows @ maps @ columns.T
    again = enlarging[0] @ small @ enlarging[1].T
    peaks = np.abs(maps).max(axis=(1, 2), keepdims=True)
    if (np.abs(again - maps) > SAME * peaks).any():
        return maps
    # Zeros of the map would come back as tiny numbers of either sign.
    return np.asarray(np.where(np.abs(small) > SAME * peaks, small, 0.0))


def enlarging_matrix(cells: int, pixels: int) -> Floats:
    """What enlarges a row of cells bilinearly, with the ends of both rows at the same places.

    Args:
        cells: Values of the row.
        pixels: Values of the longer one.

    Returns:
        Shape `(pixels, cells)`.
    """
    place = ((np.arange(pixels) + 0.5) * cells / pixels - 0.5).clip(0, cells - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(place[:, None] - np.arange(cells))))


def _reducing(matrix: Floats) -> Floats:
    """What gives the cells behind an enlarged row, by least squares."""
    pixels, cells = matrix.shape
    if pixels == cells:
        return matrix
    return np.asarray(np.linalg.solve(matrix.T @ matrix, matrix.T))


def _fewest(lines: Floats) -> int:
    """The fewest cells along the first axis whose enlargement can be these maps."""
    pixels = len(lines)
    flat = lines.reshape(pixels, -1)
    # A mixture of all lines is an enlargement only where each of them is one.
    mixture = flat @ np.random.default_rng(0).uniform(0.5, 1.5, (flat.shape[1], 2))
    near = SAME * np.abs(mixture).max(initial=0.0)
    # A straight line has no second differences. Its bends, one a cell, touch two each.
    bent = (np.abs(np.diff(mixture, 2, axis=0)) > 4 * near).any(axis=1)
    for cells in range(max(2, -(-int(bent.sum()) // 2)), pixels // 2 + 1):
        if (_misfit(mixture, cells) <= near).all():
            return cells
    return pixels


def _misfit(lines: Floats, cells: int) -> Floats:
    """How far lines are off the nearest enlargement of so many cells, pixel by pixel.

    A pixel lies between two neighbouring cells, so that the normal equations of least squares have
    three diagonals: the time grows with the pixels alone, and large maps can be tried at all sizes.
    """
    from scipy.linalg import solveh_banded

    pixels = len(lines)
    place = ((np.arange(pixels) + 0.5) * cells / pixels - 0.5).clip(0, cells - 1)
    first = np.minimum(place.astype(int), cells - 2)
    second = place - first

    def gathered(before: Floats, after: Floats) -> Floats:
        sums = np.bincount(first, before, cells) + np.bincount(first + 1, after, cells)
        return np.asarray(sums)

    middle = gathered((1 - second) ** 2, second**2)
    beside = np.bincount(first, second * (1 - second), cells)
    right = np.stack([gathered((1 - second) * row, second * row) for row in lines.T], axis=1)
    found = solveh_banded(np.stack([middle, beside]), right, lower=True, check_finite=False)
    again = (1 - second)[:, None] * found[first] + second[:, None] * found[first + 1]
    return np.asarray(np.abs(again - lines))
