"""Folders of data: made once, whole or not at all, checked at each use."""

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from helpers.data import DataError, _cache

pytestmark = pytest.mark.machinery

TITLE = "Ten squares"


def build(folder):
    (folder / "deep").mkdir()
    (folder / "deep" / "squares").write_bytes(bytes(n * n for n in range(10)))
    (folder / "empty").write_bytes(b"")


def make(folder, build=build):
    return _cache.materialise(folder, build, title=TITLE, size=10)


def never(folder):
    raise AssertionError("it was built again")


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != _cache.MANIFEST
    }


WHOLE = {"deep/squares": bytes(n * n for n in range(10)), "empty": b""}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache" / "squares"


def leftovers(folder):
    """What lies beside the folder and its lock."""
    if not folder.parent.exists():
        return []
    names = {path.name for path in folder.parent.iterdir()}
    return sorted(names - {folder.name, f"{folder.name}.lock"})


def test_is_built_once(folder, capfd):
    assert make(folder) == folder
    assert contents(folder) == WHOLE
    assert make(folder, never) == folder
    assert leftovers(folder) == []
    assert capfd.readouterr() == ("", "")


def test_a_ready_folder_needs_no_right_to_write(folder, monkeypatch):
    make(folder)

    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(filelock, "FileLock", refuse)
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert make(folder, never) == folder


def flip_a_bit(folder):
    path = folder / "deep" / "squares"
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "another checksum": flip_a_bit,
    "another size": lambda folder: (folder / "empty").write_bytes(b"no longer"),
    "cannot be read": lambda folder: (folder / "empty").unlink(),
    ".manifest.json is damaged": lambda folder: (folder / _cache.MANIFEST).write_text(
        '{"deep/squares": 7'
    ),
    ".manifest.json cannot": lambda folder: (folder / _cache.MANIFEST).unlink(),
}


@pytest.mark.parametrize("said", DAMAGES)
def test_damage_is_noticed_said_in_one_line_and_mended(folder, capfd, said):
    make(folder)
    DAMAGES[said](folder)
    assert said in _cache.fault(folder)
    make(folder)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"{TITLE}: ")
    assert said in err
    assert err.endswith("it is made again.\n")
    assert err.count("\n") == 1
    assert contents(folder) == WHOLE
    assert make(folder, never) == folder


@pytest.mark.parametrize(
    "text", ["[]", "7", "{}", '{"deep/squares": [100]}', '{"a": null}']
)
def test_any_other_json_is_a_damaged_manifest(folder, text):
    make(folder)
    (folder / _cache.MANIFEST).write_text(text)
    assert _cache.fault(folder) == ".manifest.json is damaged"


def test_files_of_others_are_no_damage(folder):
    make(folder)
    (folder / "deep" / ".DS_Store").write_bytes(b"a file browser was here")
    assert make(folder, never) == folder


def test_of_very_many_files_the_sizes_are_compared(folder, monkeypatch):
    monkeypatch.setattr(_cache, "HASHED_FILES", 1)
    make(folder)
    flip_a_bit(folder)
    assert _cache.fault(folder) is None
    (folder / "deep" / "squares").write_bytes(b"short")
    assert "another size" in _cache.fault(folder)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interrupted_build_leaves_nothing(folder, kind):
    def interrupted(staging):
        (staging / "deep").mkdir()
        raise kind

    with pytest.raises(kind):
        make(folder, interrupted)
    assert not folder.exists()
    assert leftovers(folder) == []
    make(folder)
    assert contents(folder) == WHOLE


def test_a_failed_repair_keeps_what_was_there(folder):
    make(folder)
    flip_a_bit(folder)
    before = contents(folder)
    with pytest.raises(AssertionError):
        make(folder, never)
    assert contents(folder) == before


def run(program, folder):
    program = (
        "import sys, time; from pathlib import Path; from helpers.data import _cache\n"
        f"folder = Path(sys.argv[1])\n{program}"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a signal of POSIX")
def test_a_killed_process_is_no_obstacle(folder):
    program = """
def build(staging):
    (staging / "half").write_text("of it")
    print("building", flush=True)
    sys.stdin.readline()
_cache.materialise(folder, build, title="It", size=1)
"""
    with run(program, folder) as process:
        assert process.stdout.readline() == "building\n"
        process.send_signal(signal.SIGKILL)
    assert not folder.exists()
    assert leftovers(folder) == ["squares.part"]
    make(folder)
    assert contents(folder) == WHOLE
    assert leftovers(folder) == []


def test_of_two_processes_one_builds(folder):
    program = """
def build(staging):
    with open(folder.with_name("log"), "a") as log:
        log.write("built\\n")
    time.sleep(0.3)
    (staging / "file").write_text("whole")
print("ready", flush=True)
sys.stdin.readline()
_cache.materialise(folder, build, title="It", size=1)
print((folder / "file").read_text())
"""
    processes = [run(program, folder) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, err = process.communicate()
        assert (out, err, process.returncode) == ("whole\n", "", 0)
    assert (folder.parent / "log").read_text() == "built\n"


def test_full_disk(folder):
    def full(staging):
        build(staging)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(DataError, match=r"disk is full: Ten squares takes") as caught:
        make(folder, full)
    assert "MB are free" in str(caught.value)
    assert "COURSE_DATA_DIR" in str(caught.value)
    assert str(folder.parent) in str(caught.value)
    assert not folder.exists()
    assert leftovers(folder) == []


def test_full_disk_while_the_manifest_is_written(folder, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(DataError, match="disk is full"):
            make(folder)
    assert not folder.exists()
    assert leftovers(folder) == []
    make(folder)


def test_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"Set COURSE_DATA_DIR to a folder that you"):
        make(tmp_path / "file" / "squares")

    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(DataError, match="PermissionError.*Permission denied"):
        make(tmp_path / "new" / "squares")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(DataError, match="COURSE_DATA_DIR"):
            make(tmp_path / "cache" / "squares")
    finally:
        tmp_path.chmod(0o700)


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    default = _cache.cache_dir()
    assert default.is_absolute()
    assert "first-tensor" in default.parts
    monkeypatch.setenv("COURSE_DATA_DIR", " ")
    assert _cache.cache_dir() == default
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    assert _cache.cache_dir() == tmp_path
    monkeypatch.setenv("COURSE_DATA_DIR", "~/data")
    assert _cache.cache_dir() == Path.home() / "data"


@pytest.mark.parametrize(
    "chosen", ["here", "./here", "~nosuchuser/data", "data/../here"]
)
def test_a_relative_folder_is_refused_as_it_is_another_one_elsewhere(
    monkeypatch, chosen
):
    monkeypatch.setenv("COURSE_DATA_DIR", chosen)
    message = rf"COURSE_DATA_DIR must be a whole path.*got '{re.escape(chosen)}'"
    with pytest.raises(DataError, match=message):
        _cache.cache_dir()


@pytest.mark.parametrize("place", [RuntimeError("no home"), "~/.cache/first-tensor"])
def test_a_user_without_a_home(monkeypatch, place):
    def user_cache_dir(*args, **options):
        if isinstance(place, Exception):
            raise place
        return place

    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    monkeypatch.setattr(_cache.platformdirs, "user_cache_dir", user_cache_dir)
    with pytest.raises(DataError, match="no home folder.*set .* COURSE_DATA_DIR"):
        _cache.cache_dir()


def test_a_foreign_lock_is_waited_for_and_said(folder, monkeypatch, capfd):
    monkeypatch.setattr(_cache, "PATIENCE", 0.05)
    program = """
with _cache._lock(folder):
    print("locked", flush=True)
    sys.stdin.readline()
"""
    folder.parent.mkdir(parents=True)
    with run(program, folder) as process:
        assert process.stdout.readline() == "locked\n"
        acquire, calls = filelock.FileLock.acquire, []

        def counted(self, timeout=None, **options):
            calls.append(timeout)
            if len(calls) == 2:  # the message is out, and the wait begins
                process.stdin.write("let go\n")
                process.stdin.flush()
            return acquire(self, timeout=timeout, **options)

        monkeypatch.setattr(filelock.FileLock, "acquire", counted)
        make(folder)
    assert calls == [0.05, None]
    assert contents(folder) == WHOLE
    err = capfd.readouterr().err
    assert err.startswith(f"{TITLE}: another process has been making it")
    assert str(folder.with_name("squares.lock")) in err


# Other versions ----------------------------------------------------------------------

VERSIONS = [f"squares-{digit * 12}" for digit in "0123"]


def age(folder, seconds):
    manifest = folder / _cache.MANIFEST
    then = manifest.stat().st_mtime - seconds
    os.utime(manifest, (then, then))


def test_versions_that_nobody_has_used_for_long_are_removed(tmp_path):
    old, used, locked, new = (tmp_path / name for name in VERSIONS)
    others = [
        tmp_path / name
        for name in ("squares-full", "squares", "cubes-000000000000", "squares-0000")
    ]
    before = (old, used, locked, *others)
    for folder in before:
        make(folder)
    for folder in before:
        age(folder, _cache.UNUSED + 60)
    foreign = tmp_path / "squares-ffffffffffff"
    foreign.mkdir()
    assert make(used, never) == used  # that counts as a use
    with _cache._lock(locked):
        make(new)
    there = {path for path in tmp_path.iterdir() if path.is_dir()}
    assert there == {used, locked, new, foreign, *others}
    assert contents(used) == WHOLE


def test_without_a_new_version_nothing_is_removed(tmp_path):
    old, new, _, _ = (tmp_path / name for name in VERSIONS)
    make(new)
    make(old)
    age(old, _cache.UNUSED + 60)
    make(new, never)
    assert old.exists()


def test_a_ready_folder_does_not_wait_for_the_lock(folder):
    make(folder)
    with filelock.FileLock(folder.with_name(folder.name + ".lock")):
        assert make(folder, never) == folder
