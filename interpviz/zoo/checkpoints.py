"""A user's own checkpoint: read without running any code of it, and put into a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpviz.errors import AssetError, nearest
from interpviz.zoo.extras import require
from interpviz.zoo.weight_files import read_weights

if TYPE_CHECKING:
    import torch
    from torch import nn

_WRAPPERS = ("state_dict_ema", "state_dict", "model_state_dict", "model_state", "model", "net")
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "backbone.")
_REMEDY = "pass a .safetensors file, or what torch.save(model.state_dict(), path) writes"


def read_checkpoint(path: str | Path) -> dict[str, torch.Tensor]:
    """The weights in a file, taken out of what training scripts wrap around them.

    Args:
        path: A `.safetensors` file, or one that `torch.save` wrote: a state dict, or a dict that
            holds one as `state_dict`, `model` and the like. Only tensors are read of it.

    Returns:
        The weights by name.

    Raises:
        AssetError: There is no such file, it is damaged, or it holds no state dict.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise AssetError(f"There is no checkpoint {file}: check the path.")
    found = read_weights(file, _REMEDY)
    for name in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
            break
    tensors = _tensors(found)
    if not tensors:
        raise AssetError(f"{file} holds no state dict: {_REMEDY}.")
    return tensors


def _tensors(found: Any) -> dict[str, torch.Tensor]:
    torch = require("torch")
    if not isinstance(found, Mapping):
        return {}
    return {str(k): v for k, v in found.items() if isinstance(v, torch.Tensor)}


def class_count(model: nn.Module, state: Mapping[str, torch.Tensor]) -> int | None:
    """How many classes a state dict was trained for, where it is another number than a network's.

    Args:
        model: The network, of any number of classes. The order of its weights counts, as files may
            hold theirs in any.
        state: The weights by name.

    Returns:
        The rows of the last weight that differs in nothing else; None where none does.
    """
    wanted = model.state_dict()
    given = _renamed(state, wanted)
    counts = [
        len(given[name])
        for name, own in wanted.items()
        if name.endswith("weight") and own.ndim > 1 and name in given
        if given[name].shape[1:] == own.shape[1:] and len(given[name]) != len(own)
    ]
    return counts[-1] if counts else None


def load_checkpoint(model: nn.Module, state: Mapping[str, torch.Tensor], origin: str) -> None:
    """Put weights into a network, whatever wrapper stands before their names.

    Args:
        model: The network; its parameters are overwritten.
        state: The weights by name.
        origin: Where they came from, for the error message.

    Raises:
        AssetError: A weight is missing, left over or of another shape.
    """
    wanted = model.state_dict()
    given = _renamed(state, wanted)
    missing = [name for name in wanted if name not in given]
    surplus = [name for name in given if name not in wanted]
    if missing or surplus:
        raise AssetError(_misfit(model, origin, missing, surplus))
    for name, tensor in given.items():
        if tensor.shape != wanted[name].shape:
            raise AssetError(
                f"The checkpoint {origin} has {name} of shape {tuple(tensor.shape)}, but the "
                f"{type(model).__name__} needs {tuple(wanted[name].shape)}: build the network as "
                "it was trained, for instance with the same number of classes."
            )
    model.load_state_dict(given)


def _renamed(
    state: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    given = dict(state)
    # Lightning over DataParallel over compile: one wrapper is taken off at a time.
    while not set(given) & set(wanted):
        prefix = next((p for p in _PREFIXES if all(name.startswith(p) for name in given)), None)
        if prefix is None:
            break
        given = {name.removeprefix(prefix): tensor for name, tensor in given.items()}
    return given


def _misfit(model: nn.Module, origin: str, missing: list[str], surplus: list[str]) -> str:
    parts = []
    if missing:
        parts.append(f"lacks {len(missing)} weights, such as {missing[0]}")
    if surplus:
        near = nearest(surplus[0], missing, 1)
        parts.append(f"has {len(surplus)} of other names, such as {surplus[0]}")
        parts[-1] += f" ({near.rstrip('?').removeprefix('Did you mean ')} is near)" if near else ""
    return (
        f"The checkpoint {origin} does not fit the {type(model).__name__}: it {' and '.join(parts)}"
        "; build the network that it was saved from."
    )


def with_classes(
    build: Callable[..., nn.Module], state: Mapping[str, torch.Tensor], keyword: str
) -> nn.Module:
    """A network with as many classes as a checkpoint has.

    Args:
        build: Makes the network, with a keyword argument for the number of classes.
        state: The weights.
        keyword: The name of that argument.
    """
    model = build()
    count = class_count(model, state)
    return model if count is None else build(**{keyword: count})
