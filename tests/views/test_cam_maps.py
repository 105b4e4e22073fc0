"""Maps in 8 bits, and the grids behind enlarged ones, against plain definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interpviz.render.images import resize
from interpviz.render.views.cam_maps import (
    _misfit,
    encode,
    enlarging_matrix,
    own_grid,
    steps_of,
)

RANDOM = np.random.default_rng(0)


@given(arrays(float, (2, 3, 4), elements=st.floats(0, 1e6, width=32)), st.floats(1e-9, 1))
def test_values_are_off_by_half_a_step(values, size):
    maps = values * size
    steps = steps_of(maps, signed=False)
    decoded = encode(maps, steps, signed=False) * np.reshape(steps, (2, 1, 1))
    tops = maps.max((1, 2), keepdims=True)
    assert (np.abs(decoded - maps) <= tops / 510 * (1 + 1e-6)).all()


@given(arrays(float, (2, 3, 4), elements=st.floats(-1e6, 1e6, width=32)))
def test_signed_values_are_off_by_half_a_step(maps):
    steps = steps_of(maps, signed=True)
    codes = encode(maps, steps, signed=True)
    decoded = (codes.astype(float) - 128) * np.reshape(steps, (2, 1, 1))
    tops = np.abs(maps).max((1, 2), keepdims=True)
    assert (np.abs(decoded - maps) <= tops / 254 * (1 + 1e-6)).all()
    assert (codes[maps == 0] == 128).all()


@pytest.mark.parametrize(("cells", "pixels"), [(7, 224), (5, 31), (3, 3), (1, 4)])
def test_rows_are_enlarged_as_everywhere_else(cells, pixels):
    row = RANDOM.uniform(size=(1, cells))
    assert enlarging_matrix(cells, pixels) @ row[0] == pytest.approx(resize(row, 1, pixels)[0])


@pytest.mark.parametrize(
    ("grid", "size"), [((7, 7), (224, 224)), ((7, 9), (200, 331)), ((14, 14), (224, 224))]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_grid_behind_an_enlarged_map_is_found_again(grid, size, dtype):
    torch = pytest.importorskip("torch")
    maps = RANDOM.normal(size=(2, *grid)).clip(0) * [[[1.0]], [[1e-4]]]
    large = torch.nn.functional.interpolate(
        torch.from_numpy(maps.astype(dtype))[None], size, mode="bilinear", align_corners=False
    )[0]
    found = own_grid(large.double().numpy())
    assert found.shape == maps.shape
    tops = maps.max((1, 2), keepdims=True)
    assert (np.abs(found - maps) <= 3e-5 * tops).all()
    assert (found >= 0).all()


def test_maps_that_were_not_enlarged_stay():
    for maps in (
        RANDOM.uniform(size=(2, 80, 80)),
        RANDOM.uniform(size=(1, 20, 20)),
        # Two layers fused.
        resize(RANDOM.uniform(size=(7, 7)), 112, 112)[None]
        * resize(RANDOM.uniform(size=(14, 14)), 112, 112),
    ):
        assert own_grid(maps) is maps


def test_large_smooth_maps_that_were_not_enlarged_stay():
    x, y = np.meshgrid(*[np.linspace(-1, 1, 1500)] * 2)
    maps = np.exp(-(x**2 + y**2))[None]
    assert own_grid(maps) is maps


@pytest.mark.parametrize(("cells", "pixels"), [(7, 224), (30, 61), (2, 100)])
def test_a_misfit_is_that_of_least_squares(cells, pixels):
    lines = RANDOM.uniform(size=(pixels, 2))
    matrix = enlarging_matrix(cells, pixels)
    found = np.linalg.lstsq(matrix, lines, rcond=None)[0]
    assert _misfit(lines, cells) == pytest.approx(np.abs(matrix @ found - lines), abs=1e-10)


def test_empty_maps_need_the_fewest_cells():
    assert own_grid(np.zeros((1, 100, 100))).shape == (1, 2, 2)
