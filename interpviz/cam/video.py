"""Heat maps over time, on one scale."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from interpviz.cam.backdrop import backdrop
from interpviz.cam.engine.hooks import explained
from interpviz.cam.engine.inputs import prepare
from interpviz.cam.engine.layers import layer_name
from interpviz.cam.maps import scaled, warn_of_zeros
from interpviz.cam.pictures import cmap_of
from interpviz.cam.targets import Target, Targets, target_name
from interpviz.cam.targets.categories import as_list, class_index, is_list, probabilities
from interpviz.cam.targets.of_classes import OfClasses
from interpviz.cam.targets.outputs import find_logits
from interpviz.cam.targets.scores import BinaryScore, ClassScore
from interpviz.cam.video_maps import VideoMaps
from interpviz.errors import InputError, TargetError, ZeroMapWarning
from interpviz.render.images import to_numpy

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

    from interpviz.cam.base import CAM

TimeScale = Literal["shared", "frame"]
"""What the map of a frame is divided by: the maximum over the video, or its own."""


def explain_video(
    cam: CAM,
    frames: Tensor,
    path: str | Path | None = None,
    targets: Targets = None,
    original_frames: Sequence[Any] | NDArray[Any] | Tensor | None = None,
    *,
    fps: float = 10.0,
    normalize: TimeScale = "shared",
    cmap: str | int | Colormap | None = None,
    alpha: float = 0.5,
    batch_size: int = 16,
) -> VideoMaps:
    """Explain one target in every frame, as [`CAM.video`][interpviz.cam.CAM.video] describes it.

    Nothing is smoothed over time, as that would put evidence into frames that have none.

    Args:
        cam: The method, with its model.
        frames: Preprocessed frames `(T, C, H, W)`, or one clip `(1, C, T, H, W)`.
        path: Where to write the video, or None.
        targets: One target for the whole video. None, also within a target such as
            `ClassProbability()`, stands for the class of the highest mean probability, and costs a
            second run of the model. A target object is called for one batch of frames at a time.
        original_frames: The T pictures below the maps. By default the frames with their values
            stretched, all alike, to the visible range.
        fps: Frames a second.
        normalize: `"shared"` or `"frame"`.
        cmap: A colour map, or None.
        alpha: The share of the heat map in each pixel, in [0, 1].
        batch_size: How many frames the model sees at a time.
    """
    clip = _checked(frames, original_frames, batch_size, normalize)
    looks = {"cmap": cmap_of(cam, cmap), "alpha": alpha}
    _check_output(path, fps, **looks)
    batches = (frames,) if clip else torch.split(frames, batch_size)
    target, probabilities = _choose(cam, batches, targets)
    raw, seen = _raw_maps(cam, batches, target, listen=probabilities is None)
    raw = raw[0] if clip else raw
    probabilities = seen if probabilities is None else probabilities
    strength = raw.flatten(1).abs().amax(1).tolist()
    named = ClassScore((target,)) if isinstance(target, int) else target
    layers = [layer_name(cam.model, layer) for layer in cam.target_layers]
    warn_of_zeros(raw.flatten(0, 1)[None], named, layers, cam.class_name)
    maps = scaled(raw, "batch" if normalize == "shared" else "image")
    pictures = frames[0].transpose(0, 1) if clip else frames
    overlays = _overlays(maps, pictures, original_frames, cam.signed, **looks)
    found = VideoMaps(maps, overlays, target, _name(cam, target), probabilities, strength, fps)
    if path is not None:
        found.save(path)
    return found


def _check_output(path: str | Path | None, fps: float, **looks: Any) -> None:
    """Say what is wrong with how the video is drawn and written before the model runs for long."""
    from interpviz.render import overlay
    from interpviz.render.animation import animation_writer, check_fps

    overlay(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1)), **looks)
    check_fps(fps)
    if path is not None:
        animation_writer(path)


def _name(cam: CAM, target: int | Target | None) -> str:
    if isinstance(target, int):
        return cam.class_name(target)
    return type(cam).__name__ if target is None else target_name(target, 0, cam.class_name)


def _checked(frames: Any, original: Any, batch_size: int, normalize: str) -> bool:
    """Whether the frames are a clip for a network that sees films."""
    if not isinstance(frames, Tensor) or frames.ndim not in (4, 5) or not frames.numel():
        found = tuple(frames.shape) if isinstance(frames, Tensor) else type(frames).__name__
        raise InputError(
            f"The frames are {found}, not a tensor (T, C, H, W) or one clip (1, C, T, H, W): stack "
            "preprocessed frames with `torch.stack`."
        )
    if frames.ndim == 5 and len(frames) != 1:
        raise InputError(f"There are {len(frames)} clips: pass one at a time, clips[i:i + 1].")
    if batch_size < 1 or normalize not in ("shared", "frame"):
        raise InputError(
            f"batch_size is {batch_size} and normalize {normalize!r}, but must be at least 1, and "
            "'shared' or 'frame'."
        )
    moments = frames if frames.ndim == 4 else frames[0].transpose(0, 1)
    # One sum is quicker than a look at every value, and rarely misleads.
    if not torch.isfinite(frames.sum()) and not torch.isfinite(frames).all():
        bad = [t for t, moment in enumerate(moments) if not torch.isfinite(moment).all()]
        raise InputError(
            f"Frame {bad[0]} has NaN or infinite values ({len(bad)} of {len(moments)} frames do): "
            "check how it was read and normalised."
        )
    if original is not None and len(original) != len(moments):
        raise InputError(
            f"There are {len(original)} pictures for {len(moments)} frames: give one for each."
        )
    return frames.ndim == 5


def _choose(
    cam: CAM, batches: Sequence[Tensor], targets: Targets
) -> tuple[int | Target | None, list[float] | None]:
    """The target of the whole video, and its probability in each frame where that is known."""
    if is_list(targets) and len(targets) == 1:
        targets = targets[0]
    if type(targets) is ClassScore:
        targets = targets.classes
    if isinstance(targets, OfClasses | BinaryScore):
        return _fixed(cam, batches, targets), None
    if callable(targets) or (targets is None and not cam.asks_for_score):
        return targets, None
    if targets is not None:
        return class_index(_only(as_list(targets)), None, cam.categories), None
    found = _all_probabilities(cam, batches)
    mean = found.mean(0)
    if len(mean) == 1:
        positive = bool(mean >= 0.5)
        return BinaryScore(positive), (found if positive else 1 - found)[:, 0].tolist()
    index = int(mean.argmax())
    return index, found[:, index].tolist()


def _fixed(
    cam: CAM, batches: Sequence[Tensor], target: OfClasses | BinaryScore
) -> OfClasses | BinaryScore:
    """The same target with one class, or one side, for all frames."""
    if isinstance(target, OfClasses) and target.classes is not None:
        return replace(target, classes=_only(as_list(target.classes)))
    if isinstance(target, BinaryScore) and target.positive is not None:
        sides = target.positive
        return BinaryScore(_only(sides) if isinstance(sides, Sequence) else sides)
    mean = _all_probabilities(cam, batches).mean(0)
    if isinstance(target, BinaryScore) != (len(mean) == 1):
        # The method's own call says why the target does not fit the model.
        return target
    if isinstance(target, BinaryScore):
        return BinaryScore(bool(mean >= 0.5))
    return replace(target, classes=int(mean.argmax()))


def _only(targets: Sequence[Any]) -> Any:
    if len(targets) != 1:
        raise TargetError(
            f"There are {len(targets)} targets, but a video is explained for one at a time: "
            "call once for each."
        )
    return targets[0]


def _all_probabilities(cam: CAM, batches: Sequence[Tensor]) -> Tensor:
    """The probabilities of all frames `(T, classes)`, or `(T, 1)` of a single logit."""
    rows = []
    for batch in batches:
        with explained(cam.model), torch.no_grad():
            rows.append(probabilities(find_logits(prepare(batch, cam.model).run(cam.model))))
    return torch.cat(rows)


def _raw_maps(
    cam: CAM, batches: Sequence[Tensor], target: int | Target | None, *, listen: bool
) -> tuple[Tensor, list[float] | None]:
    """The raw maps of all batches, and on the way the probabilities of a class."""
    maps, seen = [], []
    index = target if listen and isinstance(target, int) else None
    for batch in batches:
        with (
            _logits_of(cam.model, len(batch), index is not None) as heard,
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore", ZeroMapWarning)
            maps.append(cam(batch, target, normalize=False))
        if index is not None:
            seen += probabilities(heard[0])[:, index].tolist()
    return torch.cat(maps), seen or None


@contextmanager
def _logits_of(model: nn.Module, count: int, listen: bool) -> Iterator[list[Tensor]]:
    """Keep the logits of the first run for all images; a method may go on with changed ones."""
    heard: list[Tensor] = []
    owner = threading.get_ident()

    def hear(_module: nn.Module, _args: Any, output: Any) -> None:
        if not heard and threading.get_ident() == owner and len(find_logits(output)) == count:
            heard.append(find_logits(output).detach())

    handle = model.register_forward_hook(hear) if listen else None
    try:
        yield heard
    finally:
        if handle is not None:
            handle.remove()


def _overlays(
    maps: Tensor,
    pictures: Tensor,
    original: Sequence[Any] | NDArray[Any] | Tensor | None,
    signed: bool,
    **looks: Any,
) -> NDArray[np.uint8]:
    from interpviz.render import overlay

    count, _, height, width = pictures.shape
    low, high = (bound.item() for bound in pictures.aminmax())
    frames = np.empty((count, height, width, 3), np.uint8)
    for index, heat in enumerate(to_numpy(maps)):
        picture = pictures[index : index + 1]
        # Stretched each by its own range, the pictures would flicker.
        seen = _visible(picture, low, high) if original is None else original[index]
        values = (heat + 1) / 2 if signed else heat
        frames[index] = overlay(backdrop(picture, seen), values, **looks)
    return frames


def _visible(picture: Tensor, low: float, high: float) -> NDArray[Any]:
    values: NDArray[Any] = (to_numpy(picture)[0] - low) / ((high - low) or 1.0)
    return values if len(values) == 3 else values.mean(0)
