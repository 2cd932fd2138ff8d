"""The built course, a server and a browser, for every test that looks at the site."""

import gc
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings
from playwright._impl._driver import compute_driver_executable
from playwright.sync_api import Error, sync_playwright
from pseudo import build_translated

ROOT = Path(__file__).parent.parent
# Without the garbage collector, which takes a third of the time of a build and finds
# little: the trees of pages are needed until the end.
JUPYTER_BOOK = "import gc; gc.disable(); from jupyter_book.cli.main import main; main()"
# A busy machine is slow, not wrong: nothing here is judged by the clock. What has not
# come after this many milliseconds will never come.
NEVER = 600_000

settings.register_profile(
    "course",
    settings.default,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("course")


def pytest_collection_finish():
    """Spare the garbage collector what is imported by now, a million objects of torch.

    That stays until the end, and to go through it again and again takes a while.
    """
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter):
    """Say once, and not test by test, what was left out and why."""
    skipped = terminalreporter.stats.get("skipped", ())
    for reason, count in Counter(report.longrepr[2] for report in skipped).items():
        terminalreporter.line(f"{count} skipped: {reason.removeprefix('Skipped: ')}")


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
    """Return the folder of the course's HTML, built once for all xdist workers.

    ``TRANSLATED=1`` builds it in a language that nobody speaks (`make pseudo`).
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    html = shared / "site" / "_build" / "html"
    with FileLock(shared / "site.lock"):
        if not (shared / "site.built").exists():
            if os.environ.get("TRANSLATED"):
                build_translated(build, ROOT, shared / "site")
            else:
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


def skip_without_browser(reason):
    """Leave out a test of the site: one line says why, and what to install."""
    pytest.skip(
        f"no browser ({reason}); the tests of the site want Chromium: "
        "apt install chromium libatomic1 (Debian, Ubuntu), or: "
        "playwright install chromium"
    )


@pytest.fixture(scope="session")
def browser():
    """Start Chromium once: the system's, else the one that Playwright installed.

    The one without windows opens a page in half the time.
    """
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    names += ("google-chrome", "chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    # Playwright drives it with a Node of its own, which may lack a library here.
    node, _ = compute_driver_executable()
    started = subprocess.run([node, "--version"], capture_output=True, text=True)
    if started.returncode:
        told = started.stderr.strip().rpartition("shared libraries: ")[2]
        skip_without_browser(f"Playwright's Node does not start: {told}")
    with sync_playwright() as playwright:
        found = found or playwright.chromium.executable_path
        if not Path(found).exists():
            skip_without_browser("Chromium is not installed")
        try:
            browser = playwright.chromium.launch(
                executable_path=found,
                timeout=NEVER,
                args=[
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-background-networking",
                    "--no-first-run",
                ],
            )
        except Error as error:
            missing = re.search("shared libraries: (.+)", error.message)
            if missing is None:
                raise
            skip_without_browser(f"{found} does not start: {missing[1]}")
        browser.on("context", lambda context: context.set_default_timeout(NEVER))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def idle(browser):
    """Keep the browsing contexts that no test uses, by their options."""
    return defaultdict(list)


@pytest.fixture
def new_context(browser, idle):
    """Return a function that gives a browsing context, with nothing remembered.

    It takes the options of Playwright's `new_context`. After the test the context is
    emptied and kept for the next one. An empty tab in it stays open: Chromium takes
    longer to open a first tab than to show a page.
    """
    used = []

    def new_context(**options):
        others = idle[repr(sorted(options.items()))]
        if others:
            context, devtools, origins = others.pop()
        else:
            context, origins = browser.new_context(**options), set()
            devtools = context.new_cdp_session(context.new_page())

            def note(frame):
                scheme, host, *_ = urlsplit(frame.url)
                origins.add(f"{scheme}://{host}")

            context.on("page", lambda page: page.on("framenavigated", note))
        used.append((others, context, devtools, origins))
        return context

    yield new_context
    for others, context, devtools, origins in used:
        for page in context.pages[1:]:
            page.close()
        while origins:
            asked = {"origin": origins.pop(), "storageTypes": "all"}
            devtools.send("Storage.clearDataForOrigin", asked)
        context.clear_permissions()
        others.append((context, devtools, origins))


@pytest.fixture
def page(new_context):
    """Return a page of a context of its own, with nothing remembered."""
    return new_context(viewport={"width": 1280, "height": 800}).new_page()


@pytest.fixture(scope="session")
def search(browser, serve, site):
    """Return a function that searches the built site: pages and anchors, best first."""
    context = browser.new_context()
    pages = {}

    def search(query, served=True):
        if served not in pages:
            pages[served] = context.new_page()
            base = serve(site) if served else site.as_uri()
            pages[served].goto(f"{base}/search.html")
            pages[served].wait_for_function("Search.hasIndex()")
        return pages[served].evaluate(
            "(query) => Search.find(query)"
            ".map(({page, anchor}) => page + (anchor && `#${anchor}`))",
            query,
        )

    yield search
    context.close()
