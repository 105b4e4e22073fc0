import numpy as np
import pytest
import torch
from PIL import Image

from interpviz.errors import InputError
from interpviz.render import as_rgb
from interpviz.render.images import resize, to_numpy

PHOTO = np.random.default_rng(0).integers(0, 255, (6, 9, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "make",
    [
        lambda: PHOTO,
        lambda: PHOTO / 255,
        lambda: PHOTO.astype(np.int64),
        lambda: Image.fromarray(PHOTO),
        lambda: torch.from_numpy(PHOTO).permute(2, 0, 1),
        lambda: (torch.from_numpy(PHOTO).permute(2, 0, 1) / 255)[None].requires_grad_(),
        lambda: np.dstack([PHOTO, np.full((6, 9), 7, np.uint8)]),
    ],
    ids=["uint8", "floats", "integers", "pil", "tensor", "batch of one", "transparent"],
)
def test_any_picture_becomes_8_bit_rgb(make):
    found = as_rgb(make())
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, PHOTO)


def test_a_path_is_read_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(PHOTO).save(tmp_path / "photo.png", exif=exif)
    np.testing.assert_array_equal(as_rgb(tmp_path / "photo.png"), np.rot90(PHOTO, -1))
    np.testing.assert_array_equal(as_rgb(str(tmp_path / "photo.png")), np.rot90(PHOTO, -1))


def test_grey_becomes_three_channels():
    for grey in (PHOTO[..., 0], PHOTO[..., :1], PHOTO[None, ..., 0]):
        np.testing.assert_array_equal(as_rgb(grey), np.repeat(PHOTO[..., :1], 3, axis=2))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (PHOTO / 255 * 4 - 2, r"outside \[0, 1\].*m\.view"),
        (np.full((4, 4, 3), np.nan), r"outside \[0, 1\]"),
        (PHOTO.astype(np.int64) * 257, r"outside \[0, 255\]"),
        (np.zeros((2, 4, 4, 3)), "not a batch"),
        (np.zeros(5), r"\(5,\)"),
        (PHOTO.astype(float), "floats up to 255.*divide it by 255"),
        (PHOTO.astype(complex), "holds complex128"),
        (Image.fromarray(PHOTO[..., 0].astype(np.uint16) * 200), r"outside \[0, 255\]"),
        ("nowhere.png", "nowhere.png cannot be opened"),
    ],
)
def test_what_is_no_picture(bad, message):
    with pytest.raises(InputError, match=message):
        as_rgb(bad)


def test_masks_and_deep_pictures():
    assert as_rgb(np.array([[True, False]]))[0, :, 0].tolist() == [255, 0]
    assert as_rgb(Image.fromarray(np.array([[0.5]], np.float32)))[0, 0].tolist() == [128] * 3


def test_half_precision_tensors_become_arrays():
    values = torch.tensor([0.5, 0.25], dtype=torch.bfloat16, requires_grad=True)
    assert to_numpy(values).tolist() == [0.5, 0.25]
    assert to_numpy(torch.tensor([2**40])).dtype == np.int64


def test_shrinking_averages():
    board = np.indices((8, 8)).sum(0) % 2 * 1.0
    np.testing.assert_allclose(resize(board, 4, 4), 0.5)
    assert resize(board, 8, 8) is board
