"""Scores of classes: a logit, a probability, one class against another, one side of two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from interpviz.cam.targets.categories import (
    Classes,
    as_class_logits,
    as_list,
    choose_classes,
    class_index,
    class_label,
    is_list,
)
from interpviz.cam.targets.kinds import Score, at_least_float32, of_image
from interpviz.cam.targets.of_classes import OfClasses, pick, several_logits, tiled
from interpviz.cam.targets.outputs import find_logits
from interpviz.errors import TargetError


@dataclass(frozen=True, init=False)
class ClassScore(OfClasses):
    """The score of one class an image: its logit `z_c`, before the softmax.

    Use it for the usual question, what speaks for a class. It is what an index or a name stands
    for.

    Args:
        classes: A class index or name for all images, a list of one an image, or None for the
            predicted ones.

    Attributes:
        classes: What was passed; once bound, a tuple of one class index an image.

    Examples:
        >>> import torch
        >>> logits = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        >>> ClassScore(1)(logits), ClassScore([2, 0])(logits)
        (tensor([2., 5.]), tensor([3., 4.]))
    """

    classes: tuple[int, ...]
    reads: ClassVar[str] = "a predicted class"

    # The type is that of a bound one, as all who read the classes meet it.
    def __init__(self, classes: Classes = None) -> None:
        object.__setattr__(self, "classes", classes)

    def bind(self, output: Any, categories: Sequence[str] | None) -> Self:
        """The same with one class index an image."""
        if self._is_bound():
            return self
        given: Classes = self.classes
        logits = as_class_logits(find_logits(output))
        if given is None:
            several_logits(logits, self.reads)
        return replace(self, classes=choose_classes(given, logits, categories))

    def _is_bound(self) -> bool:
        return isinstance(self.classes, tuple) and all(type(c) is int for c in self.classes)

    def __call__(self, logits: Tensor) -> Tensor:
        """Pick each image's own class.

        Args:
            logits: Tensor `(N, classes)`; `(N,)` of a model with one logit an image.

        Returns:
            Tensor `(N,)`.
        """
        columns = as_class_logits(logits)
        if not self._is_bound():
            return pick(columns, choose_classes(self.classes, columns, None))
        fits = all(0 <= c < columns.shape[1] for c in self.classes)
        if not fits or len(self.classes) != len(columns):
            raise TargetError(
                f"The classes {self.classes} do not fit an output of shape {tuple(logits.shape)}: "
                "give one existing class for each image."
            )
        return pick(columns, self.classes)

    def describe(self, image: int, class_name: Callable[[int], str]) -> str:
        """Such as "class 281 (tabby)"."""
        if not self._is_bound():
            return class_label(self.classes, image, class_name)
        number = f"class {self.classes[image]}"
        name = class_name(self.classes[image])
        return number if name == number else f"{number} ({name})"


@dataclass(frozen=True)
class ClassProbability(OfClasses):
    """The softmax probability of a class: `p_c = exp(z_c) / (sum over k of exp(z_k))`.

    Use it where what matters is that a class wins over all others: what speaks for a rival lowers
    it, which the logit does not see. Its gradient for the logits is `p_c * (e_c - p)`, with e_c one
    at c and zero elsewhere, so it fades where the model is sure: near p_c = 0 or 1 raw maps are
    small, and can vanish in float32. The logarithm of p_c is not offered: its gradient differs by
    the factor 1 / p_c alone, so Grad-CAM's map divided by its maximum is the same.

    Args:
        classes: A class index or name for all images, a list of one an image, or None for the
            predicted ones.

    Examples:
        >>> import torch
        >>> ClassProbability(1)(torch.tensor([[0.0, 0.0], [0.0, 99.0]]))
        tensor([0.5000, 1.0000])
    """

    classes: Classes = None
    reads: ClassVar[str] = "a probability"

    def __call__(self, logits: Tensor) -> Tensor:
        """The probability of each image's class, in [0, 1].

        Args:
            logits: Tensor `(N, classes)`.

        Returns:
            Tensor `(N,)`, float32, or float64 as the logits.
        """
        columns, classes = self._read(logits)
        return pick(at_least_float32(columns).softmax(1), classes)

    def describe(self, image: int, class_name: Callable[[int], str]) -> str:
        """Such as "the probability of tabby"."""
        return f"the probability of {class_label(self.classes, image, class_name)}"


@dataclass(frozen=True)
class ClassContrast(OfClasses):
    """One class minus others: `z_c - weight * mean over d of z_d`.

    Use it to ask what speaks for one class and not for another, a cat and not a dog: evidence that
    both classes share cancels out.

    Paper: the idea is that of Prabhushankar, Kwon, Temel and AlRegib, "Contrastive Explanations in
    Neural Networks", ICIP 2020, who take the loss of the other class; here it is the difference of
    the logits, which depends on nothing but these classes.

    Args:
        classes: The class that is explained: an index or a name for all images, a list of one an
            image, or None for the predicted ones.
        against: The class that is taken away; of a list of classes their mean is.
        weight: How much of it is taken away.

    Raises:
        TargetError: When it is explained: there is no such class, or it is compared with itself.

    Examples:
        >>> import torch
        >>> logits = torch.tensor([[5.0, 2.0, 0.0]])
        >>> ClassContrast(0, 1)(logits), ClassContrast(0, [1, 2])(logits)
        (tensor([3.]), tensor([4.]))
    """

    classes: Classes
    against: int | str | Sequence[int | str]
    weight: float = 1.0
    reads: ClassVar[str] = "a contrast of classes"

    def bind(self, output: Any, categories: Sequence[str] | None) -> Self:
        """The same with class indices, of `classes` one an image."""
        logits = several_logits(find_logits(output), self.reads)
        classes = choose_classes(self.classes, logits, categories)
        others = self._others(logits, categories)
        for image, index in enumerate(classes):
            if others == (index,):
                which = of_image(" for", image, len(classes))
                raise TargetError(
                    f"Class {index} is compared with itself{which}: give two different classes."
                )
        return replace(self, classes=classes, against=others)

    def _others(self, logits: Tensor, categories: Sequence[str] | None) -> tuple[int, ...]:
        others = as_list(self.against)
        if not others:
            raise TargetError("The contrast has no class to compare with: name one in `against`.")
        return tuple(class_index(other, logits.shape[1], categories) for other in others)

    def __call__(self, logits: Tensor) -> Tensor:
        """The difference for each image.

        Args:
            logits: Tensor `(N, classes)`.

        Returns:
            Tensor `(N,)`, float32, or float64 as the logits.
        """
        columns, classes = self._read(logits)
        others = self._others(columns, None)
        columns = at_least_float32(columns)
        return pick(columns, classes) - self.weight * columns[:, list(others)].mean(1)

    def describe(self, image: int, class_name: Callable[[int], str]) -> str:
        """Such as "tiger cat minus tabby"."""
        others = as_list(self.against)
        named = " and ".join(class_label(other, image, class_name) for other in others)
        named = named if len(others) == 1 else f"the mean of {named}"
        share = "" if self.weight == 1 else f"{self.weight:g} times "
        return f"{class_label(self.classes, image, class_name)} minus {share}{named}"


@dataclass(frozen=True)
class BinaryScore(Score):
    """One side of a model with one logit an image: `z` for the positive side, `-z` for the other.

    Use it for a network that decides between yes and no with one number.

    Args:
        positive: True or False for all images, a list of one an image, or None for the side that
            is predicted: positive where the logit is 0 or above.

    Raises:
        TargetError: A side is neither True nor False.

    Examples:
        >>> import torch
        >>> BinaryScore(positive=False)(torch.tensor([2.0, -3.0]))
        tensor([-2.,  3.])
    """

    positive: bool | Sequence[bool] | None = None

    def __post_init__(self) -> None:
        given: Any = self.positive
        if isinstance(given, Tensor | np.ndarray | np.bool_):
            given = given.tolist()
        sides = as_list(given) if is_list(given) else [given]
        known = all(isinstance(side, int) and side in _SIDES for side in sides)
        if given is not None and not known:
            raise TargetError(
                f"BinaryScore got {self.positive!r}: pass True or False, a list of these with one "
                "an image, or None for the predicted side."
            )
        object.__setattr__(self, "positive", tuple(sides) if is_list(given) else given)

    def bind(self, output: Any, categories: Sequence[str] | None) -> Self:  # noqa: ARG002
        """The same with one side an image."""
        return replace(self, positive=self._sides(_one_logit(find_logits(output))))

    def _sides(self, logits: Tensor) -> tuple[bool, ...]:
        if self.positive is None:
            return tuple((logits >= 0).tolist())
        if isinstance(self.positive, Sequence):
            return tuple(self.positive)
        return (self.positive,) * len(logits)

    def __call__(self, logits: Tensor) -> Tensor:
        """The logit of each image's side.

        Args:
            logits: Tensor `(N,)` or `(N, 1)`.

        Returns:
            Tensor `(N,)`.
        """
        single = _one_logit(logits)
        sides = self._sides(single)
        if len(sides) != len(single):
            raise TargetError(
                f"There are {len(sides)} sides for {len(single)} images: give one for each image, "
                "or a single one for all."
            )
        return torch.where(torch.tensor(sides, device=single.device), single, -single)

    def repeated(self, groups: int) -> Self:
        """The same for each group's images."""
        return replace(self, positive=tiled(self.positive, groups))

    def describe(self, image: int, class_name: Callable[[int], str]) -> str:  # noqa: ARG002
        """Such as "the positive side"."""
        side = self.positive[image] if isinstance(self.positive, Sequence) else self.positive
        return "the predicted side" if side is None else f"the {_SIDES[side]} side"


_SIDES = {True: "positive", False: "negative"}


def _one_logit(logits: Tensor) -> Tensor:
    if logits.ndim == 2 and logits.shape[1] == 1:
        return logits[:, 0]
    if logits.ndim != 1:
        raise TargetError(
            f"BinaryScore is for one logit an image, but the model's output has shape "
            f"{tuple(logits.shape)}: name a class instead."
        )
    return logits
