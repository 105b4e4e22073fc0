"""What a map explains: the value and gradient of each target against its formula."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from interpviz.cam.targets import find_categories, grouped_scores, resolve_target, score_of
from interpviz.cam.targets.kinds import OnOutput, OutputTarget
from interpviz.cam.targets.outputs import batch_size
from interpviz.cam.targets.regions import BoxScore, MaskScore
from interpviz.cam.targets.scores import BinaryScore, ClassContrast, ClassProbability, ClassScore
from interpviz.cam.targets.similarity import Similarity
from interpviz.errors import TargetError
from interpviz.metrics.scoring import Scorer

NAMES = ["tabby", "tiger cat", "lynx", "dog"]


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(3)
    return torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)


@pytest.fixture
def pixel_logits():
    generator = torch.Generator().manual_seed(5)
    return torch.randn(2, 3, 4, 6, generator=generator, dtype=torch.float64, requires_grad=True)


def bound(targets, output, count=None, categories=NAMES):
    return resolve_target(
        targets, output, batch_size(output) if count is None else count, categories
    )


def assert_same_score(target, output, expected, at):
    """Value, and gradient at a leaf, against a list of one differentiable number an image."""
    found = score_of(target, output, len(expected))
    expected = torch.stack(expected)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected)
    weights = torch.arange(1.0, len(expected) + 1, dtype=found.dtype)
    gradients = [
        torch.autograd.grad((s * weights.to(s.dtype)).sum(), at, retain_graph=True)[0]
        for s in (found, expected)
    ]
    assert gradients[1].abs().sum() > 0
    torch.testing.assert_close(*gradients)


def softmax_by_hand(row, c):
    return torch.exp(row[c]) / sum(torch.exp(z) for z in row)


def test_class_score(logits):
    expected = [logits[0, 2], logits[1, 0], logits[2, 3]]
    assert_same_score(bound(["lynx", 0, 3], logits), logits, expected, logits)


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        (3, (3, 3, 3)),
        ("lynx", (2, 2, 2)),
        (["lynx", 0, 3], (2, 0, 3)),
        (torch.tensor([2, 0, 3]), (2, 0, 3)),
        (np.array([2, 0, 3]), (2, 0, 3)),
        ((2, 0, 3), (2, 0, 3)),
    ],
)
def test_class_score_takes_what_a_class_is_named_by(logits, given, classes):
    target = bound(ClassScore(given), logits)
    assert target == ClassScore(classes)
    assert target.classes == classes
    expected = [row[c] for row, c in zip(logits, classes, strict=True)]
    assert_same_score(target, logits, expected, logits)
    assert target.repeated(2).classes == classes * 2


def test_class_score_of_the_predicted_classes(logits):
    assert bound(ClassScore(), logits) == bound(None, logits)
    torch.testing.assert_close(ClassScore()(logits), logits.amax(1))


@pytest.mark.parametrize("target", [[1, 3, 0], ["tiger cat", "Dog", 0], torch.tensor([1, 3, 0])])
def test_class_probability(logits, target):
    expected = [softmax_by_hand(row, c) for row, c in zip(logits, (1, 3, 0), strict=True)]
    assert_same_score(bound(ClassProbability(target), logits), logits, expected, logits)


def test_the_gradient_of_a_probability_fades_where_the_model_is_sure():
    for scale, least, most in ((1.0, 0.1, 1.0), (30.0, 0.0, 1e-12), (200.0, 0.0, 0.0)):
        logits = torch.tensor([[scale, 0.0]], requires_grad=True)
        gradient = torch.autograd.grad(ClassProbability(0)(logits).sum(), logits)[0].abs().max()
        assert least <= gradient <= most


def test_class_contrast(logits):
    target = bound(ClassContrast("tiger cat", "tabby"), logits)
    assert_same_score(target, logits, [row[1] - row[0] for row in logits], logits)
    target = bound(ClassContrast([1, 2, 1], ["tabby", 3], weight=0.5), logits)
    expected = [
        row[c] - 0.5 * (row[0] + row[3]) / 2 for row, c in zip(logits, (1, 2, 1), strict=True)
    ]
    assert_same_score(target, logits, expected, logits)


def test_a_contrast_of_the_predicted_class(logits):
    predicted = logits.argmax(1).tolist()
    other = next(c for c in range(4) if c not in predicted)
    expected = [row[c] - row[other] for row, c in zip(logits, predicted, strict=True)]
    assert_same_score(bound(ClassContrast(None, other), logits), logits, expected, logits)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_binary_score(shape):
    values = torch.tensor([2.0, -3.0, 0.0, -0.5]).reshape(shape).requires_grad_()
    flat = values.flatten()
    for positive, signs in ((True, [1, 1, 1, 1]), (False, [-1] * 4), (None, [1, -1, 1, -1])):
        expected = [s * z for s, z in zip(signs, flat, strict=True)]
        assert_same_score(bound(BinaryScore(positive), values), values, expected, values)
    found = bound(None, values)
    assert found == BinaryScore((True, False, True, False))
    assert score_of(found, values, 4).tolist() == [2, 3, 0, 0.5]
    assert score_of(bound(0, values), values, 4).tolist() == flat.tolist()


def test_predictions_are_fixed_when_a_target_is_resolved():
    first = torch.tensor([[3.0, 1.0], [0.0, 1.0]])
    later = torch.tensor([[1.0, 3.0], [4.0, 2.0]])
    for target in (None, [None, None]):
        assert score_of(bound(target, first), later, 2).tolist() == [1, 2]
    found = bound(ClassProbability(), first)
    torch.testing.assert_close(found(later), later.softmax(1)[[0, 1], [0, 1]])
    sides = bound(None, torch.tensor([2.0, -2.0]))
    assert score_of(sides, torch.tensor([-1.0, -1.0]), 2).tolist() == [-1, 1]
    pixels = torch.tensor([[[[0.0, 0.0]], [[1.0, -1.0]]]])
    later = torch.tensor([[[[9.0, 9.0]], [[5.0, 7.0]]]])
    assert score_of(bound(MaskScore(1), pixels), later, 1).tolist() == [5]


@pytest.mark.parametrize("rank", [2, 3])
def test_mask_score_of_a_mask(pixel_logits, rank):
    mask = np.random.default_rng(0).random((2, 4, 6)) > 0.6
    mask = mask[0] if rank == 2 else mask
    expected = []
    for image in range(2):
        own = mask if rank == 2 else mask[image]
        inside = [pixel_logits[image, 2, y, x] for y in range(4) for x in range(6) if own[y, x]]
        expected.append(sum(inside) / len(inside))
    for given in (
        mask,
        mask[..., ::-1].copy()[..., ::-1],
        torch.from_numpy(mask),
        255 * mask.astype(np.uint8),
    ):
        target = bound(MaskScore("lynx", given), {"out": pixel_logits})
        assert_same_score(target, {"out": pixel_logits}, expected, pixel_logits)


def test_mask_score_of_the_predicted_pixels(pixel_logits):
    expected = []
    for image in range(2):
        column = pixel_logits[image].flatten(1).T
        inside = [z[1] for z in column if max(z.tolist()) == z[1].item()]
        expected.append(sum(inside) / len(inside))
    for target in (MaskScore(1), bound(MaskScore("tiger cat"), pixel_logits)):
        assert_same_score(target, pixel_logits, expected, pixel_logits)
    single = pixel_logits[:, :1]
    expected = [z[z >= 0].mean() for z in single]
    assert_same_score(bound(MaskScore(0), single), single, expected, pixel_logits)


def test_mask_score_of_a_class_for_each_image(pixel_logits):
    target = bound(MaskScore(["lynx", 0], torch.ones(4, 6)), pixel_logits)
    expected = [pixel_logits[0, 2].mean(), pixel_logits[1, 0].mean()]
    assert_same_score(target, pixel_logits, expected, pixel_logits)


def test_a_mask_of_another_size_is_resized_to_the_nearest_pixel(pixel_logits):
    mask = torch.zeros(8, 12)
    mask[2:6, 0:4] = 1
    small = torch.zeros(4, 6)
    small[1:3, 0:2] = 1
    found = bound(MaskScore(0, mask), pixel_logits)(pixel_logits)
    torch.testing.assert_close(found, MaskScore(0, small)(pixel_logits))


def detections(boxes, labels, scores):
    return {"boxes": boxes, "labels": torch.tensor(labels), "scores": scores}


def iou_by_hand(a, b):
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0 * a[0])
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0 * a[0])
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (areas - width * height)


@pytest.mark.parametrize("category", [3, "dog", None])
def test_box_score(category):
    wanted = (0.3, 0.2, 9.5, 10.4)
    boxes = torch.tensor(
        [[0.0, 0, 10, 10], [1, 1, 10, 12], [0, 0, 10, 11], [50, 50, 60, 60]], requires_grad=True
    )
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6], requires_grad=True)
    output = [
        detections(boxes, [3, 3, 1, 3], scores),
        detections(boxes + 1, [1, 3, 3, 3], scores * 0.5),
    ]
    expected = []
    for found in output:
        total = 0
        for box, name, score in zip(*found.values(), strict=True):
            overlap = iou_by_hand(box, wanted)
            if overlap >= 0.6 and category in (None, name.item(), NAMES[name]):
                total = total + score * overlap
        expected.append(total)
    target = bound(BoxScore(wanted, category, iou=0.6), output)
    assert_same_score(target, output, expected, scores)
    assert_same_score(target, output, expected, boxes)


def test_a_box_of_a_class_for_each_image():
    box = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4]])
    output = [detections(box, [1, 2], torch.tensor([0.5, 0.25])) for _ in range(2)]
    target = bound(BoxScore((0, 0, 4, 4), ["lynx", 1]), output)
    assert target(output).tolist() == [0.25, 0.5]


def test_a_box_that_is_lost_on_the_way_scores_zero():
    empty = detections(torch.zeros(0, 4), [], torch.zeros(0, requires_grad=True))
    score = BoxScore((0, 0, 1, 1))([empty])
    assert score.tolist() == [0]
    assert score.requires_grad


@pytest.mark.parametrize("rank", [1, 2])
def test_similarity(logits, rank):
    given = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    given = given[0] if rank == 1 else given
    expected = []
    for image, x in enumerate(logits):
        e = given if rank == 1 else given[image]
        product = sum(a * b for a, b in zip(x, e, strict=True))
        expected.append(product / (sum(a * a for a in x) * sum(b * b for b in e)) ** 0.5)
    other = torch.zeros(3, 4, dtype=torch.float64)
    for target, output in (
        (Similarity(given), logits),
        (Similarity(given), {"last_hidden_state": other, "image_embeds": logits}),
        (Similarity(given), SimpleNamespace(image_embeds=None, pooler_output=logits)),
        (Similarity(given, "features"), {"image_embeds": other, "features": logits}),
    ):
        assert_same_score(bound(target, output), output, expected, logits)


def test_an_embedding_as_a_list_or_an_array(logits):
    values = [1.0, -2.0, 3.0, 0.5]
    expected = Similarity(torch.tensor(values, dtype=torch.float64))(logits)
    for given in (values, tuple(values), np.array(values), np.array(values[::-1])[::-1]):
        torch.testing.assert_close(Similarity(given)(logits), expected)


def test_an_embedding_made_in_inference_mode(logits):
    with torch.inference_mode():
        given = torch.ones(4, dtype=torch.float64)
    score = Similarity(given)(logits).sum()
    assert torch.autograd.grad(score, logits)[0].abs().sum() > 0


def test_one_image_may_have_a_score_without_dimensions():
    assert score_of(lambda z: z.sum(), torch.ones(1, 3), 1).tolist() == [3]


def test_a_function_of_the_logits_or_of_the_whole_output(logits):
    output = {"logits": logits, "depth": logits * 2}
    expected = [row[1] for row in logits]
    assert_same_score(bound(lambda z: z[:, 1], output), output, expected, logits)
    target = bound(OnOutput(lambda o: o["depth"][:, 1] / 2), output)
    assert_same_score(target, output, expected, logits)


@pytest.mark.parametrize(
    ("id2label", "names"),
    [
        ({0: "cat", 1: "dog"}, ["cat", "dog"]),
        ({"1": "dog", "0": "cat"}, ["cat", "dog"]),
        ({10: "k", 0: "a"}, ["a", *(f"class {i}" for i in range(1, 10)), "k"]),
        ({"3": "d"}, ["class 0", "class 1", "class 2", "d"]),
        ({"cat": 0, "dog": 1}, None),
        ({-1: "nothing", 0: "cat"}, None),
        ({"0": "cat", "other": "dog"}, None),
        ({}, None),
    ],
)
def test_names_of_a_configuration_stand_at_their_index(id2label, names):
    model = torch.nn.Identity()
    model.config = SimpleNamespace(id2label=id2label)
    assert find_categories(model) == names


class Depth(OutputTarget):
    def __call__(self, output):
        return output["depth"].sum(1)


def test_a_list_may_mix_what_it_holds(logits):
    output = {"logits": logits.repeat(2, 1), "depth": 2 * logits.repeat(2, 1)}
    targets = [
        "lynx",
        ClassContrast("tabby", 3),
        lambda z: z[:, 1] ** 2,
        None,
        Depth(),
        np.int64(1),
    ]
    expected = [
        logits[0, 2],
        logits[1, 0] - logits[1, 3],
        logits[2, 1] ** 2,
        logits[0].max(),
        2 * logits[1].sum(),
        logits[2, 1],
    ]
    assert_same_score(bound(targets, output), output, expected, logits)


@pytest.mark.parametrize(
    "targets", [[None, 0, "lynx"], [None, ClassScore(0), 2], [None, ClassScore([0]), ClassScore(2)]]
)
def test_a_list_of_nothing_but_classes_is_one_score_of_classes(logits, targets):
    assert bound(targets, logits) == ClassScore((logits[0].argmax().item(), 0, 2))


def test_a_list_of_nothing_but_classes_is_scored_by_its_probability_in_metrics():
    model = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()).eval()
    images = torch.rand(2, 3, 4, 4)
    scorer = Scorer(model, images, [ClassScore(2), None])
    shares = images.mean((2, 3)).softmax(1)
    torch.testing.assert_close(scorer.original, torch.stack([shares[0, 2], shares[1].max()]))


def test_a_list_of_nothing_but_sides_is_one_score_of_sides():
    values = torch.tensor([-2.0, 3.0, 1.0])
    found = bound([None, BinaryScore(positive=False), None], values)
    assert found == BinaryScore((False, False, True))


@pytest.mark.parametrize(
    "given", [[True, False], (True, False), torch.tensor([True, False]), np.array([True, False])]
)
def test_a_side_for_each_image(given):
    values = torch.tensor([2.0, 3.0])
    target = bound(BinaryScore(given), values)
    assert target == BinaryScore((True, False))
    assert target(values).tolist() == [2, -3]
    assert target.repeated(2).positive == (True, False, True, False)


def test_a_list_of_targets_of_single_logits():
    values = torch.tensor([[-2.0], [3.0]])
    assert score_of(bound([None, BinaryScore(positive=False)], values), values, 2).tolist() == [
        2,
        -3,
    ]


@pytest.mark.parametrize(
    ("target", "output"),
    [
        (1, torch.randn(2, 4)),
        (ClassProbability(1), torch.randn(2, 4)),
        (ClassContrast(1, [0, 2]), torch.randn(2, 4)),
        ([1, ClassProbability(2)], torch.randn(2, 4)),
        (None, torch.randn(2)),
        (MaskScore(1), torch.randn(2, 4, 8, 8)),
        (Similarity(torch.randn(4)), torch.randn(2, 4)),
    ],
)
def test_bfloat16(target, output):
    half = output.bfloat16().requires_grad_()
    found = score_of(bound(target, half), half, 2)
    exact = half.detach().double()
    expected = score_of(bound(target, exact), exact, 2)
    torch.testing.assert_close(found.double(), expected, atol=1e-2, rtol=1e-2)
    assert torch.autograd.grad(found.sum(), half)[0].dtype == torch.bfloat16


def test_a_torchvision_detector():
    detection = pytest.importorskip("torchvision.models.detection")
    torch.manual_seed(0)
    model = detection.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=4, score_thresh=0.0, topk_candidates=20
    ).eval()
    images = torch.rand(2, 3, 64, 64, requires_grad=True)
    output = model(images)
    best = output[1]["boxes"][0].detach()
    label = output[1]["labels"][0].item()
    target = bound([BoxScore(output[0]["boxes"][0].detach()), BoxScore(best, label)], output)
    found = score_of(target, output, 2)
    total = sum(
        score * iou_by_hand(box, best)
        for box, own, score in zip(
            *(output[1][k] for k in ("boxes", "labels", "scores")), strict=True
        )
        if own == label and iou_by_hand(box, best) >= 0.5
    )
    torch.testing.assert_close(found[1], total)
    assert found[1] >= output[1]["scores"][0] * 0.999
    gradients = [torch.autograd.grad(s, images, retain_graph=True)[0] for s in (found[1], total)]
    torch.testing.assert_close(*gradients)
    assert gradients[0].abs().sum() > 0
    with pytest.raises(TargetError, match=r"Nothing in image 0 is .*class \d \(\w.* with score"):
        bound(BoxScore((0, 0, 0.5, 0.5), "dog"), output)


def test_a_torchvision_segmentation():
    segmentation = pytest.importorskip("torchvision.models.segmentation")
    model = segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=4
    ).eval()
    images = torch.rand(2, 3, 32, 32, requires_grad=True)
    output = model(images)
    mask = torch.zeros(64, 64)
    mask[:32] = 1
    found = score_of(bound(MaskScore("lynx", mask), output), output, 2)
    expected = output["out"][:, 2, :16].mean((1, 2))
    torch.testing.assert_close(found, expected)
    gradients = [
        torch.autograd.grad(s.sum(), images, retain_graph=True)[0] for s in (found, expected)
    ]
    assert gradients[1].abs().sum() > 0
    torch.testing.assert_close(*gradients)


@pytest.fixture(scope="module")
def clip():
    transformers = pytest.importorskip("transformers")
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    shape["num_attention_heads"] = 2
    text = {**shape, "vocab_size": 50, "max_position_embeddings": 8, "eos_token_id": 49}
    vision = {**shape, "image_size": 16, "patch_size": 8}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    torch.manual_seed(0)
    return transformers.CLIPModel(config).eval()


def test_similarity_of_clip(clip):
    words = torch.tensor([[1, 2, 49], [3, 4, 49], [5, 6, 49]])
    pictures = torch.rand(2, 3, 16, 16, requires_grad=True)
    output = clip(input_ids=words, pixel_values=pictures)
    embedding = output.text_embeds[1].detach()
    found = score_of(bound(Similarity(embedding), output), output, 2)
    scale = clip.logit_scale.exp().detach()
    torch.testing.assert_close(found, output.logits_per_image[:, 1] / scale)
    gradient = torch.autograd.grad(found.sum(), pictures, retain_graph=True)[0]
    whole = torch.autograd.grad(output.logits_per_image[:, 1].sum(), pictures, retain_graph=True)[0]
    assert gradient.abs().sum() > 0
    torch.testing.assert_close(gradient, whole / scale, atol=1e-5, rtol=1e-3)
    features = clip.get_image_features(pixel_values=pictures)
    torch.testing.assert_close(score_of(Similarity(embedding), features, 2), found)
    own = bound([Similarity(embedding), 2], output)
    expected = torch.stack([found[0], output.logits_per_image[1, 2]])
    torch.testing.assert_close(score_of(own, output, 2), expected)
    groups = clip(input_ids=words, pixel_values=torch.cat([pictures, pictures * 0.5]))
    scores = grouped_scores(own, groups, 2)
    assert scores.shape == (2, 2)
    torch.testing.assert_close(scores[0], expected)
