"""Where a model lives: its device, its type, and the wrappers around it."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn


def best_device() -> torch.device:
    """The fastest device of this machine: CUDA, else Apple's MPS, else the CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def placement(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """The device and floating-point type that a model's inputs need.

    Args:
        model: Any module. One without parameters and buffers counts as float32 on the CPU.

    Returns:
        The device of its first parameter or buffer, and the type of its first floating one.
    """
    import torch

    device = torch.device("cpu")
    for index, tensor in enumerate(chain(model.parameters(), model.buffers())):
        if index == 0:
            device = tensor.device
        if tensor.is_floating_point():
            return tensor.device, tensor.dtype
    return device, torch.float32


def unwrap(model: nn.Module) -> nn.Module:
    """The module inside `torch.compile` and the parallel wrappers.

    A hook added after compilation would never be called, so the model itself is explained.

    Args:
        model: Any module.
    """
    from torch import nn

    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        inner: object = getattr(model, "_orig_mod", None)
        if isinstance(inner, nn.Module):
            model = inner
        elif isinstance(model, wrappers):
            model = model.module
        else:
            return model
