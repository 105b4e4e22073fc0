"""`build`: from a model and images to the data of a report."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from PIL import Image

from interpviz.errors import InputError
from interpviz.report.data import DataWriter, Totals, write_script
from interpviz.report.engines import check_engine
from interpviz.report.explain import Explainer
from interpviz.report.labels import class_of_label
from interpviz.report.ledger import Outcome, Watch
from interpviz.report.mirror import at_any_address
from interpviz.report.options import FORMAT, OptionNames, Options
from interpviz.report.pipeline import Pipeline, cores
from interpviz.report.places import check_place, writable
from interpviz.report.prepare import MakePreparer, Preparer
from interpviz.report.progress import shown
from interpviz.report.site import check_renderer, write_site
from interpviz.report.sources import Source, find_source
from interpviz.report.store import Store, opened
from interpviz.report.texts.kind import check_kind
from interpviz.zoo.any_model import Loaded, as_loaded, place, weights_digest
from interpviz.zoo.external import find_model
from interpviz.zoo.transform_kinds import as_transform, described

if TYPE_CHECKING:
    import torch

_GREY = Image.new("RGB", (320, 240), "grey")
_VERSIONS = ("interpviz", "torch", "torchvision", "timm", "transformers", "numpy", "Pillow")


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Attributes:
        out: The folder of the report, or its address.
        total: How many images there are.
        explained: How many have a result, from this run or an earlier one.
        new: How many were explained in this run.
        labelled: How many have a label that is one of the model's classes.
        right: How many of these were predicted right.
        failures: The id of each image without a result, and the reason.
        seconds: How long the run took.
    """

    out: Path | str
    total: int
    explained: int
    new: int
    labelled: int
    right: int
    failures: list[tuple[str, str]] = field(repr=False)
    seconds: float

    @property
    def accuracy(self) -> float | None:
        """The share of labelled images that were predicted right; None without labels."""
        return self.right / self.labelled if self.labelled else None


@at_any_address
def build(  # noqa: PLR0913
    model: Any,
    dataset: Any,
    out: str | Path,
    *,
    checkpoint: str | Path | None = None,
    masks: str | Path | None = None,
    categories: Sequence[str] | None = None,
    preprocess: Callable[..., Any] | None = None,
    device: torch.device | str | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    engine: str = "local",
    progress: bool | Watch = False,
    command: str | None = None,
    site: bool = True,
    **options: Unpack[OptionNames],
) -> Summary:
    """Explain all images of a dataset and write a report that a browser shows.

    Images stream through, so memory does not grow with their number. What cannot be read is listed
    with its reason and stops nothing. A run that was cut off goes on where it was, and a later run
    explains only what is new or changed: the same images, weights and options are done already.

    Args:
        model: What a command line can say (`"efficientnet_lite0"`, `"timm:resnet18"`,
            `"package.module:function"`); an `nn.Module`; a pair of one and its preprocessing; or
            what `load_model` returns.
        dataset: A folder of images, whose own folders name the classes where there are several, or
            its address as fsspec takes it, such as `"s3://bucket/photos"`; a
            PyTorch `Dataset` of images or of pairs of image and class, without a transform that
            normalises; or a Hugging Face dataset with a column of images.
        out: The folder to write to, a new or empty one, or its address as fsspec takes it. One that
            holds a report is continued.
        checkpoint: A state dict for a model given by name.
        masks: A folder with masks of the objects, of the same paths as the images.
        categories: Class names in the order of the outputs, in the place of the model's own.
        preprocess: A function from a PIL image to a tensor `(C, H, W)`, in the place of the model's
            own. It must be deterministic.
        device: Where to run; None means the fastest device of this machine, and for a network that
            was passed itself the one it is on.
        batch_size: How many images the model sees at once; by default 16 on a CPU and 64 elsewhere.
            It is halved where memory runs out.
        workers: How many threads read and decode; by default one a core. With Ray, how many actors
            hold the model; by default one a GPU, or one for every two processors.
        engine: `"local"` for this machine, or `"ray"` for a Ray cluster, which needs the `ray`
            extra: the one that this process is connected to, else the one that `RAY_ADDRESS`
            names, else one that is started on this machine.
        progress: Whether to show a bar with rate and time left, which needs rich; or a function
            that is told after each batch how far the run is.
        command: What the user typed, for the report.
        site: Whether to write the pages, which needs MkDocs; else only the data they show.
        **options: What is drawn of each image: `methods`, `top`, `layer`, `map_side` and `quality`,
            as [`Options`][interpviz.report.Options] explains them.

    Returns:
        What the run came to.

    Raises:
        InputError: There are no images, an option is out of range, the model reads text, another
            process is writing there, the folder holds other files or the images, or MkDocs is not
            installed.
        AssetError: The model cannot be had.
        InterpvizError: The model cannot explain any image of the first batch.
    """
    started = time.monotonic()
    if site:
        check_renderer()
    check_engine(engine)
    chosen = Options(**options)
    folder = Path(out).expanduser()
    check_place(folder, dataset)
    check_kind(folder, "images")
    where = device if engine == "local" else _driver_device(model)
    loaded = _loaded(model, checkpoint, where, categories, preprocess)
    source = find_source(dataset)
    run = _Run(loaded, source, chosen, None if masks is None else Path(masks).expanduser())
    run.check(batch_size, workers)
    with writable(folder), opened(folder) as store:
        with shown(len(source)) if progress is True else nullcontext(progress or _silent) as watch:
            if engine == "ray":
                outcome, new = run.stream_on_ray(store, batch_size, workers, device, watch)
            else:
                outcome, new = run.stream(store, batch_size, workers, watch)
        totals = run.write(store, outcome, command)
        if site:
            write_site(folder)
    return Summary(
        folder,
        len(source),
        totals.explained,
        new,
        totals.labelled,
        totals.right,
        totals.failures,
        time.monotonic() - started,
    )


def _silent(_counts: object) -> None:
    pass


def _driver_device(model: Any) -> str | None:
    # Actors put the model on their devices; a network of the user's stays where it is.
    return "cpu" if isinstance(model, str) else None


def _loaded(
    model: Any,
    checkpoint: str | Path | None,
    device: torch.device | str | None,
    categories: Sequence[str] | None,
    preprocess: Callable[..., Any] | None,
) -> Loaded:
    if isinstance(model, str):
        loaded = find_model(model, checkpoint, device=device)
    elif checkpoint is not None:
        raise InputError("A checkpoint goes with a model given by name: load it into yours first.")
    else:
        network = model[0] if isinstance(model, tuple) and model else model
        loaded = as_loaded(model, type(network).__name__)
        if device is not None:
            place(loaded.model, device)
    changed: dict[str, Any] = {}
    if categories is not None:
        changed["categories"] = [str(name) for name in categories]
    if preprocess is not None:
        changed["transform"] = as_transform(preprocess)
    return replace(loaded, **changed)


def _name_of_layer(loaded: Loaded) -> str:
    modules = loaded.model.named_modules()
    return next((name for name, module in modules if module is loaded.target_layer), "")


class _Run:
    def __init__(
        self, loaded: Loaded, source: Source, options: Options, masks: Path | None
    ) -> None:
        self.loaded = loaded
        self.source = source
        self.options = options
        self.masks = masks
        if masks is not None and not masks.is_dir():
            raise InputError(f"There is no folder of masks {masks}: pass one, or leave it out.")
        self.explain = Explainer(loaded, options)
        self.model_digest = weights_digest(loaded.model)
        if loaded.transform is None:
            raise InputError(f"{loaded.name} reads text, not pictures: pass a model of images.")
        self.transform = loaded.transform
        self.classes = self.explain.class_total(self.transform(_GREY)[1])
        if loaded.categories and len(loaded.categories) != self.classes:
            raise InputError(
                f"There are {len(loaded.categories)} class names, but {loaded.name} has "
                f"{self.classes} outputs: give one name for each."
            )
        self.label_class = class_of_label(source.labels, loaded.categories, self.classes)

    def check(self, batch_size: int | None, workers: int | None) -> None:
        for name, value in (("batch_size", batch_size), ("workers", workers)):
            if value is not None and (type(value) is not int or value < 1):
                raise InputError(f"{name} is {value!r}, but must be a whole number above 0.")

    def stream(
        self, store: Store, batch_size: int | None, workers: int | None, watch: Watch
    ) -> tuple[Outcome, int]:
        from interpviz.device import placement

        make = self._preparer()
        prepare = make(self.source, store)
        usual = 16 if placement(self.loaded.model)[0].type == "cpu" else 64
        pipeline = Pipeline(
            store,
            prepare,
            self.explain,
            batch_size=batch_size or usual,
            workers=workers or cores(),
            watch=watch,
        )
        outcome = pipeline.run(len(self.source))
        self._add_labels(outcome, prepare)
        return outcome, pipeline.counts.explained

    def stream_on_ray(
        self,
        store: Store,
        batch_size: int | None,
        workers: int | None,
        device: torch.device | str | None,
        watch: Watch,
    ) -> tuple[Outcome, int]:
        from interpviz.report.ray_engine import on_ray

        make = self._preparer()
        outcome, explained = on_ray(
            *(store, self.source, make, self.loaded, self.options),
            batch_size=batch_size,
            workers=workers,
            device=None if device is None else str(device),
            watch=watch,
        )
        self._add_labels(outcome, make(self.source, store))
        return outcome, explained

    def _preparer(self) -> MakePreparer:
        return partial(
            Preparer,
            transform=self.transform,
            digest=self.options.digest(
                self.model_digest, described(self.transform), _name_of_layer(self.loaded)
            ),
            classes=dict(zip(self.source.labels, self.label_class, strict=True)),
            quality=self.options.quality,
            masks=self.masks,
        )

    def _add_labels(self, outcome: Outcome, prepare: Preparer) -> None:
        # Datasets without class names have numbers as labels, known only when all was read.
        self.labels = list(self.source.labels)
        others = {label for label in outcome.labels if label is not None} - {*self.labels}
        self.labels += sorted(others, key=lambda label: (len(label), label))
        self.label_class += [
            prepare.class_of(label) for label in self.labels[len(self.label_class) :]
        ]

    def write(self, store: Store, outcome: Outcome, command: str | None) -> Totals:
        folder = store.out / "data"
        folder.mkdir(parents=True, exist_ok=True)
        write_script(folder, "run.js", "run", self._about(command))
        writer = DataWriter(store.out, self.source, self.labels, self.label_class)
        totals = writer.write(store, outcome)
        ids = (self.source.item(index).id for index in range(len(self.source)))
        store.tidy((key for key in outcome.keys if key), ids)
        return totals

    def _about(self, command: str | None) -> dict[str, Any]:
        methods = zip(self.options.methods, self.explain.of_class, strict=True)
        return {
            "format": FORMAT,
            "model": self.loaded.name,
            "about": self.loaded.about,
            "model_digest": self.model_digest,
            "options": self.options.as_dict(),
            "categories": self.loaded.categories,
            "classes": self.classes,
            "methods": [{"name": name, "of_class": of_class} for name, of_class in methods],
            "versions": {"python": platform.python_version(), **versions()},
            "command": command,
        }


def versions() -> dict[str, str]:
    """The versions of what makes a report, by package."""
    found = {}
    for name in _VERSIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
