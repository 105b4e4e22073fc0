"""Bytes to an upright RGB picture, or the reason why there is none."""

from __future__ import annotations

import io
import math
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from interpviz.errors import InputError
from interpviz.zoo.orientation import turned

# Formats that Pillow decodes by itself: no PostScript, which starts a program, and no fonts.
FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "ICO", "AVIF", "JPEG2000", "TGA"),
    *("DIB", "PCX", "SGI", "QOI"),
)
MOST_PIXELS = 100_000_000
MOST_BYTES = 1 << 29
THINNEST = 64
_LARGE = 16_000_000


class UndecodableError(InputError):
    """A picture that cannot be shown, with the reason."""


def decode(data: bytes) -> tuple[Image.Image, list[str]]:
    """Read a picture, whatever its kind.

    Args:
        data: The content of an image file.

    Returns:
        The picture, RGB and upright, and what was done to get it, such as `"first of 12 frames"`.

    Raises:
        UndecodableError: It is damaged, of another kind, too large, or too thin.
        MemoryError: It does not fit into the memory that is left now.
    """
    if not data:
        raise UndecodableError("the file is empty")
    try:
        with Image.open(io.BytesIO(data), formats=_known_formats()) as opened:
            return upright(opened)
    except (UndecodableError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise UndecodableError("not a picture of a known format") from None
    except Image.DecompressionBombError:
        raise UndecodableError(f"more than {MOST_PIXELS // 10**6} million pixels") from None
    except Exception as error:  # decoders meet damaged data with errors of any kind
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise UndecodableError(f"damaged: {reason}") from None


@lru_cache(maxsize=1)
def _known_formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def upright(opened: Image.Image) -> tuple[Image.Image, list[str]]:
    """An opened picture as RGB, turned as its EXIF block says.

    Args:
        opened: A picture of any mode.

    Returns:
        The picture, and what was done to get it.

    Raises:
        UndecodableError: It is too large or too thin, or its values cannot be shown.
    """
    width, height = opened.size
    notes: list[str] = []
    if min(width, height) < 1 or max(width, height) > THINNEST * min(width, height):
        raise UndecodableError(f"{width} x {height} pixels is too thin")
    if width * height > _LARGE and opened.format in ("JPEG", "MPO"):
        # A JPEG can be decoded at a half, quarter or eighth of its size, at that memory.
        share = math.sqrt(_LARGE / (width * height))
        opened.draft("RGB", (round(width * share), round(height * share)))
        notes.append(f"decoded at {opened.size[0]} x {opened.size[1]}")
    if opened.size[0] * opened.size[1] > MOST_PIXELS:
        raise UndecodableError(
            f"{width} x {height} pixels are more than {MOST_PIXELS // 10**6} million"
        )
    frames = getattr(opened, "n_frames", 1)
    if frames > 1 and opened.format != "MPO":
        opened.seek(0)
        notes.append(f"first of {frames} frames")
    rgb = _to_rgb(opened, notes)
    picture = turned(rgb, opened)
    if picture is not rgb:
        notes.append("turned as its EXIF says")
    return picture, notes


def _to_rgb(opened: Image.Image, notes: list[str]) -> Image.Image:
    opened.load()
    mode = opened.mode
    if mode[0] in "IF":
        picture = _to_eight_bits(opened)
        notes.append("more than 8 bits a channel, scaled to 8")
    elif opened.has_transparency_data:
        clear = opened.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        picture = Image.alpha_composite(white, clear).convert("RGB")
        if np.asarray(clear.getchannel("A")).min() < 255:
            notes.append("transparent, shown on white")
    else:
        picture = opened.convert("RGB")
        if mode == "CMYK":
            notes.append("converted from CMYK")
    return picture


def _to_eight_bits(opened: Image.Image) -> Image.Image:
    values: Any = np.asarray(opened, dtype=np.float64)
    if not np.isfinite(values).all():
        raise UndecodableError(f"mode {opened.mode} with values that are not finite")
    low, high = float(values.min()), float(values.max())
    full = next((top for top in (1.0, 255.0, 65535.0, 2.0**32 - 1) if high <= top), None)
    if opened.mode[0] == "I":
        full = 65535.0 if high <= 65535 else 2.0**32 - 1
    if full is None or low < 0:
        raise UndecodableError(f"mode {opened.mode} with values from {low:.3g} to {high:.3g}")
    return Image.fromarray(np.round(values / full * 255).astype(np.uint8)).convert("RGB")
