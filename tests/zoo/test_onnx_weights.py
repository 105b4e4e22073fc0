"""The reader of ONNX files, on files of a few bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from interpviz.errors import AssetError
from interpviz.zoo.onnx_weights import Graph, Operation, read_onnx

Writer = Callable[..., bytes]


def read(folder: Path, data: bytes) -> Graph:
    (folder / "net.onnx").write_bytes(data)
    return read_onnx(folder / "net.onnx")


def test_a_file_byte_by_byte(tmp_path: Path) -> None:
    # Model { graph (field 7): { tensor (5): { shape (1): 2, type (2): float32, name (8): "w",
    # raw (9): 1.5, -2 } } }, every byte as protoc writes it.
    tensor = bytes.fromhex("0802 1001 420177 4a08 0000c03f 000000c0".replace(" ", ""))
    graph = bytes([0x2A, len(tensor)]) + tensor
    found = read(tmp_path, bytes([0x3A, len(graph)]) + graph)
    assert list(found.tensors) == ["w"]
    assert found.tensors["w"].tolist() == [1.5, -2.0]
    assert found.operations == []


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["float32", "int32", "int64", "float16", "float64"])
def test_numbers_and_shapes(kind: str, packed: bool, tmp_path: Path, onnx_bytes: Writer) -> None:
    tensors = {
        "a.weight": np.arange(-3, 297).reshape(150, 2).astype(kind),
        "scalar": np.array(7, kind),
        "nothing": np.empty((0, 4), kind),
    }
    found = read(tmp_path, onnx_bytes(tensors, packed=packed)).tensors
    assert found.keys() == tensors.keys()
    for name, values in tensors.items():
        assert found[name].dtype == values.dtype
        assert found[name].shape == values.shape
        assert np.array_equal(found[name], values)


def test_operations(tmp_path: Path, onnx_bytes: Writer) -> None:
    operations = [
        ("MatMul", "/layer.0/query/MatMul", ("x", "onnx::MatMul_12")),
        ("Add", "/layer.0/query/Add", ("layer.0.query.bias", "y")),
        ("Constant", "/Constant", ()),
    ]
    found = read(tmp_path, onnx_bytes({}, operations)).operations
    assert found == [Operation(name, kind, inputs) for kind, name, inputs in operations]


def test_a_file_cut_anywhere_is_refused(tmp_path: Path, onnx_bytes: Writer) -> None:
    whole = onnx_bytes({"w": np.arange(40, dtype=np.float32)}, [("MatMul", "/a/MatMul", ("w",))])
    assert read(tmp_path, whole).tensors["w"].sum() == 780
    for length in range(len(whole)):
        with pytest.raises(AssetError, match="damaged or is no ONNX file"):
            read(tmp_path, whole[:length])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not an ONNX file",
        bytes(range(256)),
        bytes([0x3B, 0x00]),  # a group, which protocol buffers gave up
    ],
)
def test_another_file_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"net\.onnx is damaged") as error:
        read(tmp_path, data)
    assert "\n" not in str(error.value)


def test_what_is_not_kept_as_raw_numbers_is_said(tmp_path: Path) -> None:
    # A tensor named "w" of one float32 in `float_data` (field 4) rather than in `raw_data`.
    tensor = bytes.fromhex("0801 1001 2204 0000803f 420177".replace(" ", ""))
    graph = bytes([0x2A, len(tensor)]) + tensor
    with pytest.raises(AssetError, match="tensor 'w' of type 1 is not kept as raw numbers"):
        read(tmp_path, bytes([0x3A, len(graph)]) + graph)


def test_a_shape_that_does_not_fit_is_refused(tmp_path: Path, onnx_bytes: Writer) -> None:
    data = onnx_bytes({"w": np.zeros(4, np.float32)})
    with pytest.raises(AssetError, match="damaged"):
        read(tmp_path, data.replace(bytes([0x08, 4, 0x10, 1]), bytes([0x08, 5, 0x10, 1])))
