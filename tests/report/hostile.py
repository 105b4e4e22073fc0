"""Files that look like images by their names and cannot be shown, each with what it is."""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def saved(picture: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def bmp(width: int, height: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 1 << 30, 0, 0, 54) + info


def tiff(width: int, height: int) -> bytes:
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 10}
    entries = b"".join(struct.pack("<HHII", t, 4, 1, v) for t, v in tags.items())
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + b"\0" * 4


def floats(values: list[float]) -> bytes:
    array = np.resize(np.array(values, np.float32), (8, 8))
    return saved(Image.fromarray(array), "TIFF")


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        opened.writestr("cat.txt", "meow")
    return file.getvalue()


def contents(noise: Image.Image) -> dict[str, tuple[str, bytes]]:
    whole = {k: saved(noise, k) for k in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG2000")}
    jpeg, lossless = whole["JPEG"], whole["PNG"]
    wrong_sum = bytearray(lossless)
    wrong_sum[29] ^= 0xFF
    stream = zlib.compress(b"\0" * 10)
    text_bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * (80 << 20)))
    wave = b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + b"\0" * 28
    return {
        "empty.jpg": ("nothing at all", b""),
        "text.jpg": ("plain text", b"this is no picture"),
        "page.png": ("an HTML page", b"<!doctype html><title>404</title>"),
        "zeros.png": ("a thousand zero bytes", b"\0" * 1000),
        "random.jpg": ("random bytes", np.random.default_rng(0).bytes(3000)),
        "cut.jpg": ("half of a JPEG", jpeg[: len(jpeg) // 2]),
        "cut.png": ("half of a PNG", lossless[: len(lossless) // 2]),
        "cut.webp": ("half of a WebP", whole["WEBP"][: len(whole["WEBP"]) // 2]),
        "cut.gif": ("a third of a GIF", whole["GIF"][: len(whole["GIF"]) // 3]),
        "cut.bmp": ("half of a BMP", whole["BMP"][: len(whole["BMP"]) // 2]),
        "cut.tiff": ("the first bytes of a TIFF", whole["TIFF"][:60]),
        "cut.jp2": ("half of a JPEG 2000", whole["JPEG2000"][: len(whole["JPEG2000"]) // 2]),
        "head.jpg": ("the head of a JPEG", jpeg[:20]),
        "marker.jpg": ("two bytes of a JPEG", jpeg[:2]),
        "signature.png": ("the signature of a PNG", lossless[:8]),
        "sum.png": ("a PNG whose header has a wrong checksum", bytes(wrong_sum)),
        "stream.png": (
            "a PNG whose pixels are no zlib stream",
            png(9, 9, chunk(b"IDAT", b"x" * 40)),
        ),
        "short.png": ("a PNG with too few pixels", png(99, 99, chunk(b"IDAT", stream))),
        "pixelless.png": ("a PNG without pixels", png(9, 9)),
        "nought.png": ("a PNG of width 0", png(0, 9, chunk(b"IDAT", stream))),
        "bomb.png": ("a PNG of 3.6 gigapixels", png(60000, 60000, chunk(b"IDAT", stream))),
        "bomb.bmp": ("a BMP that claims 1.6 gigapixels", bmp(40000, 40000)),
        "bomb.tiff": ("a TIFF that claims 2.5 gigapixels", tiff(50000, 50000)),
        "large.png": ("a PNG of 121 megapixels", png(11000, 11000, chunk(b"IDAT", stream))),
        "textbomb.png": ("a PNG whose text unpacks to 80 MiB", png(9, 9, text_bomb)),
        "thin.png": ("one pixel wide, 5000 high", saved(Image.new("L", (1, 5000)), "PNG")),
        "flat.jpg": ("5000 pixels wide, one high", saved(Image.new("L", (5000, 1)), "JPEG")),
        "drawing.svg": ("an SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        "phone.heic": ("the head of a HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        "document.jpg": ("a PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"),
        "archive.png": ("a ZIP archive", archive()),
        "program.png": (
            "a PostScript program",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        ),
        "sound.webp": ("a WAVE file", wave),
        "frameless.gif": ("a GIF without a frame", b"GIF89a\x05\0\x05\0\0\0\0;"),
        "nan.tif": ("a TIFF of NaN", floats([float("nan"), 0.5])),
        "below.tif": ("a TIFF of values below zero", floats([-3.0, 0.5])),
    }


def write_hostile(folder: Path, noise: Image.Image) -> dict[str, str]:
    """Write all of them; gives what each one is."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, (what, content) in contents(noise).items():
        (folder / name).write_bytes(content)
        found[name] = what
    os.mkfifo(folder / "pipe.jpg")
    (folder / "dangling.jpg").symlink_to(folder / "not there")
    (folder / "circle.jpg").symlink_to(folder / "circle.jpg")
    with (folder / "sparse.jpg").open("wb") as file:
        file.truncate(3 << 30)
    found["pipe.jpg"] = "a pipe, which nobody writes to"
    found["dangling.jpg"] = "a link to nothing"
    found["circle.jpg"] = "a link to itself"
    found["sparse.jpg"] = "3 GiB of nothing"
    return found
