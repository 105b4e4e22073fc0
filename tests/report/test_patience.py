"""What a model refuses: single images and texts, and everything."""

import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

if (folder := str(Path(__file__).parent)) not in sys.path:
    sys.path.append(folder)

from text_models import TEXTS, classifier, tokenizer

from interpviz.errors import InputError
from interpviz.report import build, build_texts
from interpviz.zoo.external import find_model


@pytest.fixture
def picky(net):
    """A model that gives no number for red pictures, and what it was asked."""
    loaded, asked = find_model(net, device="cpu"), []

    def transform(image):
        asked.append(image.size)
        tensor = loaded.transform(image)[1]
        return tensor if tensor[1].max() > -0.99 else tensor * float("nan")

    return (loaded.model, transform), asked


def red(folder, count):
    """Red pictures, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(folder / f"red-{index:03d}.png")


def test_new_images_that_the_model_refuses_do_not_end_an_update(picky, photos, tmp_path):
    folder, out = photos(6), tmp_path / "out"
    build(picky[0], folder, out, site=False)
    red(folder / "aaa", 2)
    summary = build(picky[0], folder, out, site=False)
    assert (summary.explained, summary.new, len(summary.failures)) == (6, 0, 2)


def test_a_first_batch_that_the_model_refuses_does_not_end_a_run(picky, photos, tmp_path):
    red(photos(6) / "aaa", 9)
    summary = build(picky[0], tmp_path / "photos", tmp_path / "out", batch_size=4, site=False)
    assert (summary.explained, len(summary.failures)) == (6, 9)


def test_a_model_that_refuses_all_is_said_at_the_end(picky, tmp_path):
    red(tmp_path / "red", 3)
    # Copies of what was refused are nothing that it explained.
    (tmp_path / "red" / "copy.png").write_bytes((tmp_path / "red/red-000.png").read_bytes())
    for _ in range(2):
        with pytest.raises(InputError, match="NaN"):
            build(picky[0], tmp_path / "red", tmp_path / "out", site=False)


def test_a_model_that_refuses_several_batches_is_said_soon(picky, tmp_path):
    model, asked = picky
    red(tmp_path / "red", 200)
    with pytest.raises(InputError, match="NaN"):
        build(model, tmp_path / "red", tmp_path / "out", batch_size=4, workers=2, site=False)
    assert 64 <= len(asked) < 100


def test_other_errors_are_said_with_how_often(net, photos, tmp_path, monkeypatch):
    from interpviz.report.explain import Explainer

    def broken(self, images, labels, masks):
        raise RuntimeError("no kernel image")

    monkeypatch.setattr(Explainer, "__call__", broken)
    with pytest.raises(InputError, match=r"first 3 images \(RuntimeError: no kernel image\)"):
        build(net, photos(3), tmp_path / "out", site=False)


@pytest.fixture
def shy(tmp_path):
    """A model of texts that gives no number where it reads "blue"."""
    model, own = classifier(), tokenizer(tmp_path / "own")
    beyond = own.convert_tokens_to_ids("blue")
    with torch.no_grad():
        model.bert.embeddings.word_embeddings.weight[beyond] = float("nan")
    return model, own


def test_new_texts_that_the_model_refuses_do_not_end_an_update(shy, tmp_path):
    known, out = [text for text in TEXTS if "blue" not in text], tmp_path / "out"
    build_texts(shy, known, out, site=False)
    summary = build_texts(shy, ["blue", "blue cat", *known], out, batch_size=2, site=False)
    assert (summary.explained, summary.new) == (len(known), 0)
    assert len(summary.failures) == 2


def test_first_texts_that_the_model_refuses_do_not_end_a_run(shy, tmp_path):
    texts = [*(f"blue {word}" for word in ("cat", "dog", "mat", "sat")), "a cat sat", "the dog"]
    summary = build_texts(shy, texts, tmp_path / "out", batch_size=2, site=False)
    assert (summary.explained, len(summary.failures)) == (2, 4)
    with pytest.raises(InputError, match=r"NaN|finite"):
        build_texts(shy, [*texts[:4], texts[0]], tmp_path / "none", site=False)
