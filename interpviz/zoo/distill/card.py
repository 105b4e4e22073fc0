"""The model card of a student, written from what was measured."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interpviz.zoo.distill.data import (
    FREE_PHOTOS,
    KEPT_OUT_RULE,
    TEACHER_SIZE,
    Split,
    free_photo,
    load_teacher,
)
from interpviz.zoo.distill.evaluate import (
    Agreement,
    FreeRank,
    agreement,
    answer,
    constant_answer,
    free_ranks,
    grid_pointing,
)
from interpviz.zoo.preprocess import open_image

if TYPE_CHECKING:
    import torch
    from torch import nn

    from interpviz.zoo.students import StudentInfo

RANK_BAR = 3
POINTING_BAR = 0.70
TRAINED_ON_GALLERY = (
    "The gallery's own photos were trained on: its pages show what this network learned by heart, "
    "not how it answers to a photo that it has not seen."
)
NOT_FOR_USE = "These weights are for demonstration, not for use."


@dataclass(frozen=True)
class Figures:
    """All that is measured of one student.

    Attributes:
        train: Agreement with the teacher on the training photos.
        train_constant: That of the best constant answer.
        kept_out: Agreement with the teacher on the photos kept out.
        kept_out_constant: That of the same constant answer.
        counts: How many training photos, and how many kept out.
        ranks: The free photos.
        pointing: The grid pointing game: for each side of a mosaic in pixels, the share.
        size: Side in pixels of the inputs that the student is meant for; ranks at this size
            count, those at others are for information.
    """

    train: Agreement
    train_constant: Agreement
    kept_out: Agreement
    kept_out_constant: Agreement
    counts: tuple[int, int]
    ranks: list[FreeRank]
    pointing: dict[int, float]
    size: int

    def misses(self) -> list[str]:
        """The bars that are not met, each as a sentence; empty where all are."""
        lines = [
            f"{row.photo}: rank {row.ranks[self.size]}, not {RANK_BAR} or better."
            for row in self.ranks
            if row.right and row.ranks[self.size] > RANK_BAR
        ]
        lines += [
            f"Grid pointing on {side} pixels: {share:.2f}, below {POINTING_BAR:.2f}."
            for side, share in self.pointing.items()
            if share < POINTING_BAR
        ]
        return lines


def measure(model: nn.Module, info: StudentInfo, split: Split, device: torch.device) -> Figures:
    """Measure a student.

    Args:
        model: The student, with the weights that its file holds.
        info: What that file says.
        split: The photos of the folder that it was trained on.
        device: Where to compute.
    """
    teacher = load_teacher()
    free = {name: free_photo(name) for name in FREE_PHOTOS}
    train, kept_out = ([open_image(p) for p in part] for part in (split.train, split.kept_out))
    see, watch = teacher.preprocess, teacher.model.to(device)
    answers = [answer(watch, see, photos) for photos in (train, kept_out, list(free.values()))]
    model = model.to(device).eval()
    mine = [answer(model, info.preprocess(), photos) for photos in (train, kept_out)]
    constant = constant_answer(answers[0])
    sizes = sorted({info.train_size, info.size, TEACHER_SIZE})
    ranks = free_ranks(model, info, answers[2], free, sizes)
    right = {row.photo: row.teacher_class for row in ranks if row.right}
    photos, classes = [free[name] for name in right], list(right.values())
    pointing = {
        2 * tile: grid_pointing(model, info.feature_layer, info.preprocess(tile), photos, classes)
        for tile in (info.size // 2, info.size)
    }
    return Figures(
        agreement(answers[0], mine[0]),
        agreement(answers[0], constant),
        agreement(answers[1], mine[1]),
        agreement(answers[1], constant),
        (len(train), len(kept_out)),
        ranks,
        pointing,
        info.size,
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _agreement_table(figures: Figures) -> str:
    rows = [
        ("training photos", figures.counts[0], figures.train, figures.train_constant),
        ("photos kept out", figures.counts[1], figures.kept_out, figures.kept_out_constant),
    ]
    head = ["photos", "number", "who answers", "top-1", "top-5", "KL divergence (nats)"]
    cells = [
        [label, str(count), who, f"{a.top1:.3f}", f"{a.top5:.3f}", f"{a.kl:.2f}"]
        for label, count, student, constant in rows
        for who, a in (("this student", student), ("the best constant answer", constant))
    ]
    return _table(head, cells)


def _rank_table(ranks: Sequence[FreeRank], categories: Sequence[str]) -> str:
    sizes = list(ranks[0].ranks)
    head = ["photo", "the teacher's class", "its probability", "a right answer"]
    rows = [
        [
            row.photo,
            categories[row.teacher_class],
            f"{row.teacher_probability:.2f}",
            "yes" if row.right else "no",
            *(str(row.ranks[size]) for size in sizes),
        ]
        for row in ranks
    ]
    return _table(head + [f"rank at {size} px" for size in sizes], rows)


def _fill(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


def _intro(info: StudentInfo) -> str:
    origin = _fill(
        "This page is written by `python -m interpviz.zoo.distill`; all figures are measured with "
        f"the restored int8 weights, on inputs of {info.size} pixels where no other size is named."
    )
    title = f"# {info.architecture}: a small student"
    return "\n\n".join([title, NOT_FOR_USE, _fill(TRAINED_ON_GALLERY), origin])


def _data(figures: Figures) -> str:
    train, kept_out = figures.counts
    return _fill(
        f"{train} photos of a folder of {train + kept_out} ImageNet sample images, for research "
        f"use; {KEPT_OUT_RULE} ({kept_out} photos). The folder is not shipped. Also the free "
        f"photos {', '.join(f'`{name}`' for name in FREE_PHOTOS)} of scikit-image, scikit-learn "
        "and Matplotlib. No label was used: the student learned the answers of EfficientNet-Lite0."
    )


def _recipe(info: StudentInfo, size: int) -> str:
    file = _fill(
        f"The file holds {size / 1e6:.1f} MB: int8 weights with one scale for each output channel; "
        f"biases and batch normalisation in float32. Inputs: short side "
        f"{round(info.size / info.crop)}, centre crop {info.size}, bicubic, mean {info.mean}, "
        f"standard deviation {info.std}."
    )
    time = f"Training took {info.seconds:,} seconds on: {info.device}."
    return "\n\n".join([_fill(info.recipe), time, file])


def _agreement(figures: Figures) -> str:
    words = _fill(
        "Top-1: the student's first class is the teacher's. Top-5: the teacher's first class is "
        "among the student's first five. The constant answer is the mean of the teacher's "
        "probabilities on the training photos, the best constant there is by KL divergence. The "
        "classes of the photos kept out are for the most part in no training photo."
    )
    return f"{words}\n\n{_agreement_table(figures)}"


def _free(figures: Figures, categories: Sequence[str]) -> str:
    words = "The rank that the student gives to the teacher's first class. A right answer is:"
    rules = [f"- `{name}`: {', '.join(known.values())}" for name, known in FREE_PHOTOS.items()]
    return "\n\n".join([words, "\n".join(rules), _rank_table(figures.ranks, categories)])


def _pointing(info: StudentInfo, figures: Figures) -> str:
    words = _fill(
        f"Grad-CAM at `{info.feature_layer}` on every mosaic of four of the free photos whose "
        "teacher's class is a right answer; the mean share of the positive mass that lies in the "
        "quarter of the class."
    )
    rows = [[f"{side} px", f"{share:.3f}", "0.25"] for side, share in figures.pointing.items()]
    return words + "\n\n" + _table(["side of the mosaic", "in the right quarter", "chance"], rows)


def _bars(figures: Figures) -> str:
    misses = figures.misses()
    words = _fill(
        "On each free photo that the teacher gets right, the teacher's class is to be among the "
        f"first {RANK_BAR} at {figures.size} pixels; in the grid pointing game the share is to be "
        f"{POINTING_BAR:.2f} or more. {'Not met:' if misses else 'All are met.'}"
    )
    return words + ("\n\n" + "\n".join(f"- {line}" for line in misses) if misses else "")


def render_card(info: StudentInfo, figures: Figures, categories: Sequence[str], size: int) -> str:
    """Write the card.

    Args:
        info: What the weight file says.
        figures: What was measured with that file's weights.
        categories: The names of the classes.
        size: The weight file's size in bytes.

    Returns:
        Markdown.
    """
    sections = {
        "Data": _data(figures),
        "Recipe": _recipe(info, size),
        "Agreement with the teacher": _agreement(figures),
        "Free photos": _free(figures, categories),
        "Grid pointing game": _pointing(info, figures),
        "Bars": _bars(figures),
    }
    parts = [_intro(info), *(f"## {head}\n\n{text}" for head, text in sections.items())]
    return "\n\n".join(parts) + "\n"


def write_card(
    model: nn.Module, info: StudentInfo, split: Split, device: torch.device, weights: Path
) -> Figures:
    """Measure a student and write its card beside its weights.

    Args:
        model: The student, with the weights that its file holds.
        info: What that file says.
        split: The photos of the folder that it was trained on.
        device: Where to compute.
        weights: The weight file; the card has its name with `.md`.

    Returns:
        What was measured.
    """
    from interpviz.zoo.vision import imagenet_categories

    figures = measure(model, info, split, device)
    text = render_card(info, figures, imagenet_categories(), weights.stat().st_size)
    weights.with_suffix(".md").write_text(text, encoding="utf-8")
    return figures
