"""The free photos: all there, all credited, none from the network."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest

from interpviz.errors import AssetError
from interpviz.zoo import load_photo, photos, pictures

SIZES = {
    "astronaut": (512, 512),
    "camera": (512, 512),
    "chelsea": (451, 300),
    "china": (640, 427),
    "coffee": (600, 400),
    "flower": (640, 427),
    "grace_hopper": (512, 600),
    "hubble": (1000, 872),
    "motorcycle": (741, 500),
    "rocket": (640, 427),
}


@pytest.mark.parametrize("name", sorted(SIZES))
def test_each_photo_is_an_rgb_picture(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("asked the network"))
    picture = load_photo(name)
    assert picture.mode == "RGB"
    assert picture.size == SIZES[name]
    assert np.asarray(picture).std() > 10


def test_they_are_the_packages_own_pictures() -> None:
    data = pytest.importorskip("skimage.data")
    assert np.array_equal(load_photo("chelsea"), data.chelsea())
    datasets = pytest.importorskip("sklearn.datasets")
    assert np.array_equal(load_photo("china"), datasets.load_sample_image("china.jpg"))


def test_every_photo_is_credited() -> None:
    listed = photos()
    assert [photo.name for photo in listed] == sorted(SIZES)
    for photo in listed:
        assert all([photo.title, photo.credit, photo.licence, photo.source])
        assert photo.credit in str(photo)
        assert photo.licence in str(photo)


def test_an_unknown_name_lists_the_nearest_and_all() -> None:
    with pytest.raises(AssetError, match="Did you mean 'chelsea'") as error:
        load_photo("chelsie")
    assert all(name in str(error.value) for name in SIZES)
    with pytest.raises(AssetError, match=r"no photo 'xyz'\. There are: "):
        load_photo("xyz")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        monkeypatch.setattr(pictures, "_package_folder", lambda _, folder=folder: folder)
        with pytest.raises(AssetError, match=r"pip install scikit-image\.$"):
            load_photo("coffee")


def test_a_package_that_is_not_there_has_no_folder() -> None:
    assert pictures._package_folder("surely_not_installed") is None
    assert pictures._package_folder("abc") is None
