"""What every metric shares: calls of the model, targets, devices and what is left alone."""

import math
import warnings

import pytest
import torch
from torch import nn

from interpviz.cam import BoxScore
from interpviz.cam.targets import ClassScore
from interpviz.errors import InputError, TargetError
from interpviz.metrics import (
    average_drop,
    class_sensitivity,
    compare_methods,
    deletion,
    increase_in_confidence,
    infidelity,
    insertion,
    randomisation,
    road,
    sensitivity_n,
)


def small(measure, **options):
    """A metric with few steps, as a function of model, images, maps and targets."""
    return lambda *args, **more: measure(*args, **{**options, **more})


MEASURES = {
    "insertion": (small(insertion, steps=5), 5),
    "deletion": (small(deletion, steps=5), 5),
    "road": (small(road, fractions=[0.2, 0.5]), 4),
    "average_drop": (average_drop, 1),
    "increase_in_confidence": (increase_in_confidence, 1),
    "sensitivity_n": (small(sensitivity_n, sizes=[1, 4], cells=(4, 4), subsets=3), 6),
    "infidelity": (small(infidelity, samples=5), 5),
}


@pytest.fixture(params=MEASURES)
def measure(request):
    return MEASURES[request.param][0]


def numbers(result) -> torch.Tensor:
    if isinstance(result, torch.Tensor):
        return result
    return result.gap if hasattr(result, "gap") else result.scores


def state_of(model: nn.Module) -> list:
    return [
        (
            module.training,
            dict(module._forward_hooks),
            dict(module._forward_pre_hooks),
            [(p.requires_grad, p._version, p.grad) for p in module.parameters(recurse=False)],
            [(b._version, b.sum().item()) for b in module.buffers(recurse=False)],
        )
        for module in model.modules()
    ]


@pytest.mark.parametrize("batch_size", [1, 2, 4, 7, 64])
@pytest.mark.parametrize("name", MEASURES)
def test_the_model_is_called_in_full_batches(make_model, counting, images, maps, name, batch_size):
    measure, steps = MEASURES[name]
    model = counting(make_model())
    found = measure(model, images, maps, 0, batch_size=batch_size)
    originals, changed = math.ceil(3 / batch_size), math.ceil(3 * steps / batch_size)
    assert len(model.batches) == originals + changed
    assert sum(model.batches) == 3 + 3 * steps
    assert max(model.batches) <= batch_size
    expected = numbers(measure(make_model(), images, maps, 0))
    assert numbers(found).shape == expected.shape


@pytest.mark.parametrize("batch_size", [1, 2, 4, 7])
def test_the_batch_size_does_not_matter(model, images, maps, measure, batch_size):
    found = numbers(measure(model, images, maps, batch_size=batch_size))
    torch.testing.assert_close(found, numbers(measure(model, images, maps)), atol=2e-5, rtol=1e-3)


def test_each_image_is_scored_as_if_alone(model, images, maps):
    measure = MEASURES["deletion"][0]
    together = measure(model, images, maps, [2, 0, 1]).scores
    alone = [measure(model, images[i : i + 1], maps[i : i + 1], c) for i, c in enumerate([2, 0, 1])]
    torch.testing.assert_close(together, torch.cat([a.scores for a in alone]), atol=1e-6, rtol=0)


def test_targets_may_be_written_in_every_way(make_model, images, maps, measure):
    model = make_model()
    predicted = model(images).argmax(1)
    by_default = numbers(measure(model, images, maps))
    for same in (predicted, predicted.tolist(), predicted.numpy()):
        assert torch.equal(numbers(measure(model, images, maps, same)), by_default)
    model.categories = ["cat", "dog", "cup"]
    for same in ("dog", ["dog"] * 3, [1, "Dog", 1]):
        found = numbers(measure(model, images, maps, same))
        assert torch.equal(found, numbers(measure(model, images, maps, 1)))


@pytest.mark.parametrize("batch_size", [2, 4, 64])
def test_a_function_is_given_the_images_in_order(make_model, images, maps, batch_size):
    model, steps = make_model(), 4
    chosen, shapes = torch.tensor([2, 0, 1]), []

    def own(logits):
        shapes.append(tuple(logits.shape))
        return logits.gather(1, chosen[:, None])[:, 0]

    found = deletion(model, images, maps, own, steps=steps, batch_size=batch_size)
    assert set(shapes) == {(3, 3)}
    expected = deletion(model, images, maps, chosen, steps=steps, score="logit")
    torch.testing.assert_close(found.scores, expected.scores, atol=1e-6, rtol=0)


def test_one_target_may_be_a_function_and_another_a_class(make_model, images, maps):
    mixed = [lambda logits: logits[:, 2], 0, None]
    found = deletion(make_model(), images, maps, mixed, steps=3, batch_size=2)
    assert found.scores.shape == (3, 4)


class Dense(nn.Module):
    """A score for each class and position, in a dict."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        return {"out": self.conv(x)}


def test_a_model_without_a_list_of_classes_takes_a_function(images, maps):
    found = deletion(Dense(), images, maps, lambda out: out[:, 1].mean((1, 2)), steps=3)
    assert found.scores.shape == (3, 4)
    with pytest.raises(TargetError, match="function"):
        deletion(Dense(), images, maps, steps=3)


def test_targets_that_read_the_whole_output_get_whole_steps(images, maps):
    from interpviz.cam.targets.kinds import OnOutput

    target = OnOutput(lambda output: output["out"][:, 1].mean((1, 2)))
    found = deletion(Dense(), images, maps, target, steps=3, batch_size=5)
    assert found.scores.shape == (3, 4)
    with pytest.raises(InputError, match="batch_size to 3"):
        deletion(Dense(), images, maps, target, steps=3, batch_size=2)


class Detector(nn.Module):
    """Finds two boxes in every image, as sure as the picture is bright there."""

    boxes = ((0, 0, 4, 4), (4, 4, 8, 8))

    def forward(self, images):
        return [
            {
                "boxes": torch.tensor(self.boxes, dtype=torch.float32),
                "labels": torch.tensor([1, 2]),
                "scores": torch.stack(
                    [image[:, t:b, x:r].mean().sigmoid() for x, t, r, b in self.boxes]
                ),
            }
            for image in images
        ]


def test_detectors_are_scored_at_a_box(images, maps, measure):
    found = numbers(measure(Detector(), images, maps, BoxScore((0, 0, 4, 4), 1)))
    assert len(found) == 3
    # Few subsets of one cell may all miss the box, and then sensitivity-n has no number.
    assert found.flatten()[-1].isfinite()


def test_what_a_detector_says_of_a_box_is_followed(images, maps):
    corner = torch.zeros(3, 8, 8)
    corner[:, :4, :4] = torch.rand(3, 4, 4) + 1
    curve = deletion(Detector(), images, corner, BoxScore((0, 0, 4, 4), 1), steps=4, baseline=0.0)
    first = images[:, :, :4, :4].mean((1, 2, 3)).sigmoid()
    torch.testing.assert_close(curve.scores[:, 0], first)
    torch.testing.assert_close(curve.scores[:, 1:], torch.full((3, 4), 0.5))
    each = [BoxScore((0, 0, 4, 4)), BoxScore((4, 4, 8, 8), 2), BoxScore((0, 0, 4, 4), 1)]
    mixed = deletion(Detector(), images, corner, each, steps=4, baseline=0.0).scores
    torch.testing.assert_close(mixed[[0, 2]], curve.scores[[0, 2]])
    assert not torch.allclose(mixed[1], curve.scores[1])


@pytest.mark.parametrize("batch_size", [2, 64])
def test_a_detector_has_no_predicted_class(images, maps, batch_size):
    with pytest.raises(TargetError, match="BoxScore"):
        deletion(Detector(), images, maps, batch_size=batch_size)


def test_a_list_with_predicted_classes_keeps_the_probability(make_model, images, maps, measure):
    model = make_model()
    predicted = model(images).argmax(1).tolist()
    by_class = numbers(measure(model, images, maps, [0, predicted[1], 1]))
    same = measure(model, images, maps, [0, None, ClassScore((1,))])
    torch.testing.assert_close(numbers(same), by_class)


def test_beside_a_function_classes_count_by_their_logits(make_model, images, maps):
    model = make_model()
    mixed = deletion(model, images, maps, [lambda logits: logits[:, 2], 0, 1], steps=3).scores
    logits = deletion(model, images, maps, [2, 0, 1], steps=3, score="logit").scores
    torch.testing.assert_close(mixed, logits)


def test_a_single_logit_is_a_yes_or_no(images, maps):
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 1)).eval()
    found = deletion(model, images, maps, steps=3)
    yes = model(images)[:, 0].sigmoid()
    expected = torch.where(yes >= 0.5, yes, 1 - yes)
    torch.testing.assert_close(found.scores[:, 0], expected.detach())
    logits = deletion(model, images, maps, steps=3, score="logit")
    torch.testing.assert_close(logits.scores.sigmoid(), found.scores)


@pytest.mark.parametrize("wrong", [3, -1, "dog", [0, 1], 1.5])
def test_classes_that_do_not_exist_are_refused(make_model, images, maps, measure, wrong):
    with pytest.raises(TargetError):
        measure(make_model(), images, maps, wrong)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_models_of_other_types(make_model, images, maps, measure, dtype):
    model = make_model("linear")
    expected = numbers(measure(model, images, maps, 0))
    found = numbers(measure(model.to(dtype), images, maps.half(), 0))
    assert found.dtype == torch.float32
    if found.ndim == 2 and found.shape[1] == 6:
        torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


def test_arrays_and_maps_with_a_graph_are_welcome(make_model, images, maps, measure):
    expected = numbers(measure(make_model(), images, maps, 0))
    found = measure(make_model(), images, maps.numpy(), 0)
    assert numbers(found).shape == expected.shape
    assert not numbers(measure(make_model(), images, maps.requires_grad_(), 0)).requires_grad


class Products(nn.Module):
    """Class scores that autocast leaves as they are: it lowers no products value by value."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 3, 8, 8) / 10)

    def forward(self, x):
        return (x[:, None] * self.weight).flatten(2).sum(2).float()


@pytest.mark.parametrize("baseline", ["blur", "mean"])
@pytest.mark.parametrize("name", MEASURES)
def test_autocast_is_for_the_model_alone(images, maps, name, baseline):
    measure, _ = MEASURES[name]
    measure = measure if name == "road" else small(measure, baseline=baseline)
    model = Products().eval()
    expected = numbers(measure(model, images, maps, 1))
    with torch.autocast("cpu", torch.bfloat16):
        found = numbers(measure(model, images, maps, 1))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_the_model_keeps_the_callers_autocast(make_model, images, maps, measure):
    seen = []
    model = make_model("linear")
    model.head.register_forward_hook(lambda _module, _args, output: seen.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        measure(model, images, maps, 1)
    assert set(seen) == {torch.bfloat16}


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        (lambda images: (images, torch.arange(3)), "wrap a model"),
        (lambda images: {"pixel_values": images}, "wrap a model"),
        (list, "torch.stack"),
        (lambda images: images.numpy(), "from_numpy"),
        (lambda images: images[0], r"image\[None\]"),
        (lambda images: images[:, :, None], "pictures"),
    ],
)
def test_only_a_tensor_of_images_will_do(make_model, images, maps, measure, given, remedy):
    with pytest.raises(InputError, match=remedy):
        measure(make_model(), given(images), maps)


@pytest.mark.parametrize(
    "wrong", [torch.rand(3, 8, 8), torch.full((3, 3, 8, 8), float("nan")), "x", torch.rand(0)]
)
def test_images_that_cannot_be_used_are_refused(make_model, maps, measure, wrong):
    with pytest.raises(InputError):
        measure(make_model(), wrong, maps)


def test_a_model_that_is_none_is_refused(images, maps, measure):
    with pytest.raises(InputError, match=r"nn\.Module"):
        measure(lambda x: x, images, maps)


@pytest.fixture
def lived_in(make_model):
    model = make_model()
    model.train()
    model.norm.eval()
    model.head.weight.requires_grad_(False)
    model.conv.register_forward_hook(lambda *_: None)
    return model


def test_nothing_of_the_callers_changes(lived_in, images, maps, measure):
    before, seed = state_of(lived_in), torch.get_rng_state()
    measure(lived_in, images, maps)
    assert state_of(lived_in) == before
    assert torch.equal(torch.get_rng_state(), seed)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("explodes_at", [1, 2])
def test_nothing_changes_after_an_exception(lived_in, images, maps, measure, explodes_at):
    before, calls = state_of(lived_in), []

    def explode(logits):
        calls.append(1)
        if len(calls) == explodes_at:
            raise KeyError("a fault of the caller's own")
        return logits[:, 0].exp()

    with pytest.raises(KeyError):
        measure(lived_in, images, maps, explode)
    assert state_of(lived_in) == before
    assert torch.is_grad_enabled()


def test_inference_mode_and_no_grad_are_kept(make_model, images, maps, measure):
    model = make_model()
    expected = numbers(measure(model, images, maps, 1))
    with torch.inference_mode():
        found = numbers(measure(model, images * 1, maps * 1, 1))
        assert torch.is_inference_mode_enabled()
    with torch.no_grad():
        again = numbers(measure(model, images, maps, 1))
        assert not torch.is_grad_enabled()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(again, expected)


def test_a_bar_changes_no_number(make_model, images, maps, measure, capsys):
    model = make_model()
    expected = numbers(measure(model, images, maps, 1))
    torch.testing.assert_close(numbers(measure(model, images, maps, 1, progress=True)), expected)
    assert "100%" in capsys.readouterr().err


def test_without_tqdm_there_is_no_bar(make_model, images, maps, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "tqdm.auto", None)
    deletion(make_model(), images, maps, 1, steps=2, progress=True)
    assert capsys.readouterr().err == ""


def test_compiled_and_parallel_models_work_too(make_model, images, maps):
    model = make_model()
    model.categories = ["cat", "dog", "cup"]
    expected = deletion(model, images, maps, "dog", steps=3).scores
    found = deletion(nn.DataParallel(model), images, maps, "dog", steps=3).scores
    torch.testing.assert_close(found, expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert class_sensitivity("gradcam", model, images, target_layer="last").shape == (3,)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_everything_stays_on_the_device_of_the_model(make_model, images, maps, measure):
    found = numbers(measure(make_model().cuda(), images, maps, 1))
    assert found.is_cuda
    expected = numbers(measure(make_model(), images, maps, 1))
    assert found.shape == expected.shape


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_sanity_checks_and_tables_on_a_device(make_model):
    model, images = make_model(side=16).cuda(), torch.rand(2, 3, 16, 16)
    result = randomisation("gradcam", model, images, target_layer="last", steps=3)
    assert result.rank_correlation.is_cuda
    table = compare_methods(model, images, ["gradcam"], target_layer="last", steps=2)
    assert table.values["deletion"].is_cuda
