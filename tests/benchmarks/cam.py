"""Time and peak memory of Grad-CAM and its relatives, side by side with the peers, in one process.

    pip install -e ".[bench]" && python tests/benchmarks/cam.py [--repeats 7] [--batch 1 16]

The floor is the least that has to be done: trunk forward without a graph, head forward, gradient of
the score for that one activation, one batched interpolation. All contenders run in turn,
repeatedly, on the same images; maps are compared before times are. Weights are random: they change
neither times nor whether two libraries agree. With `--device cuda` all of it runs on a GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import torch
from contenders import LIBRARIES, METHODS, WITHOUT_TOKENS, network, patches_as_grid
from measure import medians, peak_growth
from torch import Tensor

from interpviz.cam import get_target_layer
from interpviz.cam.engine.grids import share_of_maximum

MODELS = {
    "resnet50": "layer4",
    "vgg16": "features.29",
    "mobilenet_v3_large": "features",
    "vit_b_16": "encoder.layers.encoder_layer_11.ln_1",
}


def on_one_scale(maps: Tensor) -> Tensor:
    """Maps from 0 to 1 each, since some libraries return no others."""
    lowest = maps.flatten(1).amin(1)[:, None, None]
    return share_of_maximum(maps - lowest)


def compare(
    name: str, batch: int, repeats: int, device: str, contenders: Mapping[str, Any]
) -> None:
    """Print one model's table."""
    model = network(name, device)
    layer = get_target_layer(model, MODELS[name])
    grid = patches_as_grid if name.startswith("vit") else None
    images = torch.randn(batch, 3, 224, 224, device=device)
    explain = {
        label: make(model, layer, grid)
        for label, make in contenders.items()
        if grid is None or label not in WITHOUT_TOKENS
    }
    maps = {label: run(images).float().cpu() for label, run in explain.items()}
    runs = {label: lambda run=run: run(images) for label, run in explain.items()}
    seconds = medians(runs, repeats)
    least = seconds["floor"]
    print(f"\n{name}, batch {batch}, {device}: floor {least * 1e3:.0f} ms, median of {repeats}")
    print(f"{'':<16}{'time / floor':>14}{'peak MiB':>12}{'difference from the floor':>28}")
    for label, run in runs.items():
        memory = peak_growth(run, device)
        shown = "" if memory is None else f"{memory:.0f}"
        difference = ""
        if contenders is LIBRARIES and maps[label].ndim == 3:
            apart = (on_one_scale(maps[label]) - on_one_scale(maps["floor"])).abs().max().item()
            difference = f"{apart:.1e}"
        print(f"{label:<16}{seconds[label] / least:14.2f}{shown:>12}{difference:>28}")


def main() -> None:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--what", nargs="+", choices=("libraries", "methods"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    packages = ("torch", "torchvision", "captum", "torchcam", "grad-cam")
    print(", ".join(f"{package} {version(package)}" for package in packages))
    tables = {"libraries": LIBRARIES, "methods": METHODS}
    for what in options.what or tables:
        for name in options.model:
            for batch in options.batch:
                compare(name, batch, options.repeats, options.device, tables[what])


if __name__ == "__main__":
    main()
