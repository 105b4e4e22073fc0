"""Images a second of a report, against the same steps run bare; and memory by number of images.

    pip install -e ".[bench,cli]" && python tests/benchmarks/report.py PHOTOS [--count 1000]
        [--threads 2] [--model efficientnet_lite0] [--memory 200 2000]

PHOTOS is a folder of images, which are linked under as many names as it takes, each with bytes of
its own at the end, so that no content comes twice. "bare" is a loop over batches: a pool of threads
decodes, crops, normalises and encodes a batch, then the engine explains two classes of each image,
nothing is overlapped, written or remembered. "plain" is that loop without a pool. Both use the same
functions as the report. Memory is the largest resident size of a fresh process for each number of
images.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path

import torch

from interpviz.report import Options, build
from interpviz.report.decode import decode
from interpviz.report.explain import Explainer
from interpviz.zoo.external import find_model


def spread_out(photos: Path, folder: Path, count: int) -> list[Path]:
    """As many files as wanted, all of different content."""
    sources = sorted(p for p in photos.iterdir() if p.suffix.lower() in (".jpg", ".jpeg"))
    paths = []
    for index, source in enumerate(islice(cycle(sources), count)):
        path = folder / f"{index:05d}.jpg"
        # Decoders stop at the end of the image and leave what follows alone.
        path.write_bytes(source.read_bytes() + index.to_bytes(8, "big"))
        paths.append(path)
    return paths


def bare(paths: list[Path], model: str, batch_size: int, workers: int) -> float:
    """Seconds of decoding, preprocessing, explaining and encoding."""
    loaded = find_model(model, device="cpu")
    explain = Explainer(loaded, Options())

    def prepare(path: Path) -> torch.Tensor:
        view, tensor = loaded.transform(decode(path.read_bytes())[0])
        view.save(io.BytesIO(), "WEBP", quality=80, method=2)
        return tensor

    started = time.perf_counter()
    with ThreadPoolExecutor(workers) if workers else nullcontext() as pool:
        for first in range(0, len(paths), batch_size):
            some = paths[first : first + batch_size]
            tensors = list(pool.map(prepare, some) if pool else map(prepare, some))
            explain(tensors, [-1] * len(tensors), [None] * len(tensors))
    return time.perf_counter() - started


def report(folder: Path, model: str, batch_size: int, workers: int) -> float:
    """Seconds of a whole report, with loading the model and writing."""
    with tempfile.TemporaryDirectory() as out:
        options = {"batch_size": batch_size, "workers": workers, "device": "cpu"}
        return build(model, folder, out, **options).seconds


def memory(arguments: argparse.Namespace, folder: Path) -> int:
    """The largest resident size, in bytes, of a process that makes a report."""
    call = [sys.executable, __file__, str(folder), "--child", "--threads", str(arguments.threads)]
    call += ["--model", arguments.model, "--batch", str(arguments.batch)]
    return json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--memory", type=int, nargs="*", default=[200, 2000])
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.child:
        report(arguments.photos, arguments.model, arguments.batch, arguments.threads)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
        return
    print(f"torch {version('torch')}, Pillow {version('Pillow')}, {arguments.threads} threads")
    with tempfile.TemporaryDirectory() as name:
        paths = spread_out(arguments.photos, Path(name), arguments.count)
        for _ in range(arguments.repeats):
            plain = bare(paths, arguments.model, arguments.batch, 0)
            pooled = bare(paths, arguments.model, arguments.batch, arguments.threads)
            whole = report(Path(name), arguments.model, arguments.batch, arguments.threads)
            rates = [arguments.count / seconds for seconds in (plain, pooled, whole)]
            print(
                f"plain {rates[0]:.1f}, bare {rates[1]:.1f}, report {rates[2]:.1f} images/s; "
                f"report / plain {rates[2] / rates[0]:.2f}, report / bare {rates[2] / rates[1]:.2f}"
            )
    for count in arguments.memory:
        with tempfile.TemporaryDirectory() as name:
            spread_out(arguments.photos, Path(name), count)
            print(f"{count} images: {memory(arguments, Path(name)) / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
