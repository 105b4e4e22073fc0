import base64

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from interpviz.cam import GradCAM, LayerCAM
from interpviz.errors import AssetError, InputError
from interpviz.report import build
from interpviz.zoo.external import find_model


def test_records_hold_what_direct_calls_give(net, photos, tmp_path, data):
    folder = photos(7)
    build(net, folder, tmp_path / "out", methods=["gradcam", "layercam"], top=2, batch_size=3)
    found = data(tmp_path / "out")
    loaded = find_model(net, device="cpu")
    assert found.run["classes"] == 3
    for record in found.records:
        with Image.open(folder / record["id"]) as opened:
            view, tensor = loaded.transform(opened)
        shares = loaded.model(tensor[None]).softmax(1)[0].detach()
        label = loaded.categories.index(record["label"])
        assert record["top"][0][0] == int(shares.argmax())
        assert record["top"][0][1] == pytest.approx(float(shares.max()), abs=1e-4)
        assert record["label_p"] == pytest.approx(float(shares[label]), abs=1e-4)
        expected = shares.topk(2).indices.tolist()
        if label not in expected:
            expected[1] = label
        assert record["classes"] == expected
        maps = torch.from_numpy(found.maps(record).astype(np.float32))
        enlarged = F.interpolate(maps[None], (32, 32), mode="bilinear")[0]
        row = 0
        for method in (GradCAM, LayerCAM):
            for index in expected:
                raw = method(loaded.model, "conv")(tensor[None], index, normalize=False)[0]
                shown = enlarged[row] / 255 * record["peaks"][row]
                # Half a step of 255 of the layer's own maximum, which may lie between pixels.
                step = record["peaks"][row] / 255
                torch.testing.assert_close(shown, raw, rtol=0, atol=0.51 * step + 1e-6)
                row += 1
        assert record["view"] == [32, 32]
        assert record["size"] == [44, 40]
        with Image.open(found.picture(record)) as saved:
            difference = np.asarray(saved, int) - np.asarray(view, int)
        assert np.abs(difference).mean() < 10
        assert found.picture(record).stat().st_size == record["picture"]


def test_columns_and_summary_agree_with_the_records(net, photos, tmp_path, data):
    summary = build(net, photos(12), tmp_path / "out")
    found = data(tmp_path / "out")
    predicted, label = found.column("predicted", "<i4"), found.column("label", "<i4")
    confidence = found.column("confidence", "<u2")
    keys = found.column("key", np.uint8).reshape(-1, 10)
    for index, record in enumerate(found.records):
        assert predicted[index] == record["top"][0][0]
        assert found.index["labels"][label[index]] == record["label"]
        assert confidence[index] / 65534 == pytest.approx(record["top"][0][1], abs=1e-4)
        assert keys[index].tobytes().hex() == record["key"]
    assert found.index["label_class"] == [0, 1, 2]
    assert not found.column("state", np.uint8).any()
    assert (found.column("outside", "<u2") == 65535).all()
    right = sum(int(p == c) for p, c in zip(predicted, label, strict=True))
    assert (summary.labelled, summary.right) == (12, right)
    assert summary.accuracy == right / 12
    assert sum(n for *_, n in found.summary["confusion"]) == 12
    index, average = next(iter(found.summary["averages"].items()))
    firsts = [found.maps(r)[0] for r in found.records if r["top"][0][0] == int(index)]
    shown = np.frombuffer(base64.b64decode(average["map"]), np.uint8)
    assert np.abs(shown - np.mean(firsts, 0).ravel()).max() <= 0.5


def test_masks_tell_how_much_lies_outside(net, photos, tmp_path, data):
    folder = photos(3)
    for path in folder.rglob("*.png"):
        mask = tmp_path / "masks" / path.relative_to(folder)
        mask.parent.mkdir(parents=True, exist_ok=True)
        left = np.zeros((40, 44), np.uint8)
        left[:, :22] = 255
        Image.fromarray(left).save(mask)
    build(net, folder, tmp_path / "out", masks=tmp_path / "masks")
    found = data(tmp_path / "out")
    loaded = find_model(net, device="cpu")
    for record in found.records:
        with Image.open(folder / record["id"]) as opened:
            tensor = loaded.transform(opened)[1]
        map_ = GradCAM(loaded.model, "conv")(tensor[None], record["classes"][0])[0]
        expected = float(map_[:, 16:].sum() / map_.sum())
        assert record["outside"][0] == pytest.approx(expected, abs=0.02)


def test_datasets_of_pairs_and_of_rows_are_read(net, tmp_path, data, draw, assert_same):
    class Pairs(torch.utils.data.Dataset):
        classes = ("apple", "pear", "plum")

        def __len__(self):
            return 4

        def __getitem__(self, index):
            return draw(index), index % 3

    class Rows:
        class Label:
            names = ("apple", "pear", "plum")

        @property
        def features(self):
            return {"image": None, "label": self.Label}

        def __len__(self):
            return 4

        def __getitem__(self, index):
            return {"image": draw(index), "label": index % 3}

    for name, dataset in (("pairs", Pairs()), ("rows", Rows())):
        assert build(net, dataset, tmp_path / name).labelled == 4
    assert_same(data(tmp_path / "pairs"), data(tmp_path / "rows"))
    assert [r["label"] for r in data(tmp_path / "rows").records] == [
        "apple",
        "pear",
        "plum",
        "apple",
    ]


def test_columns_of_any_name_are_told_by_their_kind(net, tmp_path, data, draw):
    kinds = {"Image": type("Image", (), {}), "ClassLabel": type("ClassLabel", (), {})}
    kinds["ClassLabel"].names = ("apple", "pear", "plum")

    class Rows(list):
        features = {"text": None, "fruit": kinds["ClassLabel"](), "photo": kinds["Image"]()}  # noqa: RUF012

    rows = Rows({"text": "a", "fruit": i, "photo": draw(i)} for i in range(3))
    rows[2]["photo"] = None
    summary = build(net, rows, tmp_path / "out")
    assert summary.failures == [("2", "the dataset has no image here")]
    assert [r["label"] for r in data(tmp_path / "out").records[:2]] == ["apple", "pear"]
    with pytest.raises(InputError, match="pass one of them, such as that of 'train'"):
        build(net, {"train": rows}, tmp_path / "other")


def test_tensors_and_bytes_are_pictures_and_normalised_ones_are_not(net, tmp_path, data, draw):
    whole = torch.from_numpy(np.asarray(draw(0)).copy()).permute(2, 0, 1)
    rows = [whole, whole / 255, whole / 255 - 0.5, {"image": {"bytes": b"no", "path": None}}]
    summary = build(net, rows, tmp_path / "out")
    first, second, *_ = data(tmp_path / "out").records
    assert first["maps"] == second["maps"]
    assert [name for name, _ in summary.failures] == ["2", "3"]
    assert "leave normalising out" in summary.failures[0][1]


def test_a_network_without_names_takes_the_folders_in_order(net, photos, tmp_path, data):
    loaded = find_model(net, device="cpu")
    del loaded.model.categories
    folder = photos(3).rename(tmp_path / "renamed")
    (folder / "apple").rename(folder / "zebra")
    build((loaded.model, loaded.transform), folder, tmp_path / "out")
    index = data(tmp_path / "out").index
    assert (index["labels"], index["label_class"]) == (["pear", "plum", "zebra"], [0, 1, 2])


def test_pictures_of_one_content_are_explained_once(net, photos, tmp_path, draw):
    folder = photos(2)
    draw(0).save(folder / "apple" / "copy.png")
    summary = build(net, folder, tmp_path / "out")
    assert (summary.total, summary.explained, summary.new) == (3, 3, 2)


def test_the_model_is_left_as_it_was(net, photos, tmp_path):
    model, transform = find_model(net, device="cpu").model, find_model(net).transform
    model.train()
    state, before = torch.get_rng_state(), {k: v.clone() for k, v in model.state_dict().items()}
    build((model, transform), photos(3), tmp_path / "out")
    assert model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert not any(m._forward_hooks for m in model.modules())
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_what_cannot_start_says_why(net, photos, tmp_path):
    folder, out = photos(2), tmp_path / "out"
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no images below"):
        build(net, tmp_path / "empty", out)
    with pytest.raises(InputError, match="There is no folder"):
        build(net, tmp_path / "nowhere", out)
    with pytest.raises(InputError, match="top is 0"):
        build(net, folder, out, top=0)
    with pytest.raises(InputError, match="no method 'gradcan'"):
        build(net, folder, out, methods=["gradcan"])
    with pytest.raises(AssetError, match="no function 'mak'"):
        build(net[:-1], folder, out)
    with pytest.raises(InputError, match=r"2 class names, but .* 3 outputs"):
        build(net, folder, out, categories=["a", "b"])
    with pytest.raises(InputError, match="batch_size is 0"):
        build(net, folder, out, batch_size=0)


def test_a_model_that_explains_nothing_is_said_once(photos, tmp_path):
    flat = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 224 * 224, 2))
    with pytest.raises(ValueError, match=r"[Ll]ayer|grid"):
        build(flat, photos(4), tmp_path / "out")


def test_one_image_that_the_model_refuses_stops_no_other(net, photos, tmp_path):
    loaded = find_model(net, device="cpu")
    marked = []

    def transform(image):
        tensor = loaded.transform(image)[1]
        marked.append(None)
        return tensor * float("nan") if len(marked) == 4 else tensor

    summary = build((loaded.model, transform), photos(6), tmp_path / "out", workers=1)
    assert summary.explained == 5
    assert "NaN" in summary.failures[0][1]


def test_a_preprocessing_that_fails_is_said_at_once(net, photos, tmp_path):
    def preprocess(image):
        raise KeyError("no such size")

    with pytest.raises(InputError, match=r"fails on a plain grey picture \(KeyError"):
        build(net, photos(2), tmp_path / "out", preprocess=preprocess)
    assert not (tmp_path / "out").exists()
