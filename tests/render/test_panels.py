import matplotlib.pyplot as plt
import numpy as np
import pytest

from interpviz.errors import InputError
from interpviz.render import caption, describe, difference_map, map_panels, show_map

PHOTO = np.random.default_rng(0).integers(0, 255, (6, 8, 3), dtype=np.uint8)
MAPS = np.random.default_rng(1).random((3, 6, 8))


def test_panels_show_photo_maps_titles_and_one_scale():
    figure = map_panels(PHOTO, MAPS, ["a", "b", "c"], photo_title="photo", vmax=2.0)
    axes = figure.axes
    assert [ax.get_title() for ax in axes[:4]] == ["photo", "a", "b", "c"]
    np.testing.assert_array_equal(axes[0].images[0].get_array(), PHOTO)
    for ax, heatmap in zip(axes[1:4], MAPS, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), PHOTO)
        np.testing.assert_array_equal(ax.images[1].get_array(), heatmap)
        assert ax.images[1].get_clim() == (0, 2)
    assert axes[4].get_ylabel() == "share of the map's maximum"
    assert len(axes) == 5


def test_panels_with_a_picture_each_and_several_rows():
    pictures = [PHOTO, 255 - PHOTO, PHOTO // 2]
    figure = map_panels(pictures, MAPS, columns=2)
    assert len(figure.axes) == 4
    for ax, picture in zip(figure.axes, pictures, strict=False):
        np.testing.assert_array_equal(ax.images[0].get_array(), picture)


@pytest.mark.parametrize(
    "call",
    [
        lambda: map_panels(PHOTO, MAPS, ["a"]),
        lambda: map_panels([PHOTO], MAPS),
        lambda: map_panels(PHOTO, []),
    ],
)
def test_numbers_that_do_not_match(call):
    with pytest.raises(InputError, match="give one title and one picture for each map"):
        call()
    assert plt.get_fignums() == []


def test_one_map_on_given_axes():
    figure, ax = plt.subplots()
    assert show_map(MAPS[0], PHOTO, ax=ax, title="t $5_x", colorbar=False) is figure
    assert len(figure.axes) == 1
    assert ax.get_title() == "t $5_x"
    figure.canvas.draw()


def test_one_map_alone_is_opaque_and_has_a_bar():
    figure = show_map(MAPS[0], label="units")
    assert figure.axes[0].images[0].get_alpha() == 1
    assert figure.axes[1].get_ylabel() == "units"
    assert show_map(MAPS[0], PHOTO).axes[0].images[1].get_alpha() == 0.55


def test_a_difference_is_symmetric_about_zero():
    figure = difference_map(MAPS[0], MAPS[1], PHOTO, labels=("x", "y"))
    drawn = figure.axes[0].images[1]
    np.testing.assert_allclose(drawn.get_array(), MAPS[0] - MAPS[1])
    low, high = drawn.get_clim()
    assert -low == high == np.abs(MAPS[0] - MAPS[1]).max()
    assert figure.axes[1].get_ylabel() == "x minus y"
    grey = figure.axes[0].images[0].get_array()
    assert (grey[..., 0] == grey[..., 2]).all()


def test_equal_maps_have_a_difference_of_zero():
    assert difference_map(MAPS[0], MAPS[0]).axes[0].images[0].get_clim() == (-1, 1)


def test_maps_of_two_sizes_cannot_be_subtracted():
    with pytest.raises(InputError, match=r"\(6, 8\) and \(3, 8\)"):
        difference_map(MAPS[0], MAPS[0, :3])


def test_describe_keeps_the_text_with_the_figure():
    figure = plt.figure()
    assert describe(figure, "two\n   words") is figure
    assert figure.get_label() == "two words"


def test_a_caption_is_wrapped_and_stays_in_the_picture():
    figure = map_panels(PHOTO, MAPS[:1])
    assert caption(figure, "cost: 5$ or 6$, " + "word " * 40) is figure
    figure.canvas.draw()
    box = figure._supxlabel.get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert figure._supxlabel.get_text().count("\n") >= 2
