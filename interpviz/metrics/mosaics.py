"""The grid pointing game: pictures of different classes side by side."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, islice
from math import comb

import torch
from torch import Tensor, nn

from interpviz.cam import GradCAM
from interpviz.cam.engine.layers import Layer
from interpviz.cam.targets import as_list
from interpviz.errors import InputError
from interpviz.metrics.checks import as_images, as_maps, whole_number
from interpviz.metrics.localisation import share_inside
from interpviz.metrics.makers import Explainer, without_zero_warnings
from interpviz.metrics.progress import progress_bar
from interpviz.metrics.seeds import generator_of


def grid_pointing_game(
    cam_or_model: Explainer | nn.Module,
    images: Tensor,
    classes: Sequence[int | str],
    *,
    target_layer: Layer | Sequence[Layer] | None = None,
    side: int = 2,
    most: int = 100,
    seed: int = 0,
    batch_size: int = 16,
    progress: bool = False,
) -> Tensor:
    """Whether the map of each class of a mosaic lies on the picture of that class.

    Mosaics are made of `side x side` pictures of different classes, and for each of the classes a
    map is drawn over the whole mosaic:
    `share = sum of the positive part of the map in its own cell / sum over all cells`. It needs no
    masks, and a method that ignores the class cannot beat chance. From Boehle, Fritz and Schiele,
    "Convolutional Dynamic Alignment Networks for Interpretable Classifications", CVPR 2021; the
    game itself from Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016.

    The pictures should be ones that the model is sure of: a network that misses a class cannot
    point at it. The mosaic is `side` times as large as the pictures, so the model must take that
    size.

    Args:
        cam_or_model: A CAM, or anything that turns images and targets into maps `(N, H, W)`; of a
            model its Grad-CAM is measured.
        images: Preprocessed pictures `(P, C, S, T)`, at least `side * side` of them.
        classes: The class of each picture, by index or name, all different.
        target_layer: The layer for a model's Grad-CAM, as that takes it.
        side: How many pictures a mosaic has on a side.
        most: How many mosaics at most. All choices of pictures are played where there are no more,
            each beginning with another of its pictures; otherwise so many random ones.
        seed: Seeds the random choice.
        batch_size: How many maps are drawn at once.
        progress: Whether to show a bar, where tqdm is installed.

    Returns:
        Tensor `(mosaics, side * side)`, float32, in [0, 1]: the share of each cell's class, row by
        row. 0 for a map that is zero everywhere. Chance is `1 / (side * side)`.

    Raises:
        InputError: There are too few pictures, a class twice, not one class a picture, or nothing
            that explains.
        TargetError: A class is neither an index nor a name.
    """
    explain = _explainer(cam_or_model, target_layer)
    images = as_images(images)
    cells = whole_number(side, "side") ** 2
    classes = as_list(classes)
    if len(images) != len(classes) or len(set(classes)) < len(classes):
        raise InputError(
            f"There are {len(images)} images and the classes {classes}: name the class of each "
            "picture, each another one."
        )
    orders = choices(len(images), cells, most=whole_number(most, "most"), seed=seed)
    own = cell_masks(side, *images.shape[-2:])
    each = max(1, batch_size // cells)
    shares = []
    starts = range(0, len(orders), each)
    with without_zero_warnings():
        for start in progress_bar(starts, "grid pointing game", shown=progress):
            chosen = orders[start : start + each]
            pictures = mosaics(images, chosen).repeat_interleave(cells, 0)
            maps = as_maps(explain(pictures, [classes[i] for i in chosen.flatten()]), like=pictures)
            masks = own.to(maps.device).repeat(len(chosen), 1, 1)
            shares.append(share_inside(maps, masks).view(len(chosen), cells))
    return torch.cat(shares)


def _explainer(
    cam_or_model: Explainer | nn.Module, target_layer: Layer | Sequence[Layer] | None
) -> Explainer:
    if isinstance(cam_or_model, nn.Module):
        return GradCAM(cam_or_model, target_layer)
    if isinstance(cam_or_model, type) or not callable(cam_or_model):
        raise InputError(
            f"The method is {cam_or_model!r}, but there is no model for it: pass a CAM that has "
            'one, such as `GradCAM(model)` or `CAM.from_name("gradcam")(model)`.'
        )
    return cam_or_model


def choices(pictures: int, cells: int, *, most: int, seed: int = 0) -> Tensor:
    """Which picture stands in which cell of each mosaic, `(M, cells)`.

    Args:
        pictures: How many pictures there are.
        cells: How many cells a mosaic has.
        most: How many mosaics at most.
        seed: Seeds the choice where there are more.

    Raises:
        InputError: There are fewer pictures than cells.
    """
    if pictures < cells:
        raise InputError(
            f"A mosaic of {cells} cells needs {cells} pictures or more, each of another class, but "
            f"there are {pictures}."
        )
    if comb(pictures, cells) <= most:
        every = islice(combinations(range(pictures), cells), most)
        # Each begins with another of its pictures, so that none is always in the same cell.
        turned = [
            [chosen[(turn + place) % cells] for place in range(cells)]
            for turn, chosen in enumerate(every)
        ]
        return torch.tensor(turned)
    generator = generator_of(seed)
    drawn = [torch.randperm(pictures, generator=generator)[:cells] for _ in range(most)]
    return torch.stack(drawn)


def mosaics(images: Tensor, chosen: Tensor) -> Tensor:
    """Pictures side by side as one.

    Args:
        images: Tensor `(P, C, S, T)` of any type.
        chosen: Which picture stands in which cell, `(M, side * side)`, row by row.

    Returns:
        Tensor `(M, C, side * S, side * T)`.
    """
    side = round(chosen.shape[1] ** 0.5)
    channels, height, width = images.shape[1:]
    tiles = images[chosen.to(images.device).view(-1, side, side)]
    mixed = tiles.permute(0, 3, 1, 4, 2, 5)
    return mixed.reshape(len(chosen), channels, side * height, side * width)


def cell_masks(side: int, height: int, width: int) -> Tensor:
    """One mask for each cell of a mosaic.

    Args:
        side: How many cells a mosaic has on a side.
        height: Of a cell, in pixels.
        width: Of a cell, in pixels.

    Returns:
        Boolean tensor `(side * side, side * height, side * width)`.
    """
    each = torch.eye(side * side, dtype=torch.bool).view(-1, side, side)
    return each.repeat_interleave(height, 1).repeat_interleave(width, 2)
