"""Build and test the course where nothing is installed: ``make fresh``.

    python tools/fresh.py [SUITE] [PACKAGE...]

A clone of HEAD is taken to a bare Debian of its own: python3, python3-venv, make, git
and nothing else, but for the packages that are named. There ``make book`` and
``make test`` run, and what each took is printed. SUITE is a release of Debian, such as
bookworm or trixie. It takes root, debootstrap and a network.

All mounts live in a mount namespace, which ends with its last process: however this
ends, the folder that is removed afterwards has nothing mounted in it.
"""

import ast
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BARE = ["ca-certificates", "git", "make", "python3", "python3-venv"]
TARGETS = [".venv/.installed", "book", "test"]
NAMESPACE = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def mirror():
    """Return where apt has its packages from: here the others come from there too."""
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian"]
    found = subprocess.run(asked, capture_output=True, text=True).stdout.split()
    return found[:1]


def pip_settings():
    """Return pip's settings on this machine, as pip's environment variables."""
    asked = [sys.executable, "-m", "pip", "config", "list"]
    told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    settings = {}
    for line in told.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2].replace("-", "_").upper()
        settings[f"PIP_{name}"] = " ".join(ast.literal_eval(value).split())
    shared = ("http_proxy", "https_proxy", "no_proxy", "ssl_cert_file")
    return settings | {k: v for k, v in os.environ.items() if k.lower() in shared}


def local_paths(settings):
    """Yield the files and folders that settings name."""
    for word in " ".join(settings.values()).split():
        # A local index keeps its files beside its pages.
        index = word.startswith("file://")
        path = Path(word.removeprefix("file://"))
        if path.is_absolute() and path.exists():
            yield path.parent if index else path


def enter(root, settings):
    """Mount what a running system has, and what pip's settings name."""
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "proc", "proc", root / "proc"], check=True)
    subprocess.run(["mount", "--rbind", "/dev", root / "dev"], check=True)
    for path in {Path("/etc/resolv.conf"), Path("/etc/hosts"), *local_paths(settings)}:
        place = root / path.relative_to("/")
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        subprocess.run(["mount", "--bind", path, place], check=True)


def build_and_test(root, packages):
    """Run the targets inside and say what each took; return the last one's status."""
    settings = pip_settings()
    enter(root, settings)
    clean = {"HOME": "/root", "LANG": "C.UTF-8", "PATH": PATH}

    def inside(*command):
        return subprocess.run(["chroot", root, *command], env=clean | settings)

    if packages:
        install = ("apt-get", "install", "--yes", "--quiet", "--no-install-recommends")
        inside(*install, *packages).check_returncode()
    took = []
    for target in TARGETS:
        start = time.perf_counter()
        status = inside("make", "-C", "/root/course", target).returncode
        seconds = time.perf_counter() - start
        took.append((f"make {target}", seconds, status))
        if status:
            break
    for target, seconds, status in took:
        print(f"{target:<22} {seconds:5.0f} s  {f'failed: {status}' if status else ''}")
    return took[-1][2]


def run(command, **options):
    """Run in namespaces of its own: if it is ended, all that it started ends too."""
    try:
        return subprocess.run([*NAMESPACE, *command], **options).returncode
    except BaseException:
        time.sleep(2)  # until all of it is gone, and writes no more files
        raise


def main(arguments):
    """Make the bare system, and become root of it in a namespace."""
    if arguments[:1] == ["--inside"]:
        sys.exit(build_and_test(Path(arguments[1]), arguments[2:]))
    # Ended from outside, too, it ends what it started and removes what it made.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    suite, *packages = arguments or ["bookworm"]
    with tempfile.TemporaryDirectory(prefix="fresh-") as folder:
        root = Path(folder) / "root"
        bootstrap = ["debootstrap", "--variant=minbase", f"--include={','.join(BARE)}"]
        if run([*bootstrap, suite, root, *mirror()], stdout=subprocess.DEVNULL):
            sys.exit(f"debootstrap could not make {suite}: see above")
        clone = ["git", "clone", "--quiet", ROOT, root / "root" / "course"]
        subprocess.run(clone, check=True)
        sys.exit(run([sys.executable, __file__, "--inside", root, *packages]))


if __name__ == "__main__":
    main(sys.argv[1:])
