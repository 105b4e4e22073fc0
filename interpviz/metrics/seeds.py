"""Random numbers of our own, so that the caller's stay as they are."""

from __future__ import annotations

import torch

from interpviz.errors import InputError


def generator_of(seed: int) -> torch.Generator:
    """A generator on the CPU, so that every device sees the same numbers.

    It draws other numbers than `torch.manual_seed(seed)` does: a network that was made under the
    same seed would else have its own weights drawn again.

    Args:
        seed: A whole number, 0 or above.

    Raises:
        InputError: It is none.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"The seed is {seed!r}, but must be a whole number of 0 or more.")
    return torch.Generator().manual_seed((seed * 2654435761 + 0x5EED5EED5EED) % 2**63)
