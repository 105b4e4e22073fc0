"""Where things lie: the example scripts, and what the build makes of each of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_THUMBNAIL = re.compile(r"^[ \t]*#\s*mkdocs_gallery_thumbnail_number\s*=\s*(\S+)", re.MULTILINE)


class GalleryError(Exception):
    """Something in the gallery that its author has to put right."""


@dataclass(frozen=True)
class Example:
    """One script of the gallery and the files that are made from it.

    Attributes:
        source: The script, `gallery/SECTION/plot_NAME.py`.
        folder: Where its page is made, `docs/generated/gallery/SECTION`.
    """

    source: Path
    folder: Path

    @property
    def stem(self) -> str:
        """The name without folder and ending, `plot_NAME`."""
        return self.source.stem

    @property
    def key(self) -> str:
        """How pages refer to the example: `SECTION/plot_NAME`."""
        return f"{self.source.parent.name}/{self.stem}"

    @property
    def page(self) -> Path:
        """The page, in Markdown."""
        return self.folder / f"{self.stem}.md"

    @property
    def notebook(self) -> Path:
        """The example as a Jupyter notebook."""
        return self.folder / f"{self.stem}.ipynb"

    @property
    def script(self) -> Path:
        """The copy of the script that readers download."""
        return self.folder / f"{self.stem}.py"

    @property
    def images(self) -> Path:
        """The folder of its figures."""
        return self.folder / "images"

    @property
    def done(self) -> Path:
        """The file that holds the script's checksum once it has run to its end."""
        return self.folder / f"{self.stem}.py.md5"

    @property
    def record(self) -> Path:
        """What is known of its figures: numbers, sizes and descriptions."""
        return self.images / f"{self.stem}.json"

    def figure(self, number: int, scheme: str) -> Path:
        """The file of one figure, counted from 1, drawn for `light` or `dark`."""
        return self.images / f"{self.stem}_{number}_{scheme}.webp"

    def small_figure(self, number: int, scheme: str) -> Path:
        """A copy of a figure with fewer bytes, which the page shows."""
        return self.images / f"{self.stem}_{number}_{scheme}_small.webp"

    def thumbnail(self, scheme: str) -> Path:
        """The small picture of the gallery's index, for `light` or `dark`."""
        return self.images / "thumb" / f"{self.stem}_{scheme}.webp"

    def made(self) -> Iterator[Path]:
        """Every file that was made from the script, whether or not it still exists."""
        yield from (self.done, self.page, self.notebook, self.script, self.record)
        yield self.folder / f"{self.stem}_codeobj.pickle"
        yield from (self.thumbnail(scheme) for scheme in ("light", "dark"))
        yield from self.images.glob(f"{self.stem}_[0-9]*_*.webp")
        yield from self.images.glob(f"thumb/mkd_glr_{self.stem}_thumb.*")

    @cached_property
    def text(self) -> str:
        """The script itself."""
        return self.source.read_text(encoding="utf-8")

    @cached_property
    def paragraphs(self) -> list[str]:
        """The opening text, paragraph by paragraph; the first one is the title."""
        opening = ast.get_docstring(ast.parse(self.text)) or ""
        found = [" ".join(part.split()) for part in re.split(r"\n\s*\n", opening) if part.strip()]
        if not found:
            raise GalleryError(f"{self.source} needs an opening text that begins with `# Title`.")
        return found

    @property
    def title(self) -> str:
        """The title, without the sign of a heading."""
        return plain(self.paragraphs[0].lstrip("# "))

    @property
    def summary(self) -> str:
        """The first paragraph under the title, as plain text."""
        return plain(self.paragraphs[1]) if len(self.paragraphs) > 1 else self.title

    @property
    def thumbnail_number(self) -> int:
        """Which figure stands on the card of the index: the first, or what the script says."""
        found = _THUMBNAIL.search(self.text)
        if found is None:
            return 1
        if not found[1].isdigit() or int(found[1]) < 1:
            raise GalleryError(
                f"{self.source}: mkdocs_gallery_thumbnail_number is {found[1]}, "
                "but figures count from 1."
            )
        return int(found[1])


@dataclass(frozen=True)
class Layout:
    """The folders of one checkout.

    Attributes:
        root: The folder of `mkdocs.yml`.
        docs: The folder of the pages.
        scripts: The folder of the example scripts.
    """

    root: Path
    docs: Path
    scripts: Path

    @property
    def generated(self) -> Path:
        """Everything that the build makes before pages are rendered."""
        return self.docs / "generated"

    @property
    def gallery(self) -> Path:
        """The pages of the gallery."""
        return self.generated / "gallery"

    @property
    def stamp(self) -> Path:
        """What the generated pages were made from.

        It lies among the pages, which `mkdocs serve` does not watch.
        """
        return self.gallery / "inputs.json"

    def sections(self) -> list[Path]:
        """The folders of scripts, in the order of the index."""
        folders = [path for path in self.scripts.iterdir() if path.is_dir()]
        return sorted(path for path in folders if any(path.glob("*.py")))

    def examples(self, section: Path | None = None) -> list[Example]:
        """The examples of one section, or of all, in the order of the index."""
        folders = [section] if section else self.sections()
        return [
            Example(source, self.gallery / folder.name)
            for folder in folders
            for source in sorted(folder.glob("*.py"))
            if source.name != "__init__.py"
        ]


def plain(markdown: str) -> str:
    """Take the markup out of a line of Markdown: links, references, code and emphasis."""
    text = re.sub(r"!?\[([^\]]*)\](?:\s?\[[^\]]*\]|\([^)]*\))", r"\1", markdown)
    return re.sub(r"(`+|\*\*|\*|(?<!\w)_|_(?!\w))", "", text)


def opening(text: str, length: int = 140) -> str:
    """The first sentence of a text, and those after it that fit into a length.

    Args:
        text: Plain text.
        length: How many characters all of it may have; the first sentence may be longer.
    """
    sentences = re.split(r"(?<=[.?!])\s+", text)
    chosen = sentences[0]
    for sentence in sentences[1:]:
        if len(chosen) + 1 + len(sentence) > length:
            break
        chosen += f" {sentence}"
    return chosen
