import json
import time

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from interpviz.errors import AssetError, InputError
from interpviz.zoo import students
from interpviz.zoo.students import (
    FEATURE_LAYERS,
    STUDENTS,
    WEIGHTS,
    StudentInfo,
    build_student,
    load_student,
    packaged_student,
    quantise,
    restore,
    save_student,
)

INFO = StudentInfo("mobilenet_v2", "a recipe", 7, "a device", 96, 160, "features.18")
PACKAGED = [name for name in STUDENTS if (WEIGHTS / f"{name}.safetensors").is_file()]


def test_quantise_scales_each_channel_by_its_largest_weight():
    packed = quantise({"w": torch.tensor([[1.27, -0.5], [0.0, 254.0]]), "b": torch.tensor([0.1])})
    assert packed["w"].dtype == torch.int8
    assert packed["w"].tolist() == [[127, -50], [0, 127]]
    assert torch.allclose(packed["w.int8_scale"], torch.tensor([0.01, 2.0]))
    assert packed["b"].dtype == torch.float32


def test_quantise_leaves_out_counters_and_survives_a_channel_of_zeros():
    packed = quantise({"w": torch.zeros(2, 3), "n": torch.tensor(5)})
    assert "n" not in packed
    assert restore(packed)["w"].tolist() == [[0.0] * 3] * 2


def test_restore_is_within_half_a_scale():
    weight = torch.randn(8, 4, 3, 3)
    packed = quantise({"w": weight})
    error = (restore(packed)["w"] - weight).abs().flatten(1).amax(1)
    assert bool((error <= packed["w.int8_scale"] * 0.501).all())


def test_a_saved_student_comes_back_the_same(tmp_path):
    model = build_student("mobilenet_v2").eval()
    path = tmp_path / "m.safetensors"
    save_student(model, INFO, path)
    loaded, info = load_student("mobilenet_v2", path)
    assert info == INFO
    assert not loaded.training
    model.load_state_dict(restore(quantise(model.state_dict())), strict=False)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded(x), model(x))


def test_equal_weights_give_equal_files(tmp_path):
    model = build_student("mobilenet_v2")
    for name in "ab":
        save_student(model, INFO, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_missing_file_says_how_to_make_it(tmp_path):
    with pytest.raises(AssetError, match=r"interpviz\.zoo\.distill"):
        load_student("resnet18", tmp_path / "none.safetensors")


def test_a_file_of_another_student_is_refused(tmp_path):
    save_student(build_student("mobilenet_v2"), INFO, tmp_path / "m.safetensors")
    with pytest.raises(AssetError, match="does not hold the student 'resnet18'"):
        load_student("resnet18", tmp_path / "m.safetensors")


@pytest.mark.parametrize("content", [b"", b"not a weight file", None])
def test_a_broken_file_is_refused(tmp_path, content):
    path = tmp_path / "m.safetensors"
    if content is None:
        save_file({"w": torch.zeros(1)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(AssetError, match="does not hold"):
        load_student("mobilenet_v2", path)


def test_an_unknown_student_is_refused_with_a_hint():
    with pytest.raises(InputError, match="Did you mean 'resnet18'"):
        build_student("resnet81")


@pytest.mark.parametrize("name", STUDENTS)
def test_the_feature_layer_exists_and_has_a_grid(name):
    with torch.device("meta"):
        model = build_student(name).eval()
        layer = model.get_submodule(FEATURE_LAYERS[name])
        shapes = []
        layer.register_forward_hook(lambda *a: shapes.append(a[2].shape))
        assert model(torch.zeros(1, 3, 224, 224)).shape == (1, 1000)
    assert shapes[0][-1] == (14 if name == "vgg11_bn" else 7)


@pytest.mark.parametrize("name", PACKAGED)
def test_a_packaged_student_loads_in_under_a_second(name):
    load_student(name)  # the first call also imports torchvision
    begin = time.process_time()
    model, info = load_student(name)
    assert time.process_time() - begin < 1
    assert info.architecture == name
    model.get_submodule(info.feature_layer)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert all(bool(p.isfinite().all()) for p in model.parameters())


@pytest.mark.parametrize("name", PACKAGED)
def test_a_packaged_student_is_a_model_of_the_zoo(name):
    loaded = packaged_student(name)
    size = loaded.transform.crop
    x = loaded.preprocess(Image.new("RGB", (300, 200)))
    assert x.shape == (3, size, size)
    assert len(loaded.categories) == 1000
    assert loaded.target_layer in set(loaded.model.modules())
    assert "for demonstration, not for use" in str(loaded.provenance).lower()


@pytest.mark.parametrize("name", PACKAGED)
def test_a_packaged_student_has_a_card_with_both_warnings(name):
    card = " ".join((WEIGHTS / f"{name}.md").read_text(encoding="utf-8").split())
    assert "for demonstration, not for use" in card
    assert "The gallery's own photos were trained on" in card


def test_the_packaged_weights_stay_small():
    files = list(WEIGHTS.glob("*.safetensors"))
    assert sum(f.stat().st_size for f in files) <= 32_000_000
    for file in files:
        kernels = {k: v.dtype for k, v in load_file(file).items() if v.ndim > 1}
        assert set(kernels.values()) == {torch.int8}


def test_the_header_names_no_date():
    fields = json.loads(json.dumps(students.asdict(INFO)))
    assert not any("date" in key or "time" in key for key in fields)
