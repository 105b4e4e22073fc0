"""Attention maps as plain containers, and as one file without code."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from interpviz.attention.generated import Generated
from interpviz.attention.layer_weights import LayerWeights
from interpviz.attention.sequences import Sequences
from interpviz.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from interpviz.attention.maps import AttentionMaps

_FORMAT = "interpviz attention maps 1"
_MASKS = ("padding_mask", "special_tokens_mask", "token_ids")
_WRITTEN = ("ids", "logprobs")


def to_dict(maps: AttentionMaps) -> dict[str, Any]:
    """Everything that maps hold, in plain containers.

    Args:
        maps: The maps.
    """
    return {
        "layer_names": maps.layer_names,
        "kinds": list(maps.kinds),
        "weights": dict(maps.weights),
        "visible": dict(maps.visible),
        "heads": {name: list(heads) for name, heads in maps.heads.items()},
        "tokens": maps.tokens,
        **{name: getattr(maps, name) for name in _MASKS},
        "decoder": _fields(maps.decoder),
        "generated": _fields(maps.generated),
    }


def _fields(part: Sequences | Generated | None) -> dict[str, Any] | None:
    return (
        None if part is None else {field.name: getattr(part, field.name) for field in fields(part)}
    )


def save(maps: AttentionMaps, path: str | Path) -> Path:
    """Write maps into one safetensors file, whole or not at all.

    Args:
        maps: The maps.
        path: Where to; the folder must exist.

    Raises:
        InputError: The package safetensors is missing, or the folder is.
    """
    save_file = _safetensors().save_file
    target = Path(path)
    if not target.parent.is_dir():
        raise InputError(
            f"There is no folder {str(target.parent)!r} to save into: create it first."
        )
    content = to_dict(maps)
    tensors: dict[str, Tensor] = {}
    # Layers share one mask, and a file holds every tensor once.
    places: dict[Any, str] = {}
    shared = {}
    for name, mask in content.pop("visible").items():
        same = (mask.data_ptr(), mask.shape, mask.stride())
        shared[name] = places.setdefault(same, f"visible.{len(places)}")
        tensors[shared[name]] = mask
    tensors |= {f"weights.{name}": one for name, one in content.pop("weights").items()}
    for prefix in ("", "decoder.", "generated."):
        part = content[prefix[:-1]] or {} if prefix else content
        for name in (*_MASKS, *_WRITTEN):
            if part.get(name) is not None:
                tensors[prefix + name] = part[name]
            part.pop(name, None)
    metadata = {"format": _FORMAT, "maps": json.dumps({**content, "visible": shared})}
    plain: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, one in tensors.items():
        own = one.detach().cpu().contiguous()
        plain[name] = own.clone() if own.untyped_storage().data_ptr() in storages else own
        storages.add(own.untyped_storage().data_ptr())
    _write_whole(target, lambda temporary: save_file(plain, temporary, metadata))
    return target


def _write_whole(target: Path, write: Callable[[str], None]) -> None:
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        write(temporary)
        # A temporary file is the owner's alone; other files follow the user's mask.
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(path: str | Path) -> AttentionMaps:
    """Read what `save` wrote, onto the CPU.

    Args:
        path: The file.

    Raises:
        InputError: There is no such file, it holds something else, or the package safetensors is
            missing.
    """
    from interpviz.attention.maps import AttentionMaps

    safetensors = _safetensors()
    if not Path(path).is_file():
        raise InputError(f"There is no file {str(path)!r}.")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError:
        metadata, tensors = {}, {}
    if metadata.get("format") != _FORMAT:
        raise InputError(f"{str(path)!r} holds no attention maps: it was not written by save.")
    content = json.loads(metadata["maps"])
    decoder = content["decoder"]
    if decoder is not None:
        decoder = Sequences(decoder["tokens"], **_masks(tensors, "decoder."))
    new = content.get("generated")
    if new is not None:
        new = Generated(**new, **{name: tensors[f"generated.{name}"] for name in _WRITTEN})
    return AttentionMaps(
        LayerWeights({name: tensors[f"weights.{name}"] for name in content["layer_names"]}),
        content["tokens"],
        kinds=tuple(content["kinds"]),
        decoder=decoder,
        visible={name: tensors[place] for name, place in content["visible"].items()},
        heads={name: tuple(heads) for name, heads in content["heads"].items()},
        generated=new,
        **_masks(tensors, ""),
    )


def _masks(tensors: dict[str, Tensor], prefix: str) -> dict[str, Any]:
    return {name: tensors.get(prefix + name) for name in _MASKS}


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise InputError(
            "Saving and loading attention maps needs safetensors: install it with "
            "`pip install safetensors`."
        ) from error
    return SimpleNamespace(
        save_file=safetensors.torch.save_file,
        safe_open=safetensors.safe_open,
        SafetensorError=safetensors.SafetensorError,
    )
