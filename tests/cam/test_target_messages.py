"""What is said of targets: the errors where they do not fit, and their names."""

import numpy as np
import pytest
import torch

from interpviz.cam.targets import EachOwn, resolve_target, score_of, target_name
from interpviz.cam.targets.kinds import OnOutput
from interpviz.cam.targets.outputs import batch_size
from interpviz.cam.targets.regions import BoxScore, MaskScore
from interpviz.cam.targets.scores import BinaryScore, ClassContrast, ClassProbability, ClassScore
from interpviz.cam.targets.similarity import Similarity
from interpviz.errors import TargetError

NAMES = ["tabby", "tiger cat", "lynx", "dog"]
PIXELS = torch.zeros(2, 3, 2, 2)
PIXELS[:, 2] = 1
FOUND = [
    {
        "boxes": torch.tensor([[0.0, 0, 4, 4]]),
        "labels": torch.tensor([2]),
        "scores": torch.tensor([0.75]),
    }
]
NOTHING = [{name: values[:0] for name, values in FOUND[0].items()}]


@pytest.mark.parametrize(
    ("targets", "output", "message"),
    [
        (4, torch.zeros(3, 4), "Class 4 is out of range: .* 4 classes, 0 to 3"),
        ("lion", torch.zeros(3, 4), "no class 'lion'"),
        ([0, 1], torch.zeros(3, 4), "There are 2 targets for 3 images"),
        ([None, ClassProbability()], torch.zeros(3, 4), "There are 2 targets for 3 images"),
        ([lambda z: z[:, 0], 1.5, 0], torch.zeros(3, 4), "but this one is 1.5"),
        ([[0], [1], [2]], torch.zeros(3, 4), r"but this one is \[0\]"),
        ([[0], [1], None], torch.zeros(3, 4), r"but this one is \[0\]"),
        ({0: 1}, torch.zeros(3, 4), "but this one is {0: 1}"),
        (None, PIXELS, r"\(2, 3, 2, 2\), not \(batch, classes\): .*MaskScore"),
        (None, torch.zeros(()), r"shape \(\), not \(batch, classes\)"),
        (None, FOUND, r"returns detections.*BoxScore\(box\)"),
        (ClassProbability("lion"), torch.zeros(3, 4), "no class 'lion'"),
        (ClassProbability([0, 1]), torch.zeros(3, 4), "There are 2 targets for 3 images"),
        (ClassProbability(), torch.zeros(3, 1), "a probability says nothing: use BinaryScore"),
        (ClassContrast(1, 1), torch.zeros(3, 4), "Class 1 is compared with itself"),
        (ClassContrast(1, 9), torch.zeros(3, 4), "Class 9 is out of range"),
        (ClassContrast(1, []), torch.zeros(3, 4), "no class to compare with"),
        (1, torch.zeros(3, 1), "Class 1 is out of range: .*BinaryScore"),
        (BinaryScore(), torch.zeros(3, 4), r"one logit an image, but .* \(3, 4\)"),
        (BinaryScore((True, False)), torch.zeros(3), "2 sides for 3 images"),
        (BinaryScore([True, False]), torch.zeros(3), "2 sides for 3 images"),
        (ClassScore(281), torch.zeros(3, 4), "Class 281 is out of range"),
        (ClassScore("lion"), torch.zeros(3, 4), "no class 'lion'"),
        (ClassScore([0, 1]), torch.zeros(3, 4), "There are 2 targets for 3 images"),
        (ClassScore((0, 1)), torch.zeros(3, 4), r"The classes \(0, 1\) do not fit"),
        (ClassScore(), torch.zeros(3, 1), "a predicted class says nothing: use BinaryScore"),
        (ClassScore(2.5), torch.zeros(3, 4), "but this one is 2.5"),
        (MaskScore(None), PIXELS, "but this one is None"),
        (MaskScore([2, 2, 2]), PIXELS, "There are 3 targets for 2 images"),
        (Similarity([1.0, 2.0, 3.0]), torch.zeros(3, 4), r"shape \(3,\) cannot .* \(3, 4\)"),
        (Similarity(np.ones(5)), torch.zeros(3, 4), r"shape \(5,\) cannot .* \(3, 4\)"),
        (MaskScore(1), torch.zeros(3, 4), r"is for a segmentation, .* \(3, 4\)"),
        (MaskScore(3), PIXELS, "Class 3 is out of range"),
        (
            MaskScore("tabby"),
            PIXELS,
            r"No pixel of image 0 .* class 0 \(tabby\): name one that is \(class 2 \(lynx\)\)",
        ),
        (MaskScore(0), -PIXELS[:, 2:], "No pixel of image 0 .*class 0 .*: pass a mask"),
        (MaskScore(0, torch.zeros(2, 2)), PIXELS, "The mask of image 0 has no pixel"),
        (MaskScore(0, torch.ones(3, 2, 2)), PIXELS, r"mask has shape \(3, 2, 2\) for 2 images"),
        (BoxScore((0, 0, 4, 4)), torch.zeros(3, 4), "returns Tensor: write a target with"),
        (
            BoxScore((0, 0, 4, 4), "dog"),
            FOUND,
            r"Nothing is detected as class 3 \(dog\) in the box \(0, 0, 4, 4\) with an "
            r"overlap of 0.5: of 1 detections the surest are class 2 \(lynx\) at \(0, 0, 4, 4\) "
            "with score 0.75",
        ),
        (BoxScore((9, 9, 12, 12)), FOUND, "Nothing is detected as anything in the box"),
        (BoxScore((0, 0, 4, 4)), FOUND + NOTHING, "Nothing in image 1 is .* nothing is detected"),
        (Similarity(torch.ones(5)), torch.zeros(3, 4), r"shape \(5,\) cannot .* \(3, 4\)"),
        (Similarity(torch.ones(2, 4)), torch.zeros(3, 4), r"shape \(2, 4\) cannot"),
        (
            Similarity(torch.ones(4)),
            {"logits": torch.zeros(3, 4), "loss": None},
            "dict without image_embeds, .*; it holds logits",
        ),
        (Similarity(torch.ones(4), "x"), torch.zeros(3, 4), "Tensor without x: .*no named tensors"),
        (lambda z: z, torch.zeros(3, 4), r"returned \(3, 4\) for 3 images"),
        (OnOutput(lambda o: None), torch.zeros(3, 4), "returned NoneType for 3 images"),
    ],
)
def test_targets_that_do_not_fit(targets, output, message):
    count = batch_size(output)
    with pytest.raises(TargetError, match=message):
        score_of(resolve_target(targets, output, count, NAMES), output, count)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MaskScore(1, "m"), "The mask is str, not a tensor or array of numbers"),
        (lambda: MaskScore(1, [[1, 0], [1]]), "The mask is list, not a tensor or array of num"),
        (lambda: MaskScore(1, {0: 1}), "The mask is dict"),
        (lambda: Similarity("cat"), "The embedding is str, from which no tensor can be made"),
        (lambda: Similarity(None), "The embedding is NoneType"),
        (lambda: Similarity([[1.0], [1.0, 2.0]]), "The embedding is list"),
        (lambda: BinaryScore("yes"), "BinaryScore got 'yes': pass True or False, a list"),
        (lambda: BinaryScore([True, None]), r"BinaryScore got \[True, None\]"),
        (lambda: BinaryScore([[True]]), r"BinaryScore got \[\[True\]\]"),
    ],
)
def test_targets_that_are_none_themselves(build, message):
    with pytest.raises(TargetError, match=message):
        build()


@pytest.mark.parametrize(
    "box", [(0, 0, 4), (4, 0, 0, 4), (0, 0, 4, 0), 3, None, "box", [[0, 0, 4, 4]], (0, None, 1, 1)]
)
def test_boxes_that_are_none(box):
    with pytest.raises(TargetError, match=r"is not \(left, top, right, bottom\)"):
        BoxScore(box)
    with pytest.raises(TargetError, match=r"iou is 0, but must lie in \(0, 1\]"):
        BoxScore((0, 0, 1, 1), iou=0)


def test_outputs_of_another_length():
    with pytest.raises(TargetError, match=r"shape \(4, 3\), not \(batch, classes\)"):
        resolve_target(None, torch.zeros(4, 3), 2, None)
    with pytest.raises(TargetError, match="There are 2 targets for 4 images"):
        score_of(EachOwn((ClassScore((0,)), ClassScore((1,)))), torch.zeros(4, 3), 2)


def test_names_mean_nothing_without_categories():
    for target in ("dog", ClassProbability("dog"), ClassContrast(0, "dog"), [None, "dog"]):
        with pytest.raises(TargetError, match="no class names, so 'dog' means nothing"):
            resolve_target(target, torch.zeros(2, 4), 2, None)


def test_an_error_says_which_target_of_a_list_it_is_about():
    with pytest.raises(TargetError, match=r"(?s)Class 9 is out of .*about target 1 of the list"):
        resolve_target([None, 9, ClassProbability()], torch.zeros(3, 4), 3, None)


@pytest.mark.parametrize(
    ("targets", "output", "names"),
    [
        (["tabby", 3], torch.zeros(2, 4), ["class 0 (tabby)", "class 3 (dog)"]),
        (
            ClassProbability(["tabby", 3]),
            torch.zeros(2, 4),
            ["the probability of tabby", "the probability of dog"],
        ),
        (ClassContrast("tiger cat", 0), torch.zeros(2, 4), ["tiger cat minus tabby"] * 2),
        (
            ClassContrast(1, [0, "dog"], weight=0.5),
            torch.zeros(2, 4),
            ["tiger cat minus 0.5 times the mean of tabby and dog"] * 2,
        ),
        (None, torch.tensor([1.0, -1.0]), ["the positive side", "the negative side"]),
        (MaskScore("lynx"), PIXELS, ["lynx in its mask"] * 2),
        (BoxScore((0, 0, 4, 4), "lynx"), FOUND, ["lynx in the box (0, 0, 4, 4)"]),
        (BoxScore((0, 0, 4, 4)), FOUND, ["anything in the box (0, 0, 4, 4)"]),
        (Similarity(torch.ones(4)), torch.ones(2, 4), ["the similarity"] * 2),
        (OnOutput(lambda o: o[:, 0]), torch.ones(2, 4), ["this target"] * 2),
        (lambda z: z[:, 0], torch.ones(2, 4), ["this target"] * 2),
        ([2, lambda z: z[:, 0]], torch.ones(2, 4), ["class 2 (lynx)", "this target"]),
    ],
)
def test_targets_have_names(targets, output, names):
    target = resolve_target(targets, output, batch_size(output), NAMES)
    for image, name in enumerate(names):
        assert target_name(target, image, NAMES.__getitem__) == name


def test_names_before_binding_and_without_categories():
    assert str(ClassContrast("tiger cat", "tabby")) == "tiger cat minus tabby"
    assert str(ClassProbability()) == "the probability of the predicted class"
    assert str(BinaryScore()) == "the predicted side"
    assert str(ClassScore((2,))) == "class 2"
    assert str(ClassScore(2)) == "class 2"
    assert str(ClassScore("lynx")) == "lynx"
    assert str(ClassScore()) == "the predicted class"
    assert str(BinaryScore([False, True])) == "the negative side"
    assert target_name(ClassScore((2,)), 0, lambda c: f"class {c}") == "class 2"
