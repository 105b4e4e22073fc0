"""`build`: from a model and images to a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from interpviz.errors import InputError
from interpviz.report.engines import check_engine
from interpviz.report.ledger import Watch
from interpviz.report.mirror import at_any_address
from interpviz.report.options import OptionNames, Options
from interpviz.report.places import check_place, writable
from interpviz.report.progress import watching
from interpviz.report.running import ImageRun
from interpviz.report.site import check_renderer, write_site
from interpviz.report.sources import find_source
from interpviz.report.store import opened
from interpviz.report.summary import Summary
from interpviz.report.texts.kind import check_kind
from interpviz.zoo.any_model import Loaded, as_loaded, place
from interpviz.zoo.external import find_model
from interpviz.zoo.transform_kinds import as_transform

if TYPE_CHECKING:
    import torch


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

    Images stream through: only a few batches, and of each image its name and place, are in memory.
    What cannot be read is listed with its reason and stops nothing. A run that was cut off goes on
    where it was, and a later run explains only what is new or changed: the same images, weights and
    options are done already.

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
        batch_size: How many images the model sees at once; by default 16 on a CPU, elsewhere 64,
            which grow on a GPU while its memory has room. It is halved where memory runs out.
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
        InterpvizError: The model can explain none of the images.
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
    run = ImageRun(loaded, source, chosen, None if masks is None else Path(masks).expanduser())
    run.check(batch_size, workers)
    with writable(folder), opened(folder) as store:
        with watching(progress, len(source), "images") as watch:
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
