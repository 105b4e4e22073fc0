import numpy as np
import pytest
import torch

from interpviz.errors import InputError
from interpviz.metrics import energy_inside, iou, pointing_game

MEASURES = [pointing_game, energy_inside, iou]


def slow_hit(heat, mask):
    peak = heat == heat.max()
    return (peak & mask).sum() / peak.sum()


def slow_energy(heat, mask):
    total = heat.clip(0).sum()
    return heat.clip(0)[mask].sum() / total if total > 0 else 0.0


def slow_iou(heat, mask):
    bright = (heat >= 0.5 * heat.max()) & (heat.max() > 0)
    return (bright & mask).sum() / (bright | mask).sum()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_values_are_those_of_slow_loops(dtype):
    maps = (torch.rand(20, 9, 13) - 0.3).to(dtype)
    maps[0] = 0
    maps[1] = -1
    masks = torch.rand(20, 9, 13) < 0.3
    for measure, slow in zip(MEASURES, [slow_hit, slow_energy, slow_iou], strict=True):
        found = measure(maps, masks)
        assert found.dtype == torch.float32
        pairs = zip(maps.double().numpy(), masks.numpy(), strict=True)
        np.testing.assert_allclose(found, [slow(*pair) for pair in pairs], atol=1e-6)


def test_boxes_are_masks_of_the_pixels_whose_centre_they_hold():
    maps = torch.rand(3, 6, 8)
    boxes = torch.tensor([[1.0, 2, 4, 5], [0, 0, 8, 6], [2.6, 1.4, 3.6, 9]])
    masks = torch.zeros(3, 6, 8, dtype=torch.bool)
    masks[0, 2:5, 1:4] = True
    masks[1] = True
    masks[2, 1:, 3] = True
    for measure in MEASURES:
        torch.testing.assert_close(measure(maps, boxes), measure(maps, masks))
        torch.testing.assert_close(measure(maps[:2], boxes[:2].int()), measure(maps, masks)[:2])


@pytest.mark.parametrize("measure", MEASURES)
def test_a_map_that_is_the_region_is_right_and_its_opposite_wrong(measure):
    masks = torch.zeros(2, 8, 8, dtype=torch.bool)
    masks[0, 2:5, 3:7] = masks[1, 0, 0] = True
    assert measure(masks.float(), masks).tolist() == [1, 1]
    assert measure((~masks).float(), masks).tolist() == [0, 0]


def test_a_flat_map_gets_what_a_blind_guess_would():
    masks = torch.zeros(1, 8, 8, dtype=torch.bool)
    masks[0, :4, :4] = True
    for flat in (torch.ones(1, 8, 8), torch.full((1, 8, 8), 1e-38)):
        assert pointing_game(flat, masks).item() == 0.25
        assert energy_inside(flat, masks).item() == pytest.approx(0.25)
    assert pointing_game(torch.zeros(1, 8, 8), masks).item() == 0.25
    assert energy_inside(torch.zeros(1, 8, 8), masks).item() == 0


def test_tolerance_is_a_distance_in_pixels():
    heat, mask = torch.zeros(1, 20, 20), torch.zeros(1, 20, 20, dtype=torch.bool)
    heat[0, 10, 10] = 1
    mask[0, 13, 14] = True
    hits = [pointing_game(heat, mask, tolerance=t).item() for t in range(7)]
    assert hits == [0, 0, 0, 0, 0, 1, 1]


def test_the_threshold_is_a_share_of_the_maximum():
    heat = torch.tensor([[[0.0, 2.0], [5.0, 10.0]]])
    mask = torch.tensor([[[False, True], [False, True]]])
    found = [iou(heat, mask, threshold=t).item() for t in (0.1, 0.2, 0.21, 0.6, 1.0)]
    assert found == pytest.approx([2 / 3, 2 / 3, 1 / 3, 1 / 2, 1 / 2])


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("regions", "message"),
    [
        (torch.ones(2, 8, 8), "boolean masks"),
        (torch.ones(3, 8, 8, dtype=torch.bool), "boolean masks"),
        (torch.zeros(2, 8, 8, dtype=torch.bool), "Region 0"),
        (torch.tensor([[0, 0, 4, 4], [3, 3, 3, 5]]), "Region 1"),
        (torch.tensor([[0, 0, 4, 4], [9, 9, 12, 12]]), "Region 1"),
        (torch.ones(2, 5), "boxes"),
        (None, "boxes"),
        ("everywhere", "boxes"),
        ([[0, 0, 4, 4], [0, 0, 4]], "boxes"),
    ],
)
def test_regions_that_do_not_fit_are_refused(measure, regions, message):
    with pytest.raises(InputError, match=message):
        measure(torch.rand(2, 8, 8), regions)


@pytest.mark.parametrize("threshold", [0, 1.5, -1, True, "half"])
def test_thresholds_out_of_range_are_refused(threshold):
    with pytest.raises(InputError, match="threshold"):
        iou(torch.rand(1, 8, 8), torch.ones(1, 8, 8, dtype=torch.bool), threshold=threshold)


def test_a_negative_tolerance_is_refused():
    with pytest.raises(InputError, match="tolerance"):
        pointing_game(torch.rand(1, 8, 8), torch.tensor([[0, 0, 4, 4]]), tolerance=-1)
