"""Make the pages ready for a tool that knows nothing of the hooks beside this file.

    python docs/site/portable.py OUT

What the gallery's build left in `docs/generated` is plain Markdown already. The other pages ask for
figures and cards with comments, which are filled in here. OUT gets all pages and a configuration
without hooks; `zensical build -f OUT/mkdocs.yml`, for instance, renders it.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import cards
import yaml
from layout import Layout

_DROPPED = ("hooks", "watch", "exclude_docs", "validation")
_KEPT_OUT = ("site", "overrides", "snippets", "__pycache__")


class _Tagged(yaml.SafeLoader):
    """Reads tags such as the names of Python functions without running anything."""


class _Tag(str):
    """A tag as it was written."""

    __slots__ = ()


_Tagged.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda _, name, __: _Tag(name))
yaml.SafeDumper.add_representer(
    _Tag, lambda dumper, name: dumper.represent_scalar(f"tag:yaml.org,2002:python/name:{name}", "")
)


def export(root: Path, out: Path) -> list[str]:
    """Write the pages of a checkout, whose gallery has been built, into a folder.

    Args:
        root: The folder of `mkdocs.yml`.
        out: The folder to write; `docs` in it is replaced.

    Returns:
        What could not be filled in.
    """
    missed: list[str] = []
    layout = Layout(root, root / "docs", root / "gallery")
    shutil.rmtree(out / "docs", ignore_errors=True)
    ignored = shutil.ignore_patterns(*_KEPT_OUT, "*.pickle", "*.md5", "*.json", ".*")
    shutil.copytree(layout.docs, out / "docs", ignore=ignored)
    for page in layout.docs.rglob("*.md"):
        copy = out / "docs" / page.relative_to(layout.docs)
        if not copy.is_file() or layout.generated in page.parents:
            continue
        text = page.read_text(encoding="utf-8")
        copy.write_text(cards.expand(text, page.parent, layout, missed.append), encoding="utf-8")
    (out / "mkdocs.yml").write_text(configuration(layout), encoding="utf-8")
    return missed


def configuration(layout: Layout) -> str:
    """The configuration of the site without what only MkDocs knows.

    Args:
        layout: The folders of the checkout.
    """
    root = layout.root
    text = (root / "mkdocs.yml").read_text(encoding="utf-8")
    config = yaml.load(text, Loader=_Tagged)
    for name in _DROPPED:
        config.pop(name, None)
    gallery = layout.gallery.relative_to(layout.docs).as_posix()
    for entry in config["nav"]:
        if isinstance(entry, dict) and gallery in entry.values():
            entry[next(iter(entry))] = _listed(layout)
    config["theme"].pop("custom_dir", None)
    config["plugins"].pop("gallery", None)
    if reference := config["plugins"].get("mkdocstrings"):
        reference["handlers"]["python"]["paths"] = [str(root)]
    config["strict"] = False
    for extension in config["markdown_extensions"]:
        if isinstance(extension, dict) and "pymdownx.snippets" in extension:
            extension["pymdownx.snippets"]["base_path"] = [str(root)]
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def _listed(layout: Layout) -> list[str]:
    """The pages of the gallery one by one, where a tool does not look into folders."""
    found = [layout.gallery / "index.md"]
    found += [example.page for example in layout.examples() if example.page.is_file()]
    return [page.relative_to(layout.docs).as_posix() for page in found]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for message in export(Path(__file__).resolve().parents[2], Path(sys.argv[1]).resolve()):
        print(f"warning: {message}", file=sys.stderr)
