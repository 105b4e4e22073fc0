"""The measures' own arithmetic, in the precision that it was written for."""

from __future__ import annotations

import torch


def without_autocast(device: torch.device) -> torch.autocast:
    """A context in which products and convolutions keep the types of their inputs.

    A caller's autocast is for the model; a measure would lose the digits that it compares.

    Args:
        device: Where the arithmetic runs.
    """
    return torch.autocast(device.type, enabled=False)
