"""ONNX files, written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pytest

KINDS = {"float32": 1, "int32": 6, "int64": 7, "float16": 10, "float64": 11}


def number(value: int) -> bytes:
    """Seven bits a byte, the lowest first, with the eighth bit set on all bytes but the last."""
    digits = []
    while True:
        digits.append(value % 128)
        value //= 128
        if not value:
            break
    return bytes([digit + 128 for digit in digits[:-1]] + digits[-1:])


def integer(field: int, value: int) -> bytes:
    return number(field * 8) + number(value)


def content(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return number(field * 8 + 2) + number(len(data)) + data


def tensor(name: str, values: np.ndarray, packed: bool) -> bytes:
    if packed:
        shape = content(1, b"".join(number(length) for length in values.shape))
    else:
        shape = b"".join(integer(1, length) for length in values.shape)
    kind = integer(2, KINDS[values.dtype.name])
    return shape + kind + content(8, name) + content(9, values.tobytes())


def node(kind: str, name: str, inputs: Iterable[str]) -> bytes:
    taken = b"".join(content(1, one) for one in inputs)
    # An output and an attribute of a fixed 4-byte float, which the reader passes over.
    attribute = content(5, content(1, "alpha") + number(2 * 8 + 5) + np.float32(0.5).tobytes())
    return taken + content(2, f"{name}_output_0") + content(3, name) + content(4, kind) + attribute


@pytest.fixture(scope="session")
def onnx_bytes() -> Callable[..., bytes]:
    """Gives a function that writes an ONNX file of tensors and `(kind, name, inputs)`."""

    def write(
        tensors: Mapping[str, np.ndarray],
        operations: Iterable[tuple[str, str, Iterable[str]]] = (),
        packed: bool = False,
    ) -> bytes:
        graph = b"".join(content(1, node(*operation)) for operation in operations)
        graph += content(2, "main_graph")
        graph += b"".join(content(5, tensor(n, v, packed)) for n, v in tensors.items())
        return integer(1, 8) + content(2, "by hand") + content(7, graph)

    return write
