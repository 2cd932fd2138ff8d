"""The built course, a server and a browser, for every test that looks at the site."""

import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
JUPYTER_BOOK = "from jupyter_book.cli.main import main; main()"


@pytest.fixture(scope="session")
def build():
    """Return a function that builds a book as `make book` does.

    It takes the source folder, an output folder, options of `jupyter-book build`
    and environment variables, and returns the folder that holds what was built.
    """

    def build(source, output, *options, **environment):
        inherited = {k: v for k, v in os.environ.items() if "COURSE_" not in k}
        command = [sys.executable, "-c", JUPYTER_BOOK, "build", "-W", "-n"]
        command += ["--keep-going", "--quiet", "--path-output", output, *options]
        result = subprocess.run(
            [*command, source],
            env=inherited | environment,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return output / "_build"

    return build


@pytest.fixture(scope="session")
def site(build, tmp_path_factory):
    """Return the folder of the course's HTML, built once for all xdist workers."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    html = shared / "site" / "_build" / "html"
    with FileLock(shared / "site.lock"):
        if not (shared / "site.built").exists():
            build(ROOT, shared / "site")
            (shared / "site.built").touch()
    return html


@pytest.fixture(scope="session")
def serve():
    """Return a function that serves a folder and returns its address."""
    servers = {}

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    def address(folder):
        if folder not in servers:
            handler = partial(Handler, directory=str(folder))
            servers[folder] = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            threading.Thread(target=servers[folder].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[folder].server_port}"

    yield address
    for server in servers.values():
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def browser():
    """Start Chromium once: the system's, else the one that Playwright installed."""
    with sync_playwright() as playwright:
        names = ("chromium", "chromium-browser", "google-chrome", "chrome")
        paths = [*map(shutil.which, names), playwright.chromium.executable_path]
        found = next((path for path in paths if path and Path(path).exists()), None)
        if found is None:
            pytest.skip(
                "no Chromium: install it (Debian: apt install chromium; elsewhere: "
                "playwright install chromium) to run the tests of the site"
            )
        browser = playwright.chromium.launch(
            executable_path=found,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--no-first-run",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """Return a page of a context of its own, with nothing remembered."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()
