"""Some rows of any output, and the scores of several groups of the same images in one batch."""

import dataclasses
import math
from collections import OrderedDict, UserDict, namedtuple
from types import SimpleNamespace

import pytest
import torch

from interpviz.cam.targets import grouped_scores, resolve_target, score_of
from interpviz.cam.targets.categories import probabilities
from interpviz.cam.targets.kinds import OnOutput
from interpviz.cam.targets.outputs import batch_size, find_logits, rows
from interpviz.cam.targets.regions import BoxScore, MaskScore
from interpviz.cam.targets.scores import BinaryScore, ClassContrast, ClassProbability, ClassScore
from interpviz.cam.targets.similarity import Similarity
from interpviz.errors import InputError, TargetError

NAMES = ["tabby", "tiger cat", "lynx", "dog"]

Pair = namedtuple("Pair", ["logits", "extra"])


@dataclasses.dataclass(frozen=True)
class Record:
    logits: torch.Tensor
    extra: object = None
    derived: int = dataclasses.field(init=False, default=7)


MAKERS = {
    "tuple": lambda z, x: (z, x),
    "list": lambda z, x: [z, x],
    "named tuple": Pair,
    "dict": lambda z, x: {"logits": z, "extra": x},
    "OrderedDict": lambda z, x: OrderedDict(logits=z, extra=x),
    "UserDict": lambda z, x: UserDict(logits=z, extra=x),
    "dataclass": Record,
    "object": lambda z, x: SimpleNamespace(logits=z, extra=x),
}


def parts_of(output):
    if isinstance(output, tuple | list):
        return output
    if isinstance(output, OrderedDict | UserDict | dict):
        return output["logits"], output["extra"]
    return output.logits, output.extra


@pytest.mark.parametrize("kind", MAKERS)
def test_rows_of_any_output(kind):
    z, extra = torch.randn(4, 3), torch.randn(4, 2, 2)
    words = torch.randn(7, 5)
    output = MAKERS[kind](z, {"hidden": (extra, words), "loss": torch.tensor(1.0), "name": "x"})
    part = rows(output, 1, 3)
    assert type(part) is type(output)
    found, rest = parts_of(part)
    torch.testing.assert_close(found, z[1:3])
    torch.testing.assert_close(rest["hidden"][0], extra[1:3])
    torch.testing.assert_close(rest["hidden"][1], words)
    assert rest["loss"] == 1
    assert rest["name"] == "x"
    assert parts_of(output)[0] is z


def detected(height, label):
    box = torch.tensor([[0.0, 0, 4, height]])
    return {"boxes": box, "labels": torch.tensor([label]), "scores": torch.tensor([0.5])}


def test_rows_of_detections():
    output = [detected(3, 1), detected(4, 2)]
    assert rows(output, 1, 2)[0] is output[1]
    assert batch_size(output) == 2


def test_rows_of_a_transformers_output():
    outputs = pytest.importorskip("transformers.modeling_outputs")
    z, states = torch.randn(4, 3), (torch.randn(4, 5, 2), torch.randn(4, 5, 2))
    part = rows(outputs.ImageClassifierOutput(logits=z, hidden_states=states), 2, 4)
    assert isinstance(part, outputs.ImageClassifierOutput)
    torch.testing.assert_close(part.logits, z[2:])
    torch.testing.assert_close(part["hidden_states"][1], states[1][2:])
    assert part.loss is None
    assert list(part) == ["logits", "hidden_states"]


@pytest.mark.parametrize(
    "target",
    [
        None,
        [1, 2],
        "dog",
        ClassProbability([1, 2]),
        ClassContrast([1, 2], ["tabby", 3]),
        [ClassContrast(1, 0), "lynx"],
        lambda z: z[[0, 1], [2, 0]],
        OnOutput(lambda o: o["logits"].pow(2).sum(1)),
        Similarity(torch.randn(2, 4), "logits"),
        MaskScore(1, torch.ones(2, 3, 3)),
    ],
)
def test_groups_are_scored_one_by_one(target):
    shape = (2, 4, 3, 3) if isinstance(target, MaskScore) else (2, 4)
    batches = [torch.randn(shape) for _ in range(3)]
    resolved = resolve_target(target, {"logits": batches[0]}, 2, NAMES)
    whole = {"logits": torch.cat(batches).requires_grad_()}
    found = grouped_scores(resolved, whole, 2)
    single = torch.stack([score_of(resolved, {"logits": b}, 2) for b in batches])
    torch.testing.assert_close(found, single)
    assert found.shape == (3, 2)
    assert torch.autograd.grad(found.sum(), whole["logits"])[0].abs().sum() > 0


def test_groups_of_detections():
    output = [detected(4 - i, 1) for i in range(4)]
    found = grouped_scores(
        resolve_target(BoxScore((0, 0, 4, 4), 1), output[:2], 2, None), output, 2
    )
    assert found.tolist() == [[0.5, 0.375], [0.25, 0]]
    boxes = [BoxScore((0, 0, 4, 4)), BoxScore((0, 0, 4, 3))]
    each = resolve_target(boxes, output[:2], 2, None)
    assert grouped_scores(each, output[:2], 2).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
@pytest.mark.parametrize("target", [None, BinaryScore(positive=False), BinaryScore((False, True))])
def test_groups_of_single_logits(target, shape):
    batches = [torch.randn(shape) for _ in range(3)]
    resolved = resolve_target(target, batches[0], 2, None)
    single = torch.stack([score_of(resolved, batch, 2) for batch in batches])
    torch.testing.assert_close(grouped_scores(resolved, torch.cat(batches), 2), single)


def test_groups_that_are_not_whole():
    with pytest.raises(TargetError, match="4 rows for groups of 3 images"):
        grouped_scores(ClassScore((0, 0, 0)), torch.zeros(4, 3), 3)


def test_an_output_without_a_tensor_has_no_rows():
    with pytest.raises(InputError, match="no tensor of scores"):
        rows({"text": "cat"}, 0, 1)


def test_find_logits_passes_over_a_loss():
    z = torch.zeros(2, 3)
    assert find_logits({"loss": torch.tensor(1.0), "scores": z}) is z


def test_probabilities_of_many_logits_and_of_one():
    logits = torch.tensor([[0.0, 3.0], [2.0, 2.0]])
    expected = torch.tensor([1 / (1 + math.exp(3)), 0.5])
    torch.testing.assert_close(probabilities(logits.half())[:, 0], expected)
    for single in (torch.tensor([3.0, 0.0]), torch.tensor([[3.0], [0.0]])):
        torch.testing.assert_close(probabilities(single), 1 - expected[:, None])
    with pytest.raises(TargetError):
        probabilities(torch.zeros(2, 3, 4))
