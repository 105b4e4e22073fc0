"""One run over all images of a source, from the model to the data that pages show."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from interpviz.errors import InputError, InterpvizError
from interpviz.report.data import DataWriter
from interpviz.report.explain import Explainer
from interpviz.report.filling import usual_size
from interpviz.report.installed import versions
from interpviz.report.labels import class_of_label
from interpviz.report.ledger import Outcome, Watch
from interpviz.report.options import FORMAT, Options, digest_of
from interpviz.report.pipeline import Pipeline, cores
from interpviz.report.prepare import MakePreparer, Preparer
from interpviz.report.scripts import write_script
from interpviz.report.sources import Source
from interpviz.report.store import Store
from interpviz.report.totals import Totals
from interpviz.zoo.any_model import Loaded, weights_digest
from interpviz.zoo.transform_kinds import described

if TYPE_CHECKING:
    import torch

_GREY = Image.new("RGB", (320, 240), "grey")


class ImageRun:
    """A model and images that go together, checked before anything is written.

    Args:
        loaded: The model.
        source: The images.
        options: What is drawn of each.
        masks: The folder of the objects' masks, or None.

    Raises:
        InputError: They do not go together.
    """

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
        self.classes = self.explain.class_total(self._tried())
        if loaded.categories and len(loaded.categories) != self.classes:
            raise InputError(
                f"There are {len(loaded.categories)} class names, but {loaded.name} has "
                f"{self.classes} outputs: give one name for each."
            )
        self.label_class = class_of_label(source.labels, loaded.categories, self.classes)

    def _tried(self) -> torch.Tensor:
        try:
            return self.transform(_GREY)[1]
        except InterpvizError:
            raise
        except Exception as error:  # a user's preprocessing may fail in any way
            raise InputError(
                f"The preprocessing of {self.loaded.name} fails on a plain grey picture "
                f"({type(error).__name__}: {error}): check it with one image."
            ) from error

    def check(self, batch_size: int | None, workers: int | None) -> None:
        """Refuse numbers that mean nothing.

        Args:
            batch_size: Images that the model sees at once, or None.
            workers: Threads or actors, or None.

        Raises:
            InputError: One is no whole number above 0.
        """
        for name, value in (("batch_size", batch_size), ("workers", workers)):
            if value is not None and (type(value) is not int or value < 1):
                raise InputError(f"{name} is {value!r}, but must be a whole number above 0.")

    def stream(
        self, store: Store, batch_size: int | None, workers: int | None, watch: Watch
    ) -> tuple[Outcome, int]:
        """Explain what is new on this machine.

        Args:
            store: The results.
            batch_size: Images that the model sees at once, at most; None for as many as fill the
                device.
            workers: Threads that decode; None for one a core.
            watch: Is told how far the run is.

        Returns:
            Which results are whose, and how many are new.
        """
        from interpviz.device import placement

        make = self._preparer()
        prepare = make(self.source, store)
        device = placement(self.loaded.model)[0]
        pipeline = Pipeline(
            store,
            prepare,
            self.explain,
            batch_size=batch_size or usual_size(device),
            fill=None if batch_size else device,
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
        """Explain what is new on a Ray cluster.

        Args:
            store: The results.
            batch_size: Images that the model sees at once, at most; None for the usual number.
            workers: Actors that hold the model; None for what the cluster has room for.
            device: Where actors run it; None for what they have.
            watch: Is told how far the run is.

        Returns:
            Which results are whose, and how many are new.
        """
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
            digest=digest_of(
                self.options.as_dict(),
                self.model_digest,
                described(self.transform),
                _name_of_layer(self.loaded),
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
        """Write the data that pages show, and forget results that nobody asks for.

        Args:
            store: The results.
            outcome: Which of them are whose.
            command: What the user typed, or None.
        """
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
            "versions": versions(),
            "command": command,
        }


def _name_of_layer(loaded: Loaded) -> str:
    modules = loaded.model.named_modules()
    return next((name for name, module in modules if module is loaded.target_layer), "")
