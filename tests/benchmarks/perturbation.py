"""AblationCAM against a hand-written floor, and ScoreCAM against torch-cam and its own budgets.

    pip install -e ".[bench]" && python tests/benchmarks/perturbation.py [--what ablation score]

The floor of AblationCAM is one run of the trunk, and then only the head, with channels in batches.
ScoreCAM is timed against torch-cam on the 256 channels of a ResNet-50's first block, since all 2048
of the last one take minutes; its budget on the last one, where the time is one run. The rank
correlation of a budget's map with the full map comes from trained weights on free photos.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from contenders import CLASS, Explain, network
from measure import medians
from torch import Tensor, nn
from torch.nn import functional as F

from interpviz.cam import AblationCAM, ScoreCAM
from interpviz.metrics import rank_correlation
from interpviz.zoo import load_model, load_photo

Head = Callable[[nn.Module, Tensor], Tensor]
BATCH = 128


def pooled(model: nn.Module, activation: Tensor) -> Tensor:
    """The classifier behind the last convolutions of VGG and MobileNet."""
    return model.classifier(torch.flatten(model.avgpool(activation), 1))


HEADS: dict[str, tuple[str, Head]] = {
    "resnet50": ("layer4", lambda m, a: m.fc(torch.flatten(m.avgpool(a), 1))),
    "vgg16": ("features.29", lambda m, a: pooled(m, m.features[30](a))),
    "mobilenet_v3_large": ("features", pooled),
}


def ablation_floor(model: nn.Module, layer: str, head: Head) -> Explain:
    """The hand-written least for AblationCAM: the trunk once, then the head in batches."""

    @torch.no_grad()
    def explain(images: Tensor) -> Tensor:
        kept = []
        handle = model.get_submodule(layer).register_forward_hook(
            lambda _module, _args, output: kept.append(output.clone())
        )
        score = model(images)[:, CLASS]
        handle.remove()
        [activation] = kept
        lost = []
        for start in range(0, activation.shape[1], BATCH):
            count = min(BATCH, activation.shape[1] - start)
            ablated = activation.repeat(count, 1, 1, 1)
            for place in range(count):
                ablated[place, start + place] = 0
            lost.append(score - head(model, ablated)[:, CLASS])
        weights = torch.cat(lost)[None] / score.abs()[:, None]
        maps = torch.einsum("nc,nchw->nhw", weights, activation).relu()
        return F.interpolate(maps[:, None], images.shape[-2:], mode="bilinear")[:, 0]

    return explain


def ablation(repeats: int) -> None:
    """Print AblationCAM's time over its floor for three networks."""
    for name, (layer, head) in HEADS.items():
        model = network(name)
        image = torch.rand(1, 3, 224, 224)
        cam = AblationCAM(model, layer)
        runs = {
            "floor": ablation_floor(model, layer, head),
            "floor again": ablation_floor(model, layer, head),
            "interpviz": lambda x, cam=cam: cam(x, CLASS, normalize=False),
        }
        maps = {label: run(image) for label, run in runs.items()}
        exact = ablation_floor(model.double(), layer, head)(image.double())
        model.float()
        seconds = medians(
            {k: lambda run=run, image=image: run(image) for k, run in runs.items()}, repeats
        )
        for label, value in seconds.items():
            apart = (maps[label] - exact).abs().max() / exact.max()
            print(
                f"ablation  {name:<20}{label:<14}{value:8.2f} s{value / seconds['floor']:8.2f}"
                f"   apart from the floor in float64 {apart:.0e}"
            )


def score(repeats: int) -> None:
    """Print ScoreCAM's time over torch-cam's, all channels of a layer."""
    from torchcam.methods import ScoreCAM as TorchScoreCAM

    model = network("resnet50")
    image = torch.rand(1, 3, 224, 224)

    def torchcam() -> Tensor:
        with torch.no_grad(), TorchScoreCAM(model, "layer1", batch_size=32) as method:
            model(image)
            return method(CLASS)[0]

    cam = ScoreCAM(model, "layer1")
    seconds = medians({"torchcam": torchcam, "interpviz": lambda: cam(image, CLASS)}, repeats)
    for label, value in seconds.items():
        print(f"score     resnet50, 256 channels  {label:<12}{value:8.2f} s"
              f"{value / seconds['torchcam']:8.2f}")  # fmt: skip


def budget() -> None:
    """Print what a budget of channels saves, and how like the full map its map is."""
    model = network("resnet50")
    image = torch.rand(1, 3, 224, 224)
    budgets = (None, 192, 128, 64)
    cams = {str(count or "all"): ScoreCAM(model, "layer4", channels=count) for count in budgets}
    runs = {label: lambda cam=cam: cam(image, CLASS) for label, cam in cams.items()}
    seconds = medians(runs, 1)
    for label, value in seconds.items():
        print(f"budget    resnet50, channels {label:<6}{value:8.1f} s{seconds['all'] / value:8.1f}"
              " times as fast")  # fmt: skip
    m = load_model("efficientnet_lite0", weights="packaged")
    photos = ("chelsea", "coffee", "rocket")
    x = torch.stack([m.preprocess(load_photo(name)) for name in photos])
    full, *some = (ScoreCAM(m.model, m.target_layer, channels=count)(x) for count in budgets)
    for count, maps in zip(budgets[1:], some, strict=True):
        found = ", ".join(
            f"{name} {value:.3f}"
            for name, value in zip(photos, rank_correlation(maps, full).tolist(), strict=True)
        )
        print(f"budget    efficientnet_lite0, {count} channels: rank correlation {found}")


def main() -> None:
    """Read the command line and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--what", nargs="+", choices=("ablation", "score", "budget"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for what in options.what or ("ablation", "score", "budget"):
        if what == "ablation":
            ablation(options.repeats)
        elif what == "score":
            score(max(options.repeats // 2, 1))
        else:
            budget()


if __name__ == "__main__":
    main()
