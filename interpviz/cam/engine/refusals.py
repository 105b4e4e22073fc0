"""What is said where a layer's output is no grid of positions."""

from __future__ import annotations

from math import prod

from torch import Tensor

AXES = {2: "height, width", 3: "time, height, width"}
"""The axes of a grid, for pictures and for clips."""


def unread(activation: Tensor, name: str, size: tuple[int, ...], override: object) -> str:
    """The sentence for an output of a layer that makes no grid, or may make two.

    Args:
        activation: The output.
        name: The layer's name, or "" where it is not known.
        size: The input's `(height, width)` or `(time, height, width)`.
        override: What the user says about the grid.
    """
    shape = tuple(activation.shape)
    axes = AXES[len(size)]
    which = f"Layer '{name}'" if name else "The layer"
    if isinstance(override, tuple):
        return (
            f"{which} has an output of shape {shape}, which the grid {override} does not "
            f"fit: pass `grid=({axes})` of its positions, class tokens left out."
        )
    if len(shape) == len(size) + 2 and prod(shape[2:]) > 1 < prod(shape[1:-1]):
        return (
            f"{which} has an output of shape {shape}, whose channels may come second or last: "
            f"pass as `grid` a function from this output to (batch, channel, {axes})."
        )
    if len(shape) == 3 and shape[1] > 1:
        return (
            f"{which} has an output of shape {shape}, whose tokens fit no grid of patches on the "
            f"input of size {size}: pass `grid=({axes})`, or a function from this output to "
            f"(batch, channel, {axes})."
        )
    return (
        f"{which} has no spatial grid: its output has shape {shape}. Pick a layer before the "
        f"pooling, whose output is (batch, channel, {axes})."
    )


def not_a_grid(grid: object, activation: Tensor, name: str, size: tuple[int, ...]) -> str:
    """The sentence for a user's function that made no grid of a layer's output.

    Args:
        grid: What the function returned.
        activation: The layer's output.
        name: The layer's name.
        size: The input's `(height, width)` or `(time, height, width)`.
    """
    found = f"shape {tuple(grid.shape)}" if isinstance(grid, Tensor) else type(grid).__name__
    return (
        f"The function given as `grid` made {found} of the output of layer '{name}', of shape "
        f"{tuple(activation.shape)}: it must return a tensor (batch, channel, "
        f"{AXES[len(size)]})."
    )
