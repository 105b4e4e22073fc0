"""What an example uses, read from its script: names of interpviz, and models of the zoo."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from layout import Example, Layout

PACKAGE = "interpviz"
_DIRECTIVE = re.compile(rf"^::: ({PACKAGE}(?:\.\w+)*)\s*$", re.MULTILINE)
_REFERENCE = re.compile(rf"\]\s*\[({PACKAGE}(?:\.\w+)+)\]")


@dataclass(frozen=True)
class Uses:
    """What one example uses.

    Attributes:
        names: Public names in its code, as the reference knows them, in the order of the script.
        mentioned: Names that only its prose speaks of.
        models: What it passes to `load_model`.
    """

    names: tuple[str, ...]
    mentioned: tuple[str, ...]
    models: tuple[str, ...]


def public_names(layout: Layout) -> dict[str, str]:
    """Every name that a reference page documents, and the page, `reference/cam.md`."""
    found = {}
    for page in sorted((layout.docs / "reference").glob("*.md")):
        for module in _DIRECTIVE.findall(page.read_text(encoding="utf-8")):
            for name in _exported(layout.root, module):
                found[f"{module}.{name}"] = page.relative_to(layout.docs).as_posix()
    return found


def _exported(root: Path, module: str) -> list[str]:
    path = root.joinpath(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not source.is_file():
        return []
    tree = ast.parse(source.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and _targets(node) == ["__all__"]:
            return [str(name) for name in ast.literal_eval(node.value)]
    defined = (node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef))
    return [node.name for node in defined if not node.name.startswith("_")]


def uses(example: Example, public: Iterable[str]) -> Uses:
    """Read what a script uses.

    Args:
        example: The example.
        public: The names that the reference documents.
    """
    return _read(example.text, frozenset(public))


# The index, the foot of each page and the reference ask the same of every script.
@lru_cache(maxsize=512)
def _read(text: str, known: frozenset[str]) -> Uses:
    tree = ast.parse(text)
    names = list(dict.fromkeys((*_names(tree, known), *_by_name(tree, known))))
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    mentioned = []
    for name in dict.fromkeys(_REFERENCE.findall(text.replace("\n#", "\n"))):
        owner, _, last = name.rpartition(".")
        # A method is called on a variable, whose class the script's prose tells.
        if owner in known and last in attributes:
            names.append(name)
        elif name not in names:
            mentioned.append(name)
    return Uses(tuple(names), tuple(mentioned), tuple(dict.fromkeys(_models(tree))))


def _names(tree: ast.Module, known: frozenset[str]) -> Iterator[str]:
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    modules[alias.asname or PACKAGE] = alias.name if alias.asname else PACKAGE
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if found := _public(whole, known):
                    yield found
                else:
                    modules[alias.asname or alias.name] = whole
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            first, *rest = ast.unparse(node).split(".")
            found = _public(".".join((modules[first], *rest)), known) if first in modules else None
            if found:
                yield found


def _public(name: str, known: frozenset[str]) -> str | None:
    if name in known:
        return name
    package, _, last = name.rpartition(".")
    if package != PACKAGE:
        return None
    # What the package itself offers is documented where it comes from.
    return next((other for other in sorted(known) if other.endswith(f".{last}")), None)


def _by_name(tree: ast.Module, known: frozenset[str]) -> Iterator[str]:
    """The classes of methods that a script asks for by their names, as `"gradcam++"`."""
    classes = {name.rpartition(".")[2].lower(): name for name in known if ".cam." in name}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) == "from_name" and node.args:
            for text in _strings(node.args[0], node, tree):
                if found := classes.get(text.replace("+", "plus")):
                    yield found


def _models(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) == "load_model" and node.args:
            yield from _strings(node.args[0], node, tree)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)


def _strings(value: ast.expr, place: ast.AST, tree: ast.Module) -> list[str]:
    """The texts that an expression can stand for; a variable is looked up in the script."""
    parts: list[ast.expr] = []
    if isinstance(value, ast.Constant):
        return [value.value] if isinstance(value.value, str) else []
    if isinstance(value, ast.List | ast.Tuple | ast.Set):
        parts = value.elts
    elif isinstance(value, ast.Dict):
        parts = [key for key in value.keys if key]
    elif isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        parts = [value.func.value]  # `names.items()` goes over the same names
    elif isinstance(value, ast.Name):
        parts = list(_sources(value.id, place, tree))
    return [text for part in parts for text in _strings(part, place, tree)]


def _sources(name: str, place: ast.AST, tree: ast.Module) -> Iterator[ast.expr]:
    loops = [loop for node in ast.walk(tree) if place in ast.walk(node) for loop in _loops(node)]
    for loop in loops:
        first = loop.target.elts[0] if isinstance(loop.target, ast.Tuple) else loop.target
        if isinstance(first, ast.Name) and first.id == name:
            yield loop.iter
            return
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and name in _targets(node):
            yield node.value


def _loops(node: ast.AST) -> list[ast.For | ast.comprehension]:
    return [node] if isinstance(node, ast.For) else list(getattr(node, "generators", ()))


def _targets(node: ast.Assign) -> list[str]:
    return [target.id for target in node.targets if isinstance(target, ast.Name)]
