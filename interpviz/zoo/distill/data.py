"""Photos, and crops of them with the teacher's answer to each, computed once.

The teacher sees every crop a single time; its logits are kept beside the crop and serve all
students and all epochs (Shen and Xing, "A Fast Knowledge Distillation Framework for Visual
Recognition", ECCV 2022, https://arxiv.org/abs/2112.01528).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from interpviz.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from interpviz.zoo.loaded import ZooModel

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}
TEACHER = "efficientnet_lite0"
TEACHER_SIZE = 224
TEACHER_NORM = 0.5  # mean and standard deviation of every channel
KEPT_OUT_RULE = (
    "of the folder's photos, sorted by file name, every fifth (the 5th, 10th, 15th, ...) is kept "
    "out of training"
)

# The free photos that are trained on, and the ImageNet classes that are a right answer to each:
# a class counts when its thing is plainly in the photo, or when it is the nearest class that
# ImageNet has. A photo whose teacher answers anything else asks nothing of a student.
FREE_PHOTOS: dict[str, dict[int, str]] = {
    "astronaut": {812: "space shuttle"},
    "chelsea": {281: "tabby", 282: "tiger cat", 285: "Egyptian cat"},
    "coffee": {504: "coffee mug", 967: "espresso", 968: "cup"},
    "motorcycle": {665: "moped", 670: "motor scooter"},
    "rocket": {657: "missile", 744: "projectile"},
    "china": {663: "monastery", 698: "palace"},
    "flower": {985: "daisy"},
    "grace_hopper": {652: "military uniform", 834: "suit"},
}


@dataclass(frozen=True)
class Split:
    """The photos of one folder, parted.

    Attributes:
        train: Photos to train on.
        kept_out: Photos to measure on only.
    """

    train: list[Path]
    kept_out: list[Path]


def split_photos(folder: Path) -> Split:
    """Part a folder's photos by `KEPT_OUT_RULE`.

    Args:
        folder: A folder of images; files of other types and folders inside are passed over.

    Raises:
        InputError: The folder holds fewer than five photos.
    """
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if len(paths) < 5:
        raise InputError(f"{folder} holds {len(paths)} photos; training needs five or more.")
    kept_out = paths[4::5]
    return Split([p for p in paths if p not in set(kept_out)], kept_out)


def free_photo(name: str) -> Image.Image:
    """One of `FREE_PHOTOS`, as RGB."""
    from interpviz.zoo import load_photo

    return load_photo(name)


def load_teacher() -> ZooModel:
    """The teacher in evaluation mode: images (N, 3, 224, 224) to logits (N, 1000)."""
    from interpviz.zoo import load_model

    return load_model(TEACHER, weights="packaged", device="cpu")


def to_tensor(images: Sequence[Image.Image]) -> torch.Tensor:
    """Stack RGB images of one size into a uint8 tensor (N, 3, H, W)."""
    import numpy as np
    import torch

    return torch.from_numpy(np.stack([np.asarray(i) for i in images])).permute(0, 3, 1, 2)


def random_view(image: Image.Image, size: int, rng: random.Random) -> Image.Image:
    """Cut out a random part of 20 to 100 % of the area, sides 3:4 to 4:3, and scale it.

    Args:
        image: An RGB image.
        size: Side of the square result in pixels.
        rng: The source of chance.
    """
    width, height = image.size
    area = width * height * rng.uniform(0.2, 1.0)
    ratio = (3 / 4) ** rng.uniform(-1.0, 1.0)
    w = min(width, round((area * ratio) ** 0.5))
    h = min(height, round((area / ratio) ** 0.5))
    left, top = rng.randint(0, width - w), rng.randint(0, height - h)
    box = (left, top, left + w, top + h)
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box)


def teacher_logits(
    teacher: nn.Module, images: torch.Tensor, device: torch.device, mixed: bool = False
) -> torch.Tensor:
    """Ask the teacher.

    Args:
        teacher: The teacher's network.
        images: uint8 (N, 3, 224, 224).
        device: Where the teacher runs.
        mixed: Compute in bfloat16 where that is enough; 2 to 3 times as fast.

    Returns:
        Logits (N, 1000), float32, on the CPU.
    """
    import torch

    teacher = teacher.to(device).to(memory_format=torch.channels_last).eval()
    answers = []
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=mixed):
        for part in torch.split(images, 64):
            x = (part.to(device).float() / 255 - TEACHER_NORM) / TEACHER_NORM
            x = x.contiguous(memory_format=torch.channels_last)
            answers.append(teacher(x).float().cpu())
    return torch.cat(answers)


@dataclass(frozen=True)
class CropStore:
    """Crops with the teacher's logits.

    Attributes:
        crops: uint8 (N, 3, 224, 224), as the teacher saw them.
        logits: float32 (N, 1000), the teacher's.
        free: bool (N,), true where the crop is of a free photo.
    """

    crops: torch.Tensor
    logits: torch.Tensor
    free: torch.Tensor

    def save(self, path: Path, origin: str) -> None:
        """Write the store in one piece, so that a broken run leaves no half of it.

        Args:
            path: The file.
            origin: What the crops were made of, to be compared when they are read.
        """
        import torch

        part = path.with_suffix(".part")
        torch.save((self.crops, self.logits, self.free, origin), part)
        part.replace(path)

    @classmethod
    def load(cls, path: Path, origin: str) -> CropStore:
        """Read what `save` wrote.

        Args:
            path: The file.
            origin: What the crops must have been made of.

        Raises:
            InputError: They were made of something else.
        """
        import torch

        crops, logits, free, made_of = torch.load(path, weights_only=True, mmap=True)
        if made_of != origin:
            raise InputError(
                f"{path} holds crops of other photos, or another number of them: give another "
                "folder as --work, or delete that file."
            )
        return cls(crops, logits, free)


def make_store(
    photos: Sequence[Image.Image],
    free: Sequence[Image.Image],
    teacher: nn.Module,
    device: torch.device,
    crops: int = 12,
    seed: int = 0,
) -> CropStore:
    """Cut random crops and ask the teacher about each.

    Args:
        photos: Training photos, RGB.
        free: Free photos, RGB; each gets 16 times as many crops, because training draws a
            fifth of every batch from these few.
        teacher: The teacher's network.
        device: Where the teacher runs.
        crops: Crops of each training photo.
        seed: Seed of the crops.
    """
    import torch
    from tqdm import tqdm  # type: ignore[import-untyped]

    rng = random.Random(seed)
    jobs = [(image, crops, False) for image in photos] + [(i, crops * 16, True) for i in free]
    cut, logits, kind = [], [], []
    for image, count, is_free in tqdm(jobs, desc="crops and the teacher's answers", unit="photo"):
        views = to_tensor([random_view(image, TEACHER_SIZE, rng) for _ in range(count)])
        cut.append(views)
        logits.append(teacher_logits(teacher, views, device, mixed=True))
        kind += [is_free] * count
    return CropStore(torch.cat(cut), torch.cat(logits), torch.tensor(kind))
