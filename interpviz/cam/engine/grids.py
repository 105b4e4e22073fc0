"""Activations as a grid, and grids as large as the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from interpviz.cam.engine.patches import filled_grid, grid_like, patch_grids
from interpviz.errors import InputError, LayerError

GridOverride = tuple[int, ...] | Callable[[Tensor], Tensor] | None
"""`(height, width)` of a layer's tokens, or a function that arranges its output, or None."""

_AXES = {2: "height, width", 3: "time, height, width"}


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
    """

    size: tuple[int, ...]
    patches: tuple[int, ...] | None
    override: GridOverride = None
    filled: tuple[int, ...] | None = None
    batch: int | None = None


def layout_of(model: nn.Module, images: Tensor, override: GridOverride = None) -> Layout:
    """Read from a model how its tokens will lie on some images.

    Args:
        model: The model.
        images: Its input, `(N, C, H, W)` or `(N, C, T, H, W)`.
        override: The size of the grid, or a function, as in `Layout`.

    Raises:
        InputError: The override is neither a grid of positive numbers nor a function.
    """
    size = tuple(images.shape[2:])
    if override is not None and not callable(override):
        override = _checked_size(override, len(size))
    patches, filled = (*patch_grids(model, images.shape[1], size), None, None)[:2]
    return Layout(size, patches, override, filled, len(images))


def _checked_size(grid: object, rank: int) -> tuple[int, ...]:
    if isinstance(grid, tuple | list) and len(grid) == rank:
        size = tuple(n for n in grid if isinstance(n, int) and n > 0)
        if len(size) == rank:
            return size
    raise InputError(
        f"The grid is {grid!r}: pass the ({_AXES[rank]}) of the layer's positions, or a function "
        f"from its output to (batch, channel, {_AXES[rank]})."
    )


def as_grid(activation: Tensor, name: str, layout: Layout) -> Tensor:
    """Arrange an activation as a grid of positions, and compute with it in float32.

    An activation and its gradient are arranged alike: positions move, and nothing is computed.
    Channels that come last, as in Swin, are told by shape: the grid has the image's aspect ratio
    where the second and third axes are read as height and width, and not where the third and
    fourth are. Tokens `(N, L, C)` are laid out row by row after up to 16 tokens in front (class,
    distillation and register tokens), which are dropped; the grid is the user's, or that of the
    model's patches, or a half, quarter, ... of it.

    Args:
        activation: A layer's output or its gradient.
        name: The layer's name, for the message.
        layout: How activations lie on the input.

    Returns:
        Tensor `(batch, channel, height, width)`, or `(batch, channel, time, height, width)` for
        video; float32 (float64 stays).

    Raises:
        LayerError: The activation has no spatial grid, or none that can be told.
    """
    if callable(layout.override):
        grid = layout.override(activation)
        if not isinstance(grid, Tensor) or grid.ndim != len(layout.size) + 2:
            raise LayerError(_not_a_grid(grid, activation, name, layout))
    else:
        reading = _read(activation.shape, layout)
        if reading is None:
            raise LayerError(_unread(activation, name, layout))
        grid = reading.apply(activation)
    if prod(grid.shape[2:]) == 1:
        raise LayerError(_unread(activation, name, layout))
    return grid if grid.dtype == torch.float64 else grid.float()


def channel_axis(activation: Tensor, layout: Layout) -> int:
    """The axis of a layer's output that becomes the channel axis of its grid.

    Args:
        activation: A layer's output.
        layout: How activations lie on the input.

    Raises:
        LayerError: There is no grid, or the user's function mixes the channels with other axes.
    """
    if not callable(layout.override):
        reading = _read(activation.shape, layout)
        if reading is None:
            raise LayerError(_unread(activation, "", layout))
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


def _read(shape: Sequence[int], layout: Layout) -> _Reading | None:
    if len(shape) == len(layout.size) + 2:
        return _read_positions(tuple(shape), layout)
    if len(shape) != 3:
        return None
    # In attention modules of their own the sequence comes first; the batch tells.
    tokens_first = shape[0] != layout.batch == shape[1]
    for axis in (0, 1) if tokens_first else (1,):
        grid = _token_grid(shape[axis], layout)
        if grid is not None:
            return _Reading((1 - axis, 2, axis), grid, shape[axis] - prod(grid))
    return None


def _read_positions(shape: tuple[int, ...], layout: Layout) -> _Reading | None:
    axes = range(len(shape))
    channels_first = _Reading(tuple(axes))
    channels_last = _Reading((0, axes[-1], *axes[1:-1]))
    if isinstance(layout.override, tuple):
        fitting = {shape[1:-1]: channels_last, shape[2:]: channels_first}
        return fitting.get(layout.override)
    last = _has_aspect(shape[1:-1], layout.size) and not _has_aspect(shape[2:], layout.size)
    return channels_last if last else channels_first


def _has_aspect(grid: Sequence[int], size: Sequence[int]) -> bool:
    # Strides round up, so a side may be one position longer than the ratio says.
    return abs(grid[-2] * size[-1] - grid[-1] * size[-2]) <= max(size[-2:])


def _token_grid(length: int, layout: Layout) -> tuple[int, ...] | None:
    """The grid of the last tokens of a sequence, or None where it cannot be told."""
    if isinstance(layout.override, tuple):
        return layout.override if prod(layout.override) <= length else None
    known = [grid for grid in (layout.patches, layout.filled) if grid is not None]
    return filled_grid(length, known) if known else grid_like(length, layout.size)


def _unread(activation: Tensor, name: str, layout: Layout) -> str:
    shape = tuple(activation.shape)
    axes = _AXES[len(layout.size)]
    which = f"Layer '{name}'" if name else "The layer"
    if isinstance(layout.override, tuple):
        return (
            f"{which} has an output of shape {shape}, which the grid {layout.override} does not "
            f"fit: pass `grid=({axes})` of its positions, class tokens left out."
        )
    if len(shape) == 3 and shape[1] > 1:
        return (
            f"{which} has an output of shape {shape}, whose tokens fit no grid of patches on the "
            f"input of size {layout.size}: pass `grid=({axes})`, or a function from this output to "
            f"(batch, channel, {axes})."
        )
    return (
        f"{which} has no spatial grid: its output has shape {shape}. Pick a layer before the "
        f"pooling, whose output is (batch, channel, {axes})."
    )


def _not_a_grid(grid: object, activation: Tensor, name: str, layout: Layout) -> str:
    found = f"shape {tuple(grid.shape)}" if isinstance(grid, Tensor) else type(grid).__name__
    return (
        f"The function given as `grid` made {found} of the output of layer '{name}', of shape "
        f"{tuple(activation.shape)}: it must return a tensor (batch, channel, "
        f"{_AXES[len(layout.size)]})."
    )


def enlarge(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Interpolate maps to the size of the input, bilinearly, over time trilinearly.

    Args:
        maps: Tensor `(N, h, w)`, or `(N, t, h, w)` of video.
        size: The input's `(height, width)` or `(time, height, width)`.

    Returns:
        Tensor `(N, *size)`.
    """
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
