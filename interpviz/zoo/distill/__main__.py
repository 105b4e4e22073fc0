"""Train the students, pack their weights and write their cards.

    python -m interpviz.zoo.distill --student resnet18 --photos DIR

A run that was broken off goes on where it was when the same command is given again.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from interpviz.device import best_device
from interpviz.errors import InterpvizError
from interpviz.zoo.distill.card import write_card
from interpviz.zoo.distill.data import (
    FREE_PHOTOS,
    CropStore,
    Split,
    free_photo,
    load_teacher,
    make_store,
    split_photos,
)
from interpviz.zoo.distill.train import RECIPES, Recipe, Run, start, train
from interpviz.zoo.preprocess import open_image
from interpviz.zoo.students import (
    FEATURE_LAYERS,
    STUDENTS,
    WEIGHTS,
    StudentInfo,
    load_student,
    save_student,
)

if TYPE_CHECKING:
    import torch


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m interpviz.zoo.distill",
        description="Train small students of EfficientNet-Lite0, pack them and write their cards.",
    )
    add = parser.add_argument
    add("--student", choices=[*STUDENTS, "all"], default="all", help="which one (default: all)")
    add("--photos", type=Path, required=True, metavar="DIR", help="any folder of photos")
    add("--work", type=Path, default=Path("distill-work"), help="where crops and checkpoints lie")
    add("--out", type=Path, default=WEIGHTS, help="where weights and cards go")
    add("--crops", type=int, default=12, help="crops of each training photo")
    add("--size", type=int, help="side of most training inputs in pixels")
    add("--final-size", type=int, help="side of the last training inputs in pixels")
    add("--final-part", type=float, help="that last part of the run, 0 to 1")
    add("--use-size", type=int, help="side of the inputs that the student is meant for")
    add("--steps", type=int, help="length of the run in batches")
    add("--minutes", type=float, help="end after this time, even before --steps")
    add("--batch", type=int, help="crops in a batch")
    add("--rate", type=float, help="the highest learning rate")
    add("--seed", type=int, help="seed of weights and chance")
    add("--device", help="cpu, cuda, ... (default: the fastest there is)")
    add("--note", default="", help="what the card must say beside the recipe, in a sentence")
    add("--only-card", action="store_true", help="measure the weights that are there")
    return parser.parse_args(arguments)


def chosen_recipe(name: str, options: argparse.Namespace) -> Recipe:
    """The student's own recipe with what the command line changes."""
    given = {field.name: getattr(options, field.name, None) for field in fields(Recipe)}
    changes = {key: value for key, value in given.items() if value is not None}
    changes.pop("student", None)  # may be "all"
    return replace(RECIPES[name], **changes)


def device_name(device: torch.device) -> str:
    """What the work ran on, in words."""
    import torch

    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, bfloat16"
    maker = ""
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        maker = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")
    cores = torch.get_num_threads()
    precision = "bfloat16" if device.type == "cpu" else "float32"
    return f"{device.type}, {maker or platform.machine()}, {cores} threads, {precision}"


def describe(recipe: Recipe, run: Run, crops: int) -> str:
    """A run in words: the recipe, and how many batches were in truth done at which size."""
    sizes = ", ".join(f"{count:,} at {size} pixels" for size, count in sorted(run.sizes.items()))
    clock = f" The clock ended it after {recipe.minutes:g} minutes." if recipe.minutes else ""
    return (
        f"Distillation from EfficientNet-Lite0: {run.step:,} batches of {recipe.batch} crops "
        f"({sizes}; the largest last), {recipe.free_part:.0%} of them from the free photos. "
        f"{crops:,} random crops in all, each seen by the teacher once, at 224 pixels; mirrored, "
        f"shifted and tinted at each use. Soft labels at temperature {recipe.temperature:g}; "
        f"{recipe.mixed_part:.0%} of the batches mixed (mixup or CutMix). "
        f"{recipe.optimiser.upper()}, one-cycle rate up to {recipe.rate:g}, weight decay "
        f"{recipe.decay:g}, seed {recipe.seed}.{clock}"
    )


def get_store(options: argparse.Namespace, split: Split, device: torch.device) -> CropStore:
    """The crops of an earlier run, or new ones."""
    path = options.work / "crops.pt"
    listed = [f"{p.name} {p.stat().st_size}" for p in split.train]
    origin = sha256("\n".join([*listed, str(options.crops)]).encode()).hexdigest()
    if not path.is_file():
        options.work.mkdir(parents=True, exist_ok=True)
        photos = [open_image(p) for p in split.train]
        free = [free_photo(name) for name in FREE_PHOTOS]
        make_store(photos, free, load_teacher().model, device, options.crops).save(path, origin)
    return CropStore.load(path, origin)


def train_student(
    name: str, options: argparse.Namespace, split: Split, device: torch.device
) -> None:
    """Train one student and write its weights."""
    recipe = chosen_recipe(name, options)
    store = get_store(options, split, device)
    if device.type == "cuda":
        # On a GPU the crops live in its memory, and are cut and mixed there.
        store = CropStore(store.crops.to(device), store.logits.to(device), store.free)
    run = train(start(recipe, device), store, recipe, options.work / f"{name}.pt")
    info = StudentInfo(
        architecture=name,
        recipe=f"{describe(recipe, run, len(store.free))} {options.note}".strip(),
        seconds=round(run.seconds),
        device=device_name(device),
        train_size=recipe.size,
        size=recipe.use_size,
        feature_layer=FEATURE_LAYERS[name],
    )
    options.out.mkdir(parents=True, exist_ok=True)
    save_student(run.model, info, options.out / f"{name}.safetensors")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: The command line; by default that of the process.

    Returns:
        0, 1 where a student misses a bar, or 2 after an error, which is printed.
    """
    import torch

    options = parse(arguments)
    device = torch.device(options.device) if options.device else best_device()
    missed = False
    try:
        split = split_photos(options.photos)
        for name in STUDENTS if options.student == "all" else [options.student]:
            if not options.only_card:
                train_student(name, options, split, device)
            path = options.out / f"{name}.safetensors"
            model, info = load_student(name, path)
            figures = write_card(model, info, split, device, path)
            print(path.with_suffix(".md").read_text(encoding="utf-8"))
            missed = missed or bool(figures.misses())
    except InterpvizError as error:
        print(error, file=sys.stderr)
        return 2
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
