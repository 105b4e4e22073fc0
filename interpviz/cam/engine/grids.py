"""Activations as a grid, and grids as large as the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from interpviz.cam.engine.formats import ChannelFormat, channel_format
from interpviz.cam.engine.patches import (
    filled_grid,
    grid_like,
    patch_grids,
    picture_share,
    reads_frames_first,
)
from interpviz.cam.engine.refusals import AXES, not_a_grid, unread
from interpviz.device import unwrap
from interpviz.errors import InputError, LayerError

GridOverride = tuple[int, ...] | Callable[[Tensor], Tensor] | None
"""`(height, width)` of a layer's tokens, or a function that arranges its output, or None."""


@dataclass(frozen=True)
class Layout:
    """What is known about how a model's activations lie on its input.

    Attributes:
        size: The input's `(height, width)`, or `(time, height, width)` of a video clip.
        patches: The grid that the model's first convolution makes of such an input, or None where
            it has none.
        override: What the user says about the grid: its size, or a function from a layer's output
            to `(batch, channel, *grid)`; or None.
        filled: The same grid where the model fills the input up to whole patches, or None where
            that is no other grid.
        batch: The number of images, or None where it is not known.
        channels: What the model tells about the axis of its channels.
        picture: The share of each grid, along height and width from the top left, that is picture
            and not what a detector fills up behind it.
    """

    size: tuple[int, ...]
    patches: tuple[int, ...] | None
    override: GridOverride = None
    filled: tuple[int, ...] | None = None
    batch: int | None = None
    channels: ChannelFormat = field(default_factory=ChannelFormat)
    picture: tuple[float, float] = (1.0, 1.0)


def layout_of(model: nn.Module, images: Tensor, override: GridOverride = None) -> Layout:
    """Read from a model how its tokens will lie on some images.

    Args:
        model: The model.
        images: Its input, `(N, C, H, W)` or `(N, C, T, H, W)`.
        override: The size of the grid, or a function, as in `Layout`.

    Raises:
        InputError: The override is neither a grid of positive numbers nor a function, or the model
            takes clips with time in front of the channels.
    """
    size = tuple(images.shape[2:])
    if len(size) == 3 and reads_frames_first(model, images.shape[1], images.shape[2]):
        raise InputError(
            f"The clip of shape {tuple(images.shape)} has its frames in front of its channels: "
            "explain a module that takes (batch, channel, time, height, width) and calls this "
            "model with `clips.transpose(1, 2)`, and pass clips in that order."
        )
    if override is not None and not callable(override):
        override = _checked_size(override, len(size))
    patches, filled = (*patch_grids(model, images.shape[1], size), None, None)[:2]
    channels = channel_format(unwrap(model))
    picture = picture_share(model, size)
    return Layout(size, patches, override, filled, len(images), channels, picture)


def _checked_size(grid: object, rank: int) -> tuple[int, ...]:
    if isinstance(grid, tuple | list) and len(grid) == rank:
        size = tuple(n for n in grid if isinstance(n, int) and n > 0)
        if len(size) == rank:
            return size
    raise InputError(
        f"The grid is {grid!r}: pass the ({AXES[rank]}) of the layer's positions, or a function "
        f"from its output to (batch, channel, {AXES[rank]})."
    )


def as_grid(activation: Tensor, name: str, layout: Layout) -> Tensor:
    """Arrange an activation as a grid of positions, and compute with it in float32.

    An activation and its gradient are arranged alike: positions move, and nothing is computed.
    Channels that come last, as in Swin, are told by the layer's own kind, else by shape: the grid
    has the image's aspect ratio where the second and third axes are read as height and width, and
    not where the third and fourth are. Tokens `(N, L, C)` are laid out row by row after up to 16
    tokens in front (class, distillation and register tokens), which are dropped; the grid is the
    user's, or that of the model's patches, or a half, quarter, ... of it.

    Args:
        activation: A layer's output or its gradient.
        name: The layer's name, for the message.
        layout: How activations lie on the input.

    Returns:
        Tensor `(batch, channel, height, width)`, or `(batch, channel, time, height, width)` for
        video; float32 (float64 stays).

    Raises:
        LayerError: The activation has no spatial grid, or none that can be told, or two.
    """
    if callable(layout.override):
        grid = layout.override(activation)
        if not isinstance(grid, Tensor) or grid.ndim != len(layout.size) + 2:
            raise LayerError(not_a_grid(grid, activation, name, layout.size))
    else:
        reading = _read(activation.shape, name, layout)
        if reading is None:
            raise LayerError(unread(activation, name, layout.size, layout.override))
        grid = reading.apply(activation)
    if prod(grid.shape[2:]) == 1:
        raise LayerError(unread(activation, name, layout.size, layout.override))
    return grid if grid.dtype == torch.float64 else grid.float()


def channel_axis(activation: Tensor, layout: Layout, name: str = "") -> int:
    """The axis of a layer's output that becomes the channel axis of its grid.

    Args:
        activation: A layer's output.
        layout: How activations lie on the input.
        name: The layer's name, or "" where it is not known.

    Raises:
        LayerError: There is no grid, or the user's function mixes the channels with other axes.
    """
    if not callable(layout.override):
        reading = _read(activation.shape, name, layout)
        if reading is None:
            raise LayerError(unread(activation, name, layout.size, layout.override))
        return reading.order[1]
    for axis, length in enumerate(activation.shape):
        index = torch.arange(length, dtype=torch.float32, device=activation.device)
        # A callable need not know dtypes, but its reshapes may rely on the true shape.
        probe = index.view(-1, *[1] * (activation.ndim - axis - 1)).expand(activation.shape)
        grid = layout.override(probe.clone())
        if grid.shape[1] == length and length > 1:
            expected = index.view(-1, *[1] * (grid.ndim - 2)).expand(grid.shape)
            if torch.equal(grid.float(), expected):
                return axis
    raise LayerError(
        "The function given as `grid` does not keep the channels of the layer's output, of shape "
        f"{tuple(activation.shape)}, as one axis in their order: move axes and reshape positions "
        "only, or use a method that does not switch channels off."
    )


@dataclass(frozen=True)
class _Reading:
    """Which axes of an activation are batch, channel and positions, in that order."""

    order: tuple[int, ...]
    grid: tuple[int, ...] | None = None
    prefix: int = 0

    def apply(self, activation: Tensor) -> Tensor:
        moved = activation.permute(self.order)
        if self.grid is None:
            return moved
        return moved[..., self.prefix :].reshape(*moved.shape[:2], *self.grid)


def _read(shape: Sequence[int], name: str, layout: Layout) -> _Reading | None:
    if len(shape) == len(layout.size) + 2:
        return _read_positions(tuple(shape), name, layout)
    if len(shape) != 3:
        return None
    # In attention modules of their own the sequence comes first; the batch tells.
    tokens_first = shape[0] != layout.batch == shape[1]
    for axis in (0, 1) if tokens_first else (1,):
        grid = _token_grid(shape[axis], layout)
        if grid is not None:
            return _Reading((1 - axis, 2, axis), grid, shape[axis] - prod(grid))
    return None


def _read_positions(shape: tuple[int, ...], name: str, layout: Layout) -> _Reading | None:
    axes = range(len(shape))
    by_axis = {1: _Reading(tuple(axes)), -1: _Reading((0, axes[-1], *axes[1:-1]))}
    if isinstance(layout.override, tuple):
        fitting = [a for a, grid in ((1, shape[2:]), (-1, shape[1:-1])) if grid == layout.override]
        told = layout.channels.axes.get(name)
        axis = told if told in fitting else next(iter(fitting), None)
    else:
        axis = layout.channels.axis(name, shape, layout.size)
    return None if axis is None else by_axis[axis]


def _token_grid(length: int, layout: Layout) -> tuple[int, ...] | None:
    """The grid of the last tokens of a sequence, or None where it cannot be told."""
    if isinstance(layout.override, tuple):
        return layout.override if prod(layout.override) <= length else None
    known = [grid for grid in (layout.patches, layout.filled) if grid is not None]
    return filled_grid(length, known) if known else grid_like(length, layout.size)


def enlarge(
    maps: Tensor, size: tuple[int, ...], picture: tuple[float, float] = (1.0, 1.0)
) -> Tensor:
    """Interpolate maps to the size of the input, bilinearly, over time trilinearly.

    Args:
        maps: Tensor `(N, h, w)`, or `(N, t, h, w)` of video.
        size: The input's `(height, width)` or `(time, height, width)`.
        picture: The share of h and w that is picture, as in `Layout`; not for video.

    Returns:
        Tensor `(N, *size)`.
    """
    if picture != (1.0, 1.0) and len(size) == 2:
        high, wide = picture
        rows = maps.new_tensor([[wide, 0, wide - 1], [0, high, high - 1]])
        where = F.affine_grid(rows.expand(len(maps), 2, 3), [len(maps), 1, *size], False)
        return F.grid_sample(maps[:, None], where, "bilinear", "border", False)[:, 0]
    if maps.shape[1:] == size:
        return maps
    mode = "bilinear" if len(size) == 2 else "trilinear"
    return F.interpolate(maps[:, None], size=size, mode=mode, align_corners=False)[:, 0]


def share_of_maximum(maps: Tensor, *, shared: bool = False) -> Tensor:
    """Divide each map by its own largest absolute value, however small that is.

    Zero stays zero, so "no evidence" keeps its meaning; a map of zeros stays one.

    Args:
        maps: Tensor `(N, ...)`.
        shared: Whether all maps are divided by the largest value of the whole batch.

    Returns:
        Tensor `(N, ...)` in [-1, 1], and in [0, 1] where no value is below zero.
    """
    dims = tuple(range(0 if shared else 1, maps.ndim))
    return _divided(maps, maps.abs().amax(dims, keepdim=True))


def _divided(maps: Tensor, peak: Tensor) -> Tensor:
    # Dividing by a subnormal peak overflows, so such a map is first brought into range.
    lift = torch.where(peak < 1e-30, 1e30, 1.0)
    return maps * lift / torch.where(peak > 0, peak * lift, 1.0)


def shared_scale(maps: Sequence[Tensor]) -> list[Tensor]:
    """Divide several sets of raw maps by one common maximum, so that they can be compared.

    A map divided by its own maximum always looks strong. Side by side, the raw maps
    (`normalize=False`) of several images, classes, layers or methods show which evidence is
    stronger when they share a scale.

    Args:
        maps: Tensors of any shapes, such as `(N, H, W)` each.

    Returns:
        The tensors in the same order, in [-1, 1]; the largest absolute value of all is 1, unless
        all values are zero.

    Raises:
        InputError: There is something other than tensors of numbers among them.

    Examples:
        >>> import torch
        >>> strong, weak = shared_scale([torch.tensor([4.0, 2.0]), torch.tensor([1.0])])
        >>> strong, weak
        (tensor([1.0000, 0.5000]), tensor([0.2500]))
    """
    if not all(isinstance(m, Tensor) and m.numel() for m in maps):
        raise InputError("The maps are not all tensors with values: pass a list of raw maps.")
    if not maps:
        return []
    peak = torch.stack([m.abs().amax().to(maps[0]) for m in maps]).amax()
    return [_divided(m, peak.to(m)) for m in maps]
