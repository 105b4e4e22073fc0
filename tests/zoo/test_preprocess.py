"""Pictures brought into a network: the same numbers as the libraries that trained it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from interpviz.errors import InputError
from interpviz.zoo.preprocess import open_image
from interpviz.zoo.vision import LITE0_224, TORCHVISION_224

torch = pytest.importorskip("torch")

SIZES = [(451, 300), (300, 451), (224, 224), (97, 1003), (40, 30), (257, 256)]


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    )


@pytest.mark.parametrize("size", SIZES)
def test_it_is_what_torchvision_does(size: tuple[int, int]) -> None:
    models = pytest.importorskip("torchvision.models")
    expected = models.ResNet50_Weights.IMAGENET1K_V1.transforms()(noise(*size))
    got = TORCHVISION_224(noise(*size))
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", SIZES)
def test_it_is_what_timm_does(size: tuple[int, int]) -> None:
    timm = pytest.importorskip("timm")
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    transform = timm.data.create_transform(
        **timm.data.resolve_model_data_config(model), is_training=False
    )
    torch.testing.assert_close(LITE0_224(noise(*size)), transform(noise(*size)), atol=1e-6, rtol=0)


@pytest.mark.parametrize("preprocess", [LITE0_224, TORCHVISION_224])
def test_the_view_is_the_input_before_normalisation(preprocess: object) -> None:
    view = preprocess.view(noise(451, 300))  # type: ignore[attr-defined]
    assert view.mode == "RGB"
    assert view.size == (224, 224)
    mean, std = (torch.tensor(getattr(preprocess, name)).view(3, 1, 1) for name in ("mean", "std"))
    back = preprocess(noise(451, 300)) * std + mean  # type: ignore[operator]
    pixels = torch.from_numpy(np.asarray(view).copy()).permute(2, 0, 1)
    torch.testing.assert_close(back * 255, pixels.float(), atol=1e-3, rtol=0)


def test_pictures_come_in_many_forms(tmp_path: Path) -> None:
    picture = noise(60, 50)
    picture.save(tmp_path / "a.png")
    for form in (picture, np.asarray(picture), tmp_path / "a.png", str(tmp_path / "a.png")):
        assert np.array_equal(open_image(form), picture)
    grey = np.asarray(picture.convert("L"))
    assert open_image(grey).mode == "RGB"
    assert open_image(picture.convert("RGBA")).mode == "RGB"


def test_a_sideways_photo_is_put_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    noise(60, 50).save(tmp_path / "a.jpg", exif=exif)
    assert open_image(tmp_path / "a.jpg").size == (50, 60)
    with Image.open(tmp_path / "a.jpg") as opened:
        assert open_image(opened).size == (50, 60)
        assert open_image(open_image(opened)).size == (50, 60)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_damaged_exif_block_stops_nothing() -> None:
    file = io.BytesIO()
    # Two entries, orientation 6 and one that points behind the end.
    block = bytes.fromhex("4d4d002a00000008000201120003000000010006000087690004000000 01ffffff00")
    noise(60, 50).save(file, "JPEG", exif=b"Exif\0\0" + block)
    with Image.open(file) as opened:
        assert open_image(opened).size == (50, 60)


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (np.zeros((4, 4, 3)), "float64"),
        (np.zeros((3, 4, 4), np.uint8), r"\(3, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
        (torch.zeros(3, 4, 4), "A Tensor is no picture"),
        ("missing.png", "missing.png cannot be opened"),
        (__file__, "cannot be opened as a picture"),
    ],
)
def test_what_is_no_picture_is_said(thing: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_image(thing)  # type: ignore[arg-type]


def test_a_default_device_of_the_caller_changes_nothing() -> None:
    torch.set_default_device("meta")
    try:
        assert LITE0_224(noise(60, 50)).device.type == "cpu"
    finally:
        torch.set_default_device(None)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_more_than_8_bits_are_not_cut_off_in_silence(kind, tmp_path):
    picture = Image.fromarray(np.full((4, 4), 300, kind))
    with pytest.raises(InputError, match="more than 8 bits a channel: scale it"):
        open_image(picture)
    if kind is np.uint16:
        picture.save(tmp_path / "deep.png")
        with pytest.raises(InputError, match="more than 8 bits"):
            open_image(tmp_path / "deep.png")
