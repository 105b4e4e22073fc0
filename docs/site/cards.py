"""The gallery's index, and the cards and figures of examples on other pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from os.path import relpath
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import thumbnails
from figures import escaped, markdown
from filters import Tags, attributes, buttons, tags
from layout import Example, GalleryError, Layout, opening
from pages import replace
from records import load
from uses import public_names, uses

_MARKER = re.compile(r"<!--\s*gallery-(figure|cards):\s*(.+?)\s*-->")
_ARCHIVES = {".py": "gallery_python.zip", ".ipynb": "gallery_jupyter.zip"}
_HEADING = re.compile(r"^(#+ )", re.MULTILINE)


def write_index(layout: Layout) -> None:
    """Write the page that shows all examples, section by section."""
    layout.gallery.mkdir(parents=True, exist_ok=True)
    public = public_names(layout)
    found = {example: tags(example, uses(example, public)) for example in layout.examples()}
    texts = {section: _readme(section) for section in layout.sections()}
    topics = {section.name: text.split("\n")[0].lstrip("# ") for section, text in texts.items()}
    parts = [
        "---\nglightbox: false\nhide: [navigation, toc]\n---\n",
        _readme(layout.scripts),
        buttons(found, topics),
    ]
    for section, text in texts.items():
        row = cards(layout.examples(section), layout.gallery, found)
        lowered = _HEADING.sub(r"#\1", text)
        parts.append(f'<div class="iv-section" markdown>\n\n{lowered}\n\n{row}\n\n</div>')
    parts.append(_downloads(layout))
    replace(layout.gallery / "index.md", "\n\n".join(part for part in parts if part) + "\n")


def _readme(folder: Path) -> str:
    path = folder / "README.md"
    if not path.is_file():
        raise GalleryError(f"{folder} needs a README.md that begins with `# Title`.")
    return path.read_text(encoding="utf-8").strip()


def check(layout: Layout) -> None:
    """See to it that every section says what it is about, before any example runs.

    Raises:
        GalleryError: If a folder of scripts has no README, which would hide its examples.
    """
    for folder in (layout.scripts, *layout.sections()):
        _readme(folder)


def cards(
    examples: Iterable[Example], page_folder: Path, found: Mapping[Example, Tags] | None = None
) -> str:
    """A row of cards, one an example: picture, title, one sentence.

    Args:
        examples: What to show.
        page_folder: The folder of the page that shows them.
        found: What the cards can be filtered by, if at all.
    """
    body = "\n".join(
        _card(example, page_folder, (found or {}).get(example)) for example in examples
    )
    return f'<div class="iv-cards" data-search-exclude markdown>\n\n{body}\n</div>'


def _card(example: Example, page_folder: Path, found: Tags | None) -> str:
    figure = thumbnails.make(example)
    pictures = []
    for scheme in ("light", "dark") if figure else ():
        path = _from(page_folder, example.thumbnail(scheme))
        size = f'width="{thumbnails.WIDTH}" height="{thumbnails.HEIGHT}" loading=lazy .off-glb'
        pictures.append(f"![{escaped(figure.alt)}]({path}#only-{scheme}){{ {size} }}")
    link = f"[{escaped(example.title)}]({_from(page_folder, example.page)}){{ .iv-card__link }}"
    picture = "\n".join(pictures)
    data = f" {attributes(found)}" if found else ""
    return (
        f'<div class="iv-card"{data} markdown>\n\n'
        f"{picture}\n\n{link}\n\n{escaped(opening(example.summary))}\n\n</div>\n"
    )


def _downloads(layout: Layout) -> str:
    lines = []
    for ending, name in _ARCHIVES.items():
        files = [example.folder / f"{example.stem}{ending}" for example in layout.examples()]
        _archive(layout.gallery / name, files, layout.gallery)
        what = "Python scripts" if ending == ".py" else "notebooks"
        lines.append(f":material-download: [All examples as {what}]({name}){{ download }}")
    body = "\n".join(f"- {line}" for line in lines)
    return f"## All at once\n\n{body}"


def _archive(path: Path, files: Iterable[Path], root: Path) -> None:
    with ZipFile(path, "w") as archive:
        for file in files:
            # A fixed time, so that the same examples give the same archive.
            entry = ZipInfo(file.relative_to(root).as_posix(), (2020, 1, 1, 0, 0, 0))
            archive.writestr(entry, file.read_bytes(), compress_type=ZIP_DEFLATED)


def expand(text: str, page_folder: Path, layout: Layout, warn: Callable[[str], None]) -> str:
    """Put figures and cards where a page asks for them.

    A page asks with a comment: `<!-- gallery-figure: cam/plot_layers 2 -->` shows the second
    figure of that example and links to its page; `<!-- gallery-cards: cam/plot_layers ... -->`
    shows cards of the named examples, or of all examples of a section that is named.

    Args:
        text: The page's Markdown.
        page_folder: The folder of the page.
        layout: The folders of the checkout.
        warn: Called with a message for each request that cannot be met.
    """
    known = {example.key: example for example in layout.examples()}

    def put(found: re.Match[str]) -> str:
        kind, words = found[1], found[2].split()
        try:
            if kind == "figure":
                return _figure(known[words[0]], words[1:], page_folder)
            return cards(_named(words, known), page_folder)
        except (KeyError, IndexError, ValueError):
            warn(f"nothing in the gallery answers to {found[0]}")
            return ""

    return _MARKER.sub(put, text)


def _named(words: list[str], known: dict[str, Example]) -> list[Example]:
    chosen = []
    for word in words:
        section = [example for key, example in known.items() if key.startswith(f"{word}/")]
        chosen.extend(section or [known[word]])
    return chosen


def _figure(example: Example, words: list[str], page_folder: Path) -> str:
    number = int(words[0]) if words else 1
    record = load(example.record)[number - 1]
    shown = markdown(example, record, folder=_from(page_folder, example.images))
    link = f"[{escaped(example.title)}]({_from(page_folder, example.page)})"
    return f"{shown}\n{link}\n{{ .iv-from }}\n"


def _from(folder: Path, path: Path) -> str:
    return Path(relpath(path, folder)).as_posix()
