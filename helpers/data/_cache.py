"""Folders of data that are made once, whole or not at all, and checked at each use."""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

import filelock
import platformdirs

MANIFEST = ".manifest.json"
# Above this many files only names and sizes are checked: hashing them takes seconds.
HASHED_FILES = 20_000
# Seconds to wait in silence for another process that makes the same folder.
PATIENCE = 60
# Another version of a set is removed once nobody has used it for so many seconds.
UNUSED = 60 * 24 * 60 * 60


class DataError(RuntimeError):
    """A data set cannot be had; the message says why and what helps."""


def cache_dir():
    """Return the folder that data sets are unpacked into, which need not exist.

    Returns
    -------
    pathlib.Path
        The environment variable ``COURSE_DATA_DIR``, or the platform's folder for
        caches.

    Raises
    ------
    DataError
        If ``COURSE_DATA_DIR`` is a relative path or its ``~user`` does not exist, or if
        there is no home folder for caches.
    """
    chosen = os.environ.get("COURSE_DATA_DIR", "").strip()
    try:
        if chosen:
            place = Path(chosen).expanduser()
        else:
            place = Path(platformdirs.user_cache_dir("first-tensor", appauthor=False))
    except RuntimeError as error:
        place, reason = None, error
    if chosen and (place is None or not place.is_absolute()):
        # A notebook runs in its own folder and the doctor in another: a relative path
        # would name two folders.
        raise DataError(
            "the environment variable COURSE_DATA_DIR must be a whole path, such as "
            f"{Path.cwd() / 'data'}, got {chosen!r}"
            + (f": {reason}" if place is None else "")
        )
    if place is None or not place.is_absolute():
        raise DataError(
            "this user has no home folder to unpack data into; set the environment "
            "variable COURSE_DATA_DIR to a folder that you can write"
        )
    return place


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
        if not listed or any(len(entry) != 3 for entry in listed):
            raise ValueError("nothing, or an entry is not a size and a checksum")
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
    Of two processes that start at once, one builds and the other waits; if that takes
    long, it says so. Once a folder is built, other versions of it that nobody has used
    for two months are removed.
    """
    if fault(folder) is None:
        _mark_used(folder)
        return folder
    staging = folder.with_name(folder.name + ".part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder, title):
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
        _remove_old_versions(folder)
    except OSError as error:
        raise DataError(_explain(error, folder.parent, title, size)) from error
    return folder


def sha256(path):
    """Return the SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _lock(folder):
    return filelock.FileLock(folder.with_name(folder.name + ".lock"))


def _locked(folder, title):
    """Hold the lock of a folder; say so when somebody else holds it for long."""
    lock = _lock(folder)
    try:
        return lock.acquire(timeout=PATIENCE)
    except filelock.Timeout:
        print(
            f"{title}: another process has been making it for {PATIENCE} seconds, and "
            "this one waits. If no other is at work, interrupt this one and delete "
            f"{lock.lock_file}",
            file=sys.stderr,
        )
        return lock.acquire()


def _mark_used(folder):
    """Note in a time of last change that the folder is in use."""
    with contextlib.suppress(OSError):  # a shared cache may be read-only
        os.utime(folder / MANIFEST)


def _remove_old_versions(folder):
    """Remove what other versions of the course made under the same name, long ago."""
    versioned = re.compile(r"(.+)-[0-9a-f]{12}")
    if (own := versioned.fullmatch(folder.name)) is None:
        return
    for other in folder.parent.iterdir():
        found = versioned.fullmatch(other.name)
        if found is None or found[1] != own[1] or other == folder:
            continue
        # A folder without a manifest is not ours. One whose lock is held is in use.
        with contextlib.suppress(OSError, filelock.Timeout):
            if time.time() - (other / MANIFEST).stat().st_mtime > UNUSED:
                with _lock(other).acquire(timeout=0):
                    shutil.rmtree(other)


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
