"""What all commands share: how they end, how they speak, and their common options."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from interpviz.errors import InputError, InterpvizError

SOME_FAILED = 1
NOTHING_DONE = 2

# What libraries and the system raise when a model, a file or the machine is not up to it.
_FORESEEN = (
    InterpvizError,
    OSError,
    RuntimeError,
    AssertionError,
    ImportError,
    MemoryError,
    EOFError,
)


def complete_zoo_name(incomplete: str) -> list[str]:
    """The names of the zoo that start so, for a shell.

    Args:
        incomplete: What is typed so far.
    """
    from interpviz.zoo.models import model_names

    return [name for name in model_names() if name.startswith(incomplete)]


def _complete_model(incomplete: str) -> list[str]:
    kinds = ["torchvision:", "timm:", "hf:"]
    return [
        *complete_zoo_name(incomplete),
        *(kind for kind in kinds if kind.startswith(incomplete)),
    ]


def _complete_method(incomplete: str) -> list[str]:
    from interpviz.cam import methods

    return [name for name in methods() if name.startswith(incomplete)]


Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="MODEL",
        autocompletion=_complete_model,
        help="A name of the zoo, torchvision:NAME, timm:NAME, hf:ID or hf:FOLDER, or "
        "package.module:function.",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        "-w",
        metavar="FILE",
        help="A state dict for the model (.safetensors, or what torch.save wrote; no code of it "
        "runs).",
    ),
]
Methods = Annotated[
    list[str],
    typer.Option(
        "--method", metavar="NAME", autocompletion=_complete_method, help="May be repeated."
    ),
]
Layer = Annotated[
    str | None,
    typer.Option(
        "--layer",
        metavar="NAME",
        help="Dotted name of a layer, as in model.named_modules().",
        show_default="found",
    ),
]
Classes = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A file with one class name a line, in the model's order."),
]
Device = Annotated[
    str | None, typer.Option("--device", help="Such as cpu or cuda:1.", show_default="the fastest")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def examples(*calls: str) -> str:
    """The end of a command's help.

    Args:
        *calls: Calls that work.
    """
    return "\n\n".join(["Examples:", *calls])


@contextmanager
def in_one_sentence() -> Iterator[None]:
    """End with a sentence on standard error where something goes wrong.

    What is printed inside, such as by a network of the user's, goes to standard error too: standard
    output is for what the command has to say.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    except _FORESEEN as error:
        typer.secho(f"Error: {reason_of(error)}", err=True, fg="red")
        raise typer.Exit(NOTHING_DONE) from error


def reason_of(error: BaseException) -> str:
    """What went wrong, in a line.

    Args:
        error: What was raised. Of errors of others the kind is named too.
    """
    message = " ".join(str(error).split())
    if isinstance(error, InterpvizError):
        return message
    kind = type(error).__name__
    return f"{kind}: {message}" if message else kind


def print_json(content: Any) -> None:
    """Print something for programs.

    Args:
        content: What JSON can hold.
    """
    typer.echo(json.dumps(content, indent=1))


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table for people.

    Args:
        titles: The columns' titles.
        rows: The cells.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(*titles, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    Console(soft_wrap=not sys.stdout.isatty()).print(table, markup=False)


def print_failures(failures: Sequence[tuple[str, str]], most: int = 50) -> None:
    """List on standard error what failed.

    Args:
        failures: Names and reasons.
        most: How many to list.
    """
    for name, reason in failures[:most]:
        # Names of files may hold line breaks, and bytes that are no text.
        line = f"{name!r}" if not name.isprintable() else name
        typer.secho(f"{line}: {reason}", err=True, fg="yellow")
    if len(failures) > most:
        typer.secho(f"and {len(failures) - most} more", err=True, fg="yellow")


def command_line() -> str:
    """What the user typed."""
    return shlex.join(["interpviz", *sys.argv[1:]])


def class_names(file: Path) -> list[str]:
    """The class names in a text file, one a line.

    Args:
        file: The file.

    Raises:
        InputError: It cannot be read as text.
    """
    try:
        return [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The class names {file} cannot be read: pass a text file.") from error


def name_or_index(text: str) -> int | str:
    """A class or layer as the library takes it: a whole number is an index.

    Args:
        text: What the user wrote.
    """
    return int(text) if re.fullmatch(r"-?\d+", text) else text


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure and free it.

    Args:
        figure: A matplotlib figure.
        path: Where to, with an ending that matplotlib knows.
    """
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        figure.savefig(path, dpi=150, bbox_inches="tight")
    finally:
        plt.close(figure)


def unused_name(taken: set[Path], path: Path, make: Callable[[int], Path]) -> Path:
    """A path that no other image of this call has taken.

    Args:
        taken: The paths taken so far; the result is added.
        path: The one that is wanted.
        make: Another one from a number.
    """
    number = 2
    while path in taken:
        path, number = make(number), number + 1
    taken.add(path)
    return path
