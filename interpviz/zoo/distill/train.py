"""Train one student on the stored crops.

The student learns the teacher's softened answers (Hinton, Vinyals and Dean, "Distilling the
Knowledge in a Neural Network", 2015, https://arxiv.org/abs/1503.02531). The last part of the run
sees larger inputs (Touvron et al., "Fixing the train-test resolution discrepancy", NeurIPS 2019,
https://arxiv.org/abs/1906.06423).
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interpviz.errors import InputError
from interpviz.zoo.distill.augment import augment, mix
from interpviz.zoo.students import build_student

if TYPE_CHECKING:
    import torch
    from torch import nn

    from interpviz.zoo.distill.data import CropStore

_LENGTH = ("steps", "minutes")
SAVE_EVERY = 100  # batches between two checkpoints


@dataclass(frozen=True)
class Recipe:
    """How one student is trained.

    Attributes:
        student: The student's name.
        size: Side of the inputs in pixels for most of the run.
        final_size: Side of the inputs in the last part of the run.
        final_part: That part of the run, in [0, 1].
        use_size: Side of the inputs that the student is meant for and measured at.
        steps: Length of the run in batches.
        minutes: Time after which the run ends even before `steps`; 0 sets no limit.
        batch: Crops in a batch.
        free_part: Part of each batch that comes from the free photos, in [0, 1].
        optimiser: `"sgd"` or `"adamw"`.
        rate: The highest learning rate.
        decay: Weight decay.
        temperature: What logits are divided by before the softmax.
        mixed_part: Part of the batches that mix pairs, in [0, 1].
        seed: Seed of the first weights and of all chance in training.
    """

    student: str
    size: int = 96
    final_size: int = 160
    final_part: float = 0.25
    use_size: int = 224
    steps: int = 3000
    minutes: float = 0.0
    batch: int = 32
    free_part: float = 0.2
    optimiser: str = "sgd"
    rate: float = 0.08
    decay: float = 1e-4
    temperature: float = 2.0
    mixed_part: float = 0.5
    seed: int = 0


RECIPES = {
    "resnet18": Recipe("resnet18"),
    "vgg11_bn": Recipe("vgg11_bn", size=64, final_size=128, final_part=0.45, rate=0.05),
    "mobilenet_v2": Recipe("mobilenet_v2", optimiser="adamw", rate=2e-3, decay=0.02),
}


@dataclass
class Run:
    """A run as far as it has come.

    Attributes:
        model: The student.
        optimiser: Its optimiser.
        rng: The source of all chance in training.
        step: Batches done.
        seconds: Time spent in them, over all restarts.
        sizes: How many batches were done at each input size in pixels.
    """

    model: nn.Module
    optimiser: torch.optim.Optimizer
    rng: torch.Generator
    step: int = 0
    seconds: float = 0.0
    sizes: Counter[int] = field(default_factory=Counter)

    def save(self, path: Path, recipe: Recipe) -> None:
        """Write a checkpoint in one piece."""
        import torch

        state = {
            "recipe": asdict(recipe),
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "rng": self.rng.get_state(),
            "step": self.step,
            "seconds": self.seconds,
            "sizes": dict(self.sizes),
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path, recipe: Recipe) -> None:
        """Go on from a checkpoint.

        Raises:
            InputError: It is of a run with another recipe; only the length may differ.
        """
        import torch

        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        before, now = state["recipe"], asdict(recipe)
        changed = [key for key in now if before[key] != now[key] and key not in _LENGTH]
        if changed:
            raise InputError(
                f"{path} is of a run with another {', '.join(changed)}: give the same options "
                "again, another folder as --work, or delete that file."
            )
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.rng.set_state(state["rng"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.sizes = Counter(state["sizes"])


def start(recipe: Recipe, device: torch.device) -> Run:
    """Draw the first weights and make the optimiser.

    Raises:
        InputError: The recipe names an optimiser that is not known.
    """
    import torch

    torch.manual_seed(recipe.seed)
    model = build_student(recipe.student).to(device).to(memory_format=torch.channels_last).train()
    # Scales and biases do not decay: pulling them to zero only costs accuracy.
    decayed = [p for p in model.parameters() if p.ndim > 1]
    kept = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": recipe.decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    optimiser: torch.optim.Optimizer
    if recipe.optimiser == "sgd":
        optimiser = torch.optim.SGD(groups, lr=recipe.rate, momentum=0.9, nesterov=True)
    elif recipe.optimiser == "adamw":
        optimiser = torch.optim.AdamW(groups, lr=recipe.rate)
    else:
        raise InputError(f"The optimiser is 'sgd' or 'adamw', not {recipe.optimiser!r}.")
    return Run(model, optimiser, torch.Generator().manual_seed(recipe.seed))


def one_cycle(progress: float, warm: float = 0.12) -> float:
    """The learning rate over its highest value: up in a line, then down in half a cosine.

    Args:
        progress: How much of the run is done, in [0, 1].
        warm: The part of the run in which the rate rises.
    """
    if progress < warm:
        return 0.04 + 0.96 * progress / warm
    return max(0.5 + 0.5 * math.cos(math.pi * (progress - warm) / (1 - warm)), 1e-3)


def draw(store: CropStore, recipe: Recipe, rng: torch.Generator) -> torch.Tensor:
    """Choose the crops of one batch: indices (batch,), the free photos' last."""
    import torch

    free, other = store.free.nonzero()[:, 0], (~store.free).nonzero()[:, 0]
    if not len(free) or not len(other):
        return torch.randint(len(store.free), (recipe.batch,), generator=rng)
    n = round(recipe.batch * recipe.free_part)
    picks = [
        pool[torch.randint(len(pool), (count,), generator=rng)]
        for pool, count in ((other, recipe.batch - n), (free, n))
    ]
    return torch.cat(picks)


def distillation_loss(
    logits: torch.Tensor, answers: torch.Tensor, temperature: float
) -> torch.Tensor:
    """KL divergence from the teacher's softened answers, times the temperature squared.

    Args:
        logits: The student's (N, classes).
        answers: The teacher's probabilities at this temperature (N, classes).
        temperature: What the student's logits are divided by.

    Returns:
        The mean over the batch, in nats; 0 where the two agree.
    """
    from torch.nn import functional as F

    student = F.log_softmax(logits.float() / temperature, dim=1)
    return F.kl_div(student, answers, reduction="batchmean") * temperature**2


def train_step(run: Run, store: CropStore, recipe: Recipe, progress: float) -> float:
    """Do one batch.

    Args:
        run: The run, changed in place.
        store: Crops with the teacher's logits, on any device.
        recipe: How to train.
        progress: How much of the run is done, in [0, 1].

    Returns:
        The loss.
    """
    import torch

    device = next(run.model.parameters()).device
    size = recipe.final_size if progress > 1 - recipe.final_part else recipe.size
    run.sizes[size] += 1
    for group in run.optimiser.param_groups:
        group["lr"] = recipe.rate * one_cycle(progress)
    index = draw(store, recipe, run.rng).to(store.crops.device)
    x = augment(store.crops[index].to(device), size, run.rng)
    answers = (store.logits[index].to(device).float() / recipe.temperature).softmax(1)
    if float(torch.rand((), generator=run.rng)) < recipe.mixed_part:
        x, answers = mix(x, answers, run.rng)
    # bfloat16 needs no loss scaling, on the CPU as on the GPU.
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type in ("cpu", "cuda")):
        logits = run.model(x)
    loss = distillation_loss(logits, answers, recipe.temperature)
    run.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 5.0)
    run.optimiser.step()
    return float(loss.detach())


def train(
    run: Run,
    store: CropStore,
    recipe: Recipe,
    checkpoint: Path,
    report: Callable[[Run], None] | None = None,
) -> Run:
    """Train to the recipe's end, from the checkpoint where there is one.

    Args:
        run: What `start` returned.
        store: Crops with the teacher's logits.
        recipe: How to train.
        checkpoint: Where the run is kept; written every `SAVE_EVERY` batches and at the end.
        report: Called after each time the checkpoint was written.

    Returns:
        The finished run.
    """
    from tqdm import tqdm  # type: ignore[import-untyped]

    if checkpoint.is_file():
        run.load(checkpoint, recipe)
    bar = tqdm(total=recipe.steps, initial=run.step, desc=recipe.student, unit="batch")
    while (progress := _progress(run, recipe)) < 1:
        begin = time.perf_counter()
        loss = train_step(run, store, recipe, progress)
        run.step += 1
        run.seconds += time.perf_counter() - begin
        bar.set_postfix(loss=f"{loss:.3f}", done=f"{progress:.0%}", refresh=False)
        bar.update()
        if run.step % SAVE_EVERY == 0 or _progress(run, recipe) >= 1:
            run.save(checkpoint, recipe)
            if report:
                report(run)
    bar.close()
    return run


def _progress(run: Run, recipe: Recipe) -> float:
    """How much of the run is done: by batches or by the clock, whichever is further."""
    clock = run.seconds / (60 * recipe.minutes) if recipe.minutes else 0.0
    return max(run.step / recipe.steps, clock)
