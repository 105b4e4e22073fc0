"""The copy of the site that opens from the file system, as one archive."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

# Files that are compressed already.
_PACKED = {".webp", ".jpg", ".png", ".mp4", ".gz", ".zip"}
_NEEDLESS = {"sitemap.xml", "sitemap.xml.gz", "objects.inv", "404.html"}
_WHEN = (2020, 1, 1, 0, 0, 0)


def pack(site: Path, name: str) -> Path:
    """Put a built site into an archive beside it.

    Args:
        site: The folder of the built site.
        name: The name of the folder inside the archive.

    Returns:
        The archive. The same site gives the same bytes.
    """
    target = site.with_name(f"{site.name}.zip")
    with ZipFile(target, "w") as archive:
        for path in sorted(path for path in site.rglob("*") if path.is_file()):
            inside = path.relative_to(site).as_posix()
            if inside in _NEEDLESS:
                continue
            how = ZIP_STORED if path.suffix in _PACKED else ZIP_DEFLATED
            entry = ZipInfo(f"{name}/{inside}", _WHEN)
            archive.writestr(entry, path.read_bytes(), compress_type=how)
    return target
