"""Frames become a moving picture: a file that browsers play, or a view for a notebook."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from interpviz.errors import InputError

Frames = NDArray[np.uint8]

# ITU-T H.273: BT.709 primaries and matrix, the transfer curve of sRGB pictures, studio range.
_BT709, _SRGB, _STUDIO_RANGE = 1, 13, 1


def write_animation(path: str | Path, frames: Frames, fps: float = 10.0) -> Path:
    """Write frames as a moving picture.

    The suffix of the path says how:

    - `.mp4`: H.264 with 4:2:0 chroma (`yuv420p`) and the index in front, which every browser
      plays and begins to play before the whole file has come. Needs PyAV. That chroma needs even
      sides, so an odd height or width grows by a copy of its last row or column.
    - `.webp`: animated WebP, lossy, played without end. Times are whole milliseconds.
    - `.gif`: 256 colours a frame, played without end. Times are whole hundredths of a second.
      Large files: for mail and old programs.

    In `.webp` and `.gif` a frame equal to the one before it may be stored as a longer time of
    that one. The file is written beside its place and then moved there, so an exception leaves no
    half file, and one that was there stays as it was.

    Args:
        path: Where to write; the folder must exist.
        frames: Array `(T, H, W, 3)`, uint8 RGB.
        fps: Frames a second, above 0.

    Returns:
        The path.

    Raises:
        InputError: The suffix is not known, PyAV is missing, the folder does not exist, or the
            frames or `fps` cannot be used.
    """
    path = Path(path)
    write = animation_writer(path)
    _check(frames, fps)
    with TemporaryDirectory(prefix=".partial-", dir=path.parent) as folder:
        part = Path(folder) / path.name
        write(part, frames, fps)
        part.replace(path)
    return path


def animation_writer(path: str | Path) -> Callable[[Path, Frames, float], None]:
    """What writes a file of this name, so that a wrong name is told before a long computation.

    Args:
        path: Where the file will lie.

    Returns:
        A function of a path, the frames and the frames a second.

    Raises:
        InputError: The suffix is not known, PyAV is missing, or the folder does not exist.
    """
    path = Path(path)
    known = {".mp4": _write_mp4, ".webp": _write_webp, ".gif": _write_gif}
    suffix = path.suffix.lower()
    if suffix not in known:
        raise InputError(
            f"An animation cannot be written as '{path.name}': end its name with "
            f"{', '.join(known)}."
        )
    if not path.parent.is_dir():
        raise InputError(f"There is no folder '{path.parent}': make it first.")
    if suffix == ".mp4":
        _pyav()
    return known[suffix]


def animation_html(frames: Frames, fps: float, label: str) -> str:
    """Frames as a piece of HTML that needs no other file.

    Nothing moves before the reader asks: the video waits for its play button, and without PyAV a
    WebP lies in a closed fold, as a picture cannot be stopped (WCAG 2.2, criterion 2.2.2).

    Args:
        frames: Array `(T, H, W, 3)`, uint8 RGB.
        fps: Frames a second, above 0.
        label: What is seen, for readers who cannot see it; plain text, escaped here.

    Returns:
        A `<video>` with an MP4 in it, or a `<details>` with a WebP where PyAV is missing.

    Raises:
        InputError: The frames or `fps` cannot be used.
    """
    label = html.escape(label)
    height, width = frames.shape[1:3]
    try:
        _pyav()
    except InputError:
        source = _data_uri(frames, fps, "animation.webp", "image/webp")
        return (
            f"<details><summary>Show the animation</summary>"
            f'<img src="{source}" width="{width}" height="{height}" alt="{label}"></details>'
        )
    source = _data_uri(frames, fps, "animation.mp4", "video/mp4")
    return (
        f'<video controls muted loop playsinline width="{width + width % 2}" '
        f'height="{height + height % 2}" aria-label="{label}" src="{source}">{label}</video>'
    )


def _data_uri(frames: Frames, fps: float, name: str, kind: str) -> str:
    # The index is put in front of an MP4 by a second pass over a file, so memory will not do.
    with TemporaryDirectory(prefix="interpviz-") as folder:
        data = write_animation(Path(folder) / name, frames, fps).read_bytes()
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _check(frames: Any, fps: float) -> None:
    if (
        not isinstance(frames, np.ndarray)
        or frames.dtype != np.uint8
        or frames.ndim != 4
        or frames.shape[3] != 3
        or not frames.size
    ):
        found = f"{getattr(frames, 'dtype', '')} {getattr(frames, 'shape', type(frames).__name__)}"
        raise InputError(
            "The frames of an animation are one uint8 array of shape (T, H, W, 3), but these are "
            f"{found.strip()}: stack RGB pictures of one size with `np.stack`."
        )
    check_fps(fps)


def check_fps(fps: float) -> None:
    """Refuse a speed that no film has.

    Args:
        fps: Frames a second.

    Raises:
        InputError: It is not above 0, or above 1000.
    """
    if not 0 < fps <= 1000:
        raise InputError(f"fps is {fps}, but must be above 0 and at most 1000 frames a second.")


def _pyav() -> Any:
    try:
        import av
    except ImportError as error:
        raise InputError(
            'Writing MP4 needs PyAV: pip install "interpviz[video]", or write .webp instead.'
        ) from error
    return av


def _write_mp4(path: Path, frames: Frames, fps: float) -> None:
    av = _pyav()
    height, width = frames.shape[1:3]
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as file:
        # Coarse colours would be read as values of the map, so finer than the usual 23.
        stream = file.add_stream("h264", rate=rate, options={"crf": "20"})
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        # More threads would give other bytes on another machine.
        context.thread_count = 1
        context.colorspace = context.color_primaries = _BT709
        context.color_trc, context.color_range = _SRGB, _STUDIO_RANGE
        for index, frame in enumerate(frames):
            even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            picture = av.VideoFrame.from_ndarray(even, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            picture.pts, picture.time_base = index, 1 / rate
            file.mux(stream.encode(picture))
        file.mux(stream.encode(None))


def _write_webp(path: Path, frames: Frames, fps: float) -> None:
    first, *rest = [Image.fromarray(frame) for frame in frames]
    first.save(
        path,
        format="WEBP",
        save_all=True,
        append_images=rest,
        duration=_durations(len(frames), fps, unit=1),
        loop=0,
        quality=85,
    )


def _write_gif(path: Path, frames: Frames, fps: float) -> None:
    first, *rest = [Image.fromarray(frame) for frame in frames]
    durations = _durations(len(frames), fps, unit=10)
    first.save(path, format="GIF", save_all=True, append_images=rest, duration=durations, loop=0)


def _durations(count: int, fps: float, unit: int) -> list[int]:
    # Each end is rounded, not each length: the film does not drift from its speed.
    ends = [round(index * 1000 / fps / unit) * unit for index in range(count + 1)]
    return [max(after - before, unit) for before, after in pairwise(ends)]
