"""The caller's model, gradients, hooks and modes are as they were, also after an exception."""

import threading
import warnings

import pytest
import torch
from torch import nn

from interpviz.cam import GradCAM, GradCAMPlusPlus
from interpviz.errors import GradientError, InterpvizError, LayerError


def state_of(model: nn.Module) -> list:
    return [
        (
            module.training,
            dict(module._forward_hooks),
            dict(module._forward_pre_hooks),
            dict(module._backward_hooks),
            [
                (p.requires_grad, p._version, None if p.grad is None else p.grad.clone())
                for p in module.parameters(recurse=False)
            ],
            [b.clone() for b in module.buffers(recurse=False)],
        )
        for module in model.modules()
    ]


def assert_same(before: list, after: list) -> None:
    torch.testing.assert_close(
        [[p[2] for p in s[4] if p[2] is not None] + s[5] for s in before],
        [[p[2] for p in s[4] if p[2] is not None] + s[5] for s in after],
        rtol=0,
        atol=0,
    )
    assert [(*s[:4], [p[:2] for p in s[4]]) for s in before] == [
        (*s[:4], [p[:2] for p in s[4]]) for s in after
    ]


@pytest.fixture
def lived_in(pooled_linear):
    """A model in mixed modes, with gradients, frozen parameters and a hook of its owner's."""
    model = pooled_linear(after=nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(inplace=True)))
    model(torch.rand(2, 3, 8, 8)).sum().backward()
    model.train()
    model.after[0].eval()
    model.head.weight.requires_grad_(False)
    model.conv.register_forward_hook(lambda *_: None)
    return model


@pytest.mark.parametrize("method", [GradCAM, GradCAMPlusPlus])
def test_nothing_changes(lived_in, images, method):
    before = state_of(lived_in)
    method(lived_in, ["conv", "after"])(images, 1)
    method(lived_in)(images, 1)
    assert_same(before, state_of(lived_in))
    assert torch.is_grad_enabled()


def explode(_logits):
    raise KeyError("a fault of the caller's own")


@pytest.mark.parametrize(
    ("layer", "targets", "error"),
    [
        ("conv", 99, InterpvizError),
        ("conv", explode, KeyError),
        ("head", 0, LayerError),
        ("conv", lambda logits: logits.detach().sum(1), GradientError),
    ],
)
def test_nothing_changes_after_an_exception(lived_in, images, layer, targets, error):
    before = state_of(lived_in)
    with pytest.raises(error):
        GradCAM(lived_in, layer)(images, targets)
    assert_same(before, state_of(lived_in))
    assert torch.is_grad_enabled()


def test_an_exception_in_the_model_passes_through(pooled_linear, images):
    class Broken(nn.Module):
        def forward(self, x):
            raise ZeroDivisionError

    model = pooled_linear(after=Broken())
    before = state_of(model)
    for layer in ("conv", None):
        with pytest.raises(ZeroDivisionError):
            GradCAM(model, layer)(images, 0)
    assert_same(before, state_of(model))


def test_the_callers_grad_mode_and_images_are_kept(pooled_linear, images):
    cam = GradCAM(pooled_linear(), "conv")
    expected = cam(images, 1)
    copy = images.clone().requires_grad_()
    with torch.no_grad():
        torch.testing.assert_close(cam(copy, 1), expected)
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        torch.testing.assert_close(cam(images * 1, 1), expected)
        assert torch.is_inference_mode_enabled()
    assert copy.grad is None
    assert not expected.requires_grad


def test_two_threads_leave_a_model_in_training_mode(pooled_linear):
    model = pooled_linear(after=nn.Sequential(nn.BatchNorm2d(4), nn.ReLU())).train()
    before = state_of(model)

    def work() -> None:
        for _ in range(20):
            GradCAM(model, "conv")(torch.rand(2, 3, 16, 16), lambda logits: logits[:, 0])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert_same(before, state_of(model))


def test_two_threads_explain_the_same_model(pooled_linear):
    model = pooled_linear(channels=32)
    batches = [torch.rand(4, 3, 32, 32) for _ in range(2)]
    cams = [GradCAM(model, "conv"), GradCAM(model, "after")]
    expected = [cam(b, 1) for cam, b in zip(cams, batches, strict=True)]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(30):
            if not torch.equal(cams[i](batches[i], 1), expected[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert all(not m._forward_hooks for m in model.modules())
