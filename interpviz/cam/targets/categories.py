"""Classes by index and by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
from torch import Tensor, nn

from interpviz.errors import InputError, TargetError, nearest

Classes = int | str | Sequence[int | str] | Tensor | None
"""A class for all images, one for each image, or None for the predicted ones."""


def find_categories(model: nn.Module, given: Sequence[str] | None = None) -> list[str] | None:
    """The class names that a model carries, in the order of its logits, or None.

    Args:
        model: Any module; a list `model.categories` and the `id2label` of a transformers
            configuration are known. An index that `id2label` leaves out is called "class 3".
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
    return _by_index(id2label) if isinstance(id2label, Mapping) else None


def _by_index(id2label: Mapping[Any, Any]) -> list[str] | None:
    """Names in the order of their keys, which JSON may have turned into text."""
    if not id2label or not all(str(key).isdecimal() for key in id2label):
        return None
    names = {int(key): str(name) for key, name in id2label.items()}
    return [names.get(index, f"class {index}") for index in range(max(names) + 1)]


def as_class_logits(logits: Tensor) -> Tensor:
    """Logits with one column a class.

    Args:
        logits: Tensor `(N, classes)`, or `(N,)` of a model with one logit an image.

    Returns:
        Tensor `(N, classes)`.

    Raises:
        TargetError: It has another shape.
    """
    if logits.ndim == 1:
        return logits[:, None]
    if logits.ndim != 2:
        raise not_class_logits(logits)
    return logits


def probabilities(logits: Tensor) -> Tensor:
    """The probabilities of classes: a softmax, or of a single logit its sigmoid.

    Args:
        logits: Tensor `(N, classes)`, or `(N,)` of a model with one logit an image.

    Returns:
        Tensor `(N, classes)`, float32, in [0, 1]; of a single logit `(N, 1)`, the probability of
        yes.

    Raises:
        TargetError: It has another shape.
    """
    columns = as_class_logits(logits).float()
    return columns.softmax(1) if columns.shape[1] > 1 else columns.sigmoid()


def not_class_logits(logits: Tensor) -> TargetError:
    """The error of an output that holds no scores of classes.

    Args:
        logits: Tensor of any shape.
    """
    segmentation = ", such as `MaskScore(category)` for a segmentation" if logits.ndim == 4 else ""
    return TargetError(
        f"The model's output has shape {tuple(logits.shape)}, not (batch, classes): pass "
        f"`targets` as a function that turns this output into one score an image{segmentation}."
    )


def choose_classes(
    targets: Any, logits: Tensor, categories: Sequence[str] | None
) -> tuple[int, ...]:
    """One class index an image.

    Args:
        targets: None for the predicted classes; an index or a name for all images; or a list,
            tensor or array of one an image.
        logits: Tensor `(N, classes)`.
        categories: Class names in the order of the logits, or None.

    Raises:
        TargetError: No such class, or not one an image.
    """
    if targets is None:
        return tuple(logits.argmax(1).tolist())
    count, classes = logits.shape
    return named_classes(targets, count, classes, categories)


def named_classes(
    targets: Any, count: int, classes: int | None, categories: Sequence[str] | None
) -> tuple[int, ...]:
    """One class index an image, of classes that are given.

    Args:
        targets: An index or a name for all images; or a list, tensor or array of one an image.
        count: The number of images.
        classes: How many classes the output has, or None where that is not known.
        categories: Class names in the order of the logits, or None.

    Raises:
        TargetError: No such class, or not one an image.
    """
    many = targets.ndim > 0 if isinstance(targets, Tensor | np.ndarray) else is_list(targets)
    chosen = as_list(targets) * (1 if many else count)
    require_one_an_image(chosen, count)
    return tuple(class_index(target, classes, categories) for target in chosen)


def is_list(targets: Any) -> TypeGuard[Sequence[Any]]:
    """Whether these are several targets in a list or tuple.

    Args:
        targets: What the user wrote.
    """
    return isinstance(targets, Sequence) and not isinstance(targets, str)


def require_one_an_image(chosen: Sequence[Any], count: int) -> None:
    """Refuse a list of another length than the batch.

    Args:
        chosen: The targets.
        count: The number of images.

    Raises:
        TargetError: There are more, or fewer.
    """
    if len(chosen) != count:
        raise TargetError(
            f"There are {len(chosen)} targets for {count} images: give one target for each image, "
            "or a single one for all."
        )


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


def class_index(target: Any, classes: int | None, categories: Sequence[str] | None) -> int:
    """The index of a class given by index or name.

    Args:
        target: An index in [0, classes), or a name, upper or lower case.
        classes: How many classes the output has, or None where that is not known.
        categories: Class names in the order of the logits, or None.

    Raises:
        TargetError: There is no such class.
    """
    if isinstance(target, int) and not isinstance(target, bool):
        if target >= 0 and (classes is None or target < classes):
            return target
        raise _out_of_range(target, classes)
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


def class_label(target: Classes, image: int, class_name: Callable[[int], str]) -> str:
    """The name of a class that may not be bound yet.

    Args:
        target: An index, a name, a sequence of one an image, or None.
        image: Which image of the batch.
        class_name: Gives the name of a class.
    """
    if target is None:
        return "the predicted class"
    listed = as_list(target)
    own = listed[image] if len(listed) > 1 else listed[0]
    return own if isinstance(own, str) else class_name(own)


def _out_of_range(target: int, classes: int | None) -> TargetError:
    if classes is None:
        return TargetError(f"Class {target} is out of range: classes are counted from 0.")
    if classes == 1:
        return TargetError(
            f"Class {target} is out of range: the model gives one logit an image, so pass 0, or "
            "BinaryScore(positive=True) or BinaryScore(positive=False)."
        )
    return TargetError(
        f"Class {target} is out of range: the model's output has {classes} classes, "
        f"0 to {classes - 1}."
    )
