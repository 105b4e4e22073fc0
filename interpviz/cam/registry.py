"""The methods by name."""

from __future__ import annotations

import re

from torch import nn

from interpviz.cam.ablation import AblationCAM
from interpviz.cam.base import CAM
from interpviz.cam.baseline import RandomCAM
from interpviz.cam.finer import FinerCAM
from interpviz.cam.gradient import (
    ElementWiseCAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    XGradCAM,
)
from interpviz.cam.kernel import KPCACAM
from interpviz.cam.legrad import LeGrad
from interpviz.cam.perturbation import ISCAM, SSCAM, ScoreCAM
from interpviz.cam.projection import EigenCAM, EigenGradCAM
from interpviz.cam.second_order import ShapleyCAM
from interpviz.cam.smooth import SmoothGradCAMPlusPlus
from interpviz.device import unwrap
from interpviz.errors import InputError, nearest

_METHODS: dict[str, type[CAM]] = {
    "gradcam": GradCAM,
    "gradcam++": GradCAMPlusPlus,
    "hirescam": HiResCAM,
    "elementwisecam": ElementWiseCAM,
    "xgradcam": XGradCAM,
    "layercam": LayerCAM,
    "eigencam": EigenCAM,
    "eigengradcam": EigenGradCAM,
    "kpcacam": KPCACAM,
    "smoothgradcam++": SmoothGradCAMPlusPlus,
    "shapleycam": ShapleyCAM,
    "finercam": FinerCAM,
    "scorecam": ScoreCAM,
    "sscam": SSCAM,
    "iscam": ISCAM,
    "ablationcam": AblationCAM,
    "legrad": LeGrad,
    "randomcam": RandomCAM,
}


def methods(model: nn.Module | None = None) -> list[str]:
    """The names of all methods, as [`CAM.from_name`][interpviz.cam.CAM.from_name] takes them.

    Args:
        model: Names only the methods that are made for such a model, if one is given.
    """
    return [n for n, method in _METHODS.items() if model is None or method.explains(unwrap(model))]


def get_method(name: str) -> type[CAM]:
    """The class of a method.

    Args:
        name: One of `methods()`; case, spaces, hyphens and underscores do not matter, and
            `plusplus` is `++`.

    Returns:
        The class, to be called as [`GradCAM`][interpviz.cam.GradCAM] is.

    Raises:
        InputError: There is no such method; the nearest ones are named.

    Examples:
        >>> get_method("Grad-CAM++").__name__
        'GradCAMPlusPlus'
    """
    plain = re.sub(r"[\s_-]", "", str(name).lower()).replace("plusplus", "++")
    if plain not in _METHODS:
        raise InputError(
            f"There is no method {name!r}. {nearest(plain, _METHODS)} "
            f"All are: {', '.join(_METHODS)}."
        )
    return _METHODS[plain]
