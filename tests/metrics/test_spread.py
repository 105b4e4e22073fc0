import pytest
import torch

from interpviz.metrics.spread import half_mass_area


def by_sorting(heat: torch.Tensor) -> float:
    """Pixels from the brightest down, the last one in part."""
    values = sorted(heat.clamp_min(0).double().flatten().tolist(), reverse=True)
    left, pixels = sum(values) / 2, 0.0
    for value in values:
        if left <= value:
            return (pixels + left / value) / len(values)
        left, pixels = left - value, pixels + 1
    raise AssertionError


@pytest.mark.parametrize("power", [0.2, 1, 4, 20])
def test_it_is_what_sorting_gives(power):
    maps = torch.rand(3, 16, 24, generator=torch.Generator().manual_seed(0)) ** power
    expected = torch.tensor([by_sorting(heat) for heat in maps])
    torch.testing.assert_close(half_mass_area(maps), expected, rtol=0, atol=0.01)


def test_closed_forms():
    point, half = torch.zeros(10, 10), torch.zeros(10, 10)
    point[3, 4] = 7
    half[:5] = 0.3
    signed = half - 0.3 * half.eq(0)
    maps = torch.stack([point, half, signed, torch.ones(10, 10), torch.zeros(10, 10)])
    found = half_mass_area(maps)
    torch.testing.assert_close(found[:4], torch.tensor([0.005, 0.25, 0.25, 0.5]))
    assert found[4].isnan()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_the_scale_of_a_map_does_not_matter(scale):
    maps = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(half_mass_area(maps * scale), half_mass_area(maps))
