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


def test_a_device_without_float64_is_asked_for_none(monkeypatch):
    from torch.utils._python_dispatch import TorchDispatchMode

    from interpviz.metrics import spread

    class NoFloat64(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            assert torch.float64 not in (*args, *(kwargs or {}).values())
            return function(*args, **(kwargs or {}))

    maps = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(1))
    expected, asked = half_mass_area(maps), []
    with NoFloat64(), pytest.raises(AssertionError):
        half_mass_area(maps)

    def as_float64(values):
        asked.append(values.dtype)
        return values.float()

    monkeypatch.setattr(spread, "as_float64", as_float64)
    torch.testing.assert_close(half_mass_area(maps), expected)
    assert asked == [torch.int64] * len(asked) != []
