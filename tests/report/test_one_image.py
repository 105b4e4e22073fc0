"""An image that fails in any way is listed, and stops no other."""

import re

import numpy as np
import pytest
import torch

from interpviz.errors import InputError
from interpviz.report import build
from interpviz.report.datasets import DatasetSource
from interpviz.report.explain import Explainer
from interpviz.zoo.external import find_model


def test_rows_of_any_kind_stop_nothing(net, tmp_path, draw):
    class Odd:
        def __array__(self, dtype=None, copy=None):
            raise KeyError("odd")

    thin = draw(3).resize((2000, 20))
    labels = [torch.zeros(2), float("inf"), float("nan"), object()]
    rows = [(draw(i), label) for i, label in enumerate(labels)]
    rows += [Odd(), thin, np.zeros((0, 4, 3), np.uint8), {"no": 1}]
    summary = build(net, rows, tmp_path / "out", site=False)
    assert (summary.explained, len(summary.failures)) == (4, 4)


@pytest.mark.parametrize("label", [torch.zeros(2), float("inf"), float("nan")])
def test_a_label_that_is_no_index_is_none(draw, label):
    assert DatasetSource.of([(draw(0), label)]).read(0).label is None


@pytest.mark.parametrize("step", ["decode", "encode"])
def test_what_decoding_and_encoding_raise_is_listed(net, photos, tmp_path, monkeypatch, step):
    from interpviz.report import datasets, prepare

    seen = []

    def fail(inner):
        def call(*args, **options):
            seen.append(None)
            if len(seen) == 2:
                raise ArithmeticError("strange")
            return inner(*args, **options)

        return call

    if step == "decode":
        monkeypatch.setattr(datasets, "upright", fail(datasets.upright))
    else:
        monkeypatch.setattr(prepare.Image.Image, "save", fail(prepare.Image.Image.save))
    rows = [torch.full((3, 40, 44), i / 5) for i in range(4)]
    summary = build(net, rows, tmp_path / "out", site=False, workers=1)
    assert summary.explained == 3
    assert "ArithmeticError: strange" in summary.failures[0][1]


def test_what_a_network_raises_is_listed_and_a_full_disk_is_not(net, photos, tmp_path, monkeypatch):
    inner, folder = Explainer.__call__, photos(6)

    def failing(error):
        def call(self, images, labels, masks):
            if labels[0] == 1 or len(images) > 1:
                raise error
            return inner(self, images, labels, masks)

        return call

    monkeypatch.setattr(Explainer, "__call__", failing(KeyError("odd")))
    summary = build(net, folder, tmp_path / "out", site=False)
    assert (summary.explained, len(summary.failures)) == (4, 2)
    monkeypatch.setattr(Explainer, "__call__", failing(OSError("disk")))
    with pytest.raises(InputError, match="cannot be written"):
        build(net, folder, tmp_path / "other", site=False)


@pytest.mark.parametrize("outputs", [1, 3])
def test_outputs_that_are_not_finite_are_listed(net, photos, tmp_path, data, outputs):
    loaded, count = find_model(net, device="cpu"), []

    class Endless(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = loaded.model

        def forward(self, x):
            far = (x.mean((1, 2, 3)) > 50)[:, None]
            scale = torch.ones(len(x), 1).masked_fill(far, float("inf"))
            return self.inner(x)[:, :outputs] * scale

    def transform(image):
        count.append(None)
        return loaded.transform(image)[1] + 100.0 * (len(count) == 3)

    summary = build((Endless(), transform), photos(5), tmp_path / "out", workers=1, site=False)
    assert summary.explained == 4
    assert re.search("not finite|NaN or infinite", summary.failures[0][1])
    assert len(data(tmp_path / "out").records) == 5


def test_a_failure_of_the_preprocessing_is_tried_again(net, photos, tmp_path):
    loaded, folder, broken = find_model(net, device="cpu"), photos(3), [True]

    def transform(image):
        if broken and image.getpixel((0, 0)) != (128, 128, 128):
            raise RuntimeError("no such file of mine")
        return loaded.transform(image)[1]

    first = build((loaded.model, transform), folder, tmp_path / "out", site=False)
    assert (first.explained, len(first.failures)) == (0, 3)
    broken.clear()
    again = build((loaded.model, transform), folder, tmp_path / "out", site=False)
    assert (again.new, again.failures) == (3, [])


def test_mixed_sizes_fill_batches(net, tmp_path, monkeypatch, draw):
    from torchvision.transforms import functional

    model, sizes, inner = find_model(net, device="cpu").model, [], Explainer.__call__

    def counted(self, images, labels, masks):
        sizes.append(len(images))
        return inner(self, images, labels, masks)

    monkeypatch.setattr(Explainer, "__call__", counted)
    pictures = [draw(i, (44, 40) if i % 2 else (40, 44)) for i in range(16)]
    build((model, functional.to_tensor), pictures, tmp_path / "out", batch_size=4, site=False)
    assert sizes == [4, 4, 4, 4]
    sizes.clear()
    pictures = [draw(i, (30 + i, 40)) for i in range(12)]
    build((model, functional.to_tensor), pictures, tmp_path / "many", batch_size=2, site=False)
    assert sizes == [1] * 12


def test_a_pair_is_named_by_its_network_and_a_loaded_one_stays(net, photos, tmp_path, data):
    loaded = find_model(net, device="cpu")
    names, transform = list(loaded.categories), loaded.transform
    build(loaded, photos(2), tmp_path / "out", categories=["a", "b", "c"],
          preprocess=lambda image: transform(image)[1], site=False)  # fmt: skip
    assert (loaded.categories, loaded.transform) == (names, transform)
    build((loaded.model, transform), tmp_path / "photos", tmp_path / "pair", site=False)
    assert data(tmp_path / "pair").run["model"] == "Net"


def test_another_target_layer_explains_all_anew(net, photos, tmp_path):
    loaded = find_model(net, device="cpu")
    loaded.model = torch.nn.Sequential(loaded.model.conv, torch.nn.ReLU(),
                                       torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
                                       loaded.model.head)  # fmt: skip
    for index in (0, 1):
        loaded.target_layer = loaded.model[index]
        assert build(loaded, photos(3), tmp_path / "out", site=False).new == 3
