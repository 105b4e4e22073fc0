"""Several layers, smoothing, scale and sign: each option against what it is said to do."""

import pytest
import torch
import torchvision
from torch import nn

from interpviz.cam import EigenCAM, EigenGradCAM, GradCAM, HiResCAM, methods
from interpviz.cam.registry import get_method
from interpviz.cam.targets.kinds import OnOutput
from interpviz.cam.targets.regions import BoxScore, MaskScore
from interpviz.cam.targets.scores import ClassScore
from interpviz.cam.targets.similarity import Similarity
from interpviz.errors import InputError, TargetError, ZeroMapWarning


@pytest.fixture
def two_layers(pooled_linear):
    return pooled_linear(channels=8, after=nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)))


def by_hand(maps, how):
    return {"mean": sum(maps) / 2, "max": torch.maximum(*maps), "product": maps[0] * maps[1]}[how]


@pytest.mark.parametrize("how", ["mean", "max", "product"])
@pytest.mark.parametrize("scale", [True, False, "batch"])
def test_layers_are_fused_each_on_the_scale_asked_for(two_layers, images, how, scale):
    names = ["conv", "after"]
    single = [GradCAM(two_layers, n)(images, 1, normalize=scale) for n in names]
    fused = GradCAM(two_layers, names, fuse=how)(images, 1, normalize=scale)
    expected = by_hand(single, how)
    if scale is True:
        expected = expected / expected.flatten(1).amax(1)[:, None, None]
    elif scale == "batch":
        expected = expected / expected.max()
    assert expected.max() > 0
    torch.testing.assert_close(fused, expected)


def test_one_scale_for_a_batch_keeps_the_weak_map_weak(two_layers, images):
    cam = GradCAM(two_layers, "conv")
    raw = cam(images, 1, normalize=False)
    shared = cam(images, 1, normalize="batch")
    torch.testing.assert_close(shared, raw / raw.max())
    assert shared.flatten(1).amax(1).max() == 1
    assert shared.flatten(1).amax(1).min() < 1


def test_signed_maps_keep_what_speaks_against_the_class(two_layers, images):
    signed = GradCAM(two_layers, "conv", signed=True)
    raw = signed(images, 1, normalize=False)
    torch.testing.assert_close(raw.relu(), GradCAM(two_layers, "conv")(images, 1, normalize=False))
    opposite = signed(images, lambda logits: -logits[:, 1], normalize=False)
    torch.testing.assert_close(raw, -opposite)
    scaled = signed(images, 1)
    assert scaled.min() < 0
    assert scaled.flatten(1).abs().amax(1).tolist() == pytest.approx([1, 1, 1])


def test_signed_maps_are_drawn_white_at_zero(two_layers, images):
    picture = signed_picture = None
    cam = GradCAM(two_layers, "conv", signed=True)
    picture = cam.visualize_cam(images[0], 1, torch.zeros(8, 8, 3), alpha=1.0)
    values = cam(images[:1], 1)[0]
    reddest, bluest = values.argmax(), values.argmin()
    signed_picture = picture.reshape(-1, 3).astype(int)
    assert signed_picture[reddest][0] > signed_picture[reddest][2]
    assert signed_picture[bluest][2] > signed_picture[bluest][0]
    figure = cam.plot_classes(images[0], [0, 1])
    assert figure.axes[1].images[-1].get_clim() == (-1, 1)


def test_eigen_smoothing_of_the_products_is_eigen_grad_cam(two_layers, images):
    smooth = HiResCAM(two_layers, "conv", eigen_smooth=True)(images, 1)
    torch.testing.assert_close(smooth, EigenGradCAM(two_layers, "conv")(images, 1))


def test_eigen_smoothing_projects_the_weighed_channels(two_layers, images):
    with torch.no_grad():
        activation = two_layers.conv(images)
    cam = GradCAM(two_layers, "conv", eigen_smooth=True, signed=True)
    found = cam(images, 1, normalize=False).double()
    score = two_layers(images)[:, 1].sum()
    plain = GradCAM(two_layers, "conv", signed=True)(images, 1, normalize=False)
    assert not torch.allclose(found.float(), plain)
    # A projection on one direction: the products of each image lie on it up to their rest.
    for image in range(3):
        leaf = activation[image : image + 1].clone().requires_grad_()
        score = two_layers.head(two_layers.pool(two_layers.after(leaf)).flatten(1))[0, 1]
        [gradient] = torch.autograd.grad(score, leaf)
        products = (gradient.mean((2, 3))[..., None, None] * leaf).detach()[0].double()
        positions = products.flatten(1).T
        _, values, _ = torch.linalg.svd(positions - positions.mean(0), full_matrices=False)
        torch.testing.assert_close(found[image].norm(), values[0], rtol=1e-4, atol=1e-6)


def test_augmenting_is_the_mean_over_six_copies(two_layers, images):
    plain = GradCAM(two_layers, "conv")
    copies = []
    for gain in (1.0, 0.9, 1.1):
        copies.append(plain(images * gain, 1, normalize=False))
        copies.append(plain(images.flip(-1) * gain, 1, normalize=False).flip(-1))
    expected = sum(copies) / 6
    found = GradCAM(two_layers, "conv", augment=True)(images, 1, normalize=False)
    torch.testing.assert_close(found, expected)


def test_augmenting_explains_the_class_that_the_image_itself_is_given(pooled_linear):
    class Left(nn.Module):
        """Class 0 for what is bright on the left, class 1 on the right."""

        def __init__(self):
            super().__init__()
            self.layer = nn.Identity()

        def forward(self, x):
            x = self.layer(x)
            return torch.stack([x[..., :4].mean((1, 2, 3)), x[..., 4:].mean((1, 2, 3))], 1)

    image = torch.zeros(1, 3, 8, 8)
    image[..., :4] = 1
    cam = HiResCAM(Left(), "layer", augment=True)
    torch.testing.assert_close(cam(image), cam(image, 0))


def test_augmenting_symmetric_maps(two_layers, images):
    found = GradCAM(two_layers, "conv", augment=True).class_maps(images[0], [0, 1, 2])
    expected = GradCAM(two_layers, "conv", augment=True)(images[:1], 2)
    torch.testing.assert_close(found.maps[2:], expected)


def test_a_product_of_signed_maps_is_refused(two_layers):
    with pytest.raises(InputError, match="product of two negative values"):
        GradCAM(two_layers, ["conv", "after"], fuse="product", signed=True)


class PixelNet(nn.Module):
    """A segmentation of three classes at half the size."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Sequential(nn.Conv2d(3, 5, 5, stride=2, padding=2), nn.Tanh())
        self.head = nn.Conv2d(5, 3, 3, padding=1)

    def forward(self, x):
        return {"out": self.head(self.layer(x))}


class BoxNet(nn.Module):
    """One box an image, around the column where most of the layer's values are."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, x):
        found = []
        for image in self.layer(x).sigmoid() ** 4:
            mass = image.sum((0, 1))
            place = torch.arange(0.5, len(mass)).to(mass)
            middle = (mass * place).sum() / mass.sum()
            box = torch.stack([middle - 2, middle * 0 + 1, middle + 2, middle * 0 + 5])
            score = image[0].mean()[None]
            found.append({"boxes": box[None], "labels": torch.tensor([1]), "scores": score})
        return found


def copies_by_hand(cam, images, target, turned):
    maps = []
    for gain in (1.0, 0.9, 1.1):
        maps.append(cam(images * gain, target, normalize=False))
        maps.append(cam(images.flip(-1) * gain, turned, normalize=False).flip(-1))
    return sum(maps) / 6


LEFT = torch.zeros(4, 4)
LEFT[1:, :1] = 1
OTHER = torch.zeros(4, 4)
OTHER[:2, 2:] = 1


@pytest.mark.parametrize(
    ("target", "turned"),
    [
        (MaskScore(1, LEFT), MaskScore(1, LEFT.flip(-1))),
        (
            MaskScore([1, 2], torch.stack([LEFT, OTHER])),
            MaskScore([1, 2], torch.stack([LEFT, OTHER]).flip(-1)),
        ),
        (
            [MaskScore(0, LEFT), MaskScore(2, OTHER)],
            [MaskScore(0, LEFT.flip(-1)), MaskScore(2, OTHER.flip(-1))],
        ),
    ],
)
def test_augmenting_mirrors_the_mask_with_the_images(target, turned):
    torch.manual_seed(0)
    images = torch.rand(2, 3, 8, 8)
    cam = HiResCAM(PixelNet().eval(), "layer", signed=True)
    expected = copies_by_hand(cam, images, target, turned)
    found = HiResCAM(cam.model, "layer", signed=True, augment=True)(images, target, normalize=False)
    torch.testing.assert_close(found, expected)
    wrong = copies_by_hand(cam, images, target, target)
    assert (wrong - expected).abs().max() > 0.01 * expected.abs().max()


@pytest.mark.parametrize("listed", [False, True])
def test_augmenting_mirrors_the_box_with_the_images(listed):
    torch.manual_seed(0)
    images = torch.rand(2, 3, 8, 10)
    model = BoxNet().eval()
    cam = HiResCAM(model, "layer", signed=True)
    target, turned = BoxScore((1, 1, 7, 4), 1, iou=0.1), BoxScore((3, 1, 9, 4), 1, iou=0.1)
    expected = copies_by_hand(cam, images, target, turned)
    found = HiResCAM(model, "layer", signed=True, augment=True)(
        images, [target] * 2 if listed else target, normalize=False
    )
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(copies_by_hand(cam, images, target, target), expected)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (lambda z: z[:, 1, :, :2].mean((1, 2)), r"function of an output of shape \(2, 3, 4, 4\)"),
        (OnOutput(lambda o: o["out"][:, 1].mean((1, 2))), "OnOutput reads the model's whole"),
        ([MaskScore(0, LEFT), lambda z: z[:, 1].mean((1, 2))], r"shape \(2, 3, 4, 4\)"),
    ],
)
def test_augmenting_refuses_what_may_depend_on_a_place(target, message):
    images = torch.rand(2, 3, 8, 8)
    model = PixelNet().eval()
    with pytest.raises(TargetError, match=f"augment mirrors the images, but .*{message}"):
        GradCAM(model, "layer", augment=True)(images, target)
    assert GradCAM(model, "layer", signed=True)(images, target).abs().amax() == 1


def test_augmenting_leaves_what_has_no_place_as_it_is(two_layers, images):
    names = ["zero", "one", "two"]
    cam = GradCAM(two_layers, "conv", signed=True, augment=True, categories=names)
    expected = cam(images, 1)
    for target in (lambda z: z[:, 1], [1, lambda z: z[:, 1], ClassScore("one")]):
        torch.testing.assert_close(cam(images, target), expected)
    assert cam(images, Similarity(torch.tensor([1.0, 2.0, 3.0]))).abs().amax() == 1


@pytest.mark.parametrize("method", [GradCAM, EigenCAM])
def test_augmenting_runs_the_model_six_times(two_layers, images, method):
    calls = []
    handle = two_layers.register_forward_hook(lambda *_: calls.append(1))
    method(two_layers, "conv", augment=True)(images, None if method is EigenCAM else 1)
    handle.remove()
    assert len(calls) == 6


@pytest.mark.parametrize("normalize", ["image", "set", 2, None, torch.ones(2)])
def test_a_scale_that_does_not_exist(two_layers, images, normalize):
    with pytest.raises(InputError, match=r"normalize is .*'batch'"):
        GradCAM(two_layers, "conv")(images, 1, normalize=normalize)


def test_a_fusion_that_does_not_exist(two_layers):
    with pytest.raises(InputError, match=r"fused by 'maximum'.*'max'.*mean, max, product"):
        GradCAM(two_layers, fuse="maximum")


@pytest.mark.parametrize("name", methods())
@pytest.mark.filterwarnings("ignore::interpviz.errors.ZeroMapWarning")
def test_every_method_makes_maps_over_time(name):
    """A network for films, whose maps are as long as the film."""
    model = nn.Sequential(
        nn.Conv3d(3, 6, 3, stride=(2, 2, 2), padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    ).eval()
    if not get_method(name).explains(model):
        pytest.skip("not for networks without attention")
    clips = torch.rand(2, 3, 4, 16, 16)
    cam = get_method(name)(model, "1")
    maps = cam(clips, 1)
    assert maps.shape == (2, 4, 16, 16)
    assert maps.isfinite().all()
    single = torch.cat([cam(clip[None], 1) for clip in clips])
    if name != "randomcam":
        torch.testing.assert_close(maps, single, atol=1e-5, rtol=1e-5)


def test_maps_over_time_follow_what_moves():
    model = nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(1, 2))
    with torch.no_grad():
        model[3].weight.fill_(1.0)
    clip = torch.zeros(1, 1, 4, 4, 4)
    for t in range(4):
        clip[0, 0, t, t, t] = 1
    found = GradCAM(model, "0")(clip, 0)
    torch.testing.assert_close(found, clip[:, 0])


def test_films_of_torchvision_networks():
    model = torchvision.models.video.r3d_18(weights=None, num_classes=4).eval()
    with torch.no_grad():
        model.fc.weight.abs_()
    maps = GradCAM(model)(torch.rand(1, 3, 4, 32, 32), 1)
    assert maps.shape == (1, 4, 32, 32)
    assert maps.max() == 1


def test_a_zero_map_of_a_signed_method_still_warns(pooled_linear, images):
    model = pooled_linear()
    with torch.no_grad():
        model.head.weight.zero_()
    with pytest.warns(ZeroMapWarning, match="class 1 at layer 'conv'"):
        GradCAM(model, "conv", signed=True)(images, 1)
