"""What holds for every map, of any shape and values."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from interpviz.metrics import (
    average_drop,
    deletion,
    energy_inside,
    increase_in_confidence,
    insertion,
    iou,
    pointing_game,
    road,
)
from interpviz.metrics.removal import removal_ranks

COMMON = settings(max_examples=25, deadline=None)
SIDES = st.integers(2, 9)


@st.composite
def cases(draw):
    count, height, width = draw(st.integers(1, 4)), draw(SIDES), draw(SIDES)
    values = st.floats(0, 1, width=32) | st.sampled_from([0.0, 1.0])
    maps = draw(arrays(np.float32, (count, height, width), elements=values))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    return model, torch.randn(count, 3, height, width), torch.from_numpy(maps)


@COMMON
@given(cases(), st.integers(1, 6), st.integers(1, 9))
def test_curves_have_their_shape_and_range(case, steps, batch_size):
    model, images, maps = case
    for measure in (insertion, deletion):
        curve = measure(model, images, maps, steps=steps, batch_size=batch_size)
        assert curve.scores.shape == (len(images), steps + 1)
        assert curve.fractions[0] == 0
        assert curve.fractions[-1] == 1
        for values in (curve.scores, curve.area):
            assert (values >= 0).all()
            assert (values <= 1 + 1e-6).all()
        low, high = curve.scores.amin(1), curve.scores.amax(1)
        assert ((low - 1e-6 <= curve.area) & (curve.area <= high + 1e-6)).all()


@COMMON
@given(cases())
def test_the_ends_of_a_curve_do_not_depend_on_the_map(case):
    model, images, maps = case
    probability = model(images).softmax(1).amax(1).detach()
    for measure, end in ((insertion, -1), (deletion, 0)):
        curve = measure(model, images, maps, steps=3)
        other = measure(model, images, 1 - maps, steps=3)
        torch.testing.assert_close(curve.scores[:, end], probability)
        torch.testing.assert_close(curve.scores[:, -1 - end], other.scores[:, -1 - end])


@COMMON
@given(cases(), st.integers(1, 9))
def test_other_numbers_keep_their_range(case, batch_size):
    model, images, maps = case
    drop = average_drop(model, images, maps, batch_size=batch_size)
    rise = increase_in_confidence(model, images, maps, batch_size=batch_size)
    gap = road(model, images, maps, fractions=[0.5], batch_size=batch_size).gap
    assert ((drop >= 0) & (drop <= 1)).all()
    assert set(rise.tolist()) <= {0.0, 1.0}
    assert (rise * drop == 0).all()
    assert (gap.abs() <= 1).all()


@COMMON
@given(cases())
def test_localisation_stays_in_range_and_ignores_the_scale(case):
    _, _, maps = case
    boxes = torch.tensor([[0.0, 0.0, 1.0, 2.0]] * len(maps))
    for measure in (pointing_game, energy_inside, iou):
        found = measure(maps, boxes)
        assert found.shape == (len(maps),)
        assert ((found >= 0) & (found <= 1 + 1e-6)).all()
        # Powers of two change no rounding.
        torch.testing.assert_close(measure(maps.double() * 2**20, boxes), found)


@COMMON
@given(cases(), st.integers(0, 5))
def test_ranks_are_an_order_of_all_pixels_by_value(case, seed):
    maps = case[2]
    for heat, ranks in zip(maps.flatten(1), removal_ranks(maps, seed).flatten(1), strict=True):
        assert sorted(ranks.tolist()) == list(range(len(heat)))
        ordered = heat[ranks.argsort()]
        assert (ordered[1:] <= ordered[:-1]).all()
