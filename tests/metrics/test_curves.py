import pytest
import torch

from interpviz.metrics import Curve


def test_the_area_is_the_mean_height_whatever_the_scale():
    level = torch.tensor([[0.25] * 3, [-2.0] * 3])
    for fractions in ([0.0, 0.5, 1.0], [0.0, 0.1, 0.3], [0.2, 0.3, 0.9]):
        curve = Curve(torch.tensor(fractions), level)
        torch.testing.assert_close(curve.area, level[:, 0])
    assert curve.mean == pytest.approx(-0.875)


def test_uneven_steps_count_by_their_width():
    curve = Curve(torch.tensor([0.0, 0.1, 0.5]), torch.tensor([[1.0, 1.0, 0.0]]))
    assert curve.area.item() == pytest.approx((0.1 * 1 + 0.4 * 0.5) / 0.5)


def test_a_curve_cannot_be_changed():
    curve = Curve(torch.tensor([0.0, 1.0]), torch.rand(1, 2))
    with pytest.raises(AttributeError):
        curve.name = "another"
