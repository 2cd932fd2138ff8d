"""Pack the course into one zip that works offline: ``make release``.

It holds the files of the last commit and the site built from them, so a reader needs
neither git nor a build. The same commit gives the same archive, byte by byte. The site
itself offers one without the site (`_ext/archive.py`).
"""

import argparse
import os
import subprocess
import tarfile
import tomllib
import zipfile
from datetime import UTC, datetime
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).parent.parent
SITE = Path("_build", "html")
# At the top of the archive, where a reader looks first.
START = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>First Tensor</title>
<meta http-equiv="refresh" content="0; url=_build/html/index.html">
<p><a href="_build/html/index.html">Open the course</a></p>
</html>
"""


def git(*arguments, root=ROOT):
    """Return what a git command prints about a repository, as bytes."""
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def sources(root=ROOT):
    """Return the bytes and Unix permissions of the course's files, by their paths.

    They are those of the last commit. Where there is no repository, as in an unpacked
    archive, they are all but what `.gitignore` names.
    """
    files = {}
    if (root / ".git").exists():
        packed = git("archive", "--format=tar", "HEAD", root=root)
        with tarfile.open(fileobj=BytesIO(packed)) as tar:
            for member in filter(tarfile.TarInfo.isfile, tar):
                content = tar.extractfile(member).read()
                files[member.name] = (content, member.mode)
    else:
        made = (root / ".gitignore").read_text("utf-8").split()
        made = [pattern.strip("/") for pattern in made]
        for folder, inner, names in os.walk(root):
            inner[:] = [n for n in inner if not any(fnmatch(n, p) for p in made)]
            for name in names:
                if not any(fnmatch(name, pattern) for pattern in made):
                    path = Path(folder, name)
                    inside = path.relative_to(root).as_posix()
                    files[inside] = (path.read_bytes(), path.stat().st_mode)
    return {
        name: (content, 0o755 if mode & 0o100 else 0o644)
        for name, (content, mode) in files.items()
    }


def site_files(site):
    """Return the same of a built site, at the place where `make book` puts it.

    Parameters
    ----------
    site : pathlib.Path
        The folder that holds the built HTML.

    Raises
    ------
    FileNotFoundError
        If no site is there.
    """
    if not (site / "index.html").is_file():
        raise FileNotFoundError(f"{site} holds no site: run `make book` first")
    files = {"index.html": (START.encode(), 0o644)}
    for path in site.rglob("*"):
        if path.is_file():
            name = SITE / path.relative_to(site)
            files[name.as_posix()] = (path.read_bytes(), 0o644)
    return files


def pack(files, archive, root=ROOT):
    """Write files into a zip, with every date in it that of the last commit.

    Parameters
    ----------
    files : dict
        Their bytes and permissions by their paths.
    archive : pathlib.Path
        The zip; its name is that of the one folder in it. It is there whole or not at
        all: two builds at a time do no harm.
    root : pathlib.Path
        The course.
    """
    day = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold
    if (root / ".git").exists():
        seconds = int(git("log", "-1", "--format=%ct", root=root))
        day = datetime.fromtimestamp(seconds, UTC).timetuple()[:6]
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_name(f"{archive.name}.{os.getpid()}")
    with zipfile.ZipFile(
        unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9
    ) as file:
        for path, (content, mode) in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{archive.stem}/{path}", day)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, on every system: permissions are kept
            entry.external_attr = (0o100000 | mode) << 16
            file.writestr(entry, content)
    unfinished.replace(archive)


def main():
    """Pack the site that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path, help="the folder of the built HTML")
    parser.add_argument("output", type=Path, help="the folder that gets the archive")
    arguments = parser.parse_args()
    if git("status", "--porcelain").strip():
        print("What is not committed is in the site at most, not among the sources.")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    archive = arguments.output / f"{project['name']}-{project['version']}.zip"
    pack(sources() | site_files(arguments.site), archive)
    print(f"{archive} holds the course ({archive.stat().st_size / 1e6:.0f} MB)")


if __name__ == "__main__":
    main()
