"""A process that runs examples, one after the other, as its parent asks for them.

Its parent writes lines of JSON to standard input: first the options of the gallery plugin, then
the path of one script at a time. One line of JSON goes back for each script.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

import thumbnails
import timing
import workers
import writing
from layout import Example, GalleryError

# A process that holds more after an example is replaced before the next one.
REUSE_BELOW_MB = 1500

# Says when packaged weights stand in for those of a hub.
_ZOO = "interpviz.zoo.models"
_FAILED = "failed to execute correctly: "


def main() -> None:
    """Answer until the parent has no more scripts, or is gone."""
    # An example that writes to the terminal itself must not be taken for an answer.
    questions, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    faulthandler.enable()
    sys.path.remove(str(Path(__file__).parent))
    everything = _everything(json.loads(questions.readline()))
    galleries = [part for root in everything.galleries for part in (root, *root.subsections)]
    scripts = {str(script.src_py_file): script for part in galleries for script in part.scripts}
    asked: queue.SimpleQueue[str] = queue.SimpleQueue()
    busy = threading.Event()
    threading.Thread(target=_listen, args=(questions, asked, busy), daemon=True).start()
    while source := asked.get():
        answers.write(json.dumps(_run(scripts[source])) + "\n")
        busy.clear()
        answers.flush()


def _listen(questions: IO[str], asked: queue.SimpleQueue[str], busy: threading.Event) -> None:
    for line in questions:
        busy.set()
        asked.put(json.loads(line))
    if busy.is_set():
        os._exit(1)  # the build was killed: nobody wants what is being made
    asked.put("")


def _everything(setup: dict[str, Any]) -> Any:
    from mkdocs_gallery.gen_data_model import AllInformation
    from mkdocs_gallery.gen_gallery import parse_config

    options = parse_config(setup["options"], mkdocs_conf=setup["site"])
    everything = AllInformation.from_cfg(options, setup["site"])
    everything.collect_script_files()
    return everything


def _run(script: Any) -> dict[str, Any]:
    from mkdocs_gallery.gen_single import generate_file_md

    example = Example(Path(script.src_py_file), Path(script.gallery.generated_dir))
    timing.begin(example)
    meter = timing.Meter()
    said: list[str] = []
    stand_ins: dict[str, None] = {}
    heard = (
        _heard("mkdocs", logging.WARNING, lambda record: said.append(record.getMessage())),
        _heard(_ZOO, logging.INFO, lambda record: stand_ins.setdefault(str(record.args[0]))),
    )
    with heard[0], heard[1], _restored():
        try:
            generate_file_md(script)
            thumbnails.make(example)
        except GalleryError as error:
            return {"failed": str(error), "retire": True}
        except BaseException as error:  # sys.exit in an example ends the example only
            return {"failed": _account(error, said, example), "retire": True}
    run = replace(
        meter.read(),
        weights=timing.weights(example.page.read_text(encoding="utf-8")),
        stand_ins=tuple(stand_ins),
        finished=True,
    )
    timing.save(example, run)
    return {"run": asdict(run), "warnings": said, "retire": timing.resident_mb() > REUSE_BELOW_MB}


def _account(error: BaseException, said: list[str], example: Example) -> str:
    # The plugin's account of a failure leaves out the lines of its own.
    trace = said[-1].partition(_FAILED)[2] if said else ""
    trace = trace or traceback.format_exc()
    if isinstance(error, OSError) and writing.concerns(error, example.folder):
        return f"{writing.sentence(error, example.folder)}\n{trace}"
    return trace


@contextmanager
def _heard(name: str, level: int, hear: Callable[[Any], object]) -> Iterator[None]:
    """Hear what a logger has to say, and let nobody else."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            hear(record)

    handler = Handler(level)
    log = logging.getLogger(name)
    log.addHandler(handler)
    log.setLevel(level)
    log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)


@contextmanager
def _restored() -> Iterator[None]:
    """Leave nothing of one example to the next."""
    environment, folder = dict(os.environ), Path.cwd()
    arguments, search = sys.argv[:], sys.path[:]
    try:
        yield
    finally:
        os.chdir(folder)
        sys.argv[:], sys.path[:] = arguments, search
        os.environ.clear()
        os.environ.update(environment)


if __name__ == "__main__":
    workers.prepare()
    main()
