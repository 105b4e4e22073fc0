import pytest
import torch

from interpviz.errors import InputError
from interpviz.metrics import average_drop, increase_in_confidence


def test_drop_and_increase_are_those_of_a_slow_loop(model, images, maps):
    drop = average_drop(model, images, maps, batch_size=2)
    rise = increase_in_confidence(model, images, maps, batch_size=2)
    model = model.double()
    for i, image in enumerate(images.double()):
        with torch.no_grad():
            before = model(image[None])[0].softmax(0)
            after = model((image * maps[i].double())[None])[0].softmax(0)
        y, o = float(before.max()), float(after[before.argmax()])
        assert float(drop[i]) == pytest.approx(max(0, y - o) / y, abs=1e-5)
        assert float(rise[i]) == (o > y)


def test_a_map_of_ones_loses_nothing_and_one_of_zeros_shows_the_baseline(model, images):
    ones, zeros = torch.ones(3, 8, 8), torch.zeros(3, 8, 8)
    assert average_drop(model, images, ones, 1).tolist() == pytest.approx([0] * 3, abs=1e-6)
    assert increase_in_confidence(model, images, ones, 1).tolist() == [0] * 3
    blank = torch.full_like(images, 0.25)
    before, after = (model(x).softmax(1)[:, 1] for x in (images, blank))
    expected = ((before - after) / before).clamp_min(0)
    found = average_drop(model, images, zeros, 1, baseline=0.25)
    torch.testing.assert_close(found, expected.detach(), atol=1e-5, rtol=0)


def test_a_rise_and_a_fall_by_hand(make_model):
    model = make_model("linear", side=2, classes=2)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
        model.head.weight[0, 0] = 1.0  # the first red value speaks for class 0 ...
        model.head.weight[0, 3] = -1.0  # ... and the last one against it
    image = torch.ones(1, 3, 2, 2)
    helpful, harmful = torch.zeros(2, 1, 2, 2)
    helpful[0, 0, 0], harmful[0, 1, 1] = 1.0, 1.0
    assert increase_in_confidence(model, image, helpful, 0).item() == 1
    assert average_drop(model, image, helpful, 0).item() == 0
    assert increase_in_confidence(model, image, harmful, 0).item() == 0
    half, low = 0.5, 1 / (1 + torch.e)
    assert average_drop(model, image, harmful, 0).item() == pytest.approx((half - low) / half)


def test_maps_outside_of_0_to_1_and_scores_below_0_are_refused(make_model, images, maps):
    with pytest.raises(InputError, match="0, 1"):
        average_drop(make_model(), images, maps * 2)
    with pytest.raises(InputError, match="0, 1"):
        increase_in_confidence(make_model(), images, -maps)
    with pytest.raises(InputError, match="positive"):
        average_drop(make_model(), images, maps, lambda logits: logits[:, 0] * 0 - 1)
