"""Folders of data that are made once, whole or not at all, and checked at each use."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

import filelock
import platformdirs

MANIFEST = ".manifest.json"
# Above this many files only names and sizes are checked: hashing them takes seconds.
HASHED_FILES = 20_000


class DataError(RuntimeError):
    """A data set cannot be had; the message says why and what helps."""


def cache_dir():
    """Return the folder that data sets are unpacked into, which need not exist.

    Returns
    -------
    pathlib.Path
        The environment variable ``COURSE_DATA_DIR``, or the platform's folder for
        caches.
    """
    chosen = os.environ.get("COURSE_DATA_DIR", "").strip()
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_cache_dir("first-tensor", appauthor=False))


def fault(folder):
    """Check a folder against the manifest that was written with it.

    Parameters
    ----------
    folder : pathlib.Path

    Returns
    -------
    str or None
        What is wrong, or None. Files that the manifest does not list are no fault.
    """
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        listed = [(folder / path, *pair) for path, pair in files.items()]
        if any(len(entry) != 3 for entry in listed):
            raise ValueError("an entry is not a size and a checksum")
    except OSError:
        return f"{MANIFEST} cannot be read"
    except (ValueError, TypeError, AttributeError):
        return f"{MANIFEST} is damaged"
    for path, size, digest in listed:
        try:
            if path.stat().st_size != size:
                return f"{path.relative_to(folder)} has another size"
            if len(listed) <= HASHED_FILES and sha256(path) != digest:
                return f"{path.relative_to(folder)} has another checksum"
        except OSError:
            return f"{path.relative_to(folder)} cannot be read"
    return None


def materialise(folder, build, *, title, size):
    """Return a folder as `build` fills it, building it if need be.

    Parameters
    ----------
    folder : pathlib.Path
        Where it belongs.
    build : callable
        Called with an empty folder to fill, beside `folder`. It is moved into place
        when it is complete, so that nobody sees half of it.
    title : str
        What is built, for messages.
    size : int
        Bytes that it takes, for messages.

    Returns
    -------
    pathlib.Path
        `folder`.

    Raises
    ------
    DataError
        If the folder cannot be written or the disk is full. Nothing is left behind.

    Notes
    -----
    Of two processes that start at once, one builds and the other waits.
    """
    if fault(folder) is None:
        return folder
    staging = folder.with_name(folder.name + ".part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder.with_name(folder.name + ".lock")):
            problem = fault(folder)
            if problem is None:  # another process built it meanwhile
                return folder
            if folder.exists():
                print(f"{title}: {problem}; it is made again.", file=sys.stderr)
            shutil.rmtree(staging, ignore_errors=True)
            try:
                staging.mkdir()
                build(staging)
                _write_manifest(staging)
                if folder.exists():
                    shutil.rmtree(folder)
                staging.replace(folder)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise DataError(_explain(error, folder.parent, title, size)) from error
    return folder


def sha256(path):
    """Return the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _write_manifest(folder):
    files = {
        path.relative_to(folder).as_posix(): [path.stat().st_size, sha256(path)]
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    text = json.dumps(files)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def _explain(error, folder, title, size):
    need = f"{title} takes {size / 2**20:.0f} MB in {folder}"
    if error.errno == errno.ENOSPC:
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(folder).free / 2**20
            need += f", where {free:.0f} MB are free"
        return (
            f"The disk is full: {need}. Make room, or set COURSE_DATA_DIR to a folder "
            "on another disk."
        )
    return (
        f"{need}, and that failed with {type(error).__name__}: {error}. "
        "Set COURSE_DATA_DIR to a folder that you can write."
    )
