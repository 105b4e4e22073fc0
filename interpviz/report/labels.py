"""Which of a model's classes the name of a folder means."""

from __future__ import annotations

import re
from collections.abc import Sequence


def class_of_label(labels: Sequence[str], categories: Sequence[str], classes: int) -> list[int]:
    """The class index of each label.

    A label is a class's name, but for case, spaces, hyphens and underscores; the first of several
    names that a comma parts; or such a name behind a WordNet number, as in `n01440764_tench`.
    Where the model has no names, or none of the labels is one of them, and there are as many labels
    as classes, the sorted labels are the classes, as in torchvision's `ImageFolder`.

    Args:
        labels: The labels, sorted.
        categories: The model's class names in the order of its outputs; empty where it has none.
        classes: How many outputs it has.

    Returns:
        For each label a class index, or -1 where it means none.
    """
    known: dict[str, int] = {}
    for index, name in enumerate(categories):
        for form in (name, name.partition(",")[0]):
            known.setdefault(_plain(form), index)
    found = [
        known.get(_plain(label), known.get(_plain(_unnumbered(label)), -1)) for label in labels
    ]
    if all(index < 0 for index in found) and len(labels) == classes:
        return list(range(classes))
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().casefold()


def _unnumbered(label: str) -> str:
    return re.sub(r"^n\d{8}[_\- ]", "", label)
