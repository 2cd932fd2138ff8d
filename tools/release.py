"""Pack the course into one zip that works offline: ``make release``.

It holds the files of the last commit and the site built from them, so a reader needs
neither git nor a build. The same commit gives the same archive, byte by byte.
"""

import argparse
import subprocess
import tarfile
import tomllib
import zipfile
from datetime import UTC, datetime
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


def git(*arguments):
    """Return what a git command prints about this repository, as bytes."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def contents(site):
    """Return the bytes and Unix permissions of every file of the archive, by its path.

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
    with tarfile.open(fileobj=BytesIO(git("archive", "--format=tar", "HEAD"))) as tar:
        for member in filter(tarfile.TarInfo.isfile, tar):
            mode = 0o755 if member.mode & 0o100 else 0o644
            files[member.name] = (tar.extractfile(member).read(), mode)
    for path in site.rglob("*"):
        if path.is_file():
            name = SITE / path.relative_to(site)
            files[name.as_posix()] = (path.read_bytes(), 0o644)
    return files


def pack(site, output):
    """Write the archive, with every date in it that of the last commit.

    Parameters
    ----------
    site : pathlib.Path
        The folder that holds the built HTML.
    output : pathlib.Path
        The folder that gets the archive.

    Returns
    -------
    pathlib.Path
        The archive, named for the version in ``pyproject.toml``.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    folder = f"{project['name']}-{project['version']}"
    day = datetime.fromtimestamp(int(git("log", "-1", "--format=%ct")), UTC)
    archive = output / f"{folder}.zip"
    files = contents(site)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path, (content, mode) in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{folder}/{path}", day.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, on every system: permissions are kept
            entry.external_attr = (0o100000 | mode) << 16
            file.writestr(entry, content)
    return archive


def main():
    """Pack the site that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path, help="the folder of the built HTML")
    parser.add_argument("output", type=Path, help="the folder that gets the archive")
    arguments = parser.parse_args()
    if git("status", "--porcelain").strip():
        print("What is not committed is in the site at most, not among the sources.")
    archive = pack(arguments.site, arguments.output)
    print(f"{archive} holds the course ({archive.stat().st_size / 1e6:.0f} MB)")


if __name__ == "__main__":
    main()
