"""How many images fill a device."""

from __future__ import annotations

import torch

_MOST = 1024
# Memory is lost to the gaps between tensors of other sizes.
_SHARE = 0.8


def usual_size(device: torch.device) -> int:
    """How many images a run begins with.

    Args:
        device: Where the model is.
    """
    return 16 if device.type == "cpu" else 64


def next_size(size: int, device: torch.device) -> int:
    """Twice as many images, where the memory that a batch took leaves room for that.

    A processor gains nothing from larger batches, and other devices do not tell how much memory
    is left: there the number stays.

    Args:
        size: How many images a batch has had so far.
        device: Where the model is.
    """
    if device.type != "cuda" or size >= _MOST:
        return size
    before = torch.cuda.memory_allocated(device)
    peak = torch.cuda.max_memory_allocated(device)
    left = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - peak
    return 2 * size if peak - before < _SHARE * left else size
