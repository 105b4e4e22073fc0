import cv2
import matplotlib as mpl
import numpy as np
import pytest

from interpviz.errors import InputError
from interpviz.render import colorize, overlay
from interpviz.render.overlay import get_cmap

RAMP = np.linspace(0, 1, 12).reshape(3, 4)
PHOTO = np.random.default_rng(0).integers(0, 255, (3, 4, 3), dtype=np.uint8)


def test_colours_are_those_of_the_map():
    expected = mpl.colormaps["magma"](RAMP, bytes=True)[..., :3]
    np.testing.assert_array_equal(colorize(RAMP, "magma"), expected)
    np.testing.assert_array_equal(colorize(RAMP * 4 - 2, "magma", vmin=-2, vmax=2), expected)
    np.testing.assert_array_equal(colorize(np.stack([RAMP, RAMP]), "magma")[1], expected)


@pytest.mark.parametrize("name", ["COLORMAP_JET", "COLORMAP_VIRIDIS", "COLORMAP_HOT"])
def test_opencv_maps_come_out_in_rgb(name):
    levels = np.arange(256, dtype=np.uint8)[None]
    blue_green_red = cv2.applyColorMap(levels, getattr(cv2, name))
    for cmap in (name, name.lower(), getattr(cv2, name)):
        found = colorize(levels / 255, cmap)
        np.testing.assert_array_equal(found, blue_green_red[..., ::-1])


def test_the_share_of_the_map_in_each_pixel():
    colours = colorize(RAMP, "inferno")
    np.testing.assert_array_equal(overlay(PHOTO, RAMP, alpha=0), PHOTO)
    np.testing.assert_array_equal(overlay(PHOTO, RAMP, alpha=1), colours)
    mixed = overlay(PHOTO, RAMP, alpha=0.25)
    np.testing.assert_allclose(mixed, 0.75 * PHOTO + 0.25 * colours, atol=0.51)


def test_the_map_is_resized_to_the_picture():
    assert overlay(np.zeros((30, 40, 3), np.uint8), RAMP).shape == (30, 40, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: overlay(PHOTO, RAMP, alpha=2), "alpha is 2"),
        (lambda: overlay(PHOTO, RAMP[None]), r"shape \(H, W\).*\(1, 3, 4\)"),
        (lambda: overlay(PHOTO, RAMP * 20), "runs from 0 to 20"),
        (lambda: overlay(PHOTO, RAMP * np.nan), "finite"),
        (lambda: colorize(RAMP, vmin=1, vmax=1), "vmin=1"),
        (lambda: get_cmap(True), "OpenCV has no colour map True"),
        (lambda: get_cmap("virridis"), "no colour map 'virridis'.*'viridis'"),
        (lambda: get_cmap("COLORMAP_JETT"), "no colour map 'COLORMAP_JETT'.*'COLORMAP_JET'"),
        (lambda: get_cmap(9999), "OpenCV has no colour map 9999"),
    ],
)
def test_wrong_input(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_colormap_object_is_taken_as_it_is():
    assert get_cmap(mpl.colormaps["plasma"]) == mpl.colormaps["plasma"]
