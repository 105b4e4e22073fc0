"""Any network by what a command line can say of it."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpviz.device import best_device
from interpviz.errors import AssetError, InputError, InterpvizError, nearest
from interpviz.zoo.any_model import Loaded, as_loaded, place
from interpviz.zoo.checkpoints import load_checkpoint, read_checkpoint
from interpviz.zoo.extras import require
from interpviz.zoo.libraries import from_hugging_face, from_timm, from_torchvision
from interpviz.zoo.models import REGISTRY, load_model

if TYPE_CHECKING:
    from types import ModuleType

    import torch

_BUILT_TO_FIT = {"torchvision": from_torchvision, "timm": from_timm}


def find_model(
    spec: str,
    checkpoint: str | Path | None = None,
    *,
    weights: str = "auto",
    device: torch.device | str | None = None,
) -> Loaded:
    """Load a network by what a command line can say of it.

    Args:
        spec: A name of the zoo; `torchvision:NAME`; `timm:NAME`; `hf:ID` or `hf:FOLDER`; or
            `package.module:function`, whose function takes nothing and returns an `nn.Module`, a
            pair of one and its preprocessing, or what `load_model` or this function returns.
        checkpoint: A state dict to put into it, as `read_checkpoint` takes it. Without one the
            library's own weights are used.
        weights: For names of the zoo, as `load_model` takes it.
        device: Where to put it; None means the fastest device of this machine.

    Returns:
        The network in eval mode with what belongs to it. Names of ImageNet's classes belong to the
        library's own weights: with a checkpoint, classes have none but those of a function or a
        folder.

    Raises:
        AssetError: There is no such model, or its weights cannot be had or do not fit.
        InputError: The function or its module fails, or it returns something else; or the device
            cannot be used. What was raised is the cause.
    """
    state = None if checkpoint is None else read_checkpoint(checkpoint)
    kind, _, name = spec.partition(":")
    # What builds a network draws its first weights at random.
    with require("torch").random.fork_rng(devices=[]):
        if kind in _BUILT_TO_FIT and name:
            found = _BUILT_TO_FIT[kind](name, state)
        else:
            found = _without_checkpoint(spec, kind, name, weights)
            if state is not None:
                load_checkpoint(found.model, state, str(checkpoint))
    place(found.model.eval(), best_device() if device is None else device)
    if checkpoint is None:
        return replace(found, name=spec)
    about = f"Weights: {type(found.model).__name__}, from {Path(checkpoint).name}"
    # The names of a function's own network stay; those of the zoo belong to the zoo's weights.
    names = found.categories if name else []
    return replace(found, name=spec, about=about, categories=names)


def _without_checkpoint(spec: str, kind: str, name: str, weights: str) -> Loaded:
    if kind == "hf" and name:
        return from_hugging_face(name)
    return as_loaded(_call(kind, name), spec) if name else _of_zoo(spec, weights)


def _of_zoo(name: str, weights: str) -> Loaded:
    if name not in REGISTRY:
        near = nearest(name, REGISTRY)
        raise AssetError(
            f"There is no model {name!r} in the zoo. {f'{near} ' if near else ''}Write one of "
            f"{', '.join(sorted(REGISTRY))}, or torchvision:NAME, timm:NAME, hf:ID or "
            "package.module:function."
        )
    return as_loaded(load_model(name, weights, "cpu"), name)


def _call(module: str, function: str) -> Any:
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    made = _imported(module)
    make = getattr(made, function, None)
    if not callable(make):
        raise AssetError(f"{module} has no function {function!r}. {nearest(function, dir(made))}")
    try:
        return make()
    except InterpvizError:
        raise
    # A script that reads its own arguments ends the process.
    except (Exception, SystemExit) as error:
        raise InputError(
            f"The function {module}:{function} raised {_told(error)}: call it in Python to see "
            "where."
        ) from error


def _imported(module: str) -> ModuleType:
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{module}.".startswith(f"{missing}."):
            raise AssetError(
                f"There is no module {module!r} ({error}): start where it can be imported, or "
                "install it."
            ) from error
        raise InputError(
            f"The module {module!r} cannot be imported, since it raised {_told(error)}: import it "
            "in Python to see where."
        ) from error


def _told(error: BaseException) -> str:
    message = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__} ({message})" if message else type(error).__name__
