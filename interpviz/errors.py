"""What goes wrong, said in one sentence: what is wrong, and what to do.

Every error that a user can meet derives from [`InterpvizError`][interpviz.errors.InterpvizError]
and from the built-in exception that fits, so both `except InterpvizError` and
`except ValueError` work.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

DOCS_URL = "https://interpviz.github.io/interpviz/"


def troubleshooting(anchor: str) -> str:
    """The address of one case of the troubleshooting page.

    Args:
        anchor: The heading's anchor on that page, without `#`.
    """
    return f"{DOCS_URL}troubleshooting/#{anchor}"


def nearest(name: str, known: Iterable[str], n: int = 3) -> str:
    """Name the known names that are nearest to a mistyped one.

    Args:
        name: What the user wrote.
        known: All names that would have been right.
        n: How many to name at most.

    Returns:
        `"Did you mean 'a', 'b'?"`, or an empty string where nothing is near.
    """
    known, name = list(known), str(name)
    lowered = {k.lower(): k for k in reversed(known)}
    near = get_close_matches(name.lower(), lowered, n=n, cutoff=0.5)
    return f"Did you mean {', '.join(repr(lowered[k]) for k in near)}?" if near else ""


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the line of the user's own code, however deep in the library the cause is.

    Args:
        message: One sentence.
        category: The kind of warning.
    """
    home = str(Path(__file__).parent)
    level = 1
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(home):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


class InterpvizError(Exception):
    """The base of every error that interpviz raises on purpose."""


class LayerError(InterpvizError, ValueError):
    """A layer that does not exist, is not on the way to the output, or has no spatial grid."""


class TargetError(InterpvizError, ValueError):
    """A class or target that the model's output does not have."""


class InputError(InterpvizError, ValueError):
    """Images, tokens or weights that cannot be used as they are."""


class GradientError(InterpvizError, RuntimeError):
    """No gradient reached the layer that was to be explained."""


class AttentionError(InterpvizError, RuntimeError):
    """Attention weights that were not, or cannot be, captured."""


class AssetError(InterpvizError, OSError):
    """A model file or photo that could not be had, or is not what it should be."""


class InterpvizWarning(UserWarning):
    """The base of every warning that interpviz gives."""


class ZeroMapWarning(InterpvizWarning):
    """A class activation map that is zero everywhere."""


class AspectRatioWarning(InterpvizWarning):
    """An overlay on a picture that the network may have seen cropped."""
