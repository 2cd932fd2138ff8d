"""A chapter in JupyterLab, in a browser: ``make jupyterlab``.

A server of its own shows a small notebook with the folder lab/, as its installation
would put it there. Nothing of the person who runs this is read or written.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tomllib
import urllib.request
from contextlib import closing, suppress
from time import monotonic, sleep

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools.notebooks import ROOT, fold_predicted

# A chapter's lab, with what the chapter stores for it.
SHOW_LAB = """\
import nbformat
from helpers.labs import MIME, ROOT, show_lab, unpack

chapter = nbformat.read(ROOT / "chapters" / "06_classification.ipynb", 4)
[stored] = [
    output.data[MIME]["data"]
    for cell in chapter.cells
    for output in cell.get("outputs", ())
    if MIME in output.get("data", {})
]
data = unpack(stored)
show_lab("boundary", **data)
[round(float(loss), 4) for loss in data["losses"][:10]]
"""
FOLDED = {"jupyter": {"source_hidden": True, "outputs_hidden": True}}
GLOSSARY = "# Glossary\n\n## A\n\n{.glossary}\n\n" + "\n".join(
    f"term {n}\n: What it means.\n  Two lines.\n" for n in range(60)
)


def printed(text):
    return [new_output("stream", name="stdout", text=f"{text}\n")]


def page():
    """Make a notebook with a prediction, a solution and a long end."""
    long = "\n\n".join(["A paragraph."] * 60)
    parts = [
        new_markdown_cell("# Page\n\n[A term](glossary.md#term-term-50) of it."),
        new_markdown_cell(
            ":::{admonition} Predict, then run\n:class: predict\nWhat?\n:::"
        ),
        new_code_cell("print('run ' + 'now')", id="asked", outputs=printed("stored")),
        new_code_cell("assert True", id="proof", metadata={"tags": ["proof"]}),
        new_markdown_cell("This is the reading.", id="reading"),
        new_markdown_cell(
            "## Exercises\n\n:::{exercise} One\n:label: ex-one\nDo.\n:::"
        ),
        new_code_cell("1", id="stub"),
        new_markdown_cell(":::{solution-start} ex-one\n:class: dropdown\n:::"),
        new_code_cell(
            "# One way to do it\nprint('ran')",
            id="solution",
            metadata=FOLDED,
            outputs=printed("solved"),
        ),
        new_markdown_cell(
            "A word on this solution:\nit is one.",
            id="word",
            metadata={"jupyter": {"source_hidden": True}},
        ),
        new_markdown_cell(":::{solution-end}\n:::", id="end"),
        new_code_cell("2", id="after"),
        new_code_cell(SHOW_LAB, id="playing"),
        new_markdown_cell(f"## Summary\n\n{long}\n\n## What comes next\n\nMore.\n"),
    ]
    notebook = new_notebook(cells=parts)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    notebook.cells[3].metadata["jupyter"] = {"source_hidden": True}
    fold_predicted(notebook)
    return notebook


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Serve the page with the folder lab/ in place, and return its address."""
    home = tmp_path_factory.mktemp("lab")
    project = tomllib.loads((ROOT / "lab" / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    for name, place in wheel["shared-data"].items():
        (home / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "lab" / name, home / place)
    course = home / "course"
    course.mkdir()
    nbformat.write(page(), course / "page.ipynb")
    (course / "glossary.md").write_text(GLOSSARY, "utf-8")
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {
        "JUPYTER_PATH": str(home / "share" / "jupyter"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
    }
    lab = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *(
                "--expose-app-in-browser",
                f"--port={port}",
                "--ServerApp.port_retries=0",
            ),
            *("--IdentityProvider.token=", f"--ServerApp.root_dir={course}"),
            f"--LabApp.app_settings_dir={home / 'share/jupyter/lab/settings'}",
        ],
        env={**os.environ, **own},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    until = monotonic() + 60
    while monotonic() < until and lab.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{address}/api"):
            break
        sleep(0.2)
    yield address
    lab.terminate()
    lab.wait()


@pytest.fixture
def lab(browser, server):
    """Open the page in a fresh window."""
    with closing(browser.new_page(viewport={"width": 1280, "height": 800})) as tab:
        tab.set_default_timeout(60_000)
        tab.goto(f"{server}/lab/tree/page.ipynb?reset")
        tab.wait_for_selector(".course-note")
        tab.wait_for_selector("details.myst-exercise")
        # A cell is found by its place: JupyterLab writes no ids into the page.
        ids = [cell.id for cell in page().cells]
        tab.cell = lambda name: tab.locator(
            f'.jp-Cell[data-windowed-list-index="{ids.index(name)}"]'
        )
        yield tab


def seen(lab, text):
    return lab.locator(".jp-Notebook").get_by_text(text, exact=True).is_visible()


def test_a_prediction_waits_until_its_cell_is_run(lab):
    assert lab.cell("asked").locator(".cm-content").is_visible()
    assert not any(lab.cell(name).is_visible() for name in ("proof", "reading"))
    assert not seen(lab, "stored")
    lab.cell("asked").locator(".cm-content").click()
    lab.keyboard.press("Shift+Enter")
    lab.get_by_text("run now", exact=True).wait_for()
    assert lab.cell("reading").is_visible()
    assert lab.locator(".course-note").count() == 0


def test_a_prediction_can_be_shown_without_running(lab):
    lab.get_by_text("Show it without running").click()
    lab.get_by_text("stored", exact=True).wait_for()
    assert lab.cell("reading").is_visible()


def test_a_solution_is_one_card_until_it_is_opened(lab):
    inside = ("solution", "word", "end")
    assert not any(lab.cell(name).is_visible() for name in inside)
    card = lab.locator(".course-solution summary")
    card.click(position={"x": 400, "y": 8})
    lab.get_by_text("solved", exact=True).wait_for()
    assert lab.cell("solution").locator(".cm-content").is_visible()
    assert lab.cell("word").locator(".myst").is_visible()
    card.click(position={"x": 400, "y": 8})
    lab.cell("solution").wait_for(state="hidden")


def test_shift_enter_does_not_run_what_nobody_sees(lab):
    lab.cell("stub").locator(".cm-content").click()
    for _ in range(2):
        lab.keyboard.press("Shift+Enter")
    active = lab.locator(".jp-Cell.jp-mod-active")
    assert active.get_attribute("data-windowed-list-index") == lab.cell(
        "after"
    ).get_attribute("data-windowed-list-index")


def test_a_click_in_the_contents_arrives_at_its_heading(lab):
    lab.evaluate("jupyterapp.commands.execute('toc:show-panel')")
    lab.locator(".jp-tocItem-heading", has_text="What comes next").click()
    heading = lab.locator("h2", has_text="What comes next")
    lab.wait_for_function(
        "h => { const {top, bottom} = h.getBoundingClientRect();"
        " return top > 0 && bottom < innerHeight; }",
        arg=heading.element_handle(),
    )


def test_a_link_to_the_glossary_arrives_at_its_term(lab):
    lab.get_by_role("link", name="A term").click()
    term = lab.locator("dt", has_text="term 50")
    term.wait_for()
    lab.wait_for_function(
        "t => { const {top, bottom} = t.getBoundingClientRect();"
        " return top > 0 && bottom < innerHeight / 2; }",
        arg=term.element_handle(),
    )
    assert not lab.get_by_text("{.glossary}").is_visible()


def test_a_lab_runs_in_the_output_of_its_cell(lab):
    lab.cell("playing").locator(".cm-content").click()
    lab.keyboard.press("Control+Enter")
    place = lab.cell("playing").locator(".lab[data-open]")
    place.wait_for()
    # What PyTorch gave is printed below the lab.
    printed = lab.cell("playing").locator(".jp-OutputArea-output", has_text="[0.")
    expected = json.loads(printed.last.inner_text())
    place.locator("[data-part=step]").click()  # ten epochs
    slider, losses = place.locator("[data-part=time]"), []
    for epoch in range(10):
        slider.evaluate(
            "(slider, epoch) => { slider.value = epoch;"
            " slider.dispatchEvent(new Event('input', {bubbles: true})); }",
            epoch,
        )
        losses.append(float(place.locator("[data-part=loss]").inner_text()))
    assert losses == expected
