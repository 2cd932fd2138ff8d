"""Weight and speed of the built site, page by page, in a real browser: a table.

Run ``python benchmarks/site_weight.py`` after ``make book``, on an otherwise idle
machine. It serves the pages with gzip, opens each on a phone's screen with an empty
cache and a slow CPU, reads it to its end, and comes to it once more from the page
before ("next"). It ends with an error where a page exceeds one of `LIMITS`.
"""

import argparse
import asyncio
import shutil
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from playwright.sync_api import sync_playwright
from sphinx_external_toc.parsing import parse_toc_yaml
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, StaticFileHandler

ROOT = Path(__file__).parent.parent
LIMITS = {"kB": 1000, "next kB": 300, "LCP s": 1.0, "CLS": 0.1}
PHONE = {"width": 412, "height": 823}

# Before the page's own scripts: note the largest paint and every jump as they come.
OBSERVE = """
window.seen = {paint: 0, jumps: 0};
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) seen.paint = entry.startTime;
}).observe({type: "largest-contentful-paint", buffered: true});
new PerformanceObserver((list) => {
  for (const entry of list.getEntries())
    if (!entry.hadRecentInput) seen.jumps += entry.value;
}).observe({type: "layout-shift", buffered: true});
"""

# As a reader does, by screens, so that lazy images load. What comes near grows to its
# true height, so the way is taken from where the reader is.
READ = """
async () => {
  const page = document.documentElement;
  while (scrollY + innerHeight < page.scrollHeight - 1) {
    scrollBy({top: innerHeight, behavior: "instant"});
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  }
}
"""

# Pictures in folded solutions may come when these are opened.
LOADED = """
[...document.images].every(
  (image) => image.complete || !image.checkVisibility({visibilityProperty: true})
)
"""


class Files(StaticFileHandler):
    """Files that a browser may keep for ten minutes, as GitHub Pages has it."""

    def get_cache_time(self, path, modified, mime_type):
        """Return the seconds that a file may be kept."""
        return 600


@contextmanager
def serve(folder):
    """Serve `folder` on this machine, with gzip, and give the address."""
    ready = threading.Event()
    sockets = bind_sockets(0, "127.0.0.1")

    async def run():
        nonlocal loop, stop
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        files = (r"/(.*)", Files, {"path": str(folder)})
        HTTPServer(Application([files], compress_response=True)).add_sockets(sockets)
        ready.set()
        await stop.wait()

    loop = stop = None
    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    ready.wait()
    yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    loop.call_soon_threadsafe(stop.set)
    thread.join()


def visit(context, address, slowdown):
    """Open a page, read it to its end, and measure.

    Returns how many requests went to the server and the kilobytes that came back,
    headers included, when the page was there; the kilobytes when it had been read; the
    time of the largest paint in seconds; and the cumulative layout shift.
    """
    page = context.new_page()
    page.add_init_script(OBSERVE)
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": slowdown})
    sizes, cached = {}, set()
    devtools.on(
        "Network.requestServedFromCache", lambda event: cached.add(event["requestId"])
    )
    devtools.on(
        "Network.loadingFinished",
        lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}),
    )

    def received():
        return [
            size for request, size in sizes.items() if size and request not in cached
        ]

    page.goto(address, wait_until="networkidle")
    opened = received()
    # A reader's first scroll would end the search for the largest paint, a script's
    # does not: pictures further down would count.
    paint = page.evaluate("seen.paint")
    page.evaluate(READ)
    page.wait_for_load_state("networkidle")
    page.wait_for_function(LOADED)
    jumps = page.evaluate("seen.jumps")
    page.close()
    whole = received()
    return {
        "requests": len(opened),
        "kB": sum(opened) / 1000,
        "read kB": sum(whole) / 1000,
        "LCP s": paint / 1000,
        "CLS": jumps,
    }


def measure(html, names, slowdown):
    """Visit each page first, then come to it from the one before; give the table."""
    rows = {}
    with serve(html) as address, sync_playwright() as playwright:
        chromium = playwright.chromium
        browser = chromium.launch(
            executable_path=shutil.which("chromium") or chromium.executable_path,
            args=["--no-sandbox", "--disable-gpu"],
        )
        for i, name in enumerate(names):
            context = browser.new_context(viewport=PHONE)
            url = f"{address}/{name}.html"
            rows[name] = visit(context, url, slowdown)
            context.close()
            context = browser.new_context(viewport=PHONE)
            visit(context, f"{address}/{names[i - 1]}.html", 1)
            after = visit(context, url, 1)
            context.close()
            for column in ("requests", "kB", "read kB"):
                rows[name][f"next {column}"] = after[column]
            print(name, file=sys.stderr)
        browser.close()
    return pd.DataFrame.from_dict(rows, orient="index")


def main():
    """Print the table for the pages that the command line names, else for all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "pages", nargs="*", default=list(parse_toc_yaml(ROOT / "_toc.yml"))
    )
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html")
    parser.add_argument("--slowdown", type=float, default=4, help="of the CPU")
    options = parser.parse_args()
    table = measure(options.html, options.pages, options.slowdown)
    print(table.to_string(float_format="{:.4g}".format))
    over = [
        f"{page}: {column} is {table.loc[page, column]:.3g}, the limit is {limit}"
        for column, limit in LIMITS.items()
        for page in table.index[table[column] > limit]
    ]
    sys.exit("\n".join(over) if over else 0)


if __name__ == "__main__":
    main()
