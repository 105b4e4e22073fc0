"""Datasets as the library `datasets` makes them, not stand-ins."""

import io
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image

if (folder := str(Path(__file__).parent)) not in sys.path:
    sys.path.append(folder)

from text_models import classifier, tokenizer

from interpviz.report import build, build_texts

NAMES = ["plum", "apple", "pear"]


def of_pictures(pictures, labels, image="image"):
    y = datasets.ClassLabel(names=NAMES)
    features = {"note": datasets.Value("string"), image: datasets.Image(), "y": y}
    columns = {"note": ["n"] * len(pictures), image: pictures, "y": labels}
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def as_png(picture):
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return {"bytes": stream.getvalue(), "path": None}


@pytest.mark.parametrize("decoded", [True, False])
@pytest.mark.parametrize("column", ["image", "scan"])
def test_pictures_and_class_names_are_found(net, draw, data, tmp_path, decoded, column):
    pictures = [draw(seed) for seed in range(5)]
    given = of_pictures([*map(as_png, pictures), None], [1, 2, 0, 1, 2, 0], column)
    if not decoded:
        given = given.cast_column(column, datasets.Image(decode=False))
    summary = build(net, given, tmp_path / "out", batch_size=2)
    assert (summary.total, summary.explained) == (6, 5)
    ((name, reason),) = summary.failures
    assert (name, "no image" in reason) == ("5", True)
    found = data(tmp_path / "out")
    assert [r["label"] for r in found.records[:5]] == ["apple", "pear", "plum", "apple", "pear"]
    shown = [Image.open(found.picture(r)).convert("RGB") for r in found.records[:5]]
    for picture, own in zip(shown, pictures, strict=True):
        assert picture.size == (32, 32)
        colours = [np.asarray(p).mean((0, 1)) for p in (picture, own)]
        np.testing.assert_allclose(*colours, atol=12)


def test_a_dict_of_splits_is_refused(net, draw, tmp_path):
    splits = datasets.DatasetDict({"train": of_pictures([as_png(draw(0))], [0])})
    with pytest.raises(Exception, match="'train'"):
        build(net, splits, tmp_path / "out")


def test_texts_and_labels_are_found(tmp_path):
    texts = ["the cat sat", "a dog ran", "good"]
    label = datasets.ClassLabel(names=["bad", "good", "so"])
    features = datasets.Features({"text": datasets.Value("string"), "label": label})
    given = datasets.Dataset.from_dict({"text": texts, "label": [0, 1, 1]}, features=features)
    model = classifier(), tokenizer(tmp_path / "words")
    summary = build_texts(model, given, tmp_path / "out", site=False)
    assert (summary.explained, summary.labelled) == (3, 3)
