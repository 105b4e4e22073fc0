"""Files of weights, read without running any code of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpviz.errors import AssetError
from interpviz.zoo.extras import require

if TYPE_CHECKING:
    import torch


def read_weights(path: Path, remedy: str) -> Any:
    """What a weight file holds.

    Args:
        path: A `.safetensors` file, or a pickled one, of which only tensors are read.
        remedy: What to do where it cannot be read, for the message.

    Raises:
        AssetError: It is damaged or holds anything else than weights.
    """
    torch = require("torch")
    try:
        if path.suffix == ".safetensors":
            return require("safetensors.torch").load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except AssetError:
        raise
    except Exception as error:  # each format has its own errors for a damaged file
        if "GLOBAL " in str(error):
            raise AssetError(
                f"{path} holds Python objects besides tensors, which could run code, so it was not "
                f"loaded: {remedy}."
            ) from error
        raise AssetError(
            f"{path} is damaged, or no weight file ({type(error).__name__}): {remedy}."
        ) from error


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The weights in a file of the cache, by name.

    Args:
        path: As for `read_weights`.

    Raises:
        AssetError: It is damaged or holds anything else than weights.
    """
    remedy = "delete it, and it will be fetched again"
    found = read_weights(path, remedy)
    if not isinstance(found, dict):
        raise AssetError(f"{path} holds no weights by name: {remedy}.")
    return dict(found)
