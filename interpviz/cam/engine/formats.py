"""Which axis of a layer's output holds the channels: the second, or the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm


@dataclass(frozen=True)
class ChannelFormat:
    """What a model tells about the axis of its channels.

    Attributes:
        axes: By a layer's name 1 where its channels come second, and -1 where they come last; of
            other layers it is not known.
        second: How many channels its layers make where channels come second.
        last: How many channels its normalisation layers make where channels come last.
        uneven: Whether it strides further along one side than along another.
    """

    axes: Mapping[str, int] = field(default_factory=dict)
    second: frozenset[int] = frozenset()
    last: frozenset[int] = frozenset()
    uneven: bool = False

    def axis(self, name: str, shape: Sequence[int], size: Sequence[int]) -> int | None:
        """The axis of the channels in a layer's output.

        A grid has the image's aspect ratio, unless the model strides unevenly. Where shapes fit
        both ways, the numbers of channels that the model's own layers make decide.

        Args:
            name: The layer's name, or "" where it is not known.
            shape: The shape of its output, `(N, C, *grid)` or `(N, *grid, C)`.
            size: The input's `(height, width)` or `(time, height, width)`.

        Returns:
            1 or -1, or None where both are possible.
        """
        if name in self.axes:
            return self.axes[name]
        if not has_aspect(shape[1:-1], size):
            return 1
        if not has_aspect(shape[2:], size) and not self.uneven:
            return -1
        may_be_second, may_be_last = shape[1] in self.second, shape[-1] in self.last
        if may_be_second != may_be_last:
            return 1 if may_be_second else -1
        return None if self.last else 1


def channel_format(model: nn.Module) -> ChannelFormat:
    """Read from a model's layers where their channels are.

    Args:
        model: The model, unwrapped.
    """
    axes: dict[str, int] = {}
    second: set[int] = set()
    last: set[int] = set()
    uneven = False
    for name, module in model.named_modules():
        width = _channels_second(module)
        if width:
            second.add(width)
            axes[name] = 1
        elif isinstance(module, nn.LayerNorm | nn.RMSNorm):
            # Subclasses such as `LayerNorm2d` normalise the second axis.
            (second if "2d" in type(module).__name__ else last).add(module.normalized_shape[-1])
        if type(module) in (nn.Linear, nn.LayerNorm, nn.RMSNorm):
            axes[name] = -1
        uneven |= _is_uneven(getattr(module, "stride", None))
    return ChannelFormat(axes, frozenset(second), frozenset(last), uneven)


def _channels_second(module: nn.Module) -> int:
    if isinstance(module, _ConvNd):
        return module.out_channels
    if isinstance(module, _BatchNorm | _InstanceNorm):
        return module.num_features
    return module.num_channels if isinstance(module, nn.GroupNorm) else 0


def _is_uneven(stride: object) -> bool:
    return isinstance(stride, tuple) and len(set(stride[-2:])) > 1


def has_aspect(grid: Sequence[int], size: Sequence[int]) -> bool:
    """Whether a grid has an image's aspect ratio, and no more steps in time than a clip.

    Args:
        grid: Its `(height, width)` or `(time, height, width)`.
        size: Those of the image or clip.
    """
    if any(steps > frames for steps, frames in zip(grid[:-2], size[:-2], strict=True)):
        return False
    # Strides round up, so a side may be one position longer than the ratio says; but equal sides
    # are rounded alike.
    rounding = max(size[-2:]) if size[-2] != size[-1] else 0
    return abs(grid[-2] * size[-1] - grid[-1] * size[-2]) <= rounding
