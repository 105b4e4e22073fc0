"""Optional libraries, asked for by name, so that a missing one is said in one sentence."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from interpviz.errors import AssetError


def require(module: str) -> Any:
    """Import a library of the `models` extra.

    Args:
        module: Its import name, such as `"timm"`.

    Returns:
        The module.

    Raises:
        AssetError: If it is not installed, or does not fit what it is installed beside.
    """
    library = module.partition(".")[0]
    try:
        return import_module(module)
    except (ImportError, OSError, RuntimeError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name == library:
            raise AssetError(
                f'{library} is not installed: pip install "interpviz[models]" brings what the '
                "models need."
            ) from error
        # Libraries with compiled parts load only beside the torch that they were built for.
        raise AssetError(
            f"{library} is installed but does not load ({error}): install it anew together with "
            f"torch, pip install --upgrade torch {library}."
        ) from error
