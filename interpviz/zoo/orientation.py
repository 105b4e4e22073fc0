"""Pictures turned as their EXIF blocks say."""

from __future__ import annotations

from PIL import Image

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def turned(picture: Image.Image, opened: Image.Image) -> Image.Image:
    """A picture turned as the EXIF block of the file says that it came from.

    Args:
        picture: What `opened` was converted to; what it says of itself is removed, so that nobody
            turns it again.
        opened: The picture as it was opened, loaded since then, because Pillow turns a TIFF
            while it loads it.

    Returns:
        A new picture, or the same one where it stands upright.
    """
    picture.info = {}
    # Pillow's exif_transpose also rewrites the block, which fails where that is damaged.
    turn = _turn(opened)
    return picture if turn is None else picture.transpose(turn)


def _turn(opened: Image.Image) -> Image.Transpose | None:
    try:
        return _TURNS.get(opened.getexif().get(_ORIENTATION, 1))
    except Exception:  # a damaged block says nothing of the picture
        return None
