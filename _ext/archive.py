"""The course as a zip that the site itself offers, so that it needs no repository.

``{download}`_build/archive/first-tensor.zip``` links to it. It is made before the pages
are read, and again only when another commit is built.
"""

import sys
import zipfile
from pathlib import Path
from zlib import crc32

ARCHIVE = Path("_build", "archive", "first-tensor.zip")


def make(app):
    """Pack the course, if this book is the course and holds a page that offers it."""
    root = Path(app.srcdir)
    if not (root / "pyproject.toml").exists():
        return
    sys.path.insert(0, str(root))
    from tools import release

    archive = root / ARCHIVE
    files = release.sources(root)
    if not is_up_to_date(archive, files):
        release.pack(files, archive, root)


def is_up_to_date(archive, files):
    """Tell whether a zip holds exactly these files."""
    try:
        with zipfile.ZipFile(archive) as there:
            entries = there.infolist()
    except (OSError, zipfile.BadZipFile):
        return False
    packed = {entry.filename.partition("/")[2]: entry.CRC for entry in entries}
    return packed == {name: crc32(content) for name, (content, _) in files.items()}


def setup(app):
    """Register the hook."""
    app.connect("builder-inited", make)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
