"""`build_texts`: from a model and texts to a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from interpviz.errors import InputError
from interpviz.report.addresses import local_path
from interpviz.report.installed import versions
from interpviz.report.labels import class_of_label
from interpviz.report.ledger import Watch
from interpviz.report.options import digest_of
from interpviz.report.places import check_place, writable
from interpviz.report.progress import watching
from interpviz.report.scripts import write_script
from interpviz.report.site import check_renderer, write_site
from interpviz.report.store import opened
from interpviz.report.summary import Summary
from interpviz.report.texts.data import TextTotals, TextWriter
from interpviz.report.texts.encoding import Encoder
from interpviz.report.texts.explain import TextExplainer
from interpviz.report.texts.heads import COLUMNS
from interpviz.report.texts.kind import check_kind, mark_as_texts
from interpviz.report.texts.models import TextModel, find_text_model
from interpviz.report.texts.options import FORMAT, TextOptionNames, TextOptions
from interpviz.report.texts.reading import Rows, find_rows
from interpviz.report.texts.results import Results
from interpviz.report.texts.running import TextOutcome, TextRun
from interpviz.zoo.any_model import weights_digest
from interpviz.zoo.transform_kinds import described

if TYPE_CHECKING:
    import torch
    from torch import nn


def build_texts(
    model: Any,
    texts: Any,
    out: str | Path,
    *,
    tokenizer: Any = None,
    checkpoint: str | Path | None = None,
    categories: Sequence[str] | None = None,
    device: torch.device | str | None = None,
    batch_size: int = 16,
    progress: bool | Watch = False,
    command: str | None = None,
    site: bool = True,
    **options: Unpack[TextOptionNames],
) -> Summary:
    """Run a model over all texts and write a report that a browser shows, with its attention.

    As with images, texts stream through, what cannot be read is listed with its reason and stops
    nothing, and a later run explains only what is new or changed.

    Args:
        model: What a command line can say of it (`"bert"`, `"gpt"`, `"hf:folder"`); a network of
            transformers; a pair of one and its tokenizer; or what `load_model` returns. A
            classifier tells what each text is, a model that writes how likely the text was; of all
            models the attention is shown. One with an encoder and a decoder is refused.
        texts: A file with one text a line (blank lines are left out); a `.jsonl` file, whose
            objects hold `text` and perhaps `label`; a `.csv` or `.tsv` file with such columns; or
            a sequence of texts, of pairs of text and label, or of mappings with these names.
        out: The folder to write to, a new or empty one. One that holds such a report is continued.
        tokenizer: The tokenizer of a network that is passed without one.
        checkpoint: A state dict for a model given by name.
        categories: Class names in the order of the outputs, in the place of the model's own.
        device: Where to run; None means the fastest device of this machine, and for a network that
            was passed itself the one it is on.
        batch_size: How many texts the model sees at once, at most; of long ones fewer.
        progress: Whether to show a bar, which needs rich; or a function that is told after each
            batch how far the run is.
        command: What the user typed, for the report.
        site: Whether to write the pages, which needs MkDocs; else only the data they show.
        **options: `layers` and `max_tokens`, as
            [`TextOptions`][interpviz.report.TextOptions] explains them.

    Returns:
        What the run came to, with texts in the place of images.

    Raises:
        InputError: There are no texts, an option is out of range, the model reads pictures,
            another process is writing there, the folder holds other files or a report of images, or
            MkDocs is not installed.
        AssetError: The model cannot be had.
        InterpvizError: The model can explain none of the texts.
    """
    started = time.monotonic()
    if site:
        check_renderer()
    chosen = TextOptions(**options)
    if type(batch_size) is not int or batch_size < 1:
        raise InputError(f"batch_size is {batch_size!r}, but must be a whole number above 0.")
    folder = _folder(out)
    rows = find_rows(texts)
    total, labels = _surveyed(rows, texts)
    found = find_text_model(model, tokenizer, checkpoint, device)
    if categories is not None:
        names = [str(name) for name in categories]
        found = replace(found, loaded=replace(found.loaded, categories=names))
    with _evaluating(found.loaded.model):
        run = _Run(found, chosen, labels)
        with writable(folder), opened(folder) as store:
            mark_as_texts(folder)
            results = Results(store)
            with watching(progress, total, "texts") as watch:
                outcome, new = run.stream(results, rows, total, batch_size, watch)
            totals = run.write(folder, results, outcome, command)
            if site:
                write_site(folder, "texts")
    return Summary(
        folder,
        total,
        totals.explained,
        new,
        totals.labelled,
        totals.right,
        totals.failures,
        time.monotonic() - started,
    )


def _folder(out: str | Path) -> Path:
    folder = local_path(out)
    if folder is None:
        raise InputError(f"{out} is an address: write a report of texts to a folder.")
    check_place(folder, None)
    check_kind(folder, "texts")
    return folder


def _surveyed(rows: Rows, texts: Any) -> tuple[int, list[str]]:
    """The number of texts, and the names of all labels in their order."""
    total, labels = 0, set()
    for row in rows():
        total += 1
        if row.label is not None:
            labels.add(row.label)
    if not total:
        where = texts if isinstance(texts, str | Path) else "the sequence"
        raise InputError(f"There are no texts in {where}: pass some.")
    return total, sorted(labels, key=lambda label: (label.isdecimal() and len(label), label))


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


class _Run:
    def __init__(self, model: TextModel, options: TextOptions, labels: Sequence[str]) -> None:
        loaded = model.loaded
        if model.classes and loaded.categories and len(loaded.categories) != model.classes:
            raise InputError(
                f"There are {len(loaded.categories)} class names, but {loaded.name} has "
                f"{model.classes} classes: give one name for each."
            )
        self.model, self.options, self.labels = model, options, list(labels)
        self.categories = loaded.categories if model.classes else []
        self.label_class = _classes_of(labels, self.categories, model.classes)
        limit = min(options.max_tokens, model.longest)
        self.encode = Encoder(loaded.tokenizer, limit, getattr(loaded.model, "config", None))
        self.explain = TextExplainer(model, self.encode, options)
        self.digest = weights_digest(loaded.model)

    def stream(
        self, results: Results, rows: Rows, total: int, batch_size: int, watch: Callable[..., None]
    ) -> tuple[TextOutcome, int]:
        classes = dict(zip(self.labels, self.label_class, strict=True))
        run = TextRun(
            results,
            self.encode,
            self.explain,
            digest=digest_of(
                self.options.as_dict(),
                self.digest,
                self.model.does,
                _described(self.model.loaded.tokenizer),
            ),
            class_of=lambda label: classes.get(label or "", -1),
            batch_size=batch_size,
            watch=watch,
        )
        outcome = run.run(rows, total)
        return outcome, run.counts.explained

    def write(
        self, out: Path, results: Results, outcome: TextOutcome, command: str | None
    ) -> TextTotals:
        folder = out / "data"
        folder.mkdir(parents=True, exist_ok=True)
        write_script(folder, "run.js", "run", self._about(command))
        shape = (len(self.explain.layers), len(COLUMNS), self.explain.heads)
        writer = TextWriter(out, self.labels, self.label_class, shape, len(outcome.ids))
        totals = writer.write(results, outcome)
        results.tidy(key for key in outcome.keys if key)
        return totals

    def _about(self, command: str | None) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "kind": "texts",
            "model": self.model.loaded.name,
            "about": self.model.loaded.about,
            "model_digest": self.digest,
            "does": self.model.does,
            "options": self.options.as_dict(),
            "categories": self.categories,
            "classes": self.model.classes,
            "layers": self.explain.layers,
            "heads": self.explain.heads,
            "shown": self.explain.shown,
            "columns": COLUMNS,
            "versions": versions(),
            "command": command,
        }


def _described(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    return backend.to_str() if backend is not None else described(tokenizer)


def _classes_of(labels: Sequence[str], categories: Sequence[str], classes: int) -> list[int]:
    if not classes:
        return [-1] * len(labels)
    # Datasets mostly give the index of a class in the place of its name.
    numbers = [int(label) if label.isdecimal() else -1 for label in labels]
    if all(0 <= one < classes for one in numbers) and not {*labels} & {*categories}:
        return numbers
    return class_of_label(labels, categories, classes)
