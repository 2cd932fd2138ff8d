"""How fast JupyterLab opens a chapter and answers a click in its contents.

    python benchmarks/jupyterlab.py http://localhost:8888 [CHAPTER ...]

Start the server in the root of a copy of the course, as an open chapter may be saved:

    jupyter lab --no-browser --expose-app-in-browser --IdentityProvider.token=

For each chapter it prints how long it takes until nothing is computed any more, and,
for the last heading, then the first below the title, how long after the click it is in
view and the page idle again. A page is idle when it has had no task above 50 ms for a
while; that while is not counted. The load of the machine is printed with the times.
"""

import argparse
import os
import shutil
import statistics
from pathlib import Path
from time import monotonic

from playwright.sync_api import sync_playwright

QUIET = 2000  # ms without a long task after loading

WATCH = """
window.tasks = [];
new PerformanceObserver((list) => {
  for (const {startTime, duration} of list.getEntries())
    tasks.push(startTime + duration);
}).observe({type: "longtask", buffered: true});
window.rest = async (quiet) => {
  const start = performance.now();
  while (performance.now() - Math.max(start, tasks.at(-1) ?? 0) < quiet)
    await new Promise((done) => setTimeout(done, 50));
};
"""
# Answers with the milliseconds from the click, null if the heading never came.
AIM = """(which) => {
  const headings = [...document.querySelectorAll(".jp-tocItem-heading")];
  const item = headings.at(which);
  const plain = (text) => text.replace("¶", "").replace(/\\s+/g, " ").trim();
  const title = plain(item.textContent);
  const view = document.querySelector(".jp-WindowedPanel-outer");
  const isInView = () => {
    const {top, bottom} = view.getBoundingClientRect();
    const all = [...view.querySelectorAll(".jp-Cell :is(h1, h2, h3, h4)")];
    return all
      .filter((h) => plain(h.textContent) === title)
      .map((h) => h.getBoundingClientRect())
      .some((h) => h.height && h.top >= top - 2 && h.bottom <= bottom + 2);
  };
  item.scrollIntoView({block: "center"});
  item.dataset.aim = "";
  window.answer = new Promise((done) => {
    item.addEventListener("mousedown", async () => {
      const start = performance.now();
      delete item.dataset.aim;
      let since = null;
      while (performance.now() - start < 30000) {
        await new Promise(requestAnimationFrame);
        const now = performance.now();
        since = isInView() ? since ?? now : null;
        const last = Math.max(start, tasks.at(-1) ?? 0);
        if (since && now - since > 700 && now - last > 700)
          return done(Math.max(since, last) - start);
      }
      done(null);
    }, {capture: true, once: true});
  });
}"""


def click(page, which):
    """Click a heading in the contents and return the milliseconds to its answer."""
    page.evaluate(AIM, which)
    page.locator("[data-aim]").click()
    return page.evaluate("answer")


def measure(browser, server, chapter):
    """Open a chapter anew; return seconds to open it, milliseconds to answer."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(180_000)
    page.add_init_script(WATCH)
    start = monotonic()
    page.goto(f"{server}/lab/tree/{chapter}?reset")
    page.wait_for_selector(".jp-Notebook .jp-Cell")
    page.evaluate("jupyterapp.commands.execute('toc:show-panel')")
    page.wait_for_selector(".jp-tocItem-heading")
    page.evaluate("rest", QUIET)
    opened = monotonic() - start - QUIET / 1000
    answers = [click(page, -1), click(page, 1)]
    page.close()
    return opened, answers


def main():
    """Print a line for each chapter, and the slowest answer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("server")
    parser.add_argument("chapters", nargs="*")
    given = parser.parse_args()
    chapters = given.chapters or sorted(map(str, Path().glob("chapters/*.ipynb")))
    slowest = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        print("load  opens   last   first  chapter")
        for chapter in chapters:
            opened, answers = measure(browser, given.server, chapter)
            last, first = ("never" if ms is None else f"{ms:.0f} ms" for ms in answers)
            load = os.getloadavg()[0]
            print(f"{load:4.1f} {opened:4.1f} s {last:>7} {first:>7}  {chapter}")
            slowest.append(max(30_000 if ms is None else ms for ms in answers))
    print(f"slowest {max(slowest):.0f} ms, median {statistics.median(slowest):.0f} ms")


if __name__ == "__main__":
    main()
