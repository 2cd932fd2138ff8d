"""The labs in Firefox, driven by the protocol that browsers share (WebDriver BiDi)."""

import json
import re
import shutil
import subprocess

import pytest
from test_labs import PAGES, each_page, scroll_to
from websocket import create_connection

STARTED = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
FIREFOX = ("firefox-esr", "firefox")
# What a lab says of its state, once it is open.
SAID = """
async (name) => {
  const place = () => document.querySelector(`[data-lab=${name}]`);
  place().parentElement.scrollIntoView({behavior: "instant"});
  while (place() && !place().hasAttribute("data-open"))
    await new Promise((next) => setTimeout(next, 50));
  return place()?.innerText.replace(/\\s+/g, "");
}
"""


class Firefox:
    """A window of Firefox.

    Parameters
    ----------
    address : str
        Of its WebSocket, without the path.
    """

    def __init__(self, address):
        self.socket = create_connection(
            f"{address}/session", timeout=600, suppress_origin=True
        )
        self.count, self.problems = 0, []
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["log.entryAdded"])
        [first, *_] = self.ask("browsingContext.getTree")["contexts"]
        self.context = first["context"]

    def ask(self, method, **parameters):
        """Send a command, and return its result."""
        self.count += 1
        text = {"id": self.count, "method": method, "params": parameters}
        self.socket.send(json.dumps(text))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == self.count:
                assert answer["type"] == "success", answer
                return answer["result"]
            if answer.get("params", {}).get("level") == "error":
                self.problems.append(answer["params"]["text"])

    def open(self, address):
        """Open a page and wait until it is complete."""
        self.problems.clear()
        place = {"context": self.context, "url": address, "wait": "complete"}
        self.ask("browsingContext.navigate", **place)

    def call(self, function, *values):
        """Call a function of the page with strings; return the string it gives."""
        result = self.ask(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[{"type": "string", "value": value} for value in values],
            awaitPromise=True,
            target={"context": self.context},
        )
        assert result["type"] == "success", result
        return result["result"].get("value")


@pytest.fixture(scope="module")
def firefox(tmp_path_factory):
    """Start Firefox once."""
    found = next(filter(None, map(shutil.which, FIREFOX)), None)
    if found is None:
        pytest.skip("no Firefox; its tests want: apt install firefox-esr (Debian)")
    profile = tmp_path_factory.mktemp("firefox")
    command = [found, "--headless", "--no-remote", "--profile", profile]
    process = subprocess.Popen(
        [*command, "--remote-debugging-port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = next(filter(None, map(STARTED.search, process.stderr)))[1]
    yield Firefox(address)
    process.terminate()
    process.wait()


@each_page
def test_a_lab_says_the_same_in_firefox(name, firefox, page, site):
    address = f"{site.as_uri()}/chapters/{PAGES[name]}.html"
    firefox.open(address)
    there = firefox.call(SAID, name)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(address)
    scroll_to(page, name)
    page.wait_for_selector(f"[data-lab={name}][data-open]")
    assert there == page.evaluate(SAID, name)
    assert len(there) > 40
    assert not firefox.problems
