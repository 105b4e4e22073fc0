"""How values become colours, and the ink that stays readable on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from interpviz.errors import InputError
from interpviz.render.style import ATTENTION_CMAP, SIGNED_CMAP

if TYPE_CHECKING:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Colormap

__all__ = ["beyond", "colour_scale", "contrast", "ink_on"]


def colour_scale(
    values: np.ndarray,
    cmap: str | Colormap | None = None,
    vmin: float | None = None,
    vmax: float | None = None,
) -> ScalarMappable:
    """One scale of colours for some values: from zero, or around zero where some are negative.

    Args:
        values: Any shape; what is not finite is passed over.
        cmap: Colour map; a sequential one, or a diverging one for signed values, if left out.
        vmin: Value at the lower end; 0 if left out, or for signed values `-vmax`.
        vmax: Value at the upper end; the greatest if left out, for signed values by magnitude.

    Returns:
        The scale, for a colour bar.

    Raises:
        InputError: The lower end is not below the upper one.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    finite = values[np.isfinite(values)]
    signed = bool((finite < 0).any()) or (vmin is not None and vmin < 0)
    ends = [abs(end) for end in (vmin, vmax) if end is not None]
    greatest = float(np.abs(finite).max()) if finite.size else 0.0
    if vmax is None:
        # Without any value the scale still needs some length.
        vmax = (ends[0] if signed and ends else greatest) or 1.0
    if vmin is None:
        vmin = -vmax if signed else 0.0
    if not vmin < vmax:
        raise InputError(f"vmin must be below vmax, but they are {vmin:g} and {vmax:g}.")
    return ScalarMappable(
        Normalize(vmin, vmax), cmap or (SIGNED_CMAP if signed else ATTENTION_CMAP)
    )


def beyond(scale: ScalarMappable, values: np.ndarray) -> str:
    """At which ends values lie beyond a scale, in the words of a colour bar's `extend`.

    Args:
        scale: The scale of colours.
        values: The values that are drawn with it.
    """
    finite = values[np.isfinite(values)]
    low, high = scale.get_clim()
    under = finite.size > 0 and low is not None and float(finite.min()) < low
    over = finite.size > 0 and high is not None and float(finite.max()) > high
    return {(False, False): "neither", (True, False): "min", (False, True): "max"}.get(
        (under, over), "both"
    )


def contrast(first: Any, second: Any) -> float:
    """The contrast of two opaque colours as of the Web Content Accessibility Guidelines 2.

    Args:
        first: A colour as matplotlib takes it.
        second: Another one.

    Returns:
        From 1 (the same) to 21 (black on white); text needs 4.5.
    """
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def ink_on(colour: Any) -> str:
    """Black or white, whichever is read better on a colour: its contrast is always above 4.5.

    Args:
        colour: The opaque colour below the text.
    """
    return max(("black", "white"), key=lambda ink: contrast(ink, colour))


def _luminance(colour: Any) -> float:
    from matplotlib.colors import to_rgb

    channels = np.array(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
