"""Numbers precise enough for decompositions and for powers of gradients."""

from __future__ import annotations

import torch
from torch import Tensor


def as_float64(values: Tensor) -> Tensor:
    """The same values in float64, on their own device where it has that type.

    Args:
        values: Tensor of any shape.

    Returns:
        Tensor of the same shape; of an Apple GPU, which has no float64, on the CPU.
    """
    place = torch.device("cpu") if values.device.type == "mps" else values.device
    return values.to(place, torch.float64)
