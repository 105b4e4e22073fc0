"""One class against those most like it, with any method."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

from torch import Tensor, nn

from interpviz.cam.base import CAM
from interpviz.cam.engine.engine import CAMOptions
from interpviz.cam.engine.inputs import Inputs
from interpviz.cam.engine.layers import Layer
from interpviz.cam.engine.run import Run
from interpviz.cam.gradient import GradCAM
from interpviz.cam.maps import Scale
from interpviz.cam.targets import ClassScore, EachOwn, Target, Targets
from interpviz.cam.targets.categories import as_class_logits, as_list, class_index
from interpviz.cam.targets.kinds import Score, at_least_float32
from interpviz.cam.targets.outputs import find_logits
from interpviz.errors import InputError, TargetError


class FinerCAM(CAM):
    r"""Finer-CAM: what sets a class apart from the classes most like it.

    Any method explains, in the place of the class's logit z_c, the score
    `z_c - alpha * mean over d of z_d`, with d the classes whose logits are nearest to z_c in each
    image, or those that are named. What the class shares with them cancels out. With `alpha=0` it
    is the method itself.

    The paper compares with one class d at a time and takes several together. The authors' own
    program weighs the classes d by their softmax probabilities, and differentiates these as well;
    here each counts the same, so that the score depends on nothing but these logits.

    Use it when a model tells look-alikes apart, breeds or species or types of car, and the usual
    map covers the whole object.

    Paper: Zhang, Gu, Chowdhury, Mai, Carlyn, Berger-Wolf, Su and Chao, "Finer-CAM: Spotting the
    Difference Reveals Finer Details for Visual Explanation", CVPR 2025.

    Args:
        model: As for [`CAM`][interpviz.cam.CAM].
        target_layer: As for [`CAM`][interpviz.cam.CAM].
        method: The method that explains the difference: a subclass of
            [`CAM`][interpviz.cam.CAM], its name, or a `functools.partial` of one with its own
            options, such as `signed`.
        against: How many of the classes with the nearest logits to compare with; or the classes
            themselves, by index or name, less the one that is explained.
        alpha: How much of the other classes' logits is taken away.
        **options: As for [`CAM`][interpviz.cam.CAM].

    Raises:
        InputError: There is no such method, it does not depend on a class, or there is nothing to
            compare with.

    Examples:
        >>> import torch
        >>> from torchvision.models import resnet18
        >>> from interpviz.cam import LayerCAM
        >>> cam = FinerCAM(resnet18().eval(), "layer4", method=LayerCAM, against=2)
        >>> cam(torch.rand(2, 3, 64, 64), targets=[7, 9]).shape
        torch.Size([2, 64, 64])
    """

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | Sequence[Layer] | None = None,
        *,
        method: Callable[..., CAM] | str = GradCAM,
        against: int | Sequence[int | str] = 3,
        alpha: float = 1.0,
        **options: Unpack[CAMOptions],
    ) -> None:
        super().__init__(model, target_layer, **options)
        made_by = CAM.from_name(method) if isinstance(method, str) else method
        self.base = made_by(model, target_layer, **options)
        # A partial may have options of its own, which show in maps and messages.
        self.signed, self.categories = self.base.signed, self.base.categories
        if not self.base.asks_for_score:
            raise InputError(
                f"{type(self.base).__name__} is the same for every class, so it cannot tell two "
                "apart: pass a method that explains a score, such as GradCAM."
            )
        if against < 1 if isinstance(against, int) else not against or isinstance(against, str):
            raise InputError(
                f"against is {against!r}: pass how many classes to compare with, at least 1, or a "
                "list of classes."
            )
        self.against = against
        self.alpha = alpha

    def _run(self, inputs: Inputs) -> Run:
        run = self.base._run(inputs)
        self.target_layers, self._names = self.base.target_layers, self.base._names
        return run

    def _choose(self, targets: Targets, output: Any, count: int) -> Target | None:
        chosen = super()._choose(targets, output, count)
        parts = chosen.targets if isinstance(chosen, EachOwn) else (chosen,)
        classes = [c for part in parts if isinstance(part, ClassScore) for c in part.classes]
        if len(classes) != count:
            raise TargetError(
                "FinerCAM compares classes: pass a class index or name, or explain this target "
                "with another method."
            )
        logits = as_class_logits(find_logits(output)).detach()
        rivals = tuple(self._rivals(*each) for each in zip(logits, classes, strict=True))
        return FinerScore(tuple(classes), rivals, self.alpha)

    def _rivals(self, logits: Tensor, explained: int) -> tuple[int, ...]:
        if isinstance(self.against, int):
            distance = (logits - logits[explained]).abs()
            order = distance.argsort(stable=True).tolist()
            found = [index for index in order if index != explained][: self.against]
        else:
            named = [class_index(c, len(logits), self.categories) for c in as_list(self.against)]
            found = [index for index in dict.fromkeys(named) if index != explained]
        if not found:
            raise TargetError(
                f"There is no class to compare class {explained} with: name another one in "
                "`against`."
            )
        return tuple(found)

    def _maps(self, run: Run, scale: Scale) -> Tensor:
        return self.base._maps(run, scale)

    def _weigh(self, run: Run) -> list[Tensor]:
        return self.base._weigh(run)


@dataclass(frozen=True)
class FinerScore(Score):
    """A class minus others of its own for each image: `z_c - alpha * mean over d of z_d`.

    Args:
        classes: A class index for each image of the batch.
        against: The classes d of each image.
        alpha: How much of them is taken away.

    Examples:
        >>> import torch
        >>> logits = torch.tensor([[5.0, 2.0, 0.0], [5.0, 2.0, 0.0]])
        >>> FinerScore((0, 1), ((1, 2), (0,)))(logits)
        tensor([ 4., -3.])
    """

    classes: tuple[int, ...]
    against: tuple[tuple[int, ...], ...]
    alpha: float = 1.0

    def __call__(self, logits: Tensor) -> Tensor:
        """The difference for each image.

        Args:
            logits: Tensor `(N, classes)`.

        Returns:
            Tensor `(N,)`, float32, or float64 as the logits.
        """
        columns = at_least_float32(as_class_logits(logits))
        shares = columns.new_zeros(len(self.classes), columns.shape[1])
        for row, index, others in zip(shares, self.classes, self.against, strict=True):
            row[list(others)] = -self.alpha / len(others)
            row[index] = 1
        return (shares * columns).sum(1)

    def describe(self, image: int, class_name: Callable[[int], str]) -> str:
        """Such as "tiger cat minus the mean of tabby and lynx"."""
        named = " and ".join(class_name(other) for other in self.against[image])
        named = named if len(self.against[image]) == 1 else f"the mean of {named}"
        share = "" if self.alpha == 1 else f"{self.alpha:g} times "
        return f"{class_name(self.classes[image])} minus {share}{named}"
