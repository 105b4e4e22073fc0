import dataclasses
import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from interpviz.cam import EigenCAM, GradCAM, HiResCAM, ResidualSoftmaxScore
from interpviz.cam.targets.scores import BinaryScore, ClassContrast, ClassProbability, ClassScore
from interpviz.cam.video import explain_video
from interpviz.errors import InputError, TargetError, ZeroMapWarning
from interpviz.render import overlay

NAMES = ["<b>cat</b>", "dog", "fish"]


@pytest.fixture
def frames():
    """Seven frames that fade out, so that the evidence does too."""
    fade = torch.linspace(1, 0.1, 7)[:, None, None, None]
    return torch.rand(7, 3, 9, 12) * fade


@pytest.fixture
def cam(pooled_linear):
    model = pooled_linear()
    # Every class has evidence, so no map is zero.
    with torch.no_grad():
        model.head.weight.abs_()
    return GradCAM(model, "after", categories=NAMES)


def reference(cam, frames, target):
    """Raw maps and probabilities, one frame at a time."""
    raw = [cam(frame[None], target, normalize=False)[0] for frame in frames]
    with torch.no_grad():
        shares = [cam.model(frame[None]).softmax(1)[0, target].item() for frame in frames]
    return torch.stack(raw), shares


@pytest.mark.parametrize("method", [GradCAM, HiResCAM])
def test_all_maps_are_divided_by_one_number(cam, frames, method):
    cam = method(cam.model, "after")
    raw, shares = reference(cam, frames, 1)
    found = explain_video(cam, frames, targets=1)
    peak = max(m.max() for m in raw)
    torch.testing.assert_close(found.maps, raw / peak)
    assert found.maps.max() == 1
    assert found.strength == pytest.approx([m.max().item() for m in raw], rel=1e-5)
    assert found.probabilities == pytest.approx(shares, rel=1e-5)
    # The point of it all: a frame with less evidence looks like one.
    assert found.maps[-1].max() < 0.5
    own = explain_video(cam, frames, targets=1, normalize="frame")
    torch.testing.assert_close(own.maps, torch.stack([m / m.max() for m in raw]))
    assert own.strength == found.strength


@pytest.mark.parametrize("targets", [None, 2, "dog"])
@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_the_batch_size_changes_nothing(cam, frames, targets, batch_size):
    whole = explain_video(cam, frames, targets=targets, batch_size=7)
    parts = explain_video(cam, frames, targets=targets, batch_size=batch_size)
    torch.testing.assert_close(parts.maps, whole.maps)
    assert parts.probabilities == pytest.approx(whole.probabilities, rel=1e-5)
    assert parts.target == whole.target
    assert np.abs(parts.frames.astype(int) - whole.frames).max() <= 1


@pytest.mark.parametrize("targets", [3, None])
def test_another_architecture_with_a_norm_and_dropout(targets):
    model = torchvision.models.mobilenet_v3_small(num_classes=5).train()
    cam, frames = GradCAM(model, "features.8"), torch.rand(3, 3, 64, 64)
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    found = explain_video(cam, frames, targets=targets, batch_size=2)
    assert all(m.training for m in model.modules())
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    model.eval()
    raw, shares = reference(cam, frames, found.target)
    torch.testing.assert_close(found.maps, raw / raw.max(), atol=1e-4, rtol=1e-4)
    assert found.probabilities == pytest.approx(shares, rel=1e-4)


def test_no_target_means_the_class_of_the_highest_mean_probability():
    class Given(nn.Module):
        """The first pixel of each channel is a logit."""

        def __init__(self):
            super().__init__()
            self.layer = nn.ReLU()

        def forward(self, x):
            return self.layer(x)[:, :, 0, 0]

    # Class 0 wins most frames and has the largest logits; class 1 has the larger mean probability.
    logits = torch.tensor([[9.0, 8.9, 0], [9.0, 8.9, 0], [0, 5.0, 0]])
    frames = logits[:, :, None, None].expand(3, 3, 4, 4).contiguous()
    found = explain_video(GradCAM(Given(), "layer"), frames)
    mean = logits.softmax(1).mean(0)
    assert logits.argmax(1).tolist() == [0, 0, 1]
    assert logits.mean(0).argmax() == 1 == mean.argmax() == found.target
    assert found.probabilities == pytest.approx(logits.softmax(1)[:, 1].tolist())
    # And where the mean logit disagrees.
    logits = torch.tensor([[30.0, 0, 0], [0, 2.0, 0], [0, 2.0, 0]])
    frames = logits[:, :, None, None].expand(3, 3, 4, 4).contiguous()
    assert logits.mean(0).argmax() == 0
    assert logits.softmax(1).mean(0).argmax() == 1
    assert explain_video(GradCAM(Given(), "layer"), frames).target == 1


def pooled(channels):
    """A network whose logits are the means of the channels."""
    conv = nn.Conv2d(channels, channels, 1, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.eye(channels)[:, :, None, None])
    return nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


UNBOUND = [
    ClassScore(),
    ClassProbability(),
    ClassContrast(None, 2),
    ResidualSoftmaxScore(),
    [ClassProbability()],
]


@pytest.mark.parametrize("target", UNBOUND)
@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_an_unbound_target_is_of_one_class_for_all_frames(target, batch_size):
    # Class 0 wins the first two frames, class 1 has the highest mean probability.
    logits = torch.tensor([[9.0, 8.9, 1], [9.0, 8.9, 1], [1, 5.0, 2]])
    frames = logits[:, :, None, None].expand(3, 3, 4, 5).contiguous()
    cam = GradCAM(pooled(3), "0", signed=True, categories=NAMES)
    own = target[0] if isinstance(target, list) else target
    expected = cam(frames, dataclasses.replace(own, classes=1), normalize="batch")
    found = explain_video(cam, frames, targets=target, batch_size=batch_size)
    torch.testing.assert_close(found.maps, expected)
    assert "dog" in found.name
    if isinstance(own, ClassScore):
        assert found.target == 1
        assert found.probabilities == pytest.approx(logits.softmax(1)[:, 1].tolist())
    else:
        assert found.target.classes == 1


@pytest.mark.parametrize("positive", [True, False])
def test_an_unbound_side_is_one_for_all_frames(positive):
    logits = torch.tensor([-0.2, -0.2, 5.0]) * (1 if positive else -1)
    frames = logits[:, None, None, None].expand(3, 1, 4, 5).contiguous()
    cam = GradCAM(pooled(1), "0", signed=True)
    found = explain_video(cam, frames, targets=BinaryScore(), batch_size=1)
    assert found.target == BinaryScore(positive)
    torch.testing.assert_close(found.maps, cam(frames, BinaryScore(positive), normalize="batch"))


@pytest.mark.parametrize("target", [ClassScore("dog"), ClassScore((1,)), [ClassScore(1)]])
def test_a_score_of_a_class_is_that_class(cam, frames, target):
    found = explain_video(cam, frames, targets=target, batch_size=3)
    expected = explain_video(cam, frames, targets=1)
    torch.testing.assert_close(found.maps, expected.maps)
    assert (found.target, found.name) == (1, "dog")
    assert found.probabilities == pytest.approx(expected.probabilities)


def test_a_target_of_a_named_class_stays_it(cam, frames):
    cam.signed = True
    found = explain_video(cam, frames, targets=ClassProbability(["dog"]), batch_size=2)
    torch.testing.assert_close(found.maps, cam(frames, ClassProbability(1), normalize="batch"))
    assert found.name == "the probability of dog"


def test_one_logit_a_frame_has_two_sides(pooled_linear, frames):
    cam = GradCAM(pooled_linear(classes=1), "after")
    with torch.no_grad():
        shares = cam.model(frames).sigmoid()[:, 0]
        for shift in (5.0, -5.0):
            cam.model.head.bias.copy_(torch.tensor([shift]))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ZeroMapWarning)
                found = explain_video(cam, frames)
            shares = cam.model(frames).sigmoid()[:, 0]
            assert found.name == f"the {'positive' if shift > 0 else 'negative'} side"
            expected = shares if shift > 0 else 1 - shares
            assert found.probabilities == pytest.approx(expected.tolist(), rel=1e-5)


def test_a_target_function_and_a_method_without_target(cam, frames):
    found = explain_video(cam, frames, targets=lambda logits: logits[:, 0] + logits[:, 1])
    expected = cam(frames, lambda logits: logits[:, 0] + logits[:, 1], normalize="batch")
    torch.testing.assert_close(found.maps, expected)
    assert (found.probabilities, found.name) == (None, "this target")
    eigen = explain_video(EigenCAM(cam.model, "after"), frames)
    assert (eigen.target, eigen.probabilities, eigen.name) == (None, None, "EigenCAM")
    # Without probabilities only the map's own curve is drawn.
    assert len(found.plot().axes[-1].lines) == 1


def test_a_method_that_runs_the_model_again_is_not_mistaken_for_it(cam, frames):
    augmented = GradCAM(cam.model, "after", augment=True)
    found = explain_video(augmented, frames, targets=2, batch_size=4)
    assert found.probabilities == pytest.approx(reference(cam, frames, 2)[1], rel=1e-5)


def test_signed_maps(pooled_linear, frames):
    cam = GradCAM(pooled_linear(), "after", signed=True)
    raw = cam(frames, 0, normalize=False)
    found = explain_video(cam, frames, targets=0)
    assert raw.min() < 0
    torch.testing.assert_close(found.maps, raw / raw.abs().max())
    low, high = frames.min(), frames.max()
    picture = ((frames[0] - low) / (high - low)).numpy()
    expected = overlay(picture, (found.maps[0] + 1) / 2, cmap="RdBu_r")
    assert np.abs(found.frames[0].astype(int) - expected).max() <= 1


def test_a_clip_for_a_network_that_sees_films():
    parts = [nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten()]
    model = nn.Sequential(*parts, nn.Linear(4, 3)).eval()
    clip = torch.rand(1, 3, 5, 8, 10) * torch.linspace(1, 0, 5)[:, None, None]
    cam = GradCAM(model, "1")
    found = explain_video(cam, clip)
    probabilities = model(clip).softmax(1)[0]
    assert found.target == probabilities.argmax()
    assert found.probabilities == pytest.approx([probabilities.max().item()])
    raw = cam(clip, found.target, normalize=False)[0]
    torch.testing.assert_close(found.maps, raw / raw.max())
    assert found.frames.shape == (5, 8, 10, 3)
    assert len(found.strength) == 5
    figure = found.plot()
    assert figure.get_suptitle().endswith("for the whole clip")
    assert len(figure.axes[-1].lines) == 1


class TestPictures:
    def test_the_maps_lie_over_the_pictures(self, cam, frames):
        pictures = [np.full((9, 12, 3), 30 * t, np.uint8) for t in range(7)]
        found = explain_video(
            cam, frames, targets=0, original_frames=pictures, cmap="viridis", alpha=0.3
        )
        for picture, heat, frame in zip(pictures, found.maps, found.frames, strict=True):
            np.testing.assert_array_equal(frame, overlay(picture, heat, "viridis", 0.3))
        array = explain_video(
            cam, frames, targets=0, original_frames=np.stack(pictures), cmap="viridis", alpha=0.3
        )
        np.testing.assert_array_equal(array.frames, found.frames)

    @pytest.mark.parametrize("channels", [1, 3])
    def test_without_pictures_all_frames_are_stretched_alike(self, channels):
        frames = torch.linspace(-2, 2, 4)[:, None, None, None].expand(4, channels, 6, 6)
        parts = [nn.Conv2d(channels, 2, 1), nn.Sigmoid(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        model = nn.Sequential(*parts, nn.Linear(2, 2)).eval()
        with torch.no_grad():
            model[-1].weight.fill_(1)
        found = explain_video(GradCAM(model, "1"), frames.clone(), targets=0, alpha=0)
        grey = [0, 85, 170, 255]
        np.testing.assert_array_equal(found.frames[:, 0, 0, 0], grey)

    def test_a_map_of_its_own_frame_only(self, cam, frames):
        """No frame's map is changed by its neighbours, but for the one scale."""
        found = explain_video(cam, frames, targets=0)
        turned = explain_video(cam, frames.flip(0), targets=0)
        torch.testing.assert_close(turned.maps.flip(0), found.maps)


class TestZeros:
    def test_some_dark_frames_are_no_cause_for_a_warning(self, cam, frames):
        cam.model.conv.bias.data.zero_()
        frames[2] = 0
        found = explain_video(cam, frames, targets=0)
        assert found.strength[2] == 0
        assert not found.maps[2].any()

    def test_a_dark_video_is(self, cam, frames):
        with torch.no_grad():
            cam.model.head.weight.neg_()
        with pytest.warns(ZeroMapWarning, match=r"class 1 \(dog\) at layer 'after'") as caught:
            found = explain_video(cam, frames, targets=1, batch_size=2)
        assert len(caught) == 1
        assert caught[0].filename == __file__
        assert not found.maps.any()
        found.plot()


class TestFiles:
    @pytest.mark.parametrize("suffix", ["webp", "mp4", "gif"])
    def test_written_as_asked(self, cam, frames, tmp_path, suffix):
        if suffix == "mp4":
            pytest.importorskip("av")
        path = tmp_path / f"film.{suffix}"
        found = explain_video(cam, frames, path, 1, fps=5)
        data = path.read_bytes()
        assert found.save(tmp_path / f"again.{suffix}").read_bytes() == data

    def test_a_wrong_name_is_told_before_the_model_runs(self, cam, frames, tmp_path, monkeypatch):
        monkeypatch.setattr(cam.model, "forward", lambda x: pytest.fail("the model ran"))
        with pytest.raises(InputError, match=r"\.mp4, \.webp, \.gif"):
            explain_video(cam, frames, tmp_path / "film.avi", 1)
        monkeypatch.setitem(sys.modules, "av", None)
        with pytest.raises(InputError, match="needs PyAV"):
            explain_video(cam, frames, tmp_path / "film.mp4", 1)
        for options in ({"fps": 0}, {"alpha": 2}, {"cmap": "virridis"}):
            with pytest.raises(InputError):
                explain_video(cam, frames, targets=1, **options)

    def test_an_exception_leaves_the_old_file_and_no_hook(self, cam, frames, tmp_path):
        path = tmp_path / "film.webp"
        path.write_bytes(b"old")

        def target(logits):
            raise RuntimeError("no")

        with pytest.raises(RuntimeError, match="no"):
            explain_video(cam, frames, path, target)
        cam.model.after.register_forward_hook(lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            explain_video(cam, frames, path, 1)
        assert [p.name for p in tmp_path.iterdir()] == ["film.webp"]
        assert path.read_bytes() == b"old"
        assert not cam.model._forward_hooks

    @pytest.mark.parametrize("with_av", [True, False])
    def test_the_view_names_the_class_and_escapes_it(self, cam, frames, with_av, monkeypatch):
        if with_av:
            pytest.importorskip("av")
        else:
            monkeypatch.setitem(sys.modules, "av", None)
        view = explain_video(cam, frames, targets=0)._repr_html_()
        assert "<b>" not in view
        assert "autoplay" not in view
        text = "Heat map over time for &lt;b&gt;cat&lt;/b&gt;: 7 frames at 10 a second."
        assert f'{"aria-label" if with_av else "alt"}="{text}"' in view


def test_the_figure_tells_the_numbers(cam, frames):
    found = explain_video(cam, frames, targets="dog", fps=2)
    figure = found.plot(columns=3)
    likely, strong = figure.axes[-1].lines
    np.testing.assert_allclose(likely.get_xdata(), np.arange(7) / 2)
    np.testing.assert_allclose(likely.get_ydata(), found.probabilities)
    np.testing.assert_allclose(strong.get_ydata(), np.array(found.strength) / max(found.strength))
    assert likely.get_label() == "probability of dog"
    assert [ax.get_title().split("\n")[0] for ax in figure.axes[:3]] == ["0.0 s", "1.5 s", "3.0 s"]
    assert f"{found.probabilities[3]:.0%}" in figure.axes[1].get_title()
    assert "at 0.0 s 100% of the largest maximum" in figure.get_label()
    with pytest.raises(InputError, match="0 columns"):
        found.plot(columns=0)
    plt.close("all")
    assert repr(found) == "VideoMaps('dog', maps (7, 9, 12), fps=2)"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"frames": torch.rand(3, 9, 12)}, InputError, r"frames are \(3, 9, 12\)"),
        ({"frames": [torch.rand(3, 9, 12)]}, InputError, r"frames are list.*torch\.stack"),
        ({"frames": torch.rand(0, 3, 9, 12)}, InputError, r"\(0, 3, 9, 12\)"),
        ({"frames": torch.rand(2, 3, 4, 9, 12)}, InputError, "There are 2 clips"),
        ({"batch_size": 0}, InputError, "batch_size is 0"),
        ({"normalize": True}, InputError, "normalize True"),
        ({"original_frames": [np.zeros((9, 12, 3), np.uint8)]}, InputError, "1 pictures for 7"),
        ({"targets": [0, 1]}, TargetError, "There are 2 targets"),
        ({"targets": 3}, TargetError, "Class 3 is out of range"),
        ({"targets": ClassProbability([0] * 7)}, TargetError, "There are 7 targets, but a video"),
        ({"targets": BinaryScore([True] * 7)}, TargetError, "There are 7 targets, but a video"),
        ({"targets": BinaryScore()}, TargetError, "is for one logit an image"),
        ({"targets": "cot"}, TargetError, "no class 'cot'"),
    ],
)
def test_wrong_input(cam, frames, change, error, message):
    with pytest.raises(error, match=message):
        explain_video(cam, **{"frames": frames, **change})


def test_a_frame_with_nan_is_counted_over_the_whole_video(cam, frames):
    frames[5, 0, 0, 0] = torch.nan
    with pytest.raises(InputError, match=r"Frame 5 has NaN or infinite values \(1 of 7"):
        explain_video(cam, frames, batch_size=2)


def test_inside_inference_mode(cam, frames):
    outside = explain_video(cam, frames)
    with torch.inference_mode():
        inside = explain_video(cam, frames)
    torch.testing.assert_close(inside.maps, outside.maps)
