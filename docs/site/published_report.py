"""A finished report, made of free photos while the site is built, at an address of its own.

`python docs/site/published_report.py OUT` makes the report alone. The build calls it so, because a
report renders pages with MkDocs too, which keeps what it is doing in global variables.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pages
import writing
from digest import WEIGHTS_VARIABLE, inputs
from layout import Layout

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

log = logging.getLogger("mkdocs.hooks.interpviz")

MODEL = "efficientnet_lite0"
OPTIONS: dict[str, Any] = {"methods": ["gradcam", "layercam"], "top": 2}
# Photos without conditions. A folder that is no class of the model leaves its photos unjudged.
FOLDERS = {
    "astronaut": "astronaut",
    "camera": "tripod",
    "chelsea": "tabby",
    "coffee": "espresso",
    "grace_hopper": "military uniform",
    "hubble": "deep field",
    "rocket": "missile",
}
COMMAND = f"interpviz report --model {MODEL} --images photos --out report " + " ".join(
    f"--method {name}" for name in OPTIONS["methods"]
)
# Left, top, right and bottom of each part, in shares of the photo.
PARTS = {
    "whole": (0.0, 0.0, 1.0, 1.0),
    "upper-left": (0.0, 0.0, 0.6, 0.6),
    "upper-right": (0.4, 0.0, 1.0, 0.6),
    "lower-left": (0.0, 0.4, 0.6, 1.0),
    "lower-right": (0.4, 0.4, 1.0, 1.0),
}
_PLACE = "generated/"
_UNFINISHED = ".report-"
_DECIDING = ("interpviz/", "installed versions", WEIGHTS_VARIABLE)


def folder(layout: Layout) -> Path:
    """Where the report is made. The site shows it one folder higher, as `report/`."""
    return layout.generated / "report"


def stamp(layout: Layout) -> Path:
    """What the report was made from."""
    return layout.generated / ".report.json"


def key(now: Mapping[str, str]) -> dict[str, str]:
    """What decides how the report looks.

    The photos ship in packages, so the installed versions stand for them.

    Args:
        now: The inputs of the gallery.
    """
    renderer = [f"{name} {version(name)}" for name in ("mkdocs", "mkdocs-material")]
    return {name: now[name] for name in _DECIDING} | {
        "own": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
        "renderer": ", ".join(renderer),
    }


def make(layout: Layout, wanted: dict[str, str], run: Callable[[Path], None]) -> bool:
    """Make the report, unless it is there already, from the same and whole.

    Args:
        layout: The folders of the checkout.
        wanted: What decides how it looks.
        run: Writes the report into a folder.

    Returns:
        Whether it was made.
    """
    place, made_from = folder(layout), stamp(layout)
    if _read(made_from) == {"from": wanted, "files": _sizes(place)}:
        return False
    # The stamp goes first: what a build that is cut off leaves behind is not believed.
    made_from.unlink(missing_ok=True)
    if place.exists():
        shutil.rmtree(place)
    for left in layout.generated.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)
    # In a folder of its own, since the maker of a build that was killed may still be writing.
    with TemporaryDirectory(prefix=_UNFINISHED, dir=layout.generated) as name:
        run(Path(name) / "report")
        (Path(name) / "report").rename(place)
    text = json.dumps({"from": wanted, "files": _sizes(place)}, indent=1)
    pages.replace(made_from, f"{text}\n")
    return True


def _sizes(place: Path) -> dict[str, int]:
    """The size of each file of a report; nothing where there is no report."""
    files = sorted(path for path in place.rglob("*") if path.is_file())
    return {path.relative_to(place).as_posix(): path.stat().st_size for path in files}


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def run_apart(place: Path) -> None:
    """Make the report in a process of its own.

    Raises:
        PluginError: It could not be made.
    """
    from mkdocs.exceptions import PluginError

    command = [sys.executable, __file__, str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PluginError(f"The report of free photos could not be made: {reason(done)}")


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """Say in one line why a process did not end well.

    Args:
        done: The process. Its status is less than 0 for a signal.
    """
    if done.returncode == -signal.SIGKILL:
        return "it was killed, as the system does when memory runs out; free some, then build again"
    if done.returncode < 0:
        return f"it was ended by {signal.Signals(-done.returncode).name}"
    said = done.stderr.strip().splitlines()
    return said[-1] if said else f"it ended with status {done.returncode} and gave no reason"


def on_pre_build(config: MkDocsConfig) -> None:
    """Make the report, or keep it.

    Raises:
        PluginError: It could not be made, or not be written.
    """
    from mkdocs.exceptions import PluginError

    root = Path(config.config_file_path).resolve().parent
    options = dict(config.plugins["gallery"].config)
    layout = Layout(root, Path(config.docs_dir), root / Path(options["examples_dirs"][0]))
    wanted = key(inputs(root, options))
    try:
        layout.generated.mkdir(parents=True, exist_ok=True)
        made = make(layout, wanted, run_apart)
    except OSError as error:
        if not writing.concerns(error, layout.generated):
            raise
        raise PluginError(writing.sentence(error, layout.generated)) from error
    if made:
        log.info("Made the report of free photos.")


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Move the report to its own address."""
    for file in files:
        if file.src_uri.startswith(f"{_PLACE}report/"):
            file.dest_uri = file.src_uri.removeprefix(_PLACE)


def write_photos(place: Path) -> None:
    """Write the photos and parts of them, in a folder for each class.

    Args:
        place: The folder to write to.
    """
    from interpviz.zoo import load_photo

    for name, class_name in FOLDERS.items():
        photo = load_photo(name)
        (place / class_name).mkdir(parents=True, exist_ok=True)
        for part, sides in PARTS.items():
            lengths = (*photo.size, *photo.size)
            box = tuple(round(s * length) for s, length in zip(sides, lengths, strict=True))
            photo.crop(box).save(place / class_name / f"{name}-{part}.png")


def main(out: str) -> None:
    """Make the report.

    Args:
        out: The folder to write to.

    Raises:
        SystemExit: It cannot be made, or leaves a photo out.
    """
    from interpviz.errors import InterpvizError
    from interpviz.report import build

    try:
        with TemporaryDirectory() as name:
            write_photos(Path(name))
            summary = build(MODEL, name, out, device="cpu", command=COMMAND, **OPTIONS)
    except InterpvizError as error:
        sys.exit(str(error))
    if summary.failures:
        sys.exit(f"{summary.failures[0][0]}: {summary.failures[0][1]}")


if __name__ == "__main__":
    main(sys.argv[1])
