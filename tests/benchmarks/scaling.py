"""Images a second of a report on this machine and on a Ray cluster of it, and what many would cost.

    pip install -e ".[bench,ray]" && python tests/benchmarks/scaling.py PHOTOS [--count 600]
        [--workers 1 2] [--model efficientnet_lite0] [--images 10000000]

PHOTOS is a folder of images, as in `report.py`. Each row is one whole report without pages. "start"
lasts until the first batch came back: it is spent once, however many images there are. The rate is
that of the whole run, start included. "writer" is how many records and pictures a second the
one process that writes takes, which bounds how many workers it can serve. The cluster has twice as
many logical processors as the machine has cores, so that two workers leave some for reading.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import torch
from report import spread_out

from interpviz.report import build
from interpviz.report.ledger import Counts
from interpviz.report.store import opened


class Clock:
    """How far a run was at which second."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.seen: list[tuple[float, int]] = []

    def __call__(self, counts: Counts) -> None:
        """Note how far the run is."""
        if counts.explained:
            self.seen.append((time.perf_counter() - self.started, counts.explained))

    @property
    def rate(self) -> float:
        """Images a second of the whole run: images are read before the first batch comes back."""
        seconds, count = self.seen[-1]
        return count / seconds


def measured(folder: Path, out: Path, arguments: argparse.Namespace, **options: object) -> Clock:
    """Make one report and print its row."""
    clock = Clock()
    build(
        arguments.model,
        folder,
        out,
        device="cpu",
        batch_size=arguments.batch,
        progress=clock,
        site=False,
        **options,
    )
    assert clock.seen[-1][1] == arguments.count
    name = f"{options['engine']}, {options['workers']}"
    start, whole = clock.seen[0][0], clock.seen[-1][0]
    row = f"start {start:5.1f} s, whole {whole:6.1f} s, {clock.rate:5.1f} images/s"
    print(f"{name:<10} {row}", flush=True)
    return clock


def stored(out: Path) -> tuple[float, float, float]:
    """Bytes an image of pictures, of the data of the pages, and of the journal."""

    def below(name: str) -> int:
        return sum(path.stat().st_size for path in (out / name).rglob("*") if path.is_file())

    count = sum(1 for _ in (out / "images").rglob("*.webp"))
    return below("images") / count, below("data") / count, below(".interpviz") / count


def writer_rate(out: Path, repeats: int = 4000) -> float:
    """Records and pictures a second that the writing process takes."""
    with opened(out) as store:
        key = store.keys()[0]
        record, picture = store.get(key), store.picture_path(key).read_bytes()
    with tempfile.TemporaryDirectory() as name, opened(Path(name)) as store:
        started = time.perf_counter()
        for index in range(repeats):
            key = f"{index * 2**40:020x}"
            store.put_picture(key, picture)
            store.put({**record, "key": key})
            if index % 16 == 0:
                store.flush()
        return repeats / (time.perf_counter() - started)


def model_of_cost(images: int, rate: float, writer: float, sizes: tuple[float, ...]) -> None:
    """Print hours by workers, worker-hours, and storage."""
    print(f"\n{images:,} images at {rate:.1f} images/s a worker:")
    for workers in (1, 10, 100):
        hours = images / min(rate * workers, writer) / 3600
        print(f"  {workers:4} workers: {hours:8.1f} hours")
    print(f"  {images / rate / 3600:,.0f} worker-hours, times the price of one")
    print(f"  the writer serves up to {writer / rate:.0f} workers ({writer:.0f} images/s)")
    for what, size in zip(("pictures", "data of the pages", "journal"), sizes, strict=True):
        print(f"  {what}: {size / 1000:.1f} kB an image, {size * images / 1e9:.0f} GB")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--images", type=int, default=10_000_000)
    arguments = parser.parse_args()

    import ray

    cores = len(os.sched_getaffinity(0))
    print(
        f"torch {version('torch')}, ray {version('ray')}, {cores} cores, {arguments.count} images"
    )
    print(f"load of the machine before: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as made:
        spread_out(arguments.photos, Path(name), arguments.count)
        torch.set_num_threads(cores)
        folder, out = Path(name), Path(made)
        measured(folder, out / "local", arguments, engine="local", workers=cores)
        started = time.perf_counter()
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
        ray.init(
            num_cpus=2 * cores, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
        )
        print(f"cluster    start {time.perf_counter() - started:5.1f} s")
        clocks = [
            measured(folder, out / f"ray-{n}", arguments, engine="ray", workers=n)
            for n in arguments.workers
        ]
        ray.shutdown()
        print(f"load of the machine after: {os.getloadavg()[0]:.1f}")
        most = max(range(len(clocks)), key=lambda index: clocks[index].rate)
        rate = clocks[most].rate / arguments.workers[most]
        model_of_cost(arguments.images, rate, writer_rate(out / "local"), stored(out / "local"))


if __name__ == "__main__":
    main()
