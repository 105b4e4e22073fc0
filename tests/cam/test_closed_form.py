"""Networks small enough to work their maps out by hand."""

import pytest
import torch
from torch import nn

from interpviz.cam import GradCAM, GradCAMPlusPlus

# Two channels of four positions, and a class score that is w . mean(A) for w = (2, -1).
A = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 8.0], [0.0, 0.0]]])[None]
W = torch.tensor([[2.0, -1.0], [-4.0, 4.0]])


class Given(nn.Module):
    """Returns the picture itself as activations, then pools and weighs it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Identity()

    def forward(self, x):
        return self.layer(x).mean((2, 3)) @ W.T


def test_grad_cam_is_the_channels_weighted_by_the_mean_gradient():
    # Every gradient is w / 4, so the map is relu(0.5 A0 - 0.25 A1).
    expected = torch.tensor([[0.5, 0.0], [1.5, 2.0]])
    found = GradCAM(Given(), "layer")(A, 0, normalize=False)
    torch.testing.assert_close(found[0], expected)


def test_normalising_divides_by_the_maximum():
    found = GradCAM(Given(), "layer")(A, 0)
    torch.testing.assert_close(found[0], torch.tensor([[0.25, 0.0], [0.75, 1.0]]))


def test_grad_cam_plus_plus_weighs_each_position():
    # Class 0: g = (0.5, -0.25), S = (10, 8). The second channel's gradient is below zero, so its
    # weight is 0; the first one's is 4 * 0.5 / (2 + 10 * 0.5) = 2 / 7.
    found = GradCAMPlusPlus(Given(), "layer")(A, 0, normalize=False)
    torch.testing.assert_close(found[0], A[0, 0] * 2 / 7)
    # Class 1: g = (-1, 1); the second channel's weight is 4 * 1 / (2 + 8 * 1) = 0.4.
    found = GradCAMPlusPlus(Given(), "layer")(A, 1, normalize=False)
    torch.testing.assert_close(found[0], A[0, 1] * 0.4)


def test_the_map_is_enlarged_bilinearly(pooled_linear):
    network = pooled_linear(after=nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)))
    image = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        activation = network.after(network.conv(image))
    small = torch.einsum("c,nchw->nhw", network.head.weight[1] / 16, activation).relu()
    expected = nn.functional.interpolate(small[:, None], size=(8, 8), mode="bilinear")[:, 0]
    found = GradCAM(network, "after")(image, 1, normalize=False)
    torch.testing.assert_close(found, expected.detach())


def test_near_zero_denominators_are_held_at_a_tenth():
    # S = -3.9999 and g = 0.5 make 2 + S g = 0.00005, which is held at 0.1: 4 * 0.5 / 0.1 = 20.
    activation = torch.full((1, 2, 2, 2), 0.0)
    activation[0, 0] = torch.tensor([[-4.0, 0.0001], [0.0, 0.0]])
    found = GradCAMPlusPlus(Given(), "layer")(activation, 0, normalize=False)
    torch.testing.assert_close(found[0], (20 * activation[0, 0]).relu())
    # Just below zero the sign stays: -0.00005 becomes -0.1, and the positive part turns around.
    activation[0, 0] = torch.tensor([[-4.0001, 0.0], [0.0, 0.0]])
    found = GradCAMPlusPlus(Given(), "layer")(activation, 0, normalize=False)
    torch.testing.assert_close(found[0], (-20 * activation[0, 0]).relu())


@pytest.mark.parametrize("method", [GradCAM, GradCAMPlusPlus])
@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1.0, 1e12])
def test_a_faint_map_does_not_vanish(method, scale):
    class Scaled(Given):
        def forward(self, x):
            return super().forward(x) * scale

    found = method(Scaled(), "layer")(A, 0)
    assert found.max() == 1
    assert found.isfinite().all()
