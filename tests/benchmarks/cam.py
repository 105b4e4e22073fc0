"""Time and peak memory of Grad-CAM, side by side with the peers, in one process.

    pip install -e ".[bench]" && python tests/benchmarks/cam.py [--repeats 7] [--batch 1 16]

The floor is the least that has to be done: trunk forward without a graph, head forward, gradient of
the score for that one activation, one batched interpolation. All contenders run in turn,
repeatedly, on the same images; maps are compared before times are. Weights are random: they change
neither times nor whether two libraries agree.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from interpviz.cam import GradCAM, get_target_layer
from interpviz.cam.grids import share_of_maximum

MODELS = {"resnet50": "layer4", "vgg16": "features.29", "mobilenet_v3_large": "features"}
CLASS = 7
Explain = Callable[[Tensor], Tensor]


def floor(model: nn.Module, layer: nn.Module) -> Explain:
    """The hand-written least: what no library can go below."""

    def explain(images: Tensor) -> Tensor:
        kept = []

        def keep(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
            torch.set_grad_enabled(True)
            kept.append(output.detach().requires_grad_())
            return kept[0].clone()

        handle = layer.register_forward_hook(keep)
        with torch.no_grad():
            scores = model(images)[:, CLASS]
        handle.remove()
        with torch.enable_grad():
            [gradient] = torch.autograd.grad(scores, kept, torch.ones_like(scores))
        maps = torch.einsum("nc,nchw->nhw", gradient.mean((2, 3)), kept[0].detach()).relu()
        return F.interpolate(maps[:, None], images.shape[-2:], mode="bilinear")[:, 0]

    return explain


def captum(model: nn.Module, layer: nn.Module) -> Explain:
    """Captum's LayerGradCam, enlarged."""
    from captum.attr import LayerGradCam

    method = LayerGradCam(model, layer)

    def explain(images: Tensor) -> Tensor:
        maps = method.attribute(images, CLASS, relu_attributions=True).detach()
        return F.interpolate(maps, images.shape[-2:], mode="bilinear")[:, 0]

    return explain


def torchcam(model: nn.Module, layer: nn.Module) -> Explain:
    """torch-cam's GradCAM, enlarged."""
    from torchcam.methods import GradCAM as TorchCAM

    def explain(images: Tensor) -> Tensor:
        with TorchCAM(model, layer) as method:
            maps = method([CLASS] * len(images), model(images))[0]
        return F.interpolate(maps[:, None], images.shape[-2:], mode="bilinear")[:, 0].detach()

    return explain


def grad_cam(model: nn.Module, layer: nn.Module) -> Explain:
    """pytorch-grad-cam's GradCAM."""
    from pytorch_grad_cam import GradCAM as PytorchGradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    def explain(images: Tensor) -> Tensor:
        with PytorchGradCAM(model, [layer]) as method:
            return torch.from_numpy(method(images, [ClassifierOutputTarget(CLASS)] * len(images)))

    return explain


def interpviz(model: nn.Module, layer: nn.Module) -> Explain:
    """This library."""
    cam = GradCAM(model, layer)
    return lambda images: cam(images, CLASS, normalize=False)


CONTENDERS = {
    "floor": floor,
    "floor again": floor,
    "interpviz": interpviz,
    "captum": captum,
    "torchcam": torchcam,
    "grad-cam": grad_cam,
}


def peak_growth(run: Callable[[], object]) -> float | None:
    """How far the memory of the process rises above its start, in MiB (Linux only)."""
    reset, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    try:
        reset.write_text("5")
    except OSError:
        return None

    def kib(field: str) -> int:
        line = next(row for row in status.read_text().splitlines() if row.startswith(field))
        return int(line.split()[1])

    # Freed memory goes back first, so that no contender lives on what another one left.
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    reset.write_text("5")
    start = kib("VmRSS")
    run()
    return (kib("VmHWM") - start) / 1024


def on_one_scale(maps: Tensor) -> Tensor:
    """Maps from 0 to 1 each, since some libraries return no others."""
    lowest = maps.flatten(1).amin(1)[:, None, None]
    return share_of_maximum(maps - lowest)


def compare(name: str, batch: int, repeats: int) -> None:
    """Print one model's table."""
    model = getattr(torchvision.models, name)(weights=None).eval()
    with torch.no_grad():
        # A class whose map is not zero, whatever the random weights are.
        [m for m in model.modules() if isinstance(m, nn.Linear)][-1].weight[CLASS].abs_()
    layer = get_target_layer(model, MODELS[name])
    images = torch.randn(batch, 3, 224, 224)
    runs = {label: make(model, layer) for label, make in CONTENDERS.items()}
    maps = {label: on_one_scale(run(images).float()) for label, run in runs.items()}
    times: dict[str, list[float]] = {label: [] for label in runs}
    for _ in range(repeats):
        for label, run in runs.items():
            start = time.perf_counter()
            run(images)
            times[label].append(time.perf_counter() - start)
    least = statistics.median(times["floor"])
    print(f"\n{name}, batch {batch}: floor {least * 1e3:.0f} ms, median of {repeats}")
    print(f"{'':<14}{'time / floor':>14}{'peak MiB':>12}{'max difference of the map':>28}")
    for label, run in runs.items():
        difference = (maps[label] - maps["floor"]).abs().max().item()
        memory = peak_growth(lambda run=run: run(images))
        shown = "" if memory is None else f"{memory:.0f}"
        ratio = statistics.median(times[label]) / least
        print(f"{label:<14}{ratio:14.2f}{shown:>12}{difference:28.1e}")


def main() -> None:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    packages = ("torch", "torchvision", "captum", "torchcam", "grad-cam")
    print(", ".join(f"{package} {version(package)}" for package in packages))
    for name in options.model:
        for batch in options.batch:
            compare(name, batch, options.repeats)


if __name__ == "__main__":
    main()
