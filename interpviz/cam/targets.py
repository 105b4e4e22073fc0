"""What is explained: the number whose gradient is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from interpviz.errors import InputError, TargetError, nearest

Target = Callable[[Tensor], Tensor]
"""Takes the model's logits `(N, ...)`, gives one score an image `(N,)`."""

Targets = None | int | str | Sequence[int | str] | Tensor | Target


@dataclass(frozen=True)
class ClassScore:
    """The score of one class an image: its logit, before the softmax.

    Args:
        classes: A class index for each image of the batch.
    """

    classes: tuple[int, ...]

    def __call__(self, logits: Tensor) -> Tensor:
        """Pick each image's own class.

        Args:
            logits: Tensor `(N, classes)`.

        Returns:
            Tensor `(N,)`.
        """
        if len(self.classes) != len(logits) or max(self.classes) >= logits.shape[1]:
            raise TargetError(
                f"The classes {self.classes} do not fit an output of shape {tuple(logits.shape)}: "
                "give one existing class for each image."
            )
        index = torch.tensor(self.classes, device=logits.device)
        return logits.gather(1, index[:, None])[:, 0]


def find_logits(output: Any) -> Tensor:
    """The tensor of scores in whatever a model returns.

    Args:
        output: A tensor; a tuple or list that begins with one; a dict or dataclass with
            `logits`, or whose first tensor is meant.

    Raises:
        InputError: There is no tensor in it.
    """
    if isinstance(output, Tensor):
        return output
    logits = output.get("logits") if isinstance(output, Mapping) else None
    logits = getattr(output, "logits", None) if logits is None else logits
    if isinstance(logits, Tensor):
        return logits
    if isinstance(output, Mapping):
        parts = list(output.values())
    elif isinstance(output, Sequence):
        parts = list(output)
    else:
        parts = list(vars(output).values()) if hasattr(output, "__dict__") else []
    tensors = [part for part in parts if isinstance(part, Tensor)]
    # A loss of no dimensions may stand in front of the scores.
    for tensor in [*(t for t in tensors if t.ndim > 1), *tensors]:
        return tensor
    raise InputError(
        f"The model returns {type(output).__name__}, in which there is no tensor of scores: wrap "
        "the model in a module that returns its logits."
    )


def find_categories(model: nn.Module, given: Sequence[str] | None = None) -> list[str] | None:
    """The class names that a model carries, in the order of its logits, or None.

    Args:
        model: Any module; a list `model.categories` and the `id2label` of a transformers
            configuration are known.
        given: The user's own names, which go first.

    Raises:
        InputError: The user's names are not a list of names.
    """
    if given is not None:
        if not isinstance(given, list | tuple) or not all(isinstance(n, str) for n in given):
            raise InputError(
                f"The categories are {type(given).__name__}, but must be a list of names in the "
                "order of the model's scores."
            )
        return list(given)
    names = getattr(model, "categories", None)
    if isinstance(names, list | tuple):
        return [str(n) for n in names]
    id2label = getattr(getattr(model, "config", None), "id2label", None)
    if isinstance(id2label, Mapping):
        return [str(id2label[k]) for k in sorted(id2label, key=int)]
    return None


def resolve_target(targets: Targets, logits: Tensor, categories: Sequence[str] | None) -> Target:
    """Turn what the user wrote into a score.

    Args:
        targets: None for the predicted class of each image; a class index or name for all images;
            a list or tensor of one index or name an image; or a target.
        logits: The model's output `(N, classes)`.
        categories: Class names in the order of the logits, or None.

    Raises:
        TargetError: No such class, or not one target an image.
    """
    if callable(targets):
        return targets
    if logits.ndim != 2:
        raise TargetError(
            f"The model's output has shape {tuple(logits.shape)}, not (batch, classes): pass "
            "`targets` as a function that turns this output into one score an image."
        )
    count, classes = logits.shape
    if targets is None:
        return ClassScore(tuple(logits.argmax(1).tolist()))
    single = isinstance(targets, int | str) or not np.ndim(targets)
    chosen = as_list(targets) * (count if single else 1)
    if len(chosen) != count:
        raise TargetError(
            f"There are {len(chosen)} targets for {count} images: give one target for each image, "
            "or a single one for all."
        )
    return ClassScore(tuple(class_index(t, classes, categories) for t in chosen))


def as_list(targets: Any) -> list[Any]:
    """Targets as a list of plain indices and names.

    Args:
        targets: An index, a name, or a list, tensor or array of them.

    Raises:
        TargetError: It is none of these.
    """
    if isinstance(targets, Tensor | np.ndarray | np.integer):
        targets = targets.tolist()
    if isinstance(targets, int | str):
        return [targets]
    if not isinstance(targets, Sequence):
        raise TargetError(_WHAT_A_TARGET_IS.format(targets))
    return [t.item() if isinstance(t, Tensor | np.generic) and t.ndim == 0 else t for t in targets]


_WHAT_A_TARGET_IS = (
    "A target is a class index, a class name or a function of the logits, but this one is {!r}."
)


def class_index(target: Any, classes: int, categories: Sequence[str] | None) -> int:
    """The index of a class given by index or name.

    Args:
        target: An index in [0, classes), or a name, upper or lower case.
        classes: How many classes the output has.
        categories: Class names in the order of the logits, or None.

    Raises:
        TargetError: There is no such class.
    """
    if isinstance(target, int) and not isinstance(target, bool):
        if 0 <= target < classes:
            return target
        raise TargetError(
            f"Class {target} is out of range: the model's output has {classes} classes, "
            f"0 to {classes - 1}."
        )
    if not isinstance(target, str):
        raise TargetError(_WHAT_A_TARGET_IS.format(target))
    if categories is None:
        raise TargetError(
            f"The model has no class names, so {target!r} means nothing to it: pass the index, or "
            "give the names as `categories=[...]`."
        )
    found = [i for i, name in enumerate(categories) if name == target]
    # ImageNet has a cardigan to wear and a Cardigan that barks.
    found = found or [i for i, n in enumerate(categories) if n.lower() == target.lower()]
    if not found:
        raise TargetError(f"There is no class {target!r}. {nearest(target, categories)}".strip())
    if len(found) > 1:
        listed = ", ".join(str(i) for i in found)
        raise TargetError(f"Several classes are called {target!r}: pass the index, {listed}.")
    return class_index(found[0], classes, categories)
