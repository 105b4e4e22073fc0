"""The weights in an ONNX file, read without any library of ONNX and without running its graph.

An ONNX file is one protocol-buffer message. Of it only the tensors that the graph begins with, and
which operation takes which of them, are read here.

Format: onnx.proto3 of the ONNX project; the wire format is that of Google's Protocol Buffers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from interpviz.errors import AssetError

Array = npt.NDArray[Any]

# Numbers of the fields that are read, by message.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_TENSOR = 1, 5
_NODE_INPUT, _NODE_NAME, _NODE_OPERATION = 1, 3, 4
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9

_TYPES: dict[int, str] = {1: "<f4", 6: "<i4", 7: "<i8", 10: "<f2", 11: "<f8"}
_FIXED = {1: 8, 5: 4}


@dataclass(frozen=True)
class Operation:
    """One operation of a graph.

    Attributes:
        name: Its name, such as `"/encoder/layer.0/query/MatMul"`.
        kind: What it computes, such as `"MatMul"`.
        inputs: The names of what it takes, in order.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """What is read of an ONNX file.

    Attributes:
        tensors: The tensors that the graph begins with, by name; read-only arrays.
        operations: Its operations, in the order in which they run.
    """

    tensors: dict[str, Array]
    operations: list[Operation]


def read_onnx(path: Path) -> Graph:
    """Read the tensors and the operations of an ONNX file.

    Args:
        path: The file.

    Returns:
        The graph; its arrays share one copy of the file in memory.

    Raises:
        AssetError: If it is damaged, is no ONNX file, or keeps a tensor in another way than as raw
            bytes of float16, float32, float64, int32 or int64.
    """
    try:
        return _read(memoryview(path.read_bytes()))
    except (ValueError, IndexError, TypeError, OverflowError) as error:
        raise AssetError(
            f"{path} is damaged or is no ONNX file that can be read here ({error}): delete it, and "
            "it will be fetched again."
        ) from error


def _read(data: memoryview) -> Graph:
    graphs = [part for number, part in _fields(data) if number == _MODEL_GRAPH]
    if len(graphs) != 1:
        raise ValueError(f"{len(graphs)} graphs")
    tensors: dict[str, Array] = {}
    operations: list[Operation] = []
    for number, part in _fields(graphs[0]):
        if number == _GRAPH_TENSOR:
            name, values = _tensor(part)
            tensors[name] = values
        elif number == _GRAPH_NODE:
            operations.append(_operation(part))
    return Graph(tensors, operations)


def _operation(data: memoryview) -> Operation:
    found: dict[int, list[Any]] = {}
    for number, value in _fields(data):
        found.setdefault(number, []).append(value)
    words = {
        number: [_text(value) for value in found.get(number, [])]
        for number in (_NODE_INPUT, _NODE_NAME, _NODE_OPERATION)
    }
    return Operation(
        "".join(words[_NODE_NAME]), "".join(words[_NODE_OPERATION]), tuple(words[_NODE_INPUT])
    )


def _tensor(data: memoryview) -> tuple[str, Array]:
    name, raw, kind = "", None, 0
    shape: list[int] = []
    for number, value in _fields(data):
        if number == _TENSOR_NAME:
            name = _text(value)
        elif number == _TENSOR_TYPE:
            kind = value
        elif number == _TENSOR_RAW:
            raw = value
        elif number == _TENSOR_SHAPE:
            # Repeated numbers come one by one or packed into one field.
            shape.extend([value] if isinstance(value, int) else _numbers(value))
    if raw is None or kind not in _TYPES:
        raise ValueError(f"tensor {name!r} of type {kind} is not kept as raw numbers")
    return name, np.frombuffer(raw, _TYPES[kind]).reshape(shape)


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """The fields of a message: their numbers, and integers or the bytes of what they hold."""
    at = 0
    while at < len(data):
        key, at = _number(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _number(data, at)
            yield number, value
            continue
        length = _FIXED.get(wire)
        if wire == 2:
            length, at = _number(data, at)
        if length is None or at + length > len(data):
            raise ValueError(f"a field breaks off at byte {at} of {len(data)}")
        yield number, data[at : at + length]
        at += length


def _numbers(data: memoryview) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _number(data, at)
        yield value


def _number(data: memoryview, at: int) -> tuple[int, int]:
    """An integer of seven bits a byte, the lowest first, and where the next field begins."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _text(data: memoryview) -> str:
    return bytes(data).decode()
