"""What the tests of the labs share: their arithmetic, their stored data, open labs."""

from functools import cache
from pathlib import Path

import nbformat
import pytest

from helpers.labs import MIME, Lab, unpack

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
COMPUTE = ROOT / "labs" / "compute"
STYLES = ("_static/course.css",)


def pytest_collection_modifyitems(items):
    """Leave to `make machinery` what no page shows: the arithmetic, and Firefox."""
    for item in items:
        if item.path.parent == HERE and item.path.name != "test_labs.py":
            item.add_marker(pytest.mark.machinery)


@cache
def outputs():
    """Return what the chapters store for their labs, by the lab's name."""
    return {
        output.data[MIME]["lab"]: output.data[MIME]["data"]
        for path in sorted((ROOT / "chapters").glob("*.ipynb"))
        for cell in nbformat.read(path, 4).cells
        if cell.cell_type == "code" and "show_lab" in cell.source
        for output in cell.outputs
        if MIME in output.get("data", {})
    }


@pytest.fixture(scope="session")
def raw():
    """Return a function that gives the JSON that a chapter stores for a lab."""
    return lambda name: outputs()[name]


@pytest.fixture(scope="session")
def stored(raw):
    """Return a function that gives a lab's stored data, tensors as NumPy arrays."""
    return lambda name: unpack(raw(name))


@pytest.fixture
def compute(page):
    """Return a function that loads the arithmetic of labs into an empty page.

    ``replace=(right, wrong)`` plants a slip.
    """

    def load(*names, replace=None):
        files = [COMPUTE / f"{name}.js" for name in names]
        scripts = [ROOT / "labs" / "page.js", *files]
        texts = [path.read_text("utf-8") for path in scripts]
        if replace:
            right, wrong = replace
            count = sum(text.count(right) for text in texts)
            assert count == 1, f"{right!r} stands {count} times in {names}"
            texts = [text.replace(right, wrong) for text in texts]
        page.goto("about:blank")
        for text in texts:
            page.add_script_tag(content=text)
        return page

    return load


@pytest.fixture
def lab(new_context, raw, tmp_path):
    """Return a function that opens a lab as a notebook shows it, in the site's colours.

    It takes the lab's name, the width of the window and the theme.
    """

    def open_lab(name, width=1280, theme="light", data=None, **options):
        html = Lab(name, data or raw(name), live=True).html()
        style = "\n".join((ROOT / path).read_text("utf-8") for path in STYLES)
        text = (
            f'<!doctype html><html lang="en" data-theme="{theme}">'
            '<meta charset="utf-8">'
            f'<title>{name}</title><meta name="viewport" content="width=device-width">'
            f"<style>body {{margin: 0; font-family: sans-serif; max-width: 60rem}}"
            f"html[data-theme=dark] {{--pst-color-text-base: #ced6dd; "
            f"--pst-color-border: #48566b}}{style}</style>"
            f"<body><main><h1>{name}</h1>{html}</main>"
        )
        file = tmp_path / f"{name}.html"
        file.write_text(text, "utf-8")
        size = {"width": width, "height": 900}
        page = new_context(viewport=size, **options).new_page()
        page.goto(file.as_uri())
        page.wait_for_selector(".lab[data-open]")
        return page

    return open_lab
